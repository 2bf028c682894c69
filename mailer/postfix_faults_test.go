package mailer

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dunning/invoices"
)

// serveGreylist answers Postfix's policy questions: whoever comes to a mailbox
// for the first time is told to come again. It returns its port.
func serveGreylist(t *testing.T) int {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]bool{}
	return serveLines(t, func(conn net.Conn) {
		question := map[string]string{}
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			if name, value, ok := strings.Cut(lines.Text(), "="); ok {
				question[name] = value
				continue
			}
			mu.Lock()
			again := seen[question["recipient"]]
			seen[question["recipient"]] = true
			mu.Unlock()
			action := "450 4.2.0 Greylisted, see https://greylist.example/?to=" + question["recipient"]
			if again {
				action = "permit"
			}
			fmt.Fprintf(conn, "action=%s\n\n", action)
		}
	})
}

// at returns options for another of the server's ports.
func (p *postfix) at(port int) Options {
	o := p.options()
	o.Port = port
	return o
}

// TestPostfixFaults sends to a Postfix that is strict, forgetful or soft.
func TestPostfixFaults(t *testing.T) {
	grey, blind, soft := freePort(t), freePort(t), freePort(t)
	server := startPostfix(t,
		fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd -o { smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:%d, reject }\n", grey, serveGreylist(t)),
		fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=size\n", blind),
		fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd -o soft_bounce=yes\n", soft),
	)
	t.Run("greylisted at first, and then delivered once", func(t *testing.T) { server.greylists(t, grey) })
	t.Run("too large, found out at MAIL", func(t *testing.T) { server.findsTooLarge(t, server.port, 0, Mail) })
	t.Run("too large, found out at the dot", func(t *testing.T) { server.findsTooLarge(t, blind, 1, Dot) })
	t.Run("soft_bounce makes every refusal one for the moment", func(t *testing.T) {
		for _, to := range []string{"nobody@bakkerij.example", "jansen@elsewhere.example"} {
			p := newPool(t, server.at(soft))
			asked := 0
			_, err := p.Send(t.Context(), composed(t, p, aLetter("soft", to)), commits(&asked))
			checkFault(t, err, invoices.Later, nil)
			if asked != 0 {
				t.Errorf("commit was called %d times", asked)
			}
		}
	})
	t.Run("a signature survives", server.keepsSignatures)
}

func (p *postfix) greylists(t *testing.T, port int) {
	var phase Phase
	o := p.at(port)
	o.OnOutcome = func(o Outcome) { phase = o.Phase }
	pool := newPool(t, o)
	l := composed(t, pool, aLetter("grey"))
	asked := 0
	_, err := pool.Send(t.Context(), l, commits(&asked))
	checkFault(t, err, invoices.Later, nil)
	if asked != 0 || phase != Rcpt {
		t.Errorf("commit was called %d times, phase %s", asked, phase)
	}
	if _, err := pool.Send(t.Context(), l, commits(&asked)); err != nil || asked != 1 {
		t.Errorf("the second try: commit was called %d times: %v", asked, err)
	}
	p.arrivedOnce(t, l)
}

// findsTooLarge sends a letter that is too large, and one that is not on the
// same connection.
func (p *postfix) findsTooLarge(t *testing.T, port, commit int, phase Phase) {
	var outcome Outcome
	o := p.at(port)
	o.OnOutcome = func(o Outcome) { outcome = o }
	pool := newPool(t, o)
	l := aLetter("large")
	l.Plain = strings.Repeat("word ", 25_000)
	asked := 0
	_, err := pool.Send(t.Context(), composed(t, pool, l), commits(&asked))
	checkFault(t, err, invoices.Never, nil)
	if asked != commit || outcome.Phase != phase || outcome.Code != 552 {
		t.Errorf("commit was called %d times; %+v", asked, outcome)
	}
	small := composed(t, pool, aLetter("small-"+string(phase)))
	if _, err := pool.Send(t.Context(), small, yes); err != nil || outcome.Opened != 0 {
		t.Errorf("the next letter: %+v, %v", outcome, err)
	}
	p.arrivedOnce(t, small)
}

