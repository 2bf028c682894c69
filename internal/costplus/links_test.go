package costplus

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/invoices"
)

// seen is one request as it came over the wire.
type seen struct {
	method, uri, key, password, kind, accept string
	body                                     string
}

// record answers like answer and keeps the requests.
func record(status int, body string, into *[]seen) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		key, password, _ := r.BasicAuth()
		*into = append(*into, seen{
			r.Method, r.URL.RequestURI(), key, password,
			r.Header.Get("Content-Type"), r.Header.Get("Accept"), string(text),
		})
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func withURLs(o *Options) {
	o.ReturnURL = "https://example.com/thanks?a=1&b=2"
	o.FailureURL = "https://example.com/sorry"
	o.WebhookURL = "https://hooks.example.com/costplus/"
}

func TestCreateOnTheWire(t *testing.T) {
	tests := []struct {
		says   string
		change func(*Options)
		order  func(*invoices.LinkOrder)
		want   map[string]any
	}{
		{
			"every field of the guide", func(o *Options) { withURLs(o); o.SendCustomer = FullCustomer }, nil,
			map[string]any{
				"merchant_order_id": "INV-7-L1", "amount": 12550.0, "currency": "EUR",
				"description": "INV-7: January", "expiration_period": "P14D",
				"return_url": "https://example.com/thanks?a=1&b=2", "failure_url": "https://example.com/sorry",
				"webhook_url": "https://hooks.example.com/costplus/Zk9_hook-1",
				"customer": map[string]any{
					"merchant_customer_id": "C-7", "first_name": "Jan", "last_name": "de Vries",
					"email_address": "jan@example.com", "locale": "nl", "country": "NL",
				},
			},
		},
		{
			"without permission nothing of the customer, not even an empty object", nil, nil,
			map[string]any{
				"merchant_order_id": "INV-7-L1", "amount": 12550.0, "currency": "EUR",
				"description": "INV-7: January", "expiration_period": "P14D",
			},
		},
		{
			"the name alone", func(o *Options) { o.SendCustomer = CustomerName }, nil,
			map[string]any{
				"merchant_order_id": "INV-7-L1", "amount": 12550.0, "currency": "EUR",
				"description": "INV-7: January", "expiration_period": "P14D",
				"customer": map[string]any{
					"merchant_customer_id": "C-7", "first_name": "Jan", "last_name": "de Vries", "locale": "nl", "country": "NL",
				},
			},
		},
		{
			"what is empty is left out: no description, no life, no hook, no customer data",
			func(o *Options) { withURLs(o); o.ReturnURL, o.FailureURL, o.SendCustomer = "", "", FullCustomer },
			func(o *invoices.LinkOrder) {
				o.Description, o.Hook, o.Life, o.Customer = "", "", period.Period{}, invoices.Customer{}
			},
			map[string]any{"merchant_order_id": "INV-7-L1", "amount": 12550.0, "currency": "EUR"},
		},
		{
			"yen have no minor unit, and a description is one line", nil,
			func(o *invoices.LinkOrder) {
				o.Amount = money.Amount{Minor: 1, Currency: "JPY"}
				o.Description = " two\r\nlines\x00 " + strings.Repeat("é", 300)
			},
			map[string]any{
				"merchant_order_id": "INV-7-L1", "amount": 1.0, "currency": "JPY", "expiration_period": "P14D",
				"description": "two lines " + strings.Repeat("é", 244) + "…",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			var got []seen
			c, _ := serve(t, record(201, `{"id":"`+linkID+`","payment_url":"`+payURL+`"}`, &got), func(o *Options) {
				if tt.change != nil {
					tt.change(o)
				}
				o.BaseURL += "/"
			})
			order := anOrder()
			if tt.order != nil {
				tt.order(&order)
			}
			if _, err := c.Create(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 {
				t.Fatalf("%d requests", len(got))
			}
			var sent map[string]any
			if err := json.Unmarshal([]byte(got[0].body), &sent); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, sent); diff != "" {
				t.Error(diff)
			}
			got[0].body = ""
			if want := (seen{"POST", "/v1/paymentlinks/", canary, "", "application/json", "application/json", ""}); got[0] != want {
				t.Errorf("got %+v", got[0])
			}
		})
	}
}

