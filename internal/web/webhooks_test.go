package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ours = "ABCDEFGHIJKLMNOPQRSTUV2345" // as crypto/rand.Text makes them

// A ledger hears rumours and knows one link.
type ledger struct {
	mu      sync.Mutex
	heard   []string
	looked  int
	err     error
	began   chan struct{} // gets a token when a rumour begins, if not nil
	proceed chan struct{} // a rumour waits for it, if not nil
}

func (l *ledger) rumour(ctx context.Context, hook string) (bool, error) {
	if l.began != nil {
		l.began <- struct{}{}
		select {
		case <-l.proceed:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, hook)
	return hook == ours, l.err
}

func (l *ledger) look(context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looked++
}

// receive starts a receiver that logs into the buffer it returns.
func receive(t testing.TB, l *ledger, set ...func(*WebhookOptions)) (*Webhooks, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	o := WebhookOptions{
		Base: "/costplus", Rumour: l.rumour, Known: l.look, Now: time.Now,
		Log: zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(log)), zap.DebugLevel)),
	}
	for _, f := range set {
		f(&o)
	}
	h, err := NewWebhooks(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, log
}

func call(h http.Handler, method, path string, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "http://hooks.example/", body)
	req.URL.Path = path
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestWebhooks(t *testing.T) {
	foreign := strings.Repeat("z", 30)
	for _, row := range []struct {
		says, method, path, body string
		heard                    []string
		looked                   int
	}{
		{"a call about a link of ours makes us look", "POST", "/costplus/" + ours, `{"event":"status_changed"}`, []string{ours}, 1},
		{"a proxy may have cut the base path off", "POST", "/" + ours, `{}`, []string{ours}, 1},
		{"a slash at the end is the same hook", "POST", "/costplus/" + ours + "/", ``, []string{ours}, 1},
		{"another method is heard too: a call is only a rumour", "GET", "/costplus/" + ours, ``, []string{ours}, 1},
		{"a body that is no JSON changes nothing", "PUT", "/costplus/" + ours, "\x00\xff<html>", []string{ours}, 1},
		{"a huge body is not read to its end", "POST", "/costplus/" + ours, strings.Repeat("x", 1<<20), []string{ours}, 1},
		{"a forged hook of the right form is asked about, and no link is looked at", "POST", "/costplus/" + foreign, `{}`, []string{foreign}, 0},
		{"a hook that is too short to be one is not asked about", "POST", "/costplus/abc", `{}`, nil, 0},
		{"nor one that is too long", "POST", "/costplus/" + strings.Repeat("a", 65), `{}`, nil, 0},
		{"nor one with characters that no hook has", "POST", "/costplus/" + ours[:22] + "%'--", `{}`, nil, 0},
		{"nor a path that climbs", "POST", "/costplus/../" + ours, `{}`, nil, 0},
		{"nor another path", "POST", "/elsewhere/" + ours, `{}`, nil, 0},
		{"nor no path at all", "POST", "", ``, nil, 0},
	} {
		t.Run(row.says, func(t *testing.T) {
			l := &ledger{}
			h, _ := receive(t, l)
			w := call(h, row.method, row.path, strings.NewReader(row.body))
			if err := h.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if w.Code != http.StatusOK || w.Body.String() != "ok\n" {
				t.Errorf("answered %d %q, want 200 whatever comes", w.Code, w.Body)
			}
			if !slices.Equal(l.heard, row.heard) || l.looked != row.looked {
				t.Errorf("passed on %q and looked %d times, want %q and %d", l.heard, l.looked, row.heard, row.looked)
			}
		})
	}
}

// TestWebhooks_Repeated: calls for one hook become one while they wait, but one
// that comes while the rumour is being passed on is passed on again: it may
// tell of something later.
func TestWebhooks_Repeated(t *testing.T) {
	l := &ledger{began: make(chan struct{}), proceed: make(chan struct{})}
	h, _ := receive(t, l)
	call(h, "POST", "/"+ours, nil)
	<-l.began // the first is under way; the next 1000 wait as one
	for range 1000 {
		call(h, "POST", "/"+ours, nil)
	}
	l.proceed <- struct{}{}
	<-l.began
	l.proceed <- struct{}{}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(l.heard) != 2 {
		t.Errorf("1001 calls were passed on %d times, want 2", len(l.heard))
	}
}

