package pgproxy

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver "postgres"

	"dunning/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// through starts a server and a proxy and returns a way to it through the
// proxy, of one connection.
func through(t *testing.T) (*Proxy, *sql.DB) {
	t.Helper()
	u, err := url.Parse(pgtest.Start(t).Database(t, "books", ""))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	u.Host = p.Addr()
	db, err := sql.Open("postgres", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return p, db
}

// TestBreaks breaks a statement at each of its messages, in every way. Before
// the last message has come the client has no answer; afterwards it has.
func TestBreaks(t *testing.T) {
	p, db := through(t)
	const query = `SELECT 42`
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	ask := func() (int, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		tx, err := db.BeginTx(ctx, nil) // what is in a transaction is never repeated
		if err != nil {
			return 0, err
		}
		defer func() { _ = tx.Rollback() }()
		var n int
		err = tx.QueryRowContext(ctx, query).Scan(&n)
		return n, err
	}
	p.Listen()
	if n, err := ask(); n != 42 || err != nil {
		t.Fatal(n, err)
	}
	heard := p.Heard()
	var types strings.Builder
	for _, m := range heard {
		types.WriteByte(m.Type)
	}
	if got, want := types.String(), "QCZQTDCZQCZ"; got != want { // BEGIN, SELECT, ROLLBACK
		t.Fatalf("heard %q, want %q", got, want)
	}
	for at := range heard {
		for _, after := range []bool{false, true} {
			for _, way := range []Way{FIN, RST} {
				b := Break{At: at, After: after, Way: way}
				if _, err := db.Exec(query); err != nil { // through a connection that is well
					t.Fatalf("%+v: %v", b, err)
				}
				p.Plan(b)
				n, err := ask()
				broken, pids := p.Broken()
				p.Heal()
				if !broken || len(pids) != 1 || pids[0] == 0 {
					t.Errorf("%+v: broken %v, processes %v", b, broken, pids)
				}
				answered := at >= 8 || at == 7 && after
				begun := at < 2 || at == 2 && !after // BEGIN may be said again on another connection
				if !begun && (err == nil) != answered || err == nil && n != 42 {
					t.Errorf("%s, %+v: %d, %v", heard[at], b, n, err)
				}
			}
		}
	}
}

// TestAway: after the break nobody comes through, until the proxy heals.
func TestAway(t *testing.T) {
	p, db := through(t)
	p.Plan(Break{At: 0, Away: true})
	for range 3 {
		if err := db.Ping(); err == nil {
			t.Error("the server answers though it is away")
		}
	}
	p.Heal()
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
}

// TestHang: nothing comes, and nobody is told; who gives up can.
func TestHang(t *testing.T) {
	p, db := through(t)
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	p.Plan(Break{At: 1, Way: Hang})
	done := make(chan error, 1)
	go func() { _, err := conn.ExecContext(context.Background(), `SELECT 1`); done <- err }()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	select {
	case err := <-done:
		t.Errorf("it was told: %v", err)
	case <-ctx.Done():
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("it was answered")
	}
}

// TestDo: what is to be done at a message is done before it passes, once, and
// nothing breaks.
func TestDo(t *testing.T) {
	p, db := through(t)
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	var heard []int
	p.Plan(Break{At: 1, Do: func() { heard = append(heard, len(p.Heard())) }})
	for range 3 {
		if _, err := db.Exec(`SELECT 1`); err != nil {
			t.Error(err)
		}
	}
	if broken, _ := p.Broken(); !broken || len(heard) != 1 || heard[0] != 2 {
		t.Errorf("done %v, after messages %v", broken, heard)
	}
}

// TestCut: all connections end, and others take their place.
func TestCut(t *testing.T) {
	p, db := through(t)
	for _, way := range []Way{FIN, RST} {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Cut(way)
		if err := conn.PingContext(t.Context()); err == nil {
			t.Errorf("%s: the connection is well", way)
		}
		_ = conn.Close() // it is broken
		if _, err := db.Exec(`SELECT 1`); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
}
