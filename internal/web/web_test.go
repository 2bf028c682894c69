package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hook = "ABCDEFGHIJ0123456789abcdef"

// heard records what a receiver passes on.
type heard struct {
	mu    sync.Mutex
	hooks []string
	then  int
}

func receiver(t *testing.T, h *heard) *Receiver {
	r := NewReceiver(ReceiverOptions{
		Rumour: func(_ context.Context, k string) (bool, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.hooks = append(h.hooks, k)
			return k == hook, nil
		},
		Then:   func(context.Context) { h.mu.Lock(); defer h.mu.Unlock(); h.then++ },
		Failed: func(err error) { t.Error(err) },
	})
	t.Cleanup(r.Close)
	return r
}

// TestWebhooksAreRumours: whatever is called, however often, with whatever
// body: 200, and at most "look at this link".
func TestWebhooksAreRumours(t *testing.T) {
	for _, tt := range []struct {
		says, method, path, body string
		heard                    []string
		then                     int
	}{
		{"a call about a link of ours", "POST", "/costplus/" + hook, `{"event":"status_changed"}`, []string{hook}, 1},
		{"a forged hook of the right form is asked about, and unknown", "POST", "/" + strings.Repeat("z", 30), "{}", []string{strings.Repeat("z", 30)}, 0},
		{"a senseless path goes nowhere", "POST", "/../../etc/passwd", "", nil, 0},
		{"a short one too", "POST", "/abc", "", nil, 0},
		{"another method is no reason to answer otherwise", "GET", "/" + hook, "", []string{hook}, 1},
		{"a huge body is not read to its end", "POST", "/" + hook, strings.Repeat("x", 1<<20), []string{hook}, 1},
	} {
		h := &heard{}
		r := receiver(t, h)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rec.Code != 200 || rec.Body.Len() != 0 || !slices.Equal(h.hooks, tt.heard) || h.then != tt.then {
			t.Errorf("%s: %d %q, heard %v, then %d", tt.says, rec.Code, rec.Body, h.hooks, h.then)
		}
	}
}

func TestRepeatedCallsBecomeOne(t *testing.T) {
	h := &heard{}
	r := receiver(t, h)
	h.mu.Lock() // the first rumour waits here, the others gather behind it
	for range 1000 {
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/"+hook, nil))
	}
	h.mu.Unlock()
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(h.hooks); n < 1 || n > 2 {
		t.Errorf("1000 calls at once were passed on %d times", n)
	}
}

func TestHealth(t *testing.T) {
	broken := errors.New("the database does not answer")
	for _, tt := range []struct {
		path string
		err  error
		code int
		text string
	}{
		{"/healthz", broken, 200, "ok\n"},
		{"/readyz", nil, 200, "ready\n"},
		{"/readyz", broken, 503, "the database does not answer\n"},
		{"/metrics", broken, 200, "numbers"},
		{"/else", nil, 404, "404 page not found\n"},
	} {
		h := Health(HealthOptions{
			Ready:   func(context.Context) error { return tt.err },
			Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "numbers") }),
		})
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", tt.path, nil))
		if rec.Code != tt.code || rec.Body.String() != tt.text {
			t.Errorf("%s with %v: %d %q", tt.path, tt.err, rec.Code, rec.Body)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- ServeOn(ctx, l, http.NotFoundHandler()) }()
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func FuzzWebhook(f *testing.F) {
	f.Add("/"+hook, "{}")
	f.Add("/..%2f", "\x00")
	r := NewReceiver(ReceiverOptions{Rumour: func(_ context.Context, k string) (bool, error) {
		if !wellFormed(k) {
			f.Errorf("passed on %q", k)
		}
		return false, nil
	}, Failed: func(err error) { f.Error(err) }})
	f.Cleanup(r.Close)
	f.Fuzz(func(t *testing.T, p, body string) {
		req := httptest.NewRequest("POST", "/", strings.NewReader(body))
		req.URL.Path = p
		rec := httptest.NewRecorder()
		if r.ServeHTTP(rec, req); rec.Code != 200 {
			t.Errorf("%q: %d", p, rec.Code)
		}
	})
}
