package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The other side of the benchmarks: an API and a mail server that do nothing but
// answer, so that what is measured is ours. Each is a process of its own, this
// test program under another name, and answers after a latency.
const (
	benchRole    = "DUNNING_BENCH_ROLE"    // api or smtp: be that, and nothing else
	benchLatency = "DUNNING_BENCH_LATENCY" // before each answer
)

// beServer serves, if this process is to be a server, until its standard input
// ends.
func beServer() (code int, was bool) {
	role := os.Getenv(benchRole)
	if role == "" {
		return 0, false
	}
	latency, err := time.ParseDuration(os.Getenv(benchLatency))
	if err == nil {
		err = serveRole(role, latency)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

func serveRole(role string, latency time.Duration) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	served := make(chan error, 1)
	count := new(atomic.Int64)
	switch role {
	case "api":
		go func() {
			served <- http.Serve(l, &bareAPI{url: "http://" + l.Addr().String(), latency: latency, count: count})
		}()
	case "smtp":
		go func() { served <- serveSMTP(l, latency, count) }()
	default:
		return fmt.Errorf("%s=%q is no role", benchRole, role)
	}
	fmt.Println(l.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() { // a line asks how much was taken so far
		fmt.Println(count.Load())
	}
	select {
	case err := <-served:
		return err
	default:
		return in.Err()
	}
}

// bareAPI makes payment links and remembers nothing but their number.
type bareAPI struct {
	url     string
	latency time.Duration
	count   *atomic.Int64
}

func (a *bareAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Ref      string `json:"merchant_order_id"`
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
		Life     string `json:"expiration_period"`
	}
	if r.Method != http.MethodPost {
		http.Error(w, "only links are made here", http.StatusNotFound)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	n := a.count.Add(1)
	pause(a.latency)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	id := fmt.Sprintf("19aaceff-93ea-403f-b10c-%012d", n)
	fmt.Fprintf(w, `{"amount":%d,"created":%q,"currency":%q,"expiration_period":%q,"id":%q,"merchant_order_id":%q,"modified":%q,"orders":{},"payment_url":"%s/pay/%s/","status":"new"}`,
		asked.Amount, now, asked.Currency, asked.Life, id, asked.Ref, now, a.url, id)
}

// pause lets the time of a network pass.
func pause(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// serveSMTP takes every mail and forgets it (RFC 5321, with PIPELINING). The
// answers to commands that came together leave together.
func serveSMTP(l net.Listener, latency time.Duration, count *atomic.Int64) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			s := bareSMTP{in: bufio.NewReaderSize(c, 64<<10), out: bufio.NewWriter(c), latency: latency, count: count}
			_ = s.serve() // whoever hangs up is gone
		}()
	}
}

type bareSMTP struct {
	in      *bufio.Reader
	out     *bufio.Writer
	latency time.Duration
	count   *atomic.Int64
}

func (s *bareSMTP) say(text string) error {
	if _, err := s.out.WriteString(text + "\r\n"); err != nil {
		return err
	}
	if s.in.Buffered() > 0 {
		return nil
	}
	pause(s.latency)
	return s.out.Flush()
}

func (s *bareSMTP) serve() error {
	if err := s.say("220 sink ESMTP"); err != nil {
		return err
	}
	for {
		line, err := s.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		verb := strings.ToUpper(string(line[:min(4, len(line))]))
		answer := "250 ok"
		switch verb {
		case "EHLO":
			answer = "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000"
		case "DATA":
			if err := s.say("354 go on"); err != nil {
				return err
			}
			if err := s.text(); err != nil {
				return err
			}
			s.count.Add(1)
		case "QUIT":
			return s.say("221 bye")
		}
		if err := s.say(answer); err != nil {
			return err
		}
	}
}

// text reads a mail up to the line that is a dot.
func (s *bareSMTP) text() error {
	whole := true // the last piece ended a line
	for {
		piece, err := s.in.ReadSlice('\n')
		if whole && bytes.Equal(piece, []byte(".\r\n")) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		whole = err == nil
	}
}

// A far is one server in its own process.
type far struct {
	b    testing.TB
	addr string
	in   io.WriteCloser
	out  *bufio.Scanner
}

// startFar starts a server and has it stop when the benchmark ends.
func startFar(b testing.TB, role string, latency time.Duration) *far {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchRole+"="+role, benchLatency+"="+latency.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("the server for %s: %v", role, err)
		}
	})
	f := &far{b: b, in: in, out: bufio.NewScanner(out)}
	if !f.out.Scan() {
		b.Fatalf("the server for %s did not start", role)
	}
	f.addr = f.out.Text()
	return f
}

// taken returns how many links were made, or mails taken, so far.
func (f *far) taken() int {
	f.b.Helper()
	if _, err := io.WriteString(f.in, "\n"); err != nil {
		f.b.Fatal(err)
	}
	var n int
	if !f.out.Scan() {
		f.b.Fatal("the server is gone")
	}
	if _, err := fmt.Sscan(f.out.Text(), &n); err != nil {
		f.b.Fatal(err)
	}
	return n
}

// spread does n things, so many hands at a time.
func spread(n, hands int, do func(i int) error) error {
	var next atomic.Int64
	var g errgroup.Group
	for range hands {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}
