package sandbox

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A session is one client of the mail sink.
type session struct {
	sink  *MailSink
	wire  *wire
	known bool // authenticated
	from  string
	to    []string
}

var _ smtp.AuthSession = (*session)(nil)

// secured reports whether the connection is as private as the sink demands.
func (s *session) secured() bool { return s.sink.security == NoTLS || s.wire.secure }

// AuthMechanisms offers AUTH only where the password cannot be overheard.
func (s *session) AuthMechanisms() []string {
	if s.sink.username == "" || !s.secured() {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth begins an exchange.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(s.AuthMechanisms(), mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	if mechanism == sasl.Login {
		return &loginServer{check: s.login}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error { return s.login(username, password) }), nil
}

func (s *session) login(username, password string) error {
	right := subtle.ConstantTimeCompare([]byte(username), []byte(s.sink.username)) &
		subtle.ConstantTimeCompare([]byte(password), []byte(s.sink.password))
	if right != 1 {
		return smtp.ErrAuthFailed
	}
	s.known = true
	return nil
}

// loginServer is the server side of AUTH LOGIN, which the library lacks.
type loginServer struct {
	check    func(username, password string) error
	username *string
	asked    bool
}

// Next asks for the name, then for the password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.username == nil:
		name := string(response)
		l.username = &name
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.username, string(response))
}

func refusedMail(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Mail takes the sender.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.secured() {
		return refusedMail(530, smtp.EnhancedCode{5, 7, 0}, "Must issue a STARTTLS command first")
	}
	if s.sink.mustAuth && !s.known {
		return refusedMail(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required")
	}
	s.from = from
	return nil
}

// Rcpt takes one recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data reads the message and keeps it. A message that did not come to its end
// is not kept. What is kept is kept before 250 is written.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if f, met := s.sink.faults.meet(AtDot, s.to...); met {
		if f.Do == Reply {
			return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.NoEnhancedCode, Message: f.line()[4 : len(f.line())-2]}
		}
		if err := s.wire.suffer(f); err != nil {
			return err
		}
	}
	fault, met := s.sink.faults.meet(AtAccepted, s.to...)
	n, err := s.sink.keep(Mail{From: s.from, To: s.to, Unanswered: met && fault.Do == Drop}, raw)
	if err != nil {
		return refusedMail(451, smtp.EnhancedCode{4, 3, 0}, "The sandbox could not keep the message: "+err.Error())
	}
	if met {
		if err := s.wire.suffer(fault); err != nil {
			return err
		}
	}
	return refusedMail(250, smtp.EnhancedCode{2, 0, 0}, fmt.Sprintf("OK: queued as %06d", n))
}

// Reset forgets the message under way.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the session.
func (s *session) Logout() error { return nil }

// newSession begins a session on a connection of ours.
func (m *MailSink) newSession(c *smtp.Conn) (smtp.Session, error) {
	w, ok := c.Conn().(*wire)
	if !ok {
		return nil, errors.New("sandbox: the connection is not ours")
	}
	return &session{sink: m, wire: w}, nil
}

// wait lets real time pass; it reports false if the sink closes meanwhile.
func (m *MailSink) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.closing:
		return false
	}
}
