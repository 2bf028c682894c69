package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Security says how mail connections are protected.
type Security string

// Securities. Where TLS is offered it is demanded: mail in the clear is
// refused with 530.
const (
	NoTLS       Security = "none"
	StartTLS    Security = "starttls"
	ImplicitTLS Security = "tls"
)

// MailOptions says what kind of mail server to start. Only Now is required.
type MailOptions struct {
	Listen   string           // address; empty: a free port of 127.0.0.1
	Now      func() time.Time // the time mails are stamped with
	Dir      string           // folder for mails, made if absent; empty: mails are kept in memory
	Security Security         // empty: NoTLS
	Username string           // with Password, offers AUTH PLAIN and LOGIN; empty: no AUTH
	Password string
	Auth     Requirement   // whether mail is taken from strangers
	Seed     uint64        // of faults met by probability
	Latency  time.Duration // real time between what a client says and the reply
	Network  Network       // takes the place of loopback; nil: loopback
}

// Requirement says whether something may be left out.
type Requirement string

// Requirements.
const (
	Optional Requirement = ""
	Required Requirement = "required"
)

// largestMail bounds one message.
const largestMail = 32 << 20

// idlePatience is how long the server waits for the next line, in real time.
const idlePatience = 10 * time.Minute

// MailSink is a mail server that keeps every mail it accepts and passes none
// on. All of it may be called at any time from anywhere.
type MailSink struct {
	now      func() time.Time
	network  Network
	dir      string
	security Security
	username string
	password string
	mustAuth bool
	tls      *tls.Config
	leaf     *x509.Certificate
	faults   *mailFaults
	latency  latency
	server   *smtp.Server
	address  string
	closing  chan struct{}
	serving  sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while down
	wires    map[*wire]bool
	closed   bool
	before   int // number of the last mail that was in the folder already
	mails    []kept
}

func (o *MailOptions) check() error {
	if o.Now == nil {
		return errors.New("mail sink: Now is missing: it needs to be told the time")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Security == "" {
		o.Security = NoTLS
	}
	switch {
	case o.Security != NoTLS && o.Security != StartTLS && o.Security != ImplicitTLS:
		return fmt.Errorf("mail sink: there is no security %s; there are none, starttls and tls", cut(string(o.Security)))
	case o.Auth != Optional && o.Auth != Required:
		return fmt.Errorf("mail sink: auth is %s; it is required, or empty", cut(string(o.Auth)))
	case o.Auth == Required && o.Username == "":
		return errors.New("mail sink: auth is required, but there is no user name")
	}
	if err := new(latency).set(o.Latency); err != nil {
		return fmt.Errorf("mail sink: %w", err)
	}
	return nil
}

// StartMailSink starts a mail server on loopback. Close it.
func StartMailSink(o MailOptions) (*MailSink, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	certificate, leaf, err := newCertificate()
	if err != nil {
		return nil, err
	}
	m := &MailSink{
		now: o.Now, network: o.Network, dir: o.Dir, security: o.Security, username: o.Username, password: o.Password,
		mustAuth: o.Auth == Required, leaf: leaf, faults: newMailFaults(o.Seed),
		tls:     &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		closing: make(chan struct{}), wires: map[*wire]bool{},
	}
	m.latency.Store(int64(o.Latency))
	if m.dir != "" {
		if err := os.MkdirAll(m.dir, 0o700); err != nil {
			return nil, fmt.Errorf("mail sink: make the folder: %w", err)
		}
		if m.before, err = lastNumber(m.dir); err != nil {
			return nil, err
		}
	}
	m.server = smtp.NewServer(smtp.BackendFunc(m.newSession))
	m.server.Domain = "sandbox.localhost"
	m.server.MaxMessageBytes = largestMail
	m.server.MaxRecipients = 100
	m.server.ReadTimeout = idlePatience
	m.server.AllowInsecureAuth = true // the session decides; the library does not see our TLS
	m.server.EnableSMTPUTF8 = true
	m.server.ErrorLog = log.New(io.Discard, "", 0)
	if err := m.open(o.Listen); err != nil {
		return nil, err
	}
	return m, nil
}

// open begins to take connections.
func (m *MailSink) open(address string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listener != nil || m.closed {
		return nil
	}
	l, err := listen(m.network, address)
	if err != nil {
		return err
	}
	m.address = l.Addr().String()
	taking := &wireListener{Listener: l, sink: m}
	m.listener = taking
	m.serving.Go(func() {
		m.server.Serve(taking) // it ends when the listener is closed, by us
	})
	return nil
}

// Addr is the address of the server, host and port.
func (m *MailSink) Addr() string { return m.address }

// Certificate is the server's certificate, signed by itself.
func (m *MailSink) Certificate() *x509.Certificate { return m.leaf }

// CertPool trusts the server's certificate and nothing else.
func (m *MailSink) CertPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(m.leaf)
	return pool
}

// Down closes the port and drops every connection, as a crash of the server
// does: "connection refused", until [MailSink.Up].
func (m *MailSink) Down() error {
	err := m.shut()
	m.serving.Wait()
	return err
}

// Up opens the same port again.
func (m *MailSink) Up() error { return m.open(m.address) }

// shut closes the port and the connections.
func (m *MailSink) shut() error {
	m.mu.Lock()
	l := m.listener
	m.listener = nil
	wires := make([]*wire, 0, len(m.wires))
	for w := range m.wires {
		wires = append(wires, w)
	}
	m.mu.Unlock()
	var err error
	if l != nil {
		err = l.Close()
	}
	for _, w := range wires {
		w.reset()
	}
	return err
}

// Close stops the server and waits until every connection is served. Mails stay
// readable.
func (m *MailSink) Close(ctx context.Context) error {
	m.mu.Lock()
	again := m.closed
	m.closed = true
	m.mu.Unlock()
	if again {
		return nil
	}
	close(m.closing)
	err := m.shut()
	m.serving.Wait() // so that no connection comes after the library begins to wait
	return errors.Join(err, ignoreClosed(m.server.Shutdown(ctx)))
}

// ignoreClosed forgets that listeners were closed before: by us.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// AddFault makes the server misbehave from now on and returns the fault with
// the id it was given. It refuses a fault that makes no sense.
func (m *MailSink) AddFault(f MailFault) (MailFault, error) { return m.faults.add(f) }

// Faults returns the faults in force; their Times are what is left of them.
func (m *MailSink) Faults() []MailFault { return m.faults.inForce() }

// ClearFaults makes the server behave again.
func (m *MailSink) ClearFaults() { m.faults.clear() }

// forget ends the keeping of a connection.
func (m *MailSink) forget(w *wire) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.wires, w)
}

// A wireListener hands out wires.
type wireListener struct {
	net.Listener
	sink *MailSink
}

// Accept returns the next connection that no fault drops.
func (l *wireListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if _, met := l.sink.faults.meet(AtConnect); met {
			abort(raw)
			continue
		}
		w := newWire(raw, l.sink)
		l.sink.mu.Lock()
		open := l.sink.listener == l
		l.sink.wires[w] = open
		l.sink.mu.Unlock()
		if !open {
			w.reset()
			return nil, net.ErrClosed
		}
		return w, nil
	}
}
