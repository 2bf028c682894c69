package sandbox

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestClockOverHTTP(t *testing.T) {
	w := begin(t, Options{})
	for _, row := range []struct {
		why, body string
		want      int
		shows     time.Time
	}{
		{"a period", `{"advance":"PT36H"}`, 200, monday.Add(36 * time.Hour)},
		{"a calendar month", `{"advance":"P1M"}`, 200, time.Date(2026, 4, 17, 21, 0, 0, 0, time.UTC)},
		{"an instant", `{"set":"2026-05-01T12:00:00+02:00"}`, 200, time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)},
		{"the past", `{"set":"2026-01-01T00:00:00Z"}`, 400, time.Time{}},
		{"both", `{"set":"2027-01-01T00:00:00Z","advance":"P1D"}`, 400, time.Time{}},
		{"neither", `{}`, 400, time.Time{}},
		{"hours in words", `{"advance":"36h"}`, 400, time.Time{}},
		{"an unknown key", `{"advanced":"PT1H"}`, 400, time.Time{}},
		{"too far", `{"advance":"P9999Y"}`, 400, time.Time{}},
	} {
		before := w.Now()
		r := w.post("/sandbox/clock", row.body)
		if r.status != row.want {
			t.Errorf("%s: status %d, want %d: %s", row.why, r.status, row.want, r.body)
		}
		if row.want != 200 {
			row.shows = before
		}
		if !w.Now().Equal(row.shows) {
			t.Errorf("%s: the clock shows %s, want %s", row.why, w.Now(), row.shows)
		}
		var said struct{ Now time.Time }
		if err := json.Unmarshal([]byte(w.get("/sandbox/clock").body), &said); err != nil || !said.Now.Equal(w.Now()) {
			t.Errorf("%s: the page shows %v, %v", row.why, said, err)
		}
	}
}

func TestLinksOverHTTP(t *testing.T) {
	w := begin(t, Options{})
	id := w.link(plainOrder)
	w.link(`{"merchant_order_id":"B","amount":1,"currency":"EUR"}`)
	count := func(query string) int {
		var list []LinkState
		if err := json.Unmarshal([]byte(w.get("/sandbox/links"+query).body), &list); err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if all, one, none := count(""), count("?merchant_order_id=INV-1-L1"), count("?merchant_order_id=X"); all != 2 || one != 1 || none != 0 {
		t.Errorf("%d, %d and %d links; want 2, 1 and 0", all, one, none)
	}
	for _, row := range []struct {
		path string
		want int
	}{
		{id + "/process", 200},
		{id + "/process", 409},
		{id + "/pay", 200},
		{id + "/pay", 409},
		{id + "/steal", 404},
		{"nothing/pay", 404},
	} {
		if r := w.post("/sandbox/links/"+row.path, ""); r.status != row.want {
			t.Errorf("%s: %d, want %d", row.path, r.status, row.want)
		}
	}
	if got := w.Pay.Links()[0]; got.Status != "completed" || got.Money().String() != "EUR 121.00" || got.Attempts != 1 {
		t.Errorf("link: %+v", got)
	}
	if r := w.post("/sandbox/flush", ""); r.status != 204 {
		t.Errorf("flush: %d", r.status)
	}
	if r := w.get("/sandbox/deliveries"); strings.TrimSpace(r.body) != "[]" {
		t.Errorf("deliveries: %s", r.body)
	}
}

func TestRequestsOverHTTP(t *testing.T) {
	w := begin(t, Options{})
	w.link(plainOrder)
	w.get("/v1/orders/")
	read := func(query string) (list []Request) {
		if err := json.Unmarshal([]byte(w.get("/sandbox/requests"+query).body), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if all, later := read(""), read("?since=1"); len(all) != 2 || len(later) != 1 || later[0].Route != ListOrders {
		t.Errorf("requests: %v, later %v", all, later)
	}
	if r := w.get("/sandbox/requests?since=x"); r.status != 400 {
		t.Errorf("since=x: %d", r.status)
	}
	if r := w.do("DELETE", "/sandbox/requests", "", ""); r.status != 204 || len(read("")) != 0 {
		t.Errorf("forget: %d", r.status)
	}
	if r := w.get("/sandbox/"); !strings.Contains(r.body, `"links": 1`) || !strings.Contains(r.body, w.Mail.Addr()) {
		t.Errorf("state: %s", r.body)
	}
}

func TestCurrencies(t *testing.T) {
	w := begin(t, Options{Currencies: []string{"EUR", "GBP"}})
	want := `{"payment_methods":{"credit-card":{"currencies":["EUR","GBP"]},"ideal":{"currencies":["EUR"]}}}`
	if r := w.get("/v1/merchants/self/projects/self/currencies"); r.body != want {
		t.Errorf("currencies: %s", r.body)
	}
}
