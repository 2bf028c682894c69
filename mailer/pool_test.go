package mailer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dunning/invoices"
)

func TestNewRefusesImpossibleValues(t *testing.T) {
	if _, err := New(options()); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		sentence string
		spoil    func(*Options)
		says     string
	}{
		{"no server", func(o *Options) { o.Host = "" }, "mail server"},
		{"a server with a port in its name", func(o *Options) { o.Host = "smtp.example.com/x" }, "smtp.example.com/x"},
		{"an impossible port", func(o *Options) { o.Port = 70000 }, "70000"},
		{"an unknown security", func(o *Options) { o.Security = "ssl" }, `"ssl"`},
		{"no security", func(o *Options) { o.Security = "" }, `""`},
		{"in the clear to another machine", func(o *Options) { o.Security = None }, "only for this machine itself"},
		{"a user without a password", func(o *Options) { o.Username = "billing" }, "together"},
		{"a password without a user", func(o *Options) { o.Password = "secret99" }, "together"},
		{"a password with a line break", func(o *Options) { o.Username, o.Password = "billing", "secret99\n" }, "line break"},
		{"101 connections", func(o *Options) { o.Connections = 101 }, "101"},
		{"-1 connections", func(o *Options) { o.Connections = -1 }, "-1"},
		{"-5 letters per minute", func(o *Options) { o.PerMinute = -5 }, "-5"},
		{"less than no time", func(o *Options) { o.Timeouts.Dot = -time.Second }, "-1s"},
		{"no sender", func(o *Options) { o.From = "" }, "sender"},
		{"two senders", func(o *Options) { o.From = "a@b.example, c@d.example" }, "sender"},
		{"a sender without a domain", func(o *Options) { o.From = "Example <billing>" }, "sender"},
		{"a sender on this machine", func(o *Options) { o.From = "billing@localhost" }, "no dot"},
		{"a name with a dot and no quotes, with the remedy", func(o *Options) { o.From = "Example, B.V. <billing@example.com>" }, "needs quotes"},
		{"a test recipient with a name", func(o *Options) { o.Redirect = "Finance <finance@example.com>" }, "test recipient"},
		{"a bad reply address", func(o *Options) { o.ReplyTo = "finance" }, "reply address"},
		{"a Message-ID domain that is none", func(o *Options) { o.MessageIDDomain = "example" }, "message id domain"},
		{"a name of this machine with a space", func(o *Options) { o.HelloName = "my host" }, "my host"},
		{"no clock", func(o *Options) { o.Now = nil }, "clock"},
	} {
		o := options()
		row.spoil(&o)
		_, err := New(o)
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.sentence, err)
		} else if strings.Contains(err.Error(), "secret99") {
			t.Errorf("%s: the password is shown: %v", row.sentence, err)
		}
	}
	o := Options{Security: "ssl", Connections: 200}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "200") || !strings.Contains(err.Error(), "ssl") {
		t.Errorf("not all mistakes are told at once: %v", err)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	srv := newServer(t, nil, "PIPELINING", "SIZE 100000")
	o := srv.options()
	opened := 0
	o.OnOutcome = func(o Outcome) { opened += o.Opened }
	p := newPool(t, o)
	var want []string
	for i := range 10 {
		l := composed(t, p, aLetter(fmt.Sprintf("letter-%d", i)))
		want = append(want, string(l.Raw))
		if _, err := p.Send(t.Context(), l, yes); err != nil {
			t.Fatal(err)
		}
	}
	if srv.opened() != 1 || opened != 1 || srv.count("RSET")+srv.count("NOOP") != 0 {
		t.Errorf("%d connections, %d told, %d RSET or NOOP", srv.opened(), opened, srv.count("RSET")+srv.count("NOOP"))
	}
	if got := srv.letters(); !slices.Equal(got, want) {
		t.Error("the bytes received are not those stored")
	}
	if srv.count(fmt.Sprintf("MAIL FROM:<billing@example.com> SIZE=%d", len(want[0]))) == 0 {
		t.Error("the size is not announced")
	}
	p.Close()
	srv.settle()
	if srv.count("QUIT") != 1 {
		t.Errorf("QUIT was said %d times", srv.count("QUIT"))
	}
	checkFault(t, func() error {
		_, err := p.Send(t.Context(), composed(t, p, aLetter("late")), yes)
		return err
	}(), invoices.Later, nil)
}

