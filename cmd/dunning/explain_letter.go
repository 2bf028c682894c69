package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

// letterStory is why a customer got a letter.
type letterStory struct {
	explainedMessage
	Account  string      `json:"account"`
	Name     string      `json:"name"`
	Dialogue []string    `json:"dialogue,omitempty"`
	Items    []whyItem   `json:"items"`
	Plans    []whyPlan   `json:"plans,omitempty"`
	Configs  []whyConfig `json:"configs"`
	Timeline []happened  `json:"timeline"`
}

// whyItem is why the letter spoke of one invoice.
type whyItem struct {
	Invoice   string    `json:"invoice"`
	Episode   int       `json:"episode"`
	Step      string    `json:"step"`
	When      string    `json:"when,omitempty"` // by the policy as it is now
	Policy    string    `json:"policy,omitempty"`
	Amount    string    `json:"amount"`
	Link      string    `json:"link,omitempty"`
	Books     *happened `json:"books,omitempty"` // what they last said before the letter
	Skipped   []string  `json:"skipped,omitempty"`
	Approvals []whyYes  `json:"approvals,omitempty"`
}

type whyYes struct {
	At time.Time `json:"at"`
	By string    `json:"by"`
}

// whyPlan is a plan that a person approved and that the letter was part of.
type whyPlan struct {
	ID   string    `json:"id"`
	Job  string    `json:"job"`
	Made time.Time `json:"made"`
}

// whyConfig is a configuration under which something happened to the letter.
type whyConfig struct {
	Stamp string    `json:"stamp"`
	Since time.Time `json:"since"`
	Now   bool      `json:"now"` // it is the one that this command has read
}

// letterID returns the id of a letter from what people copy: the id, or a
// Message-ID with or without brackets.
func letterID(given string) string {
	id, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(given), "<>"), "@")
	return id
}

// explainLetter tells why a letter was sent.
func (a *app) explainLetter(ctx context.Context, w *works, given string) error {
	l, err := w.db.Letter(ctx, letterID(given))
	if errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("there is no letter %s here: its last byte never reached a mail server, or another installation sent it: %w", printable(given), store.ErrUnknown)
	}
	if err != nil {
		return err
	}
	x := &letterStory{explainedMessage: messageOf(&l), Account: l.Account}
	if l.Dialogue != "" {
		x.Dialogue = strings.Split(l.Dialogue, "\n")
	}
	var all []store.Event
	for _, it := range l.Items {
		events, err := w.db.Events(ctx, it.Invoice, manyEvents)
		if err != nil {
			return err
		}
		acc, err := w.db.Lookup(ctx, it.Invoice)
		if err != nil {
			return err
		}
		x.Name = acc.Name
		x.Items = append(x.Items, w.whyItem(&acc, &l, it, events))
		all = append(all, ofLetter(events, l.ID)...)
	}
	if x.Plans, err = w.whyPlans(ctx, &l, all); err != nil {
		return err
	}
	x.Configs = configsOf(all, stampOf(w.cfg, w.letters))
	x.Timeline = newTeller(&invoices.Invoice{}, []invoices.Letter{l}, w.cfg.Zone).tell(once(all))
	if a.json {
		return a.printJSON(x)
	}
	a.printLetter(x, w.cfg.Zone)
	return nil
}

// ofLetter returns the events about a letter.
func ofLetter(events []store.Event, id string) []store.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e store.Event) bool { return e.Letter != id })
}

// once returns the events about a letter in order of time, each kind once at
// one instant: what happens to a letter happens for every invoice in it.
func once(events []store.Event) []store.Event {
	list := slices.Clone(events)
	slices.SortStableFunc(list, func(x, y store.Event) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.ID, y.ID)) })
	return slices.CompactFunc(list, func(x, y store.Event) bool {
		return x.ID == y.ID || x.Kind == y.Kind && x.At.Equal(y.At) && x.Kind != "step_skipped"
	})
}

// begun returns when a letter was first given to a mail server.
func begun(events []store.Event, l *invoices.Letter) time.Time {
	for _, e := range events {
		if e.Letter == l.ID && e.Kind == "letter_started" {
			return e.At
		}
	}
	return l.At
}

// whyItem tells why a letter speaks of an invoice.
func (w *works) whyItem(acc *invoices.Account, l *invoices.Letter, it invoices.Item, events []store.Event) whyItem {
	inv, first := acc.Find(it.Invoice), begun(events, l)
	x := whyItem{Invoice: it.Invoice, Episode: it.Episode, Step: it.Step, Amount: it.Amount.String()}
	if p := w.cfg.Policies.For(acc, inv, w.now()); p != nil {
		x.Policy, x.When = p.Name, whenOf(p, it.Step)
	}
	if link := inv.Link(it.Gen); link != nil {
		x.Link = link.Ref
	}
	for _, o := range inv.Steps {
		if o.Letter == l.ID && o.Result == invoices.Skipped && o.Step != it.Step {
			x.Skipped = append(x.Skipped, o.Step+": "+o.Why)
		}
	}
	for _, yes := range inv.Approved {
		if yes.Episode == it.Episode && yes.Step == it.Step && yes.Amount == it.Amount && !yes.At.After(l.At) {
			x.Approvals = append(x.Approvals, whyYes{yes.At, yes.By})
		}
	}
	var books []store.Event
	for _, e := range events {
		if strings.HasPrefix(e.Kind, "invoice_") && !e.At.After(first) {
			books = []store.Event{e}
		}
	}
	if said := newTeller(inv, nil, w.cfg.Zone).tell(books); len(said) > 0 {
		x.Books = &said[0]
	}
	return x
}

