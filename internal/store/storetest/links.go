package storetest

import (
	"errors"
	"slices"
	"time"

	"dunning/internal/money"
	"dunning/invoices"
)

var links = []check{
	{"R10_OneLiveLinkPerInvoiceAndAmount", oneLiveLink},
	{"R10_ALinkThatComesBackIsWrittenDown", linkComesBack},
	{"R02_AWantedLinkIsLostWhenAnotherIsWanted", wantedIsLost},
	{"ALinkNotMadeIsAskedForAgain", notMadeAgain},
	{"NamesOfLinksAreUnique", uniqueNames},
	{"R03_PaidStaysPaid", paidStaysPaid},
	{"ALinkSeenEndsTheRestFromLinks", seenEndsRest},
	{"LinksAreWatchedUntilFinal", watchedUntilFinal},
	{"ARumourMakesUsForget", rumour},
	{"ARumourOutweighsAnOlderAnswer", rumourOutweighs},
}

func oneLiveLink(b *bench) {
	a := b.debtor("INV-1")
	a = b.linked(a, "INV-1", 1)
	inv := a.Find("INV-1")
	second := b.wanted(inv, 2, 12000)
	if _, err := b.db.Begin(ctx, a, second); err == nil || errors.Is(err, invoices.ErrStale) {
		b.Fatalf("a second live link for the same amount: %v, want a refusal", err)
	}
	then, now := b.lookup("INV-1")
	sameAccount(b, "a refused intent changes nothing", then, a)
	want(b, "links", len(now.Links), 1)

	// Another amount is another link, beside the first.
	a = b.begin(a, b.wanted(inv, 2, 6000))
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(2), invoices.New))
	// One that ended, or whose attempts are used up, makes room.
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Expired))
	a = b.begin(a, b.wanted(inv, 3, 12000))
	tired := b.seen("INV-1", *a.Find("INV-1").Link(3), invoices.Rejected)
	tired.Link.Attempts = invoices.MaxAttempts
	a = b.end(a, tired)
	a = b.begin(a, b.wanted(inv, 4, 12000))
	want(b, "links", len(a.Find("INV-1").Links), 4)

	// A key of its own has links of its own.
	other := b.wanted(inv, 5, 6000)
	other.Link.Key = "live:9f9f"
	b.begin(a, other)
}

// linkComesBack: the provider had forgotten a link, a person said go on, another
// was made; then the first is known again. That is a fact, and no key stands in
// its way.
func linkComesBack(b *bench) {
	a := b.debtor("INV-1")
	a = b.linked(a, "INV-1", 1)
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Missing))
	a = b.linked(a, "INV-1", 2)
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.New))
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "the first", inv.Link(1).State, invoices.New)
	want(b, "the second", inv.Link(2).State, invoices.New)
}

func wantedIsLost(b *bench) {
	sleeper := b.debtor("INV-1")
	sleeper = b.begin(sleeper, b.wanted(sleeper.Find("INV-1"), 1, 12000)) // and then nothing more is heard
	b.wait(2 * time.Minute)
	a := b.claim()
	a = b.linked(a, "INV-1", 2)
	want(b, "the first", a.Find("INV-1").Link(1).State, invoices.Lost)
	b.release(a, invoices.Decision{})

	// Its answer comes after all. It is kept, and stays given up.
	b.wait(time.Minute)
	if _, err := b.db.End(ctx, sleeper, b.seen("INV-1", *sleeper.Find("INV-1").Link(1), invoices.New)); !errors.Is(err, invoices.ErrLost) {
		b.Errorf("end: %v, want ErrLost", err)
	}
	_, inv := b.lookup("INV-1")
	want(b, "the first", inv.Link(1).State, invoices.Lost)
	want(b, "its id", inv.Link(1).Remote, "remote-INV-1-L1")
	want(b, "the second", inv.Link(2).State, invoices.New)
	b.claim() // the account is due: somebody must look at what was learned
	want(b, "events", b.kinds("INV-1"), []string{"invoice_added", "link_wanted", "link_lost", "link_wanted", "link_new", "link_lost"})
}

