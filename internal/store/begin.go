package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dunning/invoices"
)

// margin is how much longer than the mail server's patience a lease lasts: the
// outcome must still be written down.
const margin = time.Minute

// Begin commits an intent if a is still the current version and the lease is
// a's, else it writes nothing and returns [invoices.ErrStale]. It returns the
// account as it is then.
//
// If the worker dies from here on, the account stays due, so that the next one
// looks at what was left behind.
func (s *Store) Begin(ctx context.Context, a invoices.Account, in invoices.Intent) (invoices.Account, error) {
	switch c := in.(type) {
	case invoices.LinkWanted:
		c = settledWanted(c)
		return s.intend(ctx, a, c, c.At, func(t *tx) error { return t.linkWanted(&a, c) })
	case invoices.LetterStarted:
		c = settledStarted(c)
		return s.intend(ctx, a, c, c.Letter.At, func(t *tx) error { return t.letterStarted(&a, c) })
	}
	panic(fmt.Sprintf("store: %T is no intent", in))
}

func (s *Store) intend(ctx context.Context, a invoices.Account, in invoices.Intent, now time.Time, do func(*tx) error) (invoices.Account, error) {
	err := s.write(ctx, func(t *tx) error {
		n, err := t.count(`
			UPDATE accounts SET version = version + 1, claims = 0, wants_at = NULL, next_act = 'look', next_at = $4
			WHERE id = $1 AND version = $2 AND lease_id = $3 AND lease_id <> ''`, a.ID, a.Version, a.Lease, at(now))
		if err != nil {
			return err
		}
		if n == 0 {
			return invoices.ErrStale
		}
		return do(t)
	})
	if err != nil {
		return a, err
	}
	a = invoices.Apply(a, in)
	a.Version++
	return a, nil
}

// settledWanted returns the intent with instants as the database keeps them.
func settledWanted(c invoices.LinkWanted) invoices.LinkWanted {
	c.Link, c.At = settledLink(c.Link), micro(c.At)
	return c
}

func settledLink(l invoices.Link) invoices.Link {
	l.Expires, l.Since, l.Seen = micro(l.Expires), micro(l.Since), micro(l.Seen)
	return l
}

// settledStarted returns the intent as the database keeps it: its words are in
// its bytes.
func settledStarted(c invoices.LetterStarted) invoices.LetterStarted {
	c.Letter.At = micro(c.Letter.At)
	c.Letter.Text = invoices.Text{Subject: c.Letter.Subject}
	return c
}

// linkWanted stores a link about to be asked for. The key links_live refuses a
// second one that can be paid for the same amount (R10).
func (t *tx) linkWanted(a *invoices.Account, c invoices.LinkWanted) error {
	inv := a.Find(c.Invoice)
	if inv == nil {
		return fmt.Errorf("link wanted for %s: %w", c.Invoice, ErrUnknown)
	}
	var events []Event
	for _, l := range inv.Links {
		if l.State == invoices.Wanted {
			events = append(events, Event{At: c.At, Kind: "link_lost", Account: a.ID, Invoice: c.Invoice, Detail: l.Ref + ": the answer never came; if it was made, nobody was ever shown it"})
		}
	}
	if len(inv.Links) > 0 {
		err := t.exec(`
			UPDATE links SET replaced = TRUE,
				state = CASE WHEN state = 'wanted' THEN 'lost' ELSE state END,
				since = CASE WHEN state = 'wanted' THEN $2 ELSE since END
			WHERE invoice = $1 AND NOT replaced
				AND NOT (state IN ('new', 'processing', 'all_unsuccessful') AND attempts < 25)`, c.Invoice, at(c.At))
		if err != nil {
			return err
		}
	}
	if err := t.putLink(inv, c); err != nil {
		return err
	}
	l := c.Link
	events = append(events, Event{At: c.At, Kind: "link_wanted", Account: a.ID, Invoice: c.Invoice, Detail: fmt.Sprintf("%s for %s, key %s", l.Ref, l.Amount, l.Key)})
	return t.note(events...)
}

func (t *tx) putLink(inv *invoices.Invoice, c invoices.LinkWanted) error {
	var in args
	l := c.Link
	row := in.row(c.Invoice, l.Gen, l.Ref, orNull(l.Hook), l.Amount.Minor, l.Amount.Currency, l.Key, string(l.State), l.Reason,
		l.Remote, l.URL, l.Attempts, at(l.Expires), at(l.Since), at(l.Seen), l.Booked, !l.Final(), false)
	const columns = `(invoice, gen, ref, hook, amount, currency, key_fingerprint, state, reason,
		remote_id, url, attempts, expires_at, since, seen_at, booked, watched, replaced)`
	query := `INSERT INTO links ` + columns + ` VALUES ` + row
	if was := inv.Link(l.Gen); was != nil && was.State == invoices.Unmade {
		query = `UPDATE links SET ` + columns + ` = ` + row + ` WHERE invoice = $1 AND gen = $2 AND state = 'unmade'`
	}
	switch n, err := t.count(query, in...); {
	case err != nil && isDuplicate(err):
		return fmt.Errorf("invoice %s already has a link that can be paid for %s, or one named %s: %w", c.Invoice, l.Amount, l.Ref, err)
	case err != nil:
		return err
	case n == 0:
		return fmt.Errorf("invoice %s: generation %d is no longer one that was not made", c.Invoice, l.Gen)
	}
	return nil
}