// whenOf says in words when a policy sends a step, on the ladder or beside it;
// empty: it has none of that name.
func whenOf(p *invoices.Policy, step string) string {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Name == step || s.When.Anchor == invoices.OnExpiry && strings.HasPrefix(step, s.Name+"-") {
			return inWords(s.When)
		}
	}
	switch {
	case strings.HasPrefix(step, invoices.NewLinkTemplate+"-"):
		return "when its payment link was renewed"
	case p.FailedAttempt != nil && step == p.FailedAttempt.Name:
		return "when payments failed"
	case p.BrokenPromise != nil && strings.HasPrefix(step, p.BrokenPromise.Name+"-"):
		return "when a promise was not kept"
	}
	return ""
}

func inWords(when invoices.When) string {
	anchor := map[invoices.Anchor]string{
		invoices.AfterDue: "the due date", invoices.AfterIssue: "the issue date",
		invoices.AfterStep: "the step " + when.Step, invoices.OnExpiry: "the expiry of its payment link",
	}[when.Anchor]
	days, unit := max(when.Days, -when.Days), "day"
	if when.Working {
		unit = "working day"
	}
	if days != 1 {
		unit += "s"
	}
	switch {
	case when.Days < 0:
		return fmt.Sprintf("%d %s before %s", days, unit, anchor)
	case when.Days > 0:
		return fmt.Sprintf("%d %s after %s", days, unit, anchor)
	}
	return "on " + anchor
}

// whyPlans returns the approved plans that hold the letter as it was sent.
func (w *works) whyPlans(ctx context.Context, l *invoices.Letter, events []store.Event) ([]whyPlan, error) {
	var list []whyPlan
	first := begun(events, l)
	for _, job := range []string{"email-links", "send-reminders"} {
		plans, err := w.db.Approved(ctx, job, first)
		if err != nil {
			return nil, err
		}
		for _, p := range plans {
			if !p.At.After(first) && invoices.Covers(p)(l.Items) {
				list = append(list, whyPlan{p.ID, p.Job, p.At})
			}
		}
	}
	return list, nil
}

// configsOf returns the configurations under which events happened, in order.
func configsOf(events []store.Event, now string) []whyConfig {
	list := []whyConfig{}
	for _, e := range once(events) {
		if !slices.ContainsFunc(list, func(c whyConfig) bool { return c.Stamp == e.Config }) {
			list = append(list, whyConfig{e.Config, e.At, e.Config == now})
		}
	}
	return list
}

func (a *app) printLetter(x *letterStory, zone *time.Location) {
	a.say("The letter %s to %s of %s (%s)", printable(x.ID), printable(strings.Join(x.To, ", ")), printable(x.Name), printable(x.Account))
	a.say("  subject     %s", printable(x.Subject))
	a.say("  template    %s, language %s", printable(x.Template), printable(x.Language))
	if len(x.CC) > 0 {
		a.say("  copies to   %s", printable(strings.Join(x.CC, ", ")))
	}
	a.say("  Message-ID  <%s>", printable(x.MessageID))
	a.say("  state       %s since %s, try %d", printable(x.State), moment(x.At, zone), x.Try)
	a.say("\nWhy it was written")
	for i := range x.Items {
		a.printItem(&x.Items[i], zone)
	}
	a.say("\nWho approved of it")
	asked := false
	for _, it := range x.Items {
		for _, yes := range it.Approvals {
			asked = true
			a.say("  %s  %s said yes to the letter %s about %s, %s", moment(yes.At, zone), printable(yes.By), printable(it.Step), printable(it.Invoice), it.Amount)
		}
	}
	for _, p := range x.Plans {
		asked = true
		a.say("  it is one of the letters of the plan %s of %s, made %s, which a person approved", printable(p.ID), printable(p.Job), moment(p.Made, zone))
	}
	if !asked {
		a.say("  nobody: no approval of it is known")
	}
	a.say("\nUnder which configuration")
	for _, c := range x.Configs {
		which := "not the present one"
		if c.Now {
			which = "the present one"
		}
		a.say("  %s, from %s: %s", printable(c.Stamp), moment(c.Since, zone), which)
	}
	a.say("\nWhat happened to it (times in %s)", zone)
	a.timeline(x.Timeline, zone)
	for _, line := range x.Dialogue {
		a.say("    %s", printable(line))
	}
}

func (a *app) printItem(it *whyItem, zone *time.Location) {
	line := fmt.Sprintf("%s was at the step %s, with %s open", it.Invoice, it.Step, it.Amount)
	if it.When != "" {
		line += fmt.Sprintf("; the policy %s sends it %s", it.Policy, it.When)
	}
	if it.Episode > 1 {
		line += fmt.Sprintf("; it was owed for the %d. time", it.Episode)
	}
	a.say("  %s", printable(line))
	if it.Books != nil {
		a.say("    %s  %s", moment(it.Books.At, zone), printable(it.Books.Says))
	}
	if it.Link != "" {
		a.say("    it carried the payment link %s", printable(it.Link))
	}
	for _, s := range it.Skipped {
		a.say("    it stood in for the step %s", printable(s))
	}
}