func notMadeAgain(b *bench) {
	a := b.debtor("INV-1")
	a = b.begin(a, b.wanted(a.Find("INV-1"), 1, 12000))
	unmade := b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Unmade)
	unmade.Link.Remote, unmade.Link.URL, unmade.Link.Seen, unmade.Link.Expires = "", "", time.Time{}, time.Time{}
	a = b.end(a, unmade)
	b.wait(time.Minute)
	again := b.wanted(a.Find("INV-1"), 1, 9000) // half was paid meanwhile
	again.Link.Hook = "another hook"
	a = b.begin(a, again)
	then, inv := b.lookup("INV-1")
	sameAccount(b, "reload", then, a)
	want(b, "links", len(inv.Links), 1)
	want(b, "amount", inv.Links[0].Amount, money.Amount{Minor: 9000, Currency: "EUR"})
	if _, err := b.db.Begin(ctx, a, b.wanted(inv, 1, 9000)); err == nil {
		b.Error("a link that is wanted was wanted again under its name")
	}
}

func uniqueNames(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	a = b.linked(a, "INV-1", 1)
	for _, tt := range []struct {
		says   string
		change func(*invoices.Link)
	}{
		{"two links with one reference", func(l *invoices.Link) { l.Ref = "INV-1-L1" }},
		{"two links with one webhook path", func(l *invoices.Link) { l.Hook = "hook-INV-1-1" }},
		{"a link for nothing", func(l *invoices.Link) { l.Amount.Minor = 0 }},
		{"a link for less than nothing", func(l *invoices.Link) { l.Amount.Minor = -1 }},
	} {
		c := b.wanted(a.Find("INV-2"), 1, 12000)
		tt.change(&c.Link)
		if _, err := b.db.Begin(ctx, a, c); err == nil {
			b.Errorf("%s was stored", tt.says)
		}
	}
	c := b.wanted(a.Find("INV-2"), 1, 12000)
	c.Link.Hook = ""
	a = b.begin(a, c)
	c = b.wanted(a.Find("INV-2"), 2, 6000)
	c.Link.Hook = "" // links without a webhook do not get in each other's way
	b.begin(a, c)
}

// paidStaysPaid: what a sleeper learned before is old news.
func paidStaysPaid(b *bench) {
	a := b.debtor("INV-1")
	sleeper := b.linked(a, "INV-1", 1)
	stale := b.seen("INV-1", *sleeper.Find("INV-1").Link(1), invoices.New)
	stale.Link.Attempts = 3
	b.wait(2 * time.Minute)
	a = b.claim()
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Trying))
	if _, err := b.db.End(ctx, sleeper, stale); !errors.Is(err, invoices.ErrLost) {
		b.Fatalf("end: %v, want ErrLost", err)
	}
	_, inv := b.lookup("INV-1")
	want(b, "a later look outweighs an earlier one", inv.Link(1).State, invoices.Trying)

	// The account has changed, so this worker's next fact is about an old one.
	paid := b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Completed)
	paid.Link.Booked = 100
	b.end(a, paid)
	stale.Link.Seen = b.now.Add(time.Minute)
	if _, err := b.db.End(ctx, sleeper, stale); !errors.Is(err, invoices.ErrLost) {
		b.Fatalf("end: %v, want ErrLost", err)
	}
	_, inv = b.lookup("INV-1")
	want(b, "state", inv.Link(1).State, invoices.Completed)
	want(b, "booked", inv.Link(1).Booked, 100)
}

