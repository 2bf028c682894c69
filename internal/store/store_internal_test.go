package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/pgtest"
	"dunning/invoices"
)

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// each runs a test on both databases.
func each(t *testing.T, leases Leases, test func(*testing.T, *Store)) {
	for name, fresh := range map[string]func(testing.TB) string{
		"sqlite":   func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "dunning.db") },
		"postgres": pgtest.Database,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(context.Background(), Options{URL: fresh(t), Actor: "test", Migrate: true, Leases: leases})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			test(t, s)
		})
	}
}

// owe imports so many accounts with so many invoices each.
func owe(t testing.TB, s *Store, accounts, each int) {
	t.Helper()
	run(t, s, `UPDATE installation SET config = 'the first'`)
	var rows iter.Seq2[invoices.Row, error] = func(yield func(invoices.Row, error) bool) {
		for i := range accounts * each {
			id := fmt.Sprintf("a%05d", i%accounts)
			r := invoices.Row{
				Line: i + 2, Number: fmt.Sprintf("INV-%05d", i), Total: money.Amount{Minor: 12000, Currency: "EUR"},
				DueOn: civil.Date{Year: 2026, Month: 4, Day: 1}, Customer: invoices.Debtor{ID: id, Name: id, Email: id + "@example.com"},
			}
			if !yield(r, nil) {
				return
			}
		}
	}
	if _, err := s.Import(context.Background(), invoices.Load{Source: "erp", File: "books.csv", Digest: "1", At: monday, Rows: rows}, nil, false); err != nil {
		t.Fatal(err)
	}
}

func claimOne(t *testing.T, s *Store, now time.Time) invoices.Account {
	t.Helper()
	list, err := s.Claim(context.Background(), invoices.Query{Now: now, Lease: time.Minute, Limit: 1, Acts: []invoices.Act{invoices.Idle}})
	if err != nil || len(list) != 1 {
		t.Fatalf("claim: %d accounts, %v", len(list), err)
	}
	return list[0]
}

func wantedLink(number string, gen int) invoices.LinkWanted {
	return invoices.LinkWanted{Invoice: number, At: monday, Link: invoices.Link{
		Gen: gen, Ref: fmt.Sprintf("%s-L%d", number, gen), Amount: money.Amount{Minor: 12000, Currency: "EUR"}, State: invoices.Wanted, Since: monday,
	}}
}

var errBroken = errors.New("the connection broke")

// TestR02_ACommitWithoutAnAnswer breaks the connection at COMMIT: after the
// database did it, and before. What is on disk is found there and is no error;
// what is not found is one, and never taken for "the account has changed".
func TestR02_ACommitWithoutAnAnswer(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		ctx := context.Background()
		owe(t, s, 1, 1)
		after := func(t *sqlx.Tx) error { return errors.Join(t.Commit(), errBroken) }
		before := func(t *sqlx.Tx) error { return errors.Join(t.Rollback(), errBroken) }
		a := claimOne(t, s, monday)

		s.commit = before
		if _, err := s.Begin(ctx, a, wantedLink("INV-00000", 1)); !errors.Is(err, errBroken) || errors.Is(err, invoices.ErrStale) {
			t.Fatalf("begin, not stored: %v", err)
		}
		s.commit = after
		a, err := s.Begin(ctx, a, wantedLink("INV-00000", 1))
		if err != nil {
			t.Fatalf("begin, stored: %v", err)
		}
		link := *a.Find("INV-00000").Link(1)
		link.State, link.Remote, link.Seen = invoices.New, "remote", monday
		s.commit = before
		if _, err := s.End(ctx, a, invoices.LinkSeen{Invoice: "INV-00000", Link: link, At: monday}); !errors.Is(err, errBroken) {
			t.Fatalf("end, not stored: %v", err)
		}
		s.commit = after
		a, err = s.End(ctx, a, invoices.LinkSeen{Invoice: "INV-00000", Link: link, At: monday})
		if err != nil {
			t.Fatalf("end, stored: %v", err)
		}
		s.commit = (*sqlx.Tx).Commit
		then, err := s.Lookup(ctx, "INV-00000")
		if err != nil {
			t.Fatal(err)
		}
		if l := then.Find("INV-00000").Links; len(l) != 1 || l[0].State != invoices.New || then.Version != a.Version {
			t.Errorf("stored: version %d, returned %d, %+v", then.Version, a.Version, l)
		}
	})
}

