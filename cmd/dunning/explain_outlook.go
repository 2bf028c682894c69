package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

// blocker is one thing that stands in the way of a letter, and what to do.
type blocker struct {
	Code   string    `json:"code"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"` // it ends by itself then
	Person bool      `json:"person"`         // it ends when a person acts
	Do     string    `json:"do"`
}

// until says when a blocker ends by itself.
func (b *blocker) until(zone *time.Location) string {
	if b.Until.IsZero() {
		return ""
	}
	return ", until " + moment(b.Until, zone)
}

// outlook is the first moment at which a letter can leave.
type outlook struct {
	At     time.Time `json:"at,omitzero"`
	Step   string    `json:"step,omitempty"`
	Person bool      `json:"person"`
	Code   string    `json:"code,omitempty"`
	Why    string    `json:"why,omitempty"`
	Since  time.Time `json:"since,omitzero"` // from when on Why holds: what it comes to without a letter, or what a person is asked before it
	Says   string    `json:"says"`
}

// proposed returns the plans that wait for a person's approval, with what they
// hold.
func (w *works) proposed(ctx context.Context) ([]invoices.Plan, error) {
	plans, err := w.db.Proposed(ctx)
	if err != nil {
		return nil, err
	}
	for i, p := range plans {
		if plans[i], err = w.db.Plan(ctx, p.ID); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// outlook says when a letter about an invoice can first leave, and gathers
// everything that stands in its way now: what the policies say of it, and a run
// that waits for approval.
func (w *works) outlook(acc *invoices.Account, inv *invoices.Invoice, plans []invoices.Plan, now time.Time) ([]blocker, outlook) {
	o := w.cfg.Policies.Outlook(*acc, inv.Number, now)
	x := outlook{At: o.At, Step: o.Step, Person: o.Person, Code: string(o.End.Code), Why: o.End.Why, Since: o.Since}
	list := []blocker{}
	for _, d := range o.Blockers {
		switch d.Code {
		case invoices.CodePaid: // the outlook says so
			continue
		case invoices.CodeHold:
			list = append(list, w.holds(acc, inv, now)...)
			continue
		}
		b := blocker{Code: string(d.Code), Why: d.Why, Person: d.Person, Do: cure(&d, inv.Number, acc.ID)}
		if !d.Person {
			b.Until = d.At
		}
		list = append(list, b)
	}
	for _, p := range plans {
		waits := func(it invoices.Item) bool { return it.Invoice == inv.Number && it.Step == o.Step }
		if !slices.ContainsFunc(p.Items, waits) {
			continue
		}
		b := blocker{
			Code: string(invoices.CodeApproval), Person: true,
			Why: fmt.Sprintf("the letter %s is one of %d that %s would have sent at once on %s; none of them was sent", o.Step, p.Letters, p.Job, moment(p.At, w.cfg.Zone)),
			Do:  "look at: dunning plan; if they are right: dunning approve " + p.ID,
		}
		list, x = append(list, b), outlook{Person: true, Code: b.Code, Why: b.Why, Since: now}
	}
	x.Says = w.foresee(&x, list, acc.Zone, now)
	return list, x
}

// holds lists every word of a person that binds now: on the invoice, on the
// customer, and a promise.
func (w *works) holds(acc *invoices.Account, inv *invoices.Invoice, now time.Time) []blocker {
	var list []blocker
	add := func(h invoices.Hold, what, release string) {
		if !h.Active(now) {
			return
		}
		b := blocker{Code: string(invoices.CodeHold), Why: what + " is on hold: " + h.Reason, Until: h.Until, Person: h.Until.IsZero(), Do: "to go on before: " + release}
		if h.By != "" {
			b.Why += ", said " + h.By
		}
		if b.Person {
			b.Do = "when it is settled: " + release
		}
		list = append(list, b)
	}
	add(inv.Hold, "the invoice", "dunning release "+inv.Number+" --reason ...")
	add(acc.Hold, "everything of this customer", "dunning release --account "+acc.ID+" --reason ...")
	bare := *acc
	bare.Hold = invoices.Hold{}
	bare.Invoices = slices.Clone(acc.Invoices)
	free := bare.Find(inv.Number)
	free.Hold = invoices.Hold{}
	for _, d := range w.cfg.Policies.Blockers(&bare, free, now) {
		if d.Code == invoices.CodeHold {
			list = append(list, blocker{
				Code: string(d.Code), Why: d.Why, Until: d.At,
				Do: "wait for the money; if it will not come: dunning promise " + inv.Number + " --withdraw --reason ...",
			})
		}
	}
	return list
}

// cure says what to do about something that stands in the way.
func cure(d *invoices.Decision, number, account string) string {
	if d.Person {
		return remedy(d.Code, number, account)
	}
	switch d.Code {
	case invoices.CodeStatus:
		return "nothing, while the source says so"
	case invoices.CodeBeforeStart:
		return "if it is to be collected all the same, set sending.start_from to an earlier day in config.yaml"
	case invoices.CodeCurrency:
		return "if it is to be collected, name the currency in the policy's currencies in config.yaml"
	case invoices.CodeMinimum:
		return "nothing; the policy's min_amount in config.yaml says from which balance on letters are sent"
	}
	return "nothing; it ends by itself"
}

// foresee says an outlook in a sentence.
func (w *works) foresee(x *outlook, blockers []blocker, zone *time.Location, now time.Time) string {
	switch {
	case x.At.IsZero() && x.Person:
		var whys []string
		for _, b := range blockers {
			if b.Person {
				whys = append(whys, b.Why)
			}
		}
		if len(whys) == 0 {
			whys = []string{"from " + moment(x.Since, w.cfg.Zone) + " on, " + x.Why}
		}
		return "no letter until a person acts: " + strings.Join(whys, "; ")
	case x.At.IsZero() && x.Code == string(invoices.CodePaid):
		return "no letter: nothing is owed"
	case x.At.IsZero() && x.Since.After(now):
		return fmt.Sprintf("no letter in the next %d years: from %s on, %s", invoices.Horizon, moment(x.Since, w.cfg.Zone), x.Why)
	case x.At.IsZero():
		return fmt.Sprintf("no letter in the next %d years: %s", invoices.Horizon, x.Why)
	}
	says := "a letter may leave now, with the next run: " + x.Step
	if x.At.After(now) {
		says = fmt.Sprintf("no letter before %s (%s)", moment(x.At, w.cfg.Zone), w.cfg.Zone)
		if zone != nil && zone.String() != w.cfg.Zone.String() {
			says += fmt.Sprintf(", which is %s for the customer (%s)", moment(x.At, zone), zone)
		}
		says += "; it is the letter " + x.Step
		if x.Why != "" {
			says += "; sooner only if a person acts: from " + moment(x.Since, w.cfg.Zone) + " on, " + x.Why
		}
	}
	return says
}

// accountInShort is what explain tells of one customer.
type accountInShort struct {
	Account  string           `json:"account"`
	Name     string           `json:"name"`
	Email    string           `json:"email"`
	Hold     string           `json:"hold,omitempty"`
	Open     []string         `json:"open"` // a sum for each currency
	Invoices []invoiceInShort `json:"invoices"`
}

type invoiceInShort struct {
	Invoice  string    `json:"invoice"`
	Status   string    `json:"status"`
	Open     string    `json:"open"`
	DueOn    string    `json:"due_on"`
	Last     string    `json:"last_letter,omitempty"`
	LastAt   time.Time `json:"last_letter_at,omitzero"`
	Says     string    `json:"says"`
	Code     string    `json:"code"`
	Blockers []blocker `json:"blockers"`
	Outlook  outlook   `json:"outlook"`
}

// explainAccount tells of all that customers owe, a line for each invoice.
func (a *app) explainAccount(ctx context.Context, w *works, id string) error {
	now := w.now()
	list := []accountInShort{}
	plans, err := w.proposed(ctx)
	if err != nil {
		return err
	}
	err = w.db.Walk(ctx, store.Filter{Account: id}, now, func(acc invoices.Account) error {
		x, err := w.inShort(&acc, plans, now)
		list = append(list, x)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(list)
	}
	if len(list) == 0 {
		a.say("nothing is owed, and no payment link is left to look at")
	}
	for i := range list {
		a.printAccount(&list[i], w.cfg.Zone)
	}
	return nil
}

func (w *works) inShort(acc *invoices.Account, plans []invoices.Plan, now time.Time) (accountInShort, error) {
	x := accountInShort{Account: acc.ID, Name: acc.Name, Email: acc.Email, Open: []string{}, Invoices: []invoiceInShort{}}
	if acc.Hold.Active(now) {
		x.Hold = acc.Hold.Reason
	}
	var owed []invoices.Item
	for i := range acc.Invoices {
		inv := &acc.Invoices[i]
		if inv.Status == invoices.Open && inv.Open().Minor > 0 {
			owed = append(owed, invoices.Item{Amount: inv.Open()})
		}
		d, _ := w.cfg.Policies.Explain(acc, inv, now)
		blockers, ahead := w.outlook(acc, inv, plans, now)
		y := invoiceInShort{
			Invoice: inv.Number, Status: string(inv.Status), Open: inv.Open().String(), DueOn: inv.DueOn.String(),
			Says: d.Why, Code: string(d.Code), Blockers: blockers, Outlook: ahead,
		}
		for _, o := range inv.Steps {
			if o.Letter != "" && o.Result != invoices.Skipped {
				y.Last, y.LastAt = o.Step+" "+string(o.Result), o.At
			}
		}
		x.Invoices = append(x.Invoices, y)
	}
	sums, err := invoices.Totals(owed)
	for _, sum := range sums {
		x.Open = append(x.Open, sum.String())
	}
	return x, err
}

func (a *app) printAccount(x *accountInShort, zone *time.Location) {
	open := "nothing"
	if len(x.Open) > 0 {
		open = strings.Join(x.Open, " and ")
	}
	a.say("%s (%s), %s: %s open, %d invoices", printable(x.Name), printable(x.Account), printable(x.Email), open, len(x.Invoices))
	if x.Hold != "" {
		a.say("everything of this customer is on hold: %s", printable(x.Hold))
	}
	var rows [][]string
	for _, y := range x.Invoices {
		last := "-"
		if y.Last != "" {
			last = y.Last + ", " + moment(y.LastAt, zone)
		}
		rows = append(rows, []string{y.Invoice, y.Open, y.DueOn, y.Status, last, y.Says, y.Outlook.Says})
	}
	a.grid([]string{"invoice", "open", "due", "status", "last letter", "now", "letters"}, rows)
}
