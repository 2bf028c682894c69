package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"dunning/internal/discreet"
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
	Guard  *Guard
	Pulse  Pulse
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
	run.Tally, run.Err = r.do(ctx, o)
	run.Err = discreet.Wrap(run.Err) // it is logged (R25)
	run.Ended = now()
	if run.Err == nil {
		run.Err = run.Tally.Balance()
	}
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	run.Err = errors.Join(run.Err, r.Runs.Ended(store, id, run.Ended, run.Tally.Counts(), run.Err), r.after(store, o.Job, run.Err))
	if r.Ran != nil {
		r.Ran(run)
	}
	if run.Err != nil {
		return run.Tally, fmt.Errorf("%s: %w", run.Job, run.Err)
	}
	return run.Tally, nil
}

// do carries a run out, unless this machine or the database cannot be believed.
func (r *Roster) do(ctx context.Context, o Order) (Tally, error) {
	if err := r.Guard.Before(ctx); err != nil {
		return newTally().Tally, err
	}
	if o.Job.Name == Import {
		return r.Load(ctx)
	}
	return r.Worker.Chase(ctx, o)
}

// after looks back on a run.
func (r *Roster) after(ctx context.Context, j Job, failed error) error {
	if j.Name != Import && (j.sends(invoices.Email) || j.sends(invoices.Remind)) {
		if err := listen(ctx, r.Pulse, r.Worker.Alarms, r.Worker.Now()); err != nil {
			return err
		}
	}
	if failed != nil { // the database may be another than we think
		return nil
	}
	return r.Guard.After(ctx)
}

// A Library takes in what sources tell.
type Library interface {
	Import(ctx context.Context, load invoices.Load, dryRun bool) (invoices.Report, error)
	// Doubt notes why the last reading of a source is not believed; empty: it
	// is (R8).
	Doubt(ctx context.Context, source, why string) error
}

// A Source tells of unpaid invoices.
type Source interface {
	Name() string
	// Loads returns what there is to read, oldest first. What was read before
	// and has not changed is among it only as a proof of freshness.
	Loads(ctx context.Context) ([]invoices.Load, error)
}

// LoadAll reads every source into the library. One source that fails does not
// keep the others from being read (R19); nothing is sent for its invoices until
// it is read well (R8).
func LoadAll(ctx context.Context, sources []Source, lib Library, reported func(invoices.Report)) (Tally, error) {
	t := newTally()
	var errs []error
	for _, s := range sources {
		wrong, err := t.load(ctx, s, lib, reported)
		if err == nil { // else the database failed: that says nothing about the source
			err = lib.Doubt(ctx, s.Name(), plain(wrong))
		}
		if err := errors.Join(wrong, err); err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name(), err))
		}
	}
	return t.Tally, errors.Join(errs...)
}

// load reads one source. It returns what is wrong with what was read apart from
// what is wrong with storing it.
func (t *tally) load(ctx context.Context, s Source, lib Library, reported func(invoices.Report)) (wrong, err error) {
	loads, err := s.Loads(ctx)
	if err != nil {
		return err, nil
	}
	for _, load := range loads {
		report, err := lib.Import(ctx, load, false)
		if err != nil { // a later file may build on this one
			if err = fmt.Errorf("%s: %w", load.File, err); told(err) {
				return err, nil
			}
			return nil, err
		}
		t.Facts["rows"] += report.Rows
		t.Facts["rows added"] += report.Added
		t.Facts["rows changed"] += report.Changed
		t.Facts["rows vanished"] += len(report.Vanished)
		if reported != nil {
			reported(report)
		}
	}
	return nil, nil
}

// told reports whether an error is about what was read.
func told(err error) bool {
	_, rows := errors.AsType[invoices.Problems](err)
	_, load := errors.AsType[*invoices.Suspicion](err)
	return rows || load
}

// plain returns the first thing that is wrong, for people. What was read stands
// in quotes that keep it out of logs and events.
func plain(wrong error) string {
	if wrong == nil {
		return ""
	}
	rows, ok := errors.AsType[invoices.Problems](wrong)
	if !ok || len(rows) == 0 {
		return wrong.Error()
	}
	first := *rows[0]
	if !first.Plain {
		first.What, first.Plain = discreet.Quote(first.What), true
	}
	said := append(invoices.Problems{&first}, rows[1:]...)
	return strings.Replace(wrong.Error(), rows.Error(), said.Error(), 1)
}
