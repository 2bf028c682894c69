package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dunning/invoices"
)

// An ending is what became of a letter.
type ending struct {
	kind  invoices.Kind
	about error
	sent  bool
}

var (
	sent      = ending{sent: true}
	postponed = ending{kind: invoices.Later}
	down      = ending{kind: invoices.Later, about: invoices.ErrServer} // back off from the whole server
	rejected  = ending{kind: invoices.Never}
	noMailbox = ending{kind: invoices.Never, about: invoices.ErrNoMailbox}
	halted    = ending{kind: invoices.Halt}
	doubtful  = ending{kind: invoices.Ambiguous}
)

var (
	gone      = []fault{hangsUp, resets}
	brokenOff = []fault{hangsUp, resets, breaksOff}
	endless   = []fault{keepsMum, rambles, drips}
	unclear   = []fault{babbles, wavers}
)

func every(lists ...[]fault) []fault { return slices.Concat(lists...) }

// cells says how a letter ends for every fault at every place, and in which
// phase that is noticed when commands are given one by one. With all commands
// given at once it may be another: shifted says which.
var cells = []struct {
	at       place
	faults   []fault
	want     ending
	phase    Phase
	sentence string
}{
	{atConnect, []fault{hangsUp, resets, keepsMum}, down, Connect, "nobody is there: the server is down, and no letter is to blame"},

	{atGreeting, []fault{breaksOff}, down, Hello, "the library takes half a greeting for one, and finds nobody behind it"},
	{atGreeting, every(gone, endless, unclear), down, Greeting, "who does not greet as a mail server does is out of order"},
	{atGreeting, []fault{saysLater, leaves, refuses}, down, Greeting, "a server that greets with a refusal is busy or shut, and blames no letter"},
	{atGreeting, []fault{echoes}, down, Hello, "a greeting too many is taken for the answer to EHLO, and is none"},
	{atGreeting, []fault{drones, stutters}, sent, Dot, "a talkative or a slow greeting is a greeting"},

	{atHello, every(brokenOff, endless, unclear), down, Hello, "who does not answer EHLO is out of order"},
	{atHello, []fault{saysLater, leaves}, down, Hello, "EHLO refused for the moment says nothing about STARTTLS: it is not missing"},
	{atHello, []fault{refuses}, halted, Secure, "a server that knows only HELO has no STARTTLS, and letters do not go in the clear"},
	{atHello, []fault{echoes}, down, Secure, "an answer too many is taken for that to STARTTLS, and is none"},
	{atHello, []fault{drones, stutters}, sent, Dot, "a talkative or a slow answer is an answer"},

	{atSecure, every(brokenOff, endless, unclear), down, Secure, "no answer to STARTTLS, no TLS, nothing sent"},
	{atSecure, []fault{saysLater, leaves}, down, Secure, "RFC 3207 has 454 for TLS that is not available for the moment"},
	{atSecure, []fault{refuses}, halted, Secure, "STARTTLS offered and refused needs a person; it is not done without"},
	{atSecure, []fault{echoes, drones, stutters}, sent, Dot, "what was said before TLS is forgotten with it (RFC 3207, section 6)"},

	{atHandshake, every(brokenOff, endless, unclear, []fault{drones, echoes}), down, Secure, "no TLS came about"},
	{atHandshake, []fault{saysLater, leaves, refuses}, down, Secure, "an SMTP reply is no TLS"},
	{atHandshake, []fault{stutters}, sent, Dot, "TLS may come in single bytes"},

	{atHello2, every(brokenOff, endless, unclear), down, Hello, "the same as before TLS"},
	{atHello2, []fault{saysLater, leaves, refuses}, down, Hello, "STARTTLS was not refused: no reason to halt"},
	{atHello2, []fault{echoes}, down, Login, "an answer too many is taken for that to AUTH, and is none"},
	{atHello2, []fault{drones, stutters}, sent, Dot, "a talkative or a slow answer is an answer"},

	{atLogin, []fault{breaksOff}, postponed, Mail, "the library takes half an approval for one, and finds nobody behind it"},
	{atLogin, every(gone, endless, unclear), down, Login, "nobody said that our password is wrong"},
	{atLogin, []fault{saysLater, leaves}, down, Login, "454 is a temporary failure of the server's (RFC 4954, section 6)"},
	{atLogin, []fault{refuses}, halted, Login, "a wrong password stops everything"},
	{atLogin, []fault{echoes}, postponed, Mail, "we have not asked for a sender's approval yet, so this is none"},
	{atLogin, []fault{drones, stutters}, sent, Dot, "a talkative or a slow answer is an answer"},

	{atMail, every(brokenOff, endless, unclear, []fault{drones}), postponed, Mail, "the letter had hardly begun"},
	{atMail, []fault{saysLater, leaves}, postponed, Mail, "the server wants it later"},
	{atMail, []fault{refuses}, halted, Mail, "our sender address is wrong for every letter"},
	{atMail, []fault{echoes}, postponed, Rcpt, "an answer that was not asked for answers nothing"},
	{atMail, []fault{stutters}, sent, Dot, "a slow answer is an answer"},

	{atRcpt, every(brokenOff, endless, unclear, []fault{drones}), postponed, Rcpt, "the mailbox was not refused"},
	{atRcpt, []fault{saysLater, leaves}, postponed, Rcpt, "greylisting and full disks pass"},
	{atRcpt, []fault{refuses}, noMailbox, Rcpt, "there is no such mailbox: the address is suppressed"},
	{atRcpt, []fault{echoes}, postponed, Data, "an answer that was not asked for answers nothing"},
	{atRcpt, []fault{stutters}, sent, Dot, "a slow answer is an answer"},

	{atData, every(brokenOff, endless, unclear, []fault{drones}), postponed, Data, "not a byte of the text was written"},
	{atData, []fault{saysLater, leaves}, postponed, Data, "the server wants it later"},
	{atData, []fault{refuses}, rejected, Data, "this letter is refused by a rule; nobody's address is wrong"},
	{atData, []fault{echoes}, postponed, Data, "a server that asks for the text twice is not understood"},
	{atData, []fault{stutters}, sent, Dot, "a slow answer is an answer"},

	{inText, every(brokenOff, endless, unclear, []fault{drones}), postponed, Body, "the text is not complete, so it is thrown away (RFC 5321, section 4.1.1.4)"},
	{inText, []fault{saysLater, leaves}, postponed, Body, "the server wants it later, and said so early"},
	{inText, []fault{refuses}, rejected, Body, "the server has read enough: 552, too large"},
	{inText, []fault{echoes, stutters}, postponed, Body, "a letter is not accepted before its dot"},

	{afterText, every(brokenOff, unclear, []fault{rambles, drips, drones}), postponed, Body, "the dot was not written, so there is no doubt, although we had committed to the letter"},
	{afterText, []fault{saysLater, leaves}, postponed, Body, "the server wants it later, and said so before the dot"},
	{afterText, []fault{refuses}, rejected, Body, "the server refused, and said so before the dot"},
	{afterText, []fault{echoes, stutters}, postponed, Body, "a letter is not accepted before its dot"},
	{afterText, []fault{keepsMum}, doubtful, Dot, "the dot was written, and nothing came back"},

	{atDot, every(brokenOff, endless, unclear, []fault{drones}), doubtful, Dot, "nobody knows whether the letter was accepted"},
	{atDot, []fault{saysLater, leaves}, postponed, Dot, "the server wants it later"},
	{atDot, []fault{refuses}, rejected, Dot, "the letter was refused when it had been read"},
	{atDot, []fault{echoes, stutters}, sent, Dot, "once, twice, or bit by bit: it was accepted"},

	{afterDot, faults, sent, Dot, "what happens after the 250 changes nothing"},
	{atReset, faults, noMailbox, Rcpt, "what happens at RSET changes nothing: the recipient was refused"},
	{atQuit, faults, sent, Dot, "what happens at QUIT changes nothing"},
}

