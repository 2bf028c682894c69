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
	alone := ps.upkept(a.alone(number), now, until)
	var last, asks word
	ps.walk(alone, now, until, func(a *Account, d Decision, at time.Time) bool {
		step, ours := d.speaksOf(a, number)
		switch {
		case ours:
			o.At, o.Step, o.End, o.Since = at, step, asks.d, asks.since
			return false
		case d.Act != Idle:
			return true
		case d.Code != last.d.Code || d.Person != last.d.Person:
			last = word{d, at}
		}
		if d.Person && !asks.d.Person {
			asks = last
		}
		o.Person = d.Person || endless(a, a.Find(number), at)
		return true
	})
	if o.At.IsZero() {
		o.End, o.Since = last.d, last.since
		return o
	}
	o.Person = false
	return o
}

// A word is what Next says, from an instant on.
type word struct {
	d     Decision
	since time.Time
}

// walk tells yield what Next says of an account from an instant until another
// (exclusive), whenever it may say something else, as if all went well and
// nobody paid; yield returns false to end it. It differs from
// [Policies.Forecast] in two ways: links that are known not to have ended are
// looked at when they end, not every hour, so that it is quick; and the account
// is also looked at when its next step falls due while a person is waited for,
// since that step may be free of what they are asked.
func (ps *Policies) walk(a Account, now, until time.Time, yield func(a *Account, d Decision, at time.Time) bool) {
	ps = ps.patient()
	for {
		d := ps.Next(a, now)
		if !yield(&a, d, now) {
			return
		}
		if d.Act != Idle {
			a = ps.imagine(a, d, now)
			continue
		}
		if now = ps.wakes(&a, d.At, now); now.IsZero() || !now.Before(until) {
			return
		}
	}
}

// patient returns the policies with links that are looked at when they end.
func (ps *Policies) patient() *Policies {
	slow := func(p *Policy) *Policy {
		q := *p
		q.Link.Poll = Horizon * 366 * 24 * time.Hour
		return &q
	}
	calm := *ps
	if ps.only != nil {
		calm.only = slow(ps.only)
	}
	calm.ByName = make(map[string]*Policy, len(ps.ByName))
	for name, p := range ps.ByName {
		calm.ByName[name] = slow(p)
	}
	return &calm
}

// wakes returns when an account that idles until an instant, or for ever, is to
// be looked at: at the next step of any invoice at the latest.
func (ps *Policies) wakes(a *Account, idle, now time.Time) time.Time {
	for i := range a.Invoices {
		v := ps.view(a, &a.Invoices[i], now)
		if v.p == nil {
			continue
		}
		if l := v.climb(); l.soon != nil && (idle.IsZero() || l.next.Before(idle)) {
			idle = l.next
		}
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
// instant until another (exclusive), in order: as [Policies.Forecast] says, if
// the sources that are believed now are read in time from now on.
//
// Of a customer who owes more than [Crowd] invoices the others are left out, and
// alone is true: letters about them may delay those about this one.
func (ps *Policies) Ahead(a Account, number string, from, until time.Time) (told []Forecast, alone bool) {
	if alone = len(a.Invoices) > Crowd; alone {
		a = a.alone(number)
	}
	ps.walk(ps.upkept(a, from, until), from, until, func(a *Account, d Decision, at time.Time) bool {
		_, ours := d.items(a, number)
		if d.Act != Idle && d.Act != Check && (ours || d.Invoice == number && len(d.Items) == 0) {
			told = append(told, Forecast{At: at, Decision: d})
		}
		return true
	})
	return told, alone
}

// Crowd is how many invoices of one customer are looked ahead for together: the
// work grows with the square of their number.
const Crowd = 100

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
