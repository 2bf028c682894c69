package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"dunning/internal/pgproxy"
	"dunning/internal/pgtest"
	"dunning/internal/store"
)

// fill makes a store open as many connections as it may.
func (y *yard) fill(s *store.Store) {
	y.Helper()
	w := y.world()
	held := y.lock(w)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = w.hold(y.Context(), s) })
	}
	for n := 0; n < len(errs); { // until each has a connection
		y.must(y.direct.Get(&n, `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`))
	}
	y.must(held.Rollback())
	wg.Wait()
	y.must(errors.Join(errs...))
}

// TestTheStoreResumesByItself: connections that died while nobody used them
// cost nobody an error, be they eight.
func TestTheStoreResumesByItself(t *testing.T) {
	y := newYard(t, pgtest.Start(t), "")
	s := y.open(y.proxied, 8)
	for says, die := range map[string]func() error{
		"a FIN":   func() error { y.proxy.Cut(pgproxy.FIN); return nil },
		"an RST":  func() error { y.proxy.Cut(pgproxy.RST); return nil },
		"a crash": func() error { return errors.Join(y.server.Crash(), y.server.Restart(), y.server.Ready()) },
	} {
		for _, together := range []bool{true, false} {
			y.fill(s)
			y.must(die())
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				w := y.world()
				wg.Go(func() { errs[i] = w.hold(t.Context(), s) })
				if !together {
					wg.Wait()
				}
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Errorf("after %s, together %v:\n%v", says, together, err)
			}
		}
	}
}

// TestR02_AStandbyTakesNoWrites: a failover may leave us at a server that only
// answers. Writes say so, nothing is stored, reading works; when the server is
// the primary again, writing goes on.
func TestR02_AStandbyTakesNoWrites(t *testing.T) {
	y := newYard(t, pgtest.Start(t), "")
	w := y.world()
	before := w.books()
	y.must(errors.Join(y.server.Demote(), y.server.Crash(), y.server.Restart(), y.server.Ready()))
	if err := w.hold(t.Context(), y.through); err == nil || !strings.Contains(err.Error(), "the database takes no writes") {
		t.Errorf("hold: %v", err)
	}
	if _, err := y.through.Claim(t.Context(), w.query()); err == nil || !strings.Contains(err.Error(), "the database takes no writes") {
		t.Errorf("claim: %v", err)
	}
	if _, err := y.through.Lookup(t.Context(), w.invoice(0)); err != nil {
		t.Errorf("lookup: %v", err)
	}
	s, err := store.Open(t.Context(), store.Options{URL: y.url})
	if err != nil {
		t.Errorf("open: %v", err)
	} else {
		y.must(s.Close())
	}
	y.must(errors.Join(y.server.Promote(), y.server.Crash(), y.server.Restart(), y.server.Ready()))
	if diff := w.books().more("accounts", before); len(diff) > 0 {
		t.Errorf("something was stored: %v", diff)
	}
	y.must(w.hold(t.Context(), y.through))
}
