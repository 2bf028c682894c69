package pgtest

import (
	"database/sql"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestDatabase: every test has an empty database of its own, which is gone
// afterwards, on a server that does not cut corners.
func TestDatabase(t *testing.T) {
	var url string
	t.Run("inside", func(t *testing.T) {
		url = Database(t)
		if other := Database(t); other == url {
			t.Error("two tests share a database")
		}
		db, err := sql.Open("postgres", url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var fsync, commit string
		if err := db.QueryRow(`SELECT current_setting('fsync'), current_setting('synchronous_commit')`).Scan(&fsync, &commit); err != nil {
			t.Fatal(err)
		}
		if fsync != "on" || commit != "on" {
			t.Errorf("fsync is %s and synchronous_commit %s", fsync, commit)
		}
	})
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err == nil {
		t.Error("the database is still there after its test")
	}
}

// TestServer: what was committed outlives a crash; before the server is ready
// again it refuses; nobody comes in by TCP without the password.
func TestServer(t *testing.T) {
	s := Start(t, "max_connections=20")
	where := s.Database(t, "books", "")
	db, err := sql.Open("postgres", where)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE kept AS SELECT 42 AS n`); err != nil {
		t.Fatal(err)
	}
	wrong, err := sql.Open("postgres", strings.Replace(where, s.Password(), "wrong", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if err := wrong.Ping(); err == nil {
		t.Error("a wrong password was taken")
	}
	for range 2 {
		if err := s.Crash(); err != nil {
			t.Fatal(err)
		}
		if err := db.Ping(); err == nil {
			t.Error("the server answers after it was crashed")
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRow(`SELECT n FROM kept`).Scan(&n); err != nil || n != 42 {
			t.Errorf("after the crash: %d, %v", n, err)
		}
	}
}

// TestPool: two statements in a row of one client may have two connections of
// the server, which is what a pooler is for and what breaks programs.
func TestPool(t *testing.T) {
	s := Start(t)
	through := s.Pool(t, "default_pool_size = 2")
	db, err := sql.Open("postgres", through(s.Database(t, "books", ""))+"&binary_parameters=yes")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	client, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var first, second int
	if err := client.QueryRowContext(t.Context(), `SELECT pg_backend_pid()`).Scan(&first); err != nil {
		t.Fatal(err)
	}
	other, err := db.BeginTx(t.Context(), nil) // takes the connection that is free
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	if err := client.QueryRowContext(t.Context(), `SELECT pg_backend_pid()`).Scan(&second); err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Errorf("the client had process %d twice", first)
	}
}
