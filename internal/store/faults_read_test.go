package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/pgproxy"
	"dunning/internal/pgtest"
	"dunning/internal/store"
	"dunning/invoices"
)

// looks are the ways to read. What they return must be all there is.
var looks = map[string]func(context.Context, *world, *store.Store) (any, error){
	"lookup": func(ctx context.Context, w *world, s *store.Store) (any, error) { return s.Lookup(ctx, w.invoice(0)) },
	"letter": func(ctx context.Context, w *world, s *store.Store) (any, error) {
		return s.Letter(ctx, "letter-"+w.mark)
	},
	"letters": func(ctx context.Context, w *world, s *store.Store) (any, error) {
		return s.Letters(ctx, w.invoice(0))
	},
	"events": func(ctx context.Context, w *world, s *store.Store) (any, error) {
		return s.Events(ctx, w.invoice(0), 100)
	},
	"walk": func(ctx context.Context, w *world, s *store.Store) (any, error) {
		return walked(ctx, w, s, store.Filter{})
	},
	"find": func(ctx context.Context, w *world, s *store.Store) (any, error) {
		return walked(ctx, w, s, store.Filter{Invoice: "INV-*"})
	},
	"incident": func(ctx context.Context, _ *world, s *store.Store) (any, error) { return s.Incidents(ctx) },
	"sources":  func(ctx context.Context, _ *world, s *store.Store) (any, error) { return s.Sources(ctx) },
	"loaded":   func(ctx context.Context, w *world, s *store.Store) (any, error) { return s.Loaded(ctx, "erp-"+w.mark) },
	"runs":     func(ctx context.Context, _ *world, s *store.Store) (any, error) { return s.Runs(ctx, 10) },
	"stats":    func(ctx context.Context, w *world, s *store.Store) (any, error) { return s.Stats(ctx, w.now) },
	"zones": func(ctx context.Context, _ *world, s *store.Store) (any, error) {
		zones, err := s.Zones(ctx)
		return fmt.Sprint(zones), err
	},
	"next due": func(ctx context.Context, _ *world, s *store.Store) (any, error) {
		due, found, err := s.NextDue(ctx)
		return fmt.Sprint(due, found), err
	},
}

func walked(ctx context.Context, w *world, s *store.Store, f store.Filter) (any, error) {
	var all []invoices.Account
	err := s.Walk(ctx, f, w.now, func(a invoices.Account) error { all = append(all, a); return nil })
	return all, err
}

// TestR03_ReadingBreaksAnywhere breaks the connection at every message of every
// read: what is returned without an error is all there is, never the part that
// came before the break. A list of invoices that is short by the one that was
// paid would be a letter about it.
func TestR03_ReadingBreaksAnywhere(t *testing.T) {
	t.Parallel()
	y := newYard(t, pgtest.Start(t, unsynced), "")
	for range 3 {
		w := y.world()
		w.begin(w.started(1))
		w.end(w.ended(invoices.Sent), invoices.Incident{Invoice: w.invoice(0), Kind: invoices.PaidAmiss, Key: "k", Detail: "d", At: w.now})
		id, err := y.clean.Started(t.Context(), "poll-"+w.mark, w.now, w.now)
		y.must(err)
		y.must(y.clean.Ended(t.Context(), id, w.now, map[string]int{"sent": 1}, nil))
	}
	w := y.world()
	w.begin(w.started(1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for says, look := range looks {
		y.must(y.through.Ping(ctx))
		y.proxy.Listen()
		got, err := look(ctx, w, y.through)
		y.must(err)
		heard, whole, said := y.proxy.Heard(), w.plain(got), map[bool]int{}
		for at := range heard {
			for i := range 4 {
				if !thorough() && i != at%4 {
					continue
				}
				y.proxy.Plan(pgproxy.Break{At: at, After: i&1 != 0, Way: pgproxy.Way(i >> 1)})
				got, err := look(ctx, w, y.through)
				if broken, _ := y.proxy.Broken(); !broken {
					t.Errorf("%s: %d of %d: it did not break", says, at, len(heard))
				}
				y.proxy.Heal()
				said[err == nil]++
				if err == nil && w.plain(got) != whole {
					t.Errorf("%s: broken at %s, %d of %d: returned (-want +got):\n%s", says, heard[at], at, len(heard), cmp.Diff(whole, w.plain(got)))
				}
				if got, err := look(ctx, w, y.through); err != nil || w.plain(got) != whole {
					t.Errorf("%s: broken at %s, %d of %d; and then: %v", says, heard[at], at, len(heard), err)
				}
			}
		}
		t.Logf("%s: %d messages, without an error %d, with one %d", says, len(heard), said[true], said[false])
	}
}

// TestR02_WakingBreaksAnywhere breaks the connection while a new configuration
// is noted and every account is woken for it. It is not noted without the wish to
// wake them, the wish is there as long as one is asleep, and who goes on wakes
// them all.
func TestR02_WakingBreaksAnywhere(t *testing.T) {
	t.Parallel()
	y := newYard(t, pgtest.Start(t, unsynced), "")
	for range 3 {
		w := y.world()
		w.claim()
		y.must(y.clean.Release(t.Context(), w.a, invoices.Decision{Act: invoices.Idle}, w.now)) // due never
	}
	_, err := y.direct.Exec(`UPDATE installation SET config = 'the first'`)
	y.must(err)
	state := func() (asleep int, config string, wish bool) {
		y.must(y.direct.QueryRow(`SELECT (SELECT COUNT(*) FROM accounts WHERE next_at IS NULL), config, woken_to IS NOT NULL FROM installation`).Scan(&asleep, &config, &wish))
		return asleep, config, wish
	}
	wake := func(s *store.Store, config string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := s.Wake(ctx, config, monday); err != nil {
			return err
		}
		_, err := s.Claim(ctx, invoices.Query{Now: monday, Lease: time.Minute, Limit: 16, Acts: []invoices.Act{invoices.Idle}})
		return err
	}
	y.must(y.through.Ping(t.Context()))
	y.proxy.Listen()
	y.must(wake(y.through, "first"))
	heard := y.proxy.Heard()
	if asleep, _, _ := state(); asleep != 0 || len(heard) < 40 {
		t.Fatalf("%d are asleep after %d messages", asleep, len(heard))
	}
	for at := range heard {
		for i := range 4 {
			if !thorough() && i != at%4 {
				continue
			}
			_, err := y.direct.Exec(`UPDATE accounts SET next_at = NULL, lease_id = '', lease_until = NULL, claims = 0`)
			y.must(err)
			config, what := fmt.Sprint("config ", at, i), fmt.Sprintf("broken at %s, %d of %d", heard[at], at, len(heard))
			y.proxy.Plan(pgproxy.Break{At: at, After: i&1 != 0, Way: pgproxy.Way(i >> 1)})
			err = wake(y.through, config)
			broken, pids := y.proxy.Broken()
			y.proxy.Heal()
			if y.quiet(true, pids); !broken {
				t.Errorf("%s: it did not break", what)
			}
			asleep, noted, wish := state()
			if noted == config && asleep > 0 && !wish || err == nil && (asleep > 0 || noted != config) {
				t.Errorf("%s: %v; %d are asleep, the configuration is %s, the wish to wake them is there: %v", what, err, asleep, noted, wish)
			}
			y.must(wake(y.through, config))
			if asleep, noted, _ := state(); asleep > 0 || noted != config {
				t.Errorf("%s: %v; and after the second try %d are asleep", what, err, asleep)
			}
		}
	}
}
