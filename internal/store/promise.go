package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dunning/internal/money"
	"dunning/invoices"
)

// Promise notes what a customer said they would pay of an invoice, and by when
// (R18). It replaces the promise that was there. Nothing is sent about the
// invoice until the promise is broken, or the books show that it was kept.
func (s *Store) Promise(ctx context.Context, number string, p invoices.Promise, note string, now time.Time) error {
	if p.Amount <= 0 || p.On.IsZero() {
		return errors.New("a promise needs an amount and a date")
	}
	return s.write(ctx, func(t *tx) error {
		id, err := t.touch(Target{Invoice: number}, now)
		if err != nil {
			return err
		}
		var currency string
		if err := t.GetContext(ctx, &currency, `SELECT currency FROM invoices WHERE number = $1`, number); err != nil {
			return err
		}
		if _, err := t.endPromise(number, p.By, "replaced by another promise", now); err != nil {
			return err
		}
		err = t.exec(`
			INSERT INTO promises (id, invoice, amount, currency, open, due_on, made_at, made_by, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			newID(), number, p.Amount, currency, p.Open, day{p.On}, at(now), p.By, note)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("%s by %s", money.Amount{Minor: p.Amount, Currency: currency}, p.On)
		if note != "" {
			detail += ": " + note
		}
		return t.note(Event{At: now, Actor: p.By, Kind: "promise", Account: id, Invoice: number, Detail: detail})
	})
}

// Unpromise notes that a promise does not hold any more. It reports whether
// there was one.
func (s *Store) Unpromise(ctx context.Context, number, by, reason string, now time.Time) (there bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		id, err := t.touch(Target{Invoice: number}, now)
		if err != nil {
			return err
		}
		n, err := t.endPromise(number, by, reason, now)
		if there = n > 0; err != nil || !there {
			return err
		}
		return t.note(Event{At: now, Actor: by, Kind: "promise_withdrawn", Account: id, Invoice: number, Detail: reason})
	})
	return there, err
}

func (t *tx) endPromise(number, by, why string, now time.Time) (int, error) {
	return t.count(`UPDATE promises SET ended_at = $2, ended_by = $3, ended_why = $4 WHERE invoice = $1 AND ended_at IS NULL`, number, at(now), by, why)
}

// A Contact is a talk with a customer that people had themselves.
type Contact struct {
	At      time.Time
	Channel string // phone, letter, visit, mail or other
	By      string
	Note    string
}

// Contacted notes that people spoke to a customer themselves, which counts for
// pacing like a letter (R15).
func (s *Store) Contacted(ctx context.Context, account string, c Contact, now time.Time) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.touch(Target{Account: account}, now); err != nil {
			return err
		}
		var known instants
		if err := t.GetContext(ctx, &known, `SELECT contacts FROM accounts WHERE id = $1`, account); err != nil {
			return err
		}
		var kept instants
		for _, old := range append(known, c.At) {
			if old.After(now.Add(-memory)) {
				kept = append(kept, old)
			}
		}
		if err := t.exec(`UPDATE accounts SET contacts = $2 WHERE id = $1`, account, kept); err != nil {
			return err
		}
		detail := c.Channel + " on " + c.At.UTC().Format(time.RFC3339)
		if c.Note != "" {
			detail += ": " + c.Note
		}
		return t.note(Event{At: now, Actor: c.By, Kind: "contacted", Account: account, Detail: detail})
	})
}

// Agree notes that a person approved of a letter about an invoice: of exactly
// this step and amount (R21).
func (s *Store) Agree(ctx context.Context, number string, yes invoices.Approval, now time.Time) error {
	return s.write(ctx, func(t *tx) error {
		id, err := t.touch(Target{Invoice: number}, now)
		if err != nil {
			return err
		}
		var given approvals
		if err := t.GetContext(ctx, &given, `SELECT approved FROM invoices WHERE number = $1`, number); err != nil {
			return err
		}
		yes.At = micro(now)
		given = append(given, yes)
		if err := t.exec(`UPDATE invoices SET approved = $2 WHERE number = $1`, number, given); err != nil {
			return err
		}
		return t.note(Event{At: now, Actor: yes.By, Kind: "approved", Account: id, Invoice: number, Detail: fmt.Sprintf("the letter %s about %s", yes.Step, yes.Amount)})
	})
}
