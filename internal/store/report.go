package store

import (
	"context"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

// Aged is what one customer owes in one currency, by how long it is overdue.
type Aged struct {
	Account, Name string
	Currency      string
	Bucket        int // 0: not yet due; 1: up to 30 days late; 2: up to 60; 3: up to 90; 4: more
	Invoices      int
	Minor         int64
}

// Aging calls yield with what every customer owes on a day, in order of
// customer, currency and bucket. The database adds up.
func (s *Store) Aging(ctx context.Context, today civil.Date, yield func(Aged) error) error {
	rows, err := s.db.QueryxContext(ctx, `
		SELECT a.id, a.name, i.currency,
			CASE WHEN i.due_on >= $1 THEN 0 WHEN i.due_on >= $2 THEN 1 WHEN i.due_on >= $3 THEN 2 WHEN i.due_on >= $4 THEN 3 ELSE 4 END AS bucket,
			COUNT(*), SUM(i.total - i.paid - i.credited)
		FROM invoices i JOIN accounts a ON a.id = i.account_id
		WHERE i.status = 'open' AND i.total - i.paid - i.credited > 0 AND i.due_on IS NOT NULL
		GROUP BY a.id, a.name, i.currency, bucket ORDER BY a.id, i.currency, bucket`,
		day{today}, day{today.AddDays(-30)}, day{today.AddDays(-60)}, day{today.AddDays(-90)})
	if err != nil {
		return s.fault(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var a Aged
		if err := rows.Scan(&a.Account, &a.Name, &a.Currency, &a.Bucket, &a.Invoices, &a.Minor); err != nil {
			return s.fault(ctx, err)
		}
		if err := yield(a); err != nil {
			return err
		}
	}
	return s.fault(ctx, rows.Err())
}

// Settled is an invoice that the books say is paid, and when they first did.
type Settled struct {
	Invoice, Account string
	Total            money.Amount
	Paid             money.Amount
	IssuedOn, DueOn  civil.Date
	At               time.Time // when the books, or the link, first showed that nothing is open
	ByLink           bool
	Step             string // of the last letter sent before; empty: none was
	Template         string
	Config           string // under which that letter was written
	SentAt           time.Time
}

// Settlements calls yield with every invoice that was paid in a time, in order
// of its number: by a link as far as links tell, else when an import first
// found nothing open.
func (s *Store) Settlements(ctx context.Context, from, until time.Time, yield func(Settled) error) error {
	rows, err := s.db.QueryxContext(ctx, `
		SELECT i.number, i.account_id, i.currency, i.total, i.paid, i.issued_on, i.due_on,
			(SELECT MIN(l.since) FROM links l WHERE l.invoice = i.number AND l.state = 'completed') AS linked,
			(SELECT MAX(e.at) FROM events e WHERE e.invoice = i.number AND e.kind = 'invoice_changed') AS booked
		FROM invoices i
		WHERE i.total > 0 AND (i.status = 'paid' OR i.total - i.paid - i.credited <= 0 AND i.paid > 0
			OR EXISTS (SELECT 1 FROM links l WHERE l.invoice = i.number AND l.state = 'completed'))
		ORDER BY i.number`)
	if err != nil {
		return s.fault(ctx, err)
	}
	defer rows.Close()
	var batched []Settled
	flush := func() error {
		if err := s.lastLetters(ctx, batched); err != nil {
			return err
		}
		for _, p := range batched {
			if err := yield(p); err != nil {
				return err
			}
		}
		batched = batched[:0]
		return nil
	}
	for rows.Next() {
		var p Settled
		var currency string
		var total, paid int64
		var issued, due day
		var linked, booked instant
		if err := rows.Scan(&p.Invoice, &p.Account, &currency, &total, &paid, &issued, &due, &linked, &booked); err != nil {
			return s.fault(ctx, err)
		}
		p.Total, p.Paid = money.Amount{Minor: total, Currency: currency}, money.Amount{Minor: paid, Currency: currency}
		p.IssuedOn, p.DueOn = issued.Date, due.Date
		if p.At, p.ByLink = booked.Time, false; !linked.IsZero() {
			p.At, p.ByLink = linked.Time, true
		}
		if p.At.Before(from) || !p.At.Before(until) {
			continue
		}
		if batched = append(batched, p); len(batched) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return s.fault(ctx, err)
	}
	return flush()
}

// lastLetters adds to each invoice the last letter that was sent before it was
// paid.
func (s *Store) lastLetters(ctx context.Context, paid []Settled) error {
	if len(paid) == 0 {
		return nil
	}
	at := make(map[string]*Settled, len(paid))
	var in args
	numbers := make([]string, len(paid))
	for i := range paid {
		numbers[i], at[paid[i].Invoice] = paid[i].Invoice, &paid[i]
	}
	var rows []struct {
		Invoice, Step, Template string
		At                      instant
	}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT s.invoice, s.step, COALESCE(l.template, '') AS template, s.at
		FROM steps s LEFT JOIN letters l ON l.id = s.letter_id
		WHERE s.result = 'sent' AND s.invoice IN `+in.list(numbers)+` ORDER BY s.at`, in...)
	if err != nil {
		return s.fault(ctx, err)
	}
	for _, r := range rows {
		if p := at[r.Invoice]; !r.At.After(p.At) {
			p.Step, p.Template, p.SentAt = r.Step, r.Template, r.At.Time
		}
	}
	return nil
}

// SentStep is how often a step was sent in a time, under one configuration.
type SentStep struct {
	Step, Template, Config, Currency string
	Letters                          int
	Minor                            int64 // asked for
}

// StepsSent returns how often each step was sent in a time, by template,
// configuration and currency.
func (s *Store) StepsSent(ctx context.Context, from, until time.Time) ([]SentStep, error) {
	var rows []SentStep
	err := s.db.SelectContext(ctx, &rows, `
		SELECT st.step, l.template, COALESCE((SELECT MAX(e.config) FROM events e WHERE e.letter_id = l.id AND e.invoice = st.invoice AND e.kind = 'letter_started'), '') AS config,
			k.currency, COUNT(*) AS letters, SUM(k.amount) AS minor
		FROM steps st
		JOIN letters l ON l.id = st.letter_id
		JOIN links k ON k.invoice = st.invoice AND k.gen = st.gen
		WHERE st.result = 'sent' AND st.at >= $1 AND st.at < $2
		GROUP BY st.step, l.template, config, k.currency ORDER BY st.step, l.template, config, k.currency`, at(from), at(until))
	return rows, s.fault(ctx, err)
}

// Promised is one promise to pay, and what came of it.
type Promised struct {
	Amount money.Amount
	On     civil.Date
	Kept   time.Time // when the books first showed the money; zero: not yet
	Ended  bool      // replaced by another, or withdrawn
}

// Promises calls yield with every promise that was made in a time, oldest first.
func (s *Store) Promises(ctx context.Context, from, until time.Time, yield func(Promised) error) error {
	rows, err := s.db.QueryxContext(ctx, `
		SELECT amount, currency, due_on, kept_at, ended_at FROM promises WHERE made_at >= $1 AND made_at < $2 ORDER BY made_at, id`, at(from), at(until))
	if err != nil {
		return s.fault(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var p Promised
		var on day
		var kept, ended instant
		if err := rows.Scan(&p.Amount.Minor, &p.Amount.Currency, &on, &kept, &ended); err != nil {
			return s.fault(ctx, err)
		}
		p.On, p.Kept, p.Ended = on.Date, kept.Time, !ended.IsZero()
		if err := yield(p); err != nil {
			return err
		}
	}
	return s.fault(ctx, rows.Err())
}

// LetterLine is one letter, as an auditor wants it listed.
type LetterLine struct {
	ID, Account, Template, Language, State, MessageID, Digest string
	At                                                        time.Time
	Items                                                     []invoices.Item
}

// LetterLog calls yield with every letter of a time, in order of time.
func (s *Store) LetterLog(ctx context.Context, from, until time.Time, yield func(LetterLine) error) error {
	rows, err := s.db.QueryxContext(ctx, `
		SELECT id, account_id, template, language, state, message_id, digest, at, items
		FROM letters WHERE at >= $1 AND at < $2 ORDER BY at, id`, at(from), at(until))
	if err != nil {
		return s.fault(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var l LetterLine
		var when instant
		var its items
		if err := rows.Scan(&l.ID, &l.Account, &l.Template, &l.Language, &l.State, &l.MessageID, &l.Digest, &when, &its); err != nil {
			return s.fault(ctx, err)
		}
		l.At, l.Items = when.Time, its
		if err := yield(l); err != nil {
			return err
		}
	}
	return s.fault(ctx, rows.Err())
}
