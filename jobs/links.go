package jobs

import (
	"errors"
	"fmt"
	"time"

	"dunning/invoices"
)

// check asks what became of a link.
func (r *run) check(a invoices.Account, d invoices.Decision) (invoices.Account, []invoices.Fact, error) {
	inv := a.Find(d.Invoice)
	link := *inv.Link(d.Gen)
	said, err := r.w.Links.Look(r.hard, link.Remote)
	r.answered(err)
	now := r.w.Now()
	switch {
	case err == nil:
		link = link.Confirm(said, inv.Paid, now)
	case errors.Is(err, invoices.ErrNoLink): // never a reason to make another (R10)
		if link.State != invoices.Missing {
			link.State, link.Since = invoices.Missing, now
		}
		link.Reason, link.Seen = err.Error(), now
	default:
		return r.linkFailed(a, d, err)
	}
	return a, append(facts(invoices.LinkSeen{Invoice: inv.Number, Link: link, At: now}), inv.Incidents(link, now)...), nil
}

// linkFailed tells of a failed question to the provider, after what else was
// found out. What it is to blame for itself stops it for this run; else the
// invoice rests.
func (r *run) linkFailed(a invoices.Account, d invoices.Decision, err error, before ...invoices.Fact) (invoices.Account, []invoices.Fact, error) {
	switch invoices.KindOf(err) {
	case invoices.Halt:
		return a, before, r.stop(invoices.AlarmKey, err)
	case invoices.Never:
		return a, append(before, r.blocked(&a, d.Invoice, d.Act, err)), nil
	}
	return a, append(before, r.resting(&a, d.Invoice, d.Act, err, time.Time{})), nil
}

// makeLink asks for a link: the intent first, then the call, then the fact. If
// we die in between, the link stays "wanted" in its row; whether it exists
// nobody knows, nobody was shown it, and the next one has another name.
func (r *run) makeLink(a invoices.Account, d invoices.Decision) (invoices.Account, []invoices.Fact, error) {
	w := r.w
	inv := a.Find(d.Invoice)
	p := w.Policies.For(&a, inv, w.Now())
	link := invoices.Link{Gen: 1, Amount: inv.Open(), State: invoices.Wanted, Key: p.Key.Own, Since: w.Now()}
	if n := len(inv.Links); n > 0 {
		link.Gen = inv.Links[n-1].Gen
		if inv.Links[n-1].State != invoices.Unmade {
			link.Gen++
		}
	}
	link.Ref = fmt.Sprintf("%s-L%d", inv.Number, link.Gen)
	if w.Token != nil {
		link.Hook = w.Token()
	}
	a, err := r.begin(a, invoices.LinkWanted{Invoice: inv.Number, Link: link, At: w.Now()})
	if err != nil {
		return a, nil, err
	}
	said, err := w.Links.Create(r.hard, invoices.LinkOrder{
		Ref: link.Ref, Hook: link.Hook, Amount: link.Amount, Life: *d.Life,
		Description: describe(inv),
		Customer:    invoices.Customer{ID: a.ID, Name: a.Name, Email: a.Email, Language: a.Language, Country: a.Country},
	})
	r.answered(err)
	now := w.Now()
	if err == nil {
		link = link.Confirm(said, inv.Paid, now)
		return a, append(facts(invoices.LinkSeen{Invoice: inv.Number, Link: link, At: now}), inv.Incidents(link, now)...), nil
	}
	link.State, link.Reason, link.Since = invoices.Unmade, err.Error(), now
	if invoices.KindOf(err) == invoices.Ambiguous || errors.Is(err, invoices.ErrAstray) {
		link.State = invoices.Lost // a link may exist that nobody will ever see
	}
	return r.linkFailed(a, d, err, invoices.LinkSeen{Invoice: inv.Number, Link: link, At: now})
}

// describe says on the payment page what is paid.
func describe(inv *invoices.Invoice) string {
	if inv.Description == "" {
		return inv.Number
	}
	return inv.Number + ": " + inv.Description
}
