package costplus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"dunning/invoices"
)

// bodies are the forms in which Cost+, its sisters and what stands in front of
// them report an error. All of them try to smuggle secrets into the message.
var bodies = []struct {
	name, body      string
	value, property string // what must be kept of it
}{
	{
		"an object, its status a number",
		`{"error":{"status":400,"type":"ValidationError","value":"0 is too small","property_path":"amount","property_description":"Amount"}}`,
		"0 is too small", "amount",
	},
	{
		"an object, its status a text",
		`{"error":{"status":"400","type":"ValidationError","value":"jan@example.com is odd, see ` + payURL + `","property_path":"customer.email_address"}}`,
		"(address) is odd, see (link)", "customer.email_address",
	},
	{"an object with a type alone", `{"error":{"status":400,"type":"ConfigurationError"}}`, "ConfigurationError", ""},
	{"an exception with a message", `{"error":"werkzeug.exceptions.Unauthorized","message":"no access with ` + canary + `"}`, "no access with ***", ""},
	{"an exception alone", `{"error":"werkzeug.exceptions.Teapot"}`, "werkzeug.exceptions.Teapot", ""},
	{"a message", `{"message":"not\r\n\u001b[31mnow\u202e"}`, "not [31mnow", ""},
	{"a detail", `{"detail":"gone fishing"}`, "gone fishing", ""},
	{"a page", "<html><head><title>Bad &amp; broken</title></head><body>" + payURL + "</body></html>", "Bad & broken", ""},
	{"a page without a title", "<!doctype html><p>" + canary, "a page without a title", ""},
	{"plain text", "upstream of pay.example.com:8443/p/x says no\n", "upstream of (link) says no", ""},
	{"nothing", "", "", ""},
	{"broken JSON", `{"error":{"value":"` + canary, "", ""},
	{"JSON of another form", `[{"loc":["body"],"msg":"field required"}]`, "", ""},
	{"odd types", `{"error":{"value":{"a":1},"property_path":7,"type":"Odd"},"message":3}`, "Odd", ""},
	{"very long", `{"message":"` + strings.Repeat("é long ", 400) + `"}`, "", ""},
}

