// Package migrations holds the schema of the database, as steps that only go
// forward. Each database has its own files under the same numbers. A program
// must run on any schema that is newer than its own, so a migration adds and
// never renames or drops what the previous version reads.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// Postgres returns the migrations of PostgreSQL.
func Postgres() fs.FS { return sub("postgres") }

// SQLite returns the migrations of SQLite.
func SQLite() fs.FS { return sub("sqlite") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return f
}