func TestReadsOnTheWire(t *testing.T) {
	var got []seen
	c, _ := serve(t, record(404, "", &got))
	since := time.Date(2026, 1, 15, 13, 0, 0, 0, time.FixedZone("", 3600))
	_, _ = c.Look(t.Context(), linkID)
	_, _ = c.Order(t.Context(), orderID)
	_, _ = c.Orders(t.Context(), since, since.Add(time.Hour))
	_, _ = c.Orders(t.Context(), time.Time{}, time.Time{})
	_, _ = c.CheckKey(t.Context())
	for i, uri := range []string{
		"/v1/paymentlinks/" + linkID + "/",
		"/v1/orders/" + orderID + "/",
		"/v1/orders/?created_since=2026-01-15T12%3A00%3A00Z&created_until=2026-01-15T13%3A00%3A00Z",
		"/v1/orders/",
		"/v1/merchants/self/projects/self/currencies",
	} {
		if want := (seen{"GET", uri, canary, "", "", "application/json", ""}); got[i] != want {
			t.Errorf("got %+v, want %+v", got[i], want)
		}
	}
}

func TestOrdersThatAreNotPlaced(t *testing.T) {
	tests := []struct {
		says   string
		change func(*invoices.LinkOrder)
	}{
		{"a link needs a name", func(o *invoices.LinkOrder) { o.Ref = "" }},
		{"a name is one line", func(o *invoices.LinkOrder) { o.Ref = "INV\n7" }},
		{"a name has an end", func(o *invoices.LinkOrder) { o.Ref = strings.Repeat("9", longestRef+1) }},
		{"nothing cannot be asked for", func(o *invoices.LinkOrder) { o.Amount.Minor = 0 }},
		{"a credit cannot be asked for", func(o *invoices.LinkOrder) { o.Amount.Minor = -5 }},
		{"R13: a currency is one of ISO 4217", func(o *invoices.LinkOrder) { o.Amount.Currency = "EURO" }},
		{"R13: in capitals", func(o *invoices.LinkOrder) { o.Amount.Currency = "eur" }},
		{"a hook stays in its place", func(o *invoices.LinkOrder) { o.Hook = "../x" }},
		{"a life has an end", func(o *invoices.LinkOrder) { o.Life = period.Period{Years: 101} }},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			var got []seen
			c, _ := serve(t, record(201, fresh, &got), withURLs)
			order := anOrder()
			tt.change(&order)
			_, err := c.Create(t.Context(), order)
			checkFault(t, err, want{kind: invoices.Never})
			if len(got) != 0 {
				t.Errorf("it was sent: %+v", got)
			}
		})
	}
}

func TestIdsThatAreNotAsked(t *testing.T) {
	var got []seen
	c, _ := serve(t, record(200, full, &got))
	for _, id := range []string{"", ".", "..", "a/b", "a\\b", "%2e%2e", "a?b", "a#b", "a b", "a\nb", "-a", "é", "a@b", strings.Repeat("a", 129)} {
		_, err := c.Look(t.Context(), id)
		checkFault(t, err, want{kind: invoices.Never})
		_, err = c.Order(t.Context(), id)
		checkFault(t, err, want{kind: invoices.Never})
	}
	_, err := c.Orders(t.Context(), today, today)
	checkFault(t, err, want{kind: invoices.Never})
	if len(got) != 0 {
		t.Errorf("asked: %+v", got)
	}
}

func TestCreateAnswers(t *testing.T) {
	base := invoices.Link{
		Ref: "INV-7-L1", Hook: "Zk9_hook-1", Amount: money.Amount{Minor: 12550, Currency: "EUR"},
		State: invoices.New, Remote: linkID, URL: payURL, Seen: today,
		Expires: time.Date(2026, 1, 29, 11, 59, 58, 250e6, time.UTC),
	}
	with := func(change func(*invoices.Link)) invoices.Link {
		l := base
		change(&l)
		return l
	}
	minimal := `{"id":"` + linkID + `","payment_url":"` + payURL + `"`
	tests := []struct {
		says, body string
		want       invoices.Link
		warns      int
	}{
		{"the answer of the guide", fresh, base, 0},
		{
			"a sister brand answers with the id and the URL alone", minimal + `}`,
			with(func(l *invoices.Link) { l.Expires = today.AddDate(0, 0, 14) }), 0,
		},
		{
			"nulls are as good as absent", minimal + `,"amount":null,"currency":null,"merchant_order_id":null,"status":null,"orders":null,"created":null,"expiration_period":null,"reason":null,"completed":null}`,
			with(func(l *invoices.Link) { l.Expires = today.AddDate(0, 0, 14) }), 0,
		},
		{"fourteen days may come back as hours", strings.Replace(fresh, "P14D", "PT336H", 1), base, 0},
		{
			"a life that was ignored is believed and told", strings.Replace(fresh, "P14D", "P30D", 1),
			with(func(l *invoices.Link) { l.Expires = base.Expires.AddDate(0, 0, 16) }), 1,
		},
		{"a life that cannot be read is left out and told", strings.Replace(fresh, "P14D", "a fortnight", 1), base, 1},
		{"a life without end is left out and told", strings.Replace(fresh, "P14D", "P9999Y", 1), base, 1},
		{
			"a time of creation that cannot be read is left out and told", strings.Replace(fresh, "2026-01-15T11:59:58.250000Z", "yesterday", 1),
			with(func(l *invoices.Link) { l.Expires = today.AddDate(0, 0, 14) }), 1,
		},
		{
			"a status nobody knows is kept", strings.Replace(fresh, `"new"`, `"under_review"`, 1),
			with(func(l *invoices.Link) { l.State = "under_review" }), 0,
		},
		{
			"a status that reads like one of ours is marked, for ours are final", strings.Replace(fresh, `"new"`, `"lost"`, 1),
			with(func(l *invoices.Link) { l.State = "cost+ says lost" }), 0,
		},
		{
			"a status is one short word, and nothing else that may be said of anybody", strings.Replace(fresh, `"new"`, `"jan is\n`+strings.Repeat("b", 60)+`"`, 1),
			with(func(l *invoices.Link) { l.State = "cost+ says no word for a status" }), 0,
		},
		{"orders of another form are left out and told", strings.Replace(fresh, `"orders": {}`, `"orders": "none"`, 1), base, 1},
		{"an empty list of orders is none", strings.Replace(fresh, `"orders": {}`, `"orders": [ ]`, 1), base, 0},
		{"names are told apart by their case", strings.Replace(fresh, `"orders"`, `"Amount": 1, "orders"`, 1), base, 0},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			c, e := serve(t, answer(201, tt.body))
			got, err := c.Create(t.Context(), anOrder())
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Key = c.Fingerprint()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if w := e.warned(); len(w) != tt.warns {
				t.Errorf("warned of %q, want %d", w, tt.warns)
			}
		})
	}
}