var shifted = map[place]map[fault]Phase{
	atMail: {echoes: Data}, // each answer is taken for that to the next command
	atRcpt: {resets: Mail}, // a reset takes the answers with it that were not read yet
	atData: {resets: Mail},
}

// patience is how long a letter may take when something goes wrong at a place:
// the time-out of its phase (DESIGN, RFC 5321, section 4.5.3.2).
var patience = map[place]time.Duration{
	atConnect: 30 * time.Second, atGreeting: 5 * time.Minute, atHello: 5 * time.Minute, atSecure: 30 * time.Second,
	atHandshake: 30 * time.Second, atHello2: 30 * time.Second, atLogin: 5 * time.Minute, atMail: 5 * time.Minute,
	atRcpt: 5 * time.Minute, atData: 2 * time.Minute, inText: 3 * time.Minute, afterText: 10 * time.Minute,
	atDot: 10 * time.Minute, afterDot: 0, atReset: farewell, atQuit: 0,
}

// TestR19_EveryFaultAtEveryPlace plays each cell of the table in the time of a
// bubble, with commands one by one and at once.
func TestR19_EveryFaultAtEveryPlace(t *testing.T) {
	played := map[place]map[fault]bool{}
	for _, row := range cells {
		if played[row.at] == nil {
			played[row.at] = map[fault]bool{}
		}
		for _, f := range row.faults {
			if played[row.at][f] {
				t.Errorf("%s, %s: there are two rows", row.at, f)
			}
			played[row.at][f] = true
			for _, pipelining := range []bool{false, true} {
				name := string(row.at) + "/" + string(f)
				if pipelining {
					name += "/at once"
				}
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						phase := row.phase
						if other, ok := shifted[row.at][f]; ok && pipelining {
							phase = other
						}
						newCell(t, row.at, f, pipelining).play(row.want, phase)
						if t.Failed() {
							t.Log("because " + row.sentence)
						}
					})
				})
			}
		}
	}
	for _, at := range places {
		for _, f := range faults {
			if at != atConnect && !played[at][f] { // nothing is said before the greeting
				t.Errorf("%s, %s: there is no row", at, f)
			}
		}
	}
}

