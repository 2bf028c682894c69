package mailer

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// hose is how many bytes a cable holds in each direction before a writer must
// wait, as the buffers of a kernel do.
const hose = 16 << 10

// A cable is a TCP connection in memory, so that conversations can be played
// in the time of a synctest bubble. It differs from net.Pipe in what matters
// here: it holds some bytes, an end can be closed in order or reset, and what
// is written to an end that is gone is lost at first without an error.
type cable struct {
	mu    sync.Mutex
	moved *sync.Cond
	reset bool
	ends  [2]end
}

// An end is one end of a cable.
type end struct {
	cable  *cable
	other  *end
	queue  []byte // to be read here
	closed bool
	taken  int // bytes that were read here
}

// newCable returns both ends.
func newCable() (client, server *end) {
	c := &cable{}
	c.moved = sync.NewCond(&c.mu)
	c.ends[0] = end{cable: c, other: &c.ends[1]}
	c.ends[1] = end{cable: c, other: &c.ends[0]}
	return &c.ends[0], &c.ends[1]
}

func (e *end) Read(b []byte) (int, error) {
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, net.ErrClosed
		case e.cable.reset:
			return 0, syscall.ECONNRESET
		case len(e.queue) > 0:
			n := copy(b, e.queue)
			e.queue, e.taken = e.queue[n:], e.taken+n
			e.cable.moved.Broadcast()
			return n, nil
		case e.other.closed:
			return 0, io.EOF
		}
		e.cable.moved.Wait()
	}
}

func (e *end) Write(b []byte) (int, error) {
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	written := 0
	for {
		switch room := hose - len(e.other.queue); {
		case e.closed:
			return written, net.ErrClosed
		case e.cable.reset:
			return written, syscall.ECONNRESET
		case e.other.closed: // the kernel takes it, and is told by a reset that nobody wants it
			e.cable.reset = true
			e.cable.moved.Broadcast()
			return len(b), nil
		case room > 0:
			n := min(room, len(b)-written)
			e.other.queue = append(e.other.queue, b[written:written+n]...)
			written += n
			e.cable.moved.Broadcast()
		}
		if written == len(b) {
			return written, nil
		}
		e.cable.moved.Wait()
	}
}

// Close closes the end in order: what was written before is still read.
func (e *end) Close() error {
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	e.closed = true
	e.cable.moved.Broadcast()
	return nil
}

// Reset breaks the cable: nothing more is read, not even what was written.
func (e *end) Reset() {
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	e.closed, e.cable.reset = true, true
	e.cable.moved.Broadcast()
}

// took returns how many bytes were read at this end.
func (e *end) took() int {
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	return e.taken
}

func (e *end) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000} }

func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 587} }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
