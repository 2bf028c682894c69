package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dunning/invoices"
)

// maxProblems is after how many a load is not read further.
const maxProblems = 1000

// errDry ends the transaction of a dry run.
var errDry = errors.New("dry run")

// Import takes in one load of one source, as a whole or not at all, and says
// what it did; a dry run says what it would do. The zone is that of customers
// without one of their own. Anything wrong with any row is returned as
// [invoices.Problems], and nothing is stored.
//
// An invoice that changed makes its account due; one that did not is left
// alone, so that reading the same books every few minutes disturbs nobody. A
// full load makes open invoices of its source vanish that it does not mention:
// they are marked and reported, never deleted. A load whose file was read
// before with the same digest only proves that the source is fresh.
//
// The load's rows are read once, inside the transaction, and never held all at
// once. Imports wait for each other.
func (s *Store) Import(ctx context.Context, load invoices.Load, zone *time.Location, dryRun bool) (invoices.Report, error) {
	load.At = micro(load.At)
	if load.AsOf = micro(load.AsOf); load.AsOf.IsZero() || load.AsOf.After(load.At) {
		load.AsOf = load.At
	}
	if load.Source == "" || load.At.IsZero() {
		return invoices.Report{}, errors.New("a load needs the name of its source and the time it was read")
	}
	if zone == nil {
		zone = time.UTC
	}
	if load.Rows == nil {
		load.Rows = func(func(invoices.Row, error) bool) {}
	}
	im := &importer{load: load, zone: zone, id: newID()}
	im.report = invoices.Report{Source: load.Source, File: load.File}
	err := s.write(ctx, func(t *tx) error {
		im.tx = t
		if err := im.run(); err != nil {
			return err
		}
		if dryRun {
			return errDry
		}
		return nil
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	if _, odd := errors.AsType[*invoices.Suspicion](err); odd {
		err = errors.Join(err, s.suspect(ctx, load))
	}
	return im.report, err
}

// suspect remembers which load looked wrong, so that a person can say that it
// is right.
func (s *Store) suspect(ctx context.Context, load invoices.Load) error {
	return s.write(ctx, func(t *tx) error {
		return t.exec(`UPDATE sources SET suspect = $2 WHERE name = $1`, load.Source, load.Digest)
	})
}

// Doubt notes why the last reading of a source is not believed: nothing is sent
// for its invoices until one is (R8). An empty why says that it is believed.
func (s *Store) Doubt(ctx context.Context, source, why string, now time.Time) error {
	var was string
	err := s.db.GetContext(ctx, &was, `SELECT doubt FROM sources WHERE name = $1`, source)
	if err == nil && was == why || isNone(err) && why == "" {
		return nil
	}
	if err != nil && !isNone(err) {
		return s.fault(ctx, err)
	}
	return s.write(ctx, func(t *tx) error { return t.doubt(source, why, now) })
}

func (t *tx) doubt(source, why string, now time.Time) error {
	if err := t.lockImports(); err != nil {
		return err
	}
	if err := t.exec(`INSERT INTO sources (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, source); err != nil {
		return err
	}
	var was string
	if err := t.GetContext(t.ctx, &was, `SELECT doubt FROM sources WHERE name = $1`, source); err != nil || was == why {
		return err
	}
	if was == "" || why == "" { // letters that were decided upon must not leave; those that waited may
		if err := t.disturb(source, now); err != nil {
			return err
		}
		if err := t.askSweep(false, now); err != nil {
			return err
		}
	}
	if err := t.exec(`UPDATE sources SET doubt = $2 WHERE name = $1`, source, why); err != nil {
		return err
	}
	if _, err := t.quiet(invoices.AlarmSource, source, "", "it was read again", now); err != nil || why == "" {
		return err
	}
	_, err := t.raise(invoices.Alarm{Kind: invoices.AlarmSource, Key: source, At: now, Detail: "the source " + source + " is not believed, nothing is sent for its invoices: " + why}, "")
	return err
}

// disturb changes the version of the accounts with open invoices of a source that
// somebody has just now. Whoever claims one later reads the source, too. Until the
// transaction ends nobody claims any.
func (t *tx) disturb(source string, now time.Time) error {
	if t.s.on.lockClaims != "" {
		if err := t.exec(t.s.on.lockClaims); err != nil {
			return err
		}
	}
	for _, lane := range []string{leased, vain, `claims >= 8`} {
		err := t.exec(`
			UPDATE accounts SET version = version + 1, next_act = 'look', next_at = $2
			WHERE `+lane+` AND lease_id <> ''
				AND (SELECT 1 FROM invoices i WHERE i.account_id = accounts.id AND i.source = $1 AND i.status = 'open' LIMIT 1) IS NOT NULL`,
			source, at(now))
		if err != nil {
			return err
		}
	}
	return nil
}

// An importer takes in one load in one transaction.
type importer struct {
	*tx
	load     invoices.Load
	zone     *time.Location
	id       string // of the load
	report   invoices.Report
	problems invoices.Problems

	read    time.Time // how old the source's last load is; zero: there is none
	before  int       // rows of the last load, if that was full
	trusted string    // the digest of a load that a person said is right
}

func (im *importer) run() error {
	if err := im.lockImports(); err != nil {
		return err
	}
	known, err := im.open()
	if err != nil {
		return err
	}
	if !known {
		im.fixed = true // rows are read once
		if err := byKey(im.ctx, im, im.s.on.byKey); err != nil {
			return err
		}
		if err := im.rows(); err != nil {
			return err
		}
		if err := byKey(im.ctx, im, im.s.on.whole); err != nil {
			return err
		}
		if len(im.problems) > 0 {
			return im.problems
		}
		if what := invoices.Doubtful(im.before, im.report.Rows); what != "" && im.load.Full && (im.trusted == "" || im.trusted != im.load.Digest) {
			return &invoices.Suspicion{Source: im.load.Source, ID: im.load.Digest[:min(idLength, len(im.load.Digest))], What: im.load.File + ": " + what}
		}
		if err := im.vanish(); err != nil {
			return err
		}
	}
	return im.close(known)
}

// open makes sure that the source has a row and reports whether this very file
// was the last of its name.
func (im *importer) open() (known bool, err error) {
	err = im.exec(`INSERT INTO sources (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, im.load.Source)
	if err != nil {
		return false, err
	}
	var last struct {
		Loaded   instant
		Rows     int
		Complete bool
		Trusted  string
	}
	err = im.GetContext(im.ctx, &last, `SELECT loaded_at AS loaded, rows_read AS rows, complete, trusted FROM sources WHERE name = $1`, im.load.Source)
	if err != nil {
		return false, err
	}
	im.read, im.trusted = last.Loaded.Time, last.Trusted
	if last.Complete {
		im.before = last.Rows
	}
	var n int
	err = im.GetContext(im.ctx, &n, `SELECT COUNT(*) FROM loads WHERE source = $1 AND file = $2 AND digest = $3 AND digest <> ''`,
		im.load.Source, im.load.File, im.load.Digest)
	return n > 0, err
}

// rows reads the load in batches. Once something is wrong nothing more is
// written, but the rest is still read, to tell all that is wrong at once.
func (im *importer) rows() error {
	batch := make([]invoices.Row, 0, im.s.on.rows)
	for row, err := range im.load.Rows {
		if err != nil {
			if im.problem(err) {
				return nil
			}
			continue
		}
		im.report.Rows++
		if batch = append(batch, row); len(batch) == im.s.on.rows {
			if err := im.take(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if err := im.ctx.Err(); err != nil {
			return err
		}
	}
	return im.take(batch)
}

// problem keeps one thing that is wrong. It reports whether that is enough.
func (im *importer) problem(err error) (enough bool) {
	var several invoices.Problems
	p, ok := errors.AsType[*invoices.Problem](err)
	switch {
	case ok:
		several = invoices.Problems{p}
	case !errors.As(err, &several):
		several = invoices.Problems{{File: im.load.File, What: err.Error(), Plain: true}}
	}
	im.problems = append(im.problems, several...)
	if len(im.problems) < maxProblems {
		return false
	}
	im.problems = append(im.problems[:maxProblems:maxProblems], &invoices.Problem{
		File: im.load.File, What: "and more", Fix: "correct these first",
	})
	return true
}

// vanish marks the open invoices of the source that a full load leaves out.
func (im *importer) vanish() error {
	if !im.load.Full {
		return nil
	}
	var rows []struct{ Number, Account string }
	err := im.SelectContext(im.ctx, &rows, `
		SELECT i.number, i.account_id AS account FROM invoices i
		WHERE i.source = $1 AND i.status = 'open' AND i.total - i.paid - i.credited > 0 AND NOT i.vanished
			AND NOT EXISTS (SELECT 1 FROM mentions m WHERE m.invoice = i.number AND m.load_id = $2)
		ORDER BY i.number`, im.load.Source, im.id)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(rows, im.s.on.rows) {
		var ids, numbers []string
		var events []Event
		for _, r := range some {
			ids, numbers = append(ids, r.Account), append(numbers, r.Number)
			events = append(events, Event{At: im.load.At, Kind: "invoice_vanished", Account: r.Account, Invoice: r.Number, Detail: "the full load " + im.load.File + " does not mention it"})
			im.report.Vanished = append(im.report.Vanished, r.Number)
		}
		slices.Sort(ids)
		if err := im.stir(slices.Compact(ids)); err != nil {
			return err
		}
		var in args
		mark := in.add(im.id)
		if err := im.exec(`UPDATE invoices SET vanished = TRUE, changed_in = `+mark+` WHERE number IN `+in.list(numbers), in...); err != nil {
			return err
		}
		if err := im.note(events...); err != nil {
			return err
		}
	}
	return nil
}

// stir changes the version of accounts and makes them due.
func (im *importer) stir(ids []string) error {
	var in args
	due := in.add(at(im.load.At))
	return im.exec(`UPDATE accounts SET version = version + 1, claims = 0, next_act = 'look', next_at = `+due+` WHERE id IN `+in.list(ids), in...)
}

// close writes down that the source was read.
func (im *importer) close(known bool) error {
	l, fresh := im.load, im.load.AsOf
	if im.read.After(fresh) {
		fresh = im.read
	}
	if err := im.refresh(); err != nil {
		return err
	}
	if known {
		return im.exec(`UPDATE sources SET loaded_at = $2 WHERE name = $1`, l.Source, at(fresh))
	}
	err := im.exec(`UPDATE sources SET loaded_at = $2, rows_read = $3, file = $4, digest = $5, complete = $6, suspect = '', trusted = '' WHERE name = $1`,
		l.Source, at(fresh), im.report.Rows, l.File, l.Digest, l.Full)
	if err != nil {
		return err
	}
	err = im.exec(`
		INSERT INTO loads (source, file, digest, loaded_at, rows_read) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (source, file) DO UPDATE SET digest = excluded.digest, loaded_at = excluded.loaded_at, rows_read = excluded.rows_read`,
		l.Source, l.File, l.Digest, at(l.At), im.report.Rows)
	if err != nil {
		return err
	}
	r := im.report
	return im.note(Event{At: l.At, Kind: "imported", Detail: fmt.Sprintf("%s, %s: %d rows, %d added, %d changed, %d vanished", l.Source, l.File, r.Rows, r.Added, r.Changed, len(r.Vanished))})
}

// gap is how long a source must not have been read for all its accounts to be
// looked at again: some may have been held for it, though what Next said of the
// whole account was something else.
const gap = time.Hour

// refresh has accounts looked at again that may have waited for the source to be
// read.
func (im *importer) refresh() error {
	switch {
	case im.read.IsZero() || !im.load.AsOf.After(im.read):
		return nil
	case im.load.AsOf.Sub(im.read) >= gap:
		return im.askSweep(false, im.load.At)
	}
	var n int
	err := im.GetContext(im.ctx, &n, `SELECT COUNT(*) FROM (SELECT 1 FROM accounts WHERE next_code = 'stale_source' LIMIT 1) AS found`)
	if err != nil || n == 0 {
		return err
	}
	return im.exec(`
		UPDATE accounts SET next_act = 'look', next_at = $2
		WHERE next_code = 'stale_source' AND (next_at IS NULL OR next_at > $2)
			AND id IN (SELECT account_id FROM invoices WHERE source = $1 AND status = 'open')`, im.load.Source, at(im.load.At))
}

// A Source is where invoices come from, and its last load.
type Source struct {
	Name     string
	Doubt    string    // why its last load is not believed; empty: it is
	LoadedAt time.Time // how old its last good load is; zero: there is none
	Rows     int       // of the last load
	File     string
	Digest   string
	Full     bool
}

// Sources returns every source that was ever read, in order of name.
func (s *Store) Sources(ctx context.Context) ([]Source, error) {
	var rows []struct {
		Name, Doubt, File, Digest string
		Loaded                    instant
		Rows                      int
		Complete                  bool
	}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT name, doubt, loaded_at AS loaded, rows_read AS rows, file, digest, complete FROM sources ORDER BY name`)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	list := make([]Source, len(rows))
	for i, r := range rows {
		list[i] = Source{r.Name, r.Doubt, r.Loaded.Time, r.Rows, r.File, r.Digest, r.Complete}
	}
	return list, nil
}

// A Loading is the last reading of one file of a source.
type Loading struct {
	File   string
	Digest string
	At     time.Time
	Rows   int
}

// Loaded returns the last reading of each file of a source, in order of time:
// a file with the same digest need not be read again.
func (s *Store) Loaded(ctx context.Context, source string) ([]Loading, error) {
	var rows []struct {
		File, Digest string
		Loaded       instant
		Rows         int
	}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT file, digest, loaded_at AS loaded, rows_read AS rows FROM loads WHERE source = $1 ORDER BY loaded_at, file`, source)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	list := make([]Loading, len(rows))
	for i, r := range rows {
		list[i] = Loading{r.File, r.Digest, r.Loaded.Time, r.Rows}
	}
	return list, nil
}
