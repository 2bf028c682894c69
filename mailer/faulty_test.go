package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dunning/invoices"
)

// A place is where in a conversation something goes wrong.
type place string

// Places, in order.
const (
	atConnect   place = "connect"
	atGreeting  place = "greeting"
	atHello     place = "EHLO"
	atSecure    place = "STARTTLS"
	atHandshake place = "TLS handshake"
	atHello2    place = "EHLO under TLS"
	atLogin     place = "AUTH"
	atMail      place = "MAIL"
	atRcpt      place = "RCPT"
	atData      place = "DATA"
	inText      place = "in the text"
	afterText   place = "after the text, before the dot"
	atDot       place = "the dot"
	afterDot    place = "after the dot's 250"
	atReset     place = "RSET"
	atQuit      place = "QUIT"
)

var places = []place{atConnect, atGreeting, atHello, atSecure, atHandshake, atHello2, atLogin, atMail, atRcpt, atData, inText, afterText, atDot, afterDot, atReset, atQuit}

// A fault is what goes wrong.
type fault string

// Faults.
const (
	hangsUp   fault = "hangs up"
	resets    fault = "resets"
	saysLater fault = "4xx"
	leaves    fault = "421, and hangs up"
	refuses   fault = "5xx"
	keepsMum  fault = "says nothing"
	babbles   fault = "garbage"
	drones    fault = "a line too long"
	rambles   fault = "an endless reply"
	drips     fault = "a byte a minute"
	wavers    fault = "a reply of two codes"
	breaksOff fault = "half a reply, and hangs up"
	echoes    fault = "the reply twice"
	stutters  fault = "the reply in single bytes"
)

var faults = []fault{hangsUp, resets, saysLater, leaves, refuses, keepsMum, babbles, drones, rambles, drips, wavers, breaksOff, echoes, stutters}

// no is what a server says to refuse for good at a place; elsewhere it is 554.
var no = map[place]string{
	atHello: "500 5.5.1 what?", atSecure: "502 5.5.1 no", atLogin: "535 5.7.8 wrong password", atMail: "550 5.1.8 no such sender",
	atRcpt: "550 5.1.1 no such user", atDot: "554 5.7.1 looks like spam", inText: "552 5.3.4 too much", atReset: "500 5.5.1 what?", atQuit: "500 5.5.1 what?",
}

// A line is a connection that can be broken.
type line interface {
	net.Conn
	Reset()
}

// A faulty is a mail server with STARTTLS and a login that goes wrong on its
// first connection, at one place and in one way, and does everything right on
// the others. It takes a letter when it has read the dot and answers 2xx, or
// means to and does not get its answer through.
type faulty struct {
	at         place
	fault      fault
	pipelining bool
	tls        *tls.Config
	expected   int           // bytes of the first letter before the dot
	committing chan struct{} // closed when the first letter is being committed to
	release    chan struct{} // closed when the test is over

	serving sync.WaitGroup
	mu      sync.Mutex
	visits  int
	clear   []string // commands that came without TLS
	dots    int      // dots that were read
	taken   []string // letters
	struck  chan struct{}
}

func newFaulty(at place, f fault) *faulty {
	return &faulty{at: at, fault: f, committing: make(chan struct{}), release: make(chan struct{}), struck: make(chan struct{})}
}

func (f *faulty) letters() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.taken)
}

func (f *faulty) dotsRead() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dots
}

// visit serves one connection, in its own goroutine.
func (f *faulty) visit(l line) {
	f.mu.Lock()
	f.visits++
	first := f.visits == 1
	f.mu.Unlock()
	v := &visit{f: f, line: l, conn: l, in: bufio.NewReader(l), sound: !first}
	f.serving.Go(func() {
		defer l.Close()
		v.serve()
	})
}

// longLetter is a letter of more bytes than any buffer on the way holds.
func longLetter(id string) invoices.Letter {
	l := aLetter(id)
	l.Plain += strings.Repeat(".een lange regel van een lange brief\n", 4000)
	return l
}

// overCable lets a pool reach the server through cables. The ends that the
// pool got are returned one by one.
func (f *faulty) overCable(p *Pool) *[]*end {
	var ends []*end
	p.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		f.mu.Lock()
		first := f.visits == 0
		f.mu.Unlock()
		if first && f.at == atConnect {
			f.mu.Lock()
			f.visits++
			f.mu.Unlock()
			return nil, f.unreachable(ctx)
		}
		client, server := newCable()
		ends = append(ends, client)
		f.visit(server)
		return client, nil
	}
	return &ends
}

// options are those of a client that uses all of the server.
func (f *faulty) options(ca *authority) Options {
	o := options()
	o.Host, o.Security, o.RootCAs = "mail.example", StartTLS, ca.pool
	o.Username, o.Password, o.HelloName = "billing", "correct horse", "worker.example.com"
	return o
}

// over ends the test's part: whoever waits for it goes home.
func (f *faulty) over(t *testing.T) {
	t.Helper()
	close(f.release)
	f.serving.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, command := range f.clear {
		verb, _, _ := strings.Cut(command, " ")
		if !slices.Contains([]string{"EHLO", "HELO", "STARTTLS", "QUIT"}, verb) {
			t.Errorf("this was said without TLS: %q", command)
		}
	}
}

// unreachable is how a connection fails to come about.
func (f *faulty) unreachable(ctx context.Context) error {
	switch f.fault {
	case hangsUp:
		return syscall.ECONNREFUSED
	case resets:
		return syscall.ECONNRESET
	}
	<-ctx.Done()
	return ctx.Err()
}
