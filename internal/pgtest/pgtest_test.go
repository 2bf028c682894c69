package pgtest

import (
	"database/sql"
	"os"
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
