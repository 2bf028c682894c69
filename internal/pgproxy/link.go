package pgproxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A link is one connection through the proxy, which is two.
type link struct {
	ends [2]*net.TCPConn // by Side
	pid  atomic.Int64    // of the server's process; 0: not known yet
	hung atomic.Bool     // nothing passes any more
	once sync.Once
	over chan struct{}
}

// end ends both halves. A link that hangs is open until an end hangs up.
func (l *link) end(w Way) {
	if w == Hang {
		<-l.over
		return
	}
	l.once.Do(func() {
		for _, c := range l.ends {
			if w == RST {
				_ = c.SetLinger(0) // it makes Close say so; if not, it is a FIN
			}
			_ = c.Close()
		}
		close(l.over)
	})
}

// Codes in place of a protocol version, in the client's first message.
const (
	sslRequest = 80877103
	gssRequest = 80877104
)

// largest is the size of the largest message that is passed on.
const largest = 64 << 20

// A reader tells messages apart.
type reader struct {
	in      *bufio.Reader
	from    Side
	started bool // the client's first message, which has no type, is over
}

func newReader(c io.Reader, from Side) *reader {
	return &reader{in: bufio.NewReaderSize(c, 64<<10), from: from, started: from == Server}
}

// next returns the next message and all of its bytes.
func (r *reader) next() (Message, []byte, error) {
	m, head := Message{From: r.from}, 0
	if r.started {
		head = 1
	}
	start, err := r.in.Peek(head + 4)
	if err != nil {
		return m, nil, err
	}
	if r.started {
		m.Type = start[0]
	}
	n := binary.BigEndian.Uint32(start[head:])
	if n < 4 || n > largest {
		return m, nil, fmt.Errorf("a message of %d bytes; is the connection encrypted?", n)
	}
	raw := make([]byte, head+int(n))
	if _, err := io.ReadFull(r.in, raw); err != nil {
		return m, nil, err
	}
	if !r.started {
		r.started = true
		if code := binary.BigEndian.Uint32(append(raw[4:], 0, 0, 0, 0)); code == sslRequest || code == gssRequest {
			return m, nil, fmt.Errorf("the client asks for encryption; it needs sslmode=disable")
		}
	}
	return m, raw, nil
}

// backend returns the number of the server's process when a message tells it.
func backend(m Message, raw []byte) (int, bool) {
	if m.From != Server || m.Type != 'K' || len(raw) < 9 {
		return 0, false
	}
	return int(binary.BigEndian.Uint32(raw[5:])), true
}
