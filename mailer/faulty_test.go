package mailer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// A visit is one conversation.
type visit struct {
	f       *faulty
	line    line
	conn    net.Conn // line, or TLS over it
	in      *bufio.Reader
	sound   bool // nothing goes wrong, or no more
	secured bool
}

// goesWrong reports whether it is time.
func (v *visit) goesWrong(at place) bool { return !v.sound && v.f.at == at }

// say gives the usual answer at a place, or does what goes wrong there. It
// reports what was said, and whether the conversation goes on.
func (v *visit) say(at place, usual string) (said string, goesOn bool) {
	usual = strings.ReplaceAll(usual, "\n", "\r\n") + "\r\n"
	if !v.goesWrong(at) {
		return usual, v.write(usual)
	}
	v.sound = true
	defer close(v.f.struck)
	return v.strike(at, usual)
}

func (v *visit) strike(at place, usual string) (said string, goesOn bool) {
	code := usual[:3]
	switch v.f.fault {
	case hangsUp:
		return "", false
	case resets:
		v.line.Reset()
		return "", false
	case saysLater:
		return "451", v.write("451 4.3.0 not now\r\n")
	case leaves:
		v.write("421 4.3.2 closing\r\n")
		return "421", false
	case refuses:
		said, known := no[at]
		if !known {
			said = "554 5.3.2 no service"
		}
		return said, v.write(said + "\r\n")
	case keepsMum:
		v.listen(at)
		return "", false
	case babbles:
		v.write("\x00\xff\x16\x03\x1b[2J!\r\n")
		v.listen(at)
		return "", false
	case drones:
		return usual, v.write(code + "-" + strings.Repeat("x", 3000) + "\r\n" + usual)
	case rambles:
		for v.write(code + "-and another thing\r\n") {
		}
		return "", false
	case drips:
		for v.write(code[:1]) {
			select {
			case <-time.After(time.Minute):
			case <-v.f.release:
				return "", false
			}
		}
		return "", false
	case wavers:
		v.write(code + "-yes\r\n599 no\r\n")
		v.listen(at)
		return "", false
	case breaksOff:
		v.write(usual[:5])
		return "", false
	case echoes:
		return usual, v.write(usual + usual)
	case stutters:
		for i := range len(usual) {
			if !v.write(usual[i : i+1]) {
				return "", false
			}
		}
		return usual, true
	}
	panic("no such fault: " + v.f.fault)
}

// listen hears the client out and says nothing. In the text it does not even
// do that.
func (v *visit) listen(at place) {
	if at == inText {
		<-v.f.release
		return
	}
	_, _ = io.Copy(io.Discard, v.in)
}

func (v *visit) write(text string) bool {
	_, err := io.WriteString(v.conn, text)
	return err == nil
}

func (v *visit) serve() {
	if v.goesWrong(atConnect) {
		v.sound = true
		close(v.f.struck)
		return
	}
	if _, ok := v.say(atGreeting, "220 mail.example ready"); !ok {
		return
	}
	begun, waits := false, false // MAIL was accepted, RCPT was
	for {
		command, err := v.in.ReadString('\n')
		if err != nil {
			return
		}
		if !v.secured {
			v.f.mu.Lock()
			v.f.clear = append(v.f.clear, strings.TrimSpace(command))
			v.f.mu.Unlock()
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(command), " ")
		said, ok := "", true
		switch verb {
		case "EHLO":
			ok = v.hello()
		case "STARTTLS":
			if said, ok = v.say(atSecure, "220 go on"); ok && strings.HasPrefix(said, "220") {
				ok = v.secure()
			}
		case "AUTH":
			_, ok = v.say(atLogin, "235 2.7.0 welcome")
		case "MAIL":
			said, ok = v.say(atMail, "250 2.1.0 ok")
			begun, waits = strings.HasPrefix(said, "2"), false
		case "RCPT":
			said, ok = v.rcpt(begun)
			waits = waits || strings.HasPrefix(said, "2")
		case "DATA":
			if !waits {
				ok = v.write("503 5.5.1 no valid recipients\r\n")
			} else if said, ok = v.say(atData, "354 go on"); ok && strings.HasPrefix(said, "354") {
				ok = v.text()
			}
		case "RSET":
			_, ok = v.say(atReset, "250 2.0.0 ok")
			begun, waits = false, false
		case "QUIT":
			_, _ = v.say(atQuit, "221 2.0.0 bye")
			return
		default: // HELO, and "*", which gives a login up
			ok = v.write("250 mail.example\r\n")
		}
		if !ok {
			return
		}
	}
}

