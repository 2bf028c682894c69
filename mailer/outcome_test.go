package mailer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"dunning/invoices"
)

// ends is how a letter's journey ends when a server follows a script.
var ends = []struct {
	sentence string
	script   script
	kind     invoices.Kind
	about    error // ErrServer, ErrNoMailbox, or nil: neither
	at       Phase
	sent     bool
	asked    bool // commit was called
	accepted int  // letters the server took
	kept     bool // the connection is used again
}{
	{sentence: "a greeting of 421 means come back later", script: script{"GREETING": "421 4.3.2 too busy"}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "a greeting of 554 blames no letter either", script: script{"GREETING": "554 5.3.2 no service"}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "a server that hangs up at once is down", script: script{"GREETING": drops}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "a server that never greets is down", script: script{"GREETING": hangs}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "a greeting that is not SMTP is no mail server", script: script{"GREETING": "HTTP/1.1 400 Bad Request"}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "an endless greeting is cut off", script: script{"GREETING": strings.Repeat("220-welcome\n", 40_000) + "220 at last"}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "a greeting of one endless line is cut off", script: script{"GREETING": "220 " + strings.Repeat("x", 600_000)}, kind: invoices.Later, about: invoices.ErrServer, at: Greeting},
	{sentence: "EHLO and HELO refused: down", script: script{"EHLO": "500 what", "HELO": "421 go away"}, kind: invoices.Later, about: invoices.ErrServer, at: Hello},
	{sentence: "EHLO unknown, HELO known: an old server, which is good enough on this machine", script: script{"EHLO": "500 what"}, at: Dot, sent: true, asked: true, accepted: 1, kept: true},
	{sentence: "EHLO 451: come back later, and no HELO instead", script: script{"EHLO": "451 4.3.2 not now"}, kind: invoices.Later, about: invoices.ErrServer, at: Hello},
	{sentence: "hung up at EHLO: down", script: script{"EHLO": drops}, kind: invoices.Later, about: invoices.ErrServer, at: Hello},
	{sentence: "silence at EHLO: down", script: script{"EHLO": hangs}, kind: invoices.Later, about: invoices.ErrServer, at: Hello},

	{sentence: "MAIL 451: later", script: script{"MAIL": "451 4.3.0 try again"}, kind: invoices.Later, at: Mail, kept: true},
	{sentence: "MAIL 421: later, and the server leaves", script: script{"MAIL": "421 4.3.2 closing" + drops}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL 550: our sender address is wrong, nothing will work", script: script{"MAIL": "550 5.1.8 no such sender"}, kind: invoices.Halt, at: Mail, kept: true},
	{sentence: "MAIL 530: we must log in first", script: script{"MAIL": "530 5.7.0 authentication required"}, kind: invoices.Halt, at: Mail, kept: true},
	{sentence: "MAIL 552: this letter is too large, others are not", script: script{"MAIL": "552 5.3.4 message size exceeds limit"}, kind: invoices.Never, at: Mail, kept: true},
	{sentence: "MAIL without an answer: lost", script: script{"MAIL": drops}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL and silence: lost", script: script{"MAIL": hangs}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL and garbage: lost", script: script{"MAIL": "\x00\xff\x1b[2J"}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL and an endless answer: lost", script: script{"MAIL": strings.Repeat("250-more\n", 5000) + "250 ok"}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL and an endless line: lost", script: script{"MAIL": "250 " + strings.Repeat("y", 100_000)}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL and 354, which is no answer to it: lost", script: script{"MAIL": "354 go on"}, kind: invoices.Later, at: Mail},
	{sentence: "MAIL and an answer of two codes: lost", script: script{"MAIL": "250-ok\n550 no"}, kind: invoices.Later, at: Mail},

	{sentence: "RCPT 450, greylisted: later", script: script{"RCPT": "450 4.2.0 greylisted"}, kind: invoices.Later, at: Rcpt, kept: true},
	{sentence: "RCPT 550 5.1.1: no such mailbox", script: script{"RCPT": "550 5.1.1 <jansen@bakkerij.example>: user unknown"}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt, kept: true},
	{sentence: "RCPT 550 without a status code: no such mailbox", script: script{"RCPT": "550 no such user here"}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt, kept: true},
	{sentence: "RCPT 550 in several lines: no such mailbox", script: script{"RCPT": "550-5.1.1 The account does not exist.\n550-5.1.1 Please check\n550 5.1.1 https://support.example/?p=NoSuchUser"}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt, kept: true},
	{sentence: "RCPT 550, then the connection is gone: the answer counts", script: script{"RCPT": "550 5.1.1 user unknown" + drops}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt},
	{sentence: "RCPT 554 5.4.4: no such domain", script: script{"RCPT": "554 5.4.4 unable to route"}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt, kept: true},
	{sentence: "RCPT 554 relay access denied: our login is missing, the customer is not to blame", script: script{"RCPT": "554 5.7.1 <jansen@bakkerij.example>: Relay access denied"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 550 relay not permitted, as Exim says it", script: script{"RCPT": "550 relay not permitted"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 550 5.7.64, as Exchange Online says it", script: script{"RCPT": "550 5.7.64 TenantAttribution; Relay Access Denied"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 530: we must log in first", script: script{"RCPT": "530 5.7.57 client not authenticated"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 535: our login ran out", script: script{"RCPT": "535 5.7.3 authentication unsuccessful"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 553 sender address rejected, as Postfix says it at RCPT", script: script{"RCPT": "553 5.7.1 <billing@example.com>: Sender address rejected: not owned by user billing"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 554 client host blocked: nothing will work", script: script{"RCPT": "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example"}, kind: invoices.Halt, at: Rcpt, kept: true},
	{sentence: "RCPT 554 5.7.1 for whatever reason: this letter not, the address is kept", script: script{"RCPT": "554 5.7.1 Recipient address rejected: Access denied"}, kind: invoices.Never, at: Rcpt, kept: true},
	{sentence: "an unknown user in Postfix's table of relay recipients is an unknown user", script: script{"RCPT": "550 5.1.1 Recipient address rejected: User unknown in relay recipient table"}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt, kept: true},
	{sentence: "RCPT 552 5.2.2, mailbox full: later", script: script{"RCPT": "552 5.2.2 mailbox full"}, kind: invoices.Later, at: Rcpt, kept: true},
	{sentence: "RCPT 552 means too many recipients (RFC 5321, 4.5.3.1.10): later", script: script{"RCPT": "552 too many recipients"}, kind: invoices.Later, at: Rcpt, kept: true},
	{sentence: "RCPT without an answer: lost", script: script{"RCPT": drops}, kind: invoices.Later, at: Rcpt},
	{sentence: "RCPT and silence: lost", script: script{"RCPT": hangs}, kind: invoices.Later, at: Rcpt},
	{sentence: "RCPT refused, then RSET refused: the connection is not used again", script: script{"RCPT": "550 5.1.1 unknown", "RSET": "500 what"}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt},
	{sentence: "RCPT refused, then RSET cut off", script: script{"RCPT": "550 5.1.1 unknown", "RSET": drops}, kind: invoices.Never, about: invoices.ErrNoMailbox, at: Rcpt},

	{sentence: "DATA 451: later", script: script{"DATA": "451 4.3.0 not now"}, kind: invoices.Later, at: Data, kept: true},
	{sentence: "DATA 554: refused by a rule, nobody's address is wrong", script: script{"DATA": "554 5.7.1 no"}, kind: invoices.Never, at: Data, kept: true},
	{sentence: "DATA without an answer: lost", script: script{"DATA": drops}, kind: invoices.Later, at: Data},
	{sentence: "DATA and silence: lost", script: script{"DATA": hangs}, kind: invoices.Later, at: Data},
	{sentence: "DATA and 250, which is no answer to it: lost", script: script{"DATA": "250 ok"}, kind: invoices.Later, at: Data},
	{sentence: "DATA and an answer more than was asked for: lost", script: script{"DATA": "354 go on\n250 2.0.0 queued already"}, kind: invoices.Later, at: Data},

	{sentence: "DATA and 354, and 550 right behind it: refused", script: script{"DATA": "354 go on\n550 5.7.1 on second thoughts"}, kind: invoices.Never, at: Data},

	{sentence: "the dot and 250: sent", script: script{}, at: Dot, sent: true, asked: true, accepted: 1, kept: true},
	{sentence: "the dot and 251: sent", script: script{"DOT": "251 2.0.0 will forward"}, at: Dot, sent: true, asked: true, accepted: 1, kept: true},
	{sentence: "250 in several lines: sent", script: script{"DOT": "250-2.0.0 ok\n250 2.0.0 queued as 4711"}, at: Dot, sent: true, asked: true, accepted: 1, kept: true},
	{sentence: "250 and gone: sent", script: script{"DOT": "250 2.0.0 queued" + drops}, at: Dot, sent: true, asked: true, accepted: 1},
	{sentence: "the dot and 451: later", script: script{"DOT": "451 4.3.0 disk full"}, kind: invoices.Later, at: Dot, asked: true, kept: true},
	{sentence: "the dot and 421: later", script: script{"DOT": "421 4.3.2 shutting down" + drops}, kind: invoices.Later, at: Dot, asked: true},
	{sentence: "the dot and 554: never", script: script{"DOT": "554 5.7.1 looks like spam"}, kind: invoices.Never, at: Dot, asked: true, kept: true},
	{sentence: "the dot and the connection lost: nobody knows", script: script{"DOT": drops}, kind: invoices.Ambiguous, at: Dot, asked: true},
	{sentence: "the dot and silence: nobody knows", script: script{"DOT": hangs}, kind: invoices.Ambiguous, at: Dot, asked: true},
	{sentence: "the dot and garbage: nobody knows", script: script{"DOT": "hello?"}, kind: invoices.Ambiguous, at: Dot, asked: true},
	{sentence: "the dot and half an answer: nobody knows", script: script{"DOT": "250-2.0.0 almost" + drops}, kind: invoices.Ambiguous, at: Dot, asked: true, accepted: 1},
	{sentence: "the dot and 354, which is no answer to it: nobody knows", script: script{"DOT": "354 more"}, kind: invoices.Ambiguous, at: Dot, asked: true},
	{sentence: "the dot and an endless answer: nobody knows", script: script{"DOT": strings.Repeat("250-ok\n", 5000) + "250 ok"}, kind: invoices.Ambiguous, at: Dot, asked: true, accepted: 1},
	{sentence: "a QUIT that fails changes nothing", script: script{"QUIT": drops}, at: Dot, sent: true, asked: true, accepted: 1, kept: true},
}

// TestR19_OutcomeTable plays every row with commands one by one and with
// commands sent at once.
func TestR19_OutcomeTable(t *testing.T) {
	for _, pipelining := range []string{"ENHANCEDSTATUSCODES", "PIPELINING"} {
		for _, row := range ends {
			t.Run(pipelining+"/"+row.sentence, func(t *testing.T) {
				t.Parallel()
				srv := newServer(t, row.script, pipelining)
				o := srv.options()
				patience := time.Minute
				for _, act := range row.script {
					if act == hangs {
						patience = 300 * time.Millisecond
					}
				}
				o.Timeouts = Timeouts{Greeting: patience, Command: patience, Data: patience, Dot: patience}
				var outcome Outcome
				o.OnOutcome = func(o Outcome) { outcome = o }
				p := newPool(t, o)
				l := composed(t, p, aLetter("letter-1"))

				asked := 0
				reply, err := p.Send(t.Context(), l, commits(&asked))

				switch {
				case !row.sent:
					checkFault(t, err, row.kind, row.about)
					var f *invoices.Fault
					if errors.As(err, &f) && row.at == Dot && (!strings.HasPrefix(f.Dialogue, "> MAIL FROM:<billing@example.com>") || !strings.Contains(f.Dialogue, "and the final dot)\n< ")) {
						t.Errorf("the dialogue is not told:\n%s", f.Dialogue)
					}
				case err != nil || !strings.HasPrefix(reply, "25"):
					t.Errorf("not sent: %q, %v", reply, err)
				}
				if outcome.Phase != row.at || !errors.Is(outcome.Err, err) || outcome.Opened != 1 {
					t.Errorf("the hook was told %+v, want phase %s", outcome, row.at)
				}
				if (asked == 1) != row.asked {
					t.Errorf("commit was called %d times", asked)
				}
				p.mu.Lock()
				kept := len(p.idle) == 1
				p.mu.Unlock()
				if leaves := strings.HasSuffix(row.script["DOT"], drops); kept != row.kept && !leaves {
					t.Errorf("the connection is kept: %t", kept)
				}
				p.Close()
				srv.settle()
				got := srv.letters()
				if len(got) != row.accepted {
					t.Fatalf("the server accepted %d letters, want %d", len(got), row.accepted)
				}
				if row.accepted == 1 && got[0] != string(l.Raw) {
					t.Errorf("the server got\n%q\nwant\n%q", got[0], l.Raw)
				}
				if len(srv.ended) > 0 && !row.asked {
					t.Error("a dot was written that nobody asked for")
				}
				if !row.kept && srv.count("QUIT") > 0 {
					t.Error("QUIT was said on a connection that is not sound")
				}
			})
		}
	}
}

func isFault(err error) bool {
	_, ok := errors.AsType[*invoices.Fault](err)
	return ok
}

// checkFault checks an error's kind and what it is about, and that its text
// holds no address and no link (R25).
func checkFault(t *testing.T, err error, kind invoices.Kind, about error) {
	t.Helper()
	if !isFault(err) {
		t.Fatalf("not a fault: %v", err)
	}
	if got := invoices.KindOf(err); got != kind {
		t.Errorf("kind %s, want %s: %v", got, kind, err)
	}
	for _, sentinel := range []error{invoices.ErrServer, invoices.ErrNoMailbox} {
		if errors.Is(err, sentinel) != (about == sentinel) {
			t.Errorf("is %q: %t: %v", sentinel, about != sentinel, err)
		}
	}
	if text := err.Error(); strings.Contains(text, "@") || strings.Contains(text, "://") || len(text) > 1200 {
		t.Errorf("the error shows what it must not: %s", text)
	}
}

func TestR19_NobodyListens(t *testing.T) {
	srv := newServer(t, nil)
	p := newPool(t, srv.options())
	_ = srv.listener.Close()
	_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), yes)
	checkFault(t, err, invoices.Later, invoices.ErrServer)
	checkFault(t, p.Check(t.Context()), invoices.Later, invoices.ErrServer)
}

func TestR19_RefusalsByPolicyHaltAtTheThirdInARow(t *testing.T) {
	srv := newServer(t, script{
		"RCPT <no@bakkerij.example>": "554 5.7.1 not you",
	}, "PIPELINING")
	p := newPool(t, srv.options())
	send := func(to string) error {
		_, err := p.Send(t.Context(), composed(t, p, aLetter("x", to)), yes)
		return err
	}
	for i, step := range []struct {
		to   string
		sent bool
		kind invoices.Kind
	}{
		{to: "no@bakkerij.example", kind: invoices.Never},
		{to: "no@bakkerij.example", kind: invoices.Never},
		{to: "yes@bakkerij.example", sent: true}, // one letter that goes out shows that it is not us
		{to: "no@bakkerij.example", kind: invoices.Never},
		{to: "no@bakkerij.example", kind: invoices.Never},
		{to: "no@bakkerij.example", kind: invoices.Halt},
	} {
		err := send(step.to)
		if step.sent {
			if err != nil {
				t.Fatalf("letter %d: %v", i, err)
			}
			continue
		}
		checkFault(t, err, step.kind, nil)
	}
}

func TestR19_OneRefusedRecipientStopsTheLetter(t *testing.T) {
	for _, row := range []struct {
		sentence string
		script   script
		kind     invoices.Kind
		about    error
	}{
		{"the first of two recipients is unknown", script{"RCPT <a@x.example>": "550 5.1.1 unknown"}, invoices.Never, invoices.ErrNoMailbox},
		{"the second of two recipients is unknown", script{"RCPT <b@x.example>": "550 5.1.1 unknown"}, invoices.Never, invoices.ErrNoMailbox},
		{"only the copy is unknown: the customer's own address is kept", script{"RCPT <c@x.example>": "550 5.1.1 unknown"}, invoices.Never, nil},
		{"one says later, one says never: never", script{"RCPT <a@x.example>": "450 4.2.0 later", "RCPT <b@x.example>": "550 5.1.1 unknown"}, invoices.Never, invoices.ErrNoMailbox},
		{"one is unknown and one may not be relayed to: halt", script{"RCPT <a@x.example>": "550 5.1.1 unknown", "RCPT <c@x.example>": "554 5.7.1 relay access denied"}, invoices.Halt, nil},
	} {
		for _, extension := range []string{"PIPELINING", "HELP"} {
			t.Run(row.sentence+"/"+extension, func(t *testing.T) {
				srv := newServer(t, row.script, extension)
				p := newPool(t, srv.options())
				l := aLetter("x", "a@x.example", "b@x.example")
				l.CC = []string{"c@x.example"}
				asked := 0
				_, err := p.Send(t.Context(), composed(t, p, l), commits(&asked))
				checkFault(t, err, row.kind, row.about)
				if asked != 0 || srv.count("DATA") != 0 || len(srv.letters()) != 0 {
					t.Errorf("the letter went on: commit %d, DATA %d", asked, srv.count("DATA"))
				}
				if srv.count("RSET") != 1 {
					t.Errorf("RSET was said %d times", srv.count("RSET"))
				}
			})
		}
	}
}

// TestDataAfterRefusal plays a server that wants a text although it refused
// the only recipient: a dot would end a letter to nobody, so there is none.
func TestDataAfterRefusal(t *testing.T) {
	srv := newServer(t, script{"RCPT": "550 5.1.1 unknown", "DATA": "354 go on"}, "PIPELINING")
	p := newPool(t, srv.options())
	_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), yes)
	checkFault(t, err, invoices.Never, invoices.ErrNoMailbox)
	srv.settle()
	if len(srv.ended) != 0 || srv.count("QUIT") != 0 {
		t.Error("something was written after the text was asked for")
	}
}

func TestR25_ErrorsRepeatNoSecrets(t *testing.T) {
	for _, s := range []script{
		{"AUTH": "535 5.7.8 wrong: hunter2secret aHVudGVyMnNlY3JldA=="},
		{"AUTH": "235 2.7.0 ok", "MAIL": "550 hunter2secret\x1b]0;owned\x07"},
		{"AUTH": "235 2.7.0 ok", "MAIL": "550 you said AGJpbGxpbmcAaHVudGVyMnNlY3JldA=="},
	} {
		srv := newServer(t, s, "AUTH PLAIN LOGIN")
		o := srv.options()
		o.Username, o.Password = "billing", "hunter2secret"
		p := newPool(t, o)
		_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), yes)
		checkFault(t, err, invoices.Halt, nil)
		for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %v %+v %#v", o, o, o, p, p, p)} {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "HVudGVy") || strings.Contains(text, "\x1b") {
				t.Errorf("the password is shown: %s", text)
			}
		}
	}
}

