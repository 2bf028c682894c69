package sandbox

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A wire is a connection as the SMTP server library sees it: always clear
// text, one line at a time. It sits between the library and the client, does
// TLS itself, and can so misbehave at any command, for which the library has
// no place: it has answered DATA before anybody is asked.
//
// Read and Write are called by the one goroutine that serves the connection.
type wire struct {
	raw  net.Conn // for its whole life
	sink *MailSink

	mu    sync.Mutex
	inner net.Conn // raw, or TLS over raw

	lines   *bufio.Reader
	echo    echo
	rest    []byte // of a line that was read but not yet taken
	greeted bool
	secure  bool // TLS is on
	literal bool // the next line is no command: it answers a 334
	body    bool // a message is under way
	told    bool // the fault of the body was looked for
	whole   bool // the last line taken was whole
	crlf    bool // and ended with CRLF, after which a dot can end the message
}

func newWire(raw net.Conn, sink *MailSink) *wire {
	w := &wire{raw: raw, inner: raw, sink: sink, whole: true, echo: echo{latency: &sink.latency}}
	w.echo.heard() // it connected, and the greeting is a reply to that
	if sink.security == ImplicitTLS {
		w.inner, w.secure = tls.Server(raw, sink.tls), true
	}
	w.lines = bufio.NewReader(incoming{w})
	return w
}

// incoming is what the client says, when it says it.
type incoming struct{ *wire }

func (i incoming) Read(p []byte) (int, error) {
	n, err := i.conn().Read(p)
	i.echo.heard()
	return n, err
}

// Read hands the library the next line, after looking for faults.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		line, err := w.lines.ReadSlice('\n')
		if err != nil && (err != bufio.ErrBufferFull || len(line) == 0) {
			return 0, err
		}
		whole, ends := w.whole, w.body && w.whole && w.crlf && bytes.Equal(line, []byte(".\r\n"))
		w.whole, w.crlf = err == nil, bytes.HasSuffix(line, []byte("\r\n"))
		switch {
		case ends:
			w.body, w.rest = false, line
		case !whole:
			w.rest = line
		case w.body:
			w.rest, err = w.bodyLine(line)
		case w.literal:
			w.literal, w.rest = false, line
		default:
			w.rest, err = w.command(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// bodyLine looks at a line of a message.
func (w *wire) bodyLine(line []byte) ([]byte, error) {
	if w.told {
		return line, nil
	}
	w.told = true
	if f, met := w.sink.faults.meet(AtBody); met {
		return line, w.suffer(f)
	}
	return line, nil
}

var pathForm = regexp.MustCompile(`<([^<>]*)>`)

// command looks at a command before the library does. It returns the line to
// pass on, or nothing if the command was answered here.
func (w *wire) command(line []byte) ([]byte, error) {
	verb, argument, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	verb = strings.ToUpper(verb)
	if verb == "BDAT" { // a second way to hand over a message would need every fault twice
		return nil, w.reply("502 5.5.1 CHUNKING is not offered here\r\n")
	}
	if phase, known := phaseOf[verb]; known {
		var recipients []string
		if m := pathForm.FindStringSubmatch(argument); verb == "RCPT" && m != nil {
			recipients = m[1:2]
		}
		if f, met := w.sink.faults.meet(phase, recipients...); met {
			if f.Do == Reply {
				return nil, w.reply(f.line())
			}
			if err := w.suffer(f); err != nil {
				return nil, err
			}
		}
	}
	if verb == "STARTTLS" && w.sink.security == StartTLS && !w.secure {
		return nil, w.startTLS()
	}
	return line, nil
}

// startTLS turns the connection to TLS. What the client sent in the clear after
// the command is thrown away: somebody else may have put it there.
func (w *wire) startTLS() error {
	if err := w.reply("220 2.0.0 Ready to start TLS\r\n"); err != nil {
		return err
	}
	secured := tls.Server(w.raw, w.sink.tls)
	if err := secured.Handshake(); err != nil {
		w.raw.Close() // it is of no use any more
		return err
	}
	w.mu.Lock()
	w.inner = secured
	w.mu.Unlock()
	w.secure = true
	w.lines.Reset(incoming{w}) // what was read in the clear is gone
	return nil
}

// suffer drops the connection or stalls it.
func (w *wire) suffer(f MailFault) error {
	if f.Do == Stall && w.sink.wait(time.Duration(f.Pause)) {
		return nil
	}
	w.reset()
	return net.ErrClosed
}

func (w *wire) reply(line string) error {
	if !w.echo.hold(w.sink.closing) {
		return net.ErrClosed
	}
	_, err := w.conn().Write([]byte(line))
	return err
}

// Write passes on what the library says, one reply line in each call, and takes
// notice of what it makes of the next line.
func (w *wire) Write(p []byte) (int, error) {
	if !w.greeted {
		w.greeted = true
		if f, met := w.sink.faults.meet(AtGreeting); met {
			if f.Do != Reply {
				if err := w.suffer(f); err != nil {
					return 0, err
				}
			} else {
				w.reply(f.line()) // it ends either way
				w.Close()         // it ends either way
				return 0, net.ErrClosed
			}
		}
	}
	out := p
	switch {
	case bytes.HasPrefix(p, []byte("354 ")):
		w.body, w.told = true, false
	case bytes.HasPrefix(p, []byte("334 ")):
		w.literal = true
	case bytes.Equal(p, []byte("250-CHUNKING\r\n")):
		out = nil
		if w.sink.security == StartTLS && !w.secure {
			out = []byte("250-STARTTLS\r\n")
		}
	}
	if !w.echo.hold(w.sink.closing) {
		return 0, net.ErrClosed
	}
	if _, err := w.conn().Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *wire) conn() net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inner
}

// reset ends the connection the hard way.
func (w *wire) reset() {
	abort(w.raw)
	w.sink.forget(w)
}

// Close ends the connection in good order.
func (w *wire) Close() error {
	w.sink.forget(w)
	return w.conn().Close()
}

// LocalAddr is the server's side.
func (w *wire) LocalAddr() net.Addr { return w.raw.LocalAddr() }

// RemoteAddr is the client's side.
func (w *wire) RemoteAddr() net.Addr { return w.raw.RemoteAddr() }

// SetDeadline bounds reads and writes.
func (w *wire) SetDeadline(t time.Time) error { return w.raw.SetDeadline(t) }

// SetReadDeadline bounds reads.
func (w *wire) SetReadDeadline(t time.Time) error { return w.raw.SetReadDeadline(t) }

// SetWriteDeadline bounds writes.
func (w *wire) SetWriteDeadline(t time.Time) error { return w.raw.SetWriteDeadline(t) }
