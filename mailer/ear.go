package mailer

import (
	"errors"
	"sync/atomic"
)

// An ear hears a server out while a letter is handed over. From the answer to
// DATA until the dot the server has nothing to say: the first byte that it says
// nevertheless, and that it hung up, is heard here before the dot is written.
// The letter is then known to be lost, where otherwise it would be in doubt;
// and a server that refuses in the middle of a text, and reads no further, is
// understood at once.
type ear struct {
	wire  *wire
	state atomic.Int32
	heard chan struct{} // closed when the server has finished speaking
	reply reply
	err   error
}

// What an ear waits for.
const (
	nothing    int32 = iota // the text is under way
	theAnswer               // to the dot, which is being written
	interposed              // the server began to speak, or hung up, before the dot
)

// listen begins to listen. Until the ear has heard something nobody else may
// read from the session.
func (s *session) listen() *ear {
	e := &ear{wire: s.wire, heard: make(chan struct{})}
	go func() {
		defer close(e.heard)
		_, _ = s.in.Peek(1) // what is wrong, reading will tell again
		early := e.state.CompareAndSwap(nothing, interposed)
		if e.reply, e.err = readReply(s.in); e.err != nil {
			e.err = s.wire.cause(e.err)
		}
		if early {
			s.wire.cut(errEarly) // wakes who is writing
		}
	}()
	return e
}

// errEarly is why a wire is cut when the server spoke out of turn.
var errEarly = errors.New("the server spoke before the letter was complete")

// expect says that the dot comes next. It reports false if the server has
// spoken already: the dot must then not be written.
func (e *ear) expect() bool { return e.state.CompareAndSwap(nothing, theAnswer) }

// spoke reports whether the server began to speak before the dot.
func (e *ear) spoke() bool { return e.state.Load() == interposed }

// wait waits for what the server says.
func (e *ear) wait() (reply, error) {
	<-e.heard
	return e.reply, e.err
}

// early is how a letter ends whose server spoke out of turn, or with which the
// connection broke. The server may finish what it began.
func (e *ear) early() *stop {
	e.wire.phase(farewell)
	said, broken := e.wait()
	switch {
	case broken != nil:
		return &stop{at: Body, err: broken}
	case said.class() < 4:
		return &stop{at: Body, err: errNonsense}
	}
	return &stop{at: Body, err: refusal{reply: said}}
}
