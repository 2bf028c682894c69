package storetest

import (
	"errors"
	"fmt"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

var books = []check{
	{"R25_RunsAreWrittenDown", runs},
	{"R25_StatsTellHowItIsGoing", stats},
	{"R25_TheTimelineOfAnInvoice", timeline},
	{"R21_AWalkSeesWhatIsOpenAndChangesNothing", walks},
	{"R21_AWalkByPattern", walkByPattern},
	{"R21_LookupAlsoFindsWhatIsPaid", lookupPaid},
}

func runs(b *bench) {
	b.open()
	at := b.now
	id, err := b.db.Started(ctx, "poll-links", at, b.now)
	b.must(err)
	b.wait(time.Second)
	again, err := b.db.Started(ctx, "poll-links", at, b.now) // cut off, and begun anew
	b.must(err)
	want(b, "id", again, id)
	b.wait(time.Second)
	b.must(b.db.Ended(ctx, id, b.now, map[string]int{"due": 3, "sent": 2}, nil))
	b.wait(time.Minute)
	bad, err := b.db.Started(ctx, "poll-links", b.now, b.now)
	b.must(err)
	b.must(b.db.Ended(ctx, bad, b.now, nil, errors.New("the key was refused")))
	list, err := b.db.Runs(ctx, 10)
	b.must(err)
	want(b, "runs", list, []store.Run{
		{ID: bad, Job: "poll-links", ScheduledAt: b.now, Worker: "worker-1", StartedAt: b.now, EndedAt: b.now, Counts: map[string]int{}, Error: "the key was refused"},
		{ID: id, Job: "poll-links", ScheduledAt: at, Worker: "worker-1", StartedAt: at.Add(time.Second), EndedAt: at.Add(2 * time.Second), Counts: map[string]int{"due": 3, "sent": 2}},
	})
	st, err := b.db.Stats(ctx, b.now)
	b.must(err)
	want(b, "last success", st.LastSuccess, map[string]time.Time{"poll-links": at.Add(2 * time.Second)})
}

func stats(b *bench) {
	b.due(3)
	st, err := b.db.Stats(ctx, b.now.Add(-time.Minute))
	b.must(err)
	want(b, "due", st.Due, 2)
	want(b, "nobody wants to send yet", st.OldestDue, time.Time{})
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	a := list[0]
	start := b.started(a, "letter-1", "request", a.Invoices[0].Number)
	a = b.begin(a, start)
	a = b.end(a, b.ended(start, invoices.Uncertain, "?"), invoices.Incident{Invoice: a.Invoices[0].Number, Kind: invoices.PaidAmiss, Key: "x", Detail: "y", At: b.now})
	b.release(a, invoices.Decision{Code: invoices.CodeUncertain, Person: true})
	st, err = b.db.Stats(ctx, b.now)
	b.must(err)
	want(b, "stats", st, store.Stats{
		Due: 2, People: 1, Uncertain: 1, Incidents: 1,
		LastSuccess: map[string]time.Time{}, Stale: map[string]time.Time{"erp": b.now},
	})
}

func timeline(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	for i := range 5 {
		b.wait(time.Second)
		a = b.end(a, invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: invoices.Check, Until: b.now, Tries: i + 1, Why: "busy"}})
	}
	events, err := b.db.Events(ctx, "INV-1", 3)
	b.must(err)
	var got []string
	for _, e := range events {
		got = append(got, e.Kind+" "+e.Detail)
		if e.Account != "acme" || e.Invoice != "INV-1" || e.Actor != "worker-1" || e.Config != "cfg" || e.ID == "" {
			b.Errorf("event: %+v", e)
		}
	}
	want(b, "the last three, oldest first", got, []string{"rest check, failure 3: busy", "rest check, failure 4: busy", "rest check, failure 5: busy"})
	want(b, "of the other", b.kinds("INV-2"), []string{"invoice_added"})
	want(b, "of the account", len(b.kinds("acme")), 7)
	want(b, "of nobody", len(b.kinds("nobody")), 0)
}

