package store

import (
	"context"
	"errors"
	"fmt"
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
		return s.intend(ctx, a, c, s.intent(&a, c.At, nil), func(r *intents) error { return r.linkWanted(c) })
	case invoices.LetterStarted:
		c = settledStarted(c)
		raw := pack(c.Letter.Raw)
		patience := s.on.leaseArg(c.Letter.At, c.Patience+margin)
		return s.intend(ctx, a, c, s.intent(&a, c.Letter.At, patience), func(r *intents) error { return r.letterStarted(c, raw) })
	}
	panic(fmt.Sprintf("store: %T is no intent", in))
}

// intent is the change of an account's row by an intent.
func (s *Store) intent(a *invoices.Account, now time.Time, patience any) *change {
	return &change{take: intended, row: []any{a.ID, a.Version, a.Lease, at(now), patience}}
}

func (s *Store) intend(ctx context.Context, a invoices.Account, in invoices.Intent, c *change, do func(*intents) error) (invoices.Account, error) {
	c.record = func(w *sheet) error { return do(&intents{sheet: w, a: &a}) }
	err := s.together(ctx, c)
	if errors.Is(err, errUntaken) {
		err = s.write(ctx, func(t *tx) error {
			n, err := t.alone(c)
			if err != nil {
				return err
			}
			if n == 0 {
				return invoices.ErrStale
			}
			w := &sheet{s: s}
			if err := c.record(w); err != nil {
				return err
			}
			return t.put(w)
		})
	}
	if err != nil {
		return a, err
	}
	a = invoices.Apply(a, in)
	a.Version++
	return a, nil
}

// intents writes down what is about to be done for an account.
type intents struct {
	*sheet
	a *invoices.Account
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
func (r *intents) linkWanted(c invoices.LinkWanted) error {
	inv := r.a.Find(c.Invoice)
	if inv == nil {
		return fmt.Errorf("link wanted for %s: %w", c.Invoice, ErrUnknown)
	}
	for _, l := range inv.Links {
		if l.State == invoices.Wanted {
			r.note(Event{At: c.At, Kind: "link_lost", Account: r.a.ID, Invoice: c.Invoice, Detail: l.Ref + ": the answer never came; if it was made, nobody was ever shown it"})
		}
	}
	if len(inv.Links) > 0 {
		r.add(replaced, c.Invoice, at(c.At))
	}
	l, form := c.Link, newLinks
	if was := inv.Link(l.Gen); was != nil && was.State == invoices.Unmade {
		form = remade
	}
	r.add(form, c.Invoice, l.Gen, l.Ref, orNull(l.Hook), l.Amount.Minor, l.Amount.Currency, l.Key, string(l.State), l.Reason,
		l.Remote, l.URL, l.Attempts, at(l.Expires), at(l.Since), at(l.Seen), l.Booked, !l.Final(), false)
	r.note(Event{At: c.At, Kind: "link_wanted", Account: r.a.ID, Invoice: c.Invoice, Detail: fmt.Sprintf("%s for %s, key %s", l.Ref, l.Amount, l.Key)})
	return nil
}

// letterStarted stores a letter whose final dot is about to be written, with
// its exact bytes. The keys of steps refuse a second letter for any of them
// (R1). The steps of a letter to be sent again have their rows; those of one
// that was delayed gave them back. A step that was skipped before, by an earlier
// try, may be skipped anew; one that was sent may not.
func (r *intents) letterStarted(c invoices.LetterStarted, raw []byte) error {
	l, form := &c.Letter, newLetters
	var was invoices.Result
	for i := range r.a.Letters {
		if r.a.Letters[i].ID == l.ID {
			was = r.a.Letters[i].State
		}
	}
	if was == invoices.Delayed || was == invoices.Resend {
		form = nextTries
	}
	if len(l.Items) == 0 {
		return fmt.Errorf("letter %s is about nothing", l.ID)
	}
	r.add(form, l.ID, l.Try, l.Account, string(invoices.Sending), at(l.At), l.Template, l.Language, l.Single,
		items(l.Items), words(l.To), words(l.CC), l.Subject, l.MessageID, l.Digest, raw, l.Reply, l.Dialogue)
	for _, it := range l.Items {
		if was == invoices.Resend {
			r.add(stepsAgain, it.Invoice, it.Episode, it.Step, l.ID, at(l.At))
		} else {
			r.add(newSteps, it.Invoice, it.Episode, it.Step, string(invoices.Sending), l.ID, it.Gen, at(l.At))
		}
		r.note(Event{At: l.At, Kind: "letter_started", Account: r.a.ID, Invoice: it.Invoice, Letter: l.ID, Detail: fmt.Sprintf("%s, %s, link %d, try %d", it.Step, it.Amount, it.Gen, l.Try)})
	}
	for _, s := range c.Skips {
		r.add(skippedSteps, s.Invoice, s.Episode, s.Step, string(invoices.Skipped), l.ID, at(l.At), s.Why)
		r.note(Event{At: l.At, Kind: "step_skipped", Account: r.a.ID, Invoice: s.Invoice, Letter: l.ID, Detail: s.Step + ": " + s.Why})
	}
	return nil
}
