package jobs

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"dunning/invoices"
)

// errClosed says that an act was not begun because the other side cannot be
// used at all; the account stays due.
var errClosed = errors.New("the other side cannot be used now")

// errUnapproved says that a letter was not begun because a person has to approve
// of so many first.
var errUnapproved = errors.New("the letter waits for approval")

// Limits of a run's patience with the other side as a whole.
const (
	maxUnknown = 3 // 404s in a row after which the key, not the links, is wrong
	maxDown    = 3 // failures in a row after which the provider is down
	maxBounced = 3 // letters refused at the dot in a row after which it is our letters
	maxNobody  = 5 // mailboxes that do not exist in a row after which it is our mail server
)

// A run is one pass of one job. It remembers only what concerns the other side
// as a whole: nothing of it matters after the run, or after a crash.
type run struct {
	w     *Worker
	order Order
	hard  context.Context // for acts: outlives a stop by the grace period

	budget budget

	mu      sync.Mutex
	taken   int   // accounts claimed, for Order.Limit
	halt    error // why the run must stop
	noPost  error // why no letter can be sent in this run
	noLinks error // why the provider cannot be asked in this run
	unknown int   // 404s in a row
	down    int   // provider failures in a row
	bounced int   // letters refused at the dot in a row
	nobody  int   // mailboxes that do not exist in a row
	letters int   // letters begun that nobody approved
	broken  error // a fault of ours

	alarms []invoices.Alarm            // what people must hear of
	well   map[invoices.AlarmKind]bool // what works again

	tally *tally
}

// take reserves up to n accounts of the order's limit.
func (r *run) take(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order.Limit > 0 {
		n = min(n, r.order.Limit-r.taken)
	}
	r.taken += n
	return n
}

func (r *run) give(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= n
}

// may returns the acts that this run may still begin.
func (r *run) may() []invoices.Act {
	r.mu.Lock()
	defer r.mu.Unlock()
	var acts []invoices.Act
	for _, a := range r.order.Job.May {
		if a.Sends() && (r.noPost != nil || r.full() && !r.budget.any) || !a.Sends() && r.noLinks != nil {
			continue
		}
		acts = append(acts, a)
	}
	return acts
}

// full reports whether the run may begin no letter that nobody approved.
func (r *run) full() bool { return r.letters >= r.budget.limit }

// allows reports whether this run may begin an act now. Noting a doubt is
// every job's duty.
func (r *run) allows(act invoices.Act) bool {
	if act == invoices.Doubt || act == invoices.Withdraw {
		return r.open()
	}
	return r.open() && slices.Contains(r.may(), act)
}

// open reports whether the run may go on.
func (r *run) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halt == nil
}

func (r *run) halted() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.halt, r.noPost, r.noLinks, r.broken)
}

// stop ends the run: nothing will work until a person acts, and no invoice is
// to blame (R19).
func (r *run) stop(kind invoices.AlarmKind, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut(kind, err)
	return errClosed
}

// cut ends the run; r.mu is held. Letters that are refused one after the other
// would be spent one run after the other, so they wait for a person.
func (r *run) cut(kind invoices.AlarmKind, err error) {
	if r.halt != nil {
		return
	}
	r.halt = err
	r.alarms = append(r.alarms, invoices.Alarm{
		Kind: kind, Detail: err.Error(), At: r.w.Now(),
		Stops: kind == invoices.AlarmRefused || kind == invoices.AlarmBounces,
	})
}

// fine notes that something works.
func (r *run) fine(kind invoices.AlarmKind) {
	if r.well == nil {
		r.well = map[invoices.AlarmKind]bool{}
	}
	r.well[kind] = true
}

// broke notes that handling an account panicked: a fault of ours.
func (r *run) broke(account string, v any, stack []byte) {
	r.mu.Lock()
	r.broken = fmt.Errorf("account %s: handling it broke off inside; this is a bug, please report it with the log", account)
	r.alarms = append(r.alarms, invoices.Alarm{Kind: invoices.AlarmPanic, Key: account, Detail: r.broken.Error(), At: r.w.Now()})
	r.mu.Unlock()
	if r.w.Broke != nil {
		r.w.Broke(account, v, stack)
	}
}