func walks(b *bench) {
	b.open()
	var rows []invoices.Row
	const n = 1050 // more than two pages
	for i := range n {
		rows = append(rows, row(fmt.Sprintf("a%04d", i), fmt.Sprint("INV-", i)))
	}
	paid := row("a0007", "PAID")
	paid.Status = invoices.Paid
	settled := row("a9999", "SETTLED")
	settled.Status = invoices.Paid
	b.tell(append(rows, paid, settled)...)
	last, seen := "", 0
	b.must(b.db.Walk(ctx, store.Filter{}, b.now, func(a invoices.Account) error {
		if a.ID <= last || len(a.Invoices) != 1 || a.Lease != "" {
			b.Errorf("%s after %s: %+v", a.ID, last, a)
		}
		last = a.ID
		seen++
		return nil
	}))
	want(b, "accounts", seen, n)
	seen = 0
	b.must(b.db.Walk(ctx, store.Filter{}, b.now, func(invoices.Account) error {
		if seen++; seen == 3 {
			return store.ErrEnough
		}
		return nil
	}))
	want(b, "accounts before enough", seen, 3)
	sick := errors.New("sick")
	if err := b.db.Walk(ctx, store.Filter{}, b.now, func(invoices.Account) error { return sick }); !errors.Is(err, sick) {
		b.Errorf("walk: %v, want the caller's own error", err)
	}
	a, _ := b.lookup("INV-8")
	want(b, "version", a.Version, 1)
}

func walkByPattern(b *bench) {
	b.open()
	b.tell(row("acme", "2026-001"), row("acme", "2026-002"), row("beta", "2026-003"), row("gamma", "2027-001"), row("Acme_x", "_%"))
	for _, tt := range []struct {
		f    store.Filter
		want []string
	}{
		{store.Filter{Account: "acme"}, []string{"acme"}},
		{store.Filter{Account: "*a"}, []string{"beta", "gamma"}},
		{store.Filter{Account: "[ab]*"}, []string{"acme", "beta"}},
		{store.Filter{Invoice: "2026-003"}, []string{"beta"}},
		{store.Filter{Invoice: "2026-*"}, []string{"acme", "beta"}},
		{store.Filter{Invoice: "*-001"}, []string{"acme", "gamma"}},
		{store.Filter{Invoice: "*-001", Account: "g*"}, []string{"gamma"}},
		{store.Filter{Invoice: "_%"}, []string{"Acme_x"}},
		{store.Filter{Account: "beta", Invoice: "2027-001"}, nil},
		{store.Filter{Account: "z*"}, nil},
	} {
		var got []string
		b.must(b.db.Walk(ctx, tt.f, b.now, func(a invoices.Account) error { got = append(got, a.ID); return nil }))
		want(b, fmt.Sprintf("%+v", tt.f), got, tt.want)
	}
	for _, f := range []store.Filter{{Account: "nobody"}, {Invoice: "nothing"}} {
		if err := b.db.Walk(ctx, f, b.now, nil); !errors.Is(err, store.ErrUnknown) {
			b.Errorf("%+v: %v, want ErrUnknown", f, err)
		}
	}
	if err := b.db.Walk(ctx, store.Filter{Account: "[a"}, b.now, nil); err == nil {
		b.Error("a broken pattern was taken")
	}
}

func lookupPaid(b *bench) {
	b.open()
	paid := row("acme", "PAID")
	paid.Status = invoices.Paid
	b.tell(row("acme", "INV-1"), paid)
	a, inv := b.lookup("PAID")
	want(b, "status", inv.Status, invoices.Paid)
	want(b, "invoices", len(a.Invoices), 2)
	a, _ = b.lookup("INV-1")
	want(b, "invoices", len(a.Invoices), 1)
}
