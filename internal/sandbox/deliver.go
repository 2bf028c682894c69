package sandbox

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// deliver carries an answer to the client, through the faults that wait on the
// way. The request is logged before the first byte of the answer leaves, so
// that a client that has its answer also finds it in the log.
func (p *CostPlus) deliver(w http.ResponseWriter, r *http.Request, route Route, body []byte, a answer, met plan) {
	fault := met[onAnswer]
	switch fault.Kind {
	case RefuseAfter:
		made := a.link
		a = refused(fault, met.shape())
		a.link = made
	case HTMLBody:
		a.kind, a.body = "text/html; charset=utf-8", page(a.status, "One moment, please")
	case Truncated:
		a.body = a.body[:len(a.body)/2]
	case DropAfter:
		a.status = 0
	}
	p.log(r, route, body, a, met)
	if met.is(LatencyAfter) && !p.wait(time.Duration(met[onTime].Pause)) {
		panic(http.ErrAbortHandler)
	}
	if d := p.latency.now(); d > 0 && !p.wait(d) {
		panic(http.ErrAbortHandler)
	}
	if fault.Kind == DropAfter {
		reset(w)
		return
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.kind != "" {
		w.Header().Set("Content-Type", a.kind)
	}
	switch fault.Kind {
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		write(w, a.body[:len(a.body)/2])
		panic(http.ErrAbortHandler)
	case Huge:
		w.WriteHeader(a.status)
		p.writeHuge(w, a.body, fault.Size)
	case Drip:
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		p.writeDrip(w, r, a.body, time.Duration(fault.Pause))
	default:
		w.WriteHeader(a.status)
		write(w, a.body)
	}
}

// write sends bytes at once. A client that left is no concern of ours.
func write(w http.ResponseWriter, b []byte) bool {
	_, err := w.Write(b)
	return err == nil && http.NewResponseController(w).Flush() == nil
}

// writeHuge sends a JSON object with so many bytes of padding in front.
func (p *CostPlus) writeHuge(w http.ResponseWriter, object []byte, size int) {
	if size == 0 {
		size = usualSwell
	}
	if !write(w, []byte(`{"padding":"`)) {
		return
	}
	block := bytes.Repeat([]byte("x"), 64<<10)
	for size > 0 {
		n := min(size, len(block))
		if _, err := w.Write(block[:n]); err != nil {
			return
		}
		size -= n
	}
	end := `",`
	if rest, ok := strings.CutPrefix(string(object), "{"); ok {
		write(w, []byte(end+rest))
		return
	}
	write(w, []byte(`"}`))
}

// writeDrip sends 16 bytes at a time.
func (p *CostPlus) writeDrip(w http.ResponseWriter, r *http.Request, body []byte, pause time.Duration) {
	if pause == 0 {
		pause = usualPause
	}
	for len(body) > 0 {
		n := min(len(body), 16)
		if !write(w, body[:n]) || r.Context().Err() != nil {
			panic(http.ErrAbortHandler)
		}
		body = body[n:]
		if len(body) > 0 && !p.wait(pause) {
			panic(http.ErrAbortHandler)
		}
	}
}

// reset ends the connection the hard way: the client sees "connection reset".
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	abort(conn)
}

// abort closes a connection with RST instead of FIN.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // at worst it is an orderly end
	}
	conn.Close() // nobody is left to tell
}
