package store_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"

	"dunning/internal/pgtest"
	"dunning/internal/store"
	"dunning/internal/store/storetest"
	"dunning/invoices"
)

// TestPgBouncer runs the whole suite through PgBouncer in transaction mode, as
// it comes: also the opening, by six at once, of an empty database.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, unsynced, "max_connections=1000") // the pooler keeps connections to every test's database
	through := server.Pool(t)
	storetest.Run(t, func(tb testing.TB) string { return through(server.Database(tb, name(), "")) })
}

// TestPgBouncerNarrow: two connections of the server are enough for any number
// of replicas that migrate at once, and one direct replica among them waits its
// turn like the others.
func TestPgBouncerNarrow(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, unsynced)
	through := server.Pool(t, "default_pool_size = 2", "query_wait_timeout = 20")
	direct := server.Database(t, name(), "")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		url := through(direct)
		if i == 3 {
			url = direct
		}
		wg.Go(func() {
			s, err := store.Open(t.Context(), store.Options{URL: url, Migrate: true, Connections: 3})
			if errs[i] = err; err == nil {
				errs[i] = s.Close()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// TestPgBouncerLimits: behind a pooler too a statement is given up in time,
// whether the pooler refuses to be told or forgets what it was told; and nobody
// else who is given the same connection of the server finds our limit on it.
func TestPgBouncerLimits(t *testing.T) {
	server := pgtest.Start(t, unsynced)
	for says, settings := range map[string][]string{
		"refused":   {"default_pool_size = 2"},
		"forgotten": {"default_pool_size = 2", "ignore_startup_parameters = statement_timeout"},
	} {
		t.Run(says, func(t *testing.T) {
			through := server.Pool(t, settings...)
			y := &yard{T: t, server: server, url: server.Database(t, name(), "")}
			y.clean = y.open(y.url, 1)
			s := y.open(through(y.url)+"&statement_timeout=300ms", 1)
			w := y.world()
			held := y.lock(w)
			err := s.Hold(t.Context(), w.target(), invoices.Hold{Reason: "dispute", By: "Ada"}, monday)
			if err == nil || !strings.Contains(err.Error(), "gave up a statement that took too long") {
				t.Errorf("hold while somebody else holds the row: %v", err)
			}
			y.must(held.Rollback())
			y.must(s.Hold(t.Context(), w.target(), invoices.Hold{Reason: "dispute", By: "Ada"}, monday))

			other, err := sqlx.Open("postgres", through(y.url)+"&binary_parameters=yes")
			y.must(err)
			defer other.Close()
			for range 3 {
				var limit string
				y.must(other.Get(&limit, `SELECT current_setting('statement_timeout')`))
				if limit != "0" {
					t.Errorf("somebody else has our limit of %s", limit)
				}
			}
		})
	}
}

// lock holds the row of a world's account until the transaction ends.
func (y *yard) lock(w *world) *sqlx.Tx {
	y.Helper()
	db, err := sqlx.Open("postgres", y.url+"&binary_parameters=yes")
	y.must(err)
	y.Cleanup(func() { y.must(db.Close()) })
	tx, err := db.Beginx()
	y.must(err)
	_, err = tx.Exec(`UPDATE accounts SET name = name WHERE id = $1`, w.mark)
	y.must(err)
	return tx
}

// name returns a name for a database.
func name() string { return "books_" + strconv.Itoa(int(databases.Add(1))) }
