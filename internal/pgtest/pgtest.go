// Package pgtest gives tests a real PostgreSQL.
//
// It uses the server that DUNNING_TEST_POSTGRES names, the URL of a superuser;
// otherwise it starts one of its own, from server programs found in PATH or
// where Debian and its kin put them, in a temporary folder and reachable through
// a Unix socket there and nowhere else. There is one server per test process,
// started when the first test asks for a database, with the settings of a real
// one: fsync is on. When there is none to be had, the test fails and says what
// to install; it never skips.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver "postgres"
)

// variable names the environment variable with the URL of a superuser.
const variable = "DUNNING_TEST_POSTGRES"

var (
	once   sync.Once
	admin  string // URL of a superuser
	failed error
	own    *server // nil: none was started
)

// Main runs a package's tests and stops the server that they started, if they
// did. It returns the exit code: func TestMain(m *testing.M) {
// os.Exit(pgtest.Main(m)) }.
func Main(m *testing.M) int {
	code := m.Run()
	if own != nil {
		if err := own.stop(); err != nil && code == 0 {
			_, _ = os.Stderr.WriteString("pgtest: stop the server: " + err.Error() + "\n")
			return 1
		}
	}
	return code
}

// Database returns the URL of an empty database of the test's own, which is
// dropped when the test ends. A package that calls it must run its tests by
// [Main].
func Database(tb testing.TB) string {
	tb.Helper()
	once.Do(func() { admin, failed = serve() })
	if failed != nil {
		tb.Fatalf("no PostgreSQL to test with: %v", failed)
	}
	u, err := url.Parse(admin)
	if err != nil { // the error quotes the password
		tb.Fatalf("%s is no valid URL; write postgres://user:password@host/postgres?sslmode=disable", variable)
	}
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	name := "dunning_test_" + hex.EncodeToString(b[:])
	if err := execute(admin, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8'`); err != nil {
		tb.Fatalf("make a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := execute(admin, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			tb.Errorf("drop the database: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// serve returns the URL of a superuser of a running server.
func serve() (string, error) {
	if given := os.Getenv(variable); given != "" {
		return given, nil
	}
	s, err := start()
	if err != nil {
		return "", err
	}
	own = s
	return s.url(), s.ready()
}

// execute runs one statement as superuser.
func execute(admin, statement string) error {
	db, err := sql.Open("postgres", admin)
	if err != nil {
		return errors.New(variable + " is not understood; write postgres://user:password@host/postgres?sslmode=disable")
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}
