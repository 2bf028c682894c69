package costplus

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"dunning/invoices"
)

var (
	wantUnsent    = want{kind: invoices.Later, server: true}
	wantDoubt     = want{kind: invoices.Ambiguous, server: true}
	wantAgain     = want{kind: invoices.Later, server: true}
	wantHalt      = want{kind: invoices.Halt}
	wantAbandoned = want{kind: invoices.Later}
)

// TestR02_SurelyNotSent covers the ways in which no byte of a request leaves: a
// create may then be repeated.
func TestR02_SurelyNotSent(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	plain := httptest.NewServer(answer(201, fresh))
	t.Cleanup(plain.Close)
	dials := func(err error) func(*Options) {
		return func(o *Options) {
			o.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
		}
	}
	tests := []struct {
		says, base string
		change     func(*Options)
	}{
		{"nobody listens", "http://" + closed.Addr().String(), nil},
		{"the name is not known", "https://api.example.com", dials(&net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true})},
		{"the name server is away", "https://api.example.com", dials(&net.DNSError{Err: "server misbehaving", Name: "api.example.com", IsTemporary: true})},
		{"connecting takes too long", "https://api.example.com", dials(&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded})},
		{"the other side does not speak TLS", strings.Replace(plain.URL, "http:", "https:", 1), nil},
		{"a connection takes no byte", "http://127.0.0.1:1", func(o *Options) {
			o.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				return &deafConn{Conn: ours}, theirs.Close()
			}}
		}},
		{"a foreign transport reports a failed dial", "https://api.example.com", func(o *Options) {
			o.Transport = tripper(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			change := []func(*Options){}
			if tt.change != nil {
				change = append(change, tt.change)
			}
			c, e := newClient(t, tt.base, change...)
			_, err := c.Create(t.Context(), anOrder())
			checkFault(t, err, wantUnsent)
			_, err = c.Look(t.Context(), linkID)
			checkFault(t, err, wantUnsent)
			if got := strings.Join(e.calls, ", "); got != "create later, look later" {
				t.Errorf("the metrics heard %q", got)
			}
		})
	}
}

// deafConn fails to write before the first byte.
type deafConn struct{ net.Conn }

func (deafConn) Write([]byte) (int, error) { return 0, syscall.EPIPE }

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestForeignTransportProvesNothing(t *testing.T) {
	c, _ := newClient(t, "https://api.example.com", func(o *Options) {
		o.Transport = tripper(func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET })
	})
	_, err := c.Create(t.Context(), anOrder())
	checkFault(t, err, wantDoubt)
}

func TestR19_CertificatesHalt(t *testing.T) {
	s := httptest.NewUnstartedServer(answer(201, fresh))
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Run("signed by nobody we know", func(t *testing.T) {
		c, _ := newClient(t, s.URL)
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, wantHalt)
		_, err = c.Look(t.Context(), linkID)
		checkFault(t, err, wantHalt)
		if !strings.Contains(err.Error(), "certificate") || !strings.Contains(err.Error(), "base_url") {
			t.Errorf("%q does not help", err)
		}
	})
	t.Run("made for another host", func(t *testing.T) {
		c, _ := newClient(t, s.URL, func(o *Options) {
			ours := s.Client().Transport.(*http.Transport).Clone()
			ours.TLSClientConfig.ServerName = "api.costplus.online"
			o.Transport = ours
		})
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, wantHalt)
	})
	t.Run("known: the call works, and its bytes are counted below TLS", func(t *testing.T) {
		c, _ := newClient(t, s.URL, func(o *Options) { o.Transport = s.Client().Transport })
		if _, err := c.Create(t.Context(), anOrder()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestR02_CountsBelowTLS breaks a TLS connection before and after the request is
// written on it.
func TestR02_CountsBelowTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(reset))
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, tt := range []struct {
		says  string
		deaf  bool
		wants want
	}{
		{"reset after the request", false, wantDoubt},
		{"the reused connection takes no byte more", true, wantUnsent},
	} {
		t.Run(tt.says, func(t *testing.T) {
			var made *switchConn
			c, _ := newClient(t, s.URL, func(o *Options) {
				ours := s.Client().Transport.(*http.Transport).Clone()
				ours.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					made = &switchConn{Conn: conn}
					return made, err
				}
				ours.DisableKeepAlives = true
				ours.TLSClientConfig.VerifyConnection = func(tls.ConnectionState) error {
					made.deafSoon.Store(tt.deaf) // only Finished follows, then the request
					return nil
				}
				o.Transport = ours
			})
			_, err := c.Create(t.Context(), anOrder())
			checkFault(t, err, tt.wants)
		})
	}
}

