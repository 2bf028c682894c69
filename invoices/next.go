package invoices

import (
	"fmt"
	"slices"
	"time"

	"dunning/internal/money"
)

// Next decides what one account needs at an instant. It is the only place that
// knows the rules: plan, explain, the dashboard and the worker all ask it. It
// depends on its arguments alone and changes neither.
//
// Doing what it says and recording the result always changes the account so
// that Next says something else; repeating that ends at Idle.
func (ps *Policies) Next(a Account, now time.Time) Decision {
	if d, ok := halfSent(&a); ok {
		return d
	}
	wait := Decision{Code: CodeNothing, Why: "no invoice"}
	var ready []*view
	for i := range a.Invoices {
		v := ps.view(&a, &a.Invoices[i], now)
		switch d := v.decide(); {
		case d.Act.Sends():
			v.ready = d
			ready = append(ready, v)
		case d.Act == Idle:
			wait = sooner(wait, d)
		default:
			return d
		}
	}
	if d, ok := ps.again(&a, now); ok {
		if d.Act != Idle {
			return d
		}
		wait = sooner(wait, d)
	}
	if len(ready) > 0 {
		return letter(ready)
	}
	return wait
}

// Next decides as if an installation had only this policy; see [Policies.Next].
func (p *Policy) Next(a Account, now time.Time) Decision { return p.Alone().Next(a, now) }

// Alone returns the policies of an installation that has only this one, which
// holds whatever accounts and invoices ask for.
func (p *Policy) Alone() *Policies { return &Policies{only: p, Zone: p.Zone} }

// halfSent notes a letter whose dot may have been written by a worker that is
// gone: whoever holds a fresh lease and finds one cannot know (R2).
func halfSent(a *Account) (Decision, bool) {
	for _, l := range a.Letters {
		if l.State == Sending {
			return Decision{Act: Doubt, Letter: l.ID, Try: l.Try, Code: CodeUncertain, Why: "a worker stopped while sending it"}, true
		}
	}
	return Decision{}, false
}

// sooner returns the Idle decision that is to be looked at first; between two
// that wait for a person or for ever, the one that a person must hear of.
func sooner(a, b Decision) Decision {
	switch {
	case a.Code == CodeNothing:
		return b
	case b.At.IsZero() && a.At.IsZero():
		if a.Person || !b.Person {
			return a
		}
		return b
	case b.At.IsZero() || !a.At.IsZero() && !b.At.Before(a.At):
		return a
	}
	return b
}

// maxItems is the largest number of invoices one letter speaks of, where the
// policy names no other: each must be verified within [Fresh] of sending. The
// rest follows in the next letter.
const maxItems = 100

// letter puts the invoices that are ready into one letter: the first letter of
// an invoice stays its own, all others of a customer that may share one do, and
// its level is the highest due step (R14). Each is verified first (R3).
func letter(ready []*view) Decision {
	var chosen []*view
	if i := slices.IndexFunc(ready, func(v *view) bool { return v.ready.Single }); i >= 0 {
		chosen = ready[i : i+1]
	} else {
		slices.SortStableFunc(ready, func(x, y *view) int { return y.level() - x.level() })
		most, with := ready[0].p.MaxItems, ready[0].party()
		if most == 0 {
			most = maxItems
		}
		for _, v := range ready {
			if v.party() == with && len(chosen) < most {
				chosen = append(chosen, v)
			}
		}
	}
	for _, v := range chosen {
		if d, ok := v.unverified(); ok {
			return d
		}
	}
	d := chosen[0].ready
	d.CC = slices.Clone(d.CC)
	for _, v := range chosen[1:] {
		d.Items, d.Skips = append(d.Items, v.ready.Items...), append(d.Skips, v.ready.Skips...)
		d.CC = append(d.CC, v.ready.CC...)
		for _, file := range v.ready.Attach {
			if !slices.Contains(d.Attach, file) {
				d.Attach = append(d.Attach, file)
			}
		}
		if v.ready.Act == Remind {
			d.Act = Remind
		}
	}
	return d
}

