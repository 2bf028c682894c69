package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dunning/invoices"
)

// A Target is what a person decides about: one invoice, or one account.
type Target struct {
	Invoice string
	Account string
}

func (to Target) String() string {
	if to.Account != "" {
		return "account " + to.Account
	}
	return "invoice " + to.Invoice
}

// hold returns the values of the two columns that say what is held.
func (to Target) hold() (account, invoice any) {
	if to.Account != "" {
		return to.Account, nil
	}
	return nil, to.Invoice
}

// exists returns ErrUnknown when there is no such invoice or account.
func (s *Store) exists(ctx context.Context, to Target) error {
	query, name := `SELECT COUNT(*) FROM invoices WHERE number = $1`, to.Invoice
	if to.Account != "" {
		query, name = `SELECT COUNT(*) FROM accounts WHERE id = $1`, to.Account
	}
	var n int
	if err := s.db.GetContext(ctx, &n, query, name); err != nil {
		return s.fault(ctx, err)
	}
	if n == 0 {
		return fmt.Errorf("%s: %w", to, ErrUnknown)
	}
	return nil
}

// touch changes the version of the account that a person decides about and
// makes it due, before anything else of it is changed. It returns its id.
func (t *tx) touch(to Target, now time.Time) (id string, err error) {
	query, name := `WHERE id = (SELECT account_id FROM invoices WHERE number = $1)`, to.Invoice
	if to.Account != "" {
		query, name = `WHERE id = $1`, to.Account
	}
	err = t.GetContext(t.ctx, &id, `UPDATE accounts SET version = version + 1, claims = 0, next_act = 'look', next_at = $2 `+query+` RETURNING id`, name, at(now))
	if isNone(err) {
		err = fmt.Errorf("%s: %w", to, ErrUnknown)
	}
	return id, err
}

