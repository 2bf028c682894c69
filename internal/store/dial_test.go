package store

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestErrorsHideThePassword opens what cannot be opened, in every way.
func TestErrorsHideThePassword(t *testing.T) {
	const secret = "hunter2%zz"
	for _, tt := range []struct{ says, url, want string }{
		{"an escape that is none", "postgres://dunning:" + secret + "@localhost/dunning", "no valid URL"},
		{"an unknown sslmode", "postgres://dunning:hunter2@localhost/dunning?sslmode=maybe", "not understood"},
		{"a port that is none", "postgres://dunning:hunter2@localhost:port/dunning", "no valid URL"},
		{"a span of time that is none", "postgres://dunning:hunter2@localhost/dunning?statement_timeout=soon", "write milliseconds"},
		{"another database", "mysql://dunning:hunter2@localhost/dunning", "sqlite:dunning.db"},
		{"settings in the manner of libpq", "host=localhost password=hunter2", "sqlite:dunning.db"},
		{"nobody listens", "postgres://dunning:hunter2@127.0.0.1:1/dunning?sslmode=disable", "open the database"},
		{"nothing", "", "sqlite:dunning.db"},
		{"a file without a name", "sqlite:", "needs the name of a file"},
		{"memory", "sqlite::memory:", "needs the name of a file"},
		{"a folder that is not there", "sqlite:" + filepath.Join(t.TempDir(), "no", "dunning.db"), "does not exist"},
	} {
		_, err := Open(context.Background(), Options{URL: tt.url, Migrate: true})
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.says, err)
		}
	}
}

// TestTheWayToPostgres: every connection goes through a pooler safely and ends by
// itself; what the user says stays, except that.
func TestTheWayToPostgres(t *testing.T) {
	w, err := wayTo("postgres://u:p%40ss@db.example/dunning?sslmode=verify-full&statement_timeout=5s&binary_parameters=no")
	if err != nil {
		t.Fatal(err)
	}
	dsn := w.dsn()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"binary_parameters": "yes", "statement_timeout": "5000", "connect_timeout": "10", "sslmode": "verify-full"} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if p, _ := u.User.Password(); p != "p@ss" || u.Host != "db.example" {
		t.Errorf("the password or the host was changed: %s", dsn)
	}
	if w.pooled = true; strings.Contains(w.dsn(), "statement_timeout") {
		t.Errorf("a pooler would refuse %s", w.dsn())
	}
	if w.pooled = false; !strings.Contains(w.slow().dsn(), "statement_timeout=0") || w.limit != 5*time.Second {
		t.Errorf("without a limit: %s; with one: %v", w.slow().dsn(), w.limit)
	}
}

// TestSQLiteFile: the file holds the debts of people, and is its owner's alone;
// its name may be anything; without leave to migrate none is made.
func TestSQLiteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20.db")
	if _, err := Open(context.Background(), Options{URL: "sqlite:" + path}); err == nil || !strings.Contains(err.Error(), "dunning migrate") {
		t.Errorf("open what is not there: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is there now")
	}
	s, err := Open(context.Background(), Options{URL: "sqlite:" + path, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var got string
		if err := s.db.Get(&got, `PRAGMA `+pragma); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", pragma, got, want, err)
		}
	}
}
