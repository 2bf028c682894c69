package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaultsShow asks for every fault and looks at it with a plain client. Each
// row says whether a link was made, for that is what the fault is about.
func TestFaultsShow(t *testing.T) {
	isReset := func(r reply) bool { return errors.Is(r.err, syscall.ECONNRESET) || errors.Is(r.err, io.EOF) }
	valid := func(r reply) bool { return json.Valid([]byte(r.body)) }
	for _, row := range []struct {
		why   string
		fault Fault
		made  int
		shows func(r reply) bool
	}{
		{"a reset before the work", Fault{Kind: DropBefore}, 0, isReset},
		{"a reset after the work", Fault{Kind: DropAfter}, 1, isReset},
		{"429 with seconds to wait", Fault{Kind: Refuse, Status: 429, RetryAfter: "7"}, 0, func(r reply) bool {
			return r.status == 429 && r.header.Get("Retry-After") == "7"
		}},
		{"503 with a date to wait for", Fault{Kind: Refuse, Status: 503, RetryAfter: "Mon, 16 Mar 2026 10:00:00 GMT"}, 0, func(r reply) bool {
			return r.status == 503 && r.header.Get("Retry-After") == "Mon, 16 Mar 2026 10:00:00 GMT"
		}},
		{"500", Fault{Kind: Refuse, Status: 500}, 0, func(r reply) bool { return r.status == 500 && valid(r) }},
		{"502 although the work was done", Fault{Kind: RefuseAfter, Status: 502}, 1, func(r reply) bool { return r.status == 502 }},
		{"a page with the right status", Fault{Kind: HTMLBody}, 1, func(r reply) bool {
			return r.status == 201 && strings.HasPrefix(r.header.Get("Content-Type"), "text/html") && strings.HasPrefix(r.body, "<html>")
		}},
		{"half the JSON", Fault{Kind: Truncated}, 1, func(r reply) bool {
			return r.status == 201 && r.err == nil && strings.HasPrefix(r.body, "{") && !valid(r)
		}},
		{"half the bytes", Fault{Kind: Cut}, 1, func(r reply) bool {
			return r.status == 201 && (errors.Is(r.err, io.ErrUnexpectedEOF) || isReset(r))
		}},
		{"a huge body", Fault{Kind: Huge, Size: 3 << 20}, 1, func(r reply) bool { return r.status == 201 && len(r.body) > 3<<20 && valid(r) }},
		{"a huge body of the usual size", Fault{Kind: Huge}, 1, func(r reply) bool { return len(r.body) > usualSwell && valid(r) }},
		{"a body that drips", Fault{Kind: Drip, Pause: Pause(time.Millisecond)}, 1, func(r reply) bool { return r.status == 201 && valid(r) }},
		{"a redirect", Fault{Kind: Redirect, Value: "https://example.com/v1/"}, 0, func(r reply) bool {
			return r.status == 301 && r.header.Get("Location") == "https://example.com/v1/"
		}},
		{"a revoked key", Fault{Kind: RevokedKey}, 0, func(r reply) bool {
			return r.status == 401 && strings.Contains(r.body, `"error":"werkzeug`)
		}},
		{"404, where it was asked for", Fault{Kind: NotFound, Route: CreateLink}, 0, func(r reply) bool { return r.status == 404 }},
		{"404 for every link leaves creation alone", Fault{Kind: NotFound}, 1, func(r reply) bool { return r.status == 201 }},
		{"an unknown status", Fault{Kind: UnknownStatus}, 1, func(r reply) bool { return strings.Contains(r.body, `"status":"on_hold"`) }},
		{"a status of one's own", Fault{Kind: UnknownStatus, Value: "frozen"}, 1, func(r reply) bool { return strings.Contains(r.body, `"status":"frozen"`) }},
		{"a wrong amount", Fault{Kind: WrongAmount}, 1, func(r reply) bool { return strings.Contains(r.body, `"amount":12101`) }},
		{"the least of an answer", Fault{Kind: Minimal}, 1, func(r reply) bool {
			var v map[string]string
			return json.Unmarshal([]byte(r.body), &v) == nil && len(v) == 2 && v["id"] != "" && v["payment_url"] != ""
		}},
		{"the period ignored", Fault{Kind: IgnorePeriod}, 1, func(r reply) bool { return strings.Contains(r.body, `"expiration_period":"P30D"`) }},
		{"latency", Fault{Kind: Latency, Pause: Pause(time.Millisecond)}, 1, func(r reply) bool { return r.status == 201 }},
		{"latency after the work", Fault{Kind: LatencyAfter, Pause: Pause(time.Millisecond)}, 1, func(r reply) bool { return r.status == 201 }},
		{"an error of another shape", Fault{Kind: ErrorShape, Value: "detail"}, 1, func(r reply) bool { return r.status == 201 }},
		{"another route's trouble", Fault{Kind: Refuse, Status: 500, Route: ReadLink}, 1, func(r reply) bool { return r.status == 201 }},
	} {
		t.Run(row.why, func(t *testing.T) {
			w := begin(t, Options{})
			w.fault(row.fault)
			r := w.post("/v1/paymentlinks/", `{"merchant_order_id":"A","amount":12100,"currency":"EUR","expiration_period":"P14D"}`)
			if !row.shows(r) {
				t.Errorf("status %d, header %v, err %v, body of %d bytes: %.300s", r.status, r.header, r.err, len(r.body), r.body)
			}
			if made := len(w.Pay.Links()); made != row.made {
				t.Errorf("%d links were made, want %d", made, row.made)
			}
			log := w.Pay.Requests()
			if len(log) != 1 || (log[0].Link != "") != (row.made == 1) {
				t.Errorf("the log does not tell: %+v", log)
			}
			w.Pay.ClearFaults()
			if got := w.post("/v1/paymentlinks/", plainOrder); got.status != 201 {
				t.Errorf("after the faults were cleared: %d", got.status)
			}
		})
	}
}

