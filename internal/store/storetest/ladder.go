package storetest

import (
	"errors"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

var ladder = []check{
	{"R18_APromiseIsKeptByTheBooks", promiseKept},
	{"R18_APromiseReplacesAnother", promiseReplaced},
	{"R15_ContactsByHandAreRemembered", contacts},
	{"R21_AYesToOneLetter", agreed},
	{"R21_TheFirstLettersOfAnInstallation", tried},
	{"TagsAndThePolicyOfAnInvoice", tags},
}

func promiseKept(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	b.release(a, invoices.Decision{})
	p := invoices.Promise{Amount: 5000, On: civil.Date{Year: 2026, Month: time.May, Day: 29}, Open: 12000, At: b.now, By: "Ada"}
	b.must(b.db.Promise(ctx, "INV-1", p, "spoke to Ms Vos", b.now))
	then := b.claim() // due, and decided anew
	want(b, "version", then.Version, a.Version+1)
	want(b, "promise", then.Find("INV-1").Promise, p)
	want(b, "of the other", then.Find("INV-2").Promise, invoices.Promise{})
	b.release(then, invoices.Decision{})
	b.wait(time.Hour)
	r := row("acme", "INV-1")
	r.Paid = 4999
	b.tell(r)
	_, inv := b.lookup("INV-1")
	want(b, "kept by too little", inv.Promise.Kept.IsZero(), true)
	b.wait(time.Hour)
	kept := b.now
	r.Paid = 5000
	b.tell(r)
	_, inv = b.lookup("INV-1")
	want(b, "kept", inv.Promise.Kept, kept)
	b.wait(time.Hour)
	r.Paid = 5100
	b.tell(r)
	_, inv = b.lookup("INV-1")
	want(b, "kept once", inv.Promise.Kept, kept)
	want(b, "events", b.kinds("INV-1"), []string{"invoice_added", "promise", "invoice_changed", "invoice_changed", "promise_kept", "invoice_changed"})
}

func promiseReplaced(b *bench) {
	a := b.debtor("INV-1")
	b.release(a, invoices.Decision{})
	p := invoices.Promise{Amount: 12000, On: civil.Date{Year: 2026, Month: time.May, Day: 29}, Open: 12000, At: b.now, By: "Ada"}
	b.must(b.db.Promise(ctx, "INV-1", p, "", b.now))
	b.wait(time.Hour)
	p.On, p.At, p.By = p.On.AddDays(7), b.now, "Bob"
	b.must(b.db.Promise(ctx, "INV-1", p, "", b.now))
	_, inv := b.lookup("INV-1")
	want(b, "promise", inv.Promise, p)
	there, err := b.db.Unpromise(ctx, "INV-1", "Bob", "they will not pay", b.now)
	b.must(err)
	want(b, "withdrawn", there, true)
	there, err = b.db.Unpromise(ctx, "INV-1", "Bob", "they will not pay", b.now)
	b.must(err)
	want(b, "withdrawn again", there, false)
	_, inv = b.lookup("INV-1")
	want(b, "promise", inv.Promise, invoices.Promise{})
	if err := b.db.Promise(ctx, "INV-9", p, "", b.now); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("a promise about an unknown invoice: %v", err)
	}
	for _, p := range []invoices.Promise{{On: p.On}, {Amount: 1}} {
		if err := b.db.Promise(ctx, "INV-1", p, "", b.now); err == nil {
			b.Errorf("a promise of nothing was taken: %+v", p)
		}
	}
}

func contacts(b *bench) {
	a := b.debtor("INV-1")
	b.release(a, invoices.Decision{})
	old := b.now.Add(-30 * 24 * time.Hour)
	b.must(b.db.Contacted(ctx, "acme", store.Contact{At: old, Channel: "letter", By: "Ada"}, b.now))
	b.must(b.db.Contacted(ctx, "acme", store.Contact{At: b.now, Channel: "phone", By: "Ada", Note: "will look"}, b.now))
	then := b.claim()
	want(b, "contacts that still count", then.Contacts, []time.Time{b.now})
	want(b, "version", then.Version, a.Version+2)
	want(b, "all are in the books", b.kinds("INV-1"), []string{"invoice_added", "contacted", "contacted"})
	if err := b.db.Contacted(ctx, "nobody", store.Contact{At: b.now, Channel: "phone"}, b.now); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("an unknown customer was spoken to: %v", err)
	}
}

func agreed(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	b.release(a, invoices.Decision{Person: true})
	yes := invoices.Approval{Episode: 1, Step: "final", Amount: money.Amount{Minor: 12000, Currency: "EUR"}, By: "Ada"}
	b.must(b.db.Agree(ctx, "INV-1", yes, b.now))
	then := b.claim()
	yes.At = b.now
	want(b, "approved", then.Find("INV-1").Approved, []invoices.Approval{yes})
	want(b, "of the other", len(then.Find("INV-2").Approved), 0)
	b.release(then, invoices.Decision{})
	b.wait(time.Hour)
	r := row("acme", "INV-1")
	r.Description = "corrected"
	b.tell(r)
	_, inv := b.lookup("INV-1")
	want(b, "an import keeps it", inv.Approved, []invoices.Approval{yes})
}

func tried(b *bench) {
	a := b.debtor("INV-1")
	ever := func(what string, is bool) {
		b.Helper()
		got, err := b.db.Tried(ctx)
		b.must(err)
		want(b, what, got, is)
	}
	ever("nothing was sent yet", false)
	p := invoices.NewPlan("email-links", [][]invoices.Item{{{Invoice: "INV-1", Episode: 1, Step: "request", Amount: a.Invoices[0].Open()}}}, 0, b.now)
	b.must(b.db.Propose(ctx, p))
	ever("a plan waits", false)
	list, err := b.db.Proposed(ctx)
	b.must(err)
	want(b, "what waits", list, []invoices.Plan{{ID: p.ID, Job: "email-links", At: b.now, Letters: 1}})
	stored, err := b.db.Plan(ctx, p.ID)
	b.must(err)
	want(b, "the plan", stored, p)
	_, err = b.db.Approve(ctx, p.ID, "Ada", b.now)
	b.must(err)
	ever("it was approved", true)
	list, err = b.db.Proposed(ctx)
	b.must(err)
	want(b, "nothing waits", len(list), 0)
	if _, err := b.db.Plan(ctx, "0123456789"); !errors.Is(err, store.ErrUnknown) {
		b.Errorf("a plan that nobody made: %v", err)
	}
}

func tags(b *bench) {
	b.open()
	r := row("acme", "INV-1")
	r.Tags, r.Policy = []string{"retail", "vip"}, "gentle"
	b.tell(r, row("acme", "INV-2"))
	a, inv := b.lookup("INV-1")
	want(b, "tags", inv.Tags, r.Tags)
	want(b, "policy", inv.Policy, "gentle")
	want(b, "of the other", a.Find("INV-2").Tags == nil && a.Find("INV-2").Policy == "", true)
	b.wait(time.Minute)
	r.Tags = []string{"vip"}
	want(b, "another tag is a change", b.tell(r).Changed, 1)
	events, err := b.db.Events(ctx, "INV-1", 10)
	b.must(err)
	want(b, "event", events[len(events)-1].Detail, `tags ["vip"], were ["retail" "vip"]`)
	want(b, "the same tags are none", b.tell(r).Unchanged, 1)
}
