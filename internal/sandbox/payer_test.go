package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// press presses a button of a payment page.
func (w *world) press(id, act string) reply {
	w.t.Helper()
	req, err := http.NewRequest("POST", w.URL()+"/pay/"+id+"/", strings.NewReader(url.Values{"act": {act}}.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(req)
}

func TestPayerIsSentBack(t *testing.T) {
	const (
		both = `,"return_url":"https://example.com/thanks?lang=nl","failure_url":"https://example.com/sorry"`
		only = `,"return_url":"https://example.com/thanks"`
	)
	w := begin(t, Options{})
	for _, row := range []struct {
		why, urls, act string
		want           string // where to, without order_id and project_id; "" is the payment page
	}{
		{"paid goes to return_url, whose query stays", both, "pay", "https://example.com/thanks?lang=nl&"},
		{"under way goes to return_url", both, "process", "https://example.com/thanks?lang=nl&"},
		{"failed goes to failure_url", both, "fail", "https://example.com/sorry?"},
		{"cancelled goes to failure_url", both, "cancel", "https://example.com/sorry?"},
		{"failed goes to return_url if that is all there is", only, "fail", "https://example.com/thanks?"},
		{"paid goes back to the page if there is nowhere to go", ``, "pay", ""},
	} {
		id := w.link(`{"merchant_order_id":"A","amount":1,"currency":"EUR"` + row.urls + `}`)
		r := w.press(id, row.act)
		if r.status != http.StatusSeeOther {
			t.Fatalf("%s: status %d: %s", row.why, r.status, r.body)
		}
		to := r.header.Get("Location")
		if row.want == "" {
			if to != w.URL()+"/pay/"+id+"/" {
				t.Errorf("%s: sent to %s", row.why, to)
			}
			continue
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if !strings.HasPrefix(to, row.want) || len(q["order_id"]) != 1 || len(q["project_id"]) != 1 {
			t.Errorf("%s: sent to %s", row.why, to)
		}
		if got := w.get("/v1/orders/" + q.Get("order_id") + "/").object(t)["project_id"]; got != q.Get("project_id") {
			t.Errorf("%s: the order belongs to project %v, the address says %s", row.why, got, q.Get("project_id"))
		}
	}
}

func TestPayerPage(t *testing.T) {
	w := begin(t, Options{})
	id := w.link(`{"merchant_order_id":"A<1>","amount":12345,"currency":"KWD","description":"<script>alert(1)</script>","expiration_period":"P1D"}`)
	r := w.get("/pay/" + id + "/")
	if r.status != 200 || !strings.Contains(r.body, "KWD 12.345") || strings.Contains(r.body, "<script>") {
		t.Errorf("page: %d\n%s", r.status, r.body)
	}
	if r := w.get("/pay/" + id); r.status != 200 {
		t.Errorf("without the slash: %d", r.status)
	}
	if n := w.Pay.Links()[0].Attempts; n != 0 {
		t.Errorf("looking at the page made %d attempts", n)
	}
	if r := w.press(id, "steal"); r.status != http.StatusBadRequest {
		t.Errorf("an unknown button: %d", r.status)
	}
	if r := w.press("00000000-0000-4000-8000-000000000000", "pay"); r.status != http.StatusNotFound {
		t.Errorf("an unknown link: %d", r.status)
	}
	w.watch.wind(monday.Add(24 * time.Hour))
	if r := w.press(id, "pay"); r.status != http.StatusConflict || !strings.Contains(r.body, "it has expired") {
		t.Errorf("an expired link: %d\n%s", r.status, r.body)
	}
}

func TestOtherWebPagesCannotPay(t *testing.T) {
	w := begin(t, Options{})
	id := w.link(plainOrder)
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		req, err := http.NewRequest("POST", w.URL()+"/pay/"+id+"/", strings.NewReader("act=pay"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set(name, value)
		if r := w.send(req); r.status != http.StatusForbidden {
			t.Errorf("%s: %s may press the button: %d", name, value, r.status)
		}
	}
	req, err := http.NewRequest("GET", w.URL()+"/sandbox/requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	if r := w.send(req); r.status != http.StatusMisdirectedRequest {
		t.Errorf("a name that was rebound to loopback may read the log: %d", r.status)
	}
}