func TestLookAnswers(t *testing.T) {
	base := invoices.Link{
		Ref: "INV-7-L1", Amount: money.Amount{Minor: 12550, Currency: "EUR"}, State: invoices.Completed,
		Reason: "paid by order " + orderID + " at 2026-01-15T12:05:30Z",
		Remote: linkID, URL: payURL, Attempts: 3, Seen: today, Expires: today.AddDate(0, 0, 14),
	}
	with := func(change func(*invoices.Link)) invoices.Link {
		l := base
		change(&l)
		return l
	}
	tests := []struct {
		says, from, to string
		want           invoices.Link
		warns          int
	}{
		{"a paid link", "", "", base, 0},
		{"a reason is kept beside the order", `"reason": null`, `"reason": "by \u0007 bank"`, with(func(l *invoices.Link) { l.Reason = "by bank; " + base.Reason }), 0},
		{"an order counts once, in however many lists", `["o1", "o2"]`, `["o1", "o2", "o1"], "expired": ["o2", "` + orderID + `"]`, base, 0},
		{"orders may be numbers", `["o1", "o2"]`, `[1, 2, 3]`, with(func(l *invoices.Link) { l.Attempts = 4 }), 0},
		{"a foreign URL does not hide a payment", "pay.example.com", "evil.example", with(func(l *invoices.Link) { l.URL = "" }), 1},
		{"no URL is no cause for alarm", `"payment_url": "` + payURL + `",`, "", with(func(l *invoices.Link) { l.URL = "" }), 0},
		{"without a life the expiry is not known", `"expiration_period": "P14D",`, "", with(func(l *invoices.Link) { l.Expires = time.Time{} }), 0},
		{"another amount is reported as it is", "12550", "99", with(func(l *invoices.Link) { l.Amount.Minor = 99 }), 0},
		{"an order of odd form is left out", `"completed_order_id": "` + orderID + `"`, `"completed_order_id": "a/b"`, with(func(l *invoices.Link) { l.Reason = "paid at 2026-01-15T12:05:30Z" }), 1},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			body := strings.Replace(full, tt.from, tt.to, 1)
			if body == full && tt.from != "" {
				t.Fatal("nothing was replaced")
			}
			c, e := serve(t, answer(200, body))
			got, err := c.Look(t.Context(), linkID)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Key = c.Fingerprint()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if w := e.warned(); len(w) != tt.warns {
				t.Errorf("warned of %q, want %d", w, tt.warns)
			}
		})
	}
}

