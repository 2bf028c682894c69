package sandbox

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes are a network in memory, on which time is that of a synctest bubble.
type pipes map[string]*pipeListener

type pipeListener struct {
	address *net.TCPAddr
	taken   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (p pipes) Listen(string) (net.Listener, error) {
	l := &pipeListener{
		address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8001 + len(p)},
		taken:   make(chan net.Conn), closed: make(chan struct{}),
	}
	p[l.address.String()] = l
	return l, nil
}

func (p pipes) Dial(_ context.Context, _, address string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p[address].taken <- theirs
	return ours, nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.taken:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Addr() net.Addr { return l.address }

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// far runs do with a sandbox that answers after a while, in virtual time.
func far(t *testing.T, latency time.Duration, do func(t *testing.T, s *Sandbox, net pipes)) {
	synctest.Test(t, func(t *testing.T) {
		wires := pipes{}
		s, err := Start(Options{Now: time.Now, Latency: latency, Network: wires})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		do(t, s, wires)
	})
}

// TestLatencyOfMail: every reply is as late as the latency, counted from when
// its command arrived. Commands that arrive together are answered together.
func TestLatencyOfMail(t *testing.T) {
	const late = 20 * time.Millisecond
	far(t, late, func(t *testing.T, s *Sandbox, wires pipes) {
		conn, err := wires.Dial(t.Context(), "tcp", s.Mail.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for _, row := range []struct {
			why, say string
			replies  string        // first digits, one a reply
			wait     time.Duration // of the last one
		}{
			{"the greeting comes after the connection", "", "2", late},
			{"a reply of several lines is one reply", "EHLO client.example\r\n", "2", late},
			{"one command", "MAIL FROM:<a@example.com>\r\n", "2", late},
			{"and the next", "RCPT TO:<b@example.com>\r\n", "2", late},
			{"and a refused one", "NONSENSE\r\n", "5", late},
			{"to begin again", "RSET\r\n", "2", late},
			{"three commands at once", "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", "223", late},
			{"a text and its dot", "Subject: x\r\n\r\nx\r\n.\r\n", "2", late},
			{"a command the library does not see", "BDAT 1\r\n", "5", late},
			{"farewell", "QUIT\r\n", "2", late},
		} {
			start := time.Now()
			if row.say != "" { // a pipe waits for a reader even of nothing
				if _, err := io.WriteString(conn, row.say); err != nil {
					t.Fatalf("%s: %v", row.why, err)
				}
			}
			if got := replies(t, in, len(row.replies)); got != row.replies {
				t.Errorf("%s: replies %s, want %s", row.why, got, row.replies)
			}
			if took := time.Since(start); took != row.wait {
				t.Errorf("%s: answered after %s, want %s", row.why, took, row.wait)
			}
		}
		if n := len(s.Mail.Mails()); n != 1 {
			t.Errorf("%d mails were kept, want 1", n)
		}
	})
}

// replies reads n replies and returns the first digit of each.
func replies(t *testing.T, in *bufio.Reader, n int) string {
	t.Helper()
	var digits strings.Builder
	for range n {
		for {
			line, err := in.ReadString('\n')
			if err != nil || len(line) < 4 {
				t.Fatalf("reply %q: %v", line, err)
			}
			if line[3] != '-' {
				digits.WriteByte(line[0])
				break
			}
		}
	}
	return digits.String()
}

// TestLatencyOfTheAPI: every answer of the API is late, fifty at once no later
// than one; the pages to look inside are not; and it can be changed.
func TestLatencyOfTheAPI(t *testing.T) {
	far(t, 20*time.Millisecond, func(t *testing.T, s *Sandbox, wires pipes) {
		client := clientOf(wires)
		defer client.CloseIdleConnections()
		ask := func(method, path, body string) (int, time.Duration) {
			start := time.Now()
			req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return 0, 0
			}
			req.SetBasicAuth(DefaultKey, "")
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return 0, 0
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
			return resp.StatusCode, time.Since(start)
		}
		var together sync.WaitGroup
		for range 50 {
			together.Go(func() {
				if status, took := ask("POST", "/v1/paymentlinks/", plainOrder); status != 201 || took != 20*time.Millisecond {
					t.Errorf("status %d after %s; want 201 after 20ms", status, took)
				}
			})
		}
		together.Wait()
		for _, row := range []struct {
			why, method, path, body string
			status                  int
			took                    time.Duration
		}{
			{"a refusal is late as well", "GET", "/v1/paymentlinks/x/", "", 404, 20 * time.Millisecond},
			{"the log is at once", "GET", "/sandbox/requests", "", 200, 0},
			{"it is made longer", "POST", "/sandbox/latency", `{"latency":"1s"}`, 200, 0},
			{"and is", "POST", "/v1/paymentlinks/", plainOrder, 201, time.Second},
			{"nothing is no latency", "POST", "/sandbox/latency", `{}`, 400, 0},
			{"nobody answers before he is asked", "POST", "/sandbox/latency", `{"latency":"-1s"}`, 400, 0},
			{"it is as it was", "POST", "/v1/paymentlinks/", plainOrder, 201, time.Second},
			{"it is taken away", "POST", "/sandbox/latency", `{"latency":"0s"}`, 200, 0},
			{"and is gone", "POST", "/v1/paymentlinks/", plainOrder, 201, 0},
		} {
			if status, took := ask(row.method, row.path, row.body); status != row.status || took != row.took {
				t.Errorf("%s: status %d after %s; want %d after %s", row.why, status, took, row.status, row.took)
			}
		}
	})
}
