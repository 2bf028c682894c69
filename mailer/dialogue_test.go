package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dunning/invoices"
)

// A blocked line takes no more bytes than it is allowed to, and hears on.
type blocked struct {
	net.Conn
	allowed atomic.Int64 // bytes; negative: all
}

func (b *blocked) Write(p []byte) (int, error) {
	allowed := b.allowed.Load()
	if allowed < 0 {
		return b.Conn.Write(p)
	}
	n := min(int(allowed), len(p))
	_, err := b.Conn.Write(p[:n])
	return n, errors.Join(err, syscall.EPIPE)
}

// TestR02_DotThatDidNotLeave: if not one byte of the dot could be written there
// is no doubt; if one could, there is.
func TestR02_DotThatDidNotLeave(t *testing.T) {
	for _, row := range []struct {
		sentence string
		leaves   int64
		kind     invoices.Kind
		phase    Phase
	}{
		{"nothing leaves", 0, invoices.Later, Body},
		{"a byte leaves", 1, invoices.Ambiguous, Dot},
		{"all but a byte leaves", 4, invoices.Ambiguous, Dot},
	} {
		srv := newServer(t, nil, "PIPELINING")
		o := srv.options()
		var outcome Outcome
		o.OnOutcome = func(o Outcome) { outcome = o }
		p := newPool(t, o)
		var b *blocked
		p.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			b = &blocked{Conn: conn}
			b.allowed.Store(-1)
			return b, err
		}
		_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), func(context.Context) error { b.allowed.Store(row.leaves); return nil })
		checkFault(t, err, row.kind, nil)
		srv.settle()
		if outcome.Phase != row.phase || len(srv.ended) != 0 {
			t.Errorf("%s: phase %s, %d dots", row.sentence, outcome.Phase, len(srv.ended))
		}
	}
}

// tcpLine lets a TCP connection be reset.
type tcpLine struct{ *net.TCPConn }

func (l tcpLine) Reset() {
	_ = l.SetLinger(0)
	_ = l.Close()
}

// TestR19_FaultsOverTCP plays the ways in which a server goes away over the
// kernel's TCP, whose timing nobody controls: a fault after the text races with
// the dot, and doubt is right too. For the faults in the text the kernel's
// buffers are small, so that it does not fit into them.
func TestR19_FaultsOverTCP(t *testing.T) {
	ca := newAuthority(t)
	cert := tls.Certificate(ca.issue("mail.example", time.Hour))
	away := []fault{hangsUp, resets, leaves, breaksOff}
	alone := []place{atConnect, atHandshake, afterDot, atReset, atQuit} // cannot be timed, or concern no letter
	for _, row := range cells {
		for _, f := range row.faults {
			if !slices.Contains(away, f) || slices.Contains(alone, row.at) {
				continue
			}
			t.Run(string(row.at)+"/"+string(f), func(t *testing.T) {
				t.Parallel()
				srv := newFaulty(row.at, f)
				srv.pipelining, srv.tls = true, &tls.Config{Certificates: []tls.Certificate{cert}}
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer srv.listen(t, l)()
				o, limit := srv.options(ca), 20*time.Second
				o.Timeouts = Timeouts{Connect: limit, Greeting: limit, Command: limit, Data: limit, Body: limit, Dot: limit}
				p := newPool(t, o)
				p.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, l.Addr().String())
					if err == nil && row.at == inText {
						err = conn.(*net.TCPConn).SetWriteBuffer(8 << 10)
					}
					return conn, err
				}
				letter := composed(t, p, longLetter("the-first"))
				srv.expected = len(stuffed(letter.Raw))
				asked := 0
				_, err = p.Send(t.Context(), letter, func(context.Context) error {
					asked++
					close(srv.committing)
					if row.at == afterText {
						<-srv.struck
					}
					return nil
				})
				checkOverTCP(t, srv, row.want, err, asked, string(letter.Raw))
				second := composed(t, p, aLetter("the-second"))
				if _, err := p.Send(t.Context(), second, yes); err != nil {
					t.Errorf("the next letter: %v", err)
				}
				p.Close()
			})
		}
	}
}

// listen serves a listener until the returned function is called.
func (f *faulty) listen(t *testing.T, l net.Listener) (stop func()) {
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tcp := conn.(*net.TCPConn)
			if f.at == inText {
				_ = tcp.SetReadBuffer(8 << 10)
			}
			f.visit(tcpLine{tcp})
		}
	})
	return func() {
		_ = l.Close()
		accepting.Wait()
		f.over(t)
	}
}

func checkOverTCP(t *testing.T, srv *faulty, want ending, err error, asked int, raw string) {
	t.Helper()
	taken := 0
	for _, letter := range srv.letters() {
		if letter != raw {
			t.Error("the server has a letter that is not whole")
		}
		taken++
	}
	kind := invoices.KindOf(err)
	if asked > 1 || taken > 1 || taken == 1 && asked == 0 {
		t.Errorf("commit was called %d times, and the server has the letter %d times", asked, taken)
	}
	switch {
	case want.sent:
		if err != nil || taken != 1 {
			t.Errorf("not sent, and the server has it %d times: %v", taken, err)
		}
	case kind == want.kind:
		checkFault(t, err, want.kind, want.about)
	case srv.at == afterText && kind == invoices.Ambiguous: // the fault was on its way when the dot left
	case (srv.at == inText || srv.at == afterText || srv.fault == resets) && kind == invoices.Later: // a reset takes words with it
	default:
		t.Errorf("kind %s, want %s: %v", kind, want.kind, err)
	}
}