// switchConn takes one more write after it was told to become deaf.
type switchConn struct {
	net.Conn
	deafSoon, deaf atomic.Bool
}

func (c *switchConn) Write(b []byte) (int, error) {
	if c.deaf.Load() {
		return 0, syscall.EPIPE
	}
	c.deaf.Store(c.deafSoon.Load())
	return c.Conn.Write(b)
}

// reset ends a connection without an answer.
func reset(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// TestR02_Resets breaks the connection before and after the server has made the
// link. The client cannot tell them apart, and does not pretend to.
func TestR02_Resets(t *testing.T) {
	for _, commits := range []bool{false, true} {
		t.Run(fmt.Sprintf("the link was made: %v", commits), func(t *testing.T) {
			var links atomic.Int64
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if commits && r.Method == http.MethodPost {
					links.Add(1)
				}
				reset(w, r)
			})
			_, err := c.Create(t.Context(), anOrder())
			checkFault(t, err, wantDoubt)
			if n := links.Load(); n > 1 {
				t.Errorf("%d links were made", n)
			}
			_, err = c.Look(t.Context(), linkID)
			checkFault(t, err, wantAgain)
		})
	}
	t.Run("half an answer, then the end", func(t *testing.T) {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", fmt.Sprint(len(fresh)))
			_, _ = io.WriteString(w, fresh[:40])
			panic(http.ErrAbortHandler)
		})
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, wantDoubt)
		_, err = c.Look(t.Context(), linkID)
		checkFault(t, err, wantAgain)
	})
	t.Run("something that is not HTTP", func(t *testing.T) {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(conn, "SSH-2.0 "+payURL+" "+canary+"\r\n\r\n")
			_ = conn.Close()
		})
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, wantDoubt)
	})
}

// TestR02_StaleConnection closes a reused connection after a request has been
// read from it. net/http repeats a GET by itself then, which shows that the test
// would see a repeated POST.
func TestR02_StaleConnection(t *testing.T) {
	for _, tt := range []struct {
		says     string
		call     func(*Client, context.Context) error
		requests int
		wants    want
	}{
		{"a POST is never repeated", func(c *Client, ctx context.Context) error { _, err := c.Create(ctx, anOrder()); return err }, 2, wantDoubt},
		{"a GET is, by net/http", func(c *Client, ctx context.Context) error { _, err := c.Look(ctx, linkID); return err }, 3, want{link: true}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var requests atomic.Int64
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					serveStale(conn, &requests)
				}
			}()
			c, _ := newClient(t, "http://"+listener.Addr().String())
			if _, err := c.Look(t.Context(), linkID); err != nil {
				t.Fatal(err)
			}
			err = tt.call(c, t.Context())
			if tt.wants.link && err != nil {
				t.Error(err)
			} else if !tt.wants.link {
				checkFault(t, err, tt.wants)
			}
			c.Close()
			_ = listener.Close()
			<-ended
			if n := requests.Load(); n != int64(tt.requests) {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// serveStale answers the first request of a connection and closes it after
// having read the second.
func serveStale(conn net.Conn, requests *atomic.Int64) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for n := range 2 {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		requests.Add(1)
		if n == 0 {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(full), full)
		}
	}
}

func TestRequestsCannotBeRepeated(t *testing.T) {
	c, _ := newClient(t, "https://api.example.com", func(o *Options) {
		o.Transport = tripper(func(r *http.Request) (*http.Response, error) {
			if r.GetBody != nil || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != "" {
				t.Error("net/http may repeat this request")
			}
			return nil, errors.New("no")
		})
	})
	_, err := c.Create(t.Context(), anOrder())
	checkFault(t, err, wantDoubt)
}

// TestConnectionsAreReused makes calls of every ending one after another; only
// those whose body was left unread cost a connection.
func TestConnectionsAreReused(t *testing.T) {
	var opened atomic.Int64
	bodies := []struct {
		status int
		body   string
	}{{201, fresh}, {400, strings.Repeat("x", 100_000)}, {404, ""}, {500, "<html>"}, {200, full}}
	n := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := bodies[n%len(bodies)]
		n++
		answer(b.status, b.body)(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c, _ := newClient(t, s.URL)
	for range 5 * len(bodies) {
		_, _ = c.Create(t.Context(), anOrder())
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections for %d calls", got, n)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(followed.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, followed.URL+"/p/"+linkID, status) })
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, wantHalt)
		_, err = c.Look(t.Context(), linkID)
		checkFault(t, err, wantHalt)
		if strings.Contains(err.Error(), strings.TrimPrefix(followed.URL, "http://")) {
			t.Errorf("%q repeats where to", err)
		}
	}
}