// A cell is one fault at one place, ready to be played.
type cell struct {
	t       *testing.T
	server  *faulty
	pool    *Pool
	letter  invoices.Letter
	ends    *[]*end
	outcome Outcome
	asked   int
}

// newCell sets a server up, whose certificate is good in the bubble's time.
func newCell(t *testing.T, at place, f fault, pipelining bool) *cell {
	t.Helper()
	c := &cell{t: t, server: newFaulty(at, f)}
	ca := newAuthority(t)
	c.server.pipelining = pipelining
	c.server.tls = &tls.Config{Certificates: []tls.Certificate{ca.issue("mail.example", time.Hour)}}
	o := c.server.options(ca)
	o.OnOutcome = func(o Outcome) { c.outcome = o }
	var err error
	if c.pool, err = New(o); err != nil {
		t.Fatal(err)
	}
	c.ends = c.server.overCable(c.pool)
	c.letter = composed(t, c.pool, longLetter("the-first"))
	c.server.expected = len(stuffed(c.letter.Raw))
	return c
}

// commit is told that the text is out, and lets the server do what it likes
// about that.
func (c *cell) commit(context.Context) error {
	if c.asked++; c.asked == 1 {
		close(c.server.committing)
	}
	synctest.Wait()
	return nil
}

// play sends the letter into the fault, and two more after it.
func (c *cell) play(want ending, phase Phase) {
	t := c.t
	begun := time.Now()
	reply, err := c.pool.Send(t.Context(), c.letter, c.commit)
	took := time.Since(begun)

	c.check(want, phase, reply, err)
	most := patience[c.server.at]
	if c.server.at == inText && c.server.fault != keepsMum && c.server.fault != drips {
		most = 0 // it has spoken: nobody waits for it to read on
	}
	if took > most {
		t.Errorf("it took %s; %s are allowed", took, most)
	}
	if len(*c.ends) > 0 && (*c.ends)[0].took() > chatter+64<<10 {
		t.Errorf("%d bytes were read of what the server said", (*c.ends)[0].took())
	}

	for _, s := range c.pool.idle {
		if s.wire.why.Load() != nil {
			t.Error("a connection is kept that was cut")
		}
	}

	<-time.After(2 * time.Second) // idle; the server may say something
	then := []string{}
	for _, id := range []string{"the-second", "the-third"} {
		l := composed(t, c.pool, aLetter(id))
		if _, err := c.pool.Send(t.Context(), l, yes); err == nil {
			then = append(then, string(l.Raw))
		} else if !c.mayTrip(id) || invoices.KindOf(err) != invoices.Later {
			t.Errorf("%s was not sent after it: %v", id, err)
		}
	}

	begun = time.Now()
	c.pool.Close()
	if took := time.Since(begun); took > farewell {
		t.Errorf("the farewell took %s", took)
	}
	c.server.over(t)
	c.checkTaken(want, then)
}

