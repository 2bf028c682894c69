package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/invoices"
)

// A convoy has many Begins wait for one transaction.
type convoy struct {
	t        *testing.T
	s        *Store
	accounts []invoices.Account
	errs     []error
	commits  atomic.Int64
	going    sync.WaitGroup
}

func newConvoy(t *testing.T, s *Store, n int) *convoy {
	t.Helper()
	owe(t, s, n, 1)
	s.group.turns = make(chan struct{}, 1)
	c := &convoy{t: t, s: s, errs: make([]error, n)}
	var err error
	c.accounts, err = s.Claim(context.Background(), invoices.Query{Now: monday, Lease: time.Hour, Limit: n, Acts: []invoices.Act{invoices.Idle}})
	if err != nil || len(c.accounts) != n {
		t.Fatalf("claimed %d accounts, %v", len(c.accounts), err)
	}
	slices.SortFunc(c.accounts, func(a, b invoices.Account) int { return int(a.ID[5]) - int(b.ID[5]) })
	s.commit = func(x *sqlx.Tx) error {
		err := x.Commit()
		c.commits.Add(1)
		return err
	}
	return c
}

// gather begins a link of every account and returns when all of them wait.
func (c *convoy) gather() (depart func()) {
	c.s.group.turns <- struct{}{}
	for i, a := range c.accounts {
		c.going.Go(func() {
			_, c.errs[i] = c.s.Begin(context.Background(), a, wantedLink(a.Invoices[0].Number, 1))
		})
	}
	for waiting := 0; waiting < len(c.accounts); {
		c.s.group.mu.Lock()
		waiting = len(c.s.group.waiting)
		c.s.group.mu.Unlock()
	}
	return func() { <-c.s.group.turns }
}

// stored reports whether the link of an account is in the database.
func (c *convoy) stored(i int) bool {
	c.t.Helper()
	a, err := c.s.Lookup(context.Background(), c.accounts[i].Invoices[0].Number)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(a.Invoices[0].Links) == 1 && a.Version == c.accounts[i].Version+1
}

// TestR02_WritesGoTogether: ten intents that wait become one transaction, and
// each of them is on disk when its caller hears of it.
func TestR02_WritesGoTogether(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		c := newConvoy(t, s, 10)
		c.gather()()
		c.going.Wait()
		for i, err := range c.errs {
			if err != nil || !c.stored(i) {
				t.Errorf("account %d: %v, stored %v", i, err, c.stored(i))
			}
		}
		if n := c.commits.Load(); n != 1 {
			t.Errorf("%d commits for ten intents that waited together", n)
		}
	})
}

// TestR02_OneStaleAccountFailsNobodyElse: of ten that go together one has
// changed, and only that is told so.
func TestR02_OneStaleAccountFailsNobodyElse(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		c := newConvoy(t, s, 10)
		depart := c.gather()
		if _, err := s.db.Exec(`UPDATE accounts SET version = version + 1 WHERE id = $1`, c.accounts[3].ID); err != nil {
			t.Fatal(err)
		}
		depart()
		c.going.Wait()
		for i, err := range c.errs {
			if stale := errors.Is(err, invoices.ErrStale); stale != (i == 3) || err != nil && !stale {
				t.Errorf("account %d: %v", i, err)
			}
			if i != 3 && !c.stored(i) {
				t.Errorf("account %d: not stored", i)
			}
		}
		if n := c.commits.Load(); n != 1 {
			t.Errorf("%d commits, want one for the nine", n)
		}
	})
}

// TestR02_OneImpossibleWriteFailsNobodyElse: of ten that go together one
// collides with a key; the nine others are written, each by itself.
func TestR02_OneImpossibleWriteFailsNobodyElse(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		c := newConvoy(t, s, 10)
		if _, err := s.db.Exec(`
			INSERT INTO links (invoice, gen, ref, amount, currency, key_fingerprint, state, watched)
			VALUES ($1, 7, $2, 1, 'EUR', 'k', 'new', TRUE)`, "INV-00009", wantedLink("INV-00003", 1).Link.Ref); err != nil {
			t.Fatal(err)
		}
		c.gather()()
		c.going.Wait()
		for i, err := range c.errs {
			number := c.accounts[i].Invoices[0].Number
			switch {
			case number == "INV-00003" && !isDuplicate(err):
				t.Errorf("the collision ended with %v", err)
			case number != "INV-00003" && err != nil:
				t.Errorf("%s: %v", number, err)
			}
		}
	})
}

