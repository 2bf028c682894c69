package invoices

import (
	"path"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/money"
	"dunning/internal/period"

	"dunning/internal/civil"
)

// A Policy is a ladder of steps and the manners that go with it. It never
// changes once compiled.
type Policy struct {
	Name  string
	Steps []Step // in the order in which they are climbed

	Link       LinkTerms
	Currencies []string         // those it collects
	MinAmount  map[string]int64 // open balances below this are left alone, in minor units by currency

	Zone         *time.Location     // of customers without one of their own
	Window       Window             // when letters may leave
	Calendar     *calendar.Calendar // days on which they may
	StartFrom    civil.Date         // invoices due earlier are left alone (R6)
	MinGap       int                // days between two letters to one customer (R15)
	MaxPerWeek   int                // letters to one customer in any seven days; 0: no limit
	MaxLateness  int                // days; a step later than this needs a person (R5)
	PendingMax   int                // working days a payment may be under way before a person is asked (R9)
	OnUncertain  OnUncertain
	MaxSourceAge map[string]time.Duration // how old the last good load of a source may be (R8)
	Key          Keys
}

// Fresh is how recent our knowledge of a link must be to send a letter (R3).
const Fresh = time.Minute

// A Step is one rung of the ladder.
type Step struct {
	Name         string // known by this for ever: renaming it is adding another (R6)
	When         When
	Template     string
	Single       bool           // its own letter for each invoice (group: invoice), else one per customer (R14)
	Life         *period.Period // of a link made for it; nil: the policy's
	RequiresSent []string       // steps that must really have been sent before (R4)
	CC           []string
	Since        time.Time // when it was added to the policy; zero: at the beginning (R6)
}

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
)

// LinkTerms says how payment links are made and renewed.
type LinkTerms struct {
	Life        period.Period // expires_after: how long a new link works
	Lead        period.Period // how long before a step its link is made
	MinLife     period.Period // a link with less to live than this is not mailed (R11)
	OnExpiry    OnExpiry
	MaxRenewals int
	Poll        time.Duration // how often a link is looked at
}

// OnExpiry says what to do when a link ends unpaid.
type OnExpiry string

// What to do when a link ends unpaid.
const (
	MailNew  OnExpiry = "mail"      // make a new one and mail it at once
	NextStep OnExpiry = "next_step" // make a new one when the next step needs it
	Leave    OnExpiry = "leave"     // make none; a step that needs it asks a person
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
}

// A Rule gives a policy to the accounts it matches.
type Rule struct {
	Account string // glob on the account's id, as in path.Match; empty: any
	Country string // ISO 3166-1 alpha-2; empty: any
	Policy  string
}

// For returns the policy of an account, or nil when the account asks for one
// that is not configured.
func (ps *Policies) For(a *Account) *Policy {
	if a.Policy != "" {
		return ps.ByName[a.Policy]
	}
	for _, r := range ps.Rules {
		if ok, _ := path.Match(r.Account, a.ID); (ok || r.Account == "") && (r.Country == "" || r.Country == a.Country) {
			return ps.ByName[r.Policy]
		}
	}
	return ps.ByName[ps.Default]
}

// Next decides for an account by the policy that applies to it; see
// [Policy.Next].
func (ps *Policies) Next(a Account, now time.Time) Decision {
	if p := ps.For(&a); p != nil {
		return p.Next(a, now)
	}
	return Decision{Code: CodeNoPolicy, Person: true, Why: "the policy " + a.Policy + " is not in the configuration"}
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

// Step returns the step with a name, or nil.
func (p *Policy) Step(name string) *Step {
	for i := range p.Steps {
		if p.Steps[i].Name == name {
			return &p.Steps[i]
		}
	}
	return nil
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
