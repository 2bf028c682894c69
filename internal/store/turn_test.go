package store

import (
	"testing"

	"dunning/internal/pgtest"
)

// TestATurnIsHeldByOne: of two who want to migrate one may, whether they come
// directly or through a pooler in transaction mode, other work of the pooler in
// between; and nothing of the turn stays behind.
func TestATurnIsHeldByOne(t *testing.T) {
	server := pgtest.Start(t, "fsync=off")
	through := server.Pool(t, "default_pool_size = 3")
	direct := server.Database(t, "books", "")
	ctx := t.Context()
	dial := func(url string) *Store {
		s, err := connect(Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.meet(ctx); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first, second, third := dial(through(direct)), dial(through(direct)), dial(direct)
	if !first.on.way.pooled || third.on.way.pooled {
		t.Fatalf("behind a pooler %v, directly %v", first.on.way.pooled, third.on.way.pooled)
	}
	var mine turn
	if err := mine.Lock(ctx, first.db.DB); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, s := range []*Store{first, second, third} {
			if err := s.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			var theirs turn
			if held, err := theirs.try(ctx, s.db.DB); held || err != nil {
				t.Errorf("two have the turn: %v, %v", held, err)
			}
		}
	}
	if err := mine.Unlock(ctx, first.db.DB); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := third.db.Get(&n, `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory'`); err != nil || n != 0 {
		t.Errorf("%d locks stayed behind, %v", n, err)
	}
	var theirs turn
	if held, err := theirs.try(ctx, third.db.DB); !held || err != nil {
		t.Errorf("the turn was not given up: %v, %v", held, err)
	}
	if err := theirs.Unlock(ctx, third.db.DB); err != nil {
		t.Error(err)
	}
}
