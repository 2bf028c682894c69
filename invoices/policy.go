package invoices

import (
	"path"
	"slices"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/interest"
	"dunning/internal/money"
	"dunning/internal/period"

	"dunning/internal/civil"
)

// A Policy is a ladder of steps and the manners that go with it. It never
// changes once compiled.
type Policy struct {
	Name  string
	Steps []Step // in the order in which they are climbed

	// Letters beside the ladder, each once for what gives rise to it; nil: none.
	FailedAttempt *Step // every payment tried by a mailed link failed
	BrokenPromise *Step // a promise to pay was not kept (R18)

	Link       LinkTerms
	Currencies []string         // those it collects
	MinAmount  map[string]int64 // open balances below this are left alone, in minor units by currency

	Zone         *time.Location                // of customers without one of their own
	Window       Window                        // when letters may leave
	Calendar     *calendar.Calendar            // days on which they may
	Calendars    map[string]*calendar.Calendar // the same, for customers in some countries (ISO 3166-1 alpha-2)
	Blackout     []Days                        // days that count as any other, but on which no letter leaves
	StartFrom    civil.Date                    // invoices due earlier are left alone (R6)
	MinGap       int                           // days between two letters to one customer (R15)
	MaxPerWeek   int                           // letters to one customer in any seven days; 0: no limit
	MaxLateness  int                           // days; a step later than this needs a person (R5)
	CatchUp      CatchUp                       // which of several steps goes out when all are late (R4)
	Grace        int                           // days after a promised date before the promise counts as broken (R18)
	Interest     *interest.Rule                // what may be asked for late payment; printed, never claimed; nil: nothing
	MaxItems     int                           // invoices in one letter; 0: a hundred
	PendingMax   int                           // working days a payment may be under way before a person is asked (R9)
	OnUncertain  OnUncertain
	MaxSourceAge map[string]time.Duration // how old the last good load of a source may be (R8)
	Key          Keys
}

// Fresh is how recent our knowledge of a link must be to send a letter (R3).
const Fresh = time.Minute

// A Step is one rung of the ladder, or a letter beside it.
type Step struct {
	Name         string // known by this for ever: renaming it is adding another (R6)
	When         When
	Template     string
	Single       bool           // its own letter for each invoice (group: invoice), else one per customer (R14)
	Life         *period.Period // of a link made for it; nil: the policy's
	RequiresSent []string       // steps that must really have been sent before (R4)
	From         string         // who writes, with or without a name; empty: the installation's
	ReplyTo      string         // where answers go; empty: the installation's
	CC           []string
	Attach       []string         // files that go with it; {number} stands for the invoice's
	Approval     bool             // a person says yes to each letter (R21)
	Above        map[string]int64 // or to those about more than this, in minor units by currency
	Since        time.Time        // when it was added to the policy; zero: at the beginning (R6)
}

// Days is a stretch of days, both ends included.
type Days struct{ From, To civil.Date }

// holds reports whether a day is among them.
func (d Days) holds(day civil.Date) bool { return !day.Before(d.From) && !day.After(d.To) }

// CatchUp says which step goes out when several are late at once (R4).
type CatchUp string

// What to catch up with.
const (
	CatchLatest CatchUp = "latest" // the latest; the earlier ones are skipped
	CatchNext   CatchUp = "next"   // the earliest; the others follow, paced
)

// When says on which day a step is due: so many days after an anchor.
type When struct {
	Anchor  Anchor
	Days    int    // negative: before
	Working bool   // count working days only
	Step    string // for AfterStep
}

// Anchor is what a step's day is counted from.
type Anchor int

// Anchors.
const (
	AfterDue   Anchor = iota // the due date
	AfterIssue               // the issue date
	AfterStep                // the day another step was sent, or else was due
	OnExpiry                 // the day on which the link that was mailed expires; a letter beside the ladder
)

// LinkTerms says how payment links are made and renewed.
type LinkTerms struct {
	Life        period.Period // expires_after: how long a new link works
	Lead        period.Period // how long before a step its link is made
	MinLife     period.Period // a link with less to live than this is not mailed (R11)
	OnExpiry    AtExpiry
	MaxRenewals int
	Poll        time.Duration // how often a link is looked at, at most, unless a payment is under way
	PollMax     time.Duration // how rarely, at most; not more than Poll: always as often
}

// AtExpiry says what to do when a link ends unpaid.
type AtExpiry string

// What to do when a link ends unpaid.
const (
	MailNew  AtExpiry = "mail"      // make a new one and mail it at once
	NextStep AtExpiry = "next_step" // make a new one when the next step needs it
	Leave    AtExpiry = "leave"     // make none; a step that needs it asks a person
)

// OnUncertain says what to do with a letter that may or may not have left.
type OnUncertain string

// What to do with a letter that may or may not have left (R2).
const (
	HoldLetter   OnUncertain = "hold"   // a person decides
	ResendLetter OnUncertain = "resend" // the same bytes and Message-ID once more
)

