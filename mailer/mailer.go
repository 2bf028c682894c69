// Package mailer carries one letter at a time to a mail server, and says what
// became of it.
//
// A letter travels in two phases. In the first, MAIL, RCPT, DATA and the whole
// text are written, except for the line "." that ends it. Until that dot a
// mail server must forget everything when the connection is lost (RFC 5321,
// section 4.1.1.4), so nothing has happened yet and all of it may be repeated.
// Between the phases the caller commits to the letter. The second phase is the
// dot and its reply. Only when the dot is written and the reply stays out is
// it unknown whether the letter was accepted.
//
// Four rules follow, and the code keeps to them everywhere:
//
//   - The dot is written in one place, after the commit; nothing else ends a
//     letter, no deferred Close either.
//   - While the text is written and committed to, the server is listened to:
//     if it speaks or hangs up, the dot is not written, and there is no doubt.
//   - After anything but a proper reply the raw socket is closed: no QUIT, no
//     TLS farewell, nothing a server could take for the end of a letter.
//   - What a failure means is decided in one function, judge.
package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"dunning/internal/discreet"
)

// Security says how connections to the mail server are protected.
type Security string

// Securities.
const (
	StartTLS Security = "starttls" // TLS by the STARTTLS command, and nothing without it
	TLS      Security = "tls"      // TLS from the first byte
	None     Security = "none"     // in the clear; only to this machine itself
)

// Options says where letters go and how. Host, Security, From and Now are
// required.
type Options struct {
	Host     string
	Port     int // 0: 587 for StartTLS, 465 for TLS, 25 for None
	Security Security
	Username string // empty: no login
	Password string

	Connections int           // open at a time, at most 100; 0: one
	PerMinute   int           // letters, evenly spread; 0: no limit
	IdleClose   time.Duration // connections unused so long are closed; 0: 30 seconds
	Timeouts    Timeouts

	From     string // an address with or without a name: Example BV <billing@example.com>
	ReplyTo  string // the same; empty: none
	Redirect string // test mode (R26): the only address that gets any letter; empty: letters go to whom they are for

	MessageIDDomain string         // the right half of Message-IDs; empty: the domain of From
	HelloName       string         // the name of this machine; empty: the address of the connection, as in [192.0.2.1]
	RootCAs         *x509.CertPool // whom to trust; nil: whom the system trusts

	// DKIM are the keys that sign letters. The domain of From picks them: all
	// keys of that domain sign, so that a new key can be brought in beside the
	// old one. Empty: letters are not signed, or the mail server does it.
	DKIM []DKIMKey
	// Now is the business clock; it stamps the Date header and nothing else.
	Now func() time.Time
	// Dial takes the place of the network in tests; nil is the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// OnOutcome is told how every Send ended, from several goroutines. It may
	// be nil.
	OnOutcome func(Outcome)
}

// String describes the options without the password, so that it cannot slip
// into a log.
func (o Options) String() string {
	return fmt.Sprintf("mail server %s:%d (%s)", o.Host, o.Port, o.Security)
}

// GoString does what String does, for %#v.
func (o Options) GoString() string { return o.String() }

// Timeouts bounds the phases of a conversation. A zero means the default,
// which is what RFC 5321, section 4.5.3.2, asks of a client.
type Timeouts struct {
	Connect  time.Duration // to connect, and again to agree on TLS: 30 seconds
	Greeting time.Duration // for the greeting and each answer up to the login: 5 minutes
	Command  time.Duration // for the answer to MAIL and to each RCPT: 5 minutes
	Data     time.Duration // for the answer to DATA: 2 minutes
	Body     time.Duration // to hand over the text: 3 minutes
	Dot      time.Duration // for the answer to the final dot: 10 minutes; less makes doubts and duplicates
}

// An Outcome is how one Send ended, for metrics.
type Outcome struct {
	Phase  Phase // where it ended: Dot for a letter that was sent
	Code   int   // the SMTP reply code; 0 if none came
	Opened int   // connections opened for it: 0 when one was reused
	Err    error // nil: sent; otherwise what Send returned
}

// A Pool carries letters over a few connections to one mail server, which it
// opens when they are needed and uses again. Its methods may be called from
// any goroutine.
type Pool struct {
	o        Options
	host     string // Host:Port
	from     *mail.Address
	replyTo  *mail.Address // nil: none
	redirect string
	tls      *tls.Config
	sign     func(message []byte) ([]byte, error) // nil: messages are not signed
	signers  []signer                             // that sign for the sender
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	pace     *rate.Limiter
	repeats  func(text string) bool // whether it holds what no text may hold
	slots    chan struct{}          // one token per connection open or being opened

	refusals atomic.Int32 // by policy, in a row

	mu      sync.Mutex
	idle    []*session // the last used one last
	closed  bool
	leaving sync.WaitGroup // connections saying goodbye
}

