package costplus

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"dunning/invoices"
)

// FuzzAnswer answers every call with the same status and body. Whatever comes
// back, the client must not panic, must keep the link and the fault apart, and
// must let out clean short texts only.
func FuzzAnswer(f *testing.F) {
	for _, b := range bodies {
		f.Add(400, []byte(b.body))
	}
	for _, body := range []string{
		full, fresh, "null", "[]", "{}", `{"id":"` + linkID + `","payment_url":"` + payURL + `"}`,
		`[{"id":"` + orderID + `"}]`, `{"payment_methods":{"ideal":{"currencies":["EUR"]}}}`, `{"orders":[[]],"id":"1"}`,
	} {
		f.Add(200, []byte(body))
	}
	var status int
	var body []byte
	c, _ := newClient(f, "https://api.example.com", func(o *Options) {
		o.Transport = tripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
		})
		o.Warn = func(string) {}
		o.OnCall = nil
	})
	f.Fuzz(func(t *testing.T, s int, b []byte) {
		status, body = s, b
		made, err := c.Create(t.Context(), anOrder())
		checkFuzzed(t, made, err)
		if err == nil && (made.URL != payURL && c.checkPaymentURL(made.URL) != nil || made.Amount != anOrder().Amount || made.Expires.IsZero()) {
			t.Errorf("got %+v", made)
		}
		looked, err := c.Look(t.Context(), linkID)
		checkFuzzed(t, looked, err)
		if err == nil && (looked.Remote != linkID || looked.Amount.Minor < 0) {
			t.Errorf("got %+v", looked)
		}
		if _, err := c.Order(t.Context(), orderID); err != nil {
			checkFuzzed(t, invoices.Link{}, err)
		}
		if _, err := c.Orders(t.Context(), today, today.AddDate(0, 0, 1)); err != nil {
			checkFuzzed(t, invoices.Link{}, err)
		}
		if _, err := c.CheckKey(t.Context()); err != nil {
			checkFuzzed(t, invoices.Link{}, err)
		}
	})
}

func checkFuzzed(t *testing.T, l invoices.Link, err error) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*invoices.Fault](err); !ok || l != (invoices.Link{}) {
			t.Errorf("got %+v, %v", l, err)
		}
		checkText(t, err.Error())
		return
	}
	switch l.State {
	case "", invoices.Wanted, invoices.Unmade, invoices.Lost, invoices.Missing, invoices.Mismatch:
		t.Errorf("Cost+ set a state of ours: %q", l.State)
	}
	for _, text := range []string{string(l.State), l.Reason, l.Ref, l.Remote} {
		checkText(t, text)
	}
	if y := l.Expires.Year(); l.Attempts < 0 || y > 2400 {
		t.Errorf("%d attempts, expires in %d", l.Attempts, y)
	}
}
