package invoices

import (
	"time"

	"dunning/internal/money"
	"dunning/internal/period"
)

// A Link is one payment link, wanted or made. A link cannot be cancelled: once
// made it stays payable until it completes, expires or is exhausted, so every
// link ever made is looked at until it is final.
type Link struct {
	Gen      int          // counts the links of one invoice, from 1
	Ref      string       // our name for it at the provider (merchant_order_id); unique
	Hook     string       // the random part of its webhook URL; unique, or empty
	Amount   money.Amount // what it asks for; never changes
	State    LinkState
	Reason   string // the provider's word on State, if any
	Remote   string // the provider's id; empty until made
	URL      string // where the customer pays; empty until made
	Key      string // fingerprint of the API key it was made with (R26)
	Attempts int    // payments tried, successful or not
	Expires  time.Time
	Since    time.Time // when State was first seen
	Seen     time.Time // when the provider last told us; zero: ask again
	Booked   int64     // Invoice.Paid when the link was first seen completed
}

// LinkState is the provider's word for a link, or ours while it has none. A
// word that is not listed here is kept and treated as not final.
type LinkState string

// Link states.
const (
	Wanted    LinkState = "wanted"   // about to be asked for; after a crash it may exist, unseen
	Unmade    LinkState = "unmade"   // asked for and surely not made; may be asked for again
	Lost      LinkState = "lost"     // asked for, answer lost or too late, given up; nobody was ever shown it
	Missing   LinkState = "missing"  // the provider does not know it any more: most likely another key
	Mismatch  LinkState = "mismatch" // the provider tells another id, amount or currency than was agreed
	New       LinkState = "new"
	Trying    LinkState = "processing"
	Rejected  LinkState = "all_unsuccessful"
	Completed LinkState = "completed"
	Expired   LinkState = "expired"
)

// MaxAttempts is the number of payments that may be tried on one link; after
// that it is dead although its state may not say so.
const MaxAttempts = 25

// afterlife is how long after its expiry an expired link is still looked at: a
// slow bank method may complete it late.
const afterlife = 72 * time.Hour

// Made reports whether the provider has made the link.
func (l *Link) Made() bool { return l.Remote != "" }

// payable reports whether somebody can still pay by this link, as far as the
// provider has told us.
func (l *Link) payable() bool {
	return l.Made() && l.Attempts < MaxAttempts && (l.State == New || l.State == Trying || l.State == Rejected)
}

// usedUp reports whether the link ended without a payment, by the provider's
// own word; our clock is never enough (R10).
func (l *Link) usedUp() bool {
	return l.Made() && (l.State == Expired || l.State == Rejected && l.Attempts >= MaxAttempts)
}

// final reports whether the link needs no more looking at.
func (l *Link) final() bool {
	switch {
	case !l.Made(), l.State == Lost, l.State == Completed:
		return true
	case l.usedUp():
		return !l.Expires.IsZero() && !l.Seen.Before(l.Expires.Add(afterlife))
	}
	return false
}

// Final is final for callers that select links to load; see [Account.Invoices].
func (l *Link) Final() bool { return l.final() }

// booked reports whether the invoice's own books have caught up with a
// completed link: as much was booked since it completed as it paid.
func (inv *Invoice) booked(l *Link) bool { return inv.Paid >= l.Booked+l.Amount.Minor }

// Link returns the link of a generation, or nil. The pointer is into inv.
func (inv *Invoice) Link(gen int) *Link {
	for i := range inv.Links {
		if inv.Links[i].Gen == gen {
			return &inv.Links[i]
		}
	}
	return nil
}

// Confirm merges what the provider says of a link, seen at an instant, into
// what we hold of it. What was agreed (generation, reference, amount, key,
// webhook) stays; an answer that contradicts it makes the link a Mismatch,
// which nobody is ever mailed.
func (l Link) Confirm(said Link, paid int64, at time.Time) Link {
	was := l.State
	if l.Remote == "" {
		l.Remote, l.URL = said.Remote, said.URL
	}
	l.State, l.Reason, l.Seen = said.State, said.Reason, at
	l.Attempts = max(l.Attempts, said.Attempts)
	if !said.Expires.IsZero() {
		l.Expires = said.Expires
	}
	if said.Remote != l.Remote || said.Amount != (money.Amount{}) && said.Amount != l.Amount {
		l.State, l.Reason = Mismatch, "the provider says "+said.Amount.String()+" for "+said.Remote
	}
	if was == Completed { // paid is paid
		l.State = Completed
	}
	if l.State != was {
		l.Since = at
		if l.State == Completed {
			l.Booked = paid
		}
	}
	return l
}

// A LinkOrder asks the provider for a payment link.
type LinkOrder struct {
	Ref         string // merchant_order_id
	Hook        string // the random part of the webhook URL; empty: no webhook
	Amount      money.Amount
	Description string
	Life        period.Period
	Customer    Customer // sent only as far as the configuration allows
}

// A Customer is what the provider may be told of the debtor.
type Customer struct{ ID, Name, Email, Language, Country string }
