package costplus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/invoices"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is the API key of all tests. It must show in no error and no warning.
const canary = "sk-canary-6f1d2c"

var today = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

const (
	linkID  = "7d3f0a52-8f51-4c0e-9a53-2f6f5d1f7a10"
	orderID = "b1c7e1f0-53d8-4d8e-8f6c-0f2d6c3b9e21"
	payURL  = "https://pay.example.com/p/" + linkID
)

// full is a link as the guide shows one that was paid.
const full = `{
	"id": "` + linkID + `", "merchant_order_id": "INV-7-L1", "amount": 12550, "currency": "EUR",
	"description": "INV-7", "expiration_period": "P14D", "payment_url": "` + payURL + `",
	"status": "completed", "reason": null,
	"orders": {"error": ["o1", "o2"], "completed": ["` + orderID + `"]},
	"created": "2026-01-15T12:00:00.000000Z", "modified": "2026-01-15T12:05:30.123456+00:00",
	"completed": "2026-01-15T12:05:30.123456+00:00", "completed_order_id": "` + orderID + `"}`

// fresh is a link as the guide shows one that was just made.
const fresh = `{
	"id": "` + linkID + `", "merchant_order_id": "INV-7-L1", "amount": 12550, "currency": "EUR",
	"expiration_period": "P14D", "payment_url": "` + payURL + `", "status": "new", "orders": {},
	"created": "2026-01-15T11:59:58.250000Z"}`

func anOrder() invoices.LinkOrder {
	return invoices.LinkOrder{
		Ref: "INV-7-L1", Hook: "Zk9_hook-1", Amount: money.Amount{Minor: 12550, Currency: "EUR"},
		Description: "INV-7: January", Life: period.Period{Days: 14},
		Customer: invoices.Customer{ID: "C-7", Name: "Jan de Vries", Email: "jan@example.com", Language: "nl", Country: "NL"},
	}
}

// quiet is for servers whose clients misbehave on purpose.
var quiet = log.New(io.Discard, "", 0)

// ear collects what a client says on the side.
type ear struct {
	mu    sync.Mutex
	warns []string
	calls []string
}

func (e *ear) warned() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.warns)
}

// newClient makes a client of a server on loopback.
func newClient(t testing.TB, base string, change ...func(*Options)) (*Client, *ear) {
	t.Helper()
	e := &ear{}
	o := Options{
		BaseURL: base, APIKey: canary, Mode: Test,
		PaymentHosts: []string{"pay.example.com"}, PerSecond: mostPerSecond,
		Now: func() time.Time { return today },
		Warn: func(text string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.warns = append(e.warns, text)
		},
		OnCall: func(call, kind string, _ time.Duration) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.calls = append(e.calls, call+" "+kind)
		},
	}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		for _, text := range e.warned() {
			checkText(t, text)
		}
	})
	return c, e
}

// serve starts a server and a client of it.
func serve(t testing.TB, h http.HandlerFunc, change ...func(*Options)) (*Client, *ear) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, s.URL, change...)
}

// answer answers every request alike.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// checkText checks what every text that leaves the package must keep (R25).
func checkText(t testing.TB, text string) {
	t.Helper()
	if n := len([]rune(text)); n > longestMessage {
		t.Errorf("%d characters: %q", n, text)
	}
	if printable(text) != text {
		t.Errorf("not one clean line: %q", text)
	}
	for _, secret := range []string{canary, payURL, "/p/" + linkID, "jan@example.com", "@"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows in %q", secret, text)
		}
	}
}

// want is what an error must be.
type want struct {
	kind   invoices.Kind
	server bool // wraps ErrServer
	noLink bool // wraps ErrNoLink
	link   bool // no error at all, but a link
}

func checkFault(t testing.TB, err error, w want) *invoices.Fault {
	t.Helper()
	f, ok := errors.AsType[*invoices.Fault](err)
	if !ok {
		t.Fatalf("got %v (%T), want a fault", err, err)
	}
	got := want{kind: f.Kind, server: errors.Is(err, invoices.ErrServer), noLink: errors.Is(err, invoices.ErrNoLink)}
	if got != w {
		t.Errorf("%v: got %+v, want %+v", err, got, w)
	}
	checkText(t, err.Error())
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		if text := fmt.Sprintf(verb, err); strings.Contains(text, canary) {
			t.Errorf("the key shows in %s", verb)
		}
	}
	return f
}

// pipes is a network in memory, for the tests whose time is not real.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// over makes a client use the pipes with the settings of the real transport.
func (p *pipes) over(o *Options) {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	t := newTransport(timeout)
	t.DialContext = p.dial
	o.Transport = t
}

// serveInMemory starts a server whose network is in memory. It must be stopped
// before the bubble of the test ends.
func serveInMemory(t *testing.T, h http.HandlerFunc, change ...func(*Options)) (c *Client, e *ear, stop func()) {
	t.Helper()
	p := newPipes()
	s := &http.Server{Handler: h}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(p)
	}()
	c, e = newClient(t, "http://127.0.0.1", append(change, p.over)...)
	return c, e, func() {
		c.Close()
		_ = s.Close()
		<-ended
	}
}