// letterStarted stores a letter whose final dot is about to be written, with
// its exact bytes. The keys of steps refuse a second letter for any of them
// (R1).
func (t *tx) letterStarted(a *invoices.Account, c invoices.LetterStarted) error {
	var was invoices.Result
	for i := range a.Letters {
		if a.Letters[i].ID == c.Letter.ID {
			was = a.Letters[i].State
		}
	}
	if err := t.patience(a.ID, c); err != nil {
		return err
	}
	if err := t.putLetter(&c.Letter, was); err != nil {
		return err
	}
	if err := t.putSteps(&c.Letter, was); err != nil {
		return err
	}
	if err := t.putSkips(&c); err != nil {
		return err
	}
	var events []Event
	for _, it := range c.Letter.Items {
		events = append(events, Event{At: c.Letter.At, Kind: "letter_started", Account: a.ID, Invoice: it.Invoice, Letter: c.Letter.ID, Detail: fmt.Sprintf("%s, %s, link %d, try %d", it.Step, it.Amount, it.Gen, c.Letter.Try)})
	}
	for _, s := range c.Skips {
		events = append(events, Event{At: c.Letter.At, Kind: "step_skipped", Account: a.ID, Invoice: s.Invoice, Letter: c.Letter.ID, Detail: s.Step + ": " + s.Why})
	}
	return t.note(events...)
}

// patience makes the lease outlast the mail server.
func (t *tx) patience(account string, c invoices.LetterStarted) error {
	var in args
	on, patience := t.s.on, c.Patience+margin
	until := fmt.Sprintf(on.leaseEnd, in.add(on.leaseArg(c.Letter.At, patience)))
	return t.exec(`
		UPDATE accounts SET lease_until = CASE WHEN lease_until > `+until+` THEN lease_until ELSE `+until+` END
		WHERE id = `+in.add(account), in...)
}

func (t *tx) putLetter(l *invoices.Letter, was invoices.Result) error {
	raw, err := pack(l.Raw)
	if err != nil {
		return err
	}
	var in args
	row := in.row(l.ID, l.Try, l.Account, string(invoices.Sending), at(l.At), l.Template, l.Language, l.Single,
		items(l.Items), words(l.To), words(l.CC), l.Subject, l.MessageID, l.Digest, raw, l.Reply, l.Dialogue)
	const columns = `(id, try, account_id, state, at, template, language, single,
		items, recipients, cc, subject, message_id, digest, raw, reply, dialogue)`
	query := `INSERT INTO letters ` + columns + ` VALUES ` + row
	if was == invoices.Delayed || was == invoices.Resend {
		query = `UPDATE letters SET ` + columns + ` = ` + row + ` WHERE id = $1 AND try = $2 - 1 AND state IN ('delayed', 'resend')`
	}
	switch n, err := t.count(query, in...); {
	case err != nil && isDuplicate(err):
		return fmt.Errorf("letter %s exists already: %w", l.ID, err)
	case err != nil:
		return err
	case n == 0:
		return fmt.Errorf("letter %s cannot be started as try %d", l.ID, l.Try)
	}
	return nil
}

// putSteps notes the letter's steps as under way. Those of a letter to be sent
// again have their rows; those of one that was delayed gave them back.
func (t *tx) putSteps(l *invoices.Letter, was invoices.Result) error {
	if was == invoices.Resend {
		n, err := t.count(`UPDATE steps SET result = 'sending', at = $2, why = '' WHERE letter_id = $1 AND result = 'resend'`, l.ID, at(l.At))
		if err == nil && n != len(l.Items) {
			err = fmt.Errorf("letter %s: %d of its %d steps are to be sent again", l.ID, n, len(l.Items))
		}
		return err
	}
	var in args
	var rows []string
	for _, it := range l.Items {
		rows = append(rows, in.row(it.Invoice, it.Episode, it.Step, string(invoices.Sending), l.ID, it.Gen, at(l.At)))
	}
	if len(rows) == 0 {
		return fmt.Errorf("letter %s is about nothing", l.ID)
	}
	err := t.exec(`INSERT INTO steps (invoice, episode, step, result, letter_id, gen, at) VALUES `+strings.Join(rows, ", "), in...)
	if err != nil && isDuplicate(err) {
		return fmt.Errorf("letter %s: one of its steps already has an outcome: %w", l.ID, err)
	}
	return err
}

// putSkips notes the steps that the letter makes superfluous. One that was
// skipped before, by an earlier try, may be skipped anew; one that was sent
// may not.
func (t *tx) putSkips(c *invoices.LetterStarted) error {
	if len(c.Skips) == 0 {
		return nil
	}
	var in args
	var rows []string
	for _, s := range c.Skips {
		rows = append(rows, in.row(s.Invoice, s.Episode, s.Step, string(invoices.Skipped), c.Letter.ID, at(c.Letter.At), s.Why))
	}
	n, err := t.count(`INSERT INTO steps (invoice, episode, step, result, letter_id, at, why) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (invoice, episode, step) DO UPDATE SET letter_id = excluded.letter_id, at = excluded.at, why = excluded.why
		WHERE steps.result = 'skipped'`, in...)
	if err == nil && n != len(c.Skips) {
		err = fmt.Errorf("letter %s: a step that it is to make superfluous has another outcome", c.Letter.ID)
	}
	return err
}
