package store

import (
	"fmt"
	"strings"
	"testing"
)

// filling says what a database is filled with, all in a handful of statements:
// accounts with one open invoice each.
type filling struct {
	accounts int
	due      string // seconds from monday on to when account i is due, an expression; empty: NULL
	act      string // its next act, an expression; empty: 'look'
	linked   bool   // each has a link, a letter that was sent, a promise, and holds
}

// fill fills an empty database.
func fill(tb testing.TB, s *Store, f filling) {
	tb.Helper()
	act, due := `'look'`, `NULL`
	if f.act != "" {
		act = f.act
	}
	if f.due != "" {
		due = s.after(f.due)
	}
	then := s.after(`-864000`)
	name := `substr(CAST(100000000 + i AS TEXT), 2)`
	statements := []string{
		`UPDATE installation SET config = 'the first'`,
		`INSERT INTO sources (name, loaded_at, rows_read) SELECT 'erp', ` + then + `, {n} FROM {one}`,
		`INSERT INTO accounts (id, name, email, next_act, next_at)
			SELECT 'a' || {name}, 'Customer ' || i, 'c' || i || '@example.com', ` + act + `, ` + due + ` FROM {rows}`,
		`INSERT INTO invoices (number, account_id, source, status, currency, total, issued_on, due_on, changed_in)
			SELECT 'INV-' || {name}, 'a' || {name}, 'erp', 'open', 'EUR', 12000, '2026-03-02', '2026-04-01', 'load' FROM {rows}`,
	}
	if f.linked {
		statements = append(statements, `
			INSERT INTO links (invoice, gen, ref, amount, currency, key_fingerprint, state, remote_id, url, expires_at, since, seen_at, watched)
			SELECT 'INV-' || {name}, 1, 'INV-' || {name} || '-L1', 12000, 'EUR', 'test:1a2b', 'new', 'r' || {name}, 'https://pay.example/' || i,
				`+s.after(`2592000`)+`, `+then+`, `+then+`, TRUE FROM {rows}`, `
			INSERT INTO letters (id, try, account_id, state, at, template, language, single, items, recipients, cc, subject, message_id, digest, raw)
			SELECT 'l' || {name}, 1, 'a' || {name}, 'sent', `+then+`, 'request', 'en', TRUE, '[]', '[]', '[]', 'x', 'm' || {name}, '', CAST('' AS {bytes}) FROM {rows}`, `
			INSERT INTO steps (invoice, episode, step, result, letter_id, at)
			SELECT 'INV-' || {name}, 1, 'request', 'sent', 'l' || {name}, `+then+` FROM {rows}`, `
			INSERT INTO promises (id, invoice, amount, currency, open, due_on, made_at, made_by, ended_at)
			SELECT 'p' || {name}, 'INV-' || {name}, 100, 'EUR', 12000, '2026-04-01', `+then+`, 'Ada', CASE WHEN i % 2 = 0 THEN `+then+` END FROM {rows}`, `
			INSERT INTO holds (id, invoice, reason, placed_by, placed_at, lifted_at)
			SELECT 'i' || {name}, 'INV-' || {name}, 'vip', 'Ada', `+then+`, CASE WHEN i % 2 = 0 THEN `+then+` END FROM {rows}`, `
			INSERT INTO holds (id, account_id, reason, placed_by, placed_at, lifted_at)
			SELECT 'a' || {name}, 'a' || {name}, 'vip', 'Ada', `+then+`, CASE WHEN i % 2 = 0 THEN `+then+` END FROM {rows}`)
	}
	rows, bytes := fmt.Sprintf(`generate_series(0, %d) AS g (i)`, f.accounts-1), `BYTEA`
	if s.on.name == "sqlite" {
		rows = fmt.Sprintf(`(WITH RECURSIVE g (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < %d) SELECT i FROM g) AS g`, f.accounts-1)
		bytes = `BLOB`
	}
	in := strings.NewReplacer(`{rows}`, rows, `{name}`, name, `{n}`, fmt.Sprint(f.accounts), `{one}`, `(SELECT 0 AS i) AS one`, `{bytes}`, bytes)
	for _, statement := range statements {
		run(tb, s, in.Replace(statement))
	}
}

// after is the instant so many seconds after monday.
func (s *Store) after(seconds string) string {
	if s.on.name == "sqlite" {
		return `(datetime('2026-03-02 08:00:00', (` + seconds + `) || ' seconds') || '+00:00')`
	}
	return `(TIMESTAMPTZ '2026-03-02 08:00:00+00:00' + (` + seconds + `) * INTERVAL '1 second')`
}

// run runs statements without a time limit.
func run(tb testing.TB, s *Store, statements ...string) {
	tb.Helper()
	db := s.db
	if s.on.way != nil {
		own, err := s.on.way.slow().dial()
		if err != nil {
			tb.Fatal(err)
		}
		defer own.Close()
		db = own
	}
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}
