package costplus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dunning/internal/discreet"
	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/invoices"
)

// defaultLife is how long Cost+ lets a link live for which nothing was asked.
var defaultLife = period.Period{Days: 30}

// longestID is the most characters of an id.
const longestID = 128

// isID reports whether text may become part of a path: letters, digits, _ and -,
// the first a letter or a digit. Cost+ documents UUIDs.
func isID(text string) bool {
	for i, b := range []byte(text) {
		word := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
		if !word && (i == 0 || b != '_' && b != '-') {
			return false
		}
	}
	return text != "" && len(text) <= longestID
}

// Create asks for a payment link; it is the Links port of the worker. A zero
// Life asks for Cost+'s own default of 30 days. An answer must have an id and a
// payment_url; what else it has must agree with the order, or the fault is
// Never: a link over another amount exists then, and nobody may be mailed it.
// What a short answer leaves out is taken from the order, the state being New.
func (c *Client) Create(ctx context.Context, o invoices.LinkOrder) (invoices.Link, error) {
	body, f := c.linkBody(o)
	if f != nil {
		return invoices.Link{}, f
	}
	var link invoices.Link
	local, _, _ := strings.Cut(o.Customer.Email, "@")
	told := veiled(o.Hook, local)
	err := c.ask(ctx, question{call: create, path: "/v1/paymentlinks/", body: body, told: told}, func(answer []byte) *trouble {
		s, err := readLink(answer)
		if err != nil {
			return &trouble{met: unreadable, detail: err.Error()}
		}
		s.reason = told.over(s.reason)
		if err := c.agrees(s, o, told); err != nil {
			return &trouble{met: contradicted, detail: fmt.Sprintf("%v; the link is not used and nobody was sent it", err)}
		}
		link = c.link(s, o.Ref)
		link.Ref, link.Hook, link.Amount, link.URL = o.Ref, o.Hook, o.Amount, s.url
		if s.status == "" {
			link.State = invoices.New
		}
		link.Expires = c.expiry(s, o)
		return nil
	})
	return link, err
}

// agrees reports how the answer to an order contradicts it, if it does.
func (c *Client) agrees(s said, o invoices.LinkOrder, told veil) error {
	quoted := func(words string, most int) string { return discreet.Quote(cut(c.clean(told.over(words)), most)) }
	switch {
	case s.amount != "" && s.amount != strconv.FormatInt(o.Amount.Minor, 10):
		return fmt.Errorf("link %s was made over %s minor units, asked was %d", o.Ref, quoted(s.amount, 30), o.Amount.Minor)
	case s.currency != "" && s.currency != o.Amount.Currency:
		return fmt.Errorf("link %s was made in %s, asked was %s", o.Ref, quoted(s.currency, 10), o.Amount.Currency)
	case s.ref != "" && s.ref != o.Ref:
		return fmt.Errorf("link %s was made under the name %s", o.Ref, quoted(s.ref, 60))
	}
	if err := c.checkPaymentURL(s.url); err != nil {
		return fmt.Errorf("link %s: %w", o.Ref, err)
	}
	return nil
}

// expiry is when a new link ends: the life in the answer, counted from its
// creation in the answer. A test system may ignore the life asked for, which is
// worth a warning: letters say until when the link works.
func (c *Client) expiry(s said, o invoices.LinkOrder) time.Time {
	asked := o.Life
	if asked.IsZero() {
		asked = defaultLife
	}
	life, from := asked, c.now()
	if s.life != nil {
		life = *s.life
	}
	if !s.created.IsZero() {
		from = s.created
	}
	if !life.Equal(asked) {
		c.warn(fmt.Sprintf("payment link %s: asked was a life of %v, Cost+ gave it %v; letters name the end that Cost+ gave", o.Ref, asked, life))
	}
	return life.AddTo(from.UTC())
}

// Look asks what became of a link; it is the Links port of the worker. The
// answer has Amount, State and Attempts always; Expires is zero if Cost+ did
// not say. A payment_url that would not be accepted for a new link is left out
// with a warning: it is not used again, and a payment must not go unseen
// because of it. A 404 wraps [invoices.ErrNoLink].
func (c *Client) Look(ctx context.Context, remote string) (invoices.Link, error) {
	if !isID(remote) {
		return invoices.Link{}, c.never(look, "%q is not the id of a link", cut(remote, 40))
	}
	var link invoices.Link
	err := c.ask(ctx, question{call: look, path: "/v1/paymentlinks/" + remote + "/"}, func(answer []byte) *trouble {
		s, err := readLink(answer)
		if err != nil {
			return &trouble{met: unreadable, detail: err.Error()}
		}
		if s.id != remote {
			return &trouble{met: contradicted, detail: fmt.Sprintf("asked for link %s, got %s", remote, s.id)}
		}
		minor, err := strconv.ParseInt(s.amount, 10, 64)
		if err != nil || minor < 0 || !currencyForm.MatchString(s.currency) || s.status == "" {
			return &trouble{met: unreadable, detail: "it lacks the amount, the currency or the status of the link"}
		}
		link = c.link(s, remote)
		link.Ref, link.Amount = cut(c.clean(s.ref), longestRef), money.Amount{Minor: minor, Currency: s.currency}
		if s.life != nil && !s.created.IsZero() {
			link.Expires = s.life.AddTo(s.created)
		}
		if err := c.checkPaymentURL(s.url); err == nil {
			link.URL = s.url
		} else if s.url != "" {
			c.warn(fmt.Sprintf("payment link %s: %v; the one stored when the link was made stays in use", remote, err))
		}
		return nil
	})
	return link, err
}

