package simulation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// A network is the connections of one world, all in memory. A connection
// belongs to the process that opened it and is cut when the process dies.
type network struct {
	mu        sync.Mutex
	next      int
	listeners map[string]*listener
	conns     map[net.Conn]*process
}

func newNetwork() *network {
	return &network{next: 8000, listeners: map[string]*listener{}, conns: map[net.Conn]*process{}}
}

var errRefused = errors.New("connection refused")

// Listen opens an address; port 0 is a free one.
func (n *network) Listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		n.next++
		port = fmt.Sprint(n.next)
	}
	l := &listener{address: net.JoinHostPort(host, port), taken: make(chan net.Conn), closed: make(chan struct{}), from: n}
	n.listeners[l.address] = l
	return l, nil
}

// Dial connects on behalf of nobody who can die.
func (n *network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return n.dial(ctx, nil, address)
}

func (n *network) dial(ctx context.Context, by *process, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil || by != nil && by.dead.Load() {
		return nil, errRefused
	}
	ours, theirs := net.Pipe()
	select {
	case l.taken <- theirs:
	case <-l.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[ours] = by
	return &conn{Conn: ours, from: n}, nil
}

// cut ends every connection of a process.
func (n *network) cut(by *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c, owner := range n.conns {
		if owner == by {
			c.Close()
			delete(n.conns, c)
		}
	}
}

// conn forgets itself when it is closed.
type conn struct {
	net.Conn
	from *network
}

func (c *conn) Close() error {
	c.from.mu.Lock()
	delete(c.from.conns, c.Conn)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

type listener struct {
	address string
	taken   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	from    *network
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.taken:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.from.mu.Lock()
		if l.from.listeners[l.address] == l {
			delete(l.from.listeners, l.address)
		}
		l.from.mu.Unlock()
	})
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.address) }

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }
