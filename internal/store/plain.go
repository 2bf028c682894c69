package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// A remedy is what to tell people about a fault of the database: what it means
// before the database's own words, and what to do after them.
type remedy struct{ what, then string }

func (r remedy) wrap(err error) error {
	switch {
	case r.what == "":
		return fmt.Errorf("%w; %s", err, r.then)
	case r.then == "":
		return fmt.Errorf("%s: %w", r.what, err)
	}
	return fmt.Errorf("%s: %w; %s", r.what, err, r.then)
}

// remedies for PostgreSQL, by SQLSTATE.
var remedies = map[string]remedy{
	"28P01": {"", "check the user and the password in database.url"},
	"28000": {"", "check the user and the password in database.url"},
	"3D000": {"", "make it with createdb, or correct database.url"},
	"53100": {"the disk of the database is full", "make room on its server; writing goes on by itself then"},
	"53300": {"the database takes no more connections", "raise max_connections on its server, or run fewer replicas"},
	"25006": {"the database takes no writes", "it is a standby, or default_transaction_read_only is on; let database.url name the primary"},
	"57P03": {"the database is starting up or shutting down", "it is tried again by itself"},
	"57014": {"the database gave up a statement that took too long", "somebody may hold a lock, or the server is overloaded"},
	"55P03": {"the database gave up waiting for a lock", "somebody holds it; it is tried again by itself"},
	"42501": {"", "give the user of database.url the right to it"},
}

// plainPostgres says in plain words what is wrong with the database, if it is
// something common. Connections break in many words; here in one.
func plainPostgres(err error) error {
	r, known := remedies[postgresCode(err)]
	var opErr *net.OpError
	switch {
	case known:
		return r.wrap(err)
	case strings.Contains(err.Error(), "read-write mode during recovery"): // a BEGIN, on a standby
		return remedies["25006"].wrap(err)
	case strings.Contains(err.Error(), "SSL is not enabled on the server"):
		return remedy{"", "add ?sslmode=disable to database.url if the way to it is safe, as on one machine"}.wrap(err)
	case errors.As(err, &opErr) && opErr.Op == "dial":
		return remedy{"the database cannot be reached", "is it running, and is database.url right?"}.wrap(err)
	case opErr != nil, errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return remedy{"the connection to the database was lost", ""}.wrap(err)
	}
	return err
}

// plainSQLite is plainPostgres for SQLite.
func plainSQLite(err error) error {
	r := map[int]remedy{
		sqlite3.SQLITE_FULL:     {"the disk with the database is full", "make room; writing goes on by itself then"},
		sqlite3.SQLITE_READONLY: {"the database file cannot be written", "give the user of this program the right to write it and its folder"},
		sqlite3.SQLITE_IOERR:    {"the disk with the database does not work", "see the log of the system, and check the file with PRAGMA integrity_check"},
		sqlite3.SQLITE_CORRUPT:  {"the database file is damaged", "stop, keep a copy of it, and restore the last backup"},
		sqlite3.SQLITE_NOTADB:   {"the database file is not one of SQLite", "correct database.url, or restore the last backup"},
		sqlite3.SQLITE_CANTOPEN: {"the database file cannot be opened", "check the rights to it and its folder, and whether the folder is there"},
		sqlite3.SQLITE_BUSY:     {"another process is writing to the database and does not end", "it is tried again by itself; see who has the file open"},
	}[sqliteCode(err)]
	if r.what == "" {
		return err
	}
	return r.wrap(err)
}
