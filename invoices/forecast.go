package invoices

import (
	"fmt"
	"slices"
	"time"
)

// A Forecast is something the worker would do, if nothing changed until then:
// nobody pays, every link is made, every letter arrives.
type Forecast struct {
	At       time.Time
	Decision Decision // never Idle
	Account  Account  // of a letter: as it would be then
}

// Forecast returns what would be done for an account from an instant until
// another (exclusive), in order, and what Next would say at the end. It asks
// Next and applies what it says to a copy; looks at links are left out. It does
// nothing outside.
func (ps *Policies) Forecast(a Account, from, until time.Time) ([]Forecast, Decision) {
	told, d, _ := ps.foresee(a, from, until, nil)
	return told, d
}

// A Payment is an invoice that will be paid, in a forecast.
type Payment struct {
	Invoice string
	At      time.Time
}

// Suppose is Forecast for the case that some invoices are paid in full, in
// order of time, and the others are not, and that a person approves of every
// letter that waits for it.
func (ps *Policies) Suppose(a Account, paid []Payment, from, until time.Time) []Forecast {
	var all []Forecast
	for _, p := range paid {
		if p.At.After(until) {
			break
		}
		if p.At.After(from) {
			var told []Forecast
			told, _, a = ps.foresee(a, from, p.At, ps.agree)
			all, from = append(all, told...), p.At
		}
		a = a.clone()
		if inv := a.Find(p.Invoice); inv != nil {
			inv.Paid = inv.Total.Minor - inv.Credited
		}
	}
	told, _, _ := ps.foresee(a, from, until, ps.agree)
	return append(all, told...)
}

// agree says yes to every letter that waits for it, and reports whether any
// does.
func (ps *Policies) agree(a *Account, now time.Time) bool {
	any := false
	for i := range a.Invoices {
		inv := &a.Invoices[i]
		if yes, waits := ps.Awaits(a, inv, now); waits {
			yes.At = now
			inv.Approved = append(slices.Clip(inv.Approved), yes)
			any = true
		}
	}
	return any
}

// foresee does what Forecast says, and returns the account as it would be then.
// Whenever nothing is to be done, a person may do something, if there is one.
func (ps *Policies) foresee(a Account, from, until time.Time, person func(*Account, time.Time) bool) ([]Forecast, Decision, Account) {
	var told []Forecast
	a = ps.upkept(a.clone(), from, until) // sources that are believed go on being read
	for now := from; ; {
		d := ps.Next(a, now)
		if d.Act == Idle {
			if person != nil && person(&a, now) {
				continue
			}
			if d.At.IsZero() || !d.At.Before(until) || len(told) > 1000 {
				return told, d, a
			}
			now = d.At
			continue
		}
		if d.Act != Check {
			f := Forecast{At: now, Decision: d}
			if d.Act.Sends() { // the others are many, and nobody asks for them
				f.Account = a
			}
			told = append(told, f)
		}
		a = ps.imagine(a, d, now)
	}
}

// Would returns the letters that a run which may do some acts would send for an
// account at an instant, if all went well, each given by its items.
func (ps *Policies) Would(a Account, now time.Time, may []Act) [][]Item {
	var letters [][]Item
	a = a.clone()
	for {
		d := ps.Next(a, now)
		if d.Act == Idle || d.Act != Doubt && d.Act != Withdraw && !slices.Contains(may, d.Act) {
			return letters
		}
		switch {
		case d.Act == Again:
			for _, l := range a.Letters {
				if l.ID == d.Letter {
					letters = append(letters, l.Items)
				}
			}
		case d.Act.Sends():
			letters = append(letters, d.Items)
		}
		a = ps.imagine(a, d, now)
	}
}

// imagine applies a decision to an account as if all went well and nobody
// paid.
func (ps *Policies) imagine(a Account, d Decision, now time.Time) Account {
	switch d.Act {
	case Check:
		l := *a.Find(d.Invoice).Link(d.Gen)
		if l.Seen = now; !l.Expires.IsZero() && !now.Before(l.Expires) && l.payable() {
			l.State, l.Since = Expired, now
		}
		return Apply(a, LinkSeen{Invoice: d.Invoice, Link: l, At: now})
	case MakeLink, RenewLink:
		inv := a.Find(d.Invoice)
		l := Link{Gen: 1, Amount: inv.Open(), State: Wanted, Key: ps.For(&a, inv, now).Key.Own, Since: now}
		if n := len(inv.Links); n > 0 {
			l.Gen = inv.Links[n-1].Gen + 1
		}
		made := l
		made.State, made.Seen, made.Expires = New, now, d.Life.AddTo(now)
		made.Remote = fmt.Sprintf("not made yet: %s, generation %d", d.Invoice, l.Gen)
		return Apply(a, LinkWanted{Invoice: d.Invoice, Link: l, At: now}, LinkSeen{Invoice: d.Invoice, Link: made, At: now})
	case Email, Remind: // the letters of one customer are told apart by their first step
		l := Letter{ID: d.Items[0].Invoice + " " + d.Items[0].Step, Try: 1, Items: d.Items, Single: d.Single, State: Sending, At: now}
		return Apply(a, LetterStarted{Letter: l, Skips: d.Skips}, LetterEnded{ID: l.ID, Try: 1, Result: Sent, At: now})
	case Again:
		return Apply(a, LetterEnded{ID: d.Letter, Try: d.Try, Result: Sent, At: now})
	case Withdraw:
		return Apply(a, LetterEnded{ID: d.Letter, Try: d.Try, Result: d.Withdrawn(), At: now})
	case Doubt:
		return Apply(a, LetterEnded{ID: d.Letter, Try: d.Try, Result: Uncertain, At: now})
	}
	panic("invoices: cannot imagine " + d.Act.String())
}
