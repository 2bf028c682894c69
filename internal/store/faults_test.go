package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/pgproxy"
	"dunning/internal/pgtest"
	"dunning/internal/store"
	"dunning/invoices"
)

// thorough says to try every fault at every place instead of a sample: set
// DUNNING_FAULTS=all, as make faults does.
func thorough() bool { return os.Getenv("DUNNING_FAULTS") == "all" }

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// unsynced is a setting for servers that are not crashed themselves: there is no
// need to wait for the disk.
const unsynced = "fsync=off"

var databases atomic.Int64

// A yard is where connections are broken: a PostgreSQL of the test's own, a
// proxy before it, a store that works through the proxy, and one that does not.
type yard struct {
	*testing.T
	server  *pgtest.Server
	url     string // of the database, past the proxy
	proxied string // through it
	proxy   *pgproxy.Proxy
	direct  *sqlx.DB // reads what is stored
	clean   *store.Store
	through *store.Store
	worlds  int
}

// newYard makes a database on a server, and a way there through a proxy with
// some more options.
func newYard(t *testing.T, server *pgtest.Server, options string) *yard {
	t.Helper()
	y := &yard{T: t, server: server}
	y.url = server.Database(t, name(), "")
	var err error
	if y.proxy, err = pgproxy.Start(fmt.Sprint("127.0.0.1:", y.server.Port())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { y.must(y.proxy.Close()) })
	y.proxied = y.by(y.proxy.Addr()) + options
	y.through = y.open(y.proxied, 1)
	y.clean = y.open(y.url, 2)
	if y.direct, err = sqlx.Open("postgres", y.url+"&binary_parameters=yes"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { y.must(y.direct.Close()) })
	w := y.world() // the first write says more than those that follow: what they have in common
	w.claim()
	y.must(y.through.Release(t.Context(), w.a, invoices.Decision{}, w.now))
	return y
}

// by returns the URL of the database at another address.
func (y *yard) by(address string) string {
	u, err := url.Parse(y.url)
	y.must(err)
	u.Host = address
	return u.String()
}

func (y *yard) open(url string, connections int) *store.Store {
	y.Helper()
	s, err := store.Open(y.Context(), store.Options{URL: url, Actor: "worker-1", Config: "cfg", Migrate: true, Leases: store.ByCaller, Connections: connections})
	y.must(err)
	y.Cleanup(func() { y.must(s.Close()) })
	return s
}

func (y *yard) must(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

// quiet returns when processes of the server that lost their client are gone, or,
// when they were not told, when they hold nothing that they changed: until then
// nobody knows what they did.
func (y *yard) quiet(told bool, pids []int) {
	y.Helper()
	query := `SELECT COUNT(*) FROM pg_stat_activity WHERE pid = ANY($1)`
	if !told {
		query = `SELECT COUNT(*) FROM pg_locks WHERE pid = ANY($1) AND locktype = 'transactionid' AND granted`
	}
	ctx, cancel := context.WithTimeout(y.Context(), 20*time.Second)
	defer cancel()
	for n := 1; n > 0; {
		y.must(y.direct.GetContext(ctx, &n, query, pq.Array(pids)))
	}
}

// A world is one account with invoices, beside all others in the database.
type world struct {
	*yard
	mark string // part of every name in it
	a    invoices.Account
	run  string
	rows int // how many invoices its books have
	now  time.Time
}

// world makes an account with two invoices, as the books tell it.
func (y *yard) world() *world {
	y.Helper()
	y.worlds++
	w := &world{yard: y, mark: fmt.Sprintf("w%06dw", y.worlds), now: monday, rows: 2}
	_, err := y.clean.Import(y.Context(), w.load("1", 0), time.UTC, false)
	y.must(err)
	return w
}

func (w *world) invoice(n int) string { return fmt.Sprintf("INV-%s-%d", w.mark, n) }

// load is a reading of the world's own source in which so much of its
// invoices is paid.
func (w *world) load(digest string, paid int64) invoices.Load {
	var rows iter.Seq2[invoices.Row, error] = func(yield func(invoices.Row, error) bool) {
		for i := range w.rows {
			r := invoices.Row{
				Line: i + 2, Number: w.invoice(i), Total: money.Amount{Minor: 12000, Currency: "EUR"}, Paid: paid,
				IssuedOn: civil.Date{Year: 2026, Month: 3, Day: 2}, DueOn: civil.Date{Year: 2026, Month: 4, Day: 1},
				Customer: invoices.Debtor{ID: w.mark, Name: "The " + w.mark, Email: w.mark + "@example.com", Zone: "Europe/Amsterdam"},
			}
			if !yield(r, nil) {
				return
			}
		}
	}
	return invoices.Load{Source: "erp-" + w.mark, File: "books.csv", Digest: digest, Full: true, At: w.now, Rows: rows}
}

func (w *world) query() invoices.Query {
	return invoices.Query{Now: w.now, Lease: time.Minute, Account: w.mark}
}

// claim claims the account by a connection that is well.
func (w *world) claim() {
	w.Helper()
	list, err := w.clean.Claim(w.Context(), w.query())
	w.must(err)
	if len(list) != 1 {
		w.Fatalf("%d accounts, want 1", len(list))
	}
	w.a = list[0]
}

// A books is what the database says of one world: the rows of each table, with
// what is made at random left out and the world's mark made #.
type books map[string][]string

// secrets of rows: what differs between two worlds to which the same happened.
var chance = map[string]string{
	"accounts": "{lease_id,lease_until,claims}", "invoices": "{changed_in}", "mentions": "{load_id}", "events": "{id}",
	"holds": "{id}", "incidents": "{id}", "runs": "{id}", "letters": "{}", "links": "{}", "steps": "{}", "loads": "{}", "sources": "{}",
}

func (w *world) books() books {
	w.Helper()
	if w.proxy == nil {
		return w.booksOfSQLite()
	}
	all := books{}
	for table, without := range chance {
		also := `''`
		if table == "accounts" {
			also = `CASE WHEN lease_id = '' THEN ' free' ELSE ' leased' END`
		}
		var rows []string
		w.must(w.direct.SelectContext(w.Context(), &rows, `
			SELECT replace(CAST(to_jsonb(x) - CAST($1 AS TEXT[]) AS TEXT), $2, '#') || `+also+` FROM `+table+` x
			WHERE strpos(CAST(x AS TEXT), $2) > 0`, without, w.mark))
		slices.Sort(rows)
		all[table] = rows
	}
	return all
}

var random = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// plain returns an answer of the store as text, without what is made at random.
func (w *world) plain(answer any) string {
	text, err := json.Marshal(answer)
	w.must(err)
	return random.ReplaceAllString(strings.ReplaceAll(string(text), w.mark, "#"), "random")
}

// repeated is what an act that is repeated may change of an account.
var repeated = regexp.MustCompile(`"(version|next_at)": [^,}]*`)

// facts leaves out what an act that is repeated may change, and the log of
// events, which may get longer by it.
func (b books) facts() books {
	f := books{}
	for table, rows := range b {
		if table == "events" {
			continue
		}
		for _, r := range rows {
			f[table] = append(f[table], repeated.ReplaceAllString(r, ""))
		}
	}
	return f
}
