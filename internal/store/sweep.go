package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"dunning/invoices"
)

// A sweep makes every account with open business due, page by page in order of
// id: what Next said of them may no longer hold. It is asked for by one row, and
// carried out by claims that find nothing else to do, each a page: so whoever is
// due by themselves goes first, no more than a page or two of those that were
// woken stand in the queue at any time, and nothing is held in memory. Who stops
// loses nothing; where it stopped is in the row.
//
// Nothing is sent meanwhile by what was decided before, for Next is asked again
// after every claim; only what would now be done earlier than was said is done
// when its turn has come.

// batch is how many accounts one transaction changes when all are.
const batch = 500

// Wake asks for a sweep when the configuration is another than the one that
// accounts were last woken for. What failed for good under the old configuration
// is then tried again. Under the first configuration of all nobody has decided
// anything yet.
//
// It must be called when nobody in this process decides by the old configuration
// any more, and before anybody claims by the new one. Where this process has
// worked by another one until now, accounts may have been decided upon by it
// after another process asked for the sweep, which therefore begins anew.
func (s *Store) Wake(ctx context.Context, config string, now time.Time) error {
	var last string
	if err := s.db.GetContext(ctx, &last, `SELECT config FROM installation WHERE id = 1`); err != nil {
		return s.fault(ctx, err)
	}
	if own := s.woken.Load(); last != config || own != nil && *own != config {
		err := s.write(ctx, func(t *tx) error {
			detail := "the first configuration"
			if last != "" {
				detail = "the configuration has changed; every account is looked at again"
				if err := t.askSweep(true, now); err != nil {
					return err
				}
			}
			if err := t.exec(`UPDATE installation SET config = $1 WHERE id = 1`, config); err != nil {
				return err
			}
			return t.note(Event{At: now, Kind: "configured", Detail: detail})
		})
		if err != nil {
			return err
		}
	}
	s.woken.Store(&config)
	return nil
}

// askSweep asks for a sweep from the beginning. If rests, what failed for good
// is tried again.
func (t *tx) askSweep(rests bool, now time.Time) error {
	return t.exec(`
		UPDATE installation SET woken_to = '', woken_at = $2, woken_rests = (woken_to IS NOT NULL AND woken_rests) OR $1 WHERE id = 1`,
		rests, at(now))
}

// asked is the condition for a sweep that is this process's to carry out: who
// works by another configuration would decide by that.
const asked = `id = 1 AND woken_to IS NOT NULL AND config = `

func (s *Store) wokenFor() string {
	if own := s.woken.Load(); own != nil {
		return *own
	}
	return ""
}

// sleeping returns since when a sweep has been asked for; zero: there is none.
func (s *Store) sleeping(ctx context.Context) (since instant, err error) {
	err = s.db.GetContext(ctx, &since, `SELECT woken_at FROM installation WHERE `+asked+`$1`, s.wokenFor())
	if isNone(err) {
		return instant{}, nil
	}
	return since, s.fault(ctx, err)
}

// sweep carries out the next page, unless somebody is due already. It reports
// whether it is worth to look again for somebody to claim.
func (s *Store) sweep(ctx context.Context, q invoices.Query) (again bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		again = true
		var row struct {
			To    string
			Rests bool
		}
		err := t.GetContext(ctx, &row, `SELECT woken_to AS "to", woken_rests AS rests FROM installation WHERE `+asked+`$1`+s.on.lockRow, s.wokenFor())
		if isNone(err) { // somebody has come to the end
			return nil
		}
		if err != nil {
			return err
		}
		c, err := s.ahead(ctx, t, q)
		if err != nil || !c.none() { // somebody else did a page while we waited
			return err
		}
		to, err := t.sweepPage(row.To, row.Rests, q.Now)
		if err != nil {
			return err
		}
		again = to == nil || *to != row.To
		return t.exec(`UPDATE installation SET woken_to = $1 WHERE id = 1`, to)
	})
	return again && err == nil, err
}

// sweepPage wakes the next page of accounts and returns how far it came; nil: to
// the end. It waits for nobody: it stops before the first account that somebody
// is changing just now, an import perhaps.
func (t *tx) sweepPage(after string, rests bool, now time.Time) (to *string, err error) {
	var page []string
	err = t.SelectContext(t.ctx, &page, `SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT $2`, after, batch)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	if err := byKey(t.ctx, t, t.s.on.byKey); err != nil {
		return nil, err
	}
	var in args
	var ids, free []string
	err = t.SelectContext(t.ctx, &ids, `SELECT DISTINCT i.account_id FROM invoices i WHERE i.account_id IN `+in.list(page)+` AND `+needed, in...)
	if err != nil {
		return nil, err
	}
	last := page[len(page)-1]
	if len(ids) == 0 {
		return &last, nil
	}
	in = nil
	err = t.SelectContext(t.ctx, &free, `SELECT id FROM accounts WHERE id IN `+in.list(ids)+t.s.on.skipLocked, in...)
	if err != nil {
		return nil, err
	}
	if len(free) < len(ids) {
		last, ids = before(page, after, ids, free)
	}
	if len(ids) == 0 {
		return &last, nil
	}
	return &last, t.wake(ids, rests, now)
}

// before returns the last account of a page before the first that is to be woken
// and is not free, and those to be woken up to there. Databases differ in how
// they order text, so that only the page's own order counts.
func before(page []string, after string, ids, free []string) (last string, some []string) {
	last = after
	for _, id := range page {
		if slices.Contains(ids, id) {
			if !slices.Contains(free, id) {
				break
			}
			some = append(some, id)
		}
		last = id
	}
	return last, some
}

// wake makes accounts due, unless they are.
func (t *tx) wake(ids []string, rests bool, now time.Time) error {
	var in args
	due := in.add(at(now))
	if !rests {
		return t.exec(`
			UPDATE accounts SET next_act = 'look', next_at = `+due+`
			WHERE (next_at IS NULL OR next_at > `+due+`) AND id IN `+in.list(ids), in...)
	}
	err := t.exec(`
		UPDATE accounts SET version = version + 1, claims = 0, next_act = 'look',
			next_at = CASE WHEN next_at < `+due+` THEN next_at ELSE `+due+` END
		WHERE id IN `+in.list(ids), in...)
	if err != nil {
		return err
	}
	in = nil
	return t.exec(`
		UPDATE invoices SET rest_act = 'look', rest_tries = 0, rest_why = ''
		WHERE account_id IN `+in.list(ids)+` AND rest_tries > 0 AND rest_until IS NULL`, in...)
}

// sweeping is the part of a look ahead that tells whether there is a sweep to
// carry out, for who may look.
func (s *Store) sweeping(in *args, acts []string) string {
	if !slices.Contains(acts, invoices.Idle.String()) {
		return ""
	}
	return strings.Join([]string{`
		UNION ALL
		SELECT '`, laneSweep, `' AS name, 1 AS n FROM installation WHERE `, asked, in.add(s.wokenFor())}, "")
}