// again decides on a letter that a person, or the configuration, wants sent
// once more: the same bytes, unless what they say is no longer true.
func (ps *Policies) again(a *Account, now time.Time) (Decision, bool) {
	for _, l := range a.Letters {
		if l.State == Resend {
			return ps.repeat(a, l, now), true
		}
	}
	return Decision{}, false
}

func (ps *Policies) repeat(a *Account, l Letter, now time.Time) Decision {
	withdraw := func(why string) Decision {
		return Decision{Act: Withdraw, Letter: l.ID, Try: l.Try, Code: CodeUncertain, Why: why}
	}
	// What the letter says is no longer true, but it may have arrived, and the
	// step is not done with: a person decides whether it is written anew.
	outdated := func(why string) Decision {
		d := withdraw("it cannot be sent again as it was: " + why)
		d.Person = true
		return d
	}
	var owed []*view
	settled := ""
	for _, it := range l.Items {
		switch inv := a.Find(it.Invoice); {
		case inv == nil || !inv.collectible():
			settled = it.Invoice + " is no longer owed"
		case ps.view(a, inv, now).unbooked() != nil:
			settled = it.Invoice + " was paid by link"
		default:
			owed = append(owed, ps.view(a, inv, now))
		}
	}
	switch {
	case len(owed) == 0:
		return withdraw(settled)
	case settled != "": // the others it speaks of keep their steps
		return outdated(settled)
	}
	for i, v := range owed {
		it, inv := l.Items[i], v.inv
		if v.p == nil {
			return v.unruled()
		}
		link := v.usable()
		switch {
		case inv.Episode != it.Episode || inv.Open() != it.Amount:
			return outdated("the amount or the due date of " + it.Invoice + " has changed")
		case link == nil || link.Gen != it.Gen:
			return outdated("the payment link it carries no longer works")
		}
		for _, line := range []func(*view) (Decision, bool){unseen, ineligible, held, unreachable, untold, pending, stopped, (*view).unverified} {
			if d, ok := line(v); ok {
				return v.rested(d)
			}
		}
		if at := v.opening(v.today); at.After(now) {
			return Decision{At: at, Code: CodePolite, Invoice: it.Invoice, Why: "to be sent again when letters may leave"}
		}
		if d := v.rested(Decision{Act: Again}); d.Act == Idle {
			return d
		}
	}
	return Decision{Act: Again, Letter: l.ID, Try: l.Try, Code: CodeUncertain, Why: "it is to be sent once more, the same bytes"}
}

// InDoubt returns what becomes of a letter whose final dot got no answer:
// Uncertain, or Resend once if the policy says so (R2).
func (ps *Policies) InDoubt(a *Account, items []Item, try int, now time.Time) Result {
	if inv := a.Find(items[0].Invoice); inv != nil && try < 2 {
		if p := ps.For(a, inv, now); p != nil && p.OnUncertain == ResendLetter {
			return Resend
		}
	}
	return Uncertain
}

// NewLinkTemplate is the template of the letter that tells a customer their
// new payment link; its step is named after the link's generation.
const NewLinkTemplate = "new_link"

// NewLinkStep names the step that mails a renewed link, once per generation.
func NewLinkStep(gen int) string { return fmt.Sprintf("%s-%d", NewLinkTemplate, gen) }

// Names of the steps beside the ladder: of a letter once for each link that is
// about to expire, once after payments failed, and once for each promise.
func expiringStep(name string, gen int) string { return fmt.Sprintf("%s-%d", name, gen) }
func failedStep(s *Step) string                { return s.Name }
func brokenStep(s *Step, p Promise) string     { return s.Name + "-" + p.On.String() }

// Totals returns the sum of the items' amounts per currency, in order of
// currency: amounts of two currencies are never added up (R13).
func Totals(items []Item) ([]money.Amount, error) {
	var sums []money.Amount
	for _, it := range items {
		i := slices.IndexFunc(sums, func(s money.Amount) bool { return s.Currency == it.Amount.Currency })
		if i < 0 {
			sums = append(sums, it.Amount)
			continue
		}
		sum, err := sums[i].Add(it.Amount)
		if err != nil {
			return nil, err
		}
		sums[i] = sum
	}
	slices.SortFunc(sums, func(x, y money.Amount) int {
		if x.Currency < y.Currency {
			return -1
		}
		return 1
	})
	return sums, nil
}
