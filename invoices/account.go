// Package invoices is the domain: what is owed, what has been done about it,
// and what to do next. It does no I/O, reads no clock and writes no log.
//
// An [Account] is one debtor with everything a decision about them depends on.
// [Policy.Next] looks at it and says what it needs now, and why. Whoever acts
// commits an [Intent] before each outside effect and a [Fact] after it; [Apply]
// says what either does to the account. There is no other state: a crash
// leaves an intent without an end, and Next reads that like anything else.
package invoices

import (
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// An Account is one debtor and everything a decision about them depends on.
// It is the unit that is leased and decided upon: letters are grouped and paced
// per customer, so two workers must never handle one customer at once.
type Account struct {
	ID         string
	Name       string
	Email      string         // where letters go; empty when nobody knows
	CC         []string       // further recipients of every letter
	Language   string         // BCP 47, such as "nl"; empty: the installation's
	Zone       *time.Location // nil: the policy's
	Country    string         // ISO 3166-1 alpha-2, or empty
	Policy     string         // the policy asked for by name; empty: by rule or by invoice
	Suppressed string         // an address the receiving side said does not exist (R19)
	Hold       Hold
	Stopped    string      // why no letter leaves at all, of anybody; empty: letters may leave
	Claims     int         // times in a row it was claimed and neither given back nor brought forward
	Invoices   []Invoice   // those that are owed, and those with a link not yet final
	Contacts   []time.Time // when people spoke to the customer themselves, as far as pacing needs to know (R15)
	Letters    []Letter    // unsettled ones, and those recent enough for pacing; without Raw

	Version int64  // changes whenever anything above does; the lock of every Intent
	Lease   string // names the present claim; whoever holds another name has lost it
}

// An Invoice is one debt. Its row is the truth; links, steps and letters are
// records of what was tried.
type Invoice struct {
	Number      string // as the customer knows it; unique
	Status      Status
	Total       money.Amount
	Paid        int64 // minor units of Total.Currency
	Credited    int64 // minor units of Total.Currency
	IssuedOn    civil.Date
	DueOn       civil.Date
	Description string
	Policy      string   // the policy asked for by name; empty: the account's, or by rule
	Tags        []string // words of finance's own, for rules

	Source   string    // the configured source that tells of it
	Known    time.Time // when that source was last read in full and found well
	Vanished bool      // the last full load did not mention it any more
	Doubt    string    // why the last load of that source is not believed; empty: it is (R8)

	Episode  int       // counts the times it became collectible, from 1
	Moved    time.Time // when its due date was moved into the future, if that began the episode (R23)
	Released time.Time // when a person last said: go on; what stood in the way before is forgiven
	Hold     Hold
	Promise  Promise    // the last one; the zero Promise is none
	Approved []Approval // of letters that need a person's approval
	Rest     Rest
	Links    []Link    // every link ever wanted, oldest first
	Steps    []Outcome // of every episode, oldest first
}

// Open returns what is still to be paid: total - paid - credited (R12).
func (inv Invoice) Open() money.Amount {
	return money.Amount{Minor: inv.Total.Minor - inv.Paid - inv.Credited, Currency: inv.Total.Currency}
}

// Status is what the source says of an invoice. Only Open invoices are
// collected; any word that is not listed here is kept and never collected (R20).
type Status string

// Statuses.
const (
	Open     Status = "open"
	Unissued Status = "draft"
	Paid     Status = "paid"
	Void     Status = "void"
	Credited Status = "credited"
	Disputed Status = "disputed"
)

// A Hold is a person's word that nothing is to be sent. The zero Hold is none.
type Hold struct {
	Reason string    // dispute, promise, vip, other …
	By     string    // who said so
	Until  time.Time // when it ends by itself; zero: when a person releases it
}

// Active reports whether the hold binds at an instant.
func (h Hold) Active(now time.Time) bool {
	return h.Reason != "" && (h.Until.IsZero() || now.Before(h.Until))
}

// A Promise is a customer's word to pay (R18).
type Promise struct {
	Amount int64      // minor units of the invoice's currency
	On     civil.Date // by the end of that day, on the customer's clock
	Open   int64      // the open balance when it was made
	At     time.Time  // when it was made
	By     string     // who took it down
	Kept   time.Time  // when the books first showed it; zero: not yet
}

// kept reports whether as much was paid or credited since as was promised.
func (inv *Invoice) kept() bool {
	return inv.Promise.Open-inv.Open().Minor >= inv.Promise.Amount
}

// broken returns the instant from which a promise counts as broken, in a zone.
func (p Promise) broken(grace int, zone *time.Location) time.Time {
	return p.On.AddDays(grace + 1).Start(zone)
}

// An Approval is a person's yes to one step of one invoice, for one amount
// (R21).
type Approval struct {
	Episode int
	Step    string
	Amount  money.Amount
	At      time.Time
	By      string
}

// A Rest is the worker's own patience: an act failed and is not to be tried
// again before Until. The zero Rest is none.
type Rest struct {
	Act   Act       // what failed; other acts go on
	Until time.Time // zero: until the invoice or the configuration changes
	Tries int       // failures in a row
	Why   string
}

// active reports whether the rest forbids an act at an instant.
func (r Rest) active(act Act, now time.Time) bool {
	return r.Tries > 0 && r.Act.kin() == act.kin() && (r.Until.IsZero() || now.Before(r.Until))
}

// An Outcome is what became of one step of one invoice in one episode. Its key
// (invoice, episode, step) is unique wherever it is stored.
type Outcome struct {
	Episode int
	Step    string
	Result  Result
	Letter  string // the letter's id, when there was one
	Gen     int    // the generation of the link the letter carried
	At      time.Time
	Why     string
}

// Result is what became of a letter or a step.
type Result string

// Results.
const (
	Sending   Result = "sending"   // the final dot may be under way
	Sent      Result = "sent"      // the receiving server took it
	Skipped   Result = "skipped"   // never to be sent, and why
	Failed    Result = "failed"    // the receiving side said no for good
	Uncertain Result = "uncertain" // it may have left; a person decides
	Resend    Result = "resend"    // a person decided: the same bytes once more
	Delayed   Result = "delayed"   // surely not sent; may be tried again
)

// Final reports whether a result is an end.
func (r Result) Final() bool { return r == Sent || r == Skipped || r == Failed }

// went reports whether the customer has, or may have, the letter.
func (r Result) went() bool {
	return r == Sent || r == Sending || r == Uncertain || r == Resend
}

// outcome returns what became of a step in the present episode.
func (inv *Invoice) outcome(step string) (Outcome, bool) {
	for _, o := range inv.Steps {
		if o.Episode == inv.Episode && o.Step == step {
			return o, true
		}
	}
	return Outcome{}, false
}

// Find returns the invoice with a number, or nil. The pointer is into a.
func (a *Account) Find(number string) *Invoice {
	for i := range a.Invoices {
		if a.Invoices[i].Number == number {
			return &a.Invoices[i]
		}
	}
	return nil
}
