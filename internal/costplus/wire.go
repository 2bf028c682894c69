package costplus

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Phases of a call that are bounded apart from the whole.
const (
	connectWithin   = 10 * time.Second
	handshakeWithin = 10 * time.Second
	// idleFor is short on purpose: a server that closes an idle connection in
	// the moment in which we write a request to it leaves a link in doubt.
	idleFor = 15 * time.Second
	// idleConns is how many connections are kept for reuse. net/http keeps two
	// unless told otherwise, and opens a new one for every other call.
	idleConns = 100
	// largestHeader bounds the header of an answer.
	largestHeader = 64 << 10
)

// newTransport returns the transport that calls use, each bounded as a whole by
// its context. It speaks HTTP/1.1 only:
// there a connection carries one call at a time, so one that breaks leaves one
// link in doubt and not a hundred.
func newTransport(timeout time.Duration) *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		Protocols:              &http1,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    min(handshakeWithin, timeout),
		IdleConnTimeout:        idleFor,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idleConns,
		MaxResponseHeaderBytes: largestHeader,
		DisableCompression:     true, // a small body must stay small when it is read
		DialContext:            (&net.Dialer{Timeout: min(connectWithin, timeout)}).DialContext,
	}
}

// counted makes the connections of a transport count what is written to them.
func counted(t *http.Transport) *http.Transport {
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectWithin}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countingConn{Conn: conn}, nil
	}
	return t
}

type countingConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// sending watches one call write its request.
type sending struct {
	conn  *countingConn
	start int64
	got   bool // a connection was had
}

// watch returns a context under which the transport tells s about its
// connection. The transport calls back before it writes, on the goroutine of
// the call.
func (s *sending) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			s.got = true
			if s.conn = countingOf(info.Conn); s.conn != nil {
				s.start = s.conn.written.Load()
			}
		},
	})
}

// nothing reports whether surely not one byte of the request was written. It
// must be called after the transport has returned an error: it has then stopped
// writing. Bytes that TLS added on its own count as the request's, so that a
// doubt stays a doubt.
func (s *sending) nothing() bool {
	if !s.got {
		return true
	}
	return s.conn != nil && s.conn.written.Load() == s.start
}

// countingOf finds our connection below the layers of TLS.
func countingOf(conn net.Conn) *countingConn {
	for {
		switch c := conn.(type) {
		case *countingConn:
			return c
		case *tls.Conn:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
