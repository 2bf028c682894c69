package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dunning/internal/discreet"
	"dunning/invoices"
)

// Raise notes an alarm, unless one of its kind and key is open. It reports
// whether it is new. An alarm that stops letters holds for every claim from
// then on.
func (s *Store) Raise(ctx context.Context, a invoices.Alarm) (raised bool, err error) {
	if a.Kind == "" || a.Detail == "" {
		return false, errors.New("an alarm needs a kind, and a sentence that says what happened")
	}
	err = s.write(ctx, func(t *tx) error {
		raised, err = t.raise(a, "")
		return err
	})
	return raised, err
}

func (t *tx) raise(a invoices.Alarm, by string) (bool, error) {
	n, err := t.count(`
		INSERT INTO alarms (id, kind, key, detail, stops, raised_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (kind, key) WHERE closed_at IS NULL DO NOTHING`,
		newID(), string(a.Kind), a.Key, a.Detail, a.Stops, at(a.At))
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.note(Event{At: a.At, Actor: by, Kind: "alarm", Detail: fmt.Sprintf("%s: %s", a.Kind, discreet.Unquoted(a.Detail))})
}

// Pause stops every letter because a person said so, until [Store.Resume].
func (s *Store) Pause(ctx context.Context, by, reason string, now time.Time) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.raise(invoices.Alarm{Kind: invoices.AlarmPause, Detail: reason + " (" + by + ")", At: now, Stops: true}, by)
		return err
	})
}

// Quiet closes the open alarms of a kind, or the one of a kind and key: what
// they were about is over. It returns how many it closed.
func (s *Store) Quiet(ctx context.Context, kind invoices.AlarmKind, key, by, note string, now time.Time) (int, error) {
	var open int
	err := s.db.GetContext(ctx, &open, `SELECT COUNT(*) FROM alarms WHERE kind = $1 AND ($2 = '' OR key = $2) AND closed_at IS NULL`, string(kind), key)
	if err != nil || open == 0 {
		return 0, s.fault(ctx, err)
	}
	closed := 0
	err = s.write(ctx, func(t *tx) error {
		closed, err = t.quiet(kind, key, by, note, now)
		return err
	})
	return closed, err
}

func (t *tx) quiet(kind invoices.AlarmKind, key, by, note string, now time.Time) (int, error) {
	n, err := t.count(`
		UPDATE alarms SET closed_at = $3, closed_by = $4, note = $5
		WHERE kind = $1 AND ($2 = '' OR key = $2) AND closed_at IS NULL`, string(kind), key, at(now), by, note)
	if err != nil || n == 0 {
		return n, err
	}
	return n, t.note(Event{At: now, Actor: by, Kind: "alarm_closed", Detail: fmt.Sprintf("%s: %s", kind, note)})
}

// Resume closes every alarm that stops letters, because a person said so, and
// makes every account due that may have waited for it. It returns what it
// closed.
func (s *Store) Resume(ctx context.Context, by, reason string, now time.Time) ([]invoices.Alarm, error) {
	var closed []invoices.Alarm
	err := s.write(ctx, func(t *tx) error {
		closed = nil
		var rows []alarmRow
		if err := t.SelectContext(ctx, &rows, `SELECT `+alarmColumns+` FROM alarms WHERE stops AND closed_at IS NULL ORDER BY raised_at, id`); err != nil {
			return err
		}
		for _, r := range rows {
			closed = append(closed, r.alarm())
			if _, err := t.quiet(invoices.AlarmKind(r.Kind), r.Key, by, reason, now); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return nil
		}
		return t.exec(`
			UPDATE accounts SET next_act = 'look', next_at = $1
			WHERE (next_at IS NULL OR next_at > $1) AND id IN (SELECT account_id FROM invoices WHERE status = 'open')`, at(now))
	})
	return closed, err
}

type alarmRow struct {
	Kind, Key, Detail string
	Stops             bool
	At                instant
}

const alarmColumns = `kind, key, detail, stops, raised_at AS at`

func (r *alarmRow) alarm() invoices.Alarm {
	return invoices.Alarm{Kind: invoices.AlarmKind(r.Kind), Key: r.Key, Detail: r.Detail, At: r.At.Time, Stops: r.Stops}
}

// Alarms returns the open alarms, oldest first.
func (s *Store) Alarms(ctx context.Context) ([]invoices.Alarm, error) {
	var rows []alarmRow
	err := s.db.SelectContext(ctx, &rows, `SELECT `+alarmColumns+` FROM alarms WHERE closed_at IS NULL ORDER BY raised_at, id`)
	list := make([]invoices.Alarm, len(rows))
	for i, r := range rows {
		list[i] = r.alarm()
	}
	return list, s.fault(ctx, err)
}