// TestStaleConnectionIsReplacedOnce: a connection that died while it was idle
// has seen nothing of the letter.
func TestStaleConnectionIsReplacedOnce(t *testing.T) {
	for _, row := range []struct {
		sentence string
		dies     func(*scriptedServer)
		script   script
	}{
		{"the server closed it", (*scriptedServer).dropAll, script{}},
		{"the server answers the second MAIL with its notice of an idle connection", func(srv *scriptedServer) {}, script{"SECOND MAIL": "421 4.4.2 timeout exceeded" + drops}},
		{"the server hangs up at the second MAIL", func(srv *scriptedServer) {}, script{"SECOND MAIL": drops}},
	} {
		for _, extension := range []string{"PIPELINING", "HELP"} {
			srv := newServer(t, row.script, extension)
			p := newPool(t, srv.options())
			if _, err := p.Send(t.Context(), composed(t, p, aLetter("one")), yes); err != nil {
				t.Fatalf("%s: %v", row.sentence, err)
			}
			row.dies(srv)
			asked := 0
			if _, err := p.Send(t.Context(), composed(t, p, aLetter("two")), commits(&asked)); err != nil {
				t.Errorf("%s: %v", row.sentence, err)
			}
			if srv.opened() != 2 || len(srv.letters()) != 2 || asked != 1 {
				t.Errorf("%s: %d connections, %d letters, commit called %d times", row.sentence, srv.opened(), len(srv.letters()), asked)
			}
		}
	}
}

// TestAnsweredConnectionIsNotReplaced: once the server has answered MAIL, the
// letter has begun, and whether it begins again is not ours to decide.
func TestAnsweredConnectionIsNotReplaced(t *testing.T) {
	for _, at := range []string{"SECOND RCPT", "SECOND DATA", "SECOND DOT"} {
		srv := newServer(t, script{at: drops}, "PIPELINING")
		p := newPool(t, srv.options())
		if _, err := p.Send(t.Context(), composed(t, p, aLetter("one")), yes); err != nil {
			t.Fatal(err)
		}
		_, err := p.Send(t.Context(), composed(t, p, aLetter("two")), yes)
		kind := invoices.Later
		if at == "SECOND DOT" {
			kind = invoices.Ambiguous
		}
		checkFault(t, err, kind, nil)
		if srv.opened() != 1 {
			t.Errorf("%s: %d connections", at, srv.opened())
		}
	}
}

