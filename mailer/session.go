package mailer

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// A stop is where and why a letter ended. An error at Commit is the caller's
// own.
type stop struct {
	at    Phase
	err   error
	stale bool // on a reused connection, before the server took the sender: as if never begun
	said  string
}

// An envelope is what the mail server is told about a letter.
type envelope struct {
	from string
	to   []recipient
	raw  []byte
}

type recipient struct {
	address string
	whom    string // in words, for errors: recipient 1 of 2
	copy    bool
}

// A command is one line to the server and the answer it should give.
type command struct {
	at       Phase
	line     string
	patience time.Duration
	class    int        // of the answer that goes on: 2, or 3 for DATA
	to       *recipient // of RCPT
}

// carry carries one letter: everything but the dot, commit, the dot. It leaves
// the session sound only if the server and we agree on where we are.
//
// When ctx ends the wire is cut. Up to commit nothing was sent then; after it
// the letter is in doubt, so whoever stops in good order lets ctx live on.
func (s *session) carry(ctx context.Context, e envelope, t Timeouts, commit func(context.Context) error) (reply, *stop) {
	s.sound, s.said = false, s.said[:0]
	defer s.wire.rest()
	unwatch := s.wire.watch(ctx)
	defer unwatch()

	if end := s.announce(e, t); end != nil {
		return reply{}, end
	}
	ear := s.listen()
	defer func() { // nobody listens on when we are gone, also when commit panicked
		if !s.sound {
			s.wire.cut(errClosed)
			ear.wait()
		}
	}()
	if err := s.write(t.Body, stuffed(e.raw)); err != nil {
		return reply{}, ear.early()
	}
	if !s.wire.rest() {
		return reply{}, &stop{at: Body, err: errSlow}
	}
	if !unwatch() {
		return reply{}, &stop{at: Body, err: stopped(ctx)}
	}
	if ear.spoke() { // the letter is lost already, and no doubt need be noted
		return reply{}, ear.early()
	}

	if err := commit(ctx); err != nil {
		return reply{}, &stop{at: Commit, err: err}
	}
	if ctx.Err() != nil {
		return reply{}, &stop{at: Body, err: stopped(ctx)}
	}
	unwatch = s.wire.watch(ctx)
	defer unwatch()
	last, end := s.dot(ear, t.Dot)
	if end != nil {
		s.note(fmt.Sprintf("(the text, %d bytes, and the final dot)", len(e.raw)), last, end.err)
	}
	if last.code != 0 { // it answered the dot
		s.sound = last.code != 421 && unwatch()
	}
	return last, end
}

// An exchanged pair is what was said to the server and what it answered.
type exchanged struct {
	said     string
	answered reply
	err      error
}

// note remembers what was said and what was answered.
func (s *session) note(said string, r reply, err error) {
	s.said = append(s.said, exchanged{said, r, err})
}

// dialogue writes down what was said about the present letter, a line for each
// time that somebody spoke.
func (s *session) dialogue() string {
	var lines []string
	for _, x := range s.said {
		answer := x.answered.String()
		if x.answered.code == 0 && x.err != nil {
			answer = "(" + x.err.Error() + ")"
		}
		lines = append(lines, printable("> "+x.said), "< "+brief(printable(answer)))
	}
	return strings.Join(lines, "\n")
}

// dot writes the dot, unless the server has spoken already, and waits for the
// answer, which it returns also if that is a refusal. If we die in here, the
// letter is in doubt.
func (s *session) dot(ear *ear, patience time.Duration) (reply, *stop) {
	if !ear.expect() {
		return reply{}, ear.early()
	}
	before := s.wire.given.Load()
	if err := s.write(patience, []byte("\r\n.\r\n")); err != nil {
		if s.wire.given.Load() == before { // not one byte of it left us
			return reply{}, &stop{at: Body, err: err}
		}
		return reply{}, &stop{at: Dot, err: err}
	}
	last, err := ear.wait()
	switch {
	case err != nil:
		return reply{}, &stop{at: Dot, err: err}
	case last.class() == 3:
		return reply{}, &stop{at: Dot, err: errNonsense}
	case last.class() != 2:
		return last, &stop{at: Dot, err: refusal{reply: last}}
	}
	return last, nil
}

// announce gives MAIL, RCPT and DATA, and stops at the first phase that the
// server refuses. If it may, it sends several commands at once; DATA only with
// a single RCPT, for a server that accepts one recipient of two would go on to
// the text.
func (s *session) announce(e envelope, t Timeouts) *stop {
	if !s.fresh && s.in.Buffered() > 0 { // the server gave notice while the connection was idle
		return &stop{at: Mail, err: errDropped, stale: true}
	}
	line := "MAIL FROM:<" + e.from + ">"
	if s.size {
		line += fmt.Sprintf(" SIZE=%d", len(e.raw))
	}
	commands := []command{{at: Mail, line: line, patience: t.Command, class: 2}}
	for i := range e.to {
		commands = append(commands, command{at: Rcpt, line: "RCPT TO:<" + e.to[i].address + ">", patience: t.Command, class: 2, to: &e.to[i]})
	}
	commands = append(commands, command{at: Data, line: "DATA", patience: t.Data, class: 3})

	rcpt, data := 1, len(commands)-1
	groups := [][]command{commands[:rcpt], commands[rcpt:data], commands[data:]}
	switch {
	case s.pipelining && len(e.to) == 1:
		groups = [][]command{commands}
	case s.pipelining:
		groups = [][]command{commands[:data], commands[data:]}
	}
	for _, group := range groups {
		if end := s.exchange(group); end != nil {
			return end
		}
	}
	if s.in.Buffered() == 0 {
		return nil
	}
	// It asked for the text and spoke on. If that is a refusal, it is one of
	// this letter.
	r, err := s.answer(farewell)
	if err == nil && r.class() >= 4 {
		return &stop{at: Data, err: refusal{reply: r}}
	}
	return &stop{at: Data, err: errNonsense}
}

