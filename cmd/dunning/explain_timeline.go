package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

// happened is one sentence of a timeline. What stands in it may be words of others:
// it goes through printable before anybody reads it.
type happened struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Says   string    `json:"says"`
	By     string    `json:"by,omitempty"` // a person; empty: the program itself
	Letter string    `json:"letter,omitempty"`
	Config string    `json:"config,omitempty"` // the stamp of the configuration it happened under
	Times  int       `json:"times,omitempty"`  // how often in a row, from First to At; 0: once
	First  time.Time `json:"first,omitzero"`
}

// A teller turns the events about one invoice into sentences. Two events that
// tell of one thing, such as a letter begun and a letter sent, become one.
type teller struct {
	inv     *invoices.Invoice
	letters map[string]*invoices.Letter
	zone    *time.Location

	answered map[string]bool // links and tries of letters of which more is known than that they were begun
	made     map[string]bool // links already told as made
	wanted   map[string]string
}

func newTeller(inv *invoices.Invoice, letters []invoices.Letter, zone *time.Location) *teller {
	t := &teller{inv: inv, letters: map[string]*invoices.Letter{}, zone: zone, answered: map[string]bool{}, made: map[string]bool{}, wanted: map[string]string{}}
	for i := range letters {
		t.letters[letters[i].ID] = &letters[i]
	}
	return t
}

// tell returns the sentences of some events, oldest first. Equal ones in a row
// become one, at the time of the last.
func (t *teller) tell(events []store.Event) []happened {
	for _, e := range events {
		t.prepare(&e)
	}
	list := []happened{}
	for _, e := range events {
		says := t.sentence(&e)
		if says == "" {
			continue
		}
		next := happened{At: e.At, Kind: e.Kind, Says: t.local(says), By: person(e.Actor), Letter: e.Letter, Config: e.Config}
		if n := len(list) - 1; n >= 0 && list[n].Says == next.Says && list[n].By == next.By && list[n].Kind == next.Kind {
			next.Times, next.First = max(list[n].Times, 1)+1, list[n].First
			if next.First.IsZero() {
				next.First = list[n].At
			}
			list[n] = next
			continue
		}
		list = append(list, next)
	}
	for i := range list {
		if list[i].Times > 0 {
			list[i].Says += fmt.Sprintf(", %d times since %s", list[i].Times, moment(list[i].First, t.zone))
		}
	}
	return list
}

// prepare notes which beginnings have an end.
func (t *teller) prepare(e *store.Event) {
	switch {
	case strings.HasPrefix(e.Kind, "letter_") && e.Kind != "letter_started" && e.Kind != "letter_late":
		_, try, _ := cutTry(e.Detail)
		t.answered[e.Letter+" "+try] = true
	case e.Kind == "link_wanted":
		ref, rest, _ := strings.Cut(e.Detail, " for ")
		t.wanted[ref], _, _ = strings.Cut(rest, ", key ")
	case strings.HasPrefix(e.Kind, "link_") && e.Kind != "link_unknown":
		t.answered[ref(e.Detail)] = true
	}
}

// person returns who acted, if it was a person: workers name themselves so.
func person(actor string) string {
	if strings.HasPrefix(actor, "worker ") {
		return ""
	}
	return actor
}

var stamped = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// local writes the instants in a sentence as people read them.
func (t *teller) local(says string) string {
	return stamped.ReplaceAllStringFunc(says, func(s string) string {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return moment(at, t.zone)
	})
}

// sentence says what an event was; empty: another event says it better.
func (t *teller) sentence(e *store.Event) string {
	switch {
	case strings.HasPrefix(e.Kind, "letter_"):
		return t.letter(e)
	case strings.HasPrefix(e.Kind, "link_"):
		return t.link(e)
	}
	subject := "this invoice"
	if e.Invoice == "" {
		subject = "everything of this customer"
	}
	switch e.Kind {
	case "invoice_added":
		return "the invoice was taken in: " + strings.TrimSuffix(e.Detail, ", open")
	case "invoice_changed":
		return "the books changed: " + e.Detail
	case "invoice_vanished":
		return "the books do not list it any more: " + e.Detail
	case "account_changed":
		return "what the books say of the customer changed, " + e.Detail
	case "hold":
		return subject + " was put on hold: " + e.Detail
	case "release":
		return subject + " goes on, a person said: " + e.Detail
	case "promise":
		return "the customer promised to pay " + e.Detail
	case "promise_kept":
		return "the promise was kept: " + e.Detail
	case "promise_withdrawn":
		return "the promise does not hold any more: " + e.Detail
	case "contacted":
		return "people spoke to the customer: " + e.Detail
	case "approved":
		return "a person approved of " + e.Detail
	case "settled":
		return "a person settled a letter: " + e.Detail
	case "step_skipped":
		step, why, _ := strings.Cut(e.Detail, ": ")
		return "the step " + step + " is left out: " + why
	case "address_refused":
		return "the customer's address was refused: " + e.Detail
	case "incident":
		kind, detail, _ := strings.Cut(e.Detail, ": ")
		return "incident, " + strings.ReplaceAll(kind, "_", " ") + ": " + detail
	case "webhook":
		return "Cost+ called: " + e.Detail
	case "rest":
		return trying(e.Detail) + "; it is tried again later"
	case "refused":
		return trying(e.Detail) + "; it is not tried again before something changes"
	}
	return strings.ReplaceAll(e.Kind, "_", " ") + ": " + e.Detail
}

