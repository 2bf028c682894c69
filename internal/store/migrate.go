package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
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

// up runs the migrations that are missing. On PostgreSQL it does so without a
// time limit, for an index may take long to build, and under a lock.
func (s *Store) up(ctx context.Context) error {
	db, options := s.db, []goose.ProviderOption{goose.WithVerbose(false)}
	if s.on.way != nil {
		own, err := s.on.way.slow().dial()
		if err != nil {
			return err
		}
		defer own.Close()
		db, options = own, append(options, goose.WithLocker(&turn{}))
	}
	p, err := goose.NewProvider(s.on.goose, db.DB, s.on.migrations, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// A turn is the right to migrate: of all who want to, one has it. It is a lock
// of a transaction that does nothing else and stays open meanwhile, beside the
// connection that migrates. A lock of a session, which is goose's own way, does
// not survive a pooler in transaction mode: it stays behind on a connection of
// the server that somebody else is given next. A transaction keeps its
// connection in every mode.
//
// Whoever waits does so without a connection, so that two are enough for any
// number of replicas. Should the turn be lost halfway, with its connection,
// nothing breaks: each migration is one transaction that also notes its version.
type turn struct{ held *sql.Tx }

const (
	turnKey  = 4097083626 // goose's own number, so that its command line waits for us where it can
	turnWait = 100 * time.Millisecond
	turnMost = 10 * time.Minute
)

// Lock waits for the turn.
func (l *turn) Lock(ctx context.Context, db *sql.DB) error {
	patience, cancel := context.WithTimeout(ctx, turnMost)
	defer cancel()
	for {
		held, err := l.try(ctx, db)
		if err != nil || held {
			return err
		}
		if err := wait(patience, turnWait+rand.N(turnWait)); err != nil {
			return fmt.Errorf("wait for another process that is migrating: %w", err)
		}
	}
}

func (l *turn) try(ctx context.Context, db *sql.DB) (held bool, err error) {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	err = t.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, turnKey).Scan(&held)
	if err == nil && held { // the server must not end it for being idle
		_, err = t.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`)
	}
	if err != nil || !held {
		return false, errors.Join(err, t.Rollback())
	}
	l.held = t
	return true, nil
}

// Unlock gives the turn up.
func (l *turn) Unlock(context.Context, *sql.DB) error {
	_ = l.held.Rollback() // if it fails the connection is gone, and the lock with it
	return nil
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
