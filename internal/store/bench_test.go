package store

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/invoices"
)

// BenchmarkLetter is all that the database does for one letter: claim, intent,
// outcome, release.
func BenchmarkLetter(b *testing.B) {
	for name, fresh := range map[string]func(testing.TB) string{
		"sqlite":   func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "dunning.db") },
		"postgres": pgtest.Database,
	} {
		for _, hands := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/hands=%d", name, hands), func(b *testing.B) {
				s, err := Open(context.Background(), Options{URL: fresh(b), Actor: "bench", Migrate: true, Leases: ByCaller})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				owe(b, s, b.N, 1)
				var n atomic.Int64
				b.SetParallelism(hands)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					var have []invoices.Account
					for pb.Next() {
						if len(have) == 0 {
							have, err = s.Claim(context.Background(), invoices.Query{Now: monday, Lease: time.Hour, Limit: 16, Acts: []invoices.Act{invoices.Idle}})
							if err != nil || len(have) == 0 {
								continue
							}
						}
						a := have[0]
						have = have[1:]
						letter(b, s, a, fmt.Sprint("letter-", n.Add(1)))
					}
				})
				b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "letters/s")
			})
		}
	}
}

func letter(b *testing.B, s *Store, a invoices.Account, id string) {
	ctx := context.Background()
	raw := make([]byte, 12000)
	copy(raw, id)
	start := invoices.LetterStarted{Patience: time.Minute, Letter: invoices.Letter{
		ID: id, Try: 1, Account: a.ID, At: monday, MessageID: id, Raw: raw, State: invoices.Sending,
		Items: []invoices.Item{{Invoice: a.Invoices[0].Number, Episode: 1, Step: "request"}},
	}}
	a, err := s.Begin(ctx, a, start)
	if err != nil {
		b.Error(err)
		return
	}
	if a, err = s.End(ctx, a, invoices.LetterEnded{ID: id, Try: 1, Result: invoices.Sent, At: monday}); err != nil {
		b.Error(err)
	}
	if err := s.Release(ctx, a, invoices.Decision{}, monday); err != nil {
		b.Error(err)
	}
}
