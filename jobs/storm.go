package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"dunning/invoices"
)

// Plans is what the storm breaker asks and keeps (R7).
type Plans interface {
	// AtMost returns a number that the letters of a run cannot exceed. It
	// counts no further than enough.
	AtMost(ctx context.Context, q invoices.Query, enough int) (int, error)
	// Due calls yield with every account that the query would claim, whole and
	// without a lease.
	Due(ctx context.Context, q invoices.Query, yield func(invoices.Account) error) error
	// Peaks returns the largest number of letters that one run of a job sent,
	// for each of the last n days on which it sent any.
	Peaks(ctx context.Context, job string, zone *time.Location, n int) ([]int, error)
	// Approved returns the plans of a job that a person approved.
	Approved(ctx context.Context, job string, now time.Time) ([]invoices.Plan, error)
	// Propose keeps a plan for a person to approve.
	Propose(ctx context.Context, p invoices.Plan) error
	// Tried reports whether any letter was ever begun, or any plan approved.
	Tried(ctx context.Context) (bool, error)
}

// A budget is how many letters one run may begin.
type budget struct {
	limit   int                        // of letters that nobody approved
	covered func([]invoices.Item) bool // whether a person approved a letter
	any     bool                       // whether a person approved any
	plan    *invoices.Plan             // what needs approval; nil: nothing does
}

// Of what is usual: the great runs of so many days, and how much more than
// their median needs no approval.
const (
	usualDays   = 20
	usualFactor = 3
)

// mostPlanned is how many letters one plan holds at most. Where more need
// approval, those that have been due longest are asked for first, and the others
// when these were approved.
const mostPlanned = 20_000

// errEnough ends a look ahead that has seen what it must.
var errEnough = errors.New("enough")

// plan looks ahead before the first letter leaves: a run that would send far
// more letters than usual, or more than a run may, sends none of them and asks
// a person (R7). What is usual is three times the median of the job's great
// runs, one a day: most runs of a day send next to nothing. A run of few
// invoices is not looked into at all.
func (r *run) plan(ctx context.Context) (budget, error) {
	w, b := r.w, budget{covered: func([]invoices.Item) bool { return false }}
	if b.limit = w.ApproveAbove; b.limit == 0 {
		b.limit = 50
	}
	if w.MaxPerRun > 0 {
		b.limit = min(b.limit, w.MaxPerRun)
	}
	if !slices.ContainsFunc(r.order.Job.May, invoices.Act.Sends) {
		return b, nil
	}
	if p := r.order.Plan; p != nil { // a person looked at it, and at nothing else
		b.limit, b.covered, b.any = 0, invoices.Covers(*p), true
		return b, nil
	}
	q := r.query(1)
	if w.Careful {
		tried, err := w.Plans.Tried(ctx)
		if err != nil {
			return b, err
		}
		if !tried {
			b.limit = 0
		}
	}
	if n, err := w.Plans.AtMost(ctx, q, b.limit+1); err != nil || n <= b.limit {
		return b, err
	}
	if b.limit == 0 {
		return r.propose(ctx, b, q)
	}
	peaks, err := w.Plans.Peaks(ctx, r.order.Job.Name, w.zone(), usualDays)
	if err != nil {
		return b, err
	}
	if b.limit = max(b.limit, usualFactor*median(peaks)); w.MaxPerRun > 0 {
		b.limit = min(b.limit, w.MaxPerRun)
	}
	return r.propose(ctx, b, q)
}

// propose asks a person about the letters that the run would send, unless they
// are few enough, or approved already.
func (r *run) propose(ctx context.Context, b budget, q invoices.Query) (budget, error) {
	w := r.w
	approved, err := w.Plans.Approved(ctx, r.order.Job.Name, q.Now)
	if err != nil {
		return b, err
	}
	b.covered, b.any = invoices.Covers(approved...), len(approved) > 0
	var fresh [][]invoices.Item
	letters := 0
	err = w.Plans.Due(ctx, q, func(a invoices.Account) error {
		for _, items := range r.would(a, q.Now) {
			if b.covered(items) {
				continue
			}
			if letters++; len(fresh) < mostPlanned {
				fresh = append(fresh, items)
			} else if letters > b.limit {
				return errEnough
			}
		}
		return ctx.Err()
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil || letters <= b.limit {
		return b, err
	}
	p := invoices.NewPlan(r.order.Job.Name, fresh, b.limit, q.Now)
	b.limit, b.plan = 0, &p
	return b, w.Plans.Propose(ctx, p)
}

// announced reports whether a letter may leave as far as the plan of the order
// goes, if there is one that names texts.
func (r *run) announced(a *invoices.Account, d invoices.Decision, draft invoices.Draft) bool {
	p := r.order.Plan
	if p == nil || p.Texts == nil {
		return true
	}
	text, err := r.w.digest(a, d, draft)
	return err == nil && text == p.Texts[r.w.letterID(d.Items)]
}

// would asks the policy; an account that breaks it sends nothing now either.
func (r *run) would(a invoices.Account, now time.Time) (letters [][]invoices.Item) {
	defer func() {
		if v := recover(); v != nil {
			r.broke(a.ID, v, debug.Stack())
			letters = nil
		}
	}()
	return r.w.Policies.Would(a, now, r.order.Job.May)
}

// median returns the middle of some numbers; 0: there are none.
func median(ns []int) int {
	if len(ns) == 0 {
		return 0
	}
	ns = slices.Sorted(slices.Values(ns))
	return (ns[(len(ns)-1)/2] + ns[len(ns)/2]) / 2
}

// zone is where the installation's days are counted.
func (w *Worker) zone() *time.Location {
	if w.Policies.Zone != nil {
		return w.Policies.Zone
	}
	return time.UTC
}

// unapproved lets an account wait for a person's approval; approving wakes it.
func (r *run) unapproved(a invoices.Account, owed []invoices.Owed) error {
	if r.order.Plan != nil { // it was not asked for; other runs may send it
		return r.release(a, invoices.Decision{At: r.w.Now().Add(time.Minute), Code: invoices.CodeApproval, Why: "the letter is not in the plan that was to be sent, or is another now"}, owed)
	}
	why := "the letter waits for a person's approval"
	if p := r.budget.plan; p != nil {
		why = fmt.Sprintf("%d letters at once wait for approval: dunning approve %s", p.Letters, p.ID)
	}
	return r.release(a, invoices.Decision{At: r.w.Now().Add(15 * time.Minute), Code: invoices.CodeApproval, Why: why, Person: true}, owed)
}
