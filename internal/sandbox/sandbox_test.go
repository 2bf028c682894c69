package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dunning/internal/period"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var monday = time.Date(2026, 3, 16, 9, 0, 0, 0, time.UTC)

// watch is a clock that tests wind by hand.
type watch struct {
	mu sync.Mutex
	t  time.Time
}

func (w *watch) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.t
}

func (w *watch) wind(to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = to
}

// world is a running sandbox and a client of it.
type world struct {
	*Sandbox
	t      *testing.T
	watch  *watch
	client *http.Client
}

func begin(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{t: t, watch: &watch{t: monday}}
	o.Now = w.watch.now
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Sandbox = s
	w.client = &http.Client{
		Transport:     &http.Transport{},
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of the request or of reading the body
}

func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("status %d, err %v: no JSON object: %v\n%.300s", r.status, r.err, err, r.body)
	}
	return v
}

func (w *world) do(method, path, key, body string) reply {
	w.t.Helper()
	req, err := http.NewRequest(method, w.URL()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if key != "" {
		req.SetBasicAuth(key, "")
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) reply {
	w.t.Helper()
	resp, err := w.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, err = io.Copy(&text, resp.Body)
	return reply{resp.StatusCode, resp.Header, text.String(), err}
}

func (w *world) get(path string) reply { w.t.Helper(); return w.do("GET", path, DefaultKey, "") }

func (w *world) post(path, body string) reply {
	w.t.Helper()
	return w.do("POST", path, DefaultKey, body)
}

const plainOrder = `{"merchant_order_id":"INV-1-L1","amount":12100,"currency":"EUR"}`

// link makes a payment link and returns its id.
func (w *world) link(body string) string {
	w.t.Helper()
	r := w.post("/v1/paymentlinks/", body)
	if r.status != http.StatusCreated {
		w.t.Fatalf("create %s: status %d, err %v: %s", body, r.status, r.err, r.body)
	}
	id, _ := r.object(w.t)["id"].(string)
	if len(id) != 36 {
		w.t.Fatalf("create: id %q is no uuid", id)
	}
	return id
}

// look returns a link as the API shows it.
func (w *world) look(id string) map[string]any {
	w.t.Helper()
	r := w.get("/v1/paymentlinks/" + id + "/")
	if r.status != http.StatusOK {
		w.t.Fatalf("look: status %d, err %v: %s", r.status, r.err, r.body)
	}
	return r.object(w.t)
}

func (w *world) must(_ string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fault(f Fault) {
	w.t.Helper()
	if _, err := w.Pay.AddFault(f); err != nil {
		w.t.Fatal(err)
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStartRefuses(t *testing.T) {
	now := func() time.Time { return monday }
	for _, row := range []struct {
		why  string
		opt  Options
		want string
	}{
		{"nobody tells it the time", Options{}, "Now is missing"},
		{"an address that others can reach", Options{Now: now, Listen: "0.0.0.0:0"}, "not on loopback"},
		{"an address without a host is every address", Options{Now: now, Listen: ":0"}, "not on loopback"},
		{"a name that might resolve to anything", Options{Now: now, Listen: "example.com:80"}, "not on loopback"},
		{"no port", Options{Now: now, Listen: "127.0.0.1"}, "write host and port"},
		{"the same for mail", Options{Now: now, Mail: MailOptions{Listen: "192.0.2.1:25"}}, "not on loopback"},
		{"an empty key would let in everybody", Options{Now: now, APIKeys: []string{""}}, "API key is empty"},
		{"a currency that does not exist", Options{Now: now, Currencies: []string{"EURO"}}, "ISO 4217"},
		{"a scale that goes backwards", Options{Now: now, RetryScale: -1}, "retry scale is -1"},
		{"a log of less than nothing", Options{Now: now, LogLimit: -1}, "log limit is -1"},
		{"an answer before the question", Options{Now: now, Latency: -1}, "latency is -1ns"},
		{"unknown security", Options{Now: now, Mail: MailOptions{Security: "ssl"}}, "starttls"},
		{"required without a user", Options{Now: now, Mail: MailOptions{Auth: Required}}, "no user name"},
		{"a requirement of its own", Options{Now: now, Mail: MailOptions{Auth: "maybe"}}, "it is required, or empty"},
	} {
		s, err := Start(row.opt)
		if err == nil {
			s.Close(deadline(t))
			t.Errorf("%s: it started", row.why)
		} else if !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %q does not say %q", row.why, err, row.want)
		}
	}
}

func TestLocalhostAndIPv6AreLoopback(t *testing.T) {
	w := begin(t, Options{Listen: "localhost:0"})
	if !strings.HasPrefix(w.URL(), "http://127.0.0.1:") {
		t.Errorf("localhost became %s", w.URL())
	}
	if !isLoopback("::1") || isLoopback("::ffff:192.0.2.1") || isLoopback("") || isLoopback("127.0.0.1.nip.io") {
		t.Error("loopback is not told from the rest")
	}
}

func TestClockMovesForwardOnly(t *testing.T) {
	w := begin(t, Options{})
	at, err := w.Advance(period.Period{Hours: 36})
	if want := monday.Add(36 * time.Hour); err != nil || !at.Equal(want) || !w.Now().Equal(want) {
		t.Errorf("advance 36 hours: %s, %v; want %s", at, err, want)
	}
	if _, err := w.SetClock(monday); err == nil {
		t.Error("the clock went back")
	}
	if _, err := w.Advance(period.Period{Years: 9999}); err == nil {
		t.Error("the clock jumped 9999 years")
	}
	w.watch.wind(monday.Add(time.Hour))
	if want := monday.Add(37 * time.Hour); !w.Now().Equal(want) {
		t.Errorf("the clock shows %s; it should run on with the caller's, to %s", w.Now(), want)
	}
}

// TestCloseBreaksOffWaits closes a sandbox in which everything waits for a long
// time: an answer, a body, a mail server's reply and a webhook's next try.
func TestCloseBreaksOffWaits(t *testing.T) {
	w := begin(t, Options{})
	w.must(w.Pay.Pay(w.link(hooked("http://127.0.0.1:1/"))))
	w.fault(Fault{Kind: LatencyAfter, Pause: Pause(10 * time.Minute), Route: CreateLink})
	w.fault(Fault{Kind: Drip, Pause: Pause(10 * time.Minute), Route: Currencies})
	if _, err := w.Mail.AddFault(MailFault{Phase: AtDot, Do: Stall, Pause: Pause(10 * time.Minute), Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.client.Timeout = 0
	var waits sync.WaitGroup
	waits.Go(func() {
		if r := w.post("/v1/paymentlinks/", plainOrder); r.err == nil {
			t.Error("an answer came through")
		}
	})
	waits.Go(func() {
		if r := w.get("/v1/merchants/self/projects/self/currencies"); r.err == nil {
			t.Error("a whole body came through")
		}
	})
	waits.Go(func() {
		if at, err := attempt(w.Mail, "jan@example.com"); err == nil || at != AtDot {
			t.Errorf("the mail ended at %s: %v", at, err)
		}
	})
	tick, patience := time.NewTicker(time.Millisecond), deadline(t)
	defer tick.Stop()
	for len(w.Pay.Requests()) < 3 || len(w.Mail.Faults()) > 0 { // until all three wait
		select {
		case <-tick.C:
		case <-patience.Done():
			t.Fatal("not everything came to wait")
		}
	}
	if err := w.Close(deadline(t)); err != nil {
		t.Errorf("close: %v", err)
	}
	waits.Wait()
	if n := len(w.Mail.Mails()); n != 0 {
		t.Errorf("%d mails were accepted after all", n)
	}
}