// Closed reports whether a person closed an alarm of a kind and key, and none
// is open now.
func (s *Store) Closed(ctx context.Context, kind invoices.AlarmKind, key string) (bool, error) {
	var n, open int
	err := s.db.QueryRowxContext(ctx, `SELECT COUNT(*), COUNT(*) FILTER (WHERE closed_at IS NULL) FROM alarms WHERE kind = $1 AND key = $2`, string(kind), key).Scan(&n, &open)
	return n > 0 && open == 0, s.fault(ctx, err)
}

// Bind ties the database to the mode of the API key, test or live, the first
// time that anything outside was done from it. The letters of one mode are none
// of the other: steps that went to the test recipient would count as sent
// (R26). It returns the mode that the database is bound to.
func (s *Store) Bind(ctx context.Context, mode string) (bound string, err error) {
	if err = s.db.GetContext(ctx, &bound, `SELECT mode FROM installation WHERE id = 1`); err != nil || bound == mode {
		return bound, s.fault(ctx, err)
	}
	err = s.write(ctx, func(t *tx) error {
		if err := t.exec(`
			UPDATE installation SET mode = $1
			WHERE id = 1 AND (mode = '' OR NOT EXISTS (SELECT 1 FROM links) AND NOT EXISTS (SELECT 1 FROM letters))`, mode); err != nil {
			return err
		}
		return t.GetContext(ctx, &bound, `SELECT mode FROM installation WHERE id = 1`)
	})
	return bound, err
}

// Rungs tells each step of each policy since when it is there: a step that is
// added to a ladder does not fire for what was due before (R6). Steps that the
// database does not know are noted as added now, or as there from the beginning
// in a database that knows none. With note false nothing is written; a step
// that is not known counts as added now.
func (s *Store) Rungs(ctx context.Context, policies map[string]*invoices.Policy, now time.Time, note bool) error {
	var rows []struct {
		Policy, Step string
		Since        instant
	}
	if err := s.db.SelectContext(ctx, &rows, `SELECT policy, step, since FROM rungs`); err != nil {
		return s.fault(ctx, err)
	}
	type rung struct{ policy, step string }
	known := map[rung]time.Time{}
	for _, r := range rows {
		known[rung{r.Policy, r.Step}] = r.Since.Time
	}
	added := at(now)
	if len(known) == 0 {
		added = instant{}
	}
	var fresh []rung
	for name, p := range policies {
		for i := range p.Steps {
			since, ok := known[rung{name, p.Steps[i].Name}]
			if !ok {
				since = added.Time
				fresh = append(fresh, rung{name, p.Steps[i].Name})
			}
			p.Steps[i].Since = since
		}
	}
	if len(fresh) == 0 || !note {
		return nil
	}
	return s.write(ctx, func(t *tx) error {
		for _, r := range fresh {
			err := t.exec(`INSERT INTO rungs (policy, step, since) VALUES ($1, $2, $3) ON CONFLICT (policy, step) DO NOTHING`, r.policy, r.step, added)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Newest returns the id of the last event, for [Store.Remembers]; empty: there
// is none.
func (s *Store) Newest(ctx context.Context) (string, error) {
	var id string
	err := s.db.GetContext(ctx, &id, `SELECT COALESCE(MAX(id), '') FROM events`)
	return id, s.fault(ctx, err)
}

// Remembers reports whether the database holds an event. One that it held once
// and does not any more proves that the database is older than it was, as after
// a backup was restored, or that it is another.
func (s *Store) Remembers(ctx context.Context, event string) (bool, error) {
	var n int
	err := s.db.GetContext(ctx, &n, `SELECT COUNT(*) FROM events WHERE id = $1`, event)
	return n > 0, s.fault(ctx, err)
}

// Latest returns the latest instant at which a run began; zero: none ever did.
func (s *Store) Latest(ctx context.Context) (time.Time, error) {
	var run instant
	err := s.db.GetContext(ctx, &run, `SELECT MAX(started_at) FROM runs`)
	return run.Time, s.fault(ctx, err)
}

// Clock returns what time it is by the database's own clock, or the zero time
// if it has none.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	if s.on.clock == "" {
		return time.Time{}, nil
	}
	var now instant
	err := s.db.GetContext(ctx, &now, s.on.clock)
	return now.Time, s.fault(ctx, err)
}

// Wanting returns since when the first account has wanted to send a letter, and
// when the last run began that sent any. Zero: there is none.
func (s *Store) Wanting(ctx context.Context) (since, sent time.Time, err error) {
	var want, run instant
	err = s.db.QueryRowxContext(ctx, `
		SELECT (SELECT MIN(wants_at) FROM accounts WHERE wants_at IS NOT NULL AND claims < $1),
			(SELECT MAX(started_at) FROM runs WHERE letters > 0)`, invoices.MaxClaims).Scan(&want, &run)
	return want.Time, run.Time, s.fault(ctx, err)
}