func (p *postfix) keepsSignatures(t *testing.T) {
	o, signs := p.options(), signing()
	o.From, o.DKIM = signs.From, signs.DKIM
	pool := newPool(t, o)
	l := aLetter("signed")
	l.CC, l.Thread = []string{"piet@bakkerij.example"}, "0b1c2d"
	l = composed(t, pool, l)
	if _, err := pool.Send(t.Context(), l, yes); err != nil {
		t.Fatal(err)
	}
	delivered := []byte(strings.ReplaceAll(p.arrivedOnce(t, l), "\n", "\r\n"))
	if domains, err := verified(delivered); err != nil || len(domains) != 2 {
		t.Errorf("go-msgauth: %v, %v", domains, err)
	}
	if got := byPython(t, delivered); got != "True True" {
		t.Errorf("dkimpy: %s", got)
	}
	if !bytes.Contains(delivered, []byte("\r\nReceived: ")) {
		t.Error("Postfix added nothing; this shows too little")
	}
}

// arrivedOnce waits for one more letter, checks that it is l and came once, and
// returns it as it was delivered.
func (p *postfix) arrivedOnce(t *testing.T, l invoices.Letter) (delivered string) {
	t.Helper()
	p.arrived++
	same := 0
	letters := p.mailbox("jansen", p.arrived)
	for _, letter := range letters {
		if strings.HasSuffix(letter, strings.ReplaceAll(string(l.Raw), "\r\n", "\n")) {
			delivered = letter
			same++
		}
	}
	if same != 1 || len(letters) != p.arrived {
		t.Errorf("of %d letters %d are this one, want 1 of %d", len(letters), same, p.arrived)
	}
	return delivered
}

// kill ends Postfix as a power cut does: all its processes at once.
func (p *postfix) kill(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(p.path("queue/pid/master.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		t.Fatalf("%q is no process: %v", text, err)
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil { // the master leads a group of its own
		t.Fatal(err)
	}
	waitForPort(t, p.port, false)
}

// A tripwire calls snap when so many bytes have been written.
type tripwire struct {
	net.Conn
	left int
	snap func()
}

func (w *tripwire) Write(b []byte) (int, error) {
	if w.left > 0 && w.left <= len(b) {
		w.snap()
	}
	w.left -= len(b)
	return w.Conn.Write(b)
}

// TestR02_PostfixIsKilled kills the server in the middle of a text, and while
// the letter is committed to. Nothing has been accepted; the next try delivers
// the letter, once.
func TestR02_PostfixIsKilled(t *testing.T) {
	server := startPostfix(t)
	l := aLetter("killed")
	l.Plain += strings.Repeat("een lange regel\n", 4000)

	// In the middle of the text.
	p := newPool(t, server.options())
	p.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &tripwire{conn, 40_000, func() { server.kill(t) }}, err
	}
	l = composed(t, p, l)
	asked := 0
	_, err := p.Send(t.Context(), l, commits(&asked))
	checkFault(t, err, invoices.Later, nil)
	if asked != 0 {
		t.Errorf("commit was called %d times", asked)
	}
	_, err = p.Send(t.Context(), l, commits(&asked))
	checkFault(t, err, invoices.Later, invoices.ErrServer) // nobody is there
	server.run("start")
	waitForPort(t, server.port, true)

	// While we commit. Until the ear has heard of it, the dot may leave.
	p = newPool(t, server.options())
	_, err = p.Send(t.Context(), l, func(context.Context) error { server.kill(t); return nil })
	if invoices.KindOf(err) != invoices.Ambiguous {
		checkFault(t, err, invoices.Later, nil)
	}
	server.run("start")
	waitForPort(t, server.port, true)

	if _, err := p.Send(t.Context(), l, yes); err != nil {
		t.Fatal(err)
	}
	server.arrivedOnce(t, l)
	last := composed(t, p, aLetter("last")) // when this is there, all that was there before it is
	if _, err := p.Send(t.Context(), last, yes); err != nil {
		t.Fatal(err)
	}
	server.arrivedOnce(t, last)
}
