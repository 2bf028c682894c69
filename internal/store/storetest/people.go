package storetest

import (
	"errors"
	"fmt"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

var people = []check{
	{"R18_AHoldOfAnInvoice", holdInvoice},
	{"R18_AHoldOfAnAccount", holdAccount},
	{"R18_LiftForgivesAndClosesIncidents", lifts},
	{"R02_APersonSettlesADoubt", settles},
	{"R24_AnotherConfigurationWakesEverybody", wakes},
	{"WhoIsUnknownCannotBeDecidedAbout", unknownTargets},
}

func holdInvoice(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	b.release(a, invoices.Decision{})
	until := b.now.AddDate(0, 0, 7)
	to := store.Target{Invoice: "INV-1"}
	b.must(b.db.Hold(ctx, to, invoices.Hold{Reason: "promise", By: "Ada", Until: until}, b.now))
	a = b.claim()
	want(b, "hold", a.Find("INV-1").Hold, invoices.Hold{Reason: "promise", By: "Ada", Until: until})
	want(b, "of the other", a.Find("INV-2").Hold, invoices.Hold{})
	b.must(b.db.Hold(ctx, to, invoices.Hold{Reason: "dispute", By: "Bob"}, b.now)) // in place of the first
	_, inv := b.lookup("INV-1")
	want(b, "hold", inv.Hold, invoices.Hold{Reason: "dispute", By: "Bob"})
	if err := b.db.Hold(ctx, to, invoices.Hold{By: "Ada"}, b.now); err == nil {
		b.Error("a hold without a reason was taken")
	}
	b.must(b.db.Lift(ctx, to, "Ada", "settled", b.now))
	_, inv = b.lookup("INV-1")
	want(b, "hold", inv.Hold, invoices.Hold{})
	want(b, "released", inv.Released, b.now)
	events, err := b.db.Events(ctx, "INV-1", 10)
	b.must(err)
	last := events[len(events)-1]
	want(b, "last event", []string{last.Kind, last.Actor, last.Detail}, []string{"release", "Ada", "settled (holds ended: 1, incidents closed: 0)"})
}

func holdAccount(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	b.release(a, invoices.Decision{})
	to := store.Target{Account: "acme"}
	b.must(b.db.Hold(ctx, to, invoices.Hold{Reason: "vip", By: "Ada"}, b.now))
	then := b.claim()
	want(b, "hold", then.Hold, invoices.Hold{Reason: "vip", By: "Ada"})
	want(b, "version", then.Version, a.Version+1)
	b.release(then, invoices.Decision{})
	b.must(b.db.Lift(ctx, to, "Ada", "no longer", b.now))
	then = b.claim()
	want(b, "hold", then.Hold, invoices.Hold{})
	want(b, "released", then.Find("INV-2").Released, b.now)
	want(b, "events of an invoice tell of its account", b.kinds("INV-2"), []string{"invoice_added", "hold", "release"})
}

func lifts(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	for _, n := range []string{"INV-1", "INV-2"} {
		a = b.end(a, invoices.Incident{Invoice: n, Kind: invoices.DoublePayment, Key: "1+2", Detail: "two links were paid", At: b.now})
	}
	a = b.end(a, invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: invoices.Email, Tries: 3, Why: "554"}})
	b.release(a, invoices.Decision{})
	b.must(b.db.Lift(ctx, store.Target{Account: "acme"}, "Ada", "go on", b.now))
	list, err := b.db.Incidents(ctx)
	b.must(err)
	want(b, "incidents after lifting the account", len(list), 2)
	b.must(b.db.Lift(ctx, store.Target{Invoice: "INV-1"}, "Ada", "paid back", b.now))
	list, err = b.db.Incidents(ctx)
	b.must(err)
	want(b, "incidents", list, []store.Incident{{Invoice: "INV-2", Kind: invoices.DoublePayment, Key: "1+2", Detail: "two links were paid", At: b.now}})
	_, inv := b.lookup("INV-1")
	want(b, "rest", inv.Rest, invoices.Rest{})

	// The same incident again is the same: it was closed, and stays so.
	a = b.claim()
	b.end(a, invoices.Incident{Invoice: "INV-1", Kind: invoices.DoublePayment, Key: "1+2", Detail: "told again", At: b.now})
	list, err = b.db.Incidents(ctx)
	b.must(err)
	want(b, "incidents", len(list), 1)
}