// TestR25_EventsAreNeverChanged: not even by hand.
func TestR25_EventsAreNeverChanged(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		owe(t, s, 1, 1)
		statements := []string{`UPDATE events SET detail = 'nothing happened'`, `DELETE FROM events`}
		if s.on.name == "postgres" {
			statements = append(statements, `TRUNCATE events`)
		}
		for _, statement := range statements {
			if _, err := s.db.Exec(statement); err == nil || !strings.Contains(err.Error(), "events are never") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		events, err := s.Events(context.Background(), "INV-00000", 10)
		if err != nil || len(events) != 1 {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}

// counted counts the statements of a loader.
type counted struct {
	sqlx.QueryerContext
	n int
}

func (c *counted) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	c.n++
	return c.QueryerContext.QueryxContext(ctx, query, args...)
}

// TestLoadingIsConstant: loading a hundred accounts takes no more statements
// than loading one.
func TestLoadingIsConstant(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		owe(t, s, 100, 10)
		want := 5
		if s.on.byKey != "" {
			want++
		}
		for _, n := range []int{1, 100} {
			var ids []string
			for i := range n {
				ids = append(ids, fmt.Sprintf("a%05d", i))
			}
			c := &counted{QueryerContext: s.db}
			l := loader{s: s, ctx: context.Background(), q: c, now: monday}
			list, err := l.accounts(ids)
			if err != nil || len(list) != n || len(list[n-1].Invoices) != 10 {
				t.Fatalf("%d accounts, %v", len(list), err)
			}
			if c.n != want {
				t.Errorf("%d accounts took %d statements, want %d", n, c.n, want)
			}
		}
	})
}

// TestR01_LeasesRunOnTheServersClock: replicas whose clocks are years apart
// agree on who has an account.
func TestR01_LeasesRunOnTheServersClock(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, Options{URL: pgtest.Database(t), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	owe(t, s, 1, 1)
	a := claimOne(t, s, monday)
	q := invoices.Query{Now: monday.AddDate(50, 0, 0), Lease: time.Minute, Limit: 1, Acts: []invoices.Act{invoices.Idle}}
	if list, err := s.Claim(ctx, q); err != nil || len(list) != 0 {
		t.Fatalf("a replica fifty years ahead took %d leased accounts, %v", len(list), err)
	}
	start := invoices.LetterStarted{Patience: 10 * time.Minute, Letter: invoices.Letter{
		ID: "l", Try: 1, Account: a.ID, At: monday, MessageID: "l", Items: []invoices.Item{{Invoice: "INV-00000", Episode: 1, Step: "request"}},
	}}
	if _, err := s.Begin(ctx, a, start); err != nil {
		t.Fatal(err)
	}
	var left float64
	if err := s.db.Get(&left, `SELECT EXTRACT(EPOCH FROM lease_until - statement_timestamp()) FROM accounts`); err != nil {
		t.Fatal(err)
	}
	if left < 10*60+50 || left > 11*60 {
		t.Errorf("the lease lasts %.0f s more, want eleven minutes", left)
	}
	if _, err := s.db.Exec(`UPDATE accounts SET lease_until = statement_timestamp()`); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Claim(ctx, q); err != nil || len(list) != 1 {
		t.Fatalf("when the lease was over %d accounts were taken, %v", len(list), err)
	}
}

// TestANewerSchemaIsFine: during a rollout the previous version goes on.
func TestANewerSchemaIsFine(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		ctx := context.Background()
		if _, err := s.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		if err := s.current(ctx); err != nil {
			t.Errorf("without migrating: %v", err)
		}
		if from, to, err := s.Migrate(ctx); err != nil || from != 9999 || to != 9999 {
			t.Errorf("migrating: from %d to %d, %v", from, to, err)
		}
	})
}

// TestAWriteIsRepeatedOnlyWhenNothingWasDone: a conflict is tried again, a
// COMMIT is not.
func TestAWriteIsRepeatedOnlyWhenNothingWasDone(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		conflict := errors.New("conflict")
		s.on.again = func(err error) bool { return errors.Is(err, conflict) }
		for _, tt := range []struct {
			says  string
			do    func(n int, x *tx) error
			tries int
			fails bool
		}{
			{"a conflict that goes away", func(n int, _ *tx) error {
				if n < 3 {
					return conflict
				}
				return nil
			}, 3, false},
			{"a conflict that stays", func(int, *tx) error { return conflict }, 5, true},
			{"another error", func(int, *tx) error { return sql.ErrNoRows }, 1, true},
			{"what says it must not be repeated", func(_ int, x *tx) error { x.fixed = true; return conflict }, 1, true},
		} {
			n := 0
			err := s.write(context.Background(), func(x *tx) error { n++; return tt.do(n, x) })
			if n != tt.tries || (err != nil) != tt.fails {
				t.Errorf("%s: %d tries, %v", tt.says, n, err)
			}
		}
		s.commit = func(x *sqlx.Tx) error { return errors.Join(x.Rollback(), conflict) }
		n := 0
		if err := s.write(context.Background(), func(*tx) error { n++; return nil }); n != 1 || err == nil {
			t.Errorf("a COMMIT without an answer: %d tries, %v", n, err)
		}
	})
}

// TestSQLNamesItsColumns: no statement takes whatever columns there are.
func TestSQLNamesItsColumns(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	star := regexp.MustCompile(`(?i)(select|returning)\s+([a-z]+\.)?\*`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := star.Find(text); found != nil {
			t.Errorf("%s: %s", file, found)
		}
	}
}
