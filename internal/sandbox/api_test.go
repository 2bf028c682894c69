package sandbox

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/period"
)

func TestCreateValidates(t *testing.T) {
	w := begin(t, Options{Currencies: []string{"EUR", "JPY"}})
	base := func(extra string) string {
		return `{"merchant_order_id":"A","amount":1,"currency":"EUR"` + extra + `}`
	}
	customer := func(members string) string { return base(`,"customer":{` + members + `}`) }
	for _, row := range []struct {
		why  string
		body string
		path string // property_path of the refusal; "-" if the request is good
	}{
		{"the least a request can have", base(""), "-"},
		{"everything a request can have", base(`,"description":"d","expiration_period":"P14D","return_url":"https://example.com/a?b=c","failure_url":"https://example.com/","webhook_url":"http://127.0.0.1:1/h"`), "-"},
		{"a customer with all that is known", customer(`"email_address":"a@example.com","first_name":"A","last_name":"B","locale":"nl_NL","country":"NL","phone_numbers":["+31612345678"],"merchant_customer_id":"C1"`), "-"},
		{"no merchant_order_id", `{"amount":1,"currency":"EUR"}`, "merchant_order_id"},
		{"merchant_order_id null", `{"merchant_order_id":null,"amount":1,"currency":"EUR"}`, "merchant_order_id"},
		{"merchant_order_id a number", `{"merchant_order_id":7,"amount":1,"currency":"EUR"}`, "merchant_order_id"},
		{"merchant_order_id empty", `{"merchant_order_id":"","amount":1,"currency":"EUR"}`, "merchant_order_id"},
		{"no amount", `{"merchant_order_id":"A","currency":"EUR"}`, "amount"},
		{"amount zero", `{"merchant_order_id":"A","amount":0,"currency":"EUR"}`, "amount"},
		{"amount negative", `{"merchant_order_id":"A","amount":-5,"currency":"EUR"}`, "amount"},
		{"amount with a fraction", `{"merchant_order_id":"A","amount":12.5,"currency":"EUR"}`, "amount"},
		{"amount with a fraction of nothing", `{"merchant_order_id":"A","amount":12.0,"currency":"EUR"}`, "amount"},
		{"amount with an exponent", `{"merchant_order_id":"A","amount":1e3,"currency":"EUR"}`, "amount"},
		{"amount a string", `{"merchant_order_id":"A","amount":"12","currency":"EUR"}`, "amount"},
		{"amount null", `{"merchant_order_id":"A","amount":null,"currency":"EUR"}`, "amount"},
		{"amount beyond 64 bits", `{"merchant_order_id":"A","amount":9223372036854775808,"currency":"EUR"}`, "amount"},
		{"no currency", `{"merchant_order_id":"A","amount":1}`, "currency"},
		{"an unknown currency", `{"merchant_order_id":"A","amount":1,"currency":"XYZ"}`, "currency"},
		{"a currency in lower case", `{"merchant_order_id":"A","amount":1,"currency":"eur"}`, "currency"},
		{"a currency without a payment method", `{"merchant_order_id":"A","amount":1,"currency":"USD"}`, "currency"},
		{"description null", base(`,"description":null`), "description"},
		{"description empty", base(`,"description":""`), "description"},
		{"a period of words", base(`,"expiration_period":"30 days"`), "expiration_period"},
		{"a period of nothing", base(`,"expiration_period":"P0D"`), "expiration_period"},
		{"a period that ends after the year 9999", base(`,"expiration_period":"P9999Y"`), "expiration_period"},
		{"a period null", base(`,"expiration_period":null`), "expiration_period"},
		{"a relative return_url", base(`,"return_url":"/thanks"`), "return_url"},
		{"a return_url without a host", base(`,"return_url":"https:///thanks"`), "return_url"},
		{"a return_url that is a script", base(`,"return_url":"javascript:alert(1)"`), "return_url"},
		{"a failure_url that is no URL", base(`,"failure_url":"https://exa mple.com"`), "failure_url"},
		{"a webhook_url of another scheme", base(`,"webhook_url":"ftp://127.0.0.1/"`), "webhook_url"},
		{"an unknown key", base(`,"expires_after":"P30D"`), "expires_after"},
		{"a customer null", base(`,"customer":null`), "customer"},
		{"a customer without anything", customer(``), "customer"},
		{"a customer that is a list", base(`,"customer":[]`), "customer"},
		{"a customer with a name", customer(`"name":"A B"`), "customer.name"},
		{"a customer with an email", customer(`"email":"a@example.com"`), "customer.email"},
		{"an e-mail address that is none", customer(`"email_address":"a at example.com"`), "customer.email_address"},
		{"an e-mail address with a name", customer(`"email_address":"A <a@example.com>"`), "customer.email_address"},
		{"first_name null", customer(`"first_name":null`), "customer.first_name"},
		{"a locale of three letters", customer(`"locale":"nld"`), "customer.locale"},
		{"a country in lower case", customer(`"country":"nl"`), "customer.country"},
		{"no telephone number in the list", customer(`"phone_numbers":[]`), "customer.phone_numbers"},
		{"a national telephone number", customer(`"phone_numbers":["0612345678"]`), "customer.phone_numbers"},
		{"no JSON", `amount=1`, ""},
		{"a list", `[]`, ""},
		{"null", `null`, ""},
		{"two objects", base("") + base(""), ""},
		{"half an object", `{"amount":1,`, ""},
		{"deep nonsense", strings.Repeat(`[`, 20000), ""},
	} {
		before := len(w.Pay.Links())
		r := w.post("/v1/paymentlinks/", row.body)
		made := len(w.Pay.Links()) - before
		if row.path == "-" {
			if r.status != http.StatusCreated || made != 1 {
				t.Errorf("%s: status %d, %d links: %s", row.why, r.status, made, r.body)
			}
			continue
		}
		if r.status != http.StatusBadRequest || made != 0 {
			t.Errorf("%s: status %d, %d links; want 400 and none", row.why, r.status, made)
			continue
		}
		detail, _ := r.object(t)["error"].(map[string]any)
		path, _ := detail["property_path"].(string)
		if path != row.path || detail["value"] == "" || detail["status"] != 400.0 {
			t.Errorf("%s: refused as %v; want property_path %q", row.why, detail, row.path)
		}
	}
	req, err := http.NewRequest("POST", w.URL()+"/v1/paymentlinks/", strings.NewReader(plainOrder))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(DefaultKey, "")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r := w.send(req); r.status != http.StatusBadRequest {
		t.Errorf("a form instead of JSON: status %d", r.status)
	}
	if r := w.post("/v1/paymentlinks/", base(`,"description":"`+strings.Repeat("x", 2<<20)+`"`)); r.status != http.StatusRequestEntityTooLarge && r.err == nil {
		t.Errorf("two megabytes: status %d", r.status)
	}
}

