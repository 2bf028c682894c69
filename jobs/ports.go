package jobs

import (
	"context"
	"time"

	"dunning/invoices"
)

// A Ledger keeps accounts. What a call returns nil for is on disk, once; an
// error of a write other than ErrStale and ErrLost means it may be.
type Ledger interface {
	// Claim leases up to q.Limit accounts that are due and returns them whole.
	// An empty result means that none is due.
	Claim(ctx context.Context, q invoices.Query) ([]invoices.Account, error)
	// Begin commits an intent if a is still the current version, else
	// ErrStale. It returns the account as it is then.
	Begin(ctx context.Context, a invoices.Account, in invoices.Intent) (invoices.Account, error)
	// End commits facts in any case and returns the account as it is then. It
	// returns ErrLost when a's lease is over; the facts are kept.
	End(ctx context.Context, a invoices.Account, facts ...invoices.Fact) (invoices.Account, error)
	// Release commits facts as End does, gives the lease back, and remembers
	// what Next said of the account with those facts, so that it is claimed when
	// it is due. When the account changed meanwhile it is due at once.
	Release(ctx context.Context, a invoices.Account, next invoices.Decision, now time.Time, facts ...invoices.Fact) error
	// Letter returns a stored letter with its exact bytes.
	Letter(ctx context.Context, id string) (invoices.Letter, error)
}

// Links is the payment provider. Its errors are *invoices.Fault; see
// [invoices.ErrNoLink].
type Links interface {
	// Create asks for a payment link. The answer has Remote, URL, State,
	// Amount and Expires.
	Create(ctx context.Context, order invoices.LinkOrder) (invoices.Link, error)
	// Look asks what became of a link, by its remote id.
	Look(ctx context.Context, remote string) (invoices.Link, error)
}

// Post carries letters. Its errors are *invoices.Fault; see
// [invoices.ErrServer] and [invoices.ErrNoMailbox].
type Post interface {
	// Compose builds the exact bytes of a letter, its Message-ID and its
	// digest from its Text and recipients, without any I/O.
	Compose(l invoices.Letter) (invoices.Letter, error)
	// Send carries a composed letter. It calls commit once, after the last
	// byte of the body and before the final dot; if commit fails, nothing was
	// sent and Send returns commit's error. It returns the server's reply.
	Send(ctx context.Context, l invoices.Letter, commit func(context.Context) error) (reply string, err error)
}

// Texts writes letters. An error means the letter must not be sent.
type Texts interface {
	Write(d invoices.Draft) (invoices.Text, error)
}

// Alarms keeps what people must hear of about the installation as a whole.
type Alarms interface {
	// Raise notes an alarm, unless one of its kind and key is open, and reports
	// whether it is new.
	Raise(ctx context.Context, a invoices.Alarm) (bool, error)
	// Quiet closes the alarms of a kind, or the one of a kind and key, and
	// returns how many.
	Quiet(ctx context.Context, kind invoices.AlarmKind, key, by, note string, now time.Time) (int, error)
}