// trying says which act failed, of "make_link, failure 2: why".
func trying(detail string) string {
	act, rest, ok := strings.Cut(detail, ", failure ")
	n, why, _ := strings.Cut(rest, ": ")
	if !ok {
		return "a try failed: " + detail
	}
	what := map[string]string{
		invoices.Check.String(): "looking at the payment link", invoices.MakeLink.String(): "making a payment link",
		invoices.RenewLink.String(): "making another payment link", invoices.Email.String(): "sending the letter",
		invoices.Remind.String(): "sending the letter", invoices.Again.String(): "sending the letter once more",
	}[act]
	if what == "" {
		what = act
	}
	if n != "1" {
		what += " (failure " + n + " in a row)"
	}
	return what + " failed: " + why
}

// cutTry takes "friendly, try 2: why" apart, whatever stands before the try.
func cutTry(detail string) (step, try, why string) {
	before, rest, ok := strings.Cut(detail, ", try ")
	if !ok {
		return detail, "", ""
	}
	step, _, _ = strings.Cut(before, ", ")
	try, why, _ = strings.Cut(rest, ": ")
	return step, try, why
}

// letter says what became of a letter.
func (t *teller) letter(e *store.Event) string {
	l := t.letters[e.Letter]
	if e.Kind == "letter_late" {
		if l == nil {
			return "" // about other invoices of the customer
		}
		return "an answer about a letter came too late to change anything: " + e.Detail
	}
	step, try, why := cutTry(e.Detail)
	name := "the letter " + step
	if l != nil && l.Template != step {
		name += " (template " + l.Template + ")"
	}
	if l != nil && len(l.Items) > 1 {
		name += fmt.Sprintf(", about %d invoices,", len(l.Items))
	}
	if try != "" && try != "1" {
		name += " (try " + try + ")"
	}
	to := ""
	if l != nil {
		to = " to " + strings.Join(append(append([]string{}, l.To...), l.CC...), ", ")
	}
	switch e.Kind {
	case "letter_started":
		if t.answered[e.Letter+" "+try] {
			return ""
		}
		return name + to + " was given to the mail server; nothing more is known"
	case "letter_sent":
		return name + " was sent" + to + "; the mail server said: " + why
	case "letter_failed":
		return name + to + " was refused: " + why
	case "letter_uncertain":
		return name + to + " may or may not have arrived: " + why
	case "letter_delayed":
		return name + to + " did not leave and is tried again: " + why
	case "letter_skipped":
		return name + to + " is not sent any more: " + why
	case "letter_resend":
		return name + to + " is to be sent once more, the same bytes: " + why
	}
	return name + " is " + strings.TrimPrefix(e.Kind, "letter_") + ": " + why
}

// ref returns the link that an event is about: all details begin with it.
func ref(detail string) string {
	if i := strings.IndexAny(detail, " ,:"); i >= 0 {
		return detail[:i]
	}
	return detail
}

// link says what became of a payment link.
func (t *teller) link(e *store.Event) string {
	name := ref(e.Detail)
	tries, reason, _ := strings.Cut(strings.TrimPrefix(e.Detail, name+", "), ": ")
	paid := "" // by how many tries
	if n, ok := strings.CutSuffix(tries, " attempts"); ok && n != "0" {
		paid = " (payments tried: " + n + ")"
	}
	if reason != "" {
		paid += ": " + reason
	}
	link := "the payment link " + name
	switch state := invoices.LinkState(strings.TrimPrefix(e.Kind, "link_")); state {
	case invoices.Wanted:
		if t.answered[name] {
			return ""
		}
		return link + " was asked for; no answer is known"
	case invoices.New:
		return t.fresh(name, paid)
	case invoices.Trying:
		return "a payment by " + link + " is under way" + paid
	case invoices.Rejected:
		return "a payment by " + link + " failed" + paid
	case invoices.Completed:
		return link + " was paid" + paid
	case invoices.Expired:
		return link + " expired unpaid" + paid
	case invoices.Unmade:
		return link + " could not be made" + paid
	case invoices.Lost:
		return "no answer came about " + link + "; if it was made, nobody was ever shown it"
	case invoices.Missing:
		return "Cost+ does not know " + link + " any more" + paid
	case invoices.Mismatch:
		return "Cost+ tells otherwise than was agreed of " + link + paid
	case "unknown":
		return "Cost+ tells of a link that is not known here: " + e.Detail
	default:
		return "Cost+ says of " + link + ": " + string(state) + paid
	}
}

// fresh says that a link was made, or, later, that it can be paid.
func (t *teller) fresh(name, paid string) string {
	if t.made[name] {
		return "the payment link " + name + " can be paid" + paid
	}
	t.made[name] = true
	says := "a payment link was made"
	if amount := t.wanted[name]; amount != "" {
		says += " for " + amount
	}
	for i := range t.inv.Links {
		if l := &t.inv.Links[i]; l.Ref == name && !l.Expires.IsZero() {
			return says + " (" + name + "); it works until " + moment(l.Expires, t.zone)
		}
	}
	return says + " (" + name + ")"
}
