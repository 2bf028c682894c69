package invoices

import (
	"errors"
	"time"
)

// Kind says how the outside world failed, as far as a caller must care.
type Kind int

// Kinds of failure. The zero value is the careful one: an error that nobody
// classified may have had its effect and is never repeated.
const (
	Ambiguous Kind = iota // it may have happened
	Later                 // it did not happen and may work later
	Never                 // it did not happen and will not for this item
	Halt                  // nothing will work until a person acts: stop the run
)

func (k Kind) String() string {
	return [...]string{"ambiguous", "later", "never", "halt"}[k]
}

// What a fault is about, where the kind alone is not enough. Adapters wrap
// these; callers ask with errors.Is.
var (
	// ErrServer: the whole server is out of reach; no item is to blame.
	ErrServer = errors.New("the server cannot be used now")
	// ErrNoMailbox: the receiving side refused this recipient for good.
	ErrNoMailbox = errors.New("the recipient was refused")
	// ErrNoLink: the provider does not know the link (HTTP 404).
	ErrNoLink = errors.New("the provider does not know this link")
	// ErrAstray: a link was made, but not the one that was asked for. It is
	// never used, and nobody was shown it.
	ErrAstray = errors.New("the link made is not the one asked for")
)

// A Fault is an error from the outside world with its kind. Its text never
// holds a secret, an address or a payment URL (R25).
type Fault struct {
	Kind  Kind
	After time.Duration // the server asked to be left alone so long; zero: it did not say
	Err   error

	// Dialogue is what was said and answered, a line each, for people who look
	// into a letter in doubt. It may hold addresses and is never logged.
	Dialogue string
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// KindOf returns the kind of err, and Ambiguous for an error without one.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Kind
	}
	return Ambiguous
}