// TestWebhooks_Flood: what waits is bounded, and so is how fast it is passed
// on; every call is answered at once all the same, by no more goroutines.
func TestWebhooks_Flood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		h, log := receive(t, l)
		start := time.Now()
		for i := range mostWaiting + mostAtOnce + 500 {
			if w := call(h, "POST", fmt.Sprintf("/costplus/forged-hook-number-%06d", i), nil); w.Code != http.StatusOK {
				t.Fatalf("call %d was answered %d", i, w.Code)
			}
		}
		call(h, "POST", "/costplus/"+ours, nil)
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(l.heard); n < mostWaiting || n > mostWaiting+2*mostAtOnce {
			t.Errorf("%d rumours were passed on, want about %d", n, mostWaiting)
		}
		took := time.Since(start)
		if least := (mostWaiting - perSecond) * time.Second / perSecond; took < least {
			t.Errorf("they were passed on within %s, faster than %d a second", took, perSecond)
		}
		if n := strings.Count(log.String(), "too many webhooks"); n != 1 {
			t.Errorf("the flood is told %d times, want once:\n%s", n, log)
		}
		if n := strings.Count(log.String(), "not known"); n < 1 || n > 2+int(took/silence) {
			t.Errorf("unknown links are told %d times in %s, want once a minute", n, took)
		}
	})
}

// TestWebhooks_TrueCallsDuringAFlood: known links are looked at between the
// forged ones, not after the last of them.
func TestWebhooks_TrueCallsDuringAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		looked := time.Duration(0)
		start := time.Now()
		h, _ := receive(t, l, func(o *WebhookOptions) { o.Known = func(context.Context) { looked = time.Since(start) } })
		call(h, "POST", "/costplus/"+ours, nil)
		for i := range 5000 {
			call(h, "POST", fmt.Sprintf("/costplus/forged-hook-number-%06d", i), nil)
		}
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if looked > 2*time.Second || time.Since(start) < 40*time.Second {
			t.Errorf("the payment was looked at after %s, the flood lasted %s", looked, time.Since(start))
		}
	})
}

func TestWebhooks_LedgerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{err: errors.New("the database does not answer")}
		h, log := receive(t, l)
		for range 3 {
			if w := call(h, "POST", "/costplus/"+ours, nil); w.Code != http.StatusOK {
				t.Errorf("answered %d", w.Code)
			}
			if err := h.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if l.looked != 0 {
			t.Error("links are looked at although the rumour was not kept")
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "the database does not answer") {
			t.Errorf("want one line with the cause, have\n%s", log)
		}
		time.Sleep(silence) // virtual
		call(h, "POST", "/costplus/"+ours, nil)
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), `"times":3`) {
			t.Errorf("a minute later the log does not say how often it happened:\n%s", log)
		}
	})
}

// TestWebhooks_Hang: a ledger that hangs holds nobody up for longer than ten
// seconds.
func TestWebhooks_Hang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, log := receive(t, &ledger{}, func(o *WebhookOptions) {
			o.Rumour = func(ctx context.Context, _ string) (bool, error) {
				<-ctx.Done()
				return false, ctx.Err()
			}
		})
		start := time.Now()
		call(h, "POST", "/costplus/"+ours, nil)
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != rumourLasts || !strings.Contains(log.String(), "deadline") {
			t.Errorf("given up after %s:\n%s", took, log)
		}
	})
}

func TestWebhooks_Close(t *testing.T) {
	l := &ledger{began: make(chan struct{}), proceed: make(chan struct{})}
	h, log := receive(t, l)
	call(h, "POST", "/"+ours, nil)
	<-l.began // under way when we close
	h.Close()
	h.Close() // as a deferred one may
	if w := call(h, "POST", "/"+ours, nil); w.Code != http.StatusOK {
		t.Errorf("after Close a call is answered %d", w.Code)
	}
	if err := h.Flush(t.Context()); err == nil {
		t.Error("Flush says that all was passed on")
	}
	if len(l.heard) != 0 || log.Len() != 0 {
		t.Errorf("after Close: heard %q, log %s", l.heard, log)
	}
}

func TestWebhooks_FlushEndsWithItsContext(t *testing.T) {
	l := &ledger{began: make(chan struct{}, 1), proceed: make(chan struct{})}
	h, _ := receive(t, l)
	call(h, "POST", "/"+ours, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush returned %v", err)
	}
	close(l.proceed)
}

