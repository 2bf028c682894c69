package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"dunning/internal/money"
	"dunning/internal/period"
)

// A linkRequest is the accepted body of POST /v1/paymentlinks/.
type linkRequest struct {
	MerchantOrderID string
	Amount          int64 // minor units, at least 1
	Currency        string
	Description     string
	Life            period.Period
	LifeText        string // as written; "P30D" when nothing was
	ReturnURL       string
	FailureURL      string
	WebhookURL      string
	Customer        json.RawMessage // as sent; nil if it was not
}

// A refusal says which property of a request is wrong, and why. The zero
// refusal is none.
type refusal struct {
	path string
	why  string
}

func (r refusal) ok() bool { return r == refusal{} }

// defaultLife is how long a link lives that asked for nothing.
const defaultLife = "P30D"

// fields are the members of a JSON object that are still to be looked at. Each
// check takes its member out and keeps the first refusal.
type fields struct {
	prefix string
	left   map[string]json.RawMessage
	wrong  refusal
}

// readObject reads one JSON object and nothing after it.
func readObject(prefix string, body []byte) (*fields, bool) {
	f := &fields{prefix: prefix}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&f.left); err != nil || f.left == nil || decoder.More() {
		return nil, false
	}
	return f, true
}

func (f *fields) refuse(name, format string, args ...any) {
	if f.wrong.ok() {
		f.wrong = refusal{f.prefix + name, fmt.Sprintf(format, args...)}
	}
}

func (f *fields) take(name string) (json.RawMessage, bool) {
	raw, ok := f.left[name]
	delete(f.left, name)
	return raw, ok
}

// text takes a string; absent is "", but null and "" are refused.
func (f *fields) text(name string) string {
	raw, ok := f.take(name)
	if !ok {
		return ""
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		f.refuse(name, "%s is not of type 'string'", cut(string(raw)))
		return ""
	}
	if *s == "" {
		f.refuse(name, "'' is too short")
	}
	return *s
}

func (f *fields) required(name string) string {
	if _, ok := f.left[name]; !ok {
		f.refuse(name, "'%s' is a required property", name)
	}
	return f.text(name)
}

func (f *fields) amount(name string) int64 {
	raw, ok := f.take(name)
	if !ok {
		f.refuse(name, "'%s' is a required property", name)
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil:
		f.refuse(name, "%s is not of type 'integer'", cut(string(raw)))
	case n < 1:
		f.refuse(name, "%d is less than the minimum of 1", n)
	}
	return n
}

func (f *fields) url(name string) string {
	s := f.text(name)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		f.refuse(name, "%s is not an absolute URL", cut(s))
	}
	return s
}

// end refuses whatever nobody took.
func (f *fields) end() refusal {
	for _, name := range slices.Sorted(maps.Keys(f.left)) {
		f.refuse(name, "Additional properties are not allowed ('%s' was unexpected)", cut(name))
	}
	return f.wrong
}

// readLinkRequest reads and checks the body of a request for a link.
func readLinkRequest(body []byte, now time.Time) (linkRequest, refusal) {
	f, ok := readObject("", body)
	if !ok {
		return linkRequest{}, refusal{"", "the body is not one JSON object"}
	}
	want := linkRequest{
		MerchantOrderID: f.required("merchant_order_id"),
		Amount:          f.amount("amount"),
		Currency:        f.required("currency"),
		Description:     f.text("description"),
		LifeText:        f.text("expiration_period"),
		ReturnURL:       f.url("return_url"),
		FailureURL:      f.url("failure_url"),
		WebhookURL:      f.url("webhook_url"),
	}
	if _, known := money.Exponent(want.Currency); !known && f.wrong.ok() {
		f.refuse("currency", "%s is not a currency of ISO 4217", cut(want.Currency))
	}
	if want.LifeText == "" {
		want.LifeText = defaultLife
	}
	var err error
	if want.Life, err = period.Parse(want.LifeText); err != nil {
		f.refuse("expiration_period", "%v", err)
	} else if end := want.Life.AddTo(now); !end.After(now) || end.Year() > 9999 {
		f.refuse("expiration_period", "%s does not end in the future", cut(want.LifeText))
	}
	if raw, given := f.take("customer"); given {
		want.Customer = raw
		if bad := checkCustomer(raw); !bad.ok() && f.wrong.ok() {
			f.wrong = bad
		}
	}
	return want, f.end()
}

var (
	localeForm  = regexp.MustCompile(`^[a-zA-Z]{2}([-_][a-zA-Z]{2})?$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
	phoneForm   = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
)

// customerTexts are the members of customer that are plain strings and that
// need no more than to be one.
var customerTexts = []string{
	"merchant_customer_id", "first_name", "last_name", "gender", "birthdate",
	"address", "address_type", "housenumber", "postal_code", "city",
	"ip_address", "forwarded_ip", "user_agent", "referrer",
}

// checkCustomer checks the customer object. There is no "name" and no "email".
func checkCustomer(raw json.RawMessage) refusal {
	f, ok := readObject("customer.", raw)
	if !ok {
		return refusal{"customer", cut(string(raw)) + " is not of type 'object'"}
	}
	if len(f.left) == 0 {
		return refusal{"customer", "{} does not have enough properties"}
	}
	for _, name := range customerTexts {
		f.text(name)
	}
	if s := f.text("email_address"); s != "" {
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
			f.refuse("email_address", "%s is not an e-mail address", cut(s))
		}
	}
	if s := f.text("locale"); s != "" && !localeForm.MatchString(s) {
		f.refuse("locale", "%s does not match '%s'", cut(s), localeForm)
	}
	if s := f.text("country"); s != "" && !countryForm.MatchString(s) {
		f.refuse("country", "%s is not a country of ISO 3166-1 alpha-2", cut(s))
	}
	if list, given := f.take("phone_numbers"); given {
		var phones []string
		if json.Unmarshal(list, &phones) != nil || len(phones) == 0 {
			f.refuse("phone_numbers", "%s is not a list of telephone numbers", cut(string(list)))
		}
		for _, p := range phones {
			if !phoneForm.MatchString(p) {
				f.refuse("phone_numbers", "%s is not a telephone number of E.164", cut(p))
			}
		}
	}
	return f.end()
}

// cut quotes enough of hostile input to recognise it by.
func cut(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}
