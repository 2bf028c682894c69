package storetest

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

var letters = []check{
	{"R01_AStepIsSentOnce", stepOnce},
	{"R02_AnIntentNeedsTheAccountUnchanged", intentNeedsUnchanged},
	{"R02_ALetterHalfSentIsFound", halfSent},
	{"R02_ALateAnswerSettlesTheDoubt", lateAnswer},
	{"R02_TheSameBytesOnceMore", sameBytes},
	{"R02_ALetterToBeSentAgainIsWithdrawn", withdrawn},
	{"R19_ADelayedLetterGivesItsStepsBack", delayed},
	{"R19_AnAddressIsSuppressed", suppressed},
	{"R14_OneOutcomeForAllOfALetter", oneOutcome},
	{"TheLeaseOutlastsTheMailServer", leaseOutlasts},
	{"AnUnknownLetter", unknownLetter},
}

func stepOnce(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	start := b.started(a, "letter-1", "friendly", "INV-1")
	start.Skips = []invoices.Skip{{Invoice: "INV-1", Episode: 1, Step: "upcoming", Why: "superseded by friendly"}}
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Sent, "250 ok"))
	before, inv := b.lookup("INV-1")
	want(b, "friendly", result(inv, "friendly"), invoices.Sent)
	want(b, "upcoming", result(inv, "upcoming"), invoices.Skipped)
	for _, tt := range []struct {
		says  string
		start func() invoices.LetterStarted
	}{
		{"the same letter again", func() invoices.LetterStarted { return b.started(a, "letter-1", "friendly", "INV-1") }},
		{"another letter about the same step", func() invoices.LetterStarted { return b.started(a, "letter-2", "friendly", "INV-1") }},
		{"a letter about two invoices, one of which had it", func() invoices.LetterStarted { return b.started(a, "letter-3", "friendly", "INV-2", "INV-1") }},
		{"a letter about a step that was skipped", func() invoices.LetterStarted { return b.started(a, "letter-4", "upcoming", "INV-1") }},
		{"a letter that would skip a step that was sent", func() invoices.LetterStarted {
			s := b.started(a, "letter-5", "firm", "INV-1")
			s.Skips = []invoices.Skip{{Invoice: "INV-1", Episode: 1, Step: "friendly", Why: "superseded by firm"}}
			return s
		}},
		{"another letter under the same Message-ID", func() invoices.LetterStarted {
			s := b.started(a, "letter-6", "firm", "INV-1")
			s.Letter.MessageID = "letter-1@example.com"
			return s
		}},
		{"a letter about nothing", func() invoices.LetterStarted { return b.started(a, "letter-7", "firm") }},
	} {
		if _, err := b.db.Begin(ctx, a, tt.start()); err == nil || errors.Is(err, invoices.ErrStale) {
			b.Errorf("%s: %v, want a refusal", tt.says, err)
		}
	}
	after, _ := b.lookup("INV-1")
	sameAccount(b, "refused letters change nothing", after, before)
	want(b, "letters", len(a.Letters), 1)

	// Another episode is another key.
	start = b.started(a, "letter-8", "friendly", "INV-1")
	start.Letter.Items[0].Episode = 2
	b.begin(a, start)
}

func intentNeedsUnchanged(b *bench) {
	for _, tt := range []struct {
		says   string
		change func(invoices.Account) invoices.Account
	}{
		{"a payment was booked", func(a invoices.Account) invoices.Account {
			r := row("acme", "INV-1")
			r.Paid = r.Total.Minor
			b.tell(r)
			return a
		}},
		{"a person said wait", func(a invoices.Account) invoices.Account {
			b.must(b.db.Hold(ctx, store.Target{Account: "acme"}, invoices.Hold{Reason: "dispute", By: "Ada"}, b.now))
			return a
		}},
		{"a webhook came", func(a invoices.Account) invoices.Account {
			_, err := b.db.Rumour(ctx, "hook-INV-1-1", b.now)
			b.must(err)
			return a
		}},
		{"the lease is another's", func(a invoices.Account) invoices.Account {
			b.wait(2 * time.Minute)
			b.claim()
			return a
		}},
		{"the account was never claimed", func(a invoices.Account) invoices.Account {
			a.Lease = ""
			return a
		}},
	} {
		b.url, b.db = "", nil
		a := b.debtor("INV-1")
		a = b.linked(a, "INV-1", 1)
		a = tt.change(a)
		before, _ := b.lookup("INV-1")
		got, err := b.db.Begin(ctx, a, b.started(a, "letter-1", "request", "INV-1"))
		if !errors.Is(err, invoices.ErrStale) {
			b.Errorf("%s: %v, want ErrStale", tt.says, err)
		}
		after, _ := b.lookup("INV-1")
		sameAccount(b, tt.says+": nothing was written", after, before)
		sameAccount(b, tt.says+": the account comes back as it was", got, a)
		_, err = b.db.Letter(ctx, "letter-1")
		if !errors.Is(err, store.ErrUnknown) {
			b.Errorf("%s: the letter is there: %v", tt.says, err)
		}
	}
}

