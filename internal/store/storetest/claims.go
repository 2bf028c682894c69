package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

var claims = []check{
	{"ClaimTakesTheLongestDueFirst", longestDueFirst},
	{"ClaimTakesOnlyActsAskedFor", onlyActsAskedFor},
	{"ClaimReturnsTheAccountWhole", wholeAccount},
	{"R01_TwoClaimersNeverShareAnAccount", neverShare},
	{"R02_ALeaseEndsByItself", leaseEnds},
	{"ClaimOfOneAccount", claimOfOne},
	{"ReleaseRemembersWhatNextSaid", releaseRemembers},
	{"ReleaseAfterAChangeIsDueAtOnce", releaseAfterChange},
	{"ReleaseOfALostLease", releaseOfLost},
	{"ReleaseWithFacts", releaseWithFacts},
	{"ReleaseWithFactsAfterAChange", releaseWithFactsAfterChange},
	{"ReleaseWithFactsOfALostLease", releaseWithFactsOfLost},
	{"ACancelledClaimSaysSo", cancelledClaim},
}

// due makes accounts a0, a1 … that fall due one minute after the other.
func (b *bench) due(n int) {
	b.Helper()
	b.open()
	at := b.now
	for i := range n {
		b.now = at.Add(time.Duration(i) * time.Minute)
		b.tell(row(fmt.Sprintf("a%d", i), fmt.Sprintf("INV-%d", i)))
	}
}

func ids(list []invoices.Account) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.ID)
	}
	return out
}

func longestDueFirst(b *bench) {
	b.due(5)
	q := b.query()
	q.Limit = 2
	list, err := b.db.Claim(ctx, q)
	b.must(err)
	want(b, "first claim", ids(list), []string{"a0", "a1"})
	q.Now, q.Limit = b.now.Add(-time.Minute), 10 // a4 is not due yet
	list, err = b.db.Claim(ctx, q)
	b.must(err)
	want(b, "second claim", ids(list), []string{"a2", "a3"})
	list, err = b.db.Claim(ctx, q)
	b.must(err)
	want(b, "third claim", len(list), 0)
}

func onlyActsAskedFor(b *bench) {
	b.due(2)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	b.release(list[0], invoices.Decision{Act: invoices.Email})
	b.release(list[1], invoices.Decision{Act: invoices.Check})
	for _, tt := range []struct {
		says string
		acts []invoices.Act
		want []string
	}{
		{"a job that may look and mail takes what waits for a mail", []invoices.Act{invoices.Idle, invoices.Email}, []string{"a0"}},
		{"a job that may only look finds nothing to look at", []invoices.Act{invoices.Idle}, nil},
		{"a job that may check takes the other", []invoices.Act{invoices.Check}, []string{"a1"}},
		{"a job that may do nothing takes nothing", nil, nil},
	} {
		q := b.query()
		q.Acts = tt.acts
		list, err := b.db.Claim(ctx, q)
		b.must(err)
		want(b, tt.says, ids(list), tt.want)
	}
}

// wholeAccount: what is owed, what is paid but has a link that is not final or
// a step that is not settled; and nothing else.
func wholeAccount(b *bench) {
	a := b.debtor("OPEN", "PAID", "LINKED", "DOUBTED", "DRAFT")
	a = b.linked(a, "LINKED", 1)
	start := b.started(a, "letter-1", "request", "DOUBTED")
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Uncertain, "no answer"))
	b.release(a, invoices.Decision{})
	paid := func(n string) invoices.Row { r := row("acme", n); r.Paid = r.Total.Minor; return r }
	draft := row("acme", "DRAFT")
	draft.Status = invoices.Unissued
	b.wait(time.Minute)
	b.tell(paid("PAID"), paid("LINKED"), paid("DOUBTED"), draft)
	a = b.claim()
	var numbers []string
	for _, inv := range a.Invoices {
		numbers = append(numbers, inv.Number)
	}
	want(b, "invoices", numbers, []string{"DOUBTED", "LINKED", "OPEN"})
	want(b, "letters", len(a.Letters), 1)
	inv := a.Find("OPEN")
	want(b, "the invoice", *inv, invoices.Invoice{
		Number: "OPEN", Status: invoices.Open, Total: inv.Total, IssuedOn: row("", "").IssuedOn, DueOn: row("", "").DueOn,
		Description: "work", Source: "erp", Known: b.now, Episode: 1,
	})
	if a.Zone.String() != "Europe/Amsterdam" || a.Name != "The acme" || a.Country != "NL" || a.Language != "nl" {
		b.Errorf("the debtor is %+v", a)
	}
	want(b, "copies", a.CC, []string{"cc@example.com"})

	// Three weeks later the letter counts for pacing no more, but its doubt does.
	b.release(a, invoices.Decision{})
	b.must(b.db.Settle(ctx, "DOUBTED", invoices.Sent, "Ada", "it is in the log", b.now))
	b.wait(20 * 24 * time.Hour)
	a = b.claim()
	want(b, "old letters", len(a.Letters), 0)
}

