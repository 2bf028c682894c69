package store

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// dial prepares connections to the database that a URL names.
func dial(o Options) (*sqlx.DB, dialect, error) {
	kind, rest, _ := strings.Cut(o.URL, ":")
	switch kind {
	case "sqlite":
		db, err := dialSQLite(rest, o.Migrate)
		return db, sqliteDialect(), err
	case "postgres", "postgresql":
		w, err := wayTo(o.URL)
		if err != nil {
			return nil, dialect{}, err
		}
		db, err := w.dial()
		return db, postgresDialect(o, w), err
	}
	return nil, dialect{}, errors.New("database.url begins with neither sqlite: nor postgres: (it is not shown, for it may hold a password); write sqlite:dunning.db, or postgres://user:password@host/database?sslmode=verify-full")
}

// dialSQLite prepares connections to a file. Synchronous is FULL because a
// "sent" that is lost is a second letter; transactions that write take the
// write lock at once because one that reads first could not get it later.
func dialSQLite(path string, create bool) (*sqlx.DB, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, errors.New("database.url: sqlite: needs the name of a file, such as sqlite:dunning.db")
	}
	if err := ready(path, create); err != nil {
		return nil, err
	}
	options := url.Values{
		"_pragma":      {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_dqs":         {"0"},
	}
	return sqlx.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options.Encode())
}

// ready makes sure that the file is there, readable by its owner alone: it
// holds the debts of people.
func ready(path string, create bool) error {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the database file: %w", err)
	case !create:
		return fmt.Errorf("there is no database %s yet; make it with: dunning migrate", path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder %s, in which the database is to be, does not exist; make it, or correct database.url", filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("make the database file: %w", err)
	}
	return f.Close()
}
