package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"dunning/invoices"
)

// A Worker handles accounts, each alone.
type Worker struct {
	Ledger   Ledger
	Links    Links
	Post     Post
	Texts    Texts
	Policies *invoices.Policies
	Now      func() time.Time                  // the business clock
	Token    func() string                     // makes the random part of a webhook URL; nil: links have none
	Salt     string                            // of this installation; letter ids are derived from it
	Language string                            // of accounts without one
	Bank     map[string][]string               // where to pay without a link, by currency; printed in letters
	Files    func(name string) ([]byte, error) // reads what steps attach; nil: nothing can be
	Test     bool                              // the installation is in test mode (R26)

	Lease     time.Duration // how long a claim is ours alone; 0: two minutes
	Patience  time.Duration // how long a letter under way keeps the claim; 0: a little over ten minutes, for the final dot (RFC 5321, 4.5.3.2.6)
	Grace     time.Duration // how long acts under way may go on after a stop was asked for; 0: 30 seconds
	Persist   time.Duration // how long a fact that could not be stored is tried again; 0: 20 seconds
	Hands     int           // accounts handled at a time; 0: one
	MaxPerRun int           // letters one run may send unless a person approves of more; 0: no limit

	Plans        Plans  // for the storm breaker (R7)
	Alarms       Alarms // what people must hear of
	ApproveAbove int    // letters in a run that never need approval; 0: fifty
	Careful      bool   // the first letters of all need approval, however few (R21)

	Seen  func(account string, fact invoices.Fact)         // called for every fact, from several goroutines; may be nil
	Broke func(account string, panicked any, stack []byte) // called when handling an account panicked; may be nil
}

// An Order says what a run is to do.
type Order struct {
	Job     Job
	Account string // only this account, due or not; empty: every account that is due
	Invoice string // only the account that owes this invoice, due or not
	Limit   int    // at most so many accounts; 0: no limit

	// Plan is what a person wants sent: no letter leaves that is not in it,
	// with the same amounts and the same text (R21). Nil: whatever is due.
	Plan *invoices.Plan
}

// claimSize is how many accounts are claimed at a time at least: enough to share
// the cost of the claim. Otherwise it is one for each hand, so that none waits
// for long until it is its turn.
const claimSize = 16

// Chase handles every account that is due, until none is left, the context
// ends, or the run must stop: the API key or the mail login was refused, the
// provider answers 404 for several links in a row, or the ledger failed. It
// returns the books of the run in any case. When ctx ends, no new act begins;
// those under way are finished, within Grace.
func (w *Worker) Chase(ctx context.Context, o Order) (Tally, error) {
	hard, cancel := w.grace(ctx)
	defer cancel()
	r := &run{w: w, order: o, tally: newTally(), hard: hard}
	var err error
	if r.budget, err = r.plan(ctx); err != nil {
		return r.books(), fmt.Errorf("look ahead: %w", err)
	}
	err = r.chase(ctx)
	return r.books(), errors.Join(err, r.halted(), r.alert())
}