// A Window is the part of the day in which letters may leave, in minutes from
// midnight on the customer's clock: From <= t < To.
type Window struct{ From, To int }

// Keys tells links made with our API key from others (R26).
type Keys struct {
	Own       string   // fingerprint of the present key
	Former    []string // of earlier keys of the same project: their links are ours
	Abandoned []string // of keys whose links are given up
}

// Knows reports whether a link made with the key of a fingerprint can be asked
// for with the present one.
func (k Keys) Knows(fingerprint string) bool {
	if fingerprint == k.Own {
		return true
	}
	for _, f := range k.Former {
		if f == fingerprint {
			return true
		}
	}
	return false
}

// forgotten reports whether links of a key do not matter any more: they were
// given up, or made in the other mode, where no money moves between the two.
func (k Keys) forgotten(fingerprint string) bool {
	for _, f := range k.Abandoned {
		if f == fingerprint {
			return true
		}
	}
	return mode(fingerprint) != mode(k.Own)
}

// mode returns the part of a fingerprint before the colon: test or live.
func mode(fingerprint string) string {
	for i := range fingerprint {
		if fingerprint[i] == ':' {
			return fingerprint[:i]
		}
	}
	return ""
}

// Policies is every policy of an installation and the rules that choose one.
// It is immutable; a reload makes another.
type Policies struct {
	ByName  map[string]*Policy
	Rules   []Rule // the first that matches wins
	Default string
	Zone    *time.Location // for accounts whose policy is unknown

	only *Policy // holds for all, whatever they ask for
}

// A Rule gives a policy to the invoices it matches. All that it names must fit.
type Rule struct {
	Account  string           // glob on the account's id, as in path.Match; empty: any
	Country  string           // of the customer, ISO 3166-1 alpha-2; empty: any
	Currency string           // ISO 4217; empty: any
	Tag      string           // one of the invoice's; empty: any
	Above    map[string]int64 // totals of more than this, in minor units by currency; other currencies do not match; nil: any
	Age      int              // so many days past due, or more; 0: any
	Policy   string
}

// For returns the policy of an invoice: the one its source names for it, or for
// its customer, or the one of the first rule that matches. It is nil when a
// policy is named that is not configured.
func (ps *Policies) For(a *Account, inv *Invoice, now time.Time) *Policy {
	p, _ := ps.choose(a, inv, now)
	return p
}

// choose returns the policy of an invoice, and the day on which a rule that
// waits for its age would first match it; no day: none does.
func (ps *Policies) choose(a *Account, inv *Invoice, now time.Time) (*Policy, civil.Date) {
	switch {
	case ps.only != nil:
		return ps.only, civil.Date{}
	case inv.Policy != "":
		return ps.ByName[inv.Policy], civil.Date{}
	case a.Policy != "":
		return ps.ByName[a.Policy], civil.Date{}
	}
	var older civil.Date
	for _, r := range ps.Rules {
		if !r.matches(a, inv) {
			continue
		}
		if r.Age > 0 {
			if inv.DueOn.IsZero() {
				continue
			}
			if from := inv.DueOn.AddDays(r.Age); ps.today(a, now).Before(from) {
				if older.IsZero() || from.Before(older) {
					older = from
				}
				continue
			}
		}
		return ps.ByName[r.Policy], older
	}
	return ps.ByName[ps.Default], older
}

// matches reports whether all that a rule names fits, but for the age.
func (r *Rule) matches(a *Account, inv *Invoice) bool {
	if r.Account != "" {
		if ok, _ := path.Match(r.Account, a.ID); !ok {
			return false
		}
	}
	if r.Above != nil {
		if least, ok := r.Above[inv.Total.Currency]; !ok || inv.Total.Minor <= least {
			return false
		}
	}
	return (r.Country == "" || r.Country == a.Country) &&
		(r.Currency == "" || r.Currency == inv.Total.Currency) &&
		(r.Tag == "" || slices.Contains(inv.Tags, r.Tag))
}

// location returns the account's zone.
func (ps *Policies) location(a *Account) *time.Location {
	switch {
	case a.Zone != nil:
		return a.Zone
	case ps.Zone != nil:
		return ps.Zone
	}
	return time.UTC
}

// today returns the date in the account's zone.
func (ps *Policies) today(a *Account, now time.Time) civil.Date {
	return civil.Of(now.In(ps.location(a)))
}

// zone returns the time zone in which an account's days are counted (R16).
func (p *Policy) zone(a *Account) *time.Location {
	switch {
	case a.Zone != nil:
		return a.Zone
	case p.Zone != nil:
		return p.Zone
	}
	return time.UTC
}

// calendar returns the working days of an account.
func (p *Policy) calendar(a *Account) *calendar.Calendar {
	if c, ok := p.Calendars[a.Country]; ok {
		return c
	}
	return p.Calendar
}

// collects reports whether the policy collects a currency.
func (p *Policy) collects(m money.Amount) bool {
	for _, c := range p.Currencies {
		if c == m.Currency {
			return true
		}
	}
	return false
}
