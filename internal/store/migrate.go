package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Version returns the version of the schema; 0 is an empty database.
func (s *Store) Version(ctx context.Context) (int64, error) {
	var tables int
	if err := s.db.GetContext(ctx, &tables, s.on.schema); err != nil || tables == 0 {
		return 0, s.fault(ctx, err)
	}
	var version sql.NullInt64
	err := s.db.GetContext(ctx, &version, `SELECT MAX(version_id) FROM goose_db_version`)
	return version.Int64, s.fault(ctx, err)
}

// current refuses a schema that is older than this program. A newer one is
// fine: migrations only add.
func (s *Store) current(ctx context.Context) error {
	have, err := s.Version(ctx)
	if err != nil {
		return err
	}
	if want := s.newest(); have < want {
		return fmt.Errorf("the database has schema version %d and this program needs %d; nothing was done. Run: dunning migrate", have, want)
	}
	return nil
}

// newest returns the version of the last migration this program knows.
func (s *Store) newest() int64 {
	p, err := goose.NewProvider(s.on.goose, s.db.DB, s.on.migrations)
	if err != nil {
		panic("store: the embedded migrations: " + err.Error())
	}
	all := p.ListSources()
	return all[len(all)-1].Version
}

// Migrate brings the schema up to date and returns the versions before and
// after. Any number of processes may do so at once: on PostgreSQL they wait for
// a lock, on SQLite all but one fail and find the work done.
func (s *Store) Migrate(ctx context.Context) (from, to int64, err error) {
	from, err = s.Version(ctx)
	if err != nil {
		return 0, 0, err
	}
	if from >= s.newest() {
		return from, from, nil
	}
	for try := 1; ; try++ {
		err = s.up(ctx)
		to, versionErr := s.Version(ctx)
		switch {
		case versionErr == nil && to >= s.newest():
			return from, to, nil
		case err == nil:
			return from, to, versionErr
		case try == 10 || !s.on.oneWriter || ctx.Err() != nil:
			return from, to, fmt.Errorf("bring the database to the schema of this program: %w", s.fault(ctx, err))
		}
		if err := wait(ctx, time.Duration(try)*(20*time.Millisecond+rand.N(80*time.Millisecond))); err != nil {
			return from, to, err
		}
	}
}

// up runs the migrations that are missing. On PostgreSQL it does so on a direct
// connection without a time limit: a session lock would not survive a pooler's
// transaction mode, and an index may take long to build.
func (s *Store) up(ctx context.Context) error {
	db, options := s.db, []goose.ProviderOption{goose.WithVerbose(false)}
	if s.on.dsn != "" {
		own, err := s.direct()
		if err != nil {
			return err
		}
		defer own.Close()
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 10))
		if err != nil {
			return err
		}
		db, options = own, append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(s.on.goose, db.DB, s.on.migrations, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func (s *Store) direct() (*sqlx.DB, error) {
	dsn, err := postgresDSN(s.on.dsn, map[string]string{"statement_timeout": "0"})
	if err != nil {
		return nil, err
	}
	return dialPostgres(dsn)
}

// wait returns after a while, or when the context ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func isNone(err error) bool { return errors.Is(err, sql.ErrNoRows) }
