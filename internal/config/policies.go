package config

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/invoices"
)

// sending reads what all policies share.
func (c *Config) sending(n node, ages map[string]time.Duration) invoices.Policy {
	m := n.object("window", "days", "holidays", "start_from", "min_gap", "max_per_week", "max_per_run", "max_lateness", "on_uncertain")
	c.Sending.MaxPerRun = m["max_per_run"].integer(1, 1_000_000, 0)
	p := invoices.Policy{
		Zone: c.Zone, Window: m["window"].window(invoices.Window{From: 8 * 60, To: 17 * 60}),
		Calendar: c.calendar(m["days"], m["holidays"]), StartFrom: m["start_from"].date(),
		MinGap: m["min_gap"].days(0, 14, 3), MaxPerWeek: m["max_per_week"].integer(1, 50, 2),
		MaxLateness:  m["max_lateness"].days(1, 3660, 14),
		OnUncertain:  invoices.OnUncertain(m["on_uncertain"].word("hold", "hold", "resend")),
		MaxSourceAge: map[string]time.Duration{},
		Key:          invoices.Keys{Former: c.CostPlus.FormerKeys, Abandoned: c.CostPlus.Abandoned},
	}
	for name, age := range ages {
		if age > 0 {
			p.MaxSourceAge[name] = age
		}
	}
	return p
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// calendar reads the days on which letters may leave.
func (c *Config) calendar(days, holidays node) *calendar.Calendar {
	var o calendar.Options
	for _, d := range days.list() {
		i := slices.Index(weekdays, d.text())
		if i < 0 {
			d.wrong("%q is no weekday; there are: mon, tue, wed, thu, fri, sat, sun%s", d.text(), meant(d.text(), weekdays))
			continue
		}
		o.Workdays = append(o.Workdays, time.Weekday(i))
	}
	m := holidays.object("calendar", "add", "remove")
	o.Country = m["calendar"].word("", append(calendar.Countries(), "none")...)
	if o.Country == "none" {
		o.Country = ""
	}
	dates := func(n node) (out []civil.Date) {
		for _, d := range n.list() {
			if date := d.date(); !date.IsZero() {
				out = append(out, date)
			}
		}
		return out
	}
	o.Add, o.Remove = dates(m["add"]), dates(m["remove"])
	cal, err := calendar.New(o)
	if err != nil {
		at := holidays
		if !at.there() {
			at = days
		}
		at.wrong("%v", err)
	}
	return cal
}

// policies reads every policy and the rules that choose one.
func (c *Config) policies(root, n, rules node, common invoices.Policy) {
	c.Policies = &invoices.Policies{ByName: map[string]*invoices.Policy{}, Default: "standard", Zone: c.Zone}
	for _, e := range n.entries() {
		if !nameForm.MatchString(e.key) {
			e.place.wrong("%q is no name; use letters, digits, - and _", e.key)
		}
		p := common
		p.Name = e.key
		c.policy(e.value, &p)
		c.Policies.ByName[e.key] = &p
	}
	names := sortedKeys(c.Policies.ByName)
	if n.there() && !slices.Contains(names, "standard") {
		n.wrong("there is no policy named standard; it applies where no rule matches")
	}
	for _, r := range rules.list() {
		m := r.object("when", "policy")
		r.require(m, "when", "policy")
		w := m["when"].object("account", "country")
		rule := invoices.Rule{Account: w["account"].text(), Country: w["country"].text(), Policy: m["policy"].text()}
		if rule.Account == "" && rule.Country == "" && m["when"].there() {
			m["when"].wrong(`nothing to match; write it like {account: "ACME*"} or {country: BE}`)
		}
		if _, err := path.Match(rule.Account, ""); err != nil {
			w["account"].wrong("%q is no pattern; * stands for anything", rule.Account)
		}
		if m["policy"].there() && !slices.Contains(names, rule.Policy) {
			m["policy"].wrong("there is no policy %q%s", rule.Policy, hint(rule.Policy, names))
		}
		c.Policies.Rules = append(c.Policies.Rules, rule)
	}
}

var (
	nameForm    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	currentForm = regexp.MustCompile(`^[A-Z]{3}$`)
)

func (c *Config) policy(n node, p *invoices.Policy) {
	m := n.object("currencies", "min_amount", "link", "steps", "pending_max")
	n.require(m, "currencies", "steps")
	for _, e := range m["currencies"].list() {
		code := e.text()
		if _, known := money.Exponent(code); !known {
			e.wrong("%q is no currency of ISO 4217; write it like EUR", code)
			continue
		}
		p.Currencies = append(p.Currencies, code)
	}
	p.MinAmount = map[string]int64{}
	for _, e := range m["min_amount"].entries() {
		if !currentForm.MatchString(e.key) || !slices.Contains(p.Currencies, e.key) {
			e.place.wrong("%q is not among the currencies of this policy", e.key)
			continue
		}
		a, err := money.Parse(e.value.text(), e.key)
		if err != nil {
			e.value.wrong("%v", err)
			continue
		}
		p.MinAmount[e.key] = a.Minor
	}
	p.PendingMax = m["pending_max"].workingDays(5)
	p.Link = link(m["link"])
	c.steps(m["steps"], p)
}

// link reads how payment links are made and renewed.
func link(n node) invoices.LinkTerms {
	m := n.object("expires_after", "lead", "on_expiry", "max_renewals", "min_life", "poll")
	t := invoices.LinkTerms{
		Life: period.Period{Days: 30}, Lead: m["lead"].period(period.Period{Days: 1}), MinLife: m["min_life"].period(period.Period{Days: 3}),
		OnExpiry:    invoices.OnExpiry(m["on_expiry"].word("mail", "mail", "next_step", "leave")),
		MaxRenewals: m["max_renewals"].integer(0, 100, 3),
		Poll:        m["poll"].duration(time.Minute, 7*24*time.Hour, time.Hour),
	}
	if life, ok := m["expires_after"].life(); ok {
		t.Life = life
	}
	if approximate(t.MinLife) >= approximate(t.Life) {
		at := m["expires_after"]
		if !at.there() {
			at = m["min_life"]
		}
		at.wrong("a link lives for %s and is mailed only with more than min_life to go: no letter could ever be sent", t.Life)
	}
	return t
}

// steps reads the ladder, and climbs it on paper: steps that could never come,
// or come out of order, are mistakes.
func (c *Config) steps(n node, p *invoices.Policy) {
	var all, earlier []string
	for _, e := range n.list() {
		if pairs := e.entries(); len(pairs) > 0 {
			for _, kv := range pairs {
				if kv.key == "name" {
					all = append(all, kv.value.text())
				}
			}
		}
	}
	if n.there() && len(n.list()) == 0 {
		n.wrong("there is no step; a ladder has at least one")
	}
	var last civil.Date
	due := make(map[string]civil.Date)
	for _, e := range n.list() {
		s, ok := c.step(e, p, earlier, all)
		if s.Name != "" {
			earlier = append(earlier, s.Name)
		}
		p.Steps = append(p.Steps, s)
		if !ok {
			continue
		}
		day, known := sampleDay(s.When, due, p)
		if !known { // it counts from a step that has a mistake of its own
			continue
		}
		due[s.Name] = day
		if !last.IsZero() && !day.After(last) {
			e.wrong("the step %s would not come after the one before it: for an invoice issued on 1 March and due on 31 March it falls on %s, the other on %s", s.Name, day, last)
		}
		last = day
	}
}

// sampleDay is the day of a step for an invoice with thirty days to pay.
func sampleDay(w invoices.When, due map[string]civil.Date, p *invoices.Policy) (day civil.Date, known bool) {
	from := civil.Date{Year: 2026, Month: time.March, Day: 31}
	switch w.Anchor {
	case invoices.AfterIssue:
		from = civil.Date{Year: 2026, Month: time.March, Day: 1}
	case invoices.AfterStep:
		if from, known = due[w.Step]; !known {
			return from, false
		}
	}
	if w.Working {
		return p.Calendar.AddWorkdays(from, w.Days), true
	}
	return from.AddDays(w.Days), true
}

func (c *Config) step(n node, p *invoices.Policy, earlier, all []string) (invoices.Step, bool) {
	m := n.object("name", "when", "template", "group", "link", "requires_sent", "cc")
	n.require(m, "name", "when", "template")
	s := invoices.Step{Name: m["name"].text(), Template: m["template"].text(), Single: m["group"].word("customer", "customer", "invoice") == "invoice"}
	if m["name"].there() && !nameForm.MatchString(s.Name) {
		m["name"].wrong("%q is no name; use letters, digits, - and _", s.Name)
	}
	if slices.Contains(earlier, s.Name) && s.Name != "" {
		m["name"].wrong("there are two steps %q; a step is known by its name", s.Name)
	}
	if strings.HasPrefix(s.Name, invoices.NewLinkTemplate) {
		m["name"].wrong("names that begin with %s are taken", invoices.NewLinkTemplate)
	}
	if m["template"].there() && !nameForm.MatchString(s.Template) {
		m["template"].wrong("%q is no template; write its name, such as friendly", s.Template)
	}
	ok := false
	if m["when"].there() {
		s.When, ok = m["when"].when(earlier, all)
	}
	if life, has := m["link"].object("expires_after")["expires_after"].life(); has {
		s.Life = &life
		if approximate(p.Link.MinLife) >= approximate(life) {
			m["link"].wrong("a link of %s is never mailed: it must have more than link.min_life to go", life)
		}
	}
	for _, r := range m["requires_sent"].list() {
		if r.earlierStep(r.text(), earlier, all) {
			s.RequiresSent = append(s.RequiresSent, r.text())
		}
	}
	for _, a := range m["cc"].list() {
		s.CC = append(s.CC, a.address(false))
	}
	return s, ok
}
