package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"dunning/invoices"
)

var agreement = []check{
	{"TheStoreAgreesWithApply", agrees},
	{"FactsOfAWorkerThatLostItsLeaseAreKept", factsAreKept},
	{"TimesAreKeptToTheMicrosecond", microseconds},
}

// agrees walks at random through what can happen to an account and compares
// what is stored with what the domain's own Apply says, after every step.
func agrees(b *bench) {
	b.open()
	for seed := range uint64(12) {
		w := &walker{bench: b, rnd: rand.New(rand.NewPCG(seed, 1))}
		id := fmt.Sprintf("a%d", seed)
		for i := range 3 {
			w.numbers = append(w.numbers, fmt.Sprintf("%s-%d", id, i))
		}
		b.tell(row(id, w.numbers[0]), row(id, w.numbers[1]), row(id, w.numbers[2]))
		list, err := b.db.Claim(ctx, invoices.Query{Now: b.now, Lease: 24 * time.Hour, Account: id})
		b.must(err)
		w.a = list[0]
		for step := range 40 {
			b.wait(time.Second)
			w.step(fmt.Sprintf("seed %d, step %d", seed, step))
		}
	}
}

type walker struct {
	*bench
	rnd     *rand.Rand
	numbers []string
	a       invoices.Account
	letters int
}

// step does one thing that may happen next.
func (w *walker) step(name string) {
	w.Helper()
	inv := w.a.Find(w.numbers[w.rnd.IntN(len(w.numbers))])
	in, facts := w.link(inv)
	switch w.rnd.IntN(6) {
	case 0, 1:
		in, facts = w.letter(inv)
	case 2:
		in, facts = nil, []invoices.Fact{invoices.Rested{Invoice: inv.Number, At: w.now, Rest: invoices.Rest{
			Act: invoices.Act(1 + w.rnd.IntN(6)), Until: w.now.Add(time.Hour), Tries: 1 + w.rnd.IntN(3), Why: "busy",
		}}}
	}
	var got, want invoices.Account
	var err error
	if in != nil {
		got, err = w.db.Begin(ctx, w.a, in)
		want = invoices.Apply(w.a, in)
	} else {
		changes := make([]any, len(facts))
		for i, f := range facts {
			changes[i] = f
		}
		want = invoices.Apply(w.a, changes...)
		if w.rnd.IntN(3) == 0 { // given back with them, and claimed again
			w.must(w.db.Release(ctx, w.a, invoices.Decision{At: w.now}, w.now, facts...))
			q := w.query()
			q.Account = w.a.ID // others are due as well
			list, err := w.db.Claim(ctx, q)
			w.must(err)
			got = list[0]
			want.Lease = got.Lease
		} else {
			got, err = w.db.End(ctx, w.a, facts...)
		}
	}
	w.must(err)
	want.Version++
	for i := range want.Letters { // the words are in the bytes
		want.Letters[i].Plain, want.Letters[i].HTML = "", ""
	}
	what := fmt.Sprintf("%s: %T %+v", name, in, facts)
	sameAccount(w.bench, what+": returned", got, want)
	stored, _ := w.lookup(inv.Number)
	sameAccount(w.bench, what+": stored", stored, want)
	w.a = got
}

// link returns the next thing that happens to the newest link.
func (w *walker) link(inv *invoices.Invoice) (invoices.Intent, []invoices.Fact) {
	n := len(inv.Links)
	if n == 0 {
		return w.wanted(inv, 1, 12000), nil
	}
	l := inv.Links[n-1]
	switch l.State {
	case invoices.Unmade:
		return w.wanted(inv, n, 12000), nil
	case invoices.Lost, invoices.Expired, invoices.Missing:
		return w.wanted(inv, n+1, 12000), nil
	case invoices.Wanted:
		if w.rnd.IntN(3) == 0 {
			return w.wanted(inv, n+1, 12000), nil
		}
	}
	states := []invoices.LinkState{
		invoices.Unmade, invoices.New, invoices.Trying, invoices.Rejected, invoices.Expired, invoices.Completed,
		invoices.Missing, invoices.Mismatch, "a word nobody knows",
	}
	state := states[w.rnd.IntN(len(states))]
	seen := w.seen(inv.Number, l, state)
	if l.Made() && state == invoices.Unmade || l.State == invoices.Completed {
		return nil, []invoices.Fact{w.seen(inv.Number, l, l.State)}
	}
	if state == invoices.Unmade {
		seen.Link.Remote, seen.Link.URL, seen.Link.Seen, seen.Link.Expires = "", "", time.Time{}, time.Time{}
	}
	seen.Link.Attempts = min(25, seen.Link.Attempts+w.rnd.IntN(9))
	return nil, []invoices.Fact{seen, invoices.Incident{Invoice: inv.Number, Kind: invoices.PaidAmiss, Key: string(state), Detail: "x", At: w.now}}
}

