package jobs_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"dunning/internal/pgtest"
	"dunning/internal/store"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// A database is one of the two that everything here runs on.
type database struct {
	name  string
	open  func(testing.TB) *store.Store
	every int // the distance between tried fuses of the crash table, unless all are asked for
}

var databases = []database{
	{"sqlite", func(t testing.TB) *store.Store {
		return open(t, "sqlite:"+filepath.Join(t.TempDir(), "dunning.db"))
	}, 13},
	{"postgres", func(t testing.TB) *store.Store { return open(t, pgtest.Database(t)) }, 71},
}

func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{URL: url, Actor: "test", Config: "test", Migrate: true, Leases: store.ByCaller})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
