package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
)

// Entry is a job and when it runs.
type Entry struct {
	// Name is unique among the entries of a runner.
	Name string
	// Schedule says when the job runs.
	Schedule *Schedule
	// Run does the job. Its ctx ends when the runner stops; Run must then come
	// to an end, for the runner waits for it. The scheduled instant is the one
	// that the schedule names, not the moment at which the job came to run; for
	// the run at start it is the moment of the start, in whole seconds.
	Run func(ctx context.Context, scheduledAt time.Time) error
}

// Options say what a runner runs and whom it tells. All functions are called
// from several goroutines.
type Options struct {
	// Entries are the jobs, in the order in which they run at start.
	Entries []Entry
	// Now is the clock that tells the moment of the start.
	Now func() time.Time
	// OnError is told of every error that a job returns, except that it was
	// cancelled when the runner stopped.
	OnError func(name string, err error)
	// OnPanic is told of every panic in a job, with the stack.
	OnPanic func(name string, value any, stack []byte)
	// OnSkip, if not nil, is told of every run that was left out because the
	// one before had not ended.
	OnSkip func(name string)
}

// Runner wakes jobs by their schedules. A job that fails or panics runs again
// at its next time and never disturbs the others; no job ever runs twice at
// once.
type Runner struct {
	o       Options
	running atomic.Bool
}

// New makes a runner. It refuses entries without a name, a schedule or a job,
// two entries of one name, and options that would let a failure go unheard.
func New(o Options) (*Runner, error) {
	if len(o.Entries) == 0 {
		return nil, errors.New("scheduler: there is no job to run")
	}
	if o.Now == nil || o.OnError == nil || o.OnPanic == nil {
		return nil, errors.New("scheduler: Now, OnError and OnPanic must be set")
	}
	seen := map[string]bool{}
	for i, e := range o.Entries {
		switch {
		case e.Name == "" || e.Schedule == nil || e.Run == nil:
			return nil, fmt.Errorf("scheduler: job %d (%q) lacks a name, a schedule or something to run", i+1, e.Name)
		case seen[e.Name]:
			return nil, fmt.Errorf("scheduler: two jobs are called %q", e.Name)
		}
		seen[e.Name] = true
	}
	return &Runner{o: o}, nil
}

// Run runs every job once, one after the other in the order of the entries,
// and each by its schedule from now on (rule R16: at start the worker scans at
// once). The schedules tick already while the jobs run at start, so that a slow
// one does not hold up the others.
//
// When ctx ends, no further job starts, those that run see their own ctx end,
// and Run returns nil after the last of them has ended. It returns an error
// only if this runner is running already.
func (r *Runner) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("scheduler: it is running already")
	}
	defer r.running.Store(false)

	c := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(cron.DiscardLogger))
	jobs := make([]*job, len(r.o.Entries))
	for i, e := range r.o.Entries {
		jobs[i] = r.schedule(ctx, c, e)
	}
	// Timers stand still while a machine sleeps. This one makes cron look at
	// the clock again at most half a minute after it wakes.
	c.Schedule(cron.Every(30*time.Second), cron.FuncJob(func() {}))
	start := r.o.Now().Truncate(time.Second)
	c.Start()

	var scan sync.WaitGroup
	scan.Go(func() {
		for _, j := range jobs {
			j.attempt(start)
		}
	})
	<-ctx.Done()
	<-c.Stop().Done()
	scan.Wait()
	return nil
}

// job is an entry within one call of Run.
type job struct {
	Entry
	o    *Options
	ctx  context.Context
	busy sync.Mutex // held by the run in progress
}

// schedule adds an entry to c, which has not started yet.
func (r *Runner) schedule(ctx context.Context, c *cron.Cron, e Entry) *job {
	j := &job{Entry: e, o: &r.o, ctx: ctx}
	var id cron.EntryID
	id = c.Schedule(e.Schedule, cron.FuncJob(func() {
		// cron notes the instant it has just served as the previous one.
		j.attempt(c.Entry(id).Prev)
	}))
	return j
}

// attempt leaves the job out if it is still running, and recovers its panics: in
// this order, or else a panic would leave it marked as running for ever. They
// are not the wrappers of robfig/cron because the run at start, which cron does
// not know of, must be kept apart from the scheduled ones too.
func (j *job) attempt(scheduledAt time.Time) {
	if j.ctx.Err() != nil {
		return
	}
	if !j.busy.TryLock() {
		if j.o.OnSkip != nil {
			j.o.OnSkip(j.Name)
		}
		return
	}
	defer j.busy.Unlock()
	defer func() {
		if v := recover(); v != nil {
			j.o.OnPanic(j.Name, v, debug.Stack())
		}
	}()
	err := j.Run(j.ctx, scheduledAt)
	if err == nil || j.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return
	}
	j.o.OnError(j.Name, err)
}
