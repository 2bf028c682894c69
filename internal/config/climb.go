package config

import (
	"slices"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/civil"
	"dunning/internal/period"
	"dunning/invoices"
)

// Whether steps come in order, and whether each can come at all, depends on the
// invoice. So the ladder is climbed on paper, for an invoice with thirty days
// to pay that falls due on each day of a week, in a year without holidays.

// terms are the days to pay of the sample invoices.
const terms = 30

// Monday, 2026-06-01 is the first due date of the sample invoices.
var firstSample = civil.Date{Year: 2026, Month: time.June, Day: 1}

// A sample is a ladder climbed for one invoice.
type sample struct {
	issued, due civil.Date
	days        []civil.Date // of the steps; no date if it cannot be told
}

// samples climbs the ladder for the sample invoices.
func (l ladder) samples(p *invoices.Policy) []sample {
	cal := unholy(p.Calendar)
	var list []sample
	for i := range 7 {
		due := firstSample.AddDays(i)
		s := sample{issued: due.AddDays(-terms), due: due}
		for _, r := range l {
			s.days = append(s.days, s.day(r, l, cal))
		}
		list = append(list, s)
	}
	return list
}

// unholy returns a calendar with the same days of the week and no holidays.
func unholy(c *calendar.Calendar) *calendar.Calendar {
	var days []time.Weekday
	for i := range 7 {
		// Some week without a holiday shows the working days; three years on,
		// a day of the week that never worked never will.
		for week := range 156 {
			if d := firstSample.AddDays(7*week + i); c.Working(d) {
				days = append(days, d.Weekday())
				break
			}
		}
	}
	plain, err := calendar.New(calendar.Options{Workdays: days})
	if err != nil {
		return nil // Monday to Friday
	}
	return plain
}

func (s *sample) day(r rung, l ladder, cal *calendar.Calendar) civil.Date {
	var from civil.Date
	switch {
	case !r.timed:
		return civil.Date{}
	case r.When.Anchor == invoices.AfterDue:
		from = s.due
	case r.When.Anchor == invoices.AfterIssue:
		from = s.issued
	default:
		i := slices.IndexFunc(l, func(o rung) bool { return o.Name == r.When.Step })
		if i < 0 || i >= len(s.days) {
			return civil.Date{}
		}
		from = s.days[i]
	}
	if r.When.Working {
		return cal.AddWorkdays(from, r.When.Days)
	}
	return from.AddDays(r.When.Days)
}

// climb notes steps that are out of order, and steps that never come because
// the next one overtakes them (R24).
func (l ladder) climb(p *invoices.Policy) {
	samples := l.samples(p)
	for i := 1; i < len(l); i++ {
		for _, s := range samples {
			if s.days[i].IsZero() || s.days[i-1].IsZero() || s.days[i].After(s.days[i-1]) {
				continue
			}
			how := "before"
			if s.days[i] == s.days[i-1] {
				how = "on the same day as"
			}
			l[i].when.wrong("this step comes %s the one above: for an invoice of %v that is due on %v, %s would be on %v and %s on %v; put the steps in the order of their days",
				how, s.issued, s.due, l[i-1].label(i-1), s.days[i-1], l[i].label(i), s.days[i])
			return // the steps below would be out of order only because of this one
		}
	}
	l.overtake(p, samples)
}

// overtake notes a step that no customer ever gets: after the letter above it,
// the next may leave min_gap days later (R15), and by then the step below is
// due and takes its place (R4).
func (l ladder) overtake(p *invoices.Policy, samples []sample) {
	for i := 1; i+1 < len(l); i++ {
		if l[i].Single || slices.Contains(l[i+1].RequiresSent, l[i].Name) {
			continue
		}
		always := len(samples) > 0
		for _, s := range samples {
			before, after := s.days[i-1], s.days[i+1]
			always = always && !before.IsZero() && !after.IsZero() && !before.AddDays(p.MinGap).Before(after)
		}
		if always {
			l[i].when.wrong("this step is never sent: %s comes less than sending.min_gap (%d days) before it, and %s takes its place; move them apart, or lower min_gap",
				l[i-1].label(i-1), p.MinGap, l[i+1].label(i+1))
		}
	}
}

// outlive notes a link that dies before the ladder ends although no other is
// ever made (R24).
func (l ladder) outlive(p *invoices.Policy, at node) {
	if p.Link.OnExpiry != invoices.Leave || len(l) < 2 {
		return
	}
	s := l.samples(p)[0]
	first, last := s.days[0], s.days[len(l)-1]
	if first.IsZero() || last.IsZero() {
		return
	}
	life := p.Link.Life
	if l[0].Life != nil { // the link is made for the first step
		life, at = *l[0].Life, l[0].life
	}
	needed := time.Duration(last.DaysSince(first))*24*time.Hour + lasting(p.Link.Lead) + lasting(p.Link.MinLife)
	if lasting(life) < needed {
		at.wrong("a link works for %s, and the way from %s to %s takes %s of it (with 30 days to pay, lead and min_life): it dies before, and with on_expiry: leave no other is made; write %s or longer, or on_expiry: next_step",
			say(lasting(life)), l[0].label(0), l[len(l)-1].label(len(l)-1), say(needed), period.Period{Days: wholeDays(needed)})
	}
}