func TestRepliesAreCleaned(t *testing.T) {
	srv := newServer(t, script{"DOT": "250 2.0.0 \x1b[31mqueued\x00\u202e for <jansen@bakkerij.example> " + strings.Repeat("ß", 500)})
	p := newPool(t, srv.options())
	reply, err := p.Send(t.Context(), composed(t, p, aLetter("x")), yes)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(reply, "250 2.0.0 [31mqueued for <jansen@bakkerij.example> ßß") || len(reply) > 500 || strings.ContainsAny(reply, "\x1b\x00\u202e") {
		t.Errorf("%d bytes: %q", len(reply), reply)
	}
}

func TestR02_CommitThatFailsSendsNothing(t *testing.T) {
	errStale := errors.New("the account changed")
	for _, extension := range []string{"PIPELINING", "HELP"} {
		srv := newServer(t, nil, extension)
		p := newPool(t, srv.options())
		_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), func(context.Context) error { return errStale })
		if err != errStale { //nolint:errorlint // it must be returned as it is
			t.Errorf("got %v, want commit's own error", err)
		}
		srv.settle() // the socket is dropped without our help
		if len(srv.ended) != 0 || len(srv.letters()) != 0 || srv.count("QUIT") != 0 {
			t.Error("the letter was ended although commit failed")
		}
	}
}

