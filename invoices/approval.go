package invoices

import "time"

// Awaits returns what a person would approve of for a letter about an invoice
// that waits for nothing else, and whether there is such a letter (R21).
func (ps *Policies) Awaits(a *Account, inv *Invoice, now time.Time) (Approval, bool) {
	d, _ := ps.Explain(a, inv, now)
	if d.Code != CodeApproval {
		return Approval{}, false
	}
	w, _ := ps.view(a, inv, now).want()
	return Approval{Episode: inv.Episode, Step: w.name, Amount: inv.Open()}, true
}

// PromiseBroken reports whether a customer promised to pay an open invoice and
// did not, by the promised day and the days of grace (R18). It is so until a
// person says go on, the books show the money, or another promise is made.
func (ps *Policies) PromiseBroken(a *Account, inv *Invoice, now time.Time) bool {
	v := ps.view(a, inv, now)
	return v.p != nil && inv.collectible() && v.promiseBroken()
}

// PromiseEnds returns the instant from which a promise to pay by a day would
// count as broken.
func (ps *Policies) PromiseEnds(a *Account, inv *Invoice, now time.Time, p Promise) time.Time {
	v := ps.view(a, inv, now)
	if v.p == nil {
		return p.broken(0, ps.location(a))
	}
	return p.broken(v.p.Grace, v.loc)
}
