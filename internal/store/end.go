package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	changes, now := settledFacts(facts)
	if simple(&a, changes) {
		c := &change{take: ended, row: []any{a.ID, a.Version, a.Lease}}
		then := a
		c.record = func(w *sheet) (err error) {
			then, err = s.fresh(&a, w).all(changes)
			return err
		}
		switch err := s.together(ctx, c); {
		case err == nil:
			then.Version++
			return then, nil
		case !errors.Is(err, errUntaken):
			return a, err
		}
	}
	return s.endAlone(ctx, a, changes, now)
}

// simple reports whether facts can be written without reading anything: the
// common ones, each about what the account is known to have.
func simple(a *invoices.Account, facts []any) bool {
	seen := map[string]bool{}
	for _, f := range facts {
		name := ""
		switch c := f.(type) {
		case invoices.LinkSeen:
			name = "link " + c.Invoice
			if inv := a.Find(c.Invoice); inv == nil || inv.Link(c.Link.Gen) == nil {
				return false
			}
		case invoices.LetterEnded:
			name = "letter " + c.ID
			if !slices.ContainsFunc(a.Letters, func(l invoices.Letter) bool { return l.ID == c.ID }) {
				return false
			}
		case invoices.Rested:
			name = "rest " + c.Invoice
		case invoices.AddressRefused:
			name = "address"
		case invoices.Incident:
			return false
		}
		if seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// endAlone writes facts about an account that others may have changed or may be
// changing.
func (s *Store) endAlone(ctx context.Context, a invoices.Account, facts []any, now time.Time) (invoices.Account, error) {
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
		r := recorder{ctx: ctx, s: s, tx: t, sheet: &sheet{s: s}, a: &a, fresh: row.Version == a.Version+1}
		if then, err = r.all(facts); err != nil || r.fresh {
			then.Version = row.Version
			return err
		}
		then, err = r.reread(now)
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

// settledFacts returns facts with instants as the database keeps them, and when
// the last of them happened.
func settledFacts(facts []invoices.Fact) (settled []any, last time.Time) {
	settled = make([]any, len(facts))
	for i, f := range facts {
		f, at := settledFact(f)
		settled[i] = f
		if at.After(last) {
			last = at
		}
	}
	return settled, last
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

// A recorder writes facts about one account in one transaction. With a
// transaction of its own it may read what it does not know; in a shared one it
// must know everything.
type recorder struct {
	*sheet
	ctx   context.Context
	s     *Store
	tx    *tx               // nil: it is shared
	a     *invoices.Account // as it was when it was acted upon, and what was recorded since
	fresh bool              // nobody else has changed it
}

// fresh records facts about an account that nobody else has changed.
func (s *Store) fresh(a *invoices.Account, w *sheet) *recorder {
	return &recorder{s: s, sheet: w, a: a, fresh: true}
}

func (r *recorder) event(e Event) {
	e.Account = r.a.ID
	r.note(e)
}

// all records facts, one after the other, and returns the account as it is
// then, if nobody else has changed it.
func (r *recorder) all(facts []any) (invoices.Account, error) {
	for _, f := range facts {
		if err := r.record(f); err != nil {
			return *r.a, err
		}
		if r.tx != nil { // the next may be about the same rows
			if err := r.tx.put(r.sheet); err != nil {
				return *r.a, err
			}
			r.sheet = &sheet{s: r.s}
		}
		if r.fresh {
			next := invoices.Apply(*r.a, f)
			r.a = &next
		}
	}
	return *r.a, nil
}

// reread returns the account as it is now.
func (r *recorder) reread(now time.Time) (invoices.Account, error) {
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
		r.add(refused, r.a.ID, c.Address)
		return nil
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
	r.add(seenLinks, c.Invoice, l.Gen, string(l.State), l.Reason, l.Remote, l.URL, l.Attempts,
		at(l.Expires), at(l.Since), at(l.Seen), l.Booked, !l.Final())
	if l.State != was.State || l.Attempts != was.Attempts || l.Remote != was.Remote {
		detail := fmt.Sprintf("%s, %d attempts", l.Ref, l.Attempts)
		if l.Reason != "" {
			detail += ": " + l.Reason
		}
		r.event(Event{At: c.At, Kind: "link_" + string(l.State), Invoice: c.Invoice, Detail: detail})
	}
	r.rise(linkRests, c.Invoice)
	return nil
}

// link returns a link as the database has it, or nil.
func (r *recorder) link(number string, gen int) (*invoices.Link, error) {
	if r.fresh {
		if inv := r.a.Find(number); inv != nil {
			return inv.Link(gen), nil
		}
	}
	var row linkRow
	err := r.tx.GetContext(r.ctx, &row, `SELECT `+linkColumns+` FROM links WHERE invoice = $1 AND gen = $2`, number, gen)
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
func (r *recorder) rise(form int, numbers ...string) {
	for _, n := range numbers {
		if inv := r.a.Find(n); !r.fresh || inv == nil || inv.Rest.Tries > 0 {
			r.add(form, n)
		}
	}
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
	r.add(rests, c.Invoice, c.Rest.Act.String(), at(c.Rest.Until), c.Rest.Tries, c.Rest.Why)
	return nil
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
	r.add(endedLetters, c.ID, string(c.Result), at(c.At), c.Why, c.Dialogue)
	numbers := make([]string, len(l.Items))
	for i, it := range l.Items {
		numbers[i] = it.Invoice
		r.event(Event{At: c.At, Kind: "letter_" + string(c.Result), Invoice: it.Invoice, Letter: c.ID, Detail: fmt.Sprintf("%s, try %d: %s", it.Step, c.Try, c.Why)})
	}
	if c.Result == invoices.Delayed { // surely not sent: its steps are free again
		r.add(freedSteps, c.ID)
		return nil
	}
	for _, it := range l.Items {
		r.add(endedSteps, it.Invoice, it.Episode, it.Step, c.ID, string(c.Result), at(c.At), c.Why)
	}
	if c.Result == invoices.Sent || c.Result == invoices.Skipped {
		r.rise(postRests, numbers...)
	}
	return nil
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
	err := r.tx.GetContext(r.ctx, &row, `SELECT `+letterColumns+` FROM letters WHERE id = $1`, id)
	if isNone(err) {
		return nil, nil
	}
	l := row.letter()
	return &l, err
}

// incident keeps one of a kind per invoice and key.
func (r *recorder) incident(c invoices.Incident) error {
	n, err := r.tx.count(`
		INSERT INTO incidents (id, invoice, kind, key, detail, raised_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (invoice, kind, key) DO NOTHING`, newID(), c.Invoice, string(c.Kind), c.Key, c.Detail, at(c.At))
	if err == nil && n == 1 {
		r.event(Event{At: c.At, Kind: "incident", Invoice: c.Invoice, Detail: string(c.Kind) + ": " + c.Detail})
	}
	return err
}