func neverShare(b *bench) {
	b.open()
	const n = 60
	var rows []invoices.Row
	for i := range n {
		rows = append(rows, row(fmt.Sprint("a", i), fmt.Sprint("INV-", i)))
	}
	b.tell(rows...)
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken := map[string]int{}
	var errs []error
	for range 6 {
		wg.Go(func() {
			for {
				q := b.query()
				q.Limit = 7
				list, err := b.db.Claim(ctx, q)
				mu.Lock()
				errs = append(errs, err)
				for _, a := range list {
					taken[a.ID]++
				}
				mu.Unlock()
				if err != nil || len(list) == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	b.must(errors.Join(errs...))
	want(b, "accounts taken", len(taken), n)
	for id, times := range taken {
		if times != 1 {
			b.Errorf("%s was taken %d times", id, times)
		}
	}
}

func leaseEnds(b *bench) {
	first := b.debtor("INV-1")
	b.wait(59 * time.Second)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "claims within the lease", len(list), 0)
	b.wait(time.Second)
	second := b.claim()
	if second.Lease == first.Lease || second.Version != first.Version {
		b.Errorf("a claim has a lease of its own and changes nothing: %q, %q; versions %d, %d", first.Lease, second.Lease, first.Version, second.Version)
	}
	inv := first.Find("INV-1")
	if _, err := b.db.Begin(ctx, first, b.wanted(inv, 1, 12000)); !errors.Is(err, invoices.ErrStale) {
		b.Errorf("begin after the lease is another's: %v, want ErrStale", err)
	}
}

func claimOfOne(b *bench) {
	b.due(2)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	for _, a := range list {
		b.release(a, invoices.Decision{}) // nothing before something changes
	}
	list, err = b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "due accounts", len(list), 0)
	q := invoices.Query{Now: b.now, Lease: time.Minute, Limit: 10, Invoice: "INV-1"}
	list, err = b.db.Claim(ctx, q)
	b.must(err)
	want(b, "by invoice, though not due", ids(list), []string{"a1"})
	list, err = b.db.Claim(ctx, q)
	b.must(err)
	want(b, "again, while leased", len(list), 0)
	list, err = b.db.Claim(ctx, invoices.Query{Now: b.now, Lease: time.Minute, Account: "a0"})
	b.must(err)
	want(b, "by id", ids(list), []string{"a0"})
	for _, q := range []invoices.Query{{Now: b.now, Account: "nobody"}, {Now: b.now, Invoice: "nothing"}} {
		if _, err := b.db.Claim(ctx, q); !errors.Is(err, store.ErrUnknown) {
			b.Errorf("%+v: %v, want ErrUnknown", q, err)
		}
	}
	b.wait(2 * time.Minute) // both workers died: the accounts are looked at again
	list, err = b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "after their leases", len(list), 2)
}

func releaseRemembers(b *bench) {
	a := b.debtor("INV-1")
	next := func() (time.Time, bool) {
		at, any, err := b.db.NextDue(ctx)
		b.must(err)
		return at, any
	}
	later := b.now.Add(90*time.Minute + 123456*time.Microsecond)
	b.release(a, invoices.Decision{At: later, Code: invoices.CodeWaiting, Why: "next step: request"})
	at, _ := next()
	want(b, "due", at, later)
	b.now = later.Add(-time.Microsecond)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "a microsecond early", len(list), 0)
	b.now = later
	a = b.claim()
	b.release(a, invoices.Decision{Act: invoices.MakeLink})
	at, _ = next()
	want(b, "an act is due at once", at, b.now)
	a = b.claim()
	b.release(a, invoices.Decision{Code: invoices.CodeHold, Person: true})
	if _, any := next(); any {
		b.Error("an account that waits for a change is due")
	}
	st, err := b.db.Stats(ctx, b.now)
	b.must(err)
	want(b, "people", st.People, 1)
}

