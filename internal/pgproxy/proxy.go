// Package pgproxy stands between a program and PostgreSQL in tests, and breaks
// the connection where a test says.
//
// It knows where each message of the wire protocol begins and ends, and nothing
// else of it, so that it can break a connection before or after any one of
// them: a COMMIT that never arrives, one that arrives and is never answered, an
// answer that comes half. A test runs its operation once to learn which
// messages there are ([Proxy.Listen], [Proxy.Heard]), and then again for each
// of them with a [Break].
//
// The connection must not be encrypted, for then nobody could read along.
package pgproxy

import (
	"errors"
	"io"
	"net"
	"sync"
)

// A Side is an end of a connection.
type Side int

// The two ends.
const (
	Client Side = iota
	Server
)

func (s Side) String() string { return [...]string{"client", "server"}[s] }

// A Message is one that passed.
type Message struct {
	From Side
	Type byte // as in the protocol's list of message formats; 0: the client's first
}

func (m Message) String() string {
	if m.Type == 0 {
		return m.From.String() + "'s first"
	}
	return m.From.String() + "'s " + string(m.Type)
}

// A Way is how a connection breaks.
type Way int

// Ways to break.
const (
	FIN  Way = iota // both ends are told that the other hung up
	RST             // both ends are told that the connection is void
	Hang            // nobody is told anything, and nothing comes through any more
)

func (w Way) String() string { return [...]string{"FIN", "RST", "hang"}[w] }

// A Break says where and how to break a connection.
type Break struct {
	At    int  // the message, counted from 0 since the break was planned
	After bool // it still passes
	Way   Way
	Away  bool // whoever connects afterwards is hung up on, until [Proxy.Heal]

	// Do is called, if it is not nil, before the message passes, and then
	// nothing breaks.
	Do func()
}

// A Proxy passes connections on to one server.
type Proxy struct {
	server   string
	listener net.Listener
	wait     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	links  map[*link]bool
	heard  []Message
	plan   *Break
	broken chan struct{} // nil: not yet; closed: it is over
	away   bool
	pids   []int
}

// Start listens on the loopback for a server at an address of TCP.
func Start(server string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{server: server, listener: l, links: map[*link]bool{}}
	p.wait.Go(p.accept)
	return p, nil
}

// Addr is where to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends all connections and returns when nothing of the proxy runs.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	again := p.closed
	p.closed = true
	for l := range p.links {
		l.end(FIN)
	}
	p.mu.Unlock()
	p.wait.Wait()
	if again {
		return nil
	}
	return err
}

// Listen forgets what was heard, and hears anew.
func (p *Proxy) Listen() { p.prepare(nil) }

// Plan breaks a connection once, and hears anew.
func (p *Proxy) Plan(b Break) { p.prepare(&b) }

// Heal lets everything pass and everybody connect.
func (p *Proxy) Heal() { p.prepare(nil) }

func (p *Proxy) prepare(b *Break) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard, p.plan, p.broken, p.away, p.pids = nil, b, nil, false, nil
}

// Cut ends all connections there are, in the way of a FIN or a RST.
func (p *Proxy) Cut(w Way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end(w)
	}
}

// Heard returns the messages that passed, or at which the connection broke.
func (p *Proxy) Heard() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message(nil), p.heard...)
}

// Broken reports whether the break happened, and which processes of the server
// lost their client by it: they may still be at work.
func (p *Proxy) Broken() (bool, []int) {
	p.mu.Lock()
	broken, pids := p.broken, p.pids
	p.mu.Unlock()
	if broken != nil {
		<-broken
	}
	return broken != nil, pids
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

// serve passes one connection on until it ends or breaks.
func (p *Proxy) serve(client *net.TCPConn) {
	l, err := p.connect(client)
	if err != nil {
		_ = client.Close() // it is told by that
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, Client) })
	both.Go(func() { p.pass(l, Server) })
	both.Wait()
	l.end(FIN)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

var errAway = errors.New("the server is away")

func (p *Proxy) connect(client *net.TCPConn) (*link, error) {
	p.mu.Lock()
	away := p.away || p.closed
	p.mu.Unlock()
	if away {
		return nil, errAway
	}
	c, err := net.Dial("tcp", p.server)
	if err != nil {
		return nil, err
	}
	l := &link{ends: [2]*net.TCPConn{client, c.(*net.TCPConn)}, over: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		l.end(FIN)
	}
	p.links[l] = true
	return l, nil
}

// pass passes messages on from one end to the other.
func (p *Proxy) pass(l *link, from Side) {
	in, out := newReader(l.ends[from], from), l.ends[1-from]
	for {
		m, raw, err := in.next()
		if err != nil {
			switch {
			case l.hung.Load(): // nor does it come through that this end hung up
			case errors.Is(err, io.EOF):
				_ = out.CloseWrite() // the other direction may still have something to say
			default:
				l.end(FIN)
			}
			return
		}
		if pid, ok := backend(m, raw); ok {
			l.pid.Store(int64(pid))
		}
		if !p.forward(l, out, m, raw) {
			return
		}
	}
}

// forward passes one message on, unless the connection breaks before it. It
// reports whether there may be more.
func (p *Proxy) forward(l *link, out io.Writer, m Message, raw []byte) bool {
	if l.hung.Load() {
		<-l.over
		return false
	}
	p.mu.Lock()
	n := len(p.heard)
	p.heard = append(p.heard, m)
	b := p.plan
	if b == nil || p.broken != nil || n != b.At {
		p.mu.Unlock()
		_, err := out.Write(raw)
		return err == nil
	}
	broken := make(chan struct{})
	p.broken, p.away, p.pids = broken, b.Away, []int{int(l.pid.Load())}
	if b.Do != nil {
		p.mu.Unlock()
		b.Do()
		close(broken)
		_, err := out.Write(raw)
		return err == nil
	}
	l.hung.Store(true) // an answer to the message does not slip through
	p.mu.Unlock()
	if b.After {
		_, _ = out.Write(raw) // it breaks all the same
	}
	if b.Way == Hang {
		close(broken)
		l.end(Hang)
		return false
	}
	l.end(b.Way)
	close(broken)
	return false
}
