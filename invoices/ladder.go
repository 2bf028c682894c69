package invoices

import (
	"slices"
	"time"

	"dunning/internal/civil"
)

// A ladder is where one invoice stands at an instant.
type ladder struct {
	due   *Step     // the latest allowed step whose time has come; nil: none
	rung  int       // its index
	at    time.Time // when its time came
	skips []Skip    // earlier steps that it makes superfluous
	soon  *Step     // the next step whose time has not come; nil: none
	next  time.Time // when it comes
}

// climb finds where the invoice stands: all steps without an outcome whose
// time has come are taken together, the latest allowed one is due and the
// earlier ones are superseded by it (R4, R5). Selection is "time has come and
// no outcome", never equality with today.
func (v *view) climb() ladder {
	if v.climbed {
		return v.ladder
	}
	v.climbed = true
	steps := v.p.Steps
	days := make([]civil.Date, len(steps))
	top := -1 // the highest rung the customer has heard of
	for i := range steps {
		if steps[i].aside() {
			continue
		}
		days[i] = v.day(&steps[i], days)
		if o, ok := v.inv.outcome(steps[i].Name); ok && o.Result.went() {
			top = i
		}
	}
	l := ladder{rung: -1}
	for i := top + 1; i < len(steps); i++ {
		s, at := &steps[i], v.start(days[i])
		switch _, done := v.inv.outcome(s.Name); {
		case s.aside(), done:
		case at.After(v.now):
			if l.soon == nil || at.Before(l.next) {
				l.soon, l.next = s, at
			}
		case v.passedOver(s, at) != "":
		case v.allowed(s) && (l.due == nil || v.p.CatchUp != CatchNext):
			l.due, l.rung, l.at = s, i, at
		}
	}
	for i := 0; i < l.rung; i++ {
		if _, done := v.inv.outcome(steps[i].Name); !done && !steps[i].aside() {
			why := v.passedOver(&steps[i], v.start(days[i]))
			if why == "" {
				why = "superseded by " + l.due.Name
			}
			l.skips = append(l.skips, Skip{Invoice: v.inv.Number, Episode: v.inv.Episode, Step: steps[i].Name, Why: why})
		}
	}
	v.ladder = l
	return l
}

// passedOver returns why a step whose time has come is never sent, or nothing:
// its time came before the due date was moved into the future (R23), or before
// the step was added to the policy (R6).
func (v *view) passedOver(s *Step, at time.Time) string {
	switch {
	case !v.inv.Moved.IsZero() && at.Before(v.inv.Moved):
		return "due_date_moved"
	case at.Before(s.Since):
		return "added_late"
	}
	return ""
}

// aside reports whether the step stands beside the ladder: it comes when a link
// is about to expire, and neither overtakes other steps nor is overtaken.
func (s *Step) aside() bool { return s.When.Anchor == OnExpiry }

// allowed reports whether every step that s requires was really sent (R4).
func (v *view) allowed(s *Step) bool {
	return !slices.ContainsFunc(s.RequiresSent, func(name string) bool {
		o, ok := v.inv.outcome(name)
		return !ok || o.Result != Sent
	})
}

// day returns the civil date on which a step is due, in the customer's zone
// (R16): days are counted on the calendar, never as n × 24 h. A step after
// another counts from the day that one was sent, or else was due. Days holds
// those of the earlier steps.
func (v *view) day(s *Step, days []civil.Date) civil.Date {
	from := v.inv.DueOn
	switch s.When.Anchor {
	case AfterIssue:
		from = v.inv.IssuedOn
	case OnExpiry:
		if l := v.mailed(); l != nil {
			from = civil.Of(l.Expires.In(v.loc))
		}
	case AfterStep:
		if o, ok := v.inv.outcome(s.When.Step); ok && o.Result == Sent {
			from = civil.Of(o.At.In(v.loc))
		} else {
			i := slices.IndexFunc(v.p.Steps, func(t Step) bool { return t.Name == s.When.Step })
			from = days[i]
		}
	}
	if s.When.Working {
		return v.cal.AddWorkdays(from, s.When.Days)
	}
	return from.AddDays(s.When.Days)
}

// sending returns the first day on or after a date on which letters may leave.
func (v *view) sending(d civil.Date) civil.Date {
	for {
		d = v.cal.Next(d)
		i := slices.IndexFunc(v.p.Blackout, func(b Days) bool { return b.holds(d) })
		if i < 0 {
			return d
		}
		d = v.p.Blackout[i].To.AddDays(1)
	}
}

// start returns the first instant on or after a date at which letters may
// leave: a step's time has come from then on (R17).
func (v *view) start(d civil.Date) time.Time {
	d = v.sending(d)
	return d.At(v.p.Window.From/60, v.p.Window.From%60, v.loc)
}

// before returns the first instant of the last day, on a date or before it, on
// which letters may leave.
func (v *view) before(d civil.Date) time.Time {
	for v.sending(d) != d {
		d = d.AddDays(-1)
	}
	return v.start(d)
}

// opening returns the first instant, not before now and not before a date, at
// which letters may leave.
func (v *view) opening(from civil.Date) time.Time {
	if from.Before(v.today) {
		from = v.today
	}
	for {
		from = v.sending(from)
		to := from.AddDays(1).Start(v.loc)
		if w := v.p.Window; w.To > w.From && w.To < 24*60 {
			to = from.At(w.To/60, w.To%60, v.loc)
		}
		switch open := v.start(from); {
		case !open.Before(to): // the clock skips all of it
		case v.now.Before(open):
			return open
		case v.now.Before(to):
			return v.now
		}
		from = from.AddDays(1)
	}
}

// polite returns the first instant from now on at which a letter may leave:
// inside the window, and not too soon after the last letters to this customer
// (R15), nor after people spoke to them. The first letter of an invoice is never kept back by pacing, and
// paces only the later letters about its own invoice: otherwise a customer who
// buys every day could never be reminded.
func (v *view) polite(single bool) time.Time {
	from := v.today
	if single {
		return v.opening(from)
	}
	var days []civil.Date
	for _, l := range v.a.Letters {
		if l.State.went() && (!l.Single || slices.ContainsFunc(l.Items, func(it Item) bool { return it.Invoice == v.inv.Number })) {
			days = append(days, civil.Of(l.At.In(v.loc)))
		}
	}
	for _, at := range v.a.Contacts {
		days = append(days, civil.Of(at.In(v.loc)))
	}
	slices.SortFunc(days, func(x, y civil.Date) int { return y.Compare(x) })
	later := func(d civil.Date) {
		if d.After(from) {
			from = d
		}
	}
	if len(days) > 0 {
		later(days[0].AddDays(max(1, v.p.MinGap))) // never two on one day (R14)
	}
	if n := v.p.MaxPerWeek; n > 0 && len(days) >= n {
		later(days[n-1].AddDays(7))
	}
	return v.opening(from)
}
