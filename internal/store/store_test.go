package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"dunning/internal/pgtest"
	"dunning/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// fresh makes empty databases, by kind.
var fresh = map[string]func(testing.TB) string{
	"sqlite":   func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "dunning.db") },
	"postgres": pgtest.Database,
}

func TestSQLite(t *testing.T) { storetest.Run(t, fresh["sqlite"]) }

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, fresh["postgres"])
}
