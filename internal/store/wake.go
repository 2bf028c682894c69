package store

import (
	"context"
	"slices"
	"time"

	"dunning/invoices"
)

// Rumour is told that something may have happened to the link with a webhook's
// random path. It believes nothing: it only forgets what was known of the link
// and makes the account due, so that the provider is asked again. It reports
// whether it knows the path, and writes nothing if not.
func (s *Store) Rumour(ctx context.Context, hook string, now time.Time) (known bool, err error) {
	if hook == "" {
		return false, nil
	}
	var n int
	if err := s.db.GetContext(ctx, &n, `SELECT COUNT(*) FROM links WHERE hook = $1`, hook); err != nil || n == 0 {
		return false, s.fault(ctx, err)
	}
	return true, s.write(ctx, func(t *tx) error { return t.rumour(hook, now) })
}

func (t *tx) rumour(hook string, now time.Time) error {
	var invoice string
	if err := t.GetContext(t.ctx, &invoice, `SELECT invoice FROM links WHERE hook = $1`, hook); err != nil {
		return err
	}
	id, err := t.touch(Target{Invoice: invoice}, now)
	if err != nil {
		return err
	}
	var row linkRow
	if err := t.GetContext(t.ctx, &row, `SELECT `+linkColumns+` FROM links WHERE hook = $1`, hook); err != nil {
		return err
	}
	l := row.link()
	l.Seen = time.Time{}
	if err := t.exec(`UPDATE links SET seen_at = NULL, watched = $2 WHERE hook = $1`, hook, !l.Final()); err != nil {
		return err
	}
	return t.note(Event{At: now, Kind: "webhook", Account: id, Invoice: invoice, Detail: "something happened to " + l.Ref})
}

// lockImports keeps other imports waiting until the transaction ends: whoever
// changes many accounts does so alone, so that no two wait for each other in a
// circle.
func (t *tx) lockImports() error {
	if t.s.on.lockImports == "" {
		return nil
	}
	return t.exec(t.s.on.lockImports)
}

// NextDue returns when the first account is due for one of some acts, or for
// any act if none is named, and whether any ever is.
func (s *Store) NextDue(ctx context.Context, acts ...invoices.Act) (due time.Time, any bool, err error) {
	var first instant
	var in args
	query := `SELECT MIN(next_at) FROM accounts WHERE next_at IS NOT NULL`
	if len(acts) > 0 {
		words := make([]string, len(acts))
		for i, a := range acts {
			words[i] = a.String()
		}
		query += ` AND next_act IN ` + in.list(words)
	}
	if err := s.db.GetContext(ctx, &first, query, in...); err != nil {
		return time.Time{}, false, s.fault(ctx, err)
	}
	if len(acts) == 0 || slices.Contains(acts, invoices.Idle) { // somebody may be woken
		since, err := s.sleeping(ctx)
		if err != nil {
			return time.Time{}, false, err
		}
		if first.IsZero() || !since.IsZero() && since.Before(first.Time) {
			first = since
		}
	}
	return first.Time, !first.IsZero(), nil
}

// Stats is how the installation is doing.
type Stats struct {
	Due         int                  // accounts that are due
	OldestDue   time.Time            // since when the first account has wanted to send a letter; zero: none does
	People      int                  // accounts that wait for a person
	Uncertain   int                  // letters that may or may not have left
	Incidents   int                  // open ones
	Broken      int                  // accounts left alone because handling them broke off
	Alarms      int                  // open ones
	LastSuccess map[string]time.Time // by job
	Stale       map[string]time.Time // by source: when it was last read
}

// Stats returns how the installation is doing at an instant.
func (s *Store) Stats(ctx context.Context, now time.Time) (Stats, error) {
	var row struct {
		Due, People, Uncertain, Incidents, Broken, Alarms int
		Oldest                                            instant
	}
	err := s.db.GetContext(ctx, &row, `
		SELECT (SELECT COUNT(*) FROM accounts WHERE next_at <= $1) AS due,
			(SELECT MIN(wants_at) FROM accounts WHERE wants_at IS NOT NULL AND claims < 8) AS oldest,
			(SELECT COUNT(*) FROM accounts WHERE claims >= 8) AS broken,
			(SELECT COUNT(*) FROM alarms WHERE closed_at IS NULL) AS alarms,
			(SELECT COUNT(*) FROM accounts WHERE next_person) AS people,
			(SELECT COUNT(*) FROM letters WHERE state IN ('sending', 'uncertain', 'resend', 'delayed') AND state = 'uncertain') AS uncertain,
			(SELECT COUNT(*) FROM incidents WHERE closed_at IS NULL) AS incidents`, at(now))
	if err != nil {
		return Stats{}, s.fault(ctx, err)
	}
	st := Stats{Due: row.Due, OldestDue: row.Oldest.Time, People: row.People, Uncertain: row.Uncertain, Incidents: row.Incidents, Broken: row.Broken, Alarms: row.Alarms}
	if st.LastSuccess, err = s.lastSuccess(ctx); err != nil {
		return Stats{}, err
	}
	sources, err := s.Sources(ctx)
	st.Stale = map[string]time.Time{}
	for _, src := range sources {
		st.Stale[src.Name] = src.LoadedAt
	}
	return st, err
}
