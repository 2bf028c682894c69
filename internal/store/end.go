package store

import (
	"context"
	"fmt"
	"time"

	"dunning/invoices"
)

// End commits facts in any case and returns the account as it is then. It
// returns [invoices.ErrLost] when a's lease is over; the facts are kept, and
// the account is due at once.
//
// Facts about an account that has changed since a was read never undo what was
// learned meanwhile: see [merge].
func (s *Store) End(ctx context.Context, a invoices.Account, facts ...invoices.Fact) (invoices.Account, error) {
	changes, now := make([]any, len(facts)), time.Time{}
	for i, f := range facts {
		f, at := settledFact(f)
		changes[i] = f
		if at.After(now) {
			now = at
		}
	}
	var then invoices.Account
	var lost bool
	err := s.write(ctx, func(t *tx) error {
		var row struct {
			Version int64
			Lease   string
		}
		err := t.GetContext(ctx, &row, `
			UPDATE accounts SET version = version + 1,
				next_act = CASE WHEN lease_id = $2 THEN next_act ELSE 'look' END,
				next_at = CASE WHEN lease_id = $2 THEN next_at ELSE $3 END
			WHERE id = $1 RETURNING version, lease_id AS lease`, a.ID, a.Lease, at(now))
		if isNone(err) {
			return fmt.Errorf("account %q: %w", a.ID, ErrUnknown)
		}
		if err != nil {
			return err
		}
		lost = row.Lease != a.Lease
		r := recorder{tx: t, a: &a, fresh: row.Version == a.Version+1}
		for _, c := range changes {
			if err := r.record(c); err != nil {
				return err
			}
			if r.fresh {
				next := invoices.Apply(*r.a, c)
				r.a = &next
			}
		}
		if err := t.note(r.events...); err != nil {
			return err
		}
		then, err = r.after(row.Version, now)
		return err
	})
	switch {
	case err != nil:
		return a, err
	case lost:
		return then, invoices.ErrLost
	}
	return then, nil
}

// settledFact returns a fact with instants as the database keeps them, and when
// it happened.
func settledFact(f invoices.Fact) (invoices.Fact, time.Time) {
	switch c := f.(type) {
	case invoices.LinkSeen:
		c.Link, c.At = settledLink(c.Link), micro(c.At)
		return c, c.At
	case invoices.LetterEnded:
		c.At = micro(c.At)
		return c, c.At
	case invoices.Rested:
		c.Rest.Until, c.At = micro(c.Rest.Until), micro(c.At)
		return c, c.At
	case invoices.AddressRefused:
		c.At = micro(c.At)
		return c, c.At
	case invoices.Incident:
		c.At = micro(c.At)
		return c, c.At
	}
	panic(fmt.Sprintf("store: %T is no fact", f))
}

// A recorder writes facts about one account in one transaction.
type recorder struct {
	*tx
	a      *invoices.Account // as it was when it was acted upon, and what was recorded since
	fresh  bool              // nobody else has changed it
	events []Event
}

func (r *recorder) event(e Event) {
	e.Account = r.a.ID
	r.events = append(r.events, e)
}

// after returns the account as it is now. One that nobody else has changed is
// known; any other is read again.
func (r *recorder) after(version int64, now time.Time) (invoices.Account, error) {
	if r.fresh {
		then := *r.a
		then.Version = version
		return then, nil
	}
	l := loader{s: r.s, ctx: r.ctx, q: r.tx, now: now}
	list, err := l.accounts([]string{r.a.ID})
	if err != nil || len(list) == 0 {
		return *r.a, err
	}
	return list[0], nil
}

func (r *recorder) record(c any) error {
	switch c := c.(type) {
	case invoices.LinkSeen:
		return r.linkSeen(c)
	case invoices.LetterEnded:
		return r.letterEnded(c)
	case invoices.Rested:
		return r.rested(c)
	case invoices.AddressRefused:
		r.event(Event{At: c.At, Kind: "address_refused", Detail: c.Why})
		return r.exec(`UPDATE accounts SET suppressed = $2 WHERE id = $1`, r.a.ID, c.Address)
	case invoices.Incident:
		return r.incident(c)
	}
	panic(fmt.Sprintf("store: %T is no fact", c))
}

func (r *recorder) linkSeen(c invoices.LinkSeen) error {
	was, err := r.link(c.Invoice, c.Link.Gen)
	if err != nil || was == nil {
		r.event(Event{At: c.At, Kind: "link_unknown", Invoice: c.Invoice, Detail: c.Link.Ref + " is " + string(c.Link.State)})
		return err
	}
	l := merge(*was, c.Link, r.fresh)
	err = r.exec(`
		UPDATE links SET state = $3, reason = $4, remote_id = $5, url = $6, attempts = $7,
			expires_at = $8, since = $9, seen_at = $10, booked = $11, watched = $12
		WHERE invoice = $1 AND gen = $2`,
		c.Invoice, l.Gen, string(l.State), l.Reason, l.Remote, l.URL, l.Attempts,
		at(l.Expires), at(l.Since), at(l.Seen), l.Booked, !l.Final())
	if err != nil {
		return err
	}
	if l.State != was.State || l.Attempts != was.Attempts || l.Remote != was.Remote {
		detail := fmt.Sprintf("%s, %d attempts", l.Ref, l.Attempts)
		if l.Reason != "" {
			detail += ": " + l.Reason
		}
		r.event(Event{At: c.At, Kind: "link_" + string(l.State), Invoice: c.Invoice, Detail: detail})
	}
	return r.rise(`rest_act IN ('check', 'make_link', 'renew_link')`, c.Invoice)
}