func TestCreateAnswersAsDocumented(t *testing.T) {
	w := begin(t, Options{})
	r := w.post("/v1/paymentlinks/", `{"merchant_order_id":"INV-1-L1","amount":12100,"currency":"EUR","description":"Invoice 1"}`)
	got := r.object(t)
	id := got["id"].(string)
	want := map[string]any{
		"id": id, "merchant_order_id": "INV-1-L1", "amount": 12100.0, "currency": "EUR", "description": "Invoice 1",
		"expiration_period": "P30D", "status": "new", "orders": map[string]any{},
		"payment_url": w.URL() + "/pay/" + id + "/",
		"created":     "2026-03-16T09:00:00.000000Z", "modified": "2026-03-16T09:00:00.000000+00:00",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, w.look(id)); diff != "" {
		t.Errorf("the link read back differs:\n%s", diff)
	}
}

func TestSameOrderTwiceMakesTwoLinks(t *testing.T) {
	w := begin(t, Options{})
	if a, b := w.link(plainOrder), w.link(plainOrder); a == b {
		t.Error("the second POST answered the first link: a client that repeats itself would not be noticed")
	}
	n := 0
	for _, l := range w.Pay.Links() {
		if l.MerchantOrderID == "INV-1-L1" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d links are listed; want 2", n)
	}
}