// New returns a pool. It connects to nothing yet.
func New(o Options) (*Pool, error) {
	p := &Pool{o: o, dial: o.Dial}
	if p.dial == nil {
		p.dial = new(net.Dialer).DialContext
	}
	problems := []error{p.checkServer(), p.checkLimits(), p.checkTimeouts(), p.checkPeople(), p.checkKeys()}
	if o.Now == nil {
		problems = append(problems, errors.New("no clock is given"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	p.host = net.JoinHostPort(p.o.Host, fmt.Sprint(p.o.Port))
	p.tls = &tls.Config{ServerName: o.Host, RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	p.pace = rate.NewLimiter(rate.Inf, 1)
	if o.PerMinute > 0 {
		// No burst, so that a worker that restarts does not exceed the limit.
		p.pace.SetLimit(rate.Limit(float64(o.PerMinute) / 60))
	}
	p.repeats = discreet.Listen(o.Password)
	p.slots = make(chan struct{}, p.o.Connections)
	return p, nil
}

func (p *Pool) checkServer() error {
	var problems []error
	say := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	o := &p.o
	if o.Host == "" || strings.ContainsAny(o.Host, " \t\r\n/@[]") {
		say("mail server %q: want the name or IP address of a machine", o.Host)
	}
	ports := map[Security]int{StartTLS: 587, TLS: 465, None: 25}
	usual, known := ports[o.Security]
	switch {
	case !known:
		say("mail server security %q: want starttls, tls or none", o.Security)
	case o.Security == None && !loopback(o.Host):
		say("mail server %s: without TLS letters and passwords can be read on the way; security none is only for this machine itself (localhost, 127.0.0.1, ::1)", o.Host)
	}
	if o.Port == 0 {
		o.Port = usual
	}
	if known && (o.Port < 1 || o.Port > 65535) {
		say("mail server port %d: want 1 to 65535", o.Port)
	}
	switch {
	case (o.Username == "") != (o.Password == ""):
		say("mail server login: a user name and a password are needed together, or neither")
	case strings.ContainsAny(o.Username+o.Password, "\x00\r\n"):
		say("mail server login: the user name or the password contains a line break or a zero byte")
	}
	if o.HelloName != "" && (len(o.HelloName) > 255 || strings.ContainsFunc(o.HelloName, func(r rune) bool { return r <= ' ' || r > '~' })) {
		say("name of this machine %q: want a domain name", o.HelloName)
	}
	return errors.Join(problems...)
}

func (p *Pool) checkLimits() error {
	var problems []error
	o := &p.o
	if o.Connections == 0 {
		o.Connections = 1
	}
	if o.Connections < 1 || o.Connections > 100 {
		problems = append(problems, fmt.Errorf("%d connections to the mail server: want 1 to 100", o.Connections))
	}
	if o.PerMinute < 0 {
		problems = append(problems, fmt.Errorf("%d letters per minute: want 0 (no limit) or more", o.PerMinute))
	}
	return errors.Join(problems...)
}

func (p *Pool) checkTimeouts() error {
	var problems []error
	t := &p.o.Timeouts
	for _, is := range []struct {
		what  string
		value *time.Duration
		usual time.Duration
	}{
		{"to connect", &t.Connect, 30 * time.Second},
		{"for the greeting", &t.Greeting, 5 * time.Minute},
		{"for a command", &t.Command, 5 * time.Minute},
		{"for DATA", &t.Data, 2 * time.Minute},
		{"for the text", &t.Body, 3 * time.Minute},
		{"for the final dot", &t.Dot, 10 * time.Minute},
		{"until an unused connection is closed", &p.o.IdleClose, 30 * time.Second},
	} {
		if *is.value < 0 {
			problems = append(problems, fmt.Errorf("time %s %s: want more than nothing", is.what, *is.value))
		}
		if *is.value == 0 {
			*is.value = is.usual
		}
	}
	return errors.Join(problems...)
}

func (p *Pool) checkPeople() error {
	var problems []error
	o := &p.o
	read := func(what, text string) *mail.Address {
		addr, err := parsePerson(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s %q: %w", what, text, err))
		}
		return addr
	}
	p.from = read("sender", o.From)
	if o.ReplyTo != "" {
		p.replyTo = read("reply address", o.ReplyTo)
	}
	if o.Redirect != "" {
		addr, err := canonical(o.Redirect)
		if err != nil {
			problems = append(problems, fmt.Errorf("test recipient %q: %w", o.Redirect, err))
		}
		p.redirect = addr
	}
	if o.MessageIDDomain == "" && p.from != nil {
		o.MessageIDDomain = p.from.Address[strings.LastIndexByte(p.from.Address, '@')+1:]
	}
	domain, err := asciiDomain(o.MessageIDDomain)
	if err != nil && p.from != nil {
		problems = append(problems, fmt.Errorf("message id domain %q: %w", o.MessageIDDomain, err))
	}
	o.MessageIDDomain = domain
	return errors.Join(problems...)
}

// checkKeys reads the DKIM keys. It wants one for the sender, for without it
// not one letter could be composed.
func (p *Pool) checkKeys() error {
	if len(p.o.DKIM) == 0 {
		return nil
	}
	keys, err := readKeys(p.o.DKIM)
	if err != nil {
		return err
	}
	if p.from != nil {
		domain := p.from.Address[strings.LastIndexByte(p.from.Address, '@')+1:]
		if p.signers = signersOf(keys, domain); len(p.signers) == 0 {
			return fmt.Errorf("there are DKIM keys, but none for the sender's domain %s", domain)
		}
	}
	p.o.DKIM = nil // they are read, and need not lie around
	p.sign = func(message []byte) ([]byte, error) { return signMessage(keys, message) }
	return nil
}

// loopback reports whether a host is this machine, by its name alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// String and GoString describe the pool without its password.
func (p *Pool) String() string   { return p.o.String() }
func (p *Pool) GoString() string { return p.o.String() }

// ended tells the hook.
func (p *Pool) ended(o Outcome) {
	if p.o.OnOutcome != nil {
		p.o.OnOutcome(o)
	}
}

// withhold replaces a text that contains one of our secrets, which a server
// may echo.
func (p *Pool) withhold(text string) string {
	if p.repeats(text) {
		return "(the server repeated our login; its words are withheld)"
	}
	return text
}
