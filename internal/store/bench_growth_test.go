package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/invoices"
)

// The benchmarks of growth print ratios: what the same takes in a large table
// and in a small one, side by side in one run. DUNNING_GROWTH lists the sizes, in
// accounts, from small to large; 10000,1000000,10000000 takes a quarter of an
// hour and 15 GB.
var growing = sizes(os.Getenv("DUNNING_GROWTH"), 10_000, 200_000)

func sizes(text string, usual ...int) (list []int) {
	if text == "" {
		return usual
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 10_000 {
			panic("DUNNING_GROWTH: " + word + " is no number of accounts, from 10000 on")
		}
		list = append(list, n)
	}
	return list
}

var kinds = []struct {
	name  string
	fresh func(testing.TB) string
}{
	{"postgres", pgtest.Database},
	{"sqlite", func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "dunning.db") }},
}

// grown opens a database of some size. Two fifths of its accounts are due for a
// look, as many for a letter, and the others wait.
func grown(b *testing.B, fresh func(testing.TB) string, n int) *Store {
	b.Helper()
	s, err := Open(b.Context(), Options{URL: fresh(b), Actor: "bench", Migrate: true, Leases: ByCaller})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	fill(b, s, filling{
		accounts: n,
		due:      `CASE WHEN i % 5 < 4 THEN -(i % 86400) ELSE i % 2592000 END`,
		act:      `CASE WHEN i % 5 < 2 THEN 'look' WHEN i % 5 < 4 THEN 'email' ELSE 'check' END`,
	})
	if s.on.name == "postgres" {
		run(b, s, `VACUUM ANALYZE`, `CHECKPOINT`)
	}
	return s
}

// lapses are how long something took, each time.
type lapses []time.Duration

func (s lapses) at(percent int) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(s))[(len(s)-1)*percent/100]
}

func (s lapses) String() string { return fmt.Sprintf("p50 %v, p95 %v", s.at(50), s.at(95)) }

func claimed(b *testing.B, s *Store, n int, acts ...invoices.Act) (time.Duration, []invoices.Account) {
	b.Helper()
	begin := time.Now()
	list, err := s.Claim(context.Background(), invoices.Query{Now: monday, Lease: time.Hour, Limit: n, Acts: acts})
	took := time.Since(begin)
	if err != nil {
		b.Fatal(err)
	}
	return took, list
}

// BenchmarkGrowthOfClaims: what a claim of sixteen accounts takes, and one that
// finds nothing while two fifths of all accounts wait for letters. The tables
// take turns, so that whatever else the machine does counts for all alike.
func BenchmarkGrowthOfClaims(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			tables := make([]*Store, len(growing))
			claim, idle := make([]lapses, len(growing)), make([]lapses, len(growing))
			for t, n := range growing {
				tables[t] = grown(b, kind.fresh, n)
				for list := []invoices.Account{{}}; len(list) > 0; { // the few that are due for a look at a link
					_, list = claimed(b, tables[t], 500, invoices.Check)
				}
			}
			const warm = 30
			for i := range warm + 200 {
				for t, s := range tables {
					took, list := claimed(b, s, 16, invoices.Idle)
					none, nobody := claimed(b, s, 16, invoices.MakeLink, invoices.RenewLink, invoices.Check)
					if len(list) != 16 || len(nobody) != 0 {
						b.Fatalf("%d and %d accounts", len(list), len(nobody))
					}
					if i >= warm {
						claim[t], idle[t] = append(claim[t], took), append(idle[t], none)
					}
				}
			}
			for t, n := range growing {
				ratio := float64(claim[t].at(50)) / float64(claim[0].at(50))
				b.Logf("%8d accounts: claim %v, %.2f of the smallest; idle %v", n, claim[t], ratio, idle[t])
				b.ReportMetric(ratio, fmt.Sprintf("claim-%d/claim-%d", n, growing[0]))
				b.ReportMetric(idle[t].at(50).Seconds()*1000, fmt.Sprintf("ms/idle-%d", n))
			}
		})
	}
}

// BenchmarkGrowthUnderASnapshot: what a claim takes at the beginning and at the
// end of a long queue: while no other session has a snapshot of it open, while
// one has, and while one has and claims begin at the beginning.
func BenchmarkGrowthUnderASnapshot(b *testing.B) {
	var all [3]lapses
	for i, says := range []string{"none", "open", "open, without marks"} {
		s := grown(b, pgtest.Database, growing[len(growing)-1]/4)
		if i > 0 {
			defer snapshot(b, s)()
		}
		s.marks.off = i == 2
		for {
			took, list := claimed(b, s, 16, invoices.Idle)
			if len(list) == 0 {
				break
			}
			all[i] = append(all[i], took)
			var in args
			var ids []string
			for _, a := range list {
				ids = append(ids, a.ID)
			}
			if _, err := s.db.Exec(`UPDATE accounts SET lease_id = '', lease_until = NULL, claims = 0, next_at = NULL WHERE id IN `+in.list(ids), in...); err != nil {
				b.Fatal(err)
			}
		}
		tenth := max(1, len(all[i])/10)
		b.Logf("snapshot: %-20s %d claims; the first tenth %v; the last %v", says, len(all[i]), all[i][:tenth], all[i][len(all[i])-tenth:])
	}
	b.ReportMetric(float64(all[1].at(95))/float64(all[0].at(95)), "p95-open/p95-none")
	b.ReportMetric(float64(all[2].at(95))/float64(all[0].at(95)), "p95-unmarked/p95-none")
}

// snapshot opens a session that sees the database as it is now, until end.
func snapshot(b *testing.B, s *Store) (end func()) {
	b.Helper()
	other, err := s.db.Beginx()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := other.Exec(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
		b.Fatal(err)
	}
	var n int
	if err := other.Get(&n, `SELECT COUNT(*) FROM accounts`); err != nil {
		b.Fatal(err)
	}
	return func() { _ = other.Rollback() }
}

// BenchmarkGrowthOfWaking: what it takes to have every account looked at again,
// and what due letters wait for it: a claim of theirs while there is a sweep, and
// while there is none.
func BenchmarkGrowthOfWaking(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			for _, n := range growing {
				s := grown(b, kind.fresh, n)
				run(b, s, `UPDATE accounts SET next_at = NULL WHERE next_act <> 'email'`)
				var before, during, pages lapses
				for range 50 {
					took, _ := claimed(b, s, 16, invoices.Idle, invoices.Email)
					before = append(before, took)
				}
				begin := time.Now()
				if err := s.Wake(context.Background(), "edited", monday); err != nil {
					b.Fatal(err)
				}
				asked := time.Since(begin)
				for range 50 {
					took, list := claimed(b, s, 16, invoices.Idle, invoices.Email)
					if len(list) != 16 {
						b.Fatalf("%d accounts", len(list))
					}
					during = append(during, took)
				}
				for range 20 {
					took, list := claimed(b, s, 500, invoices.Idle)
					if len(list) == 0 {
						break
					}
					pages = append(pages, took)
				}
				b.Logf("%8d accounts: asked for in %v; due letters claimed in %v, and with a sweep to do %v; a page woken and claimed in %v", n, asked, before, during, pages)
				b.ReportMetric(float64(during.at(50))/float64(before.at(50)), fmt.Sprintf("claim-swept/claim-%d", n))
				s.Close()
			}
		})
	}
}
