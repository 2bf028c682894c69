package sandbox

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"syscall"
	"testing"
	"time"
)

// attempt sends one mail over a new connection, all phases in order, and says
// at which phase it ended and with what error.
func attempt(m *MailSink, to ...string) (MailPhase, error) {
	conn, err := net.Dial("tcp", m.Addr())
	if err != nil {
		return AtConnect, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return AtConnect, err
	}
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		return AtGreeting, err
	}
	if err := c.Hello("client.example"); err != nil { // EHLO, and HELO when that is refused
		return AtHello, err
	}
	if offered, _ := c.Extension("STARTTLS"); offered {
		if err := c.StartTLS(clientTLS(m)); err != nil {
			return AtStartTLS, err
		}
	}
	if offered, _ := c.Extension("AUTH"); offered {
		if err := c.Auth(smtp.PlainAuth("", "u", "p", "127.0.0.1")); err != nil {
			return AtAuth, err
		}
	}
	if err := c.Mail("finance@example.com"); err != nil {
		return AtMail, err
	}
	for _, address := range to {
		if err := c.Rcpt(address); err != nil {
			return AtRcpt, err
		}
	}
	w, err := c.Data()
	if err != nil {
		return AtData, err
	}
	if _, err := w.Write([]byte(plainMail)); err != nil {
		return AtBody, err
	}
	if err := w.Close(); err != nil {
		return AtDot, err
	}
	if err := c.Reset(); err != nil {
		return AtReset, err
	}
	return AtQuit, c.Quit()
}

func clientTLS(m *MailSink) *tls.Config {
	return &tls.Config{RootCAs: m.CertPool(), ServerName: "127.0.0.1"}
}

func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestMailFaultsShow(t *testing.T) {
	guarded := MailOptions{Security: StartTLS, Username: "u", Password: "p", Auth: Required}
	for _, phase := range phases {
		for _, trick := range []MailTrick{Drop, Reply, Stall} {
			f := MailFault{Phase: phase, Do: trick, Code: 451, Text: "4.7.1 come back later", Pause: Pause(time.Millisecond), Times: 1}
			if phase == AtHello && trick == Reply {
				f.Times = 2 // the client tries HELO when EHLO is refused
			}
			if f.check() != nil {
				continue // the table of what makes no sense is below
			}
			t.Run(string(phase)+" "+string(trick), func(t *testing.T) {
				m := beginMail(t, guarded)
				if _, err := m.AddFault(f); err != nil {
					t.Fatal(err)
				}
				ended, err := attempt(m, "jan@example.com")
				checkEnd(t, f, ended, err)
				kept := m.Mails()
				after := slices.Index(phases, phase) >= slices.Index(phases, AtAccepted) || trick == Stall
				if (len(kept) == 1) != after {
					t.Errorf("%d mails were kept", len(kept))
				}
				if len(kept) == 1 && kept[0].Unanswered != (phase == AtAccepted && trick == Drop) {
					t.Errorf("kept: %+v", kept[0])
				}
				if left := m.Faults(); len(left) != 0 {
					t.Errorf("the fault was not met: %v", left)
				}
				if at, err := attempt(m, "jan@example.com"); err != nil {
					t.Errorf("the next mail ends at %s: %v", at, err)
				}
			})
		}
	}
}

// checkEnd compares where a mail ended with the fault it met.
func checkEnd(t *testing.T, f MailFault, ended MailPhase, err error) {
	t.Helper()
	want := f.Phase
	switch {
	case f.Do == Stall:
		want = AtQuit
	case f.Do == Drop && ended == AtConnect && f.Phase == AtGreeting: // the reset was quicker than the dial
		want = AtConnect
	case f.Phase == AtConnect && ended == AtGreeting: // the dial was quicker than the reset
		want = AtGreeting
	case f.Phase == AtBody && ended == AtBody:
	case f.Phase == AtBody, f.Phase == AtAccepted:
		want = AtDot // that is where the client waits
	}
	if ended != want {
		t.Fatalf("ended at %s, want %s: %v", ended, want, err)
	}
	var said *textproto.Error
	switch f.Do {
	case Stall:
		if err != nil {
			t.Errorf("after the pause: %v", err)
		}
	case Reply:
		if !errors.As(err, &said) || said.Code != 451 || said.Msg != "4.7.1 come back later" {
			t.Errorf("reply: %v", err)
		}
	case Drop:
		if !dropped(err) {
			t.Errorf("error %v is no lost connection", err)
		}
	}
}

func TestMailFaultsForSome(t *testing.T) {
	m := beginMail(t, MailOptions{})
	for _, f := range []MailFault{
		{Phase: AtRcpt, Do: Reply, Code: 550, Recipient: "gone@example.com"},
		{Phase: AtDot, Do: Reply, Code: 554, Recipient: "picky@example.com"},
		{Phase: AtMail, Do: Reply, Code: 421, Times: 2},
	} {
		if _, err := m.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		why  string
		to   []string
		want int
	}{
		{"the first of the next two", []string{"jan@example.com"}, 421},
		{"the second", []string{"jan@example.com"}, 421},
		{"nobody special", []string{"jan@example.com"}, 0},
		{"refused by address, in any case", []string{"jan@example.com", "GONE@example.com"}, 550},
		{"refused again, until cleared", []string{"gone@example.com"}, 550},
		{"refused at the dot for one of two", []string{"jan@example.com", "picky@example.com"}, 554},
		{"still nobody special", []string{"jan@example.com"}, 0},
	} {
		_, err := attempt(m, row.to...)
		var said *textproto.Error
		code := 0
		if errors.As(err, &said) {
			code = said.Code
		} else if err != nil {
			t.Errorf("%s: %v", row.why, err)
		}
		if code != row.want {
			t.Errorf("%s: %d, want %d", row.why, code, row.want)
		}
	}
	m.ClearFaults()
	if at, err := attempt(m, "gone@example.com"); err != nil {
		t.Errorf("after the faults were cleared: %s: %v", at, err)
	}
}

func TestMailFaultsAreChecked(t *testing.T) {
	for _, row := range []struct {
		why   string
		fault MailFault
	}{
		{"an unknown phase", MailFault{Phase: "tea", Do: Drop}},
		{"no trick", MailFault{Phase: AtDot}},
		{"a reply before there is a conversation", MailFault{Phase: AtConnect, Do: Reply, Code: 421}},
		{"a reply in the middle of a body", MailFault{Phase: AtBody, Do: Reply, Code: 451}},
		{"a refusal of what was accepted", MailFault{Phase: AtAccepted, Do: Reply, Code: 451}},
		{"a success as a refusal", MailFault{Phase: AtDot, Do: Reply, Code: 250}},
		{"a reply of two lines", MailFault{Phase: AtDot, Do: Reply, Code: 451, Text: "a\r\n250 b"}},
		{"a stall without a pause", MailFault{Phase: AtDot, Do: Stall}},
		{"a stall of an hour", MailFault{Phase: AtDot, Do: Stall, Pause: Pause(time.Hour)}},
		{"a recipient before there is one", MailFault{Phase: AtMail, Do: Drop, Recipient: "a@example.com"}},
		{"a negative count", MailFault{Phase: AtDot, Do: Drop, Times: -1}},
		{"less than impossible", MailFault{Phase: AtDot, Do: Drop, Probability: -0.1}},
	} {
		if _, err := newMailFaults(0).add(row.fault); err == nil {
			t.Errorf("%s was taken", row.why)
		}
	}
}
