package config

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"time"

	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/invoices"
)

// standard is the policy of customers that no rule gives another.
const standard = "standard"

// policies reads every ladder.
func (c *Config) policies(n node, common invoices.Policy) {
	c.Policies = &invoices.Policies{ByName: map[string]*invoices.Policy{}, Default: standard, Zone: c.Zone}
	n.need("standard: {currencies: [EUR], steps: [...]}")
	for _, e := range n.entries() {
		if !nameForm.MatchString(e.name) {
			e.key.wrong("this is no name for a policy; use small letters, digits, - and _, a letter first, at most 40 in all")
			continue
		}
		if !e.value.there() {
			e.value.wrong("this policy is empty; write its currencies and steps below it")
			continue
		}
		p := common
		p.Name = e.name
		c.policy(e.value, &p)
		c.Policies.ByName[e.name] = &p
	}
	if _, ok := c.Policies.ByName[standard]; n.there() && !ok {
		n.wrong("there is no policy %s, which holds for customers that no rule of policy_rules matches; give one of them this name", standard)
	}
}

func (c *Config) policy(n node, p *invoices.Policy) {
	m := n.settings("currencies", "min_amount", "pending_max", "promise_grace", "interest", "link", "steps", "on_failed_attempt", "broken_promise")
	m["currencies"].need("[EUR]")
	m["steps"].need("- {name: request, when: on issue date, template: request}")
	p.Currencies = m["currencies"].currencies()
	p.MinAmount = m["min_amount"].amounts(p.Currencies)
	p.PendingMax = m["pending_max"].workingDays(1, 60, 5)
	p.Interest = m["interest"].interest()
	p.Grace = m["promise_grace"].days(0, 60, 3)
	p.MaxItems = min(500, max(50, int(40*c.CostPlus.PerSecond)))
	life := m["link"].linkTerms(p, c.CostPlus.WebhookURL != "")
	ladder := c.steps(m["steps"], p)
	ladder.climb(p)
	ladder.outlive(p, life)
	p.FailedAttempt = c.besides(m["on_failed_attempt"], failedAttempt)
	p.BrokenPromise = c.besides(m["broken_promise"], brokenPromise)
}

