package store_test

import (
	"strconv"
	"testing"

	"dunning/internal/pgtest"
	"dunning/internal/store/storetest"
)

// TestPgBouncer runs the whole suite through PgBouncer in transaction mode, as
// it comes: also the opening, by six at once, of an empty database.
func TestPgBouncer(t *testing.T) {
	server := pgtest.Start(t, "max_connections=1000") // the pooler keeps connections to every test's database
	through := server.Pool(t)
	storetest.Run(t, func(tb testing.TB) string { return through(server.Database(tb, name(), "")) })
}

// name returns a name for a database.
func name() string { return "books_" + strconv.Itoa(int(databases.Add(1))) }
