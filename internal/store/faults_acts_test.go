package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// An act is one thing that the store does, in one transaction.
type act struct {
	says  string
	ready func(*world)                                                    // brings about what it needs
	do    func(context.Context, *world, *store.Store) (any, error)        // does it
	again func(context.Context, *world, *store.Store, error) (any, error) // what a careful caller does after an error; nil: the same
	twice []string                                                        // events that are written again when it is done twice
	known []error                                                         // what it says when it was done before
}

// acts are all the writes of the store that concern one account.
var acts = []act{
	{
		says: "claim",
		do:   func(ctx context.Context, w *world, s *store.Store) (any, error) { return s.Claim(ctx, w.query()) },
		again: func(ctx context.Context, w *world, s *store.Store, _ error) (any, error) {
			q := w.query()
			q.Now = q.Now.Add(2 * time.Minute) // the lease that nobody knows of is over
			return s.Claim(ctx, q)
		},
	},
	{
		says: "begin a link", ready: (*world).claim,
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.Begin(ctx, w.a, w.wanted(1))
		},
		known: []error{invoices.ErrStale},
	},
	{
		says: "begin another link when one was never answered", ready: func(w *world) { w.begin(w.wanted(1)) },
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.Begin(ctx, w.a, w.wanted(2))
		},
		known: []error{invoices.ErrStale},
	},
	{
		says: "begin a letter", ready: (*world).linked,
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.Begin(ctx, w.a, w.started(1))
		},
		known: []error{invoices.ErrStale},
	},
	{
		says: "begin a letter once more", ready: func(w *world) { w.begin(w.started(1)); w.end(w.ended(invoices.Delayed)) },
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.Begin(ctx, w.a, w.started(2))
		},
		known: []error{invoices.ErrStale},
	},
	{
		says: "end a link", ready: func(w *world) { w.begin(w.wanted(1)) },
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.End(ctx, w.a, w.seen(invoices.New))
		},
	},
	{
		says: "end a letter that was sent", ready: func(w *world) { w.begin(w.started(1)) },
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.End(ctx, w.a, w.ended(invoices.Sent))
		},
		twice: []string{"letter_late"},
	},
	{
		says: "end a letter that is delayed, and rest", ready: func(w *world) { w.begin(w.started(1)) },
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.End(ctx, w.a, w.ended(invoices.Delayed), w.rested())
		},
		twice: []string{"letter_late", "rest"},
	},
	{
		says: "end with an incident and a refused address", ready: (*world).linked,
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.End(ctx, w.a,
				invoices.Incident{Invoice: w.invoice(0), Kind: invoices.PaidAmiss, Key: "k", Detail: "d", At: w.now},
				invoices.AddressRefused{Address: w.a.Email, Why: "550", At: w.now})
		},
		twice: []string{"address_refused"},
	},
	{
		says: "give back", ready: (*world).claim,
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return nil, s.Release(ctx, w.a, invoices.Decision{Act: invoices.MakeLink, Why: "it is time"}, w.now)
		},
		known: []error{invoices.ErrLost},
	},
	{
		says: "import", do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.Import(ctx, w.load("2", 500), time.UTC, false)
		},
	},
	{
		says: "hold", do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return nil, s.Hold(ctx, w.target(), invoices.Hold{Reason: "dispute", By: "Ada"}, w.now)
		},
		again: held,
	},
	{
		says: "lift", ready: func(w *world) {
			w.must(w.clean.Hold(w.Context(), w.target(), invoices.Hold{Reason: "dispute", By: "Ada"}, w.now))
		},
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return nil, s.Lift(ctx, w.target(), "Ada", "on with it", w.now)
		},
		twice: []string{"release"},
	},
	{
		says: "settle", ready: func(w *world) { w.begin(w.started(1)); w.end(w.ended(invoices.Uncertain)) },
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return nil, s.Settle(ctx, w.invoice(0), invoices.Sent, "Ada", "she has it", w.now)
		},
		again: settled,
	},
	{
		says: "rumour", ready: (*world).linked,
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return s.Rumour(ctx, "hook-"+w.mark, w.now)
		},
		twice: []string{"webhook"},
	},
	{
		says: "start a run", do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			_, err := s.Started(ctx, "poll-"+w.mark, w.now, w.now)
			return nil, err
		},
	},
	{
		says: "end a run", ready: func(w *world) {
			var err error
			w.run, err = w.clean.Started(w.Context(), "poll-"+w.mark, w.now, w.now)
			w.must(err)
		},
		do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
			return nil, s.Ended(ctx, w.run, w.now, map[string]int{"sent": 2}, errors.New("broken"))
		},
	},
}

