package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/pgtest"
)

// A task is one act on one world, done in a storm until it is done.
type task struct {
	*world
	act   act
	after books
	errs  []error // of the tries before the last
	last  error   // of the last try: nil, or one that says that it was done before
}

// A storm is eight hands that do tasks while something goes wrong with the
// database.
type storm struct {
	*yard
	tasks []*task
	steps chan struct{} // told at every try

	mu   sync.Mutex
	back chan struct{} // closed: the database is there, as far as is known
}

// newStorm prepares every act so many times.
func newStorm(t *testing.T, each int) *storm {
	t.Helper()
	s := &storm{yard: newYard(t, pgtest.Start(t), ""), steps: make(chan struct{}), back: make(chan struct{})}
	close(s.back)
	for _, a := range acts {
		after := s.world().whole(a, func() {}, func() {}).after
		for range each {
			task := &task{world: s.world(), act: a, after: after}
			if a.ready != nil {
				a.ready(task.world)
			}
			s.tasks = append(s.tasks, task)
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(s.tasks), func(i, j int) { s.tasks[i], s.tasks[j] = s.tasks[j], s.tasks[i] })
	return s
}

// run does all tasks while trouble is made, which ends when done is closed.
func (s *storm) run(trouble func(done <-chan struct{})) {
	s.Helper()
	s.through = s.open(s.url, 8) // the storm needs no proxy
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	var hands, maker sync.WaitGroup
	done := make(chan struct{})
	maker.Go(func() { trouble(done) })
	for i := range 8 {
		hands.Go(func() {
			for j := i; j < len(s.tasks); j += 8 {
				s.do(ctx, s.tasks[j])
			}
		})
	}
	hands.Wait()
	close(done)
	maker.Wait()
	s.check()
}

// do does one task, and tries again, as a careful caller, until it is done.
func (s *storm) do(ctx context.Context, t *task) {
	for {
		select {
		case s.steps <- struct{}{}:
		default: // nobody counts
		}
		if len(t.errs) == 0 || t.act.again == nil {
			_, t.last = t.act.do(ctx, t.world, s.through)
		} else {
			_, t.last = t.act.again(ctx, t.world, s.through, t.errs[0])
		}
		known := slices.ContainsFunc(t.act.known, func(k error) bool { return errors.Is(t.last, k) })
		if t.last == nil || known && len(t.errs) > 0 || ctx.Err() != nil {
			return
		}
		t.errs = append(t.errs, t.last)
		s.mu.Lock()
		back := s.back
		s.mu.Unlock()
		select {
		case <-back:
		case <-ctx.Done():
		}
	}
}

// check compares what is stored with what callers were told.
func (s *storm) check() {
	s.Helper()
	said := map[string]int{}
	for _, t := range s.tasks {
		now, what := t.books(), t.act.says
		known := slices.ContainsFunc(t.act.known, func(k error) bool { return errors.Is(t.last, k) })
		switch {
		case t.last != nil && !known:
			s.Errorf("%s: never done: %v", what, t.last)
		case len(t.errs) == 0:
			said["nil at once"]++
			if diff := cmp.Diff(t.after, now); diff != "" {
				s.Errorf("%s: nil at once, and stored is (-want +got):\n%s", what, diff)
			}
		default:
			said["nil after errors"]++
			if diff := cmp.Diff(t.after.facts(), now.facts()); diff != "" {
				s.Errorf("%s: %v, then %v; and stored is (-want +got):\n%s", what, t.errs, t.last, diff)
			}
			if missing := t.after.more("events", now); len(missing) > 0 {
				s.Errorf("%s: %v, then %v; events are missing: %v", what, t.errs, t.last, missing)
			}
			for _, e := range now.more("events", t.after) {
				if !slices.ContainsFunc(t.act.twice, func(kind string) bool { return strings.Contains(e, `"kind": "`+kind+`"`) }) {
					s.Errorf("%s: %v, then %v; one event too many: %s", what, t.errs, t.last, e)
				}
			}
		}
		for _, err := range t.errs {
			s.clear(what, err)
			said["errors"]++
		}
	}
	s.Logf("%d tasks; %v", len(s.tasks), said)
	if said["errors"] == 0 {
		s.Error("nothing went wrong")
	}
}

// clear makes sure that an error of a storm says what is wrong, and no secret.
func (s *storm) clear(what string, err error) {
	s.Helper()
	if strings.Contains(err.Error(), s.server.Password()) {
		s.Errorf("%s: the error shows the password: %v", what, err)
	}
	for _, words := range []string{"the connection to the database was lost", "the database cannot be reached", "the database is starting up or shutting down"} {
		if strings.Contains(err.Error(), words) {
			return
		}
	}
	s.Errorf("%s: the error does not say what is wrong with the database: %v", what, err)
}

func many(few int) int {
	if thorough() {
		return 15 * few
	}
	return few
}

// TestR02_StormOfTerminations: an administrator ends connections at random while
// eight hands work. What returned nil is there, once; what returned an error can
// be tried again until it is.
func TestR02_StormOfTerminations(t *testing.T) {
	t.Parallel()
	s := newStorm(t, many(10))
	killed := 0
	s.run(func(done <-chan struct{}) {
		rnd := rand.New(rand.NewPCG(7, 7))
		for {
			for range 1 + rnd.IntN(3) {
				select {
				case <-s.steps:
				case <-done:
					return
				}
			}
			var pids []int
			err := s.direct.SelectContext(t.Context(), &pids, `
				SELECT pid FROM pg_stat_activity WHERE application_name = 'dunning' AND state <> 'idle' ORDER BY pid`)
			if err == nil && len(pids) > 0 {
				_, err = s.direct.ExecContext(t.Context(), `SELECT pg_terminate_backend($1)`, pids[rnd.IntN(len(pids))])
				killed++
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	t.Logf("%d connections were ended", killed)
}

// TestR02_StormOfCrashes: the server is ended at once, as by a power cut that
// spares the disk, several times while eight hands work.
func TestR02_StormOfCrashes(t *testing.T) {
	t.Parallel()
	const crashes = 4
	s := newStorm(t, many(6))
	s.run(func(done <-chan struct{}) {
		for range crashes {
			for range len(s.tasks) / (crashes + 2) {
				select {
				case <-s.steps:
				case <-done:
					t.Error("all was done before the last crash")
					return
				}
			}
			s.mu.Lock()
			s.back = make(chan struct{})
			back := s.back
			s.mu.Unlock()
			err := errors.Join(s.server.Crash(), s.server.Restart(), s.server.Ready())
			if close(back); err != nil {
				t.Error(err)
				return
			}
		}
		<-done
	})
}
