package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dunning/invoices"
)

// Runs keeps the books of runs (R25).
type Runs interface {
	// Started records that a run began and returns its id. A run of the same
	// job, instant and worker that was cut off is begun anew.
	Started(ctx context.Context, job string, scheduledAt, now time.Time) (id string, err error)
	// Ended records what a run did.
	Ended(ctx context.Context, id string, now time.Time, counts map[string]int, cause error) error
}

// A Roster runs jobs by name and keeps their books. It is what the scheduler,
// the command line and the demo share.
type Roster struct {
	Worker *Worker
	Runs   Runs
	Load   func(ctx context.Context) (Tally, error) // the import job
	Ran    func(Run)                                // called after every run; may be nil
}

// A Run is what happened when a job ran.
type Run struct {
	Job         string
	ScheduledAt time.Time // the instant the schedule names, or when it was asked for
	Started     time.Time
	Ended       time.Time
	Tally       Tally
	Err         error
}

// Run runs one job. Its books are stored in any case; a run whose books do not
// balance is an error.
func (r *Roster) Run(ctx context.Context, o Order, scheduledAt time.Time) (Tally, error) {
	now := r.Worker.Now
	run := Run{Job: o.Job.Name, ScheduledAt: scheduledAt, Started: now()}
	id, err := r.Runs.Started(ctx, run.Job, scheduledAt, run.Started)
	if err != nil {
		return newTally().Tally, fmt.Errorf("%s: %w", run.Job, err)
	}
	if o.Job.Name == Import {
		run.Tally, run.Err = r.Load(ctx)
	} else {
		run.Tally, run.Err = r.Worker.Chase(ctx, o)
	}
	run.Ended = now()
	if run.Err == nil {
		run.Err = run.Tally.Balance()
	}
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := r.Runs.Ended(store, id, run.Ended, run.Tally.Counts(), run.Err); err != nil {
		run.Err = errors.Join(run.Err, err)
	}
	if r.Ran != nil {
		r.Ran(run)
	}
	if run.Err != nil {
		return run.Tally, fmt.Errorf("%s: %w", run.Job, run.Err)
	}
	return run.Tally, nil
}

// A Library takes in what sources tell.
type Library interface {
	Import(ctx context.Context, load invoices.Load, dryRun bool) (invoices.Report, error)
}

// A Source tells of unpaid invoices.
type Source interface {
	Name() string
	// Loads returns what there is to read, oldest first. What was read before
	// and has not changed is among it only as a proof of freshness.
	Loads(ctx context.Context) ([]invoices.Load, error)
}

// LoadAll reads every source into the library. One source that fails does not
// keep the others from being read (R19); its invoices go stale and are held in
// time (R8).
func LoadAll(ctx context.Context, sources []Source, lib Library, reported func(invoices.Report)) (Tally, error) {
	t := newTally()
	var errs []error
	for _, s := range sources {
		loads, err := s.Loads(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name(), err))
			continue
		}
		for _, load := range loads {
			report, err := lib.Import(ctx, load, false)
			if err != nil { // a later file may build on this one
				errs = append(errs, fmt.Errorf("source %s: %s: %w", s.Name(), load.File, err))
				break
			}
			t.Facts["rows"] += report.Rows
			t.Facts["rows added"] += report.Added
			t.Facts["rows changed"] += report.Changed
			t.Facts["rows vanished"] += len(report.Vanished)
			if reported != nil {
				reported(report)
			}
		}
	}
	return t.Tally, errors.Join(errs...)
}
