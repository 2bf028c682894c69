package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/pgtest"
	"dunning/invoices"
)

var update = flag.Bool("update", false, "write the plans of statements anew")

// explained is what a database is filled with to see its plans: enough for
// reading all of it to be dear. A tenth is due for a look, as many for letters.
var explained = filling{
	accounts: 100_000, linked: true,
	due: `CASE WHEN i % 5 = 0 THEN -i ELSE i END`,
	act: `CASE WHEN i % 10 = 0 THEN 'look' WHEN i % 10 = 5 THEN 'email' ELSE 'remind' END`,
}

// sloppy are the statistics with which a database may have to work.
var sloppy = []struct {
	says    string
	between []string // before and after the rows come
	after   []string
}{
	{"statistics of today", nil, []string{`ANALYZE`}},
	{"statistics of when there was nothing", []string{`ANALYZE`}, nil},
	{"no statistics at all", nil, nil},
}

// TestPlansOfStatements: whatever the statistics, each statement that is run for
// many accounts reads what it needs by its key. What the database says is in
// testdata/plans; -update writes it anew.
func TestPlansOfStatements(t *testing.T) {
	server := pgtest.Start(t, "fsync=off", "autovacuum=off")
	for i, with := range sloppy {
		for _, kind := range []string{"postgres", "sqlite"} {
			t.Run(kind+", "+with.says, func(t *testing.T) {
				url := "sqlite:" + filepath.Join(t.TempDir(), "dunning.db")
				if kind == "postgres" {
					url = server.Database(t, fmt.Sprint("plans", i), "")
				}
				s, err := Open(t.Context(), Options{URL: url, Actor: "test", Migrate: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				run(t, s, with.between...)
				rows := explained
				if kind == "sqlite" { // which does not care
					rows.accounts /= 10
				}
				fill(t, s, rows)
				run(t, s, with.after...)
				text := explainAll(t, s, listen(t, s, url))
				if i == 0 {
					golden(t, s, text)
				}
			})
		}
	}
}

// wide is a plan that reads a whole table.
var wide = regexp.MustCompile(`(?m)Seq Scan on (accounts|invoices|links|steps|letters)|SCAN (a|i|w|u|accounts|invoices|links|steps|letters)( |$)`)

// few are indexes that hold few of the rows: to read all of one is right.
var few = regexp.MustCompile(`SCAN \w+ USING (COVERING )?INDEX (accounts_leased|accounts_aside|accounts_person|letters_unsettled)`)

// explainAll does what is done for many accounts and returns how.
func explainAll(t *testing.T, s *Store, tap *tap) string {
	var text strings.Builder
	for _, op := range operations {
		fmt.Fprintf(&text, "== %s\n", op.says)
		var shapes []string
		setting := ""
		heard := tap.during(func() {
			if err := op.do(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", op.says, err)
			}
		})
		for _, st := range heard {
			shape := st.shape()
			if shape == s.on.byKey || shape == s.on.whole {
				setting = st.query
				continue
			}
			if shape == "BEGIN" {
				setting = ""
			}
			if kind, _, _ := strings.Cut(shape, " "); !slices.Contains([]string{"SELECT", "WITH", "UPDATE", "INSERT", "DELETE"}, kind) || slices.Contains(shapes, shape) {
				continue
			}
			shapes = append(shapes, shape)
			plan := keys.ReplaceAllString(st.plan(t, s, setting), "{…}")
			fmt.Fprintf(&text, "\n%s\n%s\n", shape, plan)
			if found := wide.FindString(few.ReplaceAllString(plan, "") + "\n"); found != "" && !slices.ContainsFunc(op.whole, func(t string) bool { return strings.Contains(found, t) }) {
				t.Errorf("%s: %s\n%s\n%s", op.says, found, shape, plan)
			}
			if strings.HasPrefix(op.says, "a claim") && strings.Contains(plan, "accounts_due") {
				t.Errorf("%s goes through all that are due\n%s\n%s", op.says, shape, plan)
			}
		}
		fmt.Fprintln(&text)
	}
	return text.String()
}

// operations are what is done for many accounts.
var operations = []struct {
	says  string
	do    func(context.Context, *Store) error
	whole []string // tables that may be read whole
}{
	{"a claim of sixteen", claimSome(16, invoices.Idle, invoices.Email, invoices.Again), nil},
	{"a claim of five hundred", claimSome(500, invoices.Idle, invoices.Email, invoices.Again), nil},
	{"a claim that finds nothing, though others find much", claimNone, nil},
	{"a page of accounts that are woken", func(ctx context.Context, s *Store) error {
		if err := s.Wake(ctx, "edited", monday); err != nil {
			return err
		}
		again, err := s.sweep(ctx, invoices.Query{Now: monday, Limit: 16, Acts: []invoices.Act{invoices.RenewLink}})
		if err == nil && !again {
			err = errors.New("there was nobody to wake")
		}
		return err
	}, nil},
	{"a walk over all accounts", func(ctx context.Context, s *Store) error {
		n := 0
		return s.Walk(ctx, Filter{}, monday, func(invoices.Account) error {
			if n++; n > batch {
				return ErrEnough
			}
			return nil
		})
	}, nil},
	{"a look ahead at what is due", func(ctx context.Context, s *Store) error {
		n := 0
		q := invoices.Query{Now: monday, Acts: []invoices.Act{invoices.Idle, invoices.Email}}
		return errors.Join(ask(s.AtMost(ctx, q, 51)), s.Due(ctx, q, func(invoices.Account) error {
			if n++; n > batch {
				return ErrEnough
			}
			return nil
		}))
	}, nil},
	{"how the installation is doing", func(ctx context.Context, s *Store) error { return ask(s.Stats(ctx, monday)) }, []string{"accounts"}}, // it counts those that are due
	{"a source that is not believed", func(ctx context.Context, s *Store) error {
		return s.Doubt(ctx, "erp", "it could not be read", monday)
	}, nil},
	{"an import that adds and changes", importSome, nil},
}

func ask(_ any, err error) error { return err }

func claimSome(n int, acts ...invoices.Act) func(context.Context, *Store) error {
	return func(ctx context.Context, s *Store) error {
		list, err := s.Claim(ctx, invoices.Query{Now: monday, Lease: time.Minute, Limit: n, Acts: acts})
		if err == nil && len(list) != n {
			err = fmt.Errorf("%d accounts were claimed, want %d", len(list), n)
		}
		return err
	}
}

func claimNone(ctx context.Context, s *Store) error {
	list, err := s.Claim(ctx, invoices.Query{Now: monday, Lease: time.Minute, Limit: 16, Acts: []invoices.Act{invoices.RenewLink, invoices.Again}})
	if err == nil && len(list) != 0 {
		err = fmt.Errorf("%d accounts were claimed, want none", len(list))
	}
	return err
}

func importSome(ctx context.Context, s *Store) error {
	var known int
	if err := s.db.GetContext(ctx, &known, `SELECT rows_read FROM sources`); err != nil {
		return err
	}
	rows := func(yield func(invoices.Row, error) bool) {
		for i := range 1000 {
			i += known - 500
			r := invoices.Row{
				Line: i + 2, Number: fmt.Sprintf("INV-%08d", i), Total: money.Amount{Minor: 13000, Currency: "EUR"},
				DueOn: civil.Date{Year: 2026, Month: 4, Day: 1}, Customer: invoices.Debtor{ID: fmt.Sprintf("a%08d", i), Email: "x@example.com"},
			}
			if !yield(r, nil) {
				return
			}
		}
	}
	_, err := s.Import(ctx, invoices.Load{Source: "erp", File: "books.csv", Digest: "2", At: monday, Rows: rows}, nil, false)
	return err
}

// golden compares plans with those that are kept, where the database is the
// version that they are of.
func golden(t *testing.T, s *Store, text string) {
	t.Helper()
	file, head := filepath.Join("testdata", "plans", s.on.name+".txt"), "SQLite\n\n"
	if s.on.name == "postgres" {
		var version string
		if err := s.db.Get(&version, `SELECT CAST(CAST(setting AS BIGINT) / 10000 AS TEXT) FROM pg_settings WHERE name = 'server_version_num'`); err != nil {
			t.Fatal(err)
		}
		head = "PostgreSQL " + version + "\n\n"
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(kept), head) {
		t.Logf("the plans that are kept are of another version; it was only checked that no table is read whole")
		return
	}
	if diff := cmp.Diff(ways(string(kept)), ways(text)); diff != "" {
		t.Errorf("the plans have changed (-kept +now); if they are as good, run this test with -update:\n%s", diff)
	}
}

// ways returns the statements of some plans and how each gets at its rows. In
// which order it does so, and how it puts them together, is the luck of the
// samples that statistics are made of.
func ways(text string) (lines []string) {
	sorted := 0
	for line := range strings.Lines(text) {
		switch line = strings.TrimLeft(strings.TrimSpace(line), "-> "); {
		case strings.Contains(line, "$1"):
			sorted = len(lines) + 1
			lines = append(lines, line)
		case access.MatchString(line):
			lines = append(lines, numbered.ReplaceAllString(line, ""))
			slices.Sort(lines[sorted:])
		}
	}
	return lines
}

var (
	access   = regexp.MustCompile(`Scan (using|on) [a-z]|^SEARCH|^SCAN`)
	numbered = regexp.MustCompile(`_\d+$`)
)