// exchange gives commands, at once if the server allows that, and reads all
// their answers. Of several refusals the gravest is returned. When the server
// refused and does not wait for a text, the session is put back to its
// beginning.
func (s *session) exchange(commands []command) *stop {
	var refused *stop
	waits := false // for a text
	for i, c := range commands {
		r, err := s.ask(commands, i)
		s.note(c.line, r, err)
		switch {
		case err != nil:
			return gravest(refused, &stop{at: c.at, err: err, stale: c.at == Mail && !s.fresh})
		case r.class() >= 4 && c.at == Mail && !s.fresh: // perhaps said of the idle connection, which is not used again
			return &stop{at: Mail, err: refusal{reply: r}, stale: r.code == 421 || r.class() == 5}
		case r.code == 421:
			return gravest(refused, c.refused(r))
		case r.class() == c.class:
			waits = waits || c.at == Data
		case r.class() < 4:
			return gravest(refused, &stop{at: c.at, err: errNonsense})
		default:
			refused = gravest(refused, c.refused(r))
		}
	}
	if refused != nil && !waits {
		s.reset(commands[0].patience)
	}
	return refused
}

// ask reads the answer to a command. With pipelining all of them are written
// before the first answer is read, without it each before its own.
func (s *session) ask(commands []command, i int) (reply, error) {
	unwritten := commands[i : i+1]
	switch {
	case s.pipelining && i == 0:
		unwritten = commands
	case s.pipelining:
		unwritten = nil
	}
	if len(unwritten) > 0 {
		if s.in.Buffered() > 0 { // it answers what was not asked
			return reply{}, errNonsense
		}
		var lines []byte
		for _, c := range unwritten {
			lines = append(append(lines, c.line...), "\r\n"...)
		}
		if err := s.write(commands[i].patience, lines); err != nil {
			return reply{}, err
		}
	}
	return s.answer(commands[i].patience)
}

func (c command) refused(r reply) *stop {
	no := refusal{reply: r}
	if c.to != nil {
		no.whom, no.copy = c.to.whom, c.to.copy
	}
	return &stop{at: c.at, err: no}
}

// gravest returns the one of two stops that says more: that of the earlier
// phase, and in one phase that which asks more of people.
func gravest(first, second *stop) *stop {
	if first == nil || first.at == second.at && judge(second.at, second.err).kind > judge(first.at, first.err).kind {
		return second
	}
	return first
}

// reset forgets a letter that was refused (RFC 5321, section 4.1.1.5). If the
// server does not agree the session is not used again.
func (s *session) reset(patience time.Duration) {
	if s.write(min(patience, farewell), []byte("RSET\r\n")) != nil {
		return
	}
	r, err := s.answer(min(patience, farewell))
	s.sound = err == nil && r.class() == 2 && s.in.Buffered() == 0
}

// farewell is how long a server may take over what concerns no letter: RSET,
// QUIT, and the end of a reply that came too early.
const farewell = 10 * time.Second

// quit says goodbye if the session is sound, and closes the connection.
func (s *session) quit() {
	if s.sound && s.write(farewell, []byte("QUIT\r\n")) == nil {
		_, _ = s.answer(farewell)
	}
	s.wire.cut(errClosed)
}

// write writes text and flushes it.
func (s *session) write(patience time.Duration, text []byte) error {
	s.wire.phase(patience)
	if _, err := s.out.Write(text); err != nil {
		return s.wire.cause(err)
	}
	return s.wire.cause(s.out.Flush())
}

// answer reads one reply.
func (s *session) answer(patience time.Duration) (reply, error) {
	s.wire.phase(patience)
	r, err := readReply(s.in)
	if err != nil {
		return reply{}, s.wire.cause(err)
	}
	return r, nil
}

// stuffed returns a message as it stands before the final dot: a dot that
// begins a line is doubled (RFC 5321, section 4.5.2), and the end of the last
// line is left to the dot.
func stuffed(raw []byte) []byte {
	text := bytes.TrimSuffix(raw, []byte("\r\n"))
	if bytes.Contains(text, []byte("\r\n.")) { // seldom, and the rest need not be copied
		text = bytes.ReplaceAll(text, []byte("\r\n."), []byte("\r\n.."))
	}
	if bytes.HasPrefix(text, []byte(".")) {
		text = append([]byte("."), text...)
	}
	return text
}
