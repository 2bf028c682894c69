package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// receiver is a webhook's other end. It answers the given statuses in turn,
// and 200 when they are used up.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	events []map[string]string
	say    []int
}

func receive(t *testing.T, say ...int) *receiver {
	r := &receiver{say: say}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var event map[string]string
		if err := json.NewDecoder(req.Body).Decode(&event); err != nil {
			t.Errorf("webhook body: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, event)
		status := http.StatusOK
		if len(r.say) > 0 {
			status, r.say = r.say[0], r.say[1:]
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "http://127.0.0.1:1/")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func hooked(url string) string {
	return `{"merchant_order_id":"A","amount":1,"currency":"EUR","webhook_url":"` + url + `"}`
}

func TestWebhookOnEveryChange(t *testing.T) {
	w := begin(t, Options{})
	r := receive(t)
	id := w.link(hooked(r.URL + "/hook/abc"))
	var orders []string
	for _, act := range []func(string) (string, error){w.Pay.Process, w.Pay.Fail, w.Pay.Cancel, w.Pay.Pay} {
		order, err := act(id)
		w.must(order, err)
		if err := w.Pay.Flush(deadline(t)); err != nil {
			t.Fatal(err)
		}
		orders = append(orders, order)
	}
	if orders[0] != orders[1] || orders[1] == orders[2] || orders[2] == orders[3] {
		t.Errorf("orders %v: the first is under way when it fails, the others are new", orders)
	}
	project := w.get("/v1/orders/" + orders[0] + "/").object(t)["project_id"].(string)
	var want []map[string]string
	for _, o := range orders {
		want = append(want, map[string]string{"event": "status_changed", "project_id": project, "order_id": o})
	}
	if diff := cmp.Diff(want, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestWebhookIsRepeatedUntilTaken(t *testing.T) {
	w := begin(t, Options{RetryScale: 1e-6})
	r := receive(t, 500, 404, 302)
	w.must(w.Pay.Pay(w.link(hooked(r.URL))))
	if err := w.Pay.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
	var statuses []int
	for i, d := range w.Pay.Deliveries() {
		if d.Try != i+1 {
			t.Errorf("delivery %d is try %d", i+1, d.Try)
		}
		statuses = append(statuses, d.Status)
	}
	if diff := cmp.Diff([]int{500, 404, 302, 200}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestWebhookGivesUpAfterTenRetries(t *testing.T) {
	w := begin(t, Options{RetryScale: 1e-6})
	say := make([]int, 30)
	for i := range say {
		say[i] = 503
	}
	r := receive(t, say...)
	w.must(w.Pay.Pay(w.link(hooked(r.URL))))
	if err := w.Pay.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if len(r.events) != 11 {
		t.Errorf("%d tries; want the first and ten more", len(r.events))
	}
}

func TestWebhookLeavesTheMachineNever(t *testing.T) {
	w := begin(t, Options{RetryScale: 1e-6})
	for _, url := range []string{"http://192.0.2.1/hook", "https://198.51.100.7:8443/", "http://[2001:db8::1]/"} {
		w.must(w.Pay.Pay(w.link(hooked(url))))
	}
	if err := w.Pay.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
	got := w.Pay.Deliveries()
	if len(got) != 3 {
		t.Fatalf("%d deliveries: %v", len(got), got)
	}
	for _, d := range got {
		if d.Status != 0 || !strings.Contains(d.Error, errNotLoopback.Error()) {
			t.Errorf("delivery: %+v", d)
		}
	}
}

func TestFlushGivesUpWithItsContext(t *testing.T) {
	w := begin(t, Options{}) // the first retry is two minutes away
	r := receive(t, 500)
	w.must(w.Pay.Pay(w.link(hooked(r.URL))))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := w.Pay.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("flush: %v", err)
	} // and closing breaks the delivery off: begin's clean-up would fail otherwise
}

// silence is a receiver that never answers.
type silence struct{ waited chan time.Duration }

func (s silence) RoundTrip(r *http.Request) (*http.Response, error) {
	from := time.Now()
	<-r.Context().Done()
	s.waited <- time.Since(from)
	return nil, r.Context().Err()
}

func TestWebhookPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := silence{make(chan time.Duration, 20)}
		d := newDispatcher(ctx, &clock{base: time.Now}, &http.Client{Transport: s}, 0, 0)
		from := time.Now()
		d.send("http://127.0.0.1/", "project", "order")
		if err := d.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(from)
		close(s.waited)
		var got []time.Duration
		for w := range s.waited {
			got = append(got, w)
		}
		want := []time.Duration{firstPatience}
		for range mostRetries {
			want = append(want, laterPatience)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waited for answers (-want +got):\n%s", diff)
		}
		if all := firstPatience + mostRetries*(laterPatience+retryGap); took != all {
			t.Errorf("all tries took %s, want %s", took, all)
		}
	})
}