// TestR25_NothingOfACallIsLogged: a hook is as good as a password for a rumour,
// and a caller must not write our log.
func TestR25_NothingOfACallIsLogged(t *testing.T) {
	const canary = "canary"
	h, log := receive(t, &ledger{})
	paths := []string{"/costplus/" + canary, "/costplus/" + canary + strings.Repeat("x", 20), "/costplus/" + canary + "\n{\"level\":\"error\"}"}
	for _, path := range paths {
		req := httptest.NewRequest("POST", "http://hooks.example/?q="+canary, strings.NewReader(canary))
		req.URL.Path = path
		req.Header.Set("User-Agent", canary)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if strings.Contains(w.Body.String(), canary) {
			t.Errorf("%q is repeated in the answer", path)
		}
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log.Len() == 0 || strings.Contains(log.String(), canary) {
		t.Errorf("want two lines without what was sent, have\n%s", log)
	}
}

func TestNewWebhooks_Refuses(t *testing.T) {
	whole := WebhookOptions{Rumour: (&ledger{}).rumour, Log: zap.NewNop(), Now: time.Now}
	for says, spoil := range map[string]func(*WebhookOptions){
		"nobody to hear a rumour":      func(o *WebhookOptions) { o.Rumour = nil },
		"no log":                       func(o *WebhookOptions) { o.Log = nil },
		"no clock":                     func(o *WebhookOptions) { o.Now = nil },
		"a base that is no path":       func(o *WebhookOptions) { o.Base = "costplus" },
		"a base that is a whole URL":   func(o *WebhookOptions) { o.Base = "https://hooks.example/costplus" },
		"a base with a hook in a host": func(o *WebhookOptions) { o.Base = "hooks.example/" },
	} {
		o := whole
		spoil(&o)
		if h, err := NewWebhooks(o); err == nil {
			h.Close()
			t.Errorf("%s is not refused", says)
		}
	}
}

// ledgerOfLines keeps what is logged.
type ledgerOfLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *ledgerOfLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

func (l *ledgerOfLines) Sync() error { return nil }

func (l *ledgerOfLines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// FuzzWebhook: whatever somebody sends, he is answered the same; what is passed
// on is a hook out of his path and nothing else; and neither the log nor the
// answer repeats a word of it.
func FuzzWebhook(f *testing.F) {
	f.Add("/costplus/"+ours, []byte(`{"event":"status_changed","project_id":"p","order_id":"o"}`))
	f.Add("/"+ours+"/", []byte{})
	f.Add("/costplus//../%2f\x00", []byte("\xff\xfe"))
	f.Add("", bytes.Repeat([]byte("x"), largestBody+1))
	f.Add("/costplus/"+ours+"\r\nX: y", []byte("\x1b[2J"))
	f.Add("/costplus/"+strings.Repeat("a", longestHook+1), []byte(`[[[[`))
	var log ledgerOfLines
	var hour atomic.Int64
	h, err := NewWebhooks(WebhookOptions{
		Base: "/costplus",
		Log:  zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), &log, zapcore.DebugLevel)),
		Now:  func() time.Time { return time.Unix(3600*hour.Add(1), 0) }, // every murmur is written
		Rumour: func(_ context.Context, hook string) (bool, error) {
			if !wellFormed(hook) {
				panic(fmt.Sprintf("%q was passed on", hook))
			}
			return false, errors.New("the database is gone")
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(h.Close)
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		w := call(h, "POST", path, bytes.NewReader(body))
		if w.Code != http.StatusOK || w.Body.String() != "ok\n" {
			t.Errorf("%q was answered %d %q", path, w.Code, w.Body)
		}
		for name, values := range w.Header() {
			if name != "Content-Type" && name != "X-Content-Type-Options" && name != "Cache-Control" {
				t.Errorf("%q was answered with %s: %q", path, name, values)
			}
		}
		if hook, ok := h.hook(path); ok && (!wellFormed(hook) || !strings.Contains(path, "/"+hook)) {
			t.Errorf("%q holds the hook %q", path, hook)
		}
		for _, line := range log.take() {
			var said map[string]any
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			text, _ := said["msg"].(string)
			if text != h.odd.text && text != h.failed.text && text != h.flood.text {
				t.Errorf("the log says %q", line)
			}
			delete(said, "msg")
			delete(said, "times")
			if e, there := said["error"]; there && e == "the database is gone" {
				delete(said, "error")
			}
			if len(said) > 0 {
				t.Errorf("the log says more: %q", line)
			}
		}
	})
}