func seenEndsRest(b *bench) {
	a := b.debtor("INV-1")
	a = b.linked(a, "INV-1", 1)
	rest := func(act invoices.Act) invoices.Rested {
		return invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: act, Until: b.now.Add(time.Hour), Tries: 2, Why: "no answer"}}
	}
	a = b.end(a, rest(invoices.RenewLink))
	_, inv := b.lookup("INV-1")
	want(b, "rest", inv.Rest, rest(invoices.RenewLink).Rest)
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.New))
	_, inv = b.lookup("INV-1")
	want(b, "rest after a look", inv.Rest, invoices.Rest{})
	a = b.end(a, rest(invoices.Remind))
	b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.New))
	_, inv = b.lookup("INV-1")
	want(b, "rest from letters after a look at a link", inv.Rest.Tries, 2)
}

// watchedUntilFinal: a paid invoice is loaded as long as somebody may still pay
// by one of its links.
func watchedUntilFinal(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	a = b.linked(a, "INV-1", 1)
	expires := a.Find("INV-1").Link(1).Expires
	b.release(a, invoices.Decision{})
	paid := row("acme", "INV-1")
	paid.Paid = paid.Total.Minor
	b.tell(paid)
	loaded := func() bool {
		a := b.claim()
		b.release(a, invoices.Decision{At: b.now})
		return a.Find("INV-1") != nil
	}
	if !loaded() {
		b.Fatal("a paid invoice with a live link is not loaded")
	}
	for _, tt := range []struct {
		says  string
		at    time.Time
		state invoices.LinkState
		want  bool
	}{
		{"expired a moment ago: a slow bank may still pay", expires, invoices.Expired, true},
		{"not even three days have passed", expires.Add(72*time.Hour - time.Microsecond), invoices.Expired, true},
		{"looked at after three days: final", expires.Add(72 * time.Hour), invoices.Expired, false},
	} {
		b.now = tt.at
		a := b.claim()
		_, inv := b.lookup("INV-1")
		a = b.end(a, b.seen("INV-1", *inv.Link(1), tt.state))
		b.release(a, invoices.Decision{At: b.now})
		want(b, tt.says, loaded(), tt.want)
	}
}

func rumour(b *bench) {
	a := b.debtor("INV-1")
	a = b.linked(a, "INV-1", 1)
	b.release(a, invoices.Decision{})
	before, _ := b.lookup("INV-1")
	for _, forged := range []string{"hook-INV-1-2", "", "'; --"} {
		known, err := b.db.Rumour(ctx, forged, b.now)
		b.must(err)
		if known {
			b.Errorf("%q is known", forged)
		}
	}
	after, _ := b.lookup("INV-1")
	sameAccount(b, "after forged calls", after, before)
	b.wait(time.Minute)
	known, err := b.db.Rumour(ctx, "hook-INV-1-1", b.now)
	b.must(err)
	want(b, "known", known, true)
	a = b.claim()
	l := a.Find("INV-1").Link(1)
	want(b, "seen", l.Seen, time.Time{})
	want(b, "state", l.State, invoices.New)
	if a.Version != before.Version+1 {
		b.Errorf("version %d, was %d", a.Version, before.Version)
	}
}

// rumourOutweighs: a webhook arrives after we have asked and before the answer
// is written down. The answer may be older than what the webhook is about.
func rumourOutweighs(b *bench) {
	a := b.debtor("INV-1")
	a = b.linked(a, "INV-1", 1)
	answer := b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.New)
	_, err := b.db.Rumour(ctx, "hook-INV-1-1", b.now)
	b.must(err)
	a = b.end(a, answer)
	want(b, "seen", a.Find("INV-1").Link(1).Seen, time.Time{})
	then, _ := b.lookup("INV-1")
	sameAccount(b, "what End returns is what is stored", then, a)
	a = b.end(a, b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Completed))
	want(b, "seen", a.Find("INV-1").Link(1).Seen, b.now)
	if !slices.Contains(b.kinds("INV-1"), "webhook") {
		b.Error("the webhook is not in the log")
	}
}