// alert raises the run's alarms, and closes those whose cause is over.
func (r *run) alert() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := r.ledgerTime()
	defer cancel()
	var errs []error
	for _, a := range r.alarms {
		delete(r.well, a.Kind)
		_, err := r.w.Alarms.Raise(ctx, a)
		errs = append(errs, err)
	}
	if r.budget.plan == nil && slices.ContainsFunc(r.order.Job.May, invoices.Act.Sends) {
		_, err := r.w.Alarms.Quiet(ctx, invoices.AlarmStorm, r.order.Job.Name, "", "the run was as usual", r.w.Now())
		errs = append(errs, err)
	}
	for kind := range r.well {
		_, err := r.w.Alarms.Quiet(ctx, kind, "", "", "it works again", r.w.Now())
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// answered notes how the provider answered, to tell a bad item from a bad
// provider: several 404s in a row mean the key, several failures in a row mean
// that it is down.
func (r *run) answered(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, invoices.ErrNoLink):
		r.down = 0
		if r.unknown++; r.unknown >= maxUnknown {
			r.cut(invoices.AlarmKey, fmt.Errorf("cost+ does not know %d links in a row: the API key probably belongs to another project; no link is replaced because of it: %w", r.unknown, err))
		}
	case errors.Is(err, invoices.ErrServer):
		if r.down++; r.down >= maxDown && r.noLinks == nil {
			r.noLinks = fmt.Errorf("cost+ cannot be reached, what needs it waits for the next run: %w", err)
		}
	default:
		r.unknown, r.down = 0, 0
		if err == nil {
			r.fine(invoices.AlarmKey)
		}
	}
}

// posted notes how the mail server answered a letter.
func (r *run) posted(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.bounced, r.nobody = 0, 0
		r.fine(invoices.AlarmMail)
	case errors.Is(err, invoices.ErrNoMailbox):
		if r.nobody++; r.nobody >= maxNobody {
			r.cut(invoices.AlarmBounces, fmt.Errorf("the mail server says of %d customers in a row that they do not exist: most likely it is set up wrongly, and not they are; all letters are stopped; give the addresses back with dunning release --account, then: dunning resume: %w", r.nobody, err))
		}
	case errors.Is(err, invoices.ErrServer):
		if r.noPost == nil {
			r.noPost = fmt.Errorf("the mail server cannot be used, all letters wait for the next run: %w", err)
		}
	}
}

// refused notes a letter refused at the final dot.
func (r *run) refused(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bounced++; r.bounced >= maxBounced {
		r.cut(invoices.AlarmRefused, fmt.Errorf("the mail server refused %d letters in a row after it had read them; all letters are stopped until somebody says: dunning resume: %w", r.bounced, err))
	}
}

// started counts a letter against the budget of the run. It reports false when
// there is none left for it.
func (r *run) started(items []invoices.Item) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.budget.covered(items) {
		return true
	}
	if r.full() {
		return false
	}
	r.letters++
	return true
}

// waits is how long an act that failed so many times in a row is left alone.
var waits = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour}

// maxTries is after how many failures in a row a letter is given up: about
// three days of 4xx answers (RFC 5321, 4.5.4.1 asks for four to five days of a
// mail server; a reminder that is older than its facts helps nobody).
const maxTries = 22

// resting says that an act failed and is not to be tried again before a while,
// longer with every failure, a little different for every invoice. A zero
// until is that while; the provider may have asked for more.
func (r *run) resting(a *invoices.Account, number string, act invoices.Act, cause error, until time.Time) invoices.Rested {
	tries := 1
	if inv := a.Find(number); inv != nil && inv.Rest.Act == act {
		tries = inv.Rest.Tries + 1
	}
	now := r.w.Now()
	if until.IsZero() {
		wait := waits[min(tries, len(waits))-1]
		h := fnv.New32a()
		fmt.Fprint(h, number, tries)
		wait += wait * time.Duration(h.Sum32()%21) / 100
		if f, ok := errors.AsType[*invoices.Fault](cause); ok {
			wait = max(wait, f.After)
		}
		until = now.Add(wait)
	}
	return invoices.Rested{Invoice: number, At: now, Rest: invoices.Rest{Act: act, Until: until, Tries: tries, Why: cause.Error()}}
}

// blocked says that an act failed for good until the invoice or the
// configuration changes.
func (r *run) blocked(a *invoices.Account, number string, act invoices.Act, cause error) invoices.Rested {
	f := r.resting(a, number, act, cause, r.w.Now())
	f.Rest.Until = time.Time{}
	return f
}