func (n node) currencies() []string {
	var list []string
	for _, e := range n.list("[EUR]") {
		s := e.scalar()
		e.is(s.text)
		_, known := money.Exponent(s.text)
		switch {
		case !s.ok:
		case !known:
			s.refuse("is not a currency of ISO 4217; write it like EUR%s", didYouMean(s, currencies))
		case slices.Contains(list, s.text):
			s.refuse("is there twice; remove one of them")
		default:
			list = append(list, s.text)
		}
	}
	if n.empty() {
		n.wrong("without a currency no invoice is collected; write them like [EUR]")
	}
	return list
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// amounts reads amounts by currency, as minor units.
func (n node) amounts(among []string) map[string]int64 {
	minor := map[string]int64{}
	for _, e := range n.entries() {
		_, known := money.Exponent(e.name)
		switch {
		case digits.MatchString(e.name):
			e.key.wrong("an amount is cut in two here by its comma; write it with a point and in quotes, like {EUR: \"5.00\"}")
			continue
		case !known:
			e.key.wrong("%q is not a currency of ISO 4217; write it like {EUR: \"5.00\"}", outline(e.name))
			continue
		case len(among) > 0 && !slices.Contains(among, e.name):
			e.key.wrong("%s is not among the currencies of this policy; add it there, or remove it here", e.name)
			continue
		}
		s := e.value.scalar()
		if !s.ok {
			continue
		}
		a, err := money.Parse(s.text, e.name)
		switch {
		case err != nil:
			s.reject(err, `"5.00"`)
		case a.Minor < 0:
			s.refuse("is less than nothing; write the smallest amount that is worth a letter")
		default:
			minor[e.name] = a.Minor
			e.value.is(strconv.FormatInt(a.Minor, 10))
		}
	}
	return minor
}

// linkTerms reads how payment links are made and renewed. It returns where the
// life of a link is set, for mistakes about it. Where Cost+ is told whom to call,
// it need be asked less.
func (n node) linkTerms(p *invoices.Policy, called bool) node {
	const day = 24 * time.Hour
	often, rarely := 15*time.Minute, 12*time.Hour
	if called {
		often, rarely = time.Hour, day
	}
	m := n.settings("expires_after", "lead", "on_expiry", "max_renewals", "min_life", "poll", "poll_max")
	p.Link = invoices.LinkTerms{
		Life:        period.Period{Days: 30},
		Lead:        m["lead"].span(60*day, period.Period{Days: 1}),
		MinLife:     m["min_life"].span(60*day, period.Period{Days: 3}),
		OnExpiry:    invoices.AtExpiry(m["on_expiry"].word("mail", "mail", "next_step", "leave")),
		MaxRenewals: m["max_renewals"].integer(0, 100, 3),
		Poll:        m["poll"].duration(time.Minute, 7*day, often),
	}
	p.Link.PollMax = m["poll_max"].duration(time.Minute, 7*day, max(rarely, p.Link.Poll))
	if p.Link.PollMax < p.Link.Poll {
		m["poll_max"].wrong("poll_max is shorter than poll: a link would be asked about more often the longer nothing happens; write at least as long a time")
	}
	life := m["expires_after"]
	given, ok := life.life()
	if ok {
		p.Link.Life = given
	}
	life.is(p.Link.Life.String())
	if ok || !life.there() {
		if !ok && m["min_life"].there() {
			life.at, life.path = m["min_life"].at, m["min_life"].path
		}
		life.longEnough(p.Link, p.Link.Life)
	}
	return life
}

// longEnough notes a link that is dying when the letter it was made for leaves:
// it is made lead before, and is not mailed with less than min_life to go (R11).
// It could not be replaced either, being alive (R10).
func (n node) longEnough(t invoices.LinkTerms, life period.Period) {
	if lasting(life) <= lasting(t.Lead)+lasting(t.MinLife) {
		n.wrong("a link that works for %s is never mailed: it is made %s before its step (lead) and must have more than %s to go (min_life); write %s or longer, or lower min_life",
			say(lasting(life)), say(lasting(t.Lead)), say(lasting(t.MinLife)), period.Period{Days: wholeDays(lasting(t.Lead) + lasting(t.MinLife) + time.Hour)})
	}
}

// wholeDays returns the number of days that d fits into.
func wholeDays(d time.Duration) int {
	const day = 24 * time.Hour
	return int((d + day - 1) / day)
}

// rules reads which invoices have which policy.
func (c *Config) rules(n node) {
	const example = `- {when: {account: "ACME*"}, policy: gentle}`
	names := slices.Sorted(maps.Keys(c.Policies.ByName))
	for _, e := range n.list(example) {
		m := e.settings("when", "policy")
		m["when"].need(`{account: "ACME*"} or {country: BE}`)
		m["policy"].need("gentle")
		rule := m["when"].condition()
		rule.Policy = m["policy"].text()
		if s := m["policy"].scalar(); s.ok && !slices.Contains(names, s.text) {
			s.refuse("is not a policy%s", hintAmong(s, names))
		} else if p := c.Policies.ByName[rule.Policy]; p != nil && rule.Currency != "" && !slices.Contains(p.Currencies, rule.Currency) {
			m["policy"].wrong("the policy %s does not collect %s; add it to its currencies, or name another policy", rule.Policy, rule.Currency)
		}
		for _, r := range c.Policies.Rules {
			if covers(r, rule) {
				e.wrong("a rule above matches all that this one does, and the first that matches wins; move this one up, or remove it")
				break
			}
		}
		c.Policies.Rules = append(c.Policies.Rules, rule)
	}
}

// condition reads what a rule matches.
func (n node) condition() invoices.Rule {
	told := len(n.r.problems)
	w := n.settings("account", "country", "currency", "above", "age", "tag")
	rule := invoices.Rule{Account: w["account"].text(), Country: w["country"].country(), Tag: w["tag"].tag()}
	if s := w["currency"].scalar(); s.ok {
		if _, known := money.Exponent(s.text); known {
			rule.Currency = s.text
		} else {
			s.refuse("is not a currency of ISO 4217; write it like EUR%s", didYouMean(s, currencies))
		}
		w["currency"].is(s.text)
	}
	if w["above"].there() {
		rule.Above = w["above"].amounts(nil)
		if rule.Currency != "" && len(rule.Above) > 0 {
			if _, same := rule.Above[rule.Currency]; !same || len(rule.Above) > 1 {
				w["above"].wrong("this rule is about %s only; write an amount in %s, and no other", rule.Currency, rule.Currency)
			}
		}
	}
	rule.Age = w["age"].days(1, 3660, 0)
	if _, err := path.Match(rule.Account, ""); err != nil {
		w["account"].wrong("a [ is not closed in this pattern; * stands for anything, as in ACME*")
	}
	if n.there() && len(n.r.problems) == told && allBlank(w) {
		n.wrong(`this matches every customer; write {account: "ACME*"} or {country: BE}, or change the policy standard`)
	}
	return rule
}

func allBlank(m map[string]node) bool {
	for _, n := range m {
		if !n.blank() {
			return false
		}
	}
	return true
}

var tagForm = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// tag reads a word that finance marks invoices with.
func (n node) tag() string {
	n.shape.takes("type", "string", "pattern", tagForm.String())
	s := n.scalar()
	n.is(s.text)
	if s.ok && !tagForm.MatchString(s.text) {
		s.refuse("is no tag; one is a word of small letters, digits, - and _, as in the column tags of a source")
		return ""
	}
	return s.text
}

// covers reports whether a rule matches all that a later one does.
func covers(above, below invoices.Rule) bool {
	for currency, least := range above.Above {
		if more, ok := below.Above[currency]; !ok || more < least {
			return false
		}
	}
	for currency := range below.Above {
		if _, ok := above.Above[currency]; above.Above != nil && !ok {
			return false
		}
	}
	if above.Above != nil && below.Above == nil {
		return false
	}
	return (above.Account == "" || above.Account == "*" || above.Account == below.Account) &&
		(above.Country == "" || above.Country == below.Country) &&
		(above.Currency == "" || above.Currency == below.Currency) &&
		(above.Tag == "" || above.Tag == below.Tag) &&
		above.Age <= below.Age
}

// hintAmong is hint, unless it would tell what a reference stands for.
func hintAmong(s scalar, known []string) string {
	if s.text != s.written {
		return hint("", known)
	}
	return hint(s.text, known)
}

// country reads a country code of ISO 3166-1.
func (n node) country() string {
	s := n.scalar()
	n.is(s.text)
	if !s.ok || s.text == "" || slices.Contains(countries, s.text) {
		return s.text
	}
	if s.text == "UK" && s.text == s.written {
		s.refuse("is not a country code of ISO 3166; did you mean \"GB\"?")
		return ""
	}
	s.refuse("is not a country code of ISO 3166; write two capitals, like BE")
	return ""
}