func TestSlashFormsAndMethods(t *testing.T) {
	w := begin(t, Options{})
	id := w.link(plainOrder)
	w.must(w.Pay.Fail(id))
	order := w.Pay.Links()[0].Orders["error"][0]
	for _, row := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/v1/paymentlinks", 201},
		{"POST", "/v1/paymentlinks/", 201},
		{"GET", "/v1/paymentlinks/" + id, 200},
		{"GET", "/v1/paymentlinks/" + id + "/", 200},
		{"GET", "/v1/orders/" + order, 200},
		{"GET", "/v1/orders/" + order + "/", 200},
		{"GET", "/v1/orders", 200},
		{"GET", "/v1/orders/?created_since=2026-03-16T00:00:00Z", 200},
		{"GET", "/v1/merchants/self/projects/self/currencies", 200},
		{"GET", "/v1/merchants/self/projects/self/currencies/", 200},
		{"GET", "/v1/paymentlinks/", 405},
		{"PUT", "/v1/paymentlinks/" + id + "/", 405},
		{"DELETE", "/v1/paymentlinks/" + id + "/", 405},
		{"GET", "/v1/paymentlinks/" + id + "/orders", 405},
		{"GET", "/v1/paymentlinks/00000000-0000-4000-8000-000000000000/", 404},
		{"GET", "/v1/orders/00000000-0000-4000-8000-000000000000/", 404},
		{"GET", "/v1/else/", 404},
	} {
		body := ""
		if row.method == "POST" {
			body = plainOrder
		}
		if r := w.do(row.method, row.path, DefaultKey, body); r.status != row.want {
			t.Errorf("%s %s: status %d, want %d", row.method, row.path, r.status, row.want)
		}
	}
}

