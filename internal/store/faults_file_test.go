package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/internal/store"
	"dunning/invoices"
)

func (w *world) hold(ctx context.Context, s *store.Store) error {
	return s.Hold(ctx, w.target(), invoices.Hold{Reason: "dispute", By: "Ada"}, w.now)
}

// TestR02_AFileThatIsGone: whoever removes the database file, or puts another in
// its place, under a running program is told so, and nothing is said to be
// stored that goes nowhere. With the file back, all goes on.
func TestR02_AFileThatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dunning.db")
	y := fileYard(t, path)
	w := y.world()
	for says, gone := range map[string]string{"removed": path, "replaced": path, "without its log": path + "-wal"} {
		before := w.books()
		y.must(os.Rename(gone, gone+".old"))
		if says == "replaced" {
			y.must(os.WriteFile(path, []byte("something else"), 0o600))
		}
		if err := w.hold(t.Context(), y.through); err == nil || !strings.Contains(err.Error(), "removed or replaced") {
			t.Errorf("%s: %v", says, err)
		}
		if _, err := y.through.Claim(t.Context(), w.query()); err == nil {
			t.Errorf("%s: an account was claimed", says)
		}
		if _, err := y.through.Import(t.Context(), w.load("2", 1), time.UTC, false); err == nil {
			t.Errorf("%s: a load was taken in", says)
		}
		y.must(os.Rename(gone+".old", gone))
		if diff := before.more("accounts", w.books()); len(diff) > 0 {
			t.Errorf("%s: something was stored: %v", says, diff)
		}
	}
	y.must(w.hold(t.Context(), y.through))
}

// TestR02_ADamagedFile: what is no database, or a damaged one, is refused in
// plain words and not changed.
func TestR02_ADamagedFile(t *testing.T) {
	for _, tt := range []struct {
		says, want string
		damage     func(path string) error
	}{
		{"another kind of file", "is not one of SQLite", func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("a letter to the bank\n", 1000)), 0o600)
		}},
		{"cut off in the middle", "is damaged", func(path string) error { return os.Truncate(path, 8192) }},
	} {
		path := filepath.Join(t.TempDir(), "dunning.db")
		s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + path, Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Close(), tt.damage(path)); err != nil {
			t.Fatal(err)
		}
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err = store.Open(t.Context(), store.Options{URL: "sqlite:" + path, Migrate: true})
		if err == nil {
			_, err = s.Claim(t.Context(), invoices.Query{Now: monday, Lease: time.Minute, Limit: 1, Acts: []invoices.Act{invoices.Idle}})
			err = errors.Join(err, s.Close())
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.says, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(was) {
			t.Errorf("%s: it was changed, from %d to %d bytes (%v)", tt.says, len(was), len(now), err)
		}
	}
}

// TestR02_AnotherProcessWrites: while somebody else holds the right to write, a
// caller who will not wait is free in time with nothing stored, and one who will
// is told in the end who is in the way; when they are gone, writing goes on.
func TestR02_AnotherProcessWrites(t *testing.T) {
	y := newFileYard(t)
	w := y.world()
	before := w.books()
	other, err := sqlx.Open("sqlite", strings.Replace(y.url, "sqlite:", "file:", 1)+"?_txlock=immediate")
	y.must(err)
	defer other.Close()
	theirs, err := other.Beginx()
	y.must(err)

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := w.hold(ctx, y.through); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller who will not wait: %v", err)
	}
	if waited := time.Since(start); waited > 3*time.Second {
		t.Errorf("a caller who will not wait waited for %v", waited)
	}
	if thorough() { // half a minute
		if err := w.hold(t.Context(), y.through); err == nil || !strings.Contains(err.Error(), "another process is writing") {
			t.Errorf("a caller who will wait: %v", err)
		}
	}
	if diff := before.more("accounts", w.books()); len(diff) > 0 {
		t.Errorf("something was stored: %v", diff)
	}
	y.must(theirs.Rollback())
	y.must(w.hold(t.Context(), y.through))
}

// TestR02_ALogCutShort: what is missing from the log is noticed before anything
// is done on top of it.
func TestR02_ALogCutShort(t *testing.T) {
	for _, left := range []int64{0, 32, 4096, 20000} {
		path := filepath.Join(t.TempDir(), "dunning.db")
		y := fileYard(t, path)
		w := y.world()
		y.must(os.Truncate(path+"-wal", left))
		err := w.hold(t.Context(), y.through)
		if err == nil || !strings.Contains(err.Error(), "the disk with the database does not work") {
			t.Errorf("%d bytes are left of the log: %v", left, err)
		}
		if _, err := y.through.Lookup(t.Context(), w.invoice(0)); err == nil {
			t.Errorf("%d bytes are left of the log, and what was in it was read", left)
		}
	}
}
