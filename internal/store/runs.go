package store

import (
	"context"
	"time"
)

// A Run is one run of one job, as the books have it (R25).
type Run struct {
	ID          string
	Job         string
	ScheduledAt time.Time
	Worker      string
	StartedAt   time.Time
	EndedAt     time.Time // zero: it is under way, or was cut off
	Counts      map[string]int
	Error       string // empty: none
}

// Started records that a run began and returns its id. A run of the same job,
// instant and worker that was cut off, or that has ended, is begun anew.
func (s *Store) Started(ctx context.Context, job string, scheduledAt, now time.Time) (id string, err error) {
	err = s.write(ctx, func(t *tx) error {
		return t.GetContext(ctx, &id, `
			INSERT INTO runs (id, job, scheduled_at, worker, started_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (job, scheduled_at, worker) DO UPDATE SET started_at = excluded.started_at, ended_at = NULL, counts = '{}', error = ''
			RETURNING id`, newID(), job, at(scheduledAt), s.actor, at(now))
	})
	return id, err
}

// Ended records what a run did. The cause is why it failed; nil: it did not.
func (s *Store) Ended(ctx context.Context, id string, now time.Time, counts map[string]int, cause error) error {
	if counts == nil {
		counts = map[string]int{}
	}
	text, err := marshal(counts)
	if err != nil {
		return err
	}
	why := ""
	if cause != nil {
		why = cause.Error()
	}
	return s.write(ctx, func(t *tx) error {
		return t.exec(`UPDATE runs SET ended_at = $2, counts = $3, error = $4, letters = $5 WHERE id = $1`, id, at(now), text, why, counts["letters sent"])
	})
}

// Runs returns the last runs, at most limit, the latest first.
func (s *Store) Runs(ctx context.Context, limit int) ([]Run, error) {
	var rows []struct {
		ID, Job, Worker, Counts, Error string
		Scheduled, Started, Ended      instant
	}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT id, job, worker, counts, error, scheduled_at AS scheduled, started_at AS started, ended_at AS ended
		FROM runs ORDER BY started_at DESC, id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	runs := make([]Run, len(rows))
	for i, r := range rows {
		runs[i] = Run{ID: r.ID, Job: r.Job, ScheduledAt: r.Scheduled.Time, Worker: r.Worker, StartedAt: r.Started.Time, EndedAt: r.Ended.Time, Error: r.Error}
		if err := unmarshal(r.Counts, &runs[i].Counts); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// lastSuccess returns when each job last ended well.
func (s *Store) lastSuccess(ctx context.Context) (map[string]time.Time, error) {
	var rows []struct {
		Job  string
		Last instant
	}
	err := s.db.SelectContext(ctx, &rows, `SELECT job, MAX(ended_at) AS last FROM runs WHERE error = '' AND ended_at IS NOT NULL GROUP BY job`)
	last := map[string]time.Time{}
	for _, r := range rows {
		last[r.Job] = r.Last.Time
	}
	return last, s.fault(ctx, err)
}