// TestR10_ExhaustedLink counts 25 attempts from the lists of orders.
func TestR10_ExhaustedLink(t *testing.T) {
	ids := make([]string, invoices.MaxAttempts)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"order-%d"`, i)
	}
	body := strings.Replace(fresh, `"orders": {}`, `"orders": {"error":[`+strings.Join(ids[:20], ",")+`],"cancelled":[`+strings.Join(ids[20:], ",")+`]}`, 1)
	c, _ := serve(t, answer(200, body))
	got, err := c.Look(t.Context(), linkID)
	if err != nil || got.Attempts != invoices.MaxAttempts {
		t.Errorf("got %d attempts, %v", got.Attempts, err)
	}
}

func TestInstants(t *testing.T) {
	at := func(nano int) time.Time { return time.Date(2026, 1, 15, 12, 5, 30, nano, time.UTC) }
	tests := []struct {
		text string
		want time.Time
		ok   bool
	}{
		{`"2026-01-15T12:05:30.000000Z"`, at(0), true},
		{`"2026-01-15T12:05:30.123456+00:00"`, at(123456e3), true},
		{`"2026-01-15T12:05:30.123456+0000"`, at(123456e3), true},
		{`"2026-01-15T14:05:30+0200"`, at(0), true},
		{`"2026-01-15T14:05:30+02:00"`, at(0), true},
		{`"2026-01-15T12:05:30Z"`, at(0), true},
		{`null`, time.Time{}, true},
		{`""`, time.Time{}, true},
		{`"2026-01-15T12:05:30"`, time.Time{}, false}, // no zone
		{`"2026-01-15 12:05:30Z"`, time.Time{}, false},
		{`"2026-02-30T12:05:30Z"`, time.Time{}, false},
		{`"0001-01-01T00:00:00Z"`, time.Time{}, false},
		{`"9999-01-01T00:00:00Z"`, time.Time{}, false},
		{`1768478730`, time.Time{}, false},
		{`{}`, time.Time{}, false},
	}
	for _, tt := range tests {
		got, err := object{"created": json.RawMessage(tt.text)}.instant("created")
		if !got.Equal(tt.want) || (err == nil) != tt.ok {
			t.Errorf("%s: got %v, %v", tt.text, got, err)
		}
	}
	if got, err := (object{}).instant("created"); !got.IsZero() || err != nil {
		t.Errorf("absent: got %v, %v", got, err)
	}
}

func TestOrders(t *testing.T) {
	one := `{"id":"` + orderID + `","related_payment_link_id":"` + linkID + `","merchant_order_id":"INV-7-L1",
		"amount":12550,"currency":"EUR","status":"completed","created":"2026-01-15T12:00:00.5+00:00","completed":"2026-01-15T12:05:30Z","project_id":"p"}`
	want := Order{
		ID: orderID, Link: linkID, Ref: "INV-7-L1", Amount: money.Amount{Minor: 12550, Currency: "EUR"}, Status: "completed",
		Created: today.Add(500 * time.Millisecond), Completed: today.Add(330 * time.Second),
	}
	t.Run("one", func(t *testing.T) {
		c, _ := serve(t, answer(200, one))
		got, err := c.Order(t.Context(), orderID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
	t.Run("a list", func(t *testing.T) {
		c, _ := serve(t, answer(200, "["+one+`,{"id":"o2"}]`))
		got, err := c.Orders(t.Context(), today, time.Time{})
		if diff := cmp.Diff([]Order{want, {ID: "o2"}}, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
	t.Run("an empty list", func(t *testing.T) {
		c, _ := serve(t, answer(200, "[]"))
		got, err := c.Orders(t.Context(), today, time.Time{})
		if len(got) != 0 || err != nil {
			t.Error(got, err)
		}
	})
	for says, body := range map[string]string{
		"another order":           strings.Replace(one, orderID, linkID, 1),
		"no id":                   `{}`,
		"a link that is no id":    `{"id":"` + orderID + `","related_payment_link_id":"../x"}`,
		"an amount that is none":  `{"id":"` + orderID + `","amount":"12"}`,
		"a creation that is none": `{"id":"` + orderID + `","created":"now"}`,
		"a list":                  `[]`,
	} {
		t.Run(says, func(t *testing.T) {
			c, _ := serve(t, answer(200, body))
			got, err := c.Order(t.Context(), orderID)
			checkFault(t, err, wantLater)
			if got != (Order{}) {
				t.Errorf("got %+v", got)
			}
		})
	}
	for says, body := range map[string]string{"null": "null", "an object": one, "a list with an odd one": "[" + one + ",7]"} {
		t.Run("orders: "+says, func(t *testing.T) {
			c, _ := serve(t, answer(200, body))
			got, err := c.Orders(t.Context(), today, time.Time{})
			checkFault(t, err, wantLater)
			if got != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

var wantLater = want{kind: invoices.Later}

func TestCheckKey(t *testing.T) {
	c, _ := serve(t, answer(200, `{"payment_methods":{"ideal":{"currencies":["EUR"]},"credit-card":{"currencies":["USD","EUR","x\n"]},"odd":{}}}`))
	got, err := c.CheckKey(t.Context())
	if diff := cmp.Diff([]string{"EUR", "USD"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	c, _ = serve(t, answer(200, `{"payment_methods":{}}`))
	if got, err = c.CheckKey(t.Context()); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
	c, _ = serve(t, answer(200, `{}`))
	_, err = c.CheckKey(t.Context())
	checkFault(t, err, wantLater)
}
