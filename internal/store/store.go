// Package store keeps accounts in a database: all SQL of the program is here.
//
// It serves PostgreSQL, for any number of replicas, and SQLite, for one
// machine, with one behaviour; [dunning/internal/store/storetest] holds both to
// it.
//
// Three things make it safe to run anything twice, or at once:
//
//   - Natural keys. A step of an invoice has one row for ever, a letter is named
//     after its steps, an invoice has one live link per amount. Whatever code
//     does, these cannot exist twice.
//   - The version of an account, its lock: [Store.Begin] commits an intent only
//     if nothing has changed since the account was read. Imports, webhooks and
//     people change the version too. The lease is a politeness that keeps two
//     workers from deciding about one account at once for nothing.
//   - Every write is one explicit transaction. Whoever changes anything of an
//     account changes its row first, so that writers of one account queue up
//     there and never wait for each other in a circle.
//
// Time is always told by the caller, in the database as elsewhere. The lease on
// PostgreSQL is the exception: it runs on the server's clock, so that replicas
// with wrong clocks agree. Instants are kept in UTC to the microsecond.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

// Options say which database to open, and who is at work.
type Options struct {
	URL         string // sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE?sslmode=…
	Actor       string // who acts, for the event log: a worker or a person
	Config      string // hash of the configuration, kept with every event
	Migrate     bool   // bring an older schema up to date; else it is an error
	Connections int    // at most so many; 0: eight
	Leases      Leases
}

// Leases says whose clock leases run on.
type Leases int

// Clocks of leases.
const (
	// ByServer is PostgreSQL's own clock. SQLite has none and uses the caller's.
	ByServer Leases = iota
	// ByCaller is the clock of [dunning/invoices.Query], for tests and the demo
	// in which time is turned by hand.
	ByCaller
)

// ErrUnknown says that the database holds no such invoice, account or letter.
var ErrUnknown = errors.New("it is not in the database")

// Store is an open database. It is safe for concurrent use.
type Store struct {
	db     *sqlx.DB
	on     dialect
	actor  string
	config atomic.Pointer[string]
	woken  atomic.Pointer[string] // the configuration that accounts were woken for here; nil: none yet
	salt   string
	gate   chan struct{} // on SQLite, holds the one who may write
	file   *file         // on SQLite, the database's
	zones  sync.Map      // *time.Location by name
	commit func(*sqlx.Tx) error

	heads       sync.Map // *sqlx.Stmt by text, of looks ahead
	connections int      // at most so many
	marks       marks

	forms   [forms]form
	swift   string
	group   group
	carrier *sqlx.DB   // whose connections carry shared transactions
	reading sync.Mutex // held while they read
	ready   *known     // what they have read; nil: nothing yet
}

// Open connects to a database and makes sure that its schema is as new as this
// program, or newer. Any number of processes may do so at once. Errors never
// show the password.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := connect(o)
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func connect(o Options) (*Store, error) {
	db, on, err := dial(o)
	if err != nil {
		return nil, err
	}
	s := &Store{on: on, actor: o.Actor, commit: (*sqlx.Tx).Commit, connections: o.Connections}
	s.config.Store(&o.Config)
	s.marks.off = on.oneWriter
	if s.connections <= 0 {
		s.connections = 8
	}
	s.use(db)
	s.forms = formsOf(&on)
	s.swift = swift(&s.forms)
	s.group.turns = make(chan struct{}, on.carriers)
	if on.oneWriter {
		s.gate = make(chan struct{}, 1)
		_, path, _ := strings.Cut(o.URL, ":")
		if s.file, err = fileAt(path); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return s, nil
}

// rereading is how often PostgreSQL reads the statements of shared transactions
// anew: what it planned for an empty database is wrong after the first import.
const rereading = time.Minute

func (s *Store) use(db *sqlx.DB) {
	db.SetMaxOpenConns(s.connections)
	db.SetMaxIdleConns(s.connections)
	s.db = db
}

func (s *Store) begin(ctx context.Context, o Options) error {
	meet := s.mode
	if s.on.way != nil {
		meet = s.meet
	}
	if err := meet(ctx); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	s.carrier = s.db
	if w := s.on.way; w != nil && !w.pooled {
		var err error
		if s.carrier, err = w.keyed().dial(); err != nil {
			return err
		}
		s.carrier.SetMaxOpenConns(cap(s.group.turns))
		s.carrier.SetMaxIdleConns(cap(s.group.turns))
		s.carrier.SetConnMaxLifetime(rereading)
	}
	if o.Migrate {
		if _, _, err := s.Migrate(ctx); err != nil {
			return err
		}
	} else if err := s.current(ctx); err != nil {
		return err
	}
	return s.install(ctx)
}

// mode finds out how SQLite keeps the file. The first connection to a new file
// gives it a log, for which it must be alone, and SQLite does not wait for that:
// of several who come at once all but one are refused at first.
func (s *Store) mode(ctx context.Context) error {
	for try := 1; ; try++ {
		var mode string
		err := s.db.GetContext(ctx, &mode, `PRAGMA journal_mode`)
		s.file.logged = mode == "wal"
		if err == nil || try == 20 || !s.on.again(err) {
			return s.fault(ctx, err)
		}
		if err := wait(ctx, pause(try)); err != nil {
			return err
		}
	}
}

// Under notes the hash of the configuration that events are told with from now
// on.
func (s *Store) Under(config string) { s.config.Store(&config) }

// Close lets go of the database. On PostgreSQL it cannot fail: to say goodbye
// to a server that is gone already is no loss.
func (s *Store) Close() error {
	err := s.db.Close()
	if s.carrier != nil && s.carrier != s.db {
		_ = s.carrier.Close()
	}
	if s.on.oneWriter {
		return err
	}
	return nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.fault(ctx, s.db.GetContext(ctx, &one, `SELECT 1`))
}

// Salt returns what the letter ids of this installation are derived from. It
// was made at random when the database was, and never changes.
func (s *Store) Salt() string { return s.salt }

// install reads the installation's row, and makes it the first time.
func (s *Store) install(ctx context.Context) error {
	err := s.db.GetContext(ctx, &s.salt, `SELECT salt FROM installation WHERE id = 1`)
	if err == nil || !isNone(err) {
		return s.fault(ctx, err)
	}
	return s.write(ctx, func(t *tx) error {
		if err := t.exec(`INSERT INTO installation (id, salt) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, token()); err != nil {
			return err
		}
		return t.GetContext(ctx, &s.salt, `SELECT salt FROM installation WHERE id = 1`)
	})
}