// letter returns the next thing that happens to the newest letter, or starts
// another.
func (w *walker) letter(inv *invoices.Invoice) (invoices.Intent, []invoices.Fact) {
	for _, l := range w.a.Letters {
		ended := invoices.LetterEnded{ID: l.ID, Try: l.Try, At: w.now, Why: "answer"}
		switch l.State {
		case invoices.Sending, invoices.Uncertain:
			ends := []invoices.Result{invoices.Sent, invoices.Failed, invoices.Uncertain, invoices.Resend, invoices.Delayed, invoices.Skipped}
			ended.Result = ends[w.rnd.IntN(len(ends))]
			return nil, []invoices.Fact{ended}
		case invoices.Resend, invoices.Delayed:
			if l.State == invoices.Resend && w.rnd.IntN(3) == 0 {
				ended.Result = invoices.Skipped
				return nil, []invoices.Fact{ended}
			}
			stored, err := w.db.Letter(ctx, l.ID)
			w.must(err)
			stored.Try, stored.State, stored.At = stored.Try+1, invoices.Sending, w.now
			return invoices.LetterStarted{Letter: stored}, nil
		}
	}
	w.letters++
	step := fmt.Sprintf("step-%d", w.letters)
	start := w.started(w.a, w.a.ID+step, step, inv.Number)
	start.Skips = []invoices.Skip{{Invoice: inv.Number, Episode: 1, Step: "before-" + step, Why: "superseded"}}
	return start, nil
}

// factsAreKept: End is never refused, whatever happened to the account since.
func factsAreKept(b *bench) {
	sleeper := b.debtor("INV-1")
	sleeper = b.linked(sleeper, "INV-1", 1)
	b.wait(2 * time.Minute)
	a := b.claim()
	r := row("acme", "INV-1")
	r.Total.Minor = 5000
	b.tell(r)
	b.release(a, invoices.Decision{})
	forGood := invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: invoices.MakeLink, Tries: 1, Why: "amount too large"}}
	seen := b.seen("INV-1", *sleeper.Find("INV-1").Link(1), invoices.Completed)
	incident := invoices.Incident{Invoice: "INV-1", Kind: invoices.PaidAmiss, Key: "k", Detail: "d", At: b.now}
	_, err := b.db.End(ctx, sleeper, seen, forGood, incident)
	if err == nil || err.Error() != invoices.ErrLost.Error() {
		b.Fatalf("end: %v, want ErrLost", err)
	}
	_, inv := b.lookup("INV-1")
	want(b, "link", inv.Link(1).State, invoices.Completed)
	want(b, "what failed for good was about another amount", inv.Rest, invoices.Rest{})
	want(b, "open", inv.Open().Minor, 5000)
	list, err := b.db.Incidents(ctx)
	b.must(err)
	want(b, "incidents", len(list), 1)
	later := b.claim()
	later = b.end(later, incident) // one of a kind is kept, and told once
	list, err = b.db.Incidents(ctx)
	b.must(err)
	want(b, "incidents", len(list), 1)
	b.end(later, forGood)
	_, inv = b.lookup("INV-1")
	want(b, "what fails for good now stays", inv.Rest, forGood.Rest)
}

func microseconds(b *bench) {
	b.now = b.now.Add(123456789 * time.Nanosecond).In(time.FixedZone("", 5*3600+1800))
	a := b.debtor("INV-1")
	a = b.linked(a, "INV-1", 1)
	start := b.started(a, "letter-1", "request", "INV-1")
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Sent, "250 ok"), invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: invoices.Check, Until: b.now, Tries: 1}})
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "seen", inv.Link(1).Seen, b.now.UTC().Truncate(time.Microsecond))
}