func TestFreshConnectionIsNotReplaced(t *testing.T) {
	srv := newServer(t, script{"MAIL": drops}, "PIPELINING")
	p := newPool(t, srv.options())
	_, err := p.Send(t.Context(), composed(t, p, aLetter("one")), yes)
	checkFault(t, err, invoices.Later, nil)
	if srv.opened() != 1 {
		t.Errorf("%d connections", srv.opened())
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	srv := newServer(t, nil)
	o := srv.options()
	o.IdleClose = time.Millisecond
	p := newPool(t, o)
	if _, err := p.Send(t.Context(), composed(t, p, aLetter("one")), yes); err != nil {
		t.Fatal(err)
	}
	srv.settle() // without Close
	if srv.count("QUIT") != 1 {
		t.Errorf("QUIT was said %d times", srv.count("QUIT"))
	}
	if _, err := p.Send(t.Context(), composed(t, p, aLetter("two")), yes); err != nil {
		t.Fatal(err)
	}
}

// TestR19_ManyAtOnce sends from many goroutines over few connections, some of
// which the server breaks.
func TestR19_ManyAtOnce(t *testing.T) {
	srv := newServer(t, script{
		"RCPT <unknown@bakkerij.example>": "550 5.1.1 unknown", "RCPT <drops@bakkerij.example>": drops,
	}, "PIPELINING")
	o := srv.options()
	o.Connections = 4
	p := newPool(t, o)
	var mu sync.Mutex
	sent := map[string]bool{}
	var all sync.WaitGroup
	for i := range 200 {
		who := [...]string{"jansen", "jansen", "unknown", "jansen", "drops"}[i%5]
		l := composed(t, p, aLetter(fmt.Sprintf("letter-%d", i), who+"@bakkerij.example"))
		all.Go(func() {
			asked := 0
			_, err := p.Send(t.Context(), l, commits(&asked))
			switch who {
			case "jansen":
				if err != nil || asked != 1 {
					t.Errorf("%s: commit called %d times: %v", l.ID, asked, err)
				}
				mu.Lock()
				sent[string(l.Raw)] = true
				mu.Unlock()
			default:
				if err == nil || asked != 0 {
					t.Errorf("%s: %v", l.ID, err)
				}
			}
		})
	}
	all.Wait()
	letters := srv.letters()
	for _, l := range letters {
		if !sent[l] {
			t.Error("the server has a letter that was not sent")
		}
	}
	if len(letters) != 120 || len(sent) != 120 {
		t.Errorf("%d letters arrived and %d were sent, want 120", len(letters), len(sent))
	}
	open := func() int {
		srv.mu.Lock()
		defer srv.mu.Unlock()
		return len(srv.open)
	}
	for deadline := time.Now().Add(5 * time.Second); open() > 4; runtime.Gosched() { // the server hears of a closed one later
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", open())
		}
	}
}

func TestNoMoreConnectionsThanAllowed(t *testing.T) {
	srv := newServer(t, nil)
	p := newPool(t, srv.options()) // one
	started, release := make(chan bool), make(chan bool)
	l := composed(t, p, aLetter("one"))
	done := make(chan error)
	go func() {
		_, err := p.Send(t.Context(), l, func(context.Context) error { started <- true; <-release; return nil })
		done <- err
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Send(ctx, l, yes)
	checkFault(t, err, invoices.Later, nil)
	p.Close() // does not wait for the letter under way
	release <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
	srv.settle()
	if srv.opened() != 1 {
		t.Errorf("%d connections", srv.opened())
	}
}

func TestRateLimitIsEven(t *testing.T) {
	srv := newServer(t, nil)
	o := srv.options()
	o.PerMinute = 6000 // one in 10 ms
	p := newPool(t, o)
	l := composed(t, p, aLetter("one"))
	begun := time.Now()
	for range 11 {
		if _, err := p.Send(t.Context(), l, yes); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took < 99*time.Millisecond {
		t.Errorf("11 letters took %s", took)
	}
	o.PerMinute = 1
	p = newPool(t, o)
	if _, err := p.Send(t.Context(), l, yes); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := p.Send(ctx, l, yes) // is told at once that its turn is too late
	checkFault(t, err, invoices.Later, nil)
}

func TestCheck(t *testing.T) {
	srv := newServer(t, nil)
	p := newPool(t, srv.options())
	if err := p.Check(t.Context()); err != nil {
		t.Error(err)
	}
	srv.settle()
	if srv.count("QUIT") != 1 || srv.count("MAIL") != 0 || srv.count("EHLO [127.0.0.1]") != 1 {
		t.Errorf("said %q", srv.commands)
	}
	o := srv.options()
	o.Username, o.Password, o.HelloName = "billing", "secret99", "worker.example.com"
	p = newPool(t, o)
	err := p.Check(t.Context())
	checkFault(t, err, invoices.Halt, nil)
	if !errors.Is(err, errNoLogin) && !strings.Contains(err.Error(), "PLAIN, LOGIN") {
		t.Error(err)
	}
	if srv.count("EHLO worker.example.com") != 1 {
		t.Errorf("said %q", srv.commands)
	}
}
