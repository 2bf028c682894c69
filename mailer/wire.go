package mailer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// chatter is how many bytes a server may send in one phase: room for a long
// certificate chain, and far less than would hurt.
const chatter = 256 << 10

var (
	errSlow     = errors.New("no answer in time")
	errChatter  = errors.New("the server does not stop talking")
	errDropped  = errors.New("the server closed the connection")
	errNonsense = errors.New("the server's answer is not SMTP")
)

// A wire is the raw connection under a conversation, TLS or not. A watchdog
// closes it when a phase takes too long, instead of a deadline, which would
// need a clock; whatever is wrong with a wire, it is never used again.
type wire struct {
	net.Conn
	left     atomic.Int64 // bytes the server may still send in this phase
	given    atomic.Int64 // bytes that were handed to the kernel
	watchdog *time.Timer
	why      atomic.Pointer[error] // why we closed it; nil: we did not
}

func newWire(conn net.Conn, patience time.Duration) *wire {
	w := &wire{Conn: conn}
	w.left.Store(chatter)
	w.watchdog = time.AfterFunc(patience, func() { w.cut(errSlow) })
	return w
}

// phase begins a phase: the server has so long, and may say so much.
func (w *wire) phase(patience time.Duration) {
	w.left.Store(chatter)
	w.watchdog.Reset(patience)
}

// rest ends a phase: nothing is expected. It reports false when the phase had
// already taken too long.
func (w *wire) rest() bool { return w.watchdog.Stop() }

// Read reads what the server sent, within the phase's budget.
func (w *wire) Read(b []byte) (int, error) {
	left := w.left.Load()
	if left <= 0 {
		w.cut(errChatter)
		return 0, errChatter
	}
	n, err := w.Conn.Read(b[:min(int64(len(b)), left)])
	w.left.Add(-int64(n))
	return n, err
}

// Write writes, and counts what left us.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.given.Add(int64(n))
	return n, err
}

// cut closes the connection at once, without a word to the server.
func (w *wire) cut(why error) {
	w.why.CompareAndSwap(nil, &why)
	w.watchdog.Stop()
	_ = w.Conn.Close()
}

// watch cuts the wire when ctx ends, until stop is called. Stop returns false
// if it was cut.
func (w *wire) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { w.cut(stopped(ctx)) })
}

// stopped says that ctx ended.
func stopped(ctx context.Context) error { return fmt.Errorf("%w: %w", errStopped, ctx.Err()) }

// cause returns why we closed the wire, if we did, and otherwise err.
func (w *wire) cause(err error) error {
	if why := w.why.Load(); why != nil {
		return *why
	}
	return err
}
