package config

import (
	"strconv"

	"dunning/internal/civil"
	"dunning/internal/interest"
)

// interest reads what letters say of late payment. Nothing of it is ever
// claimed.
func (n node) interest() *interest.Rule {
	if !n.there() {
		return nil
	}
	before := len(n.r.problems)
	m := n.settings("law", "rates", "rate", "compensation")
	o := interest.Options{Rates: m["rates"].rates(), Compensation: m["compensation"].amounts(nil)}
	if m["law"].there() {
		o.Law = m["law"].word("", interest.Laws()...)
	}
	if s := m["rate"].scalar(); s.ok {
		rate, err := interest.ParsePercent(s.text)
		if err != nil {
			s.reject(err, "8.15")
		}
		o.Rate = rate
		m["rate"].is(rate.String())
	}
	switch {
	case m["law"].there() && m["rate"].there():
		m["rate"].wrong("a law has its own rate; leave rate or law out")
	case m["law"].there() && m["compensation"].there():
		m["compensation"].wrong("a law has its own compensation; leave compensation or law out")
	case m["rate"].there() && m["rates"].there():
		m["rates"].wrong("reference rates belong to a law; leave them out, or write law in place of rate")
	case !m["law"].there() && !m["rate"].there() && len(n.r.problems) == before:
		n.wrong("say which law holds, like {law: eu}, or the rate a year, like {rate: 8}")
	}
	if len(n.r.problems) > before {
		return nil
	}
	rule, err := interest.New(o)
	if err != nil {
		n.wrong("%v", err)
		return nil
	}
	return rule
}

// rates reads reference rates by the first day of their half-year.
func (n node) rates() map[civil.Date]interest.Percent {
	var rates map[civil.Date]interest.Percent
	for _, e := range n.entries() {
		day, err := civil.Parse(e.name)
		if err != nil || day.Day != 1 || day.Month != 1 && day.Month != 7 {
			e.key.wrong("%q is no first day of a half-year; write it like 2027-01-01 or 2027-07-01", outline(e.name))
			continue
		}
		s := e.value.scalar()
		if !s.ok {
			continue
		}
		rate, err := interest.ParsePercent(s.text)
		if err != nil {
			s.reject(err, "2.15")
			continue
		}
		e.value.is(strconv.FormatInt(int64(rate), 10))
		if rates == nil {
			rates = map[civil.Date]interest.Percent{}
		}
		rates[day] = rate
	}
	return rates
}