func TestIgnoredPeriodIsMeant(t *testing.T) {
	w := begin(t, Options{})
	w.fault(Fault{Kind: IgnorePeriod})
	id := w.link(`{"merchant_order_id":"A","amount":1,"currency":"EUR","expiration_period":"P14D"}`)
	w.watch.wind(monday.AddDate(0, 0, 20))
	if got := w.look(id)["status"]; got != "new" {
		t.Errorf("after 20 days of 30: %v", got)
	}
}

func TestReadFaults(t *testing.T) {
	w := begin(t, Options{})
	id := w.link(plainOrder)
	w.fault(Fault{Kind: NotFound})
	if r := w.get("/v1/paymentlinks/" + id + "/"); r.status != 404 {
		t.Errorf("404 for every link: %d", r.status)
	}
	if r := w.get("/v1/orders/"); r.status != 200 {
		t.Errorf("404 for every link struck the orders: %d", r.status)
	}
	w.Pay.ClearFaults()
	w.fault(Fault{Kind: WrongAmount, Route: ReadLink})
	if got := w.look(id)["amount"]; got != 12101.0 {
		t.Errorf("wrong amount: %v", got)
	}
	w.Pay.ClearFaults()
	if got := w.look(id)["amount"]; got != 12100.0 {
		t.Errorf("a wrong amount echoed must not stay: %v", got)
	}
}

func TestFaultsForTheNextN(t *testing.T) {
	w := begin(t, Options{})
	w.fault(Fault{Kind: Refuse, Status: 500, Times: 2})
	w.fault(Fault{Kind: Refuse, Status: 503, Times: 1})
	var got []int
	for range 4 {
		got = append(got, w.post("/v1/paymentlinks/", plainOrder).status)
	}
	if want := []int{500, 500, 503, 201}; !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	if left := w.Pay.Faults(); len(left) != 0 {
		t.Errorf("faults that were used up are still in force: %v", left)
	}
}

func TestFaultsOfDifferentStagesMeet(t *testing.T) {
	w := begin(t, Options{})
	w.fault(Fault{Kind: Refuse, Status: 500, Times: 1})
	w.fault(Fault{Kind: WrongAmount, Times: 1})
	w.fault(Fault{Kind: DropAfter, Times: 1})
	if r := w.post("/v1/paymentlinks/", plainOrder); r.status != 500 {
		t.Errorf("first: %d", r.status)
	}
	if left := w.Pay.Faults(); len(left) != 2 {
		t.Errorf("a request that was stopped used up later faults: %v", left)
	}
	if r := w.post("/v1/paymentlinks/", plainOrder); r.err == nil {
		t.Errorf("second: %d, want a reset", r.status)
	}
	log := w.Pay.Requests()
	if got := log[len(log)-1].Faults; !slices.Equal(got, []FaultKind{WrongAmount, DropAfter}) {
		t.Errorf("the second request met %v", got)
	}
}

