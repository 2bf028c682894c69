package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
)

// memoryMark is what this machine remembers apart from the database.
type memoryMark struct{ event string }

func (m *memoryMark) Load() (string, error) { return m.event, nil }

func (m *memoryMark) Save(event string) error {
	m.event = event
	return nil
}

// roster keeps the books of runs and looks before each of them.
func (w *world) roster(worker *jobs.Worker) *jobs.Roster {
	return &jobs.Roster{
		Worker: worker, Runs: w.db, Pulse: w.db,
		Guard: &jobs.Guard{Past: w.db, Alarms: w.db, Mark: &w.mark, Now: worker.Now},
	}
}

// guards plays the lines of stories about mistakes that concern everybody.
func (s *story) guards(f []string, arg func(int) string, fail func(string, ...any)) bool {
	s.t.Helper()
	number := func(i int) int {
		n, err := strconv.Atoi(arg(i))
		if err != nil {
			fail("%v", err)
		}
		return n
	}
	var err error
	switch f[0] {
	case "invoices": // invoices 60 of 120.00 issued 2026-03-02 due 2026-04-01, of as many customers
		for i := range number(1) {
			s.owe(fmt.Sprintf("INV-%d", i+1), fmt.Sprintf("c%d", i+1), arg(3), arg(5), arg(7))
		}
	case "erp": // erp lists 60 | erp fails
		s.erp(f, number, fail)
	case "approve": // what waits for approval
		err = s.approve()
	case "pause":
		err = s.db.Pause(context.Background(), "Ada", "story", s.now)
	case "resume":
		_, err = s.db.Resume(context.Background(), "Ada", "story", s.now)
	case "restore": // an old backup of the database
		s.mark.event = "00000000-0000-7000-8000-000000000000"
	case "clock": // clock back 2 hours
		s.now = s.now.Add(-time.Duration(number(2)) * time.Hour)
		s.scan()
	case "break": // the letters of a customer break the worker
		s.breaks = arg(1)
	case "mend":
		s.breaks = ""
		err = s.db.Lift(context.Background(), store.Target{Account: arg(1)}, "Ada", "mended", s.now)
	case "ladder": // ladder adds reminder 10 days after due
		p := s.rules.ByName["standard"]
		p.Steps = slices.Insert(p.Steps, 3, invoices.Step{Name: arg(2), When: invoices.When{Days: number(3)}, Template: "friendly"})
		err = errors.Join(
			s.db.Rungs(context.Background(), s.rules.ByName, s.now, true),
			s.db.Wake(context.Background(), "another configuration", s.now))
	default:
		return false
	}
	if err != nil {
		fail("%v", err)
	}
	return true
}

// server lets the mail server be well or not.
func (s *story) server(how string, fail func(string, ...any)) {
	s.postErr, s.dotErr = nil, nil
	switch how {
	case "up":
	case "down":
		s.postErr = &invoices.Fault{Kind: invoices.Later, Err: fmt.Errorf("connection refused: %w", invoices.ErrServer)}
	case "login":
		s.postErr = &invoices.Fault{Kind: invoices.Halt, Err: errors.New("535: the password is refused")}
	case "nobody":
		s.postErr = &invoices.Fault{Kind: invoices.Never, Err: fmt.Errorf("550: relaying denied: %w", invoices.ErrNoMailbox)}
	case "spam":
		s.dotErr = &invoices.Fault{Kind: invoices.Never, Err: errors.New("554: this looks like spam")}
	default:
		fail("unknown server")
	}
}

// erp loads a full list of the first invoices, or one that is broken.
func (s *story) erp(f []string, number func(int) int, fail func(string, ...any)) {
	src := &listSource{world: s.world, broken: f[1] == "fails"}
	if !src.broken {
		src.n = number(2)
	}
	_, err := jobs.LoadAll(context.Background(), []jobs.Source{src}, shelf{s.world}, nil)
	if odd := err != nil; odd != (f[len(f)-1] == "refused") {
		fail("the load ended with: %v", err)
	}
}

// listSource tells of the first n invoices of the books, as a full list.
type listSource struct {
	*world
	n      int
	broken bool
}

func (l *listSource) Name() string { return "erp" }

func (l *listSource) Loads(context.Context) ([]invoices.Load, error) {
	return []invoices.Load{{
		Source: "erp", File: "erp.csv", Digest: fmt.Sprintf("%064d", l.n), At: l.now, Full: true, Rows: l.rows(),
	}}, nil
}

func (l *listSource) rows() iter.Seq2[invoices.Row, error] {
	return func(yield func(invoices.Row, error) bool) {
		if l.broken {
			yield(invoices.Row{}, &invoices.Problem{File: "erp.csv", Line: 3, Column: "total", What: "\"x\" is no amount"})
			return
		}
		for i := range l.n {
			if !yield(*l.books[fmt.Sprintf("INV-%d", i+1)], nil) {
				return
			}
		}
	}
}

// shelf is the store as the import job sees it.
type shelf struct{ *world }

func (s shelf) Import(ctx context.Context, load invoices.Load, dry bool) (invoices.Report, error) {
	return s.db.Import(ctx, load, amsterdam, dry)
}

func (s shelf) Doubt(ctx context.Context, source, why string) error {
	return s.db.Doubt(ctx, source, why, s.now)
}

// approve approves whatever waits for it, as a person would: by the name that
// the alarm tells.
func (s *story) approve() error {
	list, err := s.db.Alarms(context.Background())
	if err != nil {
		return err
	}
	for _, a := range list {
		if _, id, ok := strings.Cut(a.Detail, "dunning approve "); ok {
			if a.Kind == invoices.AlarmStorm {
				_, err = s.db.Approve(context.Background(), id, "Ada", s.now)
			} else {
				_, err = s.db.Trust(context.Background(), id, "Ada", s.now)
			}
			return err
		}
	}
	return fmt.Errorf("nothing waits for approval: %v", list)
}

func (s *story) alarm(kind string, fail func(string, ...any)) {
	s.t.Helper()
	list, err := s.db.Alarms(context.Background())
	if err != nil {
		fail("%v", err)
	}
	for _, a := range list {
		if string(a.Kind) == kind {
			return
		}
	}
	if kind != "none" || len(list) > 0 {
		fail("the open alarms are %v", list)
	}
}
