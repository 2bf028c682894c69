package invoices

import (
	"slices"
	"time"
)

// Apply returns what an account becomes by intents and facts, in order. It
// does not change its argument. Whoever stores accounts must agree with it;
// plan and simulate use it to look ahead. A letter keeps no Raw.
//
// A fact that does not match its intent changes nothing: a letter ended by a
// try that is not the last, or a letter that has ended already. The one
// exception is a late outcome of a letter in doubt, which settles the doubt.
func Apply(a Account, changes ...any) Account {
	a = a.clone()
	for _, c := range changes {
		switch c := c.(type) {
		case LinkWanted:
			a.Claims = 0
			a.linkWanted(c)
		case LetterStarted:
			a.Claims = 0
			a.letterStarted(c)
		case LinkSeen:
			a.linkSeen(c)
		case LetterEnded:
			a.letterEnded(c)
		case Rested:
			if inv := a.Find(c.Invoice); inv != nil {
				inv.Rest = c.Rest
			}
		case AddressRefused:
			a.Suppressed = c.Address
		case Incident: // kept beside the account
		default:
			panic("invoices: not an intent or a fact")
		}
	}
	return a
}

func (a *Account) linkWanted(c LinkWanted) {
	inv := a.Find(c.Invoice)
	for i := range inv.Links {
		if inv.Links[i].State == Wanted {
			inv.Links[i].State, inv.Links[i].Since = Lost, c.At
		}
	}
	if l := inv.Link(c.Link.Gen); l != nil {
		*l = c.Link
		return
	}
	inv.Links = append(inv.Links, c.Link)
}

func (a *Account) linkSeen(c LinkSeen) {
	inv := a.Find(c.Invoice)
	if inv == nil {
		return
	}
	if l := inv.Link(c.Link.Gen); l != nil {
		lost := l.State == Lost
		if *l = c.Link; lost { // made after all, but given up: another was made in its place
			l.State = Lost
		}
	}
	if k := inv.Rest.Act.kin(); k == Check || k == MakeLink {
		inv.Rest = Rest{}
	}
}

func (a *Account) letterStarted(c LetterStarted) {
	l := c.Letter
	l.Raw = nil
	a.Letters = slices.DeleteFunc(a.Letters, func(old Letter) bool { return old.ID == l.ID })
	a.Letters = append(a.Letters, l)
	for _, s := range c.Skips {
		if inv := a.Find(s.Invoice); inv != nil {
			inv.note(Outcome{Episode: s.Episode, Step: s.Step, Result: Skipped, Letter: l.ID, At: l.At, Why: s.Why})
		}
	}
	for _, it := range l.Items {
		if inv := a.Find(it.Invoice); inv != nil {
			inv.note(Outcome{Episode: it.Episode, Step: it.Step, Result: Sending, Letter: l.ID, Gen: it.Gen, At: l.At})
		}
	}
}

func (a *Account) letterEnded(c LetterEnded) {
	for i := range a.Letters {
		l := &a.Letters[i]
		if l.ID == c.ID && l.Ends(c) {
			l.State, l.At, l.Reply, l.Dialogue = c.Result, c.At, c.Why, c.Dialogue
			for _, it := range l.Items {
				a.stepEnded(it, *l, c.Why)
			}
		}
	}
}

// Ends reports whether a fact ends this letter: it is about the last try, and
// the letter is under way, or in doubt and the fact settles the doubt.
func (l *Letter) Ends(c LetterEnded) bool {
	if l.Try != c.Try {
		return false
	}
	switch l.State {
	case Sending:
		return true
	case Uncertain:
		return c.Result != Uncertain
	case Resend:
		return c.Result == Skipped || c.Result == Sent || c.Result == Uncertain
	}
	return false
}

func (a *Account) stepEnded(it Item, l Letter, why string) {
	inv := a.Find(it.Invoice)
	if inv == nil {
		return
	}
	i := inv.index(it.Episode, it.Step)
	if i < 0 {
		return
	}
	if l.State == Delayed { // surely not sent: the step is free again
		inv.Steps = slices.Delete(inv.Steps, i, i+1)
		return
	}
	inv.Steps[i].Result, inv.Steps[i].At, inv.Steps[i].Why = l.State, l.At, why
	if (l.State == Sent || l.State == Skipped) && inv.Rest.Act.kin() == Email {
		inv.Rest = Rest{}
	}
}

// note records the outcome of a step in place of the one it had.
func (inv *Invoice) note(o Outcome) {
	if i := inv.index(o.Episode, o.Step); i >= 0 {
		inv.Steps[i] = o
		return
	}
	inv.Steps = append(inv.Steps, o)
}

func (inv *Invoice) index(episode int, step string) int {
	return slices.IndexFunc(inv.Steps, func(o Outcome) bool { return o.Episode == episode && o.Step == step })
}

func (a Account) clone() Account {
	a.Invoices, a.Letters = slices.Clone(a.Invoices), slices.Clone(a.Letters)
	for i := range a.Invoices {
		a.Invoices[i].Links = slices.Clone(a.Invoices[i].Links)
		a.Invoices[i].Steps = slices.Clone(a.Invoices[i].Steps)
	}
	return a
}

// Incidents returns what a person must hear of when a link of an invoice is
// seen as it is now: an invoice paid twice, or paid when nothing was owed (R10).
func (inv *Invoice) Incidents(seen Link, at time.Time) []Fact {
	var facts []Fact
	raise := func(kind IncidentKind, key, detail string) {
		facts = append(facts, Incident{Invoice: inv.Number, Kind: kind, Key: key, Detail: detail, At: at})
	}
	if seen.State == Mismatch {
		raise(PaidAmiss, seen.Ref, "Cost+ answers for the link "+seen.Ref+": "+seen.Reason)
	}
	if seen.State != Completed {
		return facts
	}
	was := inv.Link(seen.Gen)
	if was != nil && was.State == Completed {
		return facts // told before
	}
	for i := range inv.Links {
		if l := &inv.Links[i]; l.Gen != seen.Gen && l.State == Completed {
			raise(DoublePayment, l.Ref+"+"+seen.Ref, "two links of this invoice were paid: "+l.Ref+" and "+seen.Ref+"; pay one back")
		}
	}
	if inv.Status == Void || inv.Status == Credited {
		raise(PaidAfterVoid, seen.Ref, "the link "+seen.Ref+" was paid although the invoice is "+string(inv.Status)+"; pay it back or book it")
	}
	return facts
}