func TestKeys(t *testing.T) {
	w := begin(t, Options{APIKeys: []string{"one", "two"}})
	r := w.do("POST", "/v1/paymentlinks/", "one", plainOrder)
	id := r.object(t)["id"].(string)
	w.must(w.Pay.Pay(id))
	order := w.Pay.Links()[0].Orders["completed"][0]
	for _, row := range []struct {
		why, key, password, path string
		want                     int
	}{
		{"its own link", "one", "", "/v1/paymentlinks/" + id + "/", 200},
		{"its own order", "one", "", "/v1/orders/" + order + "/", 200},
		{"somebody else's link", "two", "", "/v1/paymentlinks/" + id + "/", 404},
		{"somebody else's order", "two", "", "/v1/orders/" + order + "/", 404},
		{"no key", "", "", "/v1/paymentlinks/" + id + "/", 401},
		{"an unknown key", "three", "", "/v1/paymentlinks/" + id + "/", 401},
		{"a password where none belongs", "one", "x", "/v1/paymentlinks/" + id + "/", 401},
		{"the key as the password", "", "one", "/v1/paymentlinks/" + id + "/", 401},
	} {
		req, err := http.NewRequest("GET", w.URL()+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if row.key != "" || row.password != "" {
			req.SetBasicAuth(row.key, row.password)
		}
		r := w.send(req)
		if r.status != row.want {
			t.Errorf("%s: status %d, want %d", row.why, r.status, row.want)
		}
		if row.want == 401 && r.object(t)["error"] != "werkzeug.exceptions.Unauthorized" {
			t.Errorf("%s: 401 is not in its documented shape: %s", row.why, r.body)
		}
	}
	if r := w.do("GET", "/v1/orders/", "two", ""); strings.TrimSpace(r.body) != "[]" {
		t.Errorf("the other key lists orders that are not its own: %s", r.body)
	}
}

func TestErrorShapes(t *testing.T) {
	w := begin(t, Options{})
	for _, row := range []struct {
		shape Shape
		want  string // regular expression of the body
	}{
		{ShapeMix, `^\{"error":\{.*"status":404`},
		{ShapeObject, `^\{"error":\{.*"status":404`},
		{ShapeText, `^\{"error":\{.*"status":"404"`},
		{ShapeException, `^\{"error":"werkzeug.exceptions.NotFound","message":"`},
		{ShapeMessage, `^\{"message":"[^"]+"\}$`},
		{ShapeDetail, `^\{"detail":"[^"]+"\}$`},
		{ShapeHTML, `^<html>`},
		{ShapePlain, `^the payment link was not found\n$`},
		{ShapeEmpty, `^$`},
	} {
		w.Pay.ClearFaults()
		if row.shape != ShapeMix {
			w.fault(Fault{Kind: ErrorShape, Value: string(row.shape)})
		}
		r := w.get("/v1/paymentlinks/nothing/")
		if r.status != 404 || !regexp.MustCompile(row.want).MatchString(r.body) {
			t.Errorf("shape %q: %d %s", row.shape, r.status, r.body)
		}
	}
}

// TestLinkLife walks one link through every status.
func TestLinkLife(t *testing.T) {
	w := begin(t, Options{})
	status := func(id, want string) map[string]any {
		t.Helper()
		v := w.look(id)
		if v["status"] != want {
			t.Errorf("status %v, want %s", v["status"], want)
		}
		return v
	}
	id := w.link(plainOrder)
	status(id, "new")
	w.must(w.Pay.Process(id))
	status(id, "processing")
	if _, err := w.Pay.Process(id); err == nil {
		t.Error("a second attempt began while one was under way")
	}
	w.must(w.Pay.Fail(id))
	v := status(id, "all_unsuccessful")
	if v["reason"] == nil || v["completed"] != nil || v["completed_order_id"] != nil {
		t.Errorf("after a failure: %v", v)
	}
	w.must(w.Pay.Cancel(id))
	status(id, "all_unsuccessful")
	w.watch.wind(monday.Add(26*time.Hour + 123456789*time.Nanosecond))
	paidBy, err := w.Pay.Pay(id)
	w.must(paidBy, err)
	v = status(id, "completed")
	orders := v["orders"].(map[string]any)
	if v["completed"] != "2026-03-17T11:00:00.123456+00:00" || v["completed_order_id"] != paidBy || v["reason"] != nil ||
		len(orders["error"].([]any)) != 1 || len(orders["cancelled"].([]any)) != 1 || orders["completed"].([]any)[0] != paidBy {
		t.Errorf("after payment: %v", v)
	}
	for name, act := range w.Pay.acts() {
		if _, err := act(id); err == nil {
			t.Errorf("%s succeeded on a paid link", name)
		}
	}
	order := w.get("/v1/orders/" + paidBy + "/").object(t)
	if order["related_payment_link_id"] != id || order["status"] != "completed" || order["merchant_order_id"] != "INV-1-L1" {
		t.Errorf("order: %v", order)
	}
	w.watch.wind(monday.AddDate(1, 0, 0))
	status(id, "completed")
}

func TestExpiry(t *testing.T) {
	w := begin(t, Options{})
	short := w.link(`{"merchant_order_id":"A","amount":1,"currency":"EUR","expiration_period":"PT36H"}`)
	month := w.link(`{"merchant_order_id":"B","amount":1,"currency":"EUR","expiration_period":"P1M"}`)
	waiting := w.link(`{"merchant_order_id":"C","amount":1,"currency":"EUR","expiration_period":"PT36H"}`)
	w.must(w.Pay.Process(waiting))

	w.watch.wind(monday.Add(36*time.Hour - time.Microsecond))
	if got := w.look(short)["status"]; got != "new" {
		t.Errorf("a microsecond before the end: %v", got)
	}
	w.watch.wind(monday.Add(36 * time.Hour))
	if got := w.look(short); got["status"] != "expired" || got["reason"] == nil {
		t.Errorf("at the end: %v", got)
	}
	if got := w.look(waiting)["status"]; got != "expired" {
		t.Errorf("with an attempt under way, at the end: %v", got)
	}
	if _, err := w.Pay.Pay(short); err == nil {
		t.Error("an expired link was paid")
	}
	if _, err := w.Pay.Pay(waiting); err == nil {
		t.Error("an expired link was paid by the attempt under way")
	}
	w.must(w.Pay.Fail(waiting))
	if _, err := w.SetClock(time.Date(2026, 4, 16, 8, 59, 59, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if got := w.look(month)["status"]; got != "new" {
		t.Errorf("a month is a calendar month; before its end: %v", got)
	}
	if _, err := w.Advance(period.Period{Seconds: 1}); err != nil {
		t.Fatal(err)
	}
	if got := w.look(month)["status"]; got != "expired" {
		t.Errorf("after a month: %v", got)
	}
	w.fault(Fault{Kind: LateCompletion, Times: 1})
	w.must(w.Pay.Pay(short))
	if got := w.look(short); got["status"] != "completed" || got["completed"] == nil {
		t.Errorf("a late completion: %v", got)
	}
	if _, err := w.Pay.Pay(month); err == nil {
		t.Error("a late completion was asked for once and happened twice")
	}
}

func TestTwentyFiveAttempts(t *testing.T) {
	w := begin(t, Options{})
	id := w.link(plainOrder)
	for range maxAttempts {
		w.must(w.Pay.Fail(id))
	}
	for name, act := range w.Pay.acts() {
		if _, err := act(id); err == nil {
			t.Errorf("%s was possible after %d attempts", name, maxAttempts)
		}
	}
	v := w.look(id)
	if n := len(v["orders"].(map[string]any)["error"].([]any)); n != 25 || v["status"] != "all_unsuccessful" {
		t.Errorf("%d attempts, status %v", n, v["status"])
	}
	last := w.link(plainOrder)
	for range maxAttempts - 1 {
		w.must(w.Pay.Fail(last))
	}
	w.must(w.Pay.Pay(last))
	if got := w.look(last)["status"]; got != "completed" {
		t.Errorf("paid at the 25th attempt: %v", got)
	}
}

func TestOrdersByTime(t *testing.T) {
	w := begin(t, Options{})
	var ids []string
	for i := range 3 {
		w.watch.wind(monday.Add(time.Duration(i) * time.Hour))
		id, err := w.Pay.Fail(w.link(plainOrder))
		w.must(id, err)
		ids = append(ids, id)
	}
	for _, row := range []struct {
		why, query string
		want       []string
	}{
		{"no bounds: all, oldest first", "", ids},
		{"since is included", "?created_since=2026-03-16T10:00:00Z", ids[1:]},
		{"until is not", "?created_until=2026-03-16T11:00:00%2B00:00", ids[:2]},
		{"both", "?created_since=2026-03-16T10:00:00.000000Z&created_until=2026-03-16T11:00:00Z", ids[1:2]},
		{"nothing then", "?created_since=2027-01-01T00:00:00Z", nil},
	} {
		var list []struct{ ID string }
		r := w.get("/v1/orders/" + row.query)
		if err := json.Unmarshal([]byte(r.body), &list); err != nil {
			t.Fatalf("%s: %v: %s", row.why, err, r.body)
		}
		var got []string
		for _, o := range list {
			got = append(got, o.ID)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.why, got, row.want)
		}
	}
	if r := w.get("/v1/orders/?created_since=yesterday"); r.status != 400 {
		t.Errorf("created_since=yesterday: status %d", r.status)
	}
}

func TestSeedMakesIDsRepeatable(t *testing.T) {
	a, b := begin(t, Options{Seed: 7}), begin(t, Options{Seed: 7})
	if x, y := a.link(plainOrder), b.link(plainOrder); x != y {
		t.Errorf("one seed, two ids: %s and %s", x, y)
	}
	c, d := begin(t, Options{}), begin(t, Options{})
	if x, y := c.link(plainOrder), d.link(plainOrder); x == y {
		t.Errorf("without a seed the id %s came twice", x)
	}
}

func TestRequestLog(t *testing.T) {
	w := begin(t, Options{LogLimit: 3})
	id := w.link(plainOrder)
	w.get("/v1/paymentlinks/" + id + "/")
	w.do("GET", "/v1/orders/?created_since=2026-01-01T00:00:00Z", "wrong", "")
	want := []Request{
		{N: 1, Time: monday, Route: CreateLink, Method: "POST", Path: "/v1/paymentlinks/", Body: plainOrder, Status: 201, Link: id},
		{N: 2, Time: monday, Route: ReadLink, Method: "GET", Path: "/v1/paymentlinks/" + id + "/", Status: 200},
		{N: 3, Time: monday, Route: ListOrders, Method: "GET", Path: "/v1/orders/", Query: "created_since=2026-01-01T00:00:00Z", Status: 401},
	}
	if diff := cmp.Diff(want, w.Pay.Requests()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	for range 10 {
		w.get("/v1/orders/")
	}
	if got := w.Pay.Requests(); len(got) != 3 || got[2].N != 13 || got[0].N != 11 {
		t.Errorf("of 13 requests the log should keep the last 3: %v", got)
	}
	if strings.Contains(w.get("/sandbox/requests").body, DefaultKey) {
		t.Error("the log shows the API key")
	}
}
