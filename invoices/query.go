package invoices

import (
	"errors"
	"time"
)

// Errors of whoever keeps accounts.
var (
	// ErrStale: the account is no longer as it was decided upon. Nothing was
	// written; give the account back and decide again.
	ErrStale = errors.New("the account has changed")
	// ErrLost: the facts are on disk, but somebody else has the account now.
	ErrLost = errors.New("somebody else has the account")
)

// A Query says which accounts to claim.
type Query struct {
	Now   time.Time     // the business clock: accounts whose time has come
	Lease time.Duration // how long the claim is ours alone
	Limit int           // at most so many
	Acts  []Act         // accounts whose next act is one of these; Idle means "look"

	// Alone says that the caller has no other account, and will claim no more
	// until it has given this one back: only then one is claimed that was claimed
	// in vain before and may break whoever handles it.
	Alone bool

	Account string // only this one, due or not; empty: any
	Invoice string // only the account that owes this one, due or not; empty: any
}
