package store

import (
	"context"
	"fmt"
	"time"

	"dunning/invoices"
)

// approvalLasts is how long a plan that was approved may be carried out.
const approvalLasts = 7 * 24 * time.Hour

// Propose keeps a plan for a person to approve, in place of the job's earlier
// one that nobody approved. The same plan again changes nothing.
func (s *Store) Propose(ctx context.Context, p invoices.Plan) error {
	text, err := items(p.Items).Value()
	if err != nil {
		return err
	}
	raw, err := zip([]byte(text.(string)))
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		if err := t.exec(`DELETE FROM plans WHERE job = $1 AND id <> $2 AND (approved_at IS NULL OR approved_at < $3)`, p.Job, p.ID, at(p.At.Add(-approvalLasts))); err != nil {
			return err
		}
		n, err := t.count(`
			INSERT INTO plans (id, job, made_at, letters, usual, items) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO NOTHING`, p.ID, p.Job, at(p.At), p.Letters, p.Usual, raw)
		if err != nil || n == 0 {
			return err
		}
		if _, err := t.quiet(invoices.AlarmStorm, p.Job, "", "replaced by plan "+p.ID, p.At); err != nil {
			return err
		}
		_, err = t.raise(invoices.Alarm{
			Kind: invoices.AlarmStorm, Key: p.Job, At: p.At,
			Detail: asking(p),
		}, "")
		return err
	})
}

// asking says why a person is to look at a plan.
func asking(p invoices.Plan) string {
	if p.Usual == 0 {
		return fmt.Sprintf("%s has %d letters to send, the first ones of this installation; none was sent; if they are right: dunning approve %s", p.Job, p.Letters, p.ID)
	}
	return fmt.Sprintf("%s would send %d letters at once, usually it is at most %d; none was sent; if they are right: dunning approve %s", p.Job, p.Letters, p.Usual, p.ID)
}

// Approve notes that a person approved a plan, for a week, and makes its
// accounts due. It returns the plan, without its items.
func (s *Store) Approve(ctx context.Context, id, by string, now time.Time) (invoices.Plan, error) {
	var p invoices.Plan
	err := s.write(ctx, func(t *tx) error {
		var row planRow
		err := t.GetContext(ctx, &row, `UPDATE plans SET approved_at = $2, approved_by = $3 WHERE id = $1 RETURNING `+planColumns, id, at(now), by)
		if isNone(err) {
			return fmt.Errorf("plan %q: %w", id, ErrUnknown)
		}
		if err != nil {
			return err
		}
		p = row.plan()
		if _, err := t.quiet(invoices.AlarmStorm, p.Job, by, "plan "+id+" was approved", now); err != nil {
			return err
		}
		if err := t.exec(`UPDATE accounts SET next_at = $1 WHERE next_code = 'needs_approval' AND next_at > $1`, at(now)); err != nil {
			return err
		}
		return t.note(Event{At: now, Actor: by, Kind: "approved", Detail: fmt.Sprintf("plan %s of %s: %d letters", id, p.Job, p.Letters)})
	})
	return p, err
}

type planRow struct {
	ID, Job        string
	Letters, Usual int
	Made           instant
}

const planColumns = `id, job, letters, usual, made_at AS made`

func (r *planRow) plan() invoices.Plan {
	return invoices.Plan{ID: r.ID, Job: r.Job, At: r.Made.Time, Letters: r.Letters, Usual: r.Usual}
}

// Tried reports whether a letter was ever begun in this installation, or a plan
// approved.
func (s *Store) Tried(ctx context.Context) (bool, error) {
	var n int
	err := s.db.GetContext(ctx, &n, `
		SELECT CASE WHEN EXISTS (SELECT 1 FROM letters) OR EXISTS (SELECT 1 FROM plans WHERE approved_at IS NOT NULL) THEN 1 ELSE 0 END`)
	return n > 0, s.fault(ctx, err)
}

// Plan returns a plan that was proposed, or [ErrUnknown].
func (s *Store) Plan(ctx context.Context, id string) (invoices.Plan, error) {
	var row planItems
	err := s.db.GetContext(ctx, &row, `SELECT `+planColumns+`, items FROM plans WHERE id = $1`, id)
	if isNone(err) {
		return invoices.Plan{}, fmt.Errorf("plan %q: %w", id, ErrUnknown)
	}
	if err != nil {
		return invoices.Plan{}, s.fault(ctx, err)
	}
	return row.plan()
}

// Proposed returns the plans that wait for a person's approval, oldest first,
// without their items.
func (s *Store) Proposed(ctx context.Context) ([]invoices.Plan, error) {
	var rows []planRow
	err := s.db.SelectContext(ctx, &rows, `
		SELECT `+planColumns+` FROM plans p
		WHERE approved_at IS NULL AND EXISTS (SELECT 1 FROM alarms a WHERE a.kind = $1 AND a.key = p.job AND a.closed_at IS NULL)
		ORDER BY made_at, id`, string(invoices.AlarmStorm))
	plans := make([]invoices.Plan, len(rows))
	for i := range rows {
		plans[i] = rows[i].plan()
	}
	return plans, s.fault(ctx, err)
}