// accepts matches the answer that accepts a letter.
var accepts = regexp.MustCompile(`^(2\d\d)([ \r\n]|-.*\n(2\d\d)[ \r\n])`)

// FuzzDialogue lets a server say anything. The text holds what it says at the
// beginning and to each line of ours, one after another, separated by 0x1e;
// what follows a 0x1d in the answer to DATA comes in the middle of the text.
func FuzzDialogue(f *testing.F) {
	join := func(said ...string) string { return strings.Join(said, "\x1e") }
	f.Add(join("220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"), false)
	f.Add(join("220 x\r\n", "250-x\r\n250-SIZE\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n", "235 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250-ok\r\n250 ok\r\n", "221 bye\r\n"), true)
	f.Add(join("220 x\r\n", "250 x\r\n", "250 ok\r\n", "550 5.1.1 no\r\n", "250 ok\r\n"), false)
	f.Add(join("220 x\r\n", "250 x\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", "250 ok\r\n", "", "250 ok\r\n"), false)
	f.Add(join("220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n\x1d250 early\r\n", "250 ok\r\n"), false)
	f.Add(join("220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n\x1d2", "50 ok\r\n"), false)
	f.Add(join("220 x\r\n", "250-x\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 ok\r\n", "421 bye\r\n"), true)
	f.Fuzz(func(t *testing.T, said string, logsIn bool) {
		if len(said) > 4000 {
			return
		}
		synctest.Test(t, func(t *testing.T) { playDialogue(t, said, logsIn) })
	})
}

func playDialogue(t *testing.T, said string, logsIn bool) {
	o := options()
	o.Host, o.Security, o.HelloName = "127.0.0.1", None, "worker.example.com"
	if logsIn {
		o.Username, o.Password = "billing", "secret99"
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	client, far := newCable()
	server := &parrot{conn: far, sayings: strings.Split(said, "\x1e")}
	calls := 0
	p.dial = func(context.Context, string, string) (net.Conn, error) {
		if calls++; calls > 1 {
			return nil, syscall.ECONNREFUSED
		}
		return client, nil
	}
	var serving sync.WaitGroup
	serving.Go(server.serve)
	l, err := p.Compose(aLetter("x"))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	reply, err := p.Send(t.Context(), l, func(context.Context) error { asked++; synctest.Wait(); return nil })
	p.Close()
	serving.Wait()

	switch kind := invoices.KindOf(err); {
	case err == nil && (asked != 1 || !accepts.MatchString(server.verdict) || reply == ""):
		t.Fatalf("sent, although the server answered %q to the dot; commit was called %d times", server.verdict, asked)
	case err == nil:
		if server.text.String() != string(stuffed(l.Raw))+"\r\n.\r\n" {
			t.Fatalf("the server read %q", server.text.String())
		}
	case !isFault(err):
		t.Fatalf("not a fault: %v", err)
	case kind == invoices.Ambiguous && !server.dotted, asked == 0 && server.dotted, asked > 1, calls > 1:
		t.Fatalf("%v; commit was called %d times; the dot was written: %t; %d connections", err, asked, server.dotted, calls)
	case strings.Contains(err.Error(), "secret99"):
		t.Fatalf("the password is shown: %v", err)
	case server.dotted && accepts.MatchString(server.verdict) && kind != invoices.Ambiguous && strings.HasSuffix(server.verdict, "\n"):
		t.Fatalf("the server accepted the letter with %q, and yet %v", server.verdict, err)
	}
}

// A parrot says its sayings in turn, whatever it hears.
type parrot struct {
	conn    net.Conn
	sayings []string
	text    strings.Builder // all between DATA and the dot, and the dot
	dotted  bool
	verdict string // what it said to the dot
}

func (p *parrot) next() (saying string) {
	if len(p.sayings) > 0 {
		saying, p.sayings = p.sayings[0], p.sayings[1:]
	}
	return saying
}

func (p *parrot) serve() {
	defer p.conn.Close()
	in := bufio.NewReader(p.conn)
	say := func(text string) bool {
		_, err := p.conn.Write([]byte(text))
		return err == nil
	}
	if !say(p.next()) {
		return
	}
	inText, early := false, ""
	for len(p.sayings) > 0 {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return
		case inText && line != "RSET\r\n" && line != "QUIT\r\n":
			p.text.WriteString(line)
			if early != "" && !say(early) {
				return
			}
			early = ""
			if line != ".\r\n" {
				continue
			}
			p.dotted, inText = true, false
			p.verdict = p.next()
			if !say(p.verdict) {
				return
			}
			continue
		case line == "DATA\r\n":
			var now string
			now, early, _ = strings.Cut(p.next(), "\x1d")
			inText = true
			if !say(now) {
				return
			}
			continue
		}
		if !say(p.next()) {
			return
		}
	}
}
