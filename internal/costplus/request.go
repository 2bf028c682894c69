package costplus

import (
	"encoding/json"
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"dunning/internal/money"
	"dunning/invoices"
)

// linkRequest is the body of POST /v1/paymentlinks/. Cost+ refuses null, {} and
// keys it does not know, so what is empty is left out.
type linkRequest struct {
	Ref         string    `json:"merchant_order_id"`
	Amount      int64     `json:"amount"` // minor units
	Currency    string    `json:"currency"`
	Description string    `json:"description,omitempty"`
	Life        string    `json:"expiration_period,omitempty"`
	ReturnURL   string    `json:"return_url,omitempty"`
	FailureURL  string    `json:"failure_url,omitempty"`
	WebhookURL  string    `json:"webhook_url,omitempty"`
	Customer    *customer `json:"customer,omitempty"`
}

type customer struct {
	ID        string `json:"merchant_customer_id,omitempty"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	Email     string `json:"email_address,omitempty"`
	Locale    string `json:"locale,omitempty"`
	Country   string `json:"country,omitempty"`
}

// Cost+ documents no longest text; these are our own limits, well below what
// columns for such texts usually take.
const (
	longestRef         = 128
	longestDescription = 255
	longestName        = 128
)

// linkBody writes the request for an order.
func (c *Client) linkBody(o invoices.LinkOrder) ([]byte, *invoices.Fault) {
	switch {
	case o.Ref == "" || printable(o.Ref) != o.Ref || utf8.RuneCountInString(o.Ref) > longestRef:
		return nil, c.never(create, "%q cannot name a link; it must have 1 to %d printable characters", cut(o.Ref, longestRef), longestRef)
	case o.Amount.Minor < 1:
		return nil, c.never(create, "%v cannot be asked for; the least is one minor unit", o.Amount)
	case endless(o.Life):
		return nil, c.never(create, "link %s: a life of %v is longer than 100 years", o.Ref, o.Life)
	case o.Hook != "" && !isID(o.Hook):
		return nil, c.never(create, "the webhook token of link %s cannot be part of a path", o.Ref)
	}
	if _, known := money.Exponent(o.Amount.Currency); !known {
		return nil, c.never(create, "%q is not a currency of ISO 4217", cut(o.Amount.Currency, 10))
	}
	r := linkRequest{
		Ref: o.Ref, Amount: o.Amount.Minor, Currency: o.Amount.Currency,
		Description: cut(printable(o.Description), longestDescription),
		ReturnURL:   c.returnURL, FailureURL: c.failureURL,
		Customer: c.disclosure.of(o.Customer),
	}
	if !o.Life.IsZero() {
		r.Life = o.Life.String()
	}
	if c.webhookURL != "" && o.Hook != "" {
		r.WebhookURL = c.webhookURL + "/" + o.Hook
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, c.never(create, "the request cannot be written: %v", err)
	}
	return body, nil
}

var (
	localeForm  = regexp.MustCompile(`^[a-zA-Z]{2}([-_][a-zA-Z]{2})?$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
)

// disclosure is how much of a customer may be told; see Options.SendCustomer.
type disclosure string

// of returns as much of a customer as may be told and as Cost+ takes: a field
// that does not fit its pattern is left out, so that no invoice goes unpaid for
// it. It is nil if nothing is left.
func (d disclosure) of(c invoices.Customer) *customer {
	if d != CustomerName && d != FullCustomer {
		return nil
	}
	told := customer{ID: fitting(c.ID), Country: strings.ToUpper(strings.TrimSpace(c.Country)), Locale: strings.TrimSpace(c.Language)}
	told.FirstName, told.LastName = splitName(c.Name)
	if !localeForm.MatchString(told.Locale) {
		told.Locale = ""
	}
	if !countryForm.MatchString(told.Country) {
		told.Country = ""
	}
	if a, err := mail.ParseAddress(c.Email); d == FullCustomer && err == nil && a.Address == c.Email {
		told.Email = c.Email
	}
	if told == (customer{}) {
		return nil
	}
	return &told
}

// splitName splits a name into the two fields that Cost+ has for it: "Vries,
// Jan de" at the comma, "Jan de Vries" after the first word, "Jan" and a firm
// of one word into the last name alone.
func splitName(name string) (first, last string) {
	name = printable(name)
	if before, after, ok := strings.Cut(name, ","); ok {
		before, after = strings.TrimSpace(before), strings.TrimSpace(after)
		if before != "" && after != "" && !strings.Contains(after, ",") {
			return fitting(after), fitting(before)
		}
	}
	first, last, ok := strings.Cut(name, " ")
	if !ok {
		first, last = "", name
	}
	return fitting(strings.Trim(first, ",")), fitting(strings.Trim(last, ","))
}

// fitting returns a text of the customer, or nothing if it is too long or has
// nothing to read in it.
func fitting(text string) string {
	text = printable(text)
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	if utf8.RuneCountInString(text) > longestName || !strings.ContainsFunc(text, letter) {
		return ""
	}
	return text
}
