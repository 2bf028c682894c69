package invoices

import "time"

// An Intent is something about to be done outside. It is committed first, and
// only if the account is still as it was when the decision was made.
type Intent interface{ intent() }

// A Fact is something that happened. It needs no permission to be recorded: it
// is matched with its intent, even if the lease is lost by then.
type Fact interface{ fact() }

type (
	// LinkWanted says we are about to ask for a link. Whatever link of the
	// invoice is still Wanted becomes Lost: its answer never came.
	LinkWanted struct {
		Invoice string
		Link    Link // State is Wanted
		At      time.Time
	}
	// LetterStarted says the final dot of a letter is about to be written.
	LetterStarted struct {
		Letter   Letter // State is Sending; Raw holds the exact bytes
		Skips    []Skip
		Patience time.Duration // how long the server may take to answer: the lease must outlast it
	}

	// LinkSeen says what is now known of a link: it was made, looked at, or
	// surely not made. It ends an invoice's rest from links.
	LinkSeen struct {
		Invoice string
		Link    Link
		At      time.Time
	}
	// LetterEnded says what became of a letter. Sent and Skipped end an
	// invoice's rest from letters.
	LetterEnded struct {
		ID     string
		Try    int
		Result Result
		At     time.Time
		Why    string // the server's reply, or our reason

		Dialogue string // what was said and answered, where that is known; see [Fault]
	}
	// Rested says an act failed and is not to be tried again for a while.
	Rested struct {
		Invoice string
		Rest    Rest
		At      time.Time
	}
	// AddressRefused says the receiving side does not know a mailbox.
	AddressRefused struct {
		Address string
		Why     string
		At      time.Time
	}
	// Incident says something happened that a person must hear of. One of a
	// kind per invoice and Key is kept.
	Incident struct {
		Invoice string
		Kind    IncidentKind
		Key     string // what makes it this one and no other, such as two link generations
		Detail  string
		At      time.Time
	}
)

// IncidentKind names what went wrong with money or links.
type IncidentKind string

// Kinds of incidents.
const (
	DoublePayment IncidentKind = "double_payment"  // two completed links for one invoice (R10)
	PaidAfterVoid IncidentKind = "paid_after_void" // a link was paid though nothing was owed any more (R10)
	PaidAmiss     IncidentKind = "paid_amiss"      // something looks paid, but id, amount or currency disagree
)

func (LinkWanted) intent()    {}
func (LetterStarted) intent() {}

func (LinkSeen) fact()       {}
func (LetterEnded) fact()    {}
func (Rested) fact()         {}
func (AddressRefused) fact() {}
func (Incident) fact()       {}