// TestR02_AHeldAccountDelaysNobodyElse: somebody holds the row of one account,
// as a long import does; the nine others do not wait for that.
func TestR02_AHeldAccountDelaysNobodyElse(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		if s.on.oneWriter { // nobody else can hold a row there
			return
		}
		c := newConvoy(t, s, 10)
		held, err := s.db.Beginx()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := held.Exec(`UPDATE accounts SET name = name WHERE id = $1`, c.accounts[3].ID); err != nil {
			t.Fatal(err)
		}
		c.gather()()
		waited := make(chan struct{})
		go func() { c.going.Wait(); close(waited) }()
		for c.commits.Load() == 0 {
			select {
			case <-waited:
				t.Fatal("all are done although one is held")
			default:
			}
		}
		for i := range c.accounts {
			if c.stored(i) != (i != 3) {
				t.Errorf("account %d: stored %v while another holds account 3", i, c.stored(i))
			}
		}
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		<-waited
		if c.errs[3] != nil || !c.stored(3) {
			t.Errorf("account 3: %v", c.errs[3])
		}
	})
}

// TestR02_ASharedCommitWithoutAnAnswer: what went together is found on disk by
// all, or is in doubt for all; it is never taken for undone.
func TestR02_ASharedCommitWithoutAnAnswer(t *testing.T) {
	for name, commit := range map[string]func(*sqlx.Tx) error{
		"stored":     func(x *sqlx.Tx) error { return errors.Join(x.Commit(), errBroken) },
		"not stored": func(x *sqlx.Tx) error { return errors.Join(x.Rollback(), errBroken) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, ByCaller, func(t *testing.T, s *Store) {
				c := newConvoy(t, s, 10)
				s.commit = commit
				c.gather()()
				c.going.Wait()
				for i, err := range c.errs {
					if name == "stored" && err != nil || name != "stored" && !errors.Is(err, errBroken) {
						t.Errorf("account %d: %v", i, err)
					}
				}
			})
		})
	}
}

// TestWhoGivesUpWaitingWritesNothing: a caller whose time is over before the
// transaction began is not carried.
func TestWhoGivesUpWaitingWritesNothing(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		c := newConvoy(t, s, 1)
		s.group.turns <- struct{}{}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.Begin(ctx, c.accounts[0], wantedLink("INV-00000", 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-s.group.turns
		if len(s.group.waiting) != 0 || c.stored(0) {
			t.Errorf("%d wait, stored %v", len(s.group.waiting), c.stored(0))
		}
	})
}

// TestArraysKeepValues: what goes to PostgreSQL in arrays comes back as it was,
// NULLs and odd characters included.
func TestArraysKeepValues(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		if s.on.oneWriter { // rows go there one by one
			return
		}
		f := form{types: []column{text, number, truth, moment, octets}}
		early := time.Date(1969, 7, 20, 20, 17, 40, 123456000, time.UTC)
		rows := [][]any{
			{"a'b\\\"{},\n", -1, true, at(early), []byte{0, 255, 1}},
			{nil, int64(1) << 62, false, at(time.Time{}), []byte{}},
			{"", 0, false, at(monday), []byte(nil)},
		}
		in, err := f.pack(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = s.db.Select(&got, `SELECT CONCAT_WS('|', COALESCE(v.p1, 'NULL'), v.p2, v.p3, COALESCE(CAST(EXTRACT(EPOCH FROM v.p4) AS TEXT), 'NULL'), COALESCE(encode(v.p5, 'hex'), 'NULL')) FROM `+f.arrays(0), in...)
		want := []string{
			"a'b\\\"{},\n|-1|t|-14182939.876544|00ff01",
			"NULL|4611686018427387904|f|NULL|",
			fmt.Sprintf("|0|f|%d.000000|", monday.Unix()),
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v\n got %q\nwant %q", err, got, want)
		}
		if _, err := f.pack(nil, [][]any{{1, 1, true, at(monday), nil}}); err == nil {
			t.Error("a number was taken for text")
		}
	})
}

// While a change is on its way and another transaction could be, whoever waits
// for it rests: synctest would wait for one that tries again and again.
func TestNobodyTakesTurnsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{turns: make(chan struct{}, 2)}
		g.turns <- struct{}{}
		g.turns <- struct{}{}
		c := &change{row: []any{"an account"}}
		turns, ended := 0, make(chan error)
		go func() { ended <- g.ride(t.Context(), c, func() { turns++; g.next() }) }()
		synctest.Wait()
		batch := g.next()
		<-g.turns // one is free, and the other has c on its way
		synctest.Wait()
		if len(batch) != 1 || turns > 1 {
			t.Errorf("%d changes were on their way, and %d turns taken meanwhile", len(batch), turns)
		}
		close(c.done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