// halfSent: whoever claims the account next sees what was left behind.
func halfSent(b *bench) {
	a := b.debtor("INV-1")
	start := b.started(a, "letter-1", "request", "INV-1")
	b.begin(a, start) // and the worker is gone
	b.wait(12 * time.Minute)
	a = b.claim()
	if len(a.Letters) != 1 || a.Letters[0].State != invoices.Sending || a.Letters[0].Try != 1 {
		b.Fatalf("letters: %+v", a.Letters)
	}
	want(b, "step", result(a.Find("INV-1"), "request"), invoices.Sending)
	a = b.end(a, b.ended(start, invoices.Uncertain, "a worker stopped while sending it"))
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "step", result(inv, "request"), invoices.Uncertain)
}

func lateAnswer(b *bench) {
	sleeper := b.debtor("INV-1")
	start := b.started(sleeper, "letter-1", "request", "INV-1")
	sleeper = b.begin(sleeper, start)
	b.wait(12 * time.Minute)
	a := b.claim()
	a = b.end(a, b.ended(start, invoices.Uncertain, "a worker stopped while sending it"))
	b.release(a, invoices.Decision{Code: invoices.CodeUncertain, Person: true})
	b.wait(time.Minute)
	then, err := b.db.End(ctx, sleeper, b.ended(start, invoices.Sent, "250 ok"))
	if !errors.Is(err, invoices.ErrLost) {
		b.Fatalf("end: %v, want ErrLost", err)
	}
	now, inv := b.lookup("INV-1")
	sameAccount(b, "what End returns is what is stored", then, now)
	want(b, "step", result(inv, "request"), invoices.Sent)
	a = b.claim() // it is due, not waiting for a person

	// A doubt about what is settled changes nothing, nor does another's outcome.
	for _, late := range []invoices.LetterEnded{b.ended(start, invoices.Uncertain, "?"), b.ended(start, invoices.Failed, "550"), {ID: "letter-1", Try: 2, Result: invoices.Failed, At: b.now}, {ID: "letter-9", Try: 1, Result: invoices.Sent, At: b.now}} {
		a = b.end(a, late)
	}
	now, inv = b.lookup("INV-1")
	sameAccount(b, "after late facts", now, a)
	want(b, "step", result(inv, "request"), invoices.Sent)
}

func sameBytes(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	start := b.started(a, "letter-1", "friendly", "INV-1", "INV-2")
	raw := bytes.Clone(start.Letter.Raw)
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Uncertain, "no answer"))
	b.release(a, invoices.Decision{Code: invoices.CodeUncertain, Person: true})
	b.wait(time.Hour)
	b.must(b.db.Settle(ctx, "INV-2", invoices.Resend, "Ada", "not in the log", b.now))
	a = b.claim()
	want(b, "step", result(a.Find("INV-1"), "friendly"), invoices.Resend)
	l, err := b.db.Letter(ctx, "letter-1")
	b.must(err)
	if !bytes.Equal(l.Raw, raw) || l.State != invoices.Resend || l.Try != 1 || l.MessageID != "letter-1@example.com" || l.Digest != digest(raw) {
		b.Fatalf("stored: %+v", l)
	}
	l.State, l.Try, l.At = invoices.Sending, 2, b.now
	again := invoices.LetterStarted{Letter: l, Patience: time.Minute}
	a = b.begin(a, again)
	a = b.end(a, b.ended(start, invoices.Sent, "of the first try: too late")) // changes nothing
	want(b, "step", result(a.Find("INV-1"), "friendly"), invoices.Sending)
	a = b.end(a, b.ended(again, invoices.Sent, "250 ok"))
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "step", result(inv, "friendly"), invoices.Sent)
	stored, err := b.db.Letter(ctx, "letter-1")
	b.must(err)
	if !bytes.Equal(stored.Raw, raw) || stored.Try != 2 || stored.State != invoices.Sent || stored.Reply != "250 ok" {
		b.Errorf("stored: %+v", stored)
	}
	if _, err := b.db.Begin(ctx, a, again); err == nil {
		b.Error("a letter that was sent was started again")
	}
}