// held is a person who looks first whether the hold is there.
func held(ctx context.Context, w *world, s *store.Store, _ error) (any, error) {
	a, err := s.Lookup(ctx, w.invoice(0))
	if err != nil || a.Find(w.invoice(0)).Hold.Reason == "dispute" {
		return nil, err
	}
	return nil, s.Hold(ctx, w.target(), invoices.Hold{Reason: "dispute", By: "Ada"}, w.now)
}

// settled is a person who looks first whether the letter is still in doubt.
func settled(ctx context.Context, w *world, s *store.Store, _ error) (any, error) {
	letters, err := s.Letters(ctx, w.invoice(0))
	if err != nil || letters[0].State == invoices.Sent {
		return nil, err
	}
	return nil, s.Settle(ctx, w.invoice(0), invoices.Sent, "Ada", "she has it", w.now)
}

func (w *world) target() store.Target { return store.Target{Invoice: w.invoice(0)} }

func (w *world) wanted(gen int) invoices.LinkWanted {
	return invoices.LinkWanted{Invoice: w.invoice(0), At: w.now, Link: invoices.Link{
		Gen: gen, Ref: w.invoice(0) + "-L" + string(rune('0'+gen)), Hook: []string{"", "hook-" + w.mark, "hook2-" + w.mark}[gen],
		Amount: money.Amount{Minor: 12000, Currency: "EUR"}, State: invoices.Wanted, Key: "test:1a2b", Since: w.now,
	}}
}

func (w *world) seen(state invoices.LinkState) invoices.LinkSeen {
	l := *w.a.Find(w.invoice(0)).Link(1)
	l.State, l.Seen, l.Remote, l.URL = state, w.now, "remote-"+l.Ref, "https://pay.example/"+l.Ref
	l.Expires = w.now.AddDate(0, 0, 45)
	return invoices.LinkSeen{Invoice: w.invoice(0), Link: l, At: w.now}
}

// started is a letter about both invoices that skips a step of one.
func (w *world) started(try int) invoices.LetterStarted {
	l := invoices.Letter{
		ID: "letter-" + w.mark, Try: try, Account: w.mark, Template: "friendly", Language: "nl", To: []string{w.mark + "@example.com"},
		State: invoices.Sending, At: w.now, MessageID: w.mark + "@example.com", Raw: []byte("Subject: x\r\n\r\n.\r\n\x00\xff"),
	}
	l.Digest = fmt.Sprintf("%x", sha256.Sum256(l.Raw))
	l.Subject = "About " + w.mark
	for i := range 2 {
		l.Items = append(l.Items, invoices.Item{Invoice: w.invoice(i), Episode: 1, Step: "friendly", Gen: 1, Amount: money.Amount{Minor: 12000, Currency: "EUR"}})
	}
	skip := invoices.Skip{Invoice: w.invoice(0), Episode: 1, Step: "upcoming", Why: "superseded"}
	return invoices.LetterStarted{Letter: l, Skips: []invoices.Skip{skip}, Patience: 10 * time.Minute}
}

func (w *world) ended(r invoices.Result) invoices.LetterEnded {
	return invoices.LetterEnded{ID: "letter-" + w.mark, Try: 1, Result: r, At: w.now, Why: "250 ok"}
}

func (w *world) rested() invoices.Rested {
	return invoices.Rested{Invoice: w.invoice(0), At: w.now, Rest: invoices.Rest{Act: invoices.Email, Until: w.now.Add(time.Hour), Tries: 1, Why: "busy"}}
}

// begin and end act by a connection that is well, on an account that is
// claimed if it was not.
func (w *world) begin(in invoices.Intent) {
	w.Helper()
	if w.a.Lease == "" {
		w.claim()
	}
	var err error
	w.a, err = w.clean.Begin(w.Context(), w.a, in)
	w.must(err)
}

func (w *world) end(facts ...invoices.Fact) {
	w.Helper()
	var err error
	w.a, err = w.clean.End(w.Context(), w.a, facts...)
	w.must(err)
}

func (w *world) linked() {
	w.Helper()
	w.begin(w.wanted(1))
	w.end(w.seen(invoices.New))
}
