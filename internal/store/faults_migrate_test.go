package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"dunning/internal/pgproxy"
	"dunning/internal/pgtest"
	"dunning/internal/store"
)

// TestR02_OpeningBreaksAnywhere breaks the connection before and after every
// message of the opening of an empty database, from the first greeting to the
// last migration. The next opening succeeds at the first try and finds, or
// makes, the whole schema, once.
func TestR02_OpeningBreaksAnywhere(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, unsynced)
	proxy, err := pgproxy.Start(fmt.Sprint("127.0.0.1:", server.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	o := opening{T: t, server: server, proxy: proxy}

	url := server.Database(t, name(), "")
	proxy.Listen()
	if err := o.open(url); err != nil {
		t.Fatal(err)
	}
	heard, want := proxy.Heard(), o.schema(url)
	if len(heard) < 100 || len(want) < 100 {
		t.Fatalf("%d messages, %d lines of a schema", len(heard), len(want))
	}
	said := map[string]int{}
	for at := range heard {
		for i := range 4 {
			b := pgproxy.Break{At: at, After: i&1 != 0, Way: pgproxy.Way(i >> 1)}
			if thorough() || at%23 == 0 && i == at/23%4 {
				said[o.broken(heard, b, want)]++
			}
		}
	}
	t.Logf("%d messages; %v", len(heard), said)
}

type opening struct {
	*testing.T
	server *pgtest.Server
	proxy  *pgproxy.Proxy
}

// open opens a database through the proxy, and closes it.
func (o opening) open(url string) error {
	ctx, cancel := context.WithTimeout(o.Context(), 30*time.Second)
	defer cancel()
	through := strings.Replace(url, fmt.Sprint("127.0.0.1:", o.server.Port()), o.proxy.Addr(), 1)
	s, err := store.Open(ctx, store.Options{URL: through, Migrate: true, Connections: 1})
	if err != nil {
		return err
	}
	return s.Close()
}

// broken opens an empty database while the connection breaks, and again.
func (o opening) broken(heard []pgproxy.Message, b pgproxy.Break, want []string) string {
	o.Helper()
	what := fmt.Sprintf("broken at %s, %d of %d, %+v", heard[b.At], b.At, len(heard), b)
	url := o.server.Database(o, name(), "")
	o.proxy.Plan(b)
	first := o.open(url)
	if broken, _ := o.proxy.Broken(); !broken {
		o.Fatalf("%s: it did not break", what)
	}
	o.proxy.Heal()
	if first != nil && strings.Contains(first.Error(), o.server.Password()) {
		o.Errorf("%s: the error shows the password: %v", what, first)
	}
	if second := o.open(url); second != nil {
		o.Errorf("%s: %v; and the second time: %v", what, first, second)
		return "never opened"
	}
	if diff := cmp.Diff(want, o.schema(url)); diff != "" {
		o.Errorf("%s: %v; then the schema is (-want +got):\n%s", what, first, diff)
	}
	if first == nil {
		return "opened all the same"
	}
	return "opened the second time"
}

// schema returns all that a database consists of, a line each.
func (o opening) schema(url string) []string {
	o.Helper()
	db, err := sqlx.Open("postgres", url+"&binary_parameters=yes")
	if err != nil {
		o.Fatal(err)
	}
	defer db.Close()
	var lines []string
	err = db.Select(&lines, `
		SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '')
			FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT 'version ' || version_id || ' ' || is_applied FROM goose_db_version
		UNION ALL SELECT 'installations ' || COUNT(*) FROM installation
		UNION ALL SELECT 'locks ' || COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		o.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}