func releaseAfterChange(b *bench) {
	a := b.debtor("INV-1")
	b.wait(time.Second)
	b.must(b.db.Hold(ctx, store.Target{Invoice: "INV-1"}, invoices.Hold{Reason: "dispute", By: "Ada"}, b.now))
	b.release(a, invoices.Decision{At: b.now.AddDate(0, 1, 0)})
	again := b.claim()
	want(b, "hold", again.Find("INV-1").Hold.Reason, "dispute")
}

func releaseOfLost(b *bench) {
	a := b.debtor("INV-1")
	b.wait(2 * time.Minute)
	b.claim()
	if err := b.db.Release(ctx, a, invoices.Decision{}, b.now); !errors.Is(err, invoices.ErrLost) {
		b.Errorf("release: %v, want ErrLost", err)
	}
}

func releaseWithFacts(b *bench) {
	a := b.linked(b.debtor("INV-1"), "INV-1", 1)
	link := *a.Find("INV-1").Link(1)
	incident := invoices.Incident{Invoice: "INV-1", Kind: invoices.PaidAmiss, Key: "k", Detail: "d", At: b.now}
	later := b.now.Add(time.Hour)
	for i, facts := range [][]invoices.Fact{
		{b.seen("INV-1", link, invoices.Trying)},
		{b.seen("INV-1", link, invoices.Rejected), incident}, // which takes a transaction of its own
	} {
		version := a.Version
		b.must(b.db.Release(ctx, a, invoices.Decision{At: later, Code: invoices.CodeWaiting}, b.now, facts...))
		then, inv := b.lookup("INV-1")
		want(b, "version", then.Version, version+1)
		want(b, "link", inv.Link(1).State, []invoices.LinkState{invoices.Trying, invoices.Rejected}[i])
		at, _, err := b.db.NextDue(ctx)
		b.must(err)
		want(b, "due", at, later)
		b.now, later = later, later.Add(time.Hour)
		a = b.claim()
	}
	list, err := b.db.Incidents(ctx)
	b.must(err)
	want(b, "incidents", len(list), 1)
}

func releaseWithFactsAfterChange(b *bench) {
	a := b.linked(b.debtor("INV-1"), "INV-1", 1)
	paid := b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Completed)
	b.wait(time.Second)
	b.must(b.db.Hold(ctx, store.Target{Invoice: "INV-1"}, invoices.Hold{Reason: "dispute", By: "Ada"}, b.now))
	b.must(b.db.Release(ctx, a, invoices.Decision{At: b.now.AddDate(0, 1, 0)}, b.now, paid))
	again := b.claim() // what was decided may not hold
	want(b, "hold", again.Find("INV-1").Hold.Reason, "dispute")
	want(b, "link", again.Find("INV-1").Link(1).State, invoices.Completed)
}

func releaseWithFactsOfLost(b *bench) {
	a := b.linked(b.debtor("INV-1"), "INV-1", 1)
	paid := b.seen("INV-1", *a.Find("INV-1").Link(1), invoices.Completed)
	b.wait(2 * time.Minute)
	other := b.claim()
	if err := b.db.Release(ctx, a, invoices.Decision{At: b.now.AddDate(0, 1, 0)}, b.now, paid); !errors.Is(err, invoices.ErrLost) {
		b.Errorf("release: %v, want ErrLost", err)
	}
	_, inv := b.lookup("INV-1")
	want(b, "the facts are kept", inv.Link(1).State, invoices.Completed)
	want(b, "the lease is the other's", b.db.Release(ctx, other, invoices.Decision{}, b.now), nil)
}

func cancelledClaim(b *bench) {
	b.open()
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := b.db.Claim(stopped, b.query()); !errors.Is(err, context.Canceled) {
		b.Errorf("claim: %v, want context.Canceled", err)
	}
}
