package sandbox

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A latency is how far away the sandbox seems to be: the real time between the
// arrival of what a client said and the answer to it, on every call of the API
// and every reply of the mail server. Any number of answers wait at once.
//
// It is that of a network and not of a slow server: SMTP commands that arrive
// together are answered together (RFC 2920), so a client that waits for each
// answer before it goes on waits longer. For a server that takes its time over
// each command, see [Stall].
type latency struct{ atomic.Int64 }

func (l *latency) now() time.Duration { return time.Duration(l.Load()) }

// set refuses what no network is.
func (l *latency) set(d time.Duration) error {
	if d < 0 || d > longestPause {
		return fmt.Errorf("latency is %s; it lies between 0 and %s", d, longestPause)
	}
	l.Store(int64(d))
	return nil
}

// SetLatency changes [Options.Latency] from the next request on, of
// connections that are open as well. It refuses less than nothing and more than
// 15 minutes.
func (s *Sandbox) SetLatency(d time.Duration) error {
	if err := s.Pay.latency.set(d); err != nil {
		return err
	}
	return s.Mail.latency.set(d)
}

// An echo holds back the replies of one mail connection. It is used by the one
// goroutine that serves the connection.
type echo struct {
	latency *latency
	timer   *time.Timer
	owed    bool // the client spoke, and no reply has left since
}

// heard is told that bytes of the client arrived. What is answered from now on
// is answered when they are as old as the latency.
func (e *echo) heard() {
	d := e.latency.now()
	e.owed = d > 0
	switch {
	case !e.owed:
	case e.timer == nil:
		e.timer = time.NewTimer(d)
	default:
		e.timer.Reset(d)
	}
}

// hold returns when a reply may leave; it reports false if closing comes first.
func (e *echo) hold(closing <-chan struct{}) bool {
	if !e.owed {
		return true
	}
	e.owed = false
	select {
	case <-e.timer.C:
		return true
	case <-closing:
		return false
	}
}