// link returns a link as the database has it, or nil.
func (r *recorder) link(number string, gen int) (*invoices.Link, error) {
	if r.fresh {
		if inv := r.a.Find(number); inv != nil {
			return inv.Link(gen), nil
		}
	}
	var row linkRow
	err := r.GetContext(r.ctx, &row, `SELECT `+linkColumns+` FROM links WHERE invoice = $1 AND gen = $2`, number, gen)
	if isNone(err) {
		return nil, nil
	}
	l := row.link()
	return &l, err
}

// merge returns what is known of a link when we hold one thing and are told
// another. What was given up stays given up: another was made in its place.
// What was learned from an account that has changed since may be old news: paid
// stays paid, a later look outweighs an earlier one, and where somebody asked
// to look again (see [Store.Rumour]) the answer may be older than the question.
func merge(was, said invoices.Link, fresh bool) invoices.Link {
	said.Gen, said.Ref, said.Hook, said.Amount, said.Key = was.Gen, was.Ref, was.Hook, was.Amount, was.Key
	switch {
	case was.State == invoices.Lost:
		said.State = invoices.Lost
		return said
	case fresh:
		return said
	case was.State == invoices.Completed:
		return was
	case said.State != invoices.Completed && said.Seen.Before(was.Seen):
		return was
	}
	said.Attempts = max(said.Attempts, was.Attempts)
	if was.Made() && was.Seen.IsZero() {
		said.Seen = time.Time{}
	}
	return said
}

// rise ends the rest of invoices from some acts.
func (r *recorder) rise(acts string, numbers ...string) error {
	var in args
	var resting []string
	for _, n := range numbers {
		if inv := r.a.Find(n); !r.fresh || inv == nil || inv.Rest.Tries > 0 {
			resting = append(resting, n)
		}
	}
	if len(resting) == 0 {
		return nil
	}
	return r.exec(`
		UPDATE invoices SET rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''
		WHERE number IN `+in.list(resting)+` AND rest_tries > 0 AND `+acts, in...)
}

// rested notes that an act failed. That it failed for good is forgotten when
// the account has changed meanwhile: perhaps what stood in its way.
func (r *recorder) rested(c invoices.Rested) error {
	kind := "rest"
	if c.Rest.Until.IsZero() {
		kind = "refused"
	}
	r.event(Event{At: c.At, Kind: kind, Invoice: c.Invoice, Detail: fmt.Sprintf("%s, failure %d: %s", c.Rest.Act, c.Rest.Tries, c.Rest.Why)})
	if !r.fresh && c.Rest.Until.IsZero() {
		return nil
	}
	return r.exec(`UPDATE invoices SET rest_act = $2, rest_until = $3, rest_tries = $4, rest_why = $5 WHERE number = $1`,
		c.Invoice, c.Rest.Act.String(), at(c.Rest.Until), c.Rest.Tries, c.Rest.Why)
}

// letterEnded notes what became of a letter, if the fact is about its last try
// and the letter had not ended before (see [invoices.Letter.Ends]).
func (r *recorder) letterEnded(c invoices.LetterEnded) error {
	l, err := r.letter(c.ID)
	if err != nil {
		return err
	}
	if l == nil || !l.Ends(c) {
		r.event(Event{At: c.At, Kind: "letter_late", Letter: c.ID, Detail: fmt.Sprintf("try %d was %s; nothing changes: %s", c.Try, c.Result, c.Why)})
		return nil
	}
	err = r.exec(`UPDATE letters SET state = $2, at = $3, reply = $4, dialogue = $5 WHERE id = $1`, c.ID, string(c.Result), at(c.At), c.Why, c.Dialogue)
	if err != nil {
		return err
	}
	numbers := make([]string, len(l.Items))
	for i, it := range l.Items {
		numbers[i] = it.Invoice
		r.event(Event{At: c.At, Kind: "letter_" + string(c.Result), Invoice: it.Invoice, Letter: c.ID, Detail: fmt.Sprintf("%s, try %d: %s", it.Step, c.Try, c.Why)})
	}
	if c.Result == invoices.Delayed { // surely not sent: its steps are free again
		return r.exec(`DELETE FROM steps WHERE letter_id = $1 AND result <> 'skipped'`, c.ID)
	}
	err = r.exec(`UPDATE steps SET result = $2, at = $3, why = $4 WHERE letter_id = $1 AND result IN ('sending', 'uncertain', 'resend')`,
		c.ID, string(c.Result), at(c.At), c.Why)
	if err != nil || c.Result != invoices.Sent && c.Result != invoices.Skipped {
		return err
	}
	return r.rise(`rest_act IN ('email', 'remind', 'again')`, numbers...)
}

// letter returns what decides whether a letter ends, as the database has it, or
// nil.
func (r *recorder) letter(id string) (*invoices.Letter, error) {
	if r.fresh {
		for i := range r.a.Letters {
			if r.a.Letters[i].ID == id {
				return &r.a.Letters[i], nil
			}
		}
	}
	var row letterRow
	err := r.GetContext(r.ctx, &row, `SELECT `+letterColumns+` FROM letters WHERE id = $1`, id)
	if isNone(err) {
		return nil, nil
	}
	l := row.letter()
	return &l, err
}

// incident keeps one of a kind per invoice and key.
func (r *recorder) incident(c invoices.Incident) error {
	n, err := r.count(`
		INSERT INTO incidents (id, invoice, kind, key, detail, raised_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (invoice, kind, key) DO NOTHING`, newID(), c.Invoice, string(c.Kind), c.Key, c.Detail, at(c.At))
	if err == nil && n == 1 {
		r.event(Event{At: c.At, Kind: "incident", Invoice: c.Invoice, Detail: string(c.Kind) + ": " + c.Detail})
	}
	return err
}