func withdrawn(b *bench) {
	a := b.debtor("INV-1")
	start := b.started(a, "letter-1", "friendly", "INV-1")
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Resend, "no answer; the policy says once more"))
	a = b.end(a, b.ended(start, invoices.Skipped, "INV-1 was paid by link"))
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "step", result(inv, "friendly"), invoices.Skipped)
}

func delayed(b *bench) {
	a := b.debtor("INV-1")
	start := b.started(a, "letter-1", "friendly", "INV-1")
	start.Skips = []invoices.Skip{{Invoice: "INV-1", Episode: 1, Step: "upcoming", Why: "superseded by friendly"}}
	a = b.begin(a, start)
	rest := invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: invoices.Remind, Until: b.now.Add(time.Minute), Tries: 1, Why: "451"}}
	a = b.end(a, b.ended(start, invoices.Delayed, "451 later"), rest)
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "friendly", result(inv, "friendly"), "")
	want(b, "upcoming", result(inv, "upcoming"), invoices.Skipped)
	b.release(a, invoices.Decision{At: b.now.Add(time.Minute)})
	b.wait(20 * 24 * time.Hour) // older than what counts for pacing
	a = b.claim()
	want(b, "tries of the letter", a.Letters[0].Try, 1)
	again := b.started(a, "letter-1", "friendly", "INV-1")
	again.Skips, again.Letter.Raw = start.Skips, []byte("another amount")
	again.Letter.Digest = digest(again.Letter.Raw)
	if _, err := b.db.Begin(ctx, a, again); err == nil {
		b.Error("a delayed letter was started again as the same try")
	}
	again.Letter.Try = 2
	a = b.begin(a, again)
	a = b.end(a, b.ended(again, invoices.Sent, "250 ok"))
	then, inv = b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "friendly", result(inv, "friendly"), invoices.Sent)
	want(b, "rest", inv.Rest, invoices.Rest{})
	stored, err := b.db.Letter(ctx, "letter-1")
	b.must(err)
	want(b, "bytes", string(stored.Raw), "another amount")
}

func suppressed(b *bench) {
	a := b.debtor("INV-1")
	a = b.end(a, invoices.AddressRefused{Address: a.Email, Why: "550 no such user", At: b.now})
	then, _ := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "suppressed", then.Suppressed, "acme@example.com")
}

func oneOutcome(b *bench) {
	a := b.debtor("INV-1", "INV-2", "INV-3")
	start := b.started(a, "letter-1", "firm", "INV-1", "INV-2")
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Failed, "554 no"))
	then, _ := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	for number, r := range map[string]invoices.Result{"INV-1": invoices.Failed, "INV-2": invoices.Failed, "INV-3": ""} {
		want(b, number, result(then.Find(number), "firm"), r)
	}
	about, err := b.db.Letters(ctx, "INV-2")
	b.must(err)
	if len(about) != 1 || about[0].ID != "letter-1" || about[0].Raw != nil || about[0].Subject != "About firm" {
		b.Errorf("letters about INV-2: %+v", about)
	}
	about, err = b.db.Letters(ctx, "INV-3")
	b.must(err)
	want(b, "letters about INV-3", len(about), 0)
	if kinds := strings.Join(b.kinds("INV-2"), " "); kinds != "invoice_added letter_started letter_failed" {
		b.Errorf("events of INV-2: %s", kinds)
	}
}

func leaseOutlasts(b *bench) {
	a := b.debtor("INV-1")
	b.begin(a, b.started(a, "letter-1", "request", "INV-1")) // patience: ten minutes
	b.wait(10*time.Minute + 59*time.Second)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "claims while the server may still answer", len(list), 0)
	b.wait(time.Second)
	b.claim()
}

func unknownLetter(b *bench) {
	b.open()
	if _, err := b.db.Letter(ctx, "nothing"); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("letter: %v, want ErrUnknown", err)
	}
}