// Approved returns the plans of a job that were approved and may still be
// carried out.
func (s *Store) Approved(ctx context.Context, job string, now time.Time) ([]invoices.Plan, error) {
	var rows []planItems
	err := s.db.SelectContext(ctx, &rows, `SELECT `+planColumns+`, items FROM plans WHERE job = $1 AND approved_at >= $2 ORDER BY approved_at`, job, at(now.Add(-approvalLasts)))
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	plans := make([]invoices.Plan, len(rows))
	for i, r := range rows {
		if plans[i], err = r.plan(); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// planItems is a plan with what it holds.
type planItems struct {
	planRow
	Items []byte
}

func (r *planItems) plan() (invoices.Plan, error) {
	p := r.planRow.plan()
	text, err := unzip(r.Items)
	if err != nil {
		return p, fmt.Errorf("plan %s: its stored letters are damaged: %w", r.ID, err)
	}
	var its items
	if err := its.Scan(text); err != nil {
		return p, fmt.Errorf("plan %s: its stored letters are damaged: %w", r.ID, err)
	}
	p.Items = its
	return p, nil
}

// Peaks returns the largest number of letters that one run of a job began, for
// each of the last days on which it began any, at most n of them, latest first.
// Days are counted in a zone. Most runs of a day send nothing, or the few that
// fell due since the one before: what is usual is the day's great one.
func (s *Store) Peaks(ctx context.Context, job string, zone *time.Location, n int) ([]int, error) {
	rows, err := s.db.QueryxContext(ctx, `SELECT started_at, letters FROM runs WHERE job = $1 AND letters > 0 ORDER BY started_at DESC`, job)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	defer rows.Close() // it may be left before its end
	var peaks []int
	last := ""
	for rows.Next() {
		var started instant
		var letters int
		if err := rows.Scan(&started, &letters); err != nil {
			return nil, err
		}
		switch day := started.In(zone).Format(time.DateOnly); {
		case day == last:
			peaks[len(peaks)-1] = max(peaks[len(peaks)-1], letters)
		case len(peaks) == n:
			return peaks, nil
		default:
			peaks, last = append(peaks, letters), day
		}
	}
	return peaks, s.fault(ctx, rows.Err())
}

// AtMost returns a number that the letters of a run cannot exceed: those
// invoices of due accounts that are owed. It counts no further than enough.
//
// CROSS JOIN and IN say what JOIN and = would, and keep SQLite from beginning
// with all invoices that are open.
func (s *Store) AtMost(ctx context.Context, q invoices.Query, enough int) (int, error) {
	var in args
	var which string
	switch {
	case q.Account != "":
		which = `a.id = ` + in.add(q.Account)
	case q.Invoice != "":
		which = `a.id = (SELECT account_id FROM invoices WHERE number = ` + in.add(q.Invoice) + `)`
	default:
		which = `a.next_at <= ` + in.add(at(q.Now))
	}
	var n int
	err := s.db.GetContext(ctx, &n, `
		SELECT COUNT(*) FROM (
			SELECT 1 FROM accounts a CROSS JOIN invoices i
			WHERE `+which+` AND i.account_id = a.id AND i.status IN ('open') LIMIT `+in.add(enough)+`) AS counted`, in...)
	return n, s.fault(ctx, err)
}

// Due calls yield with every account that a query would claim, whole, without a
// lease, in no particular order of time. It writes nothing.
func (s *Store) Due(ctx context.Context, q invoices.Query, yield func(invoices.Account) error) error {
	return s.Walk(ctx, Filter{Account: q.Account, Invoice: q.Invoice, due: q.Now}, q.Now, yield)
}

// Trust notes that a person said that a load which looked wrong is right, by
// the beginning of its digest: the next reading of the same bytes is taken in.
// It returns the source's name, or [ErrUnknown].
func (s *Store) Trust(ctx context.Context, id, by string, now time.Time) (source string, err error) {
	err = s.write(ctx, func(t *tx) error {
		err := t.GetContext(ctx, &source, `
			UPDATE sources SET trusted = suspect WHERE suspect <> '' AND substr(suspect, 1, $2) = $1 RETURNING name`, id, idLength)
		if isNone(err) {
			return fmt.Errorf("load %q: %w", id, ErrUnknown)
		}
		if err != nil {
			return err
		}
		return t.note(Event{At: now, Actor: by, Kind: "approved", Detail: "the load " + id + " of " + source})
	})
	return source, err
}

// idLength is how much of a digest names a load.
const idLength = 10