// Hold notes that a person said to send nothing about an invoice, or to an
// account, until the hold's end or until it is lifted (R18). It replaces the
// hold that was there.
func (s *Store) Hold(ctx context.Context, to Target, h invoices.Hold, now time.Time) error {
	if h.Reason == "" {
		return errors.New("a hold needs a reason, such as dispute, promise, vip or other")
	}
	return s.write(ctx, func(t *tx) error {
		id, err := t.touch(to, now)
		if err != nil {
			return err
		}
		if _, err := t.endHold(to, h.By, "replaced by another hold", now); err != nil {
			return err
		}
		account, invoice := to.hold()
		err = t.exec(`
			INSERT INTO holds (id, account_id, invoice, reason, placed_by, placed_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			newID(), account, invoice, h.Reason, h.By, at(now), at(h.Until))
		if err != nil {
			return err
		}
		detail := h.Reason + ", until released"
		if !h.Until.IsZero() {
			detail = h.Reason + ", until " + h.Until.UTC().Format(time.RFC3339)
		}
		return t.note(Event{At: now, Actor: h.By, Kind: "hold", Account: id, Invoice: to.Invoice, Detail: detail})
	})
}

func (t *tx) endHold(to Target, by, why string, now time.Time) (int, error) {
	column, name := `invoice`, to.Invoice
	if to.Account != "" {
		column, name = `account_id`, to.Account
	}
	return t.count(`UPDATE holds SET lifted_at = $2, lifted_by = $3, lifted_why = $4 WHERE `+column+` = $1 AND lifted_at IS NULL`,
		name, at(now), by, why)
}

// Lift notes that a person said: go on. It ends the hold and the worker's own
// rest, forgives what stood in the way before, and closes the open incidents of
// an invoice with the reason as a note. Of an account it forgives all that is
// owed; incidents are about money and are closed one invoice at a time.
func (s *Store) Lift(ctx context.Context, to Target, by, reason string, now time.Time) error {
	return s.write(ctx, func(t *tx) error {
		id, err := t.touch(to, now)
		if err != nil {
			return err
		}
		holds, err := t.endHold(to, by, reason, now)
		if err != nil {
			return err
		}
		if _, err := t.quiet(invoices.AlarmPanic, id, by, reason, now); err != nil {
			return err
		}
		if err := t.exec(`UPDATE accounts SET suppressed = '' WHERE id = $1 AND suppressed <> ''`, id); err != nil {
			return err
		}
		which, name := `number = $1`, to.Invoice
		if to.Account != "" {
			which, name = `account_id = $1 AND status = 'open'`, to.Account
		}
		err = t.exec(`
			UPDATE invoices SET released_at = $2, rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''
			WHERE `+which, name, at(now))
		if err != nil {
			return err
		}
		incidents, err := t.count(`UPDATE incidents SET closed_at = $2, closed_by = $3, note = $4 WHERE invoice = $1 AND closed_at IS NULL`,
			to.Invoice, at(now), by, reason)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("%s (holds ended: %d, incidents closed: %d)", reason, holds, incidents)
		return t.note(Event{At: now, Actor: by, Kind: "release", Account: id, Invoice: to.Invoice, Detail: detail})
	})
}

// Settle notes what a person says became of the letter about an invoice that
// may or may not have arrived, or that was refused: invoices.Sent,
// invoices.Skipped, invoices.Resend for the same bytes once more, or
// invoices.Delayed when it surely did not arrive and is to be written anew. It
// holds for every invoice the letter is about (R2).
func (s *Store) Settle(ctx context.Context, number string, as invoices.Result, by, reason string, now time.Time) error {
	if as != invoices.Sent && as != invoices.Skipped && as != invoices.Resend && as != invoices.Delayed {
		return fmt.Errorf("a letter is settled as sent, resend, delayed or skipped, not as %q", as)
	}
	return s.write(ctx, func(t *tx) error {
		id, err := t.touch(Target{Invoice: number}, now)
		if err != nil {
			return err
		}
		var row letterRow
		err = t.GetContext(ctx, &row, `
			SELECT `+letterColumns+` FROM letters WHERE id = (
				SELECT letter_id FROM steps WHERE invoice = $1 AND result IN ('uncertain', 'failed')
				ORDER BY CASE WHEN result = 'uncertain' THEN 0 ELSE 1 END, at DESC, step LIMIT 1)`, number)
		if isNone(err) {
			return fmt.Errorf("invoice %s: no letter about it is in doubt or was refused; nothing was done", number)
		}
		if err != nil {
			return err
		}
		return t.settle(id, row.letter(), as, by, reason, now)
	})
}

func (t *tx) settle(account string, l invoices.Letter, as invoices.Result, by, reason string, now time.Time) error {
	err := t.exec(`UPDATE letters SET state = $2, at = $3 WHERE id = $1`, l.ID, string(as), at(now))
	if err != nil {
		return err
	}
	if as == invoices.Delayed { // its steps are free again
		err = t.exec(`DELETE FROM steps WHERE letter_id = $1 AND result IN ('uncertain', 'failed')`, l.ID)
	} else {
		err = t.exec(`UPDATE steps SET result = $2, at = $3, why = $4 WHERE letter_id = $1 AND result IN ('uncertain', 'failed')`,
			l.ID, string(as), at(now), reason)
	}
	if err != nil {
		return err
	}
	var in args
	numbers, events := make([]string, len(l.Items)), make([]Event, len(l.Items))
	for i, it := range l.Items {
		numbers[i] = it.Invoice
		events[i] = Event{
			At: now, Actor: by, Kind: "settled", Account: account, Invoice: it.Invoice, Letter: l.ID,
			Detail: fmt.Sprintf("%s was %s, now %s: %s", it.Step, l.State, as, reason),
		}
	}
	err = t.exec(`
		UPDATE invoices SET rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''
		WHERE number IN `+in.list(numbers)+` AND rest_act IN ('email', 'remind', 'again')`, in...)
	if err != nil {
		return err
	}
	return t.note(events...)
}
