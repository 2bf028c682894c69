package store

import (
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"dunning/migrations"
)

// A dialect is everything in which the two databases differ.
type dialect struct {
	name       string
	way        *way   // to the server; nil: there is none
	limit      string // statements that every transaction begins with; empty: none
	goose      goose.Dialect
	migrations fs.FS
	oneWriter  bool // writers must queue up
	snapshot   sql.TxOptions
	carriers   int // shared transactions under way at a time
	rows, keys int // how many rows, or keys, one statement writes or asks for at most

	byKey, whole string // statements: until the transaction ends, read by key, or as the database likes; empty: it does so
	skipLocked   string // after a SELECT: leave out rows that somebody else is claiming
	lockRow      string // after a SELECT: wait until nobody else is changing the row
	lockImports  string // a statement that keeps other imports waiting; empty: there are none
	lockClaims   string // a statement that keeps everybody from changing accounts; empty: nobody can
	schema       string // counts the tables named goose_db_version

	clock     string // a statement that tells the server's time; empty: it is ours
	leaseOver string // a condition: the lease has ended; $1 is the caller's time
	leaseEnd  string // an expression: when a lease ends; %s is the argument made by leaseArg
	leaseArg  func(from time.Time, d time.Duration) any

	again func(error) bool  // nothing was done, and trying again may help
	plain func(error) error // says in plain words what commonly goes wrong
}

// SQLite looks up every named argument among all of a statement, so that the
// time of one grows with the square of its arguments: importing ten thousand
// invoices takes 6 s in statements of 500 rows and 1 s in statements of 50.
func sqliteDialect() dialect {
	d := dialect{
		name: "sqlite", goose: goose.DialectSQLite3, migrations: migrations.SQLite(), oneWriter: true,
		snapshot: sql.TxOptions{ReadOnly: true}, rows: 50, keys: 1000, carriers: 1,
		schema: `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`,
		again:  func(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_BUSY },
		plain:  plainSQLite,
	}
	d.leaseByCaller()
	return d
}

func postgresDialect(o Options, w *way) dialect {
	d := dialect{
		name: "postgres", way: w, goose: goose.DialectPostgres, migrations: migrations.Postgres(),
		snapshot: sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, rows: 500, keys: 5000, carriers: 2,
		byKey: planning("off"), whole: planning("on"),
		skipLocked: ` FOR UPDATE SKIP LOCKED`, lockRow: ` FOR UPDATE`, lockImports: `LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE`,
		lockClaims: `LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE`,
		schema:     `SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('goose_db_version')`,
		clock:      `SELECT statement_timestamp()`,
		leaseOver:  `lease_until <= statement_timestamp()`,
		leaseEnd:   `statement_timestamp() + CAST(%s AS BIGINT) * INTERVAL '1 microsecond'`,
		leaseArg:   func(_ time.Time, d time.Duration) any { return d.Microseconds() },
		again:      func(err error) bool { c := postgresCode(err); return c == "40001" || c == "40P01" },
		plain:      w.plain,
	}
	if o.Leases == ByCaller {
		d.leaseByCaller()
	}
	return d
}

// detours are PostgreSQL's settings for ways around the keys.
var detours = []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material"}

// planning allows PostgreSQL to read whole tables, or forbids it. Statements of
// some hundred keys are right to read by key, however little the database knows
// of its tables: where they have grown by a million rows since it last looked, it
// reckons with every two hundredth row for each key, and reads them whole.
func planning(how string) string {
	var settings []string
	for _, name := range detours {
		settings = append(settings, `set_config('`+name+`', '`+how+`', TRUE)`)
	}
	return `SELECT ` + strings.Join(settings, `, `)
}

func (d *dialect) leaseByCaller() {
	d.clock = ``
	d.leaseOver, d.leaseEnd = `lease_until <= $1`, `%s`
	d.leaseArg = func(from time.Time, d time.Duration) any { return at(from.Add(d)) }
}

func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

func postgresCode(err error) string {
	if e, ok := errors.AsType[*pq.Error](err); ok {
		return string(e.Code)
	}
	return ""
}

// isDuplicate reports whether a statement would have made something twice.
func isDuplicate(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return postgresCode(err) == "23505"
}