func settles(b *bench) {
	for _, tt := range []struct {
		says string
		was  invoices.Result
		as   invoices.Result
	}{
		{"it arrived", invoices.Uncertain, invoices.Sent},
		{"it did not: once more", invoices.Uncertain, invoices.Resend},
		{"let it be", invoices.Uncertain, invoices.Skipped},
		{"a refused one, once more", invoices.Failed, invoices.Resend},
		{"a refused one, let it be", invoices.Failed, invoices.Skipped},
		{"it surely did not: written anew", invoices.Uncertain, invoices.Delayed},
	} {
		b.url, b.db = "", nil
		a := b.debtor("INV-1", "INV-2")
		start := b.started(a, "letter-1", "firm", "INV-1", "INV-2")
		a = b.begin(a, start)
		a = b.end(a, b.ended(start, tt.was, "?"))
		b.release(a, invoices.Decision{Person: true})
		b.wait(time.Hour)
		b.must(b.db.Settle(ctx, "INV-2", tt.as, "Ada", "looked", b.now))
		then := b.claim() // due
		for _, n := range []string{"INV-1", "INV-2"} {
			want := tt.as
			if want == invoices.Delayed { // the step is free
				want = ""
			}
			if got := result(then.Find(n), "firm"); got != want {
				b.Errorf("%s: the step of %s is %s", tt.says, n, got)
			}
		}
		want(b, tt.says+": letter", then.Letters[0].State, tt.as)
		want(b, tt.says+": event", b.kinds("INV-1")[3], "settled")
		if tt.as != invoices.Resend {
			before, _ := b.lookup("INV-1")
			if err := b.db.Settle(ctx, "INV-1", tt.as, "Ada", "again", b.now); err == nil {
				b.Errorf("%s: settled twice", tt.says)
			}
			after, _ := b.lookup("INV-1")
			sameAccount(b, "a refused decision changes nothing", after, before)
		}
	}
	for _, as := range []invoices.Result{invoices.Sending, invoices.Uncertain, invoices.Failed, ""} {
		if err := b.db.Settle(ctx, "INV-1", as, "Ada", "", b.now); err == nil {
			b.Errorf("a letter was settled as %q", as)
		}
	}
}

func wakes(b *bench) {
	b.open()
	var rows []invoices.Row
	const n = 1100 // more than one transaction
	for i := range n {
		rows = append(rows, row(fmt.Sprintf("a%04d", i), fmt.Sprint("INV-", i)))
	}
	settled := row("settled", "PAID")
	settled.Status = invoices.Paid
	b.tell(append(rows, settled)...)
	q := b.query()
	q.Limit = n + 1
	list, err := b.db.Claim(ctx, q)
	b.must(err)
	want(b, "accounts", len(list), n+1)
	b.must(b.db.Wake(ctx, "hash-0", b.now))
	for i, a := range list {
		if i == 0 {
			a = b.end(a, invoices.Rested{Invoice: "INV-0", At: b.now, Rest: invoices.Rest{Act: invoices.MakeLink, Tries: 1, Why: "no such method"}})
		}
		b.release(a, invoices.Decision{})
	}
	b.must(b.db.Wake(ctx, "hash-1", b.now))
	list = nil
	for { // page by page
		some, err := b.db.Claim(ctx, q)
		b.must(err)
		if list = append(list, some...); len(some) == 0 {
			break
		}
	}
	want(b, "woken", len(list), n)
	_, inv := b.lookup("INV-0")
	want(b, "rest", inv.Rest, invoices.Rest{})
	b.wait(2 * time.Minute)
	version := list[1].Version
	b.must(b.db.Wake(ctx, "hash-1", b.now)) // the same: nobody is disturbed
	a, _ := b.lookup("INV-1")
	want(b, "version", a.Version, version)
}

func unknownTargets(b *bench) {
	b.open()
	for _, to := range []store.Target{{Invoice: "nothing"}, {Account: "nobody"}, {}} {
		for what, err := range map[string]error{
			"hold":   b.db.Hold(ctx, to, invoices.Hold{Reason: "vip"}, b.now),
			"lift":   b.db.Lift(ctx, to, "Ada", "", b.now),
			"settle": b.db.Settle(ctx, to.Invoice, invoices.Sent, "Ada", "", b.now),
		} {
			if !errors.Is(err, store.ErrUnknown) {
				b.Errorf("%s of %+v: %v, want ErrUnknown", what, to, err)
			}
		}
	}
	if _, err := b.db.Lookup(ctx, "nothing"); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("lookup: %v, want ErrUnknown", err)
	}
}