// statuses are all statuses that Cost+ documents, that a client must handle all
// the same, and that somebody on the way might make up.
var statuses = []struct {
	status       int
	create, read want
}{
	{300, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{301, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{302, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{303, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{304, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{307, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{308, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{400, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{401, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{402, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{403, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{404, want{kind: invoices.Halt}, want{kind: invoices.Never, noLink: true}},
	{405, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{406, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{407, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{408, want{kind: invoices.Later}, want{kind: invoices.Later}},
	{409, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{410, want{kind: invoices.Halt}, want{kind: invoices.Never, noLink: true}},
	{413, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{415, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{421, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{422, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{425, want{kind: invoices.Later}, want{kind: invoices.Later}},
	{426, want{kind: invoices.Halt}, want{kind: invoices.Halt}},
	{429, want{kind: invoices.Later}, want{kind: invoices.Later}},
	{451, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{499, want{kind: invoices.Never}, want{kind: invoices.Never}},
	{500, want{kind: invoices.Ambiguous, server: true}, want{kind: invoices.Later, server: true}},
	{501, want{kind: invoices.Ambiguous, server: true}, want{kind: invoices.Later, server: true}},
	{502, want{kind: invoices.Ambiguous, server: true}, want{kind: invoices.Later, server: true}},
	{503, want{kind: invoices.Ambiguous, server: true}, want{kind: invoices.Later, server: true}},
	{504, want{kind: invoices.Ambiguous, server: true}, want{kind: invoices.Later, server: true}},
	{599, want{kind: invoices.Ambiguous, server: true}, want{kind: invoices.Later, server: true}},
	{600, want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
	{999, want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
}

func TestR19_EveryStatusInEveryShape(t *testing.T) {
	var status int
	var body string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(status, body)(w, r) })
	for _, s := range statuses {
		for _, b := range bodies {
			t.Run(fmt.Sprintf("%d with %s", s.status, b.name), func(t *testing.T) {
				status, body = s.status, b.body
				_, made := c.Create(t.Context(), anOrder())
				_, seen := c.Look(t.Context(), linkID)
				checkFault(t, made, s.create)
				checkFault(t, seen, s.read)
				for _, err := range []error{made, seen} {
					checkRefusal(t, err, s.status, b.value, b.property, b.name == "very long" || s.status == 304)
				}
			})
		}
	}
}

// checkRefusal checks that Cost+'s words are kept and shown. Loose ones may have
// been cut, or, with a 304, never been sent.
func checkRefusal(t *testing.T, err error, status int, value, property string, loose bool) {
	t.Helper()
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Status != status {
		t.Fatalf("%v: got refusal %+v", err, r)
	}
	checkText(t, r.Error())
	if loose {
		return
	}
	if r.Value != value || r.Property != property {
		t.Errorf("got %q and %q, want %q and %q", r.Value, r.Property, value, property)
	}
	if !strings.Contains(err.Error(), value) || !strings.Contains(err.Error(), property) || !strings.Contains(err.Error(), fmt.Sprint(status)) {
		t.Errorf("%q does not say %d, %q and %q", err, status, value, property)
	}
}

func TestR19_AnswersThatCannotBeBelieved(t *testing.T) {
	tests := []struct {
		says         string
		status       int
		body         string
		create, read want
	}{
		{"a page of HTML with status 200 is no answer", 200, "<html><title>Login</title>", want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"half an answer is none", 201, fresh[:100], want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"an answer with something behind it is none", 201, fresh + "x", want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"no content is no link", 204, "", want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"accepted without a body is no link", 202, "", want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"null is no link", 200, "null", want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"a list is no link", 200, "[]", want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"a link without an id cannot be followed", 201, `{"payment_url":"` + payURL + `"}`, want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"an id that climbs out of its path is none", 201, `{"id":"../orders","payment_url":"` + payURL + `"}`, want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"an id that is a number is none", 201, `{"id":7,"payment_url":"` + payURL + `"}`, want{kind: invoices.Ambiguous}, want{kind: invoices.Later}},
		{"a link over another amount is never mailed; looking leaves the judgement to the books", 201, strings.Replace(fresh, "12550", "12551", 1), want{kind: invoices.Never}, want{link: true}},
		{"an amount with a fraction is another amount", 201, strings.Replace(fresh, "12550", "12550.0", 1), want{kind: invoices.Never}, want{kind: invoices.Later}},
		{"an amount as text is another amount", 201, strings.Replace(fresh, "12550", `"12550"`, 1), want{kind: invoices.Never}, want{kind: invoices.Later}},
		{"a link in another currency is never mailed", 201, strings.Replace(fresh, "EUR", "USD", 1), want{kind: invoices.Never}, want{link: true}},
		{"a currency that is none cannot be compared", 201, strings.Replace(fresh, "EUR", "euro\\n", 1), want{kind: invoices.Never}, want{kind: invoices.Later}},
		{"a link of another invoice is never mailed", 201, strings.Replace(fresh, "INV-7-L1", "INV-8-L1", 1), want{kind: invoices.Never}, want{link: true}},
		{"a link to a foreign host is never mailed; looking drops the URL", 201, strings.Replace(fresh, "pay.example.com", "evil.example", 1), want{kind: invoices.Never}, want{link: true}},
		{"a link without a URL is never mailed", 201, strings.Replace(fresh, payURL, "", 1), want{kind: invoices.Never}, want{link: true}},
		{"an answer about another link is not believed", 201, strings.Replace(full, linkID, orderID, 1), want{link: true}, want{kind: invoices.Later}},
		{"looking needs the amount", 200, strings.Replace(fresh, `"amount": 12550,`, "", 1), want{link: true}, want{kind: invoices.Later}},
		{"looking needs the currency", 200, strings.Replace(fresh, `, "currency": "EUR"`, "", 1), want{link: true}, want{kind: invoices.Later}},
		{"looking needs the status", 200, strings.Replace(fresh, `"status": "new",`, "", 1), want{link: true}, want{kind: invoices.Later}},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			c, _ := serve(t, answer(tt.status, tt.body))
			made, err := c.Create(t.Context(), anOrder())
			checkEnd(t, made, err, tt.create)
			seen, err := c.Look(t.Context(), linkID)
			checkEnd(t, seen, err, tt.read)
		})
	}
}

// checkEnd checks a call that either brings a link or a fault, never both.
func checkEnd(t *testing.T, got invoices.Link, err error, w want) {
	t.Helper()
	if err == nil {
		if !w.link || got.Remote == "" {
			t.Errorf("got a link %+v, want %+v", got, w)
		}
		return
	}
	if got != (invoices.Link{}) {
		t.Errorf("got a link and an error: %+v", got)
	}
	checkFault(t, err, w)
}

// TestTableIsWhole walks all outcomes, so that no new one is forgotten: whatever
// may have reached Cost+ is never judged as repeatable for a create.
func TestTableIsWhole(t *testing.T) {
	for met := senseless; met <= contradicted; met++ {
		if met != answered && !slices.ContainsFunc(table, func(r row) bool { return r.met == met }) {
			t.Errorf("outcome %d has no row", met)
		}
		for c, doing := range doing {
			v := classify(c, met, 0)
			if c != create && v.kind == invoices.Ambiguous {
				t.Errorf("%s, outcome %d: reading is never ambiguous", doing, met)
			}
			if c != look && errors.Is(v.about, invoices.ErrNoLink) {
				t.Errorf("%s, outcome %d: only looking can miss a link", doing, met)
			}
			if v.says == "" {
				t.Errorf("%s, outcome %d: nothing is said", doing, met)
			}
		}
	}
	for _, met := range []outcome{interrupted, silent, broken, unreadable} {
		if kind := classify(create, met, 0).kind; kind != invoices.Ambiguous {
			t.Errorf("outcome %d of a create is %v, want ambiguous", met, kind)
		}
	}
	for status := range 1000 {
		if kind := classify(create, answered, status).kind; kind == invoices.Later && status != 408 && status != 425 && status != 429 {
			t.Errorf("status %d of a create may be repeated", status)
		}
	}
}

func TestR19_OrdersAndKeyOverStatuses(t *testing.T) {
	for _, status := range []int{401, 403, 404, 429, 500} {
		c, _ := serve(t, answer(status, ""))
		for _, asked := range []struct {
			name string
			call func() error
		}{
			{"order", func() error { _, err := c.Order(t.Context(), orderID); return err }},
			{"orders", func() error { _, err := c.Orders(t.Context(), today, today.AddDate(0, 0, 1)); return err }},
			{"key", func() error { _, err := c.CheckKey(t.Context()); return err }},
		} {
			w := map[int]want{
				401: {kind: invoices.Halt}, 403: {kind: invoices.Halt}, 404: {kind: invoices.Never},
				429: {kind: invoices.Later}, 500: {kind: invoices.Later, server: true},
			}[status]
			t.Run(fmt.Sprint(asked.name, " ", status), func(t *testing.T) { checkFault(t, asked.call(), w) })
		}
	}
}

func TestLargestAnswer(t *testing.T) {
	padded := func(size int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, fresh+strings.Repeat(" ", size-len(fresh)))
		}
	}
	t.Run("1 MiB is read", func(t *testing.T) {
		c, _ := serve(t, padded(largestAnswer))
		if _, err := c.Create(t.Context(), anOrder()); err != nil {
			t.Error(err)
		}
	})
	t.Run("one byte more is no answer, although a good one begins it", func(t *testing.T) {
		c, _ := serve(t, padded(largestAnswer+1))
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, want{kind: invoices.Ambiguous})
		_, err = c.Look(t.Context(), linkID)
		checkFault(t, err, want{kind: invoices.Later})
		if !strings.Contains(err.Error(), "1048576") {
			t.Errorf("%q does not say how long it may be", err)
		}
	})
	t.Run("a refusal stays one, however long its page", func(t *testing.T) {
		c, _ := serve(t, answer(400, strings.Repeat("x", 2*largestAnswer)))
		_, err := c.Create(t.Context(), anOrder())
		checkFault(t, err, want{kind: invoices.Never})
	})
	t.Run("a list of orders is whole or not at all", func(t *testing.T) {
		one := `{"id":"` + orderID + `"}`
		c, _ := serve(t, answer(200, "["+strings.Repeat(one+",", largestAnswer/len(one))+one+"]"))
		list, err := c.Orders(t.Context(), today, today.AddDate(0, 0, 1))
		checkFault(t, err, want{kind: invoices.Later})
		if list != nil {
			t.Errorf("got %d orders of a list that was cut", len(list))
		}
	})
}

// TestR25_TheKeyShowsNowhere prints everything there is with every verb.
func TestR25_TheKeyShowsNowhere(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		key, _, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, "your key %s (%s) is not ours", key, r.Header.Get("Authorization"))
	}
	var kept Options
	c, _ := serve(t, echo, func(o *Options) { kept = *o })
	_, err := c.Create(t.Context(), anOrder())
	checkFault(t, err, want{kind: invoices.Halt})
	if !strings.Contains(err.Error(), "your key *** (Basic ***) is not ours") {
		t.Errorf("got %q", err)
	}
	encoded := "c2stY2FuYXJ5" // the start of the key in base64
	for _, v := range []any{c, *c, kept, &kept, err, errors.Unwrap(err)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, canary) || strings.Contains(text, encoded) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("the key shows in %s of %T: %s", verb, v, text)
			}
		}
		if js, err := json.Marshal(v); err == nil && strings.Contains(string(js), canary) {
			t.Errorf("the key shows in the JSON of %T", v)
		}
	}
	_, err = New(Options{APIKey: "bad key " + canary})
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
}