// check checks how the first letter ended.
func (c *cell) check(want ending, phase Phase, reply string, err error) {
	t := c.t
	t.Helper()
	switch {
	case want.sent && (err != nil || !strings.HasPrefix(reply, "250 2.0.0 queued as 4711")):
		t.Errorf("not sent: %q, %v", reply, err)
	case !want.sent:
		checkFault(t, err, want.kind, want.about)
	}
	if c.outcome.Phase != phase || !errors.Is(c.outcome.Err, err) || c.outcome.Opened != 1 {
		t.Errorf("the hook was told %+v, want phase %s", c.outcome, phase)
	}
	asked := 0
	if phase == Dot || c.server.at == afterText {
		asked = 1
	}
	if c.asked != asked {
		t.Errorf("commit was called %d times", c.asked)
	}
	if phase != Dot && c.server.dotsRead() > 0 {
		t.Error("a dot was written")
	}
}

// mayTrip reports whether the second letter may have to wait: a server that
// refused or accepted, of its own accord, something nobody had asked is out of
// step for one letter.
func (c *cell) mayTrip(id string) bool {
	return c.server.at == afterDot && id == "the-second" && slices.Contains([]fault{saysLater, echoes, stutters, drones}, c.server.fault)
}

// checkTaken checks that the server has each letter byte by byte, once, and
// none that was not sent.
func (c *cell) checkTaken(want ending, then []string) {
	t := c.t
	t.Helper()
	taken := c.server.letters()
	first := 0
	for len(taken) > 0 && taken[0] == string(c.letter.Raw) {
		taken, first = taken[1:], first+1
	}
	switch {
	case want.sent && first != 1:
		t.Errorf("the letter was sent and the server has it %d times", first)
	case !want.sent && want != doubtful && first != 0:
		t.Errorf("the letter was not sent and the server has it %d times", first)
	case first > 1:
		t.Errorf("the server has the letter %d times", first)
	}
	if !slices.Equal(taken, then) {
		t.Errorf("of the letters after it the server has %d, with other bytes or in another number than the %d sent", len(taken), len(then))
	}
}

// TestR02_NoDotWithoutCommit plays the faults that come after the text with a
// commit that fails: the server never sees the dot.
func TestR02_NoDotWithoutCommit(t *testing.T) {
	for _, at := range []place{afterText, atDot, afterDot, atReset, atQuit} {
		for _, f := range faults {
			t.Run(string(at)+"/"+string(f), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCell(t, at, f, true)
					no := errors.New("paid meanwhile")
					_, err := c.pool.Send(t.Context(), c.letter, func(ctx context.Context) error { _ = c.commit(ctx); return no })
					if at == atReset {
						checkFault(t, err, invoices.Never, invoices.ErrNoMailbox)
					} else if err != no { //nolint:errorlint // it must be returned as it is
						t.Errorf("got %v", err)
					}
					synctest.Wait()
					if c.server.dotsRead() != 0 {
						t.Error("a dot was written")
					}
					c.pool.Close()
					c.server.over(t)
					if len(c.server.letters()) != 0 {
						t.Error("the letter was taken")
					}
				})
			})
		}
	}
}

// A patient line waits after each Write until everybody else has done what
// there is to do.
type patient struct{ net.Conn }

func (p patient) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	synctest.Wait()
	return n, err
}

// TestR02_NoCommitToALostLetter: when the server is known to have gone, or to
// have refused, before the letter is committed to, it is not.
func TestR02_NoCommitToALostLetter(t *testing.T) {
	for _, f := range []fault{hangsUp, resets, saysLater, leaves, refuses, babbles, breaksOff, echoes, stutters, drips} {
		t.Run(string(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCell(t, afterText, f, true)
				close(c.server.committing) // it does not wait for that
				dial := c.pool.dial
				c.pool.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := dial(ctx, network, address)
					return patient{conn}, err
				}
				asked := 0
				_, err := c.pool.Send(t.Context(), c.letter, commits(&asked))
				kind := invoices.Later
				if f == refuses {
					kind = invoices.Never
				}
				checkFault(t, err, kind, nil)
				if asked != 0 || c.outcome.Phase != Body || c.server.dotsRead() != 0 {
					t.Errorf("commit was called %d times; %+v; %d dots", asked, c.outcome, c.server.dotsRead())
				}
				c.pool.Close()
				c.server.over(t)
			})
		})
	}
}
