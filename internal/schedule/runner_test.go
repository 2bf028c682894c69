package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary notes what happens in a runner, in the order in which it does.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// options makes options that note everything in the diary.
func (d *diary) options(entries ...Entry) Options {
	return Options{
		Entries: entries,
		Now:     time.Now,
		OnError: func(name string, err error) { d.note("%s failed: %v", name, err) },
		OnPanic: func(name string, value any, stack []byte) {
			d.note("%s panicked: %v, in a test: %v", name, value, strings.Contains(string(stack), "runner_test.go"))
		},
		OnSkip: func(name string) { d.note("%s skipped", name) },
	}
}

// start runs a runner and returns what stops it and returns its answer.
func start(t *testing.T, o Options) (stop func() error) {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// pass lets time pass in the bubble of a test, where a day takes no time.
func pass(d time.Duration) { <-time.After(d) }

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// The clock of a synctest bubble begins at midnight UTC.

func TestR16_EveryJobRunsAtStartAndThenOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		entry := func(name, spec string) Entry {
			return Entry{name, mustParse(t, spec, time.UTC), func(_ context.Context, at time.Time) error {
				d.note("%s %s", name, clock(at))
				return nil
			}}
		}
		stop := start(t, d.options(entry("import", "*/20 * * * *"), entry("mail", "30 * * * *"), entry("poll", "50 * * * *")))
		pass(time.Hour + time.Minute)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := []string{
			"import 00:00:00", "mail 00:00:00", "poll 00:00:00",
			"import 00:20:00", "mail 00:30:00", "import 00:40:00", "poll 00:50:00", "import 01:00:00",
		}
		if diff := cmp.Diff(want, d.read()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAFailureHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		stop := start(t, d.options(
			Entry{"panics", mustParse(t, "*/10 * * * *", time.UTC), func(context.Context, time.Time) error { panic("out of ink") }},
			Entry{"fails", mustParse(t, "*/10 * * * *", time.UTC), func(context.Context, time.Time) error { return errors.New("no paper") }},
		))
		pass(20*time.Minute + time.Second)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		count := map[string]int{}
		for _, line := range d.read() {
			count[line]++
		}
		// At start, after ten minutes and after twenty.
		want := map[string]int{"panics panicked: out of ink, in a test: true": 3, "fails failed: no paper": 3}
		if diff := cmp.Diff(want, count); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestNoJobRunsTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		stop := start(t, d.options(
			Entry{"slow", mustParse(t, "*/10 * * * *", time.UTC), func(_ context.Context, at time.Time) error {
				d.note("slow %s begins", clock(at))
				pass(25 * time.Minute)
				d.note("slow %s ends", clock(at))
				return nil
			}},
			Entry{"quick", mustParse(t, "5 * * * *", time.UTC), func(_ context.Context, at time.Time) error {
				d.note("quick %s", clock(at))
				return nil
			}},
		))
		pass(45 * time.Minute)
		synctest.Wait()
		want := []string{
			"slow 00:00:00 begins",
			"quick 00:05:00", // a slow start does not hold up the schedules
			"slow skipped", "slow skipped",
			"slow 00:00:00 ends",
			"quick 00:00:00", // the scan at start goes on, in order
			"slow 00:30:00 begins",
			"slow skipped",
		}
		if diff := cmp.Diff(want, d.read()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		got := d.read()
		if last := got[len(got)-1]; last != "slow 00:30:00 ends" {
			t.Errorf("Run returned before its job ended; the last was %q", last)
		}
	})
}

func TestStopCancelsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		stop := start(t, d.options(
			Entry{"long", mustParse(t, "@daily", time.UTC), func(ctx context.Context, _ time.Time) error {
				<-ctx.Done()
				d.note("long was told to stop")
				pass(3 * time.Second) // to finish the letter in hand
				d.note("long stopped")
				return fmt.Errorf("long: %w", ctx.Err())
			}},
			Entry{"never", mustParse(t, "@daily", time.UTC), func(context.Context, time.Time) error {
				d.note("never ran after the stop")
				return nil
			}},
		))
		pass(time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"long was told to stop", "long stopped"}, d.read()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		pass(48 * time.Hour)
		if got := len(d.read()); got != 2 {
			t.Errorf("%d lines after the runner stopped, want 2", got)
		}
	})
}

func TestARealErrorAtTheStopIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		stop := start(t, d.options(Entry{"mail", mustParse(t, "@daily", time.UTC), func(ctx context.Context, _ time.Time) error {
			<-ctx.Done()
			return errors.New("the disk is full")
		}}))
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"mail failed: the disk is full"}, d.read()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARunnerRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		r, err := New(d.options(Entry{"a", mustParse(t, "@daily", time.UTC), func(context.Context, time.Time) error { return nil }}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		if err := r.Run(ctx); err == nil {
			t.Error("one runner ran twice at once")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := r.Run(ctx); err != nil {
			t.Errorf("running again after it stopped: %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	var d diary
	good := Entry{"a", mustParse(t, "@daily", time.UTC), func(context.Context, time.Time) error { return nil }}
	for _, tt := range []struct {
		why    string
		change func(*Options)
	}{
		{"there is nothing to run", func(o *Options) { o.Entries = nil }},
		{"two jobs of one name cannot be told apart", func(o *Options) { o.Entries = append(o.Entries, good) }},
		{"a job needs a name", func(o *Options) { o.Entries[0].Name = "" }},
		{"a job needs a schedule", func(o *Options) { o.Entries[0].Schedule = nil }},
		{"a job needs something to run", func(o *Options) { o.Entries[0].Run = nil }},
		{"errors must be heard", func(o *Options) { o.OnError = nil }},
		{"panics must be heard", func(o *Options) { o.OnPanic = nil }},
		{"it must be told the time", func(o *Options) { o.Now = nil }},
	} {
		o := d.options(good)
		tt.change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", tt.why)
		}
	}
}