// link takes over what needs no comparing.
func (c *Client) link(s said, name string) invoices.Link {
	for _, odd := range s.odd {
		c.warn(fmt.Sprintf("payment link %s: %s in the answer of Cost+ cannot be read and is left out", name, odd))
	}
	return invoices.Link{
		Remote: s.id, State: c.state(s.status), Reason: c.reason(s), Key: c.fingerprint,
		Attempts: s.attempts, Seen: c.now(),
	}
}

// longestState is the most characters of a status that is kept.
const longestState = 40

// stateForm is what a status looks like. Anything else may say anything, of
// anybody, and states of links are counted, logged and kept for ever.
var stateForm = regexp.MustCompile(`^[a-z][a-z_-]*$`)

// state keeps a status that is not documented as text, if it looks like one. One
// that reads like a state of our own is marked, for ours mean that the link is
// out of use.
func (c *Client) state(status string) invoices.LinkState {
	switch state := invoices.LinkState(status); state {
	case invoices.New, invoices.Trying, invoices.Rejected, invoices.Completed, invoices.Expired:
		return state
	}
	if !stateForm.MatchString(status) || len(status) > longestState {
		return "cost+ says no word for a status"
	}
	switch state := invoices.LinkState(c.clean(status)); state {
	case invoices.Wanted, invoices.Unmade, invoices.Lost, invoices.Missing, invoices.Mismatch:
		return "cost+ says " + state
	default:
		return state
	}
}

// reason is Cost+'s reason for a status, and by which order it was paid.
func (c *Client) reason(s said) string {
	reason := cut(c.clean(s.reason), longestWords)
	if s.order == "" && s.completed.IsZero() {
		return reason
	}
	paid := "paid"
	if s.order != "" {
		paid += " by order " + s.order
	}
	if !s.completed.IsZero() {
		paid += " at " + s.completed.Format(time.RFC3339)
	}
	if reason == "" {
		return paid
	}
	return reason + "; " + paid
}

// said is a payment link as Cost+ describes it, read but not believed.
type said struct {
	id, ref, currency, url, status, reason string
	amount                                 string         // as written; empty if absent
	life                                   *period.Period // nil if absent
	created, completed                     time.Time
	order                                  string // the order that completed it
	attempts                               int
	odd                                    []string // members that were left out
}

var errNoID = errors.New("it has no id that can be asked for again")

// readLink reads a payment link. What says which link it is and what it is worth
// must be right; what is only good to know is left out if it is odd.
func readLink(body []byte) (said, error) {
	o, err := readObject(body)
	if err != nil {
		return said{}, err
	}
	var s said
	for _, m := range []struct {
		name string
		to   *string
	}{
		{"id", &s.id},
		{"merchant_order_id", &s.ref},
		{"currency", &s.currency},
		{"payment_url", &s.url},
		{"status", &s.status},
	} {
		if *m.to, err = o.text(m.name); err != nil {
			return said{}, err
		}
	}
	if !isID(s.id) {
		return said{}, errNoID
	}
	if o.has("amount") {
		s.amount = string(o["amount"])
	}
	s.readExtras(o)
	return s, nil
}

func (s *said) readExtras(o object) {
	odd := func(name string, err error) {
		if err != nil {
			s.odd = append(s.odd, name)
		}
	}
	var err error
	s.reason, err = o.text("reason")
	odd("reason", err)
	s.created, err = o.instant("created")
	odd("created", err)
	s.completed, err = o.instant("completed")
	odd("completed", err)
	s.order, err = o.text("completed_order_id")
	if s.order != "" && !isID(s.order) {
		s.order, err = "", errNoID
	}
	odd("completed_order_id", err)
	s.attempts, err = o.attempts()
	odd("orders", err)
	odd("expiration_period", s.readLife(o))
}

// readLife reads expiration_period.
func (s *said) readLife(o object) error {
	text, err := o.text("expiration_period")
	if err != nil || text == "" {
		return err
	}
	life, err := period.Parse(text)
	if err != nil {
		return err
	}
	if endless(life) {
		return errors.New("it never ends")
	}
	s.life = &life
	return nil
}

// endless reports whether a life is longer than a century, which is a mistake
// and leads to years that cannot be written with four digits.
func endless(life period.Period) bool {
	from := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	return life.AddTo(from).After(from.AddDate(100, 0, 0))
}

// attempts counts the distinct orders in the member orders, which lists them by
// their status. Each is one attempt to pay.
func (o object) attempts() (int, error) {
	if !o.has("orders") {
		return 0, nil
	}
	if raw := bytes.Trim(o["orders"], "[] \t\r\n"); len(raw) == 0 { // [] is how some servers write {}
		return 0, nil
	}
	var byStatus map[string][]json.RawMessage
	if err := json.Unmarshal(o["orders"], &byStatus); err != nil {
		return 0, err
	}
	distinct := map[string]bool{}
	for _, ids := range byStatus {
		for _, id := range ids {
			distinct[string(id)] = true
		}
	}
	return len(distinct), nil
}