func (v *visit) hello() bool {
	at, lines := atHello, []string{"250-mail.example", "250-SIZE 1000000"}
	if v.f.pipelining {
		lines = append(lines, "250-PIPELINING")
	}
	if v.secured {
		at, lines = atHello2, append(lines, "250 AUTH PLAIN")
	} else {
		lines = append(lines, "250 STARTTLS")
	}
	_, ok := v.say(at, strings.Join(lines, "\n"))
	return ok
}

// secure agrees on TLS. What goes wrong here goes wrong behind the first bytes
// of the client's.
func (v *visit) secure() bool {
	conn := net.Conn(v.line)
	if v.goesWrong(atHandshake) {
		if _, err := v.in.Peek(20); err != nil {
			return false
		}
		if v.f.fault != stutters {
			_, ok := v.say(atHandshake, "\x16\x03\x03\x7f\xff")
			if ok {
				v.listen(atHandshake)
			}
			return false
		}
		v.sound, conn = true, &stutterer{v.line}
		close(v.f.struck)
	}
	// The client's first bytes may be in the buffer already.
	secured := tls.Server(&ahead{Conn: conn, in: v.in}, v.f.tls)
	if secured.Handshake() != nil {
		return false
	}
	v.conn, v.in, v.secured = secured, bufio.NewReader(secured), true
	return true
}

// ahead reads from a buffer over the connection.
type ahead struct {
	net.Conn
	in *bufio.Reader
}

func (a *ahead) Read(b []byte) (int, error) { return a.in.Read(b) }

// A stutterer writes single bytes.
type stutterer struct{ net.Conn }

func (s *stutterer) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func (v *visit) rcpt(begun bool) (said string, ok bool) {
	switch {
	case !begun:
		return "503", v.write("503 5.5.1 need MAIL\r\n")
	case v.goesWrong(atReset): // so that there is something to reset
		return "550", v.write("550 5.1.1 no such user\r\n")
	}
	return v.say(atRcpt, "250 2.1.5 ok")
}

// text reads a text up to the dot and answers that.
func (v *visit) text() bool {
	var text bytes.Buffer
	if before := map[place]int{inText: 20_000, afterText: v.f.expected}[v.f.at]; before > 0 && v.goesWrong(v.f.at) {
		if _, err := io.CopyN(&text, v.in, int64(before)); err != nil {
			return false
		}
		if v.f.at == afterText {
			<-v.f.committing
		}
		_, ok := v.say(v.f.at, "250 2.0.0 queued before it came")
		if ok && v.f.at == inText { // and reads no further
			<-v.f.release
			return false
		}
		if !ok {
			return false
		}
	}
	for !bytes.HasSuffix(text.Bytes(), []byte("\r\n.\r\n")) {
		part, err := v.in.ReadBytes('\n')
		if err != nil {
			return false
		}
		text.Write(part)
	}
	letter := strings.ReplaceAll("\r\n"+strings.TrimSuffix(text.String(), ".\r\n"), "\r\n.", "\r\n")[2:]
	v.f.mu.Lock()
	v.f.dots++
	v.f.mu.Unlock()
	refused := v.goesWrong(atDot) && slices.Contains([]fault{saysLater, leaves, refuses}, v.f.fault)
	if !refused {
		v.f.mu.Lock()
		v.f.taken = append(v.f.taken, letter)
		v.f.mu.Unlock()
	}
	if _, ok := v.say(atDot, "250 2.0.0 queued as 4711"); !ok {
		return false
	}
	if v.goesWrong(afterDot) {
		select { // until the client has read that
		case <-time.After(time.Second):
		case <-v.f.release:
			return false
		}
		_, ok := v.say(afterDot, "250 2.0.0 queued once more")
		return ok
	}
	return true
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
