package store

import (
	"context"
	"time"
)

// An Event is one line of the log of what happened: who, what, when, and under
// which configuration. Events are never changed (R25). Details hold no
// payment URLs and no keys.
type Event struct {
	ID      string // UUID, version 7
	At      time.Time
	Actor   string
	Kind    string // such as link_wanted, letter_sent, invoice_changed, hold
	Account string // empty: it is not about one
	Invoice string // empty: it is not about one
	Letter  string // empty: it is not about one
	Detail  string // for people
	Config  string // hash of the configuration
}

// note writes events. Who acts is the store's actor unless an event says so.
func (t *tx) note(events ...Event) error {
	w := &sheet{s: t.s}
	w.note(events...)
	return t.put(w)
}

// Events returns the last events, at most limit, about an invoice or an
// account, by its number or id; oldest first. Those of an invoice include what
// happened to its account as a whole.
func (s *Store) Events(ctx context.Context, of string, limit int) ([]Event, error) {
	var rows []struct {
		ID, Actor, Kind          string
		At                       instant
		Account, Invoice, Letter string
		Detail, Config           string
	}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT id, at, actor, kind, COALESCE(account_id, '') AS account, COALESCE(invoice, '') AS invoice,
			COALESCE(letter_id, '') AS letter, detail, config
		FROM events
		WHERE invoice = $1 OR account_id = $1
			OR invoice IS NULL AND account_id = (SELECT account_id FROM invoices WHERE number = $1)
		ORDER BY at DESC, id DESC LIMIT $2`, of, limit)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[len(rows)-1-i] = Event{r.ID, r.At.Time, r.Actor, r.Kind, r.Account, r.Invoice, r.Letter, r.Detail, r.Config}
	}
	return events, nil
}
