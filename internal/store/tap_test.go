package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"
)

// A tap hears every statement that a store gives to its database, to ask the
// database afterwards how it carries them out.
type tap struct {
	mu    sync.Mutex
	heard []statement
}

type statement struct {
	query string
	args  []any
}

// listen puts a tap on a store's connections.
func listen(tb testing.TB, s *Store, url string) *tap {
	tb.Helper()
	t, d := &tap{}, s.db.Driver()
	if s.on.way != nil {
		url = s.on.way.dsn()
	} else {
		_, path, _ := strings.Cut(url, ":")
		url = "file:" + path + "?_pragma=busy_timeout(5000)&_txlock=immediate&_time_format=sqlite&_timezone=UTC&_pragma=foreign_keys(1)"
	}
	db := sqlx.NewDb(sql.OpenDB(tapped{t, d, url}), s.db.DriverName())
	tb.Cleanup(func() { db.Close() })
	old := s.db
	s.use(db)
	tb.Cleanup(func() { old.Close() })
	return t
}

// during returns the statements that are heard while something is done.
func (t *tap) during(do func()) []statement {
	t.mu.Lock()
	t.heard = nil
	t.mu.Unlock()
	do()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heard
}

func (t *tap) hear(query string, args []driver.NamedValue) {
	s := statement{query: query}
	for _, a := range args {
		s.args = append(s.args, a.Value)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = append(t.heard, s)
}

type tapped struct {
	tap *tap
	drv driver.Driver
	url string
}

func (c tapped) Driver() driver.Driver { return c.drv }

func (c tapped) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.drv.Open(c.url)
	if err != nil {
		return nil, err
	}
	return &tappedConn{conn.(able), c.tap}, nil
}

// able is what both drivers' connections can do.
type able interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type tappedConn struct {
	able
	tap *tap
}

func (c *tappedConn) CheckNamedValue(v *driver.NamedValue) error {
	if own, ok := c.able.(driver.NamedValueChecker); ok {
		return own.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *tappedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.tap.hear("BEGIN", nil)
	return c.able.BeginTx(ctx, o)
}

func (c *tappedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.tap.hear(query, args)
	return c.able.ExecContext(ctx, query, args)
}

func (c *tappedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.tap.hear(query, args)
	return c.able.QueryContext(ctx, query, args)
}

func (c *tappedConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	own, err := c.able.Prepare(query)
	if err != nil {
		return nil, err
	}
	return &tappedStmt{own.(ableStmt), c.tap, query}, nil
}

// ableStmt is what both drivers' statements can do.
type ableStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type tappedStmt struct {
	ableStmt
	tap   *tap
	query string
}

func (s *tappedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.tap.hear(s.query, args)
	return s.ableStmt.ExecContext(ctx, args)
}

func (s *tappedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.tap.hear(s.query, args)
	return s.ableStmt.QueryContext(ctx, args)
}

var (
	blank = regexp.MustCompile(`\s+`)
	many  = regexp.MustCompile(`\(\$\d+(, \$\d+)+\)(, \(\$\d+(, \$\d+)+\))+`) // rows of VALUES
	list  = regexp.MustCompile(`IN \(\$\d+(, \$\d+)*\)`)
	keys  = regexp.MustCompile(`\{(?:[^{}"]|"[^"]*")*\}`)
)

// shape returns a statement without what differs from call to call.
func (s statement) shape() string {
	text := list.ReplaceAllString(many.ReplaceAllString(s.query, "(…)"), "IN (…)")
	return strings.TrimSpace(blank.ReplaceAllString(text, " "))
}

// plan returns how the database carries a statement out, after another that
// settles how it may.
func (s statement) plan(tb testing.TB, of *Store, setting string) string {
	tb.Helper()
	explain := `EXPLAIN (COSTS OFF) `
	if of.on.name == "sqlite" {
		explain = `EXPLAIN QUERY PLAN `
	}
	tx, err := of.db.Beginx()
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := byKey(tb.Context(), tx, setting); err != nil {
		tb.Fatal(err)
	}
	rows, err := tx.Queryx(explain+s.query, s.args...)
	if err != nil {
		tb.Fatalf("explain %s: %v", s.query, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		row, err := rows.SliceScan()
		if err != nil {
			tb.Fatal(err)
		}
		text := row[len(row)-1]
		if b, ok := text.([]byte); ok {
			text = string(b)
		}
		line := fmt.Sprint(text)
		if s := strings.TrimSpace(line); strings.HasPrefix(s, "Filter:") || strings.HasPrefix(s, "Recheck Cond:") || strings.HasPrefix(s, "Output:") || strings.HasPrefix(s, "Sort Key:") {
			continue
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
