package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"dunning/internal/pgtest"
	"dunning/invoices"
)

// BenchmarkVisit is all that the database does for the first letter of an
// account: a link wanted and made, a letter started and sent, the account given
// back; by many hands at once. It is compared with the same rows written in plain
// batches of a hundred, without a decision in between: a ratio of 1 would be as
// fast.
func BenchmarkVisit(b *testing.B) {
	const n = 4000
	for name, fresh := range map[string]func(testing.TB) string{
		"sqlite":   func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "dunning.db") },
		"postgres": pgtest.Database,
	} {
		for _, hands := range []int{1, 16, 128} {
			b.Run(fmt.Sprintf("%s/hands=%d", name, hands), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					s, err := Open(context.Background(), Options{URL: fresh(b), Actor: "bench", Migrate: true, Leases: ByCaller})
					if err != nil {
						b.Fatal(err)
					}
					owe(b, s, 2*n, 1)
					var accounts []invoices.Account
					for len(accounts) < 2*n {
						some, err := s.Claim(context.Background(), invoices.Query{Now: monday, Lease: time.Hour, Limit: 500, Acts: []invoices.Act{invoices.Idle}})
						if err != nil || len(some) == 0 {
							b.Fatal(err)
						}
						accounts = append(accounts, some...)
					}
					var commits atomic.Int64
					s.commit = func(t *sqlx.Tx) error { commits.Add(1); return t.Commit() }
					b.StartTimer()
					start := time.Now()
					var next atomic.Int64
					var going errgroup.Group
					for range hands {
						going.Go(func() error {
							for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
								if err := visit(s, accounts[i]); err != nil {
									return err
								}
							}
							return nil
						})
					}
					if err := going.Wait(); err != nil {
						b.Fatal(err)
					}
					ours := time.Since(start)
					b.ReportMetric(float64(commits.Load())/n, "commits/account")
					b.ReportMetric(float64(ours.Microseconds())/n, "us/account")
					b.StopTimer()
					start = time.Now()
					for some := range slices.Chunk(accounts[n:], 100) {
						if err := plainly(s, some); err != nil {
							b.Fatal(err)
						}
					}
					ratio := time.Since(start).Seconds() / ours.Seconds()
					b.ReportMetric(ratio, "ratio-to-plain")
					if os.Getenv("DUNNING_BENCH_GUARD") != "" && hands == 128 && ratio < 0.3 {
						b.Fatalf("ratio-to-plain is %.2f, and should never be below 0.3", ratio)
					}
					b.StartTimer()
					s.Close()
				}
			})
		}
	}
}

// visit writes what happens to an account.
func visit(s *Store, a invoices.Account) (err error) {
	for _, step := range steps(&a) {
		switch step := step.(type) {
		case invoices.Intent:
			a, err = s.Begin(context.Background(), a, step)
		case invoices.Fact:
			a, err = s.End(context.Background(), a, step)
		}
		if err != nil {
			return err
		}
	}
	return s.Release(context.Background(), a, rest, monday)
}

var rest = invoices.Decision{At: monday.AddDate(0, 0, 14), Why: "the next step is due in two weeks"}

// steps is what happens to an account with one invoice.
func steps(a *invoices.Account) []any {
	number := a.Invoices[0].Number
	want := wantedLink(number, 1)
	seen := want.Link
	seen.State, seen.Remote, seen.URL, seen.Seen = invoices.New, "remote-"+number, "https://pay.example/"+number, monday
	raw := make([]byte, 3000)
	_, _ = rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%32s", number)))).Read(raw) // never fails
	raw = append(raw, make([]byte, 9000)...)
	id := "letter-" + number
	return []any{
		want,
		invoices.LinkSeen{Invoice: number, Link: seen, At: monday},
		invoices.LetterStarted{Patience: time.Minute, Letter: invoices.Letter{
			ID: id, Try: 1, Account: a.ID, At: monday, MessageID: id, Raw: raw, State: invoices.Sending,
			Items: []invoices.Item{{Invoice: number, Episode: 1, Step: "request", Gen: 1}},
		}},
		invoices.LetterEnded{ID: id, Try: 1, Result: invoices.Sent, At: monday, Why: "250 ok"},
	}
}

// plainly writes the same rows of many accounts in one transaction for each
// step, as a program would that decides nothing and loses nothing.
func plainly(s *Store, accounts []invoices.Account) error {
	ctx := context.Background()
	for i := range 5 {
		t := &tx{ctx: ctx, s: s, db: s.carrier, ready: s.ready}
		err := s.once(t, func(t *tx) error {
			w := &sheet{s: s}
			for _, a := range accounts {
				if i == 4 {
					a.Version += 4
					w.add(released, givenBack(a, rest, monday, 0)...)
					continue
				}
				all := steps(&a)
				a.Version += int64(i)
				for _, before := range all[:i] {
					a = invoices.Apply(a, before)
				}
				if err := plain(w, a, all[i]); err != nil {
					return err
				}
			}
			return t.put(w)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func plain(w *sheet, a invoices.Account, step any) error {
	switch c := step.(type) {
	case invoices.LinkWanted:
		w.add(intended, a.ID, a.Version, a.Lease, at(c.At), nil)
		return (&intents{w, &a}).linkWanted(c)
	case invoices.LetterStarted:
		raw := pack(c.Letter.Raw)
		w.add(intended, a.ID, a.Version, a.Lease, at(c.Letter.At), at(monday.Add(time.Hour)))
		return (&intents{w, &a}).letterStarted(c, raw)
	}
	w.add(ended, a.ID, a.Version, a.Lease)
	return (&recorder{ctx: context.Background(), s: w.s, sheet: w, a: &a, fresh: true}).record(step)
}