func TestR02_CommitThatPanicsSendsNothing(t *testing.T) {
	srv := newServer(t, nil, "PIPELINING")
	p := newPool(t, srv.options())
	l := composed(t, p, aLetter("x"))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = p.Send(t.Context(), l, func(context.Context) error { panic("out of luck") })
	}()
	srv.settle()
	if len(srv.ended) != 0 {
		t.Error("the letter was ended although commit panicked")
	}
	if _, err := p.Send(t.Context(), l, yes); err != nil { // its place is free again
		t.Error(err)
	}
}

// TestR02_EverythingButTheDotIsThere looks at the wire while commit runs: the
// whole text has left, the dot has not.
func TestR02_EverythingButTheDotIsThere(t *testing.T) {
	srv := newServer(t, nil, "PIPELINING")
	p := newPool(t, srv.options())
	l := composed(t, p, aLetter("x"))
	_, err := p.Send(t.Context(), l, func(context.Context) error {
		select {
		case <-srv.dots:
			t.Error("the dot was there before commit")
		default:
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-srv.dots
	if got := srv.letters(); len(got) != 1 || got[0] != string(l.Raw) {
		t.Errorf("got %q", got)
	}
}

func TestR02_TextCutOffIsNotSent(t *testing.T) {
	srv := newServer(t, script{"TEXT": drops})
	o := srv.options()
	p := newPool(t, o)
	l := aLetter("x")
	l.Plain = strings.Repeat("a line of a very long letter\n", 40_000) // more than the kernel buffers
	asked := 0
	_, err := p.Send(t.Context(), composed(t, p, l), commits(&asked))
	kind := invoices.Later
	if asked == 1 && invoices.KindOf(err) == invoices.Ambiguous { // the kernel took it all, and the dot, before the server hung up
		kind = invoices.Ambiguous
	}
	checkFault(t, err, kind, nil)
	if len(srv.letters()) != 0 {
		t.Error("half a letter was accepted")
	}
}

func TestR02_CancelledBeforeCommit(t *testing.T) {
	for _, at := range []string{"GREETING", "EHLO", "MAIL", "RCPT", "DATA"} {
		srv := newServer(t, script{at: hangs}, "PIPELINING")
		p := newPool(t, srv.options())
		ctx, cancel := context.WithCancel(t.Context())
		l := composed(t, p, aLetter("x"))
		asked := 0
		done := make(chan error)
		go func() {
			_, err := p.Send(ctx, l, commits(&asked))
			done <- err
		}()
		<-srv.arrivals
		cancel()
		err := <-done
		checkFault(t, err, invoices.Later, nil)
		if !errors.Is(err, context.Canceled) || asked != 0 {
			t.Errorf("%s: commit was called %d times: %v", at, asked, err)
		}
	}
}

// TestR02_CancelledAfterCommit: whoever cancels while the reply to the dot is
// awaited gives the wait up, and the letter is in doubt.
func TestR02_CancelledAfterCommit(t *testing.T) {
	srv := newServer(t, script{"DOT": hangs}, "PIPELINING")
	p := newPool(t, srv.options())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-srv.dots
		cancel()
	}()
	_, err := p.Send(ctx, composed(t, p, aLetter("x")), yes)
	checkFault(t, err, invoices.Ambiguous, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestR02_CancelledDuringCommit: the dot was not written and will not be, so
// nothing is in doubt.
func TestR02_CancelledDuringCommit(t *testing.T) {
	srv := newServer(t, nil, "PIPELINING")
	p := newPool(t, srv.options())
	ctx, cancel := context.WithCancel(t.Context())
	_, err := p.Send(ctx, composed(t, p, aLetter("x")), func(context.Context) error { cancel(); return nil })
	checkFault(t, err, invoices.Later, nil)
	srv.settle()
	if !errors.Is(err, context.Canceled) || len(srv.ended) != 0 {
		t.Errorf("%d dots: %v", len(srv.ended), err)
	}
}

func TestR02_DeadlineAfterCommit(t *testing.T) {
	srv := newServer(t, script{"DOT": hangs}, "PIPELINING")
	p := newPool(t, srv.options())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	asked := 0
	_, err := p.Send(ctx, composed(t, p, aLetter("x")), commits(&asked))
	if asked == 1 {
		checkFault(t, err, invoices.Ambiguous, nil)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
