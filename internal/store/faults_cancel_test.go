package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/pgproxy"
	"dunning/internal/pgtest"
	"dunning/internal/store"
)

// TestR02_CallersGiveUpAnywhere cancels the context at every message of every
// write to PostgreSQL. Either all of it is stored, or nothing; who is told that
// it is not is told the context's own error; and the store works on.
func TestR02_CallersGiveUpAnywhere(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, unsynced)
	for turn, a := range acts {
		t.Run(a.says, func(t *testing.T) {
			y := newYard(t, server, "")
			var heard []pgproxy.Message
			whole := y.world().whole(a, y.proxy.Listen, func() { heard = y.proxy.Heard() })
			said := map[string]int{}
			for at := range heard {
				if thorough() || at%15 == turn%15 || at == len(heard)-4 || at == len(heard)-2 {
					said[y.givenUp(a, fmt.Sprintf("given up at %s, %d of %d", heard[at], at, len(heard)), whole, func(cancel func()) {
						y.proxy.Plan(pgproxy.Break{At: at, Do: cancel})
					}, func() bool { broken, _ := y.proxy.Broken(); y.proxy.Heal(); return broken })]++
				}
			}
			y.Logf("%d messages; %v", len(heard), said)
		})
	}
}

// givenUp does an act whose caller gives up when plan says, and which happened
// if happened says so, and then tries again.
func (y *yard) givenUp(a act, what string, whole deed, plan func(cancel func()), happened func() bool) string {
	y.Helper()
	w := y.world()
	if a.ready != nil {
		a.ready(w)
	}
	ctx, cancel := context.WithCancel(y.Context())
	defer cancel()
	plan(cancel)
	got, err := a.do(ctx, w, y.through)
	if !happened() {
		y.Errorf("%s: it did not happen", what)
	}
	if y.proxy != nil { // the server may still be at it
		y.quietly()
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		y.Errorf("%s: %v, want the context's error", what, err)
	}
	return w.judge(a, what, got, err, whole, "context canceled")
}

// quietly returns when nobody else does anything in the database.
func (y *yard) quietly() {
	y.Helper()
	for n := 1; n > 0; {
		y.must(y.direct.GetContext(y.Context(), &n, `
			SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`))
	}
}

// TestALockHeldByAnother: a caller who gives up while somebody else holds the
// row is free at once, with the context's error and not the server's words for
// it; one who waits longer than a statement may take is told that; and both can
// do it when the row is free.
func TestALockHeldByAnother(t *testing.T) {
	y := newYard(t, pgtest.Start(t, unsynced), "")
	impatient := y.open(y.url+"&statement_timeout=200ms", 1)
	w := y.world()
	before := w.books()
	held := y.lock(w)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.hold(ctx, y.through) }()
	for n := 0; n == 0; { // until it waits
		y.must(y.direct.Get(&n, `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`))
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up is told: %v", err)
	}
	if err := w.hold(t.Context(), impatient); err == nil || !strings.Contains(err.Error(), "gave up a statement that took too long") {
		t.Errorf("who waited too long is told: %v", err)
	}
	if now := w.books(); !cmp.Equal(now, before) {
		t.Errorf("something was stored: %s", cmp.Diff(before, now))
	}
	y.must(held.Rollback())
	for _, s := range []*store.Store{y.through, impatient} {
		y.must(w.hold(t.Context(), s))
	}
}