// grace returns a context that outlives ctx by the grace period: acts that
// have begun are finished, not cut.
func (w *Worker) grace(ctx context.Context) (context.Context, context.CancelFunc) {
	after := w.Grace
	if after == 0 {
		after = 30 * time.Second
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(after, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	return hard, func() { stop(); cancel() }
}

// chase has one claim accounts and many hands handle them. As many as there are
// hands wait for one, so that none is idle while the next are claimed.
func (r *run) chase(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := &floor{work: make(chan invoices.Account, r.w.Hands), ended: make(chan struct{}, 1)}
	var hands sync.WaitGroup
	for range max(1, r.w.Hands) {
		hands.Go(func() {
			for a := range f.work {
				if f.failed.Load() == nil { // else it falls due again when the lease is over
					if err := r.guarded(ctx, a); err != nil {
						err = fmt.Errorf("account %s: %w", a.ID, err)
						f.failed.CompareAndSwap(nil, &err)
						stop(err)
					}
				}
				f.busy.Add(-1)
				select {
				case f.ended <- struct{}{}:
				default:
				}
			}
		})
	}
	err := r.claim(ctx, f)
	close(f.work)
	hands.Wait()
	if failed := f.failed.Load(); failed != nil {
		err = errors.Join(*failed, err)
	}
	return err
}

// A floor is where accounts go from who claims them to who handles them.
type floor struct {
	work   chan invoices.Account
	busy   atomic.Int64          // accounts claimed and not yet given back
	ended  chan struct{}         // says that one was, since somebody asked
	failed atomic.Pointer[error] // why the run cannot go on
}

// claim claims accounts and hands them out until there are none: none is due,
// and none is under way that may be due again when it is given back. What was
// claimed is always handed out, so that it is given back also when the run must
// stop.
func (r *run) claim(ctx context.Context, f *floor) error {
	size := max(claimSize, r.w.Hands)
	for ctx.Err() == nil && r.open() {
		busy := f.busy.Load()
		var accounts []invoices.Account
		if n := r.take(size); n > 0 {
			q := r.query(n)
			q.Alone = busy == 0
			var err error
			if accounts, err = r.w.Ledger.Claim(ctx, q); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("claim: %w", err)
			}
			r.give(n - len(accounts))
		}
		f.busy.Add(int64(len(accounts)))
		for _, a := range accounts {
			f.work <- a
		}
		if r.order.Account != "" || r.order.Invoice != "" || len(accounts) == 0 && busy == 0 {
			return nil
		}
		switch {
		case len(accounts) == 0:
			f.wait(ctx)
		case busy == 0 && len(accounts) == 1: // it may be one to be handled alone
			for f.busy.Load() > 0 && ctx.Err() == nil {
				f.wait(ctx)
			}
		}
	}
	return nil
}

// wait returns when an account was given back.
func (f *floor) wait(ctx context.Context) {
	select {
	case <-f.ended:
	case <-ctx.Done():
	}
}

func (r *run) query(n int) invoices.Query {
	lease := r.w.Lease
	if lease == 0 {
		lease = 2 * time.Minute
	}
	return invoices.Query{
		Now: r.w.Now(), Lease: lease, Limit: n, Acts: append(r.may(), invoices.Idle),
		Account: r.order.Account, Invoice: r.order.Invoice,
	}
}

// guarded settles an account so that a fault of ours breaks nobody else's turn:
// the account is not given back, and one that breaks every claim is left alone
// after [invoices.MaxClaims] of them (R19).
func (r *run) guarded(ctx context.Context, a invoices.Account) (err error) {
	var owed []invoices.Owed
	defer func() {
		if v := recover(); v != nil {
			r.broke(a.ID, v, debug.Stack())
			for range owed {
				r.tally.stands(invoices.ClassBlocked, invoices.CodeBroken)
			}
			err = nil
		}
	}()
	owed = r.owed(&a)
	return r.settle(ctx, a, owed)
}

// settle does what the policy says, one act at a time, until it says wait or
// says what this run may not do, and gives the account back. What the last act
// found out is written down together with that.
func (r *run) settle(ctx context.Context, a invoices.Account, owed []invoices.Owed) error {
	w := r.w
	acts := 8
	for i := range a.Invoices {
		acts += 6 + 3*len(a.Invoices[i].Links)
	}
	var facts []invoices.Fact // found out, and not yet written down
	for range 2 * acts {
		now := w.Now()
		d := w.Policies.Next(learned(a, facts), now)
		if d.Act == invoices.Idle && !d.At.IsZero() && !d.At.After(now) {
			d.At = now.Add(time.Minute) // never: but a slip of Next must not make us ask without end
		}
		if ctx.Err() != nil || d.Act == invoices.Idle || !r.allows(d.Act) {
			return r.release(a, d, owed, facts...)
		}
		var err error
		if len(facts) > 0 { // and decide on what is true then
			a, err = r.end(a, facts...)
			facts = nil
		} else {
			a, facts, err = r.act(a, d)
		}
		switch {
		case errors.Is(err, errClosed): // nothing was done and nobody is to blame
			return r.release(a, d, owed, facts...)
		case errors.Is(err, errUnapproved):
			return r.unapproved(a, owed)
		case errors.Is(err, invoices.ErrStale): // decide anew, on what is true now
			r.tally.due(-len(owed))
			return r.release(a, invoices.Decision{At: w.Now(), Why: "changed meanwhile"}, nil)
		case errors.Is(err, invoices.ErrLost): // what happened is recorded; the rest is another's
			r.tally.due(-len(owed))
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", d.Act, err)
		}
	}
	// Knowledge grew old faster than it could be gathered, as when every look
	// at a link takes half a minute. Try again when the world is quicker.
	then := learned(a, facts)
	d := w.Policies.Next(then, w.Now())
	facts = append(facts, r.resting(&then, d.Invoice, d.Act, errors.New("could not be verified in time"), time.Time{}))
	return r.release(a, invoices.Decision{At: w.Now().Add(time.Minute)}, owed, facts...)
}

// learned returns an account as it is with facts that are not yet written down.
func learned(a invoices.Account, facts []invoices.Fact) invoices.Account {
	for _, f := range facts {
		a = invoices.Apply(a, f)
	}
	return a
}

// act does what was decided, and returns the account as it is in the ledger and
// what was found out, which is not written down yet.
func (r *run) act(a invoices.Account, d invoices.Decision) (invoices.Account, []invoices.Fact, error) {
	switch d.Act {
	case invoices.Check:
		return r.check(a, d)
	case invoices.MakeLink, invoices.RenewLink:
		return r.makeLink(a, d)
	case invoices.Email, invoices.Remind:
		return r.send(a, d)
	case invoices.Again:
		return r.sendAgain(a, d)
	case invoices.Withdraw:
		return a, facts(invoices.LetterEnded{ID: d.Letter, Try: d.Try, Result: d.Withdrawn(), At: r.w.Now(), Why: d.Why}), nil
	case invoices.Doubt:
		return a, facts(invoices.LetterEnded{ID: d.Letter, Try: d.Try, Result: r.inDoubt(&a, d.Letter, d.Try), At: r.w.Now(), Why: d.Why}), nil
	}
	panic("jobs: no hand for " + d.Act.String())
}

func facts(list ...invoices.Fact) []invoices.Fact { return list }

// release writes facts down, gives the account back with what Next said last,
// and closes the books of the steps that were owed. That a lease is lost is no
// fault: the facts are kept, and the account is another's.
func (r *run) release(a invoices.Account, d invoices.Decision, owed []invoices.Owed, facts ...invoices.Fact) error {
	then := learned(a, facts)
	err := r.persist(len(facts) > 0, func(ctx context.Context) error { return r.w.Ledger.Release(ctx, a, d, r.w.Now(), facts...) })
	lost := errors.Is(err, invoices.ErrLost)
	if err == nil || lost {
		r.noted(a.ID, facts)
	}
	if lost && len(facts) > 0 {
		r.tally.due(-len(owed))
		return nil
	}
	r.account(&then, owed)
	if lost {
		return nil
	}
	return err
}

// begin commits an intent, end facts: a stop that was asked for does not keep
// what happened from being written down.
func (r *run) begin(a invoices.Account, in invoices.Intent) (invoices.Account, error) {
	ctx, cancel := r.ledgerTime()
	defer cancel()
	return r.w.Ledger.Begin(ctx, a, in)
}

func (r *run) end(a invoices.Account, facts ...invoices.Fact) (next invoices.Account, err error) {
	err = r.persist(true, func(ctx context.Context) error {
		next, err = r.w.Ledger.End(ctx, a, facts...)
		return err
	})
	if err == nil || errors.Is(err, invoices.ErrLost) {
		r.noted(a.ID, facts)
	}
	return next, err
}

// noted tells of facts that are in the ledger.
func (r *run) noted(account string, facts []invoices.Fact) {
	for _, f := range facts {
		r.tally.count(f)
		if r.w.Seen != nil {
			r.w.Seen(account, f)
		}
	}
}

// persist stores something. Facts are tried again for a while when the database
// blinks: a letter that was answered must not fall into doubt for that. To store
// the same fact twice changes nothing.
func (r *run) persist(facts bool, store func(context.Context) error) error {
	patience := r.w.Persist
	if patience == 0 {
		patience = 20 * time.Second
	}
	for wait, spent := 50*time.Millisecond, time.Duration(0); ; wait *= 2 {
		ctx, cancel := r.ledgerTime()
		err := store(ctx)
		cancel()
		if spent += wait; err == nil || !facts || errors.Is(err, invoices.ErrLost) || spent > patience {
			return err
		}
		select {
		case <-time.After(wait):
		case <-r.hard.Done(): // once more, and no longer
			spent = patience
		}
	}
}

// ledgerTime bounds one write; it is not cut by a stop, not even a hard one.
func (r *run) ledgerTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.hard), time.Minute)
}

// inDoubt returns what becomes of a letter whose final dot got no answer.
func (r *run) inDoubt(a *invoices.Account, id string, try int) invoices.Result {
	for _, l := range a.Letters {
		if l.ID == id && len(l.Items) > 0 {
			return r.w.Policies.InDoubt(a, l.Items, try, r.w.Now())
		}
	}
	return invoices.Uncertain
}
