package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"dunning/internal/money"
	"dunning/internal/period"
)

// DefaultKey is the API key of a sandbox that was given none.
const DefaultKey = "sandbox-key"

// Options says what kind of sandbox to start. Only Now is required.
type Options struct {
	Listen     string           // address of the HTTP server; empty: a free port of 127.0.0.1
	Now        func() time.Time // the time the sandbox lives in
	Seed       uint64           // of ids, of faults met by probability and of debtors; 0: ids are random
	APIKeys    []string         // each sees only its own links; empty: DefaultKey
	Currencies []string         // accepted; empty: all of ISO 4217
	RetryScale float64          // of the two minutes between tries of a webhook; 0: 1
	LogLimit   int              // entries of each log that are kept; 0: all
	Latency    time.Duration    // real time before every answer of the API and every reply of the mail sink
	Network    Network          // takes the place of loopback; nil: loopback
	Mail       MailOptions      // of the mail sink; its Now, Seed, Latency and Network are taken from here
	Debtors    DebtorOptions    // of the debtors; nobody acts until [Debtors.Act] is called
}

// A Network takes the place of loopback, for tests in which time is not real.
type Network interface {
	Listen(address string) (net.Listener, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

func (o *Options) check() error {
	if o.Now == nil {
		return errors.New("sandbox: Now is missing: it needs to be told the time")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if len(o.APIKeys) == 0 {
		o.APIKeys = []string{DefaultKey}
	}
	if slices.Contains(o.APIKeys, "") {
		return errors.New("sandbox: an API key is empty")
	}
	for _, code := range o.Currencies {
		if _, known := money.Exponent(code); !known {
			return fmt.Errorf("sandbox: %s is not a currency of ISO 4217", cut(code))
		}
	}
	if !(o.RetryScale >= 0 && o.RetryScale <= 1000) {
		return fmt.Errorf("sandbox: the retry scale is %v; it lies between 0 and 1000", o.RetryScale)
	}
	if o.LogLimit < 0 {
		return fmt.Errorf("sandbox: the log limit is %d; it counts entries, or is 0 for all", o.LogLimit)
	}
	if err := new(latency).set(o.Latency); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

// Sandbox is a running pretend world.
type Sandbox struct {
	Pay     *CostPlus
	Mail    *MailSink
	Debtors *Debtors

	url    string
	keys   []string
	clock  *clock
	server *http.Server
	served chan error // receives what Serve returned
	stop   context.CancelFunc
	once   sync.Once // closes
}

// Start starts the API, the payment page, the mail sink and the pages to look
// inside, all on loopback; any other address is refused. Close it.
func Start(o Options) (*Sandbox, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	listener, err := listen(o.Network, o.Listen)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		url: "http://" + listener.Addr().String(), keys: slices.Clone(o.APIKeys),
		clock: &clock{base: o.Now}, served: make(chan error, 1),
	}
	o.Mail.Now, o.Mail.Seed, o.Mail.Latency, o.Mail.Network = s.clock.now, o.Seed, o.Latency, o.Network
	if s.Mail, err = StartMailSink(o.Mail); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	closing, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.Pay = newCostPlus(o, s.clock, closing)
	s.Pay.base = s.url
	s.Debtors = newDebtors(o.Debtors, s.Mail, s.url, o.Seed)
	s.server = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:    log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return closing },
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// URL is the address of the HTTP server, without a slash at the end: the base
// URL of the API and the beginning of every payment URL.
func (s *Sandbox) URL() string { return s.url }

// APIKeys are the keys that are let in.
func (s *Sandbox) APIKeys() []string { return slices.Clone(s.keys) }

// Now is the time that the sandbox lives in, in UTC.
func (s *Sandbox) Now() time.Time { return s.clock.now() }

// Advance moves the sandbox's clock on, relative to the clock it was given,
// and returns the new time. One call moves at most 100 years.
func (s *Sandbox) Advance(p period.Period) (time.Time, error) { return s.clock.advance(p) }

// SetClock moves the sandbox's clock on to an instant. It refuses to go back.
func (s *Sandbox) SetClock(t time.Time) (time.Time, error) { return s.clock.set(t) }

// Close stops everything and waits for it: latencies and webhooks are broken
// off, connections are closed. When ctx ends first, it returns ctx's error and
// closes the rest by force. Closing again does nothing.
func (s *Sandbox) Close(ctx context.Context) (err error) {
	s.once.Do(func() { err = s.close(ctx) })
	return err
}

func (s *Sandbox) close(ctx context.Context) error {
	s.stop()
	s.Debtors.close()
	errs := []error{s.Pay.hooks.close(ctx), s.server.Shutdown(ctx), s.Mail.Close(ctx)}
	if errs[1] != nil {
		errs = append(errs, s.server.Close())
	}
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// listen opens a TCP port of a loopback address.
func listen(n Network, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: address %s: write host and port, such as 127.0.0.1:0: %w", cut(address), err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("sandbox: address %s is not on loopback: the sandbox lets everybody in who reaches it; use 127.0.0.1", cut(address))
	}
	if n != nil {
		return n.Listen(net.JoinHostPort(host, port))
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}
