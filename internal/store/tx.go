package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// tx is one transaction that writes.
type tx struct {
	*sqlx.Tx
	ctx   context.Context
	s     *Store
	proof string // the id of an event written in it: if it is there, so is all else
	fixed bool   // it must not be done a second time

	db    *sqlx.DB // whose connections it uses; nil: the store's
	ready *known   // statements read before; nil: none are
}

// write runs one transaction. It is done again only when the database says
// that nothing of it was done: a lock that could not be had, or a conflict with
// another. So do must not change anything else, and set what it sets anew.
func (s *Store) write(ctx context.Context, do func(*tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	for try := 1; ; try++ {
		t := &tx{ctx: ctx, s: s}
		err := s.once(t, do)
		if err == nil || try == 5 || t.fixed || ctx.Err() != nil || !s.on.again(err) {
			return s.fault(ctx, err)
		}
		if err := wait(ctx, pause(try)); err != nil {
			return err
		}
	}
}

// enter waits until nobody else writes, where there can be only one.
func (s *Store) enter(ctx context.Context) error {
	if s.gate == nil {
		return nil
	}
	select {
	case s.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) leave() {
	if s.gate != nil {
		<-s.gate
	}
}

// pause is how long to wait after a try, longer after each, and never as long as
// the others who try.
func pause(try int) time.Duration {
	return time.Duration(try) * (10*time.Millisecond + mathrand.N(40*time.Millisecond))
}

func (s *Store) once(t *tx, do func(*tx) error) error {
	var err error
	if t.db == nil {
		t.db = s.db
	}
	if t.Tx, err = s.start(t.ctx, t.db, nil); err != nil {
		return err
	}
	if err := do(t); err != nil {
		_ = t.Rollback() // the connection is dropped if this fails
		return err
	}
	if err := s.file.check(); err != nil {
		_ = t.Rollback() // it would not be where anybody looks for it
		return err
	}
	t.fixed = true
	if err := s.commit(t.Tx); err != nil {
		return s.doubt(t, err)
	}
	return nil
}

// start begins a transaction.
func (s *Store) start(ctx context.Context, db *sqlx.DB, o *sql.TxOptions) (*sqlx.Tx, error) {
	t, err := db.BeginTxx(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if s.on.limit == "" {
		return t, nil
	}
	if _, err := t.ExecContext(ctx, s.on.limit); err != nil {
		_ = t.Rollback() // the connection is dropped if this fails
		return nil, fmt.Errorf("begin: %w", err)
	}
	return t, nil
}

// doubt is told that a COMMIT failed. The connection may have broken before
// the database did it or after: only the database knows. Finding the event that
// was written in the same transaction proves that it was done; not finding it
// proves nothing, for it may still be under way.
func (s *Store) doubt(t *tx, commitErr error) error {
	err := fmt.Errorf("commit: it is not known whether this was stored: %w", commitErr)
	if t.proof == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), 10*time.Second)
	defer cancel()
	var n int
	if e := s.db.GetContext(ctx, &n, `SELECT COUNT(*) FROM events WHERE id = $1`, t.proof); e == nil && n == 1 {
		return nil
	}
	return err
}

// exec runs one statement.
func (t *tx) exec(query string, args ...any) error {
	_, err := t.ExecContext(t.ctx, query, args...)
	return err
}

// count runs one statement and returns how many rows it changed.
func (t *tx) count(query string, args ...any) (int, error) {
	return changed(t.ExecContext(t.ctx, query, args...))
}

// changed returns how many rows a statement changed.
func changed(res sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// read runs several SELECTs on one state of the database.
func (s *Store) read(ctx context.Context, do func(*sqlx.Tx) error) error {
	t, err := s.start(ctx, s.db, &s.on.snapshot)
	if err != nil {
		return s.fault(ctx, err)
	}
	defer func() { _ = t.Rollback() }() // nothing was written
	return s.fault(ctx, do(t))
}

// fault returns the caller's own reason when it was the caller who gave up, for
// drivers report it in words of their own; and otherwise says in plain words
// what is wrong with the database.
func (s *Store) fault(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil:
		return s.on.plain(err)
	case errors.Is(err, ctx.Err()):
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// placeholders returns $1, $2, … up to n.
func placeholders(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(names, ", ")
}

// args gathers the arguments of a statement.
type args []any

// add adds an argument and returns its placeholder.
func (a *args) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

// row adds arguments and returns their placeholders in parentheses.
func (a *args) row(vs ...any) string {
	names := make([]string, len(vs))
	for i, v := range vs {
		names[i] = a.add(v)
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// list is row for strings.
func (a *args) list(vs []string) string {
	names := make([]string, len(vs))
	for i, v := range vs {
		names[i] = a.add(v)
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// newID returns a UUID of version 7: unique, and in order of making.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// token returns 32 random bytes in hexadecimal.
func token() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
