package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	down := errors.Join(errors.New("the database does not answer"), errors.New("the mail server does not answer"))
	for _, row := range []struct {
		says, method, path string
		live, ready        error
		status             int
		text               string
	}{
		{"a process that answers lives", "GET", "/healthz", nil, nil, 200, "ok\n"},
		{"it lives even if it can do nothing", "GET", "/healthz", nil, down, 200, "ok\n"},
		{"only a restart helps", "GET", "/healthz", errors.New("the scheduler stands still"), nil, 503, "the scheduler stands still\n"},
		{"all is there", "GET", "/readyz", nil, nil, 200, "ready\n"},
		{"a line for each thing that is missing", "GET", "/readyz", nil, down, 503, "the database does not answer\nthe mail server does not answer\n"},
		{"an error without a text is an error", "GET", "/readyz", nil, errors.New(""), 503, "something is wrong, and does not say what\n"},
		{"a probe may ask without wanting the text", "HEAD", "/readyz", nil, nil, 200, "ready\n"},
		{"numbers", "GET", "/metrics", nil, nil, 200, "numbers\n"},
		{"nothing is changed here", "POST", "/readyz", nil, nil, 405, "Method Not Allowed\n"},
		{"nothing else is served", "GET", "/", nil, nil, 404, "404 page not found\n"},
	} {
		t.Run(row.says, func(t *testing.T) {
			h := Health(HealthOptions{
				Live:  func(context.Context) error { return row.live },
				Ready: func(context.Context) error { return row.ready },
				Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, "numbers\n")
				}),
			})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(row.method, row.path, nil))
			if w.Code != row.status || w.Body.String() != row.text {
				t.Errorf("%s %s: %d %q, want %d %q", row.method, row.path, w.Code, w.Body, row.status, row.text)
			}
		})
	}
}

func TestHealth_Nothing(t *testing.T) {
	h := Health(HealthOptions{})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestHealth_Hang(t *testing.T) {
	h := Health(HealthOptions{Ready: func(ctx context.Context) error {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > readyWithin {
			return errors.New("unbounded")
		}
		return nil
	}})
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil)); w.Code != 200 {
		t.Errorf("a dependency has no limit of time: %s", w.Body)
	}
}

// TestR25_HealthShowsNoSecrets: errors of drivers hold addresses with
// passwords; whoever forgot to clean them does not show them to everybody.
func TestR25_HealthShowsNoSecrets(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"dial postgres://dunning:hunter2@db.example/x: refused", "dial postgres://***@db.example/x: refused\n"},
		{"dial postgres://dunning:hunt/er2@db.example/x", "dial postgres://***@db.example/x\n"},
		{"dial postgres://dunning:hu@nter2@db.example/x", "dial postgres://***@db.example/x\n"},
		{"password=hunter2 host=db", "password=*** host=db\n"},
		{"api_key: hunter2", "api_key=***\n"},
		{"mailbox jan@debtor.example is unknown", "mailbox ***@debtor.example is unknown\n"},
		{"one\r\n\x1b[31mtwo\n\n", "one\n[31mtwo\n"},
		{strings.Repeat("é", 1000), strings.Repeat("é", longestLine) + "...\n"},
		{strings.Repeat("line\n", 100), strings.Repeat("line\n", mostLines) + "and more\n"},
	} {
		got := lines(errors.New(row.text))
		if got != row.want {
			t.Errorf("%.60q shows %q, want %q", row.text, got, row.want)
		}
		if strings.Contains(got, "hunter2") || strings.Contains(got, "nter2") {
			t.Errorf("%q shows the password", got)
		}
	}
}

func TestServe(t *testing.T) {
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	began, finish := make(chan struct{}), make(chan struct{})
	go func() {
		ended <- ServeOn(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-finish
			_, _ = io.WriteString(w, "to the end")
		}))
	}()
	answer := make(chan string)
	go func() { answer <- fetch(l.Addr()) }()
	<-began
	stop() // with a request under way
	select {
	case err := <-ended:
		t.Errorf("Serve did not wait for the request under way: %v", err)
	default:
	}
	close(finish)
	if got := <-answer; got != "to the end" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("a clean end is the error %v", err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("somebody listens still")
	}
}

// TestR25_ServePanics: what a handler panics with may hold what it was sent; its
// type and the place are logged.
func TestR25_ServePanics(t *testing.T) {
	var said bytes.Buffer
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- ServeOn(ctx, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			panic(errors.New("cannot handle " + r.URL.Path))
		}))
	}()
	if resp, err := http.Get("http://" + l.Addr().String() + "/canary"); err == nil {
		resp.Body.Close()
		t.Errorf("a panic was answered with %s", resp.Status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	text := said.String()
	if strings.Contains(text, "canary") || !strings.Contains(text, ": *errors.errorString") || !strings.Contains(text, "TestR25_ServePanics") {
		t.Errorf("want the type and the place and nothing else in the log:\n%s", text)
	}
}

func TestServe_AddressTaken(t *testing.T) {
	l := listen(t)
	defer l.Close()
	err := Serve(t.Context(), l.Addr().String(), http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestServe_ListenerLost(t *testing.T) {
	l := listen(t)
	l.Close()
	if err := ServeOn(t.Context(), l, http.NotFoundHandler()); err == nil {
		t.Error("serving on a closed listener is no error")
	}
}

// TestServe_HugeHeader: a header beyond the limit is refused, not kept in
// memory.
func TestServe_HugeHeader(t *testing.T) {
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- ServeOn(ctx, l, http.NotFoundHandler()) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", largestHeader+8<<10)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a huge header was answered %d", resp.StatusCode)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fetch returns the answer to a request on a connection of its own.
func fetch(addr net.Addr) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr.String())
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