func TestFaultsByProbabilityFollowTheSeed(t *testing.T) {
	run := func(seed uint64) (met []bool) {
		w := begin(t, Options{Seed: seed})
		w.fault(Fault{Kind: Refuse, Status: 500, Probability: 0.3})
		for range 200 {
			met = append(met, w.get("/v1/orders/").status == 500)
		}
		return met
	}
	a, b, c := run(1), run(1), run(2)
	if !slices.Equal(a, b) {
		t.Error("one seed, two outcomes")
	}
	if slices.Equal(a, c) {
		t.Error("two seeds, one outcome")
	}
	n := 0
	for _, met := range a {
		if met {
			n++
		}
	}
	if n < 30 || n > 90 {
		t.Errorf("a fault of probability 0.3 was met %d times of 200", n)
	}
}

func TestLatencyDoesTheWorkForAClientThatLeft(t *testing.T) {
	w := begin(t, Options{})
	w.fault(Fault{Kind: LatencyAfter, Pause: Pause(5 * time.Second)})
	w.client.Timeout = 100 * time.Millisecond
	if r := w.post("/v1/paymentlinks/", plainOrder); r.err == nil {
		t.Errorf("the client waited: %d", r.status)
	}
	if n := len(w.Pay.Links()); n != 1 {
		t.Errorf("%d links; the server had made one", n)
	}
}

func TestFaultsAreChecked(t *testing.T) {
	for _, row := range []struct {
		why   string
		fault Fault
	}{
		{"an unknown kind", Fault{Kind: "gremlin"}},
		{"no kind", Fault{}},
		{"an unknown route", Fault{Kind: DropAfter, Route: "delete"}},
		{"a route for what payers meet", Fault{Kind: LateCompletion, Route: CreateLink}},
		{"a negative count", Fault{Kind: DropAfter, Times: -1}},
		{"more than certain", Fault{Kind: DropAfter, Probability: 1.5}},
		{"a success as a refusal", Fault{Kind: Refuse, Status: 200}},
		{"no status", Fault{Kind: RefuseAfter}},
		{"a pause of an hour", Fault{Kind: Latency, Pause: Pause(time.Hour)}},
		{"a negative size", Fault{Kind: Huge, Size: -1}},
		{"an unknown shape", Fault{Kind: ErrorShape, Value: "xml"}},
	} {
		if _, err := newFaults(0).add(row.fault); err == nil {
			t.Errorf("%s was taken", row.why)
		}
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	w := begin(t, Options{})
	for _, row := range []struct {
		why, path, body string
		want            int
	}{
		{"one", "/sandbox/faults", `{"kind":"refuse","status":429,"retry_after":"3","route":"create","times":1}`, 201},
		{"a list", "/sandbox/faults", `[{"kind":"latency","pause":"1ms"},{"kind":"minimal"}]`, 201},
		{"an unknown key", "/sandbox/faults", `{"kind":"minimal","until":"Friday"}`, 400},
		{"a pause without a unit", "/sandbox/faults", `{"kind":"latency","pause":"5"}`, 400},
		{"a fault that makes no sense", "/sandbox/faults", `{"kind":"refuse"}`, 400},
		{"no JSON", "/sandbox/faults", `kind=minimal`, 400},
		{"of mail", "/sandbox/mails/faults", `{"phase":"dot","do":"reply","code":451}`, 201},
		{"of mail, without sense", "/sandbox/mails/faults", `{"phase":"accepted","do":"reply","code":451}`, 400},
	} {
		if r := w.post(row.path, row.body); r.status != row.want {
			t.Errorf("%s: status %d, want %d: %s", row.why, r.status, row.want, r.body)
		}
	}
	if n, m := len(w.Pay.Faults()), len(w.Mail.Faults()); n != 3 || m != 1 {
		t.Errorf("%d and %d faults are in force; want 3 and 1", n, m)
	}
	if r := w.post("/v1/paymentlinks/", plainOrder); r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "3" {
		t.Errorf("create: %d %v", r.status, r.header)
	}
	for _, path := range []string{"/sandbox/faults", "/sandbox/mails/faults"} {
		if r := w.do("DELETE", path, "", ""); r.status != 200 || strings.TrimSpace(r.body) != "[]" {
			t.Errorf("clear %s: %d %s", path, r.status, r.body)
		}
	}
}
