package invoices

import (
	"slices"
	"time"
)

// An Outlook says when a letter about one invoice can first leave, if nobody
// pays and no person acts, or why none can.
type Outlook struct {
	At   time.Time // no letter about it leaves earlier; zero: none leaves within [Horizon]
	Step string    // the step, or letter beside the ladder, that would leave then

	Person bool      // no letter leaves before a person acts; At is zero
	End    Decision  // what Next says in the end, when At is zero; else what it first asks a person before At, if anything
	Since  time.Time // and from when on it says so

	Blockers []Decision // everything that stands in the way now, not only what Next says first
}

// Horizon is how many years an [Outlook] looks ahead.
const Horizon = 2

// Outlook returns the first instant on which a letter about an invoice can
// leave. It asks Next what it would do for the customer if they owed nothing
// else: letters about other invoices can only delay this one further (R14,
// R15), so the instant is a promise to whoever asks, "not before then", and the
// instant itself where nothing else is owed. Sources that are believed now are
// taken to be read in time from now on.
//
// It is pure, and does not change a. A number that the account does not owe has
// an empty outlook.
func (ps *Policies) Outlook(a Account, number string, now time.Time) Outlook {
	inv := a.Find(number)
	if inv == nil {
		return Outlook{End: Decision{Code: CodeNothing, Why: "no such invoice"}}
	}
	o := Outlook{Blockers: ps.standing(&a, inv, now)}
	until := now.AddDate(Horizon, 0, 0)
	a = ps.upkept(a.alone(number), now, until)
	var last, asks word
	for at := now; ; {
		d := ps.Next(a, at)
		if step, ours := d.speaksOf(&a, number); ours {
			o.At, o.Step, o.End, o.Since = at, step, asks.d, asks.since
			return o
		}
		if d.Act != Idle {
			a = ps.imagine(a, d, at)
			continue
		}
		if d.Code != last.d.Code || d.Person != last.d.Person {
			last = word{d, at}
		}
		if d.Person && !asks.d.Person {
			asks = last
		}
		wake := ps.wakes(&a, number, d.At, at)
		if wake.IsZero() || !wake.Before(until) {
			o.End, o.Since = last.d, last.since
			o.Person = d.Person || endless(&a, a.Find(number), at)
			return o
		}
		at = wake
	}
}

// A word is what Next says, from an instant on.
type word struct {
	d     Decision
	since time.Time
}

// wakes returns when an account that idles until an instant, or for ever, is to
// be looked at for one invoice: at its next step at the latest. That step may be
// free of what the present one waits for a person for.
func (ps *Policies) wakes(a *Account, number string, idle, now time.Time) time.Time {
	v := ps.view(a, a.Find(number), now)
	if v.p == nil {
		return idle
	}
	if l := v.climb(); l.soon != nil && (idle.IsZero() || l.next.Before(idle)) {
		return l.next
	}
	return idle
}

// endless reports whether a hold lasts until a person ends it.
func endless(a *Account, inv *Invoice, now time.Time) bool {
	return slices.ContainsFunc([]Hold{inv.Hold, a.Hold}, func(h Hold) bool { return h.Active(now) && h.Until.IsZero() })
}

// standing returns what stands in the way of a letter now: the blockers, and
// what Next says if that is a wait of another kind, such as for Cost+ after a
// refusal. A wait for the next step is none, and of an invoice on which nothing
// is owed only that matters, and a letter in doubt.
func (ps *Policies) standing(a *Account, inv *Invoice, now time.Time) []Decision {
	all := ps.Blockers(a, inv, now)
	if !inv.collectible() {
		all = slices.DeleteFunc(all, func(d Decision) bool {
			return !slices.Contains([]Code{CodePaid, CodePaidByLink, CodeStatus, CodeUncertain, CodeNoPolicy}, d.Code)
		})
	}
	d, _ := ps.Explain(a, inv, now)
	known := func(b Decision) bool { return b.Code == d.Code }
	if d.Act != Idle || slices.ContainsFunc(all, known) || d.Code == CodeWaiting || d.Code == CodeFinished {
		return all
	}
	return append(all, d)
}

// Ahead returns what would be done about one invoice of an account from an
// instant until another (exclusive), in order: what [Policies.Forecast] says of
// it, if the sources that are believed now are read in time from now on.
func (ps *Policies) Ahead(a Account, number string, from, until time.Time) []Forecast {
	told, _ := ps.Forecast(ps.upkept(a, from, until), from, until)
	return slices.DeleteFunc(told, func(f Forecast) bool {
		if f.Decision.Invoice == number && len(f.Decision.Items) == 0 {
			return false
		}
		_, ours := f.Decision.items(&a, number)
		return !ours
	})
}

// speaksOf reports whether a decision sends a letter about an invoice, and of
// which step.
func (d Decision) speaksOf(a *Account, number string) (step string, ok bool) {
	if !d.Act.Sends() {
		return "", false
	}
	return d.items(a, number)
}

// items reports whether the letter of a decision, new or sent again, is about
// an invoice, and which step of it.
func (d Decision) items(a *Account, number string) (step string, ok bool) {
	items := d.Items
	if i := slices.IndexFunc(a.Letters, func(l Letter) bool { return d.Letter != "" && l.ID == d.Letter }); i >= 0 {
		items = a.Letters[i].Items
	}
	i := slices.IndexFunc(items, func(it Item) bool { return it.Invoice == number })
	if i < 0 {
		return "", false
	}
	return items[i].Step, true
}

// alone returns the account as if it owed one invoice only. Whatever shares a
// letter with it that is to be sent once more stays: such a letter leaves as a
// whole.
func (a Account) alone(number string) Account {
	keep := map[string]bool{number: true}
	a.Letters = slices.DeleteFunc(slices.Clone(a.Letters), func(l Letter) bool {
		if l.State != Resend {
			return false
		}
		if !slices.ContainsFunc(l.Items, func(it Item) bool { return it.Invoice == number }) {
			return true
		}
		for _, it := range l.Items {
			keep[it.Invoice] = true
		}
		return false
	})
	a.Invoices = slices.DeleteFunc(slices.Clone(a.Invoices), func(inv Invoice) bool { return !keep[inv.Number] })
	return a
}

// upkept returns the account as if the sources that are believed at an instant
// were read in time until another.
func (ps *Policies) upkept(a Account, now, until time.Time) Account {
	a.Invoices = slices.Clone(a.Invoices)
	for i := range a.Invoices {
		v := ps.view(&a, &a.Invoices[i], now)
		if v.p == nil {
			continue
		}
		if _, stale := untold(v); !stale {
			a.Invoices[i].Known = until
		}
	}
	return a
}
