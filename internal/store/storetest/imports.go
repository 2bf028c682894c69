package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"dunning/internal/civil"
	"dunning/invoices"
)

var imports = []check{
	{"R12_TheOpenBalanceIsWhatTheBooksSay", openBalance},
	{"R12_UnchangedRowsDisturbNobody", unchangedRows},
	{"R20_EveryStatusIsKept", everyStatus},
	{"R20_AnAddressThatAppearsWakesTheAccount", addressAppears},
	{"R23_MovingTheDueDateBeginsAnEpisode", movedDueDate},
	{"R08_WhatAFullLoadLeavesOutVanishes", vanishes},
	{"R08_AFreshSourceWakesThoseWhoWaitedForIt", freshSource},
	{"TheSameFileAgainOnlyProvesFreshness", sameFile},
	{"R13_AmountsOfEveryCurrencyAndSize", everyAmount},
	{"AnImportIsAllOrNothing", allOrNothing},
	{"AnInvoiceKeepsItsCustomerAndItsSource", keepsCustomer},
	{"ProblemsAreCappedAndNamed", cappedProblems},
	{"ADryRunStoresNothing", dryRun},
	{"ManyRowsInBatches", manyRows},
	{"R16_ZonesInUse", zonesInUse},
	{"R19_WhatFailedForGoodIsTriedAgainAfterAChange", restEnds},
}

// zonesInUse: each zone once, that of the installation first.
func zonesInUse(b *bench) {
	b.open()
	names := func() []string {
		zones, err := b.db.Zones(ctx)
		b.must(err)
		list := []string{}
		for _, z := range zones {
			if z == nil {
				list = append(list, "the installation's")
				continue
			}
			list = append(list, z.String())
		}
		return list
	}
	want(b, "zones of nobody", names(), []string{})
	var rows []invoices.Row
	for i, zone := range []string{"Pacific/Honolulu", "", "America/Anchorage", "Pacific/Honolulu", "", "America/Anchorage"} {
		r := row(fmt.Sprint("a", i), fmt.Sprint("INV-", i))
		r.Customer.Zone = zone
		rows = append(rows, r)
	}
	b.tell(rows...)
	want(b, "zones", names(), []string{"the installation's", "America/Anchorage", "Pacific/Honolulu"})
	b.wait(time.Minute)
	rows[1].Customer.Zone, rows[4].Customer.Zone = "America/Anchorage", "America/Anchorage"
	b.tell(rows...)
	want(b, "zones when nobody is without one", names(), []string{"America/Anchorage", "Pacific/Honolulu"})
}

func openBalance(b *bench) {
	b.open()
	r := row("acme", "INV-1")
	r.Paid, r.Credited = 2000, 500
	report := b.tell(r)
	want(b, "report", report, invoices.Report{Source: "erp", File: "books.csv", Rows: 1, Added: 1})
	_, inv := b.lookup("INV-1")
	want(b, "open", inv.Open().Minor, 9500)
	r.Paid = 12000
	b.wait(time.Minute)
	report = b.tell(r)
	want(b, "changed", report.Changed, 1)
	a, inv := b.lookup("INV-1")
	want(b, "open", inv.Open().Minor, -500)
	want(b, "episode", inv.Episode, 1)
	want(b, "version", a.Version, 2)
	events, err := b.db.Events(ctx, "INV-1", 10)
	b.must(err)
	want(b, "last event", events[1].Detail, "open EUR -5.00, was EUR 95.00")
	want(b, "who", events[1].Actor+" "+events[1].Config, "worker-1 cfg")
}

func unchangedRows(b *bench) {
	a := b.debtor("INV-1", "INV-2")
	b.release(a, invoices.Decision{})
	b.wait(time.Minute)
	changed := row("other", "INV-3")
	report := b.tell(row("acme", "INV-1"), row("acme", "INV-2"), changed)
	want(b, "unchanged", report.Unchanged, 2)
	then, _ := b.lookup("INV-1")
	want(b, "version", then.Version, a.Version)
	want(b, "due", ids([]invoices.Account{b.claim()}), []string{"other"})
	then, inv := b.lookup("INV-1")
	want(b, "known", inv.Known, b.now)
	want(b, "lease", then.Lease, "")
}

func everyStatus(b *bench) {
	b.open()
	var rows []invoices.Row
	statuses := []invoices.Status{"", "draft", "paid", "void", "credited", "disputed", "Teilzahlung ☂"}
	for i, s := range statuses {
		r := row("acme", fmt.Sprint("INV-", i))
		r.Status, r.DueOn = s, civil.Date{}
		rows = append(rows, r)
	}
	b.tell(rows...)
	for i, s := range statuses {
		_, inv := b.lookup(fmt.Sprint("INV-", i))
		if s == "" {
			s = invoices.Open
		}
		want(b, "status", inv.Status, s)
		want(b, "due date", inv.DueOn, civil.Date{})
	}
	want(b, "collectible invoices", len(b.claim().Invoices), 1)
}

func addressAppears(b *bench) {
	b.open()
	r := row("acme", "INV-1")
	r.Customer.Email = ""
	b.tell(r)
	a := b.claim()
	want(b, "email", a.Email, "")
	b.release(a, invoices.Decision{Code: invoices.CodeNoRecipient, Person: true})
	b.wait(time.Minute)
	r.Customer.Email, r.Customer.CC, r.Customer.Zone = "new@example.com", nil, "Pacific/Kiritimati"
	report := b.tell(r)
	want(b, "unchanged", report.Unchanged, 1) // the invoice is, the customer is not
	a = b.claim()
	want(b, "email", a.Email, "new@example.com")
	want(b, "copies", a.CC, nil)
	want(b, "zone", a.Zone.String(), "Pacific/Kiritimati")
	want(b, "events", b.kinds("acme"), []string{"invoice_added", "account_changed"})
}

func movedDueDate(b *bench) {
	b.open()
	b.tell(row("acme", "INV-1"))
	b.now = time.Date(2026, 4, 20, 22, 30, 0, 0, time.UTC) // 21 April in Amsterdam
	for _, tt := range []struct {
		says    string
		due     civil.Date
		episode int
		moved   bool
	}{
		{"to the day it is in Amsterdam: not beyond today", civil.Date{Year: 2026, Month: 4, Day: 21}, 1, false},
		{"back again", civil.Date{Year: 2026, Month: 4, Day: 1}, 1, false},
		{"beyond today: a new episode", civil.Date{Year: 2026, Month: 4, Day: 22}, 2, true},
		{"further still, while it is not overdue: the same", civil.Date{Year: 2026, Month: 5, Day: 22}, 2, true},
		{"earlier: the same", civil.Date{Year: 2026, Month: 4, Day: 2}, 2, true},
	} {
		r := row("acme", "INV-1")
		r.DueOn = tt.due
		b.tell(r)
		_, inv := b.lookup("INV-1")
		if inv.Episode != tt.episode || inv.Moved.IsZero() == tt.moved || inv.DueOn != tt.due {
			b.Errorf("%s: episode %d, moved %s, due %s", tt.says, inv.Episode, inv.Moved, inv.DueOn)
		}
	}
}

func vanishes(b *bench) {
	b.open()
	paid := row("acme", "PAID")
	paid.Status = invoices.Paid
	b.tell(row("acme", "INV-1"), row("acme", "INV-2"), row("other", "INV-3"), paid)
	other := b.load(row("other", "INV-9"))
	other.Source, other.Full = "shop", true
	_, err := b.db.Import(ctx, other, nil, false)
	b.must(err)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	for _, a := range list {
		b.release(a, invoices.Decision{})
	}

	b.wait(time.Minute)
	full := b.load(row("acme", "INV-1"))
	full.Full = true
	report, err := b.db.Import(ctx, full, nil, false)
	b.must(err)
	want(b, "vanished", report.Vanished, []string{"INV-2", "INV-3"})
	list, err = b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "due", ids(list), []string{"acme", "other"})
	for _, a := range list {
		b.release(a, invoices.Decision{})
	}
	for number, gone := range map[string]bool{"INV-1": false, "INV-2": true, "INV-3": true, "INV-9": false, "PAID": false} {
		_, inv := b.lookup(number)
		want(b, number+" vanished", inv.Vanished, gone)
	}

	b.wait(time.Minute)
	full = b.load(row("acme", "INV-1"), row("acme", "INV-2"))
	full.Full = true
	report, err = b.db.Import(ctx, full, nil, false)
	b.must(err)
	want(b, "report", report, invoices.Report{Source: "erp", File: "books.csv", Rows: 2, Changed: 1, Unchanged: 1})
	_, inv := b.lookup("INV-2")
	want(b, "INV-2 vanished", inv.Vanished, false)
	want(b, "due", b.claim().ID, "acme")
	want(b, "events", b.kinds("INV-2"), []string{"invoice_added", "invoice_vanished", "invoice_changed"})
}

func freshSource(b *bench) {
	b.open()
	first := b.load(row("held", "INV-1"), row("waits", "INV-2"))
	_, err := b.db.Import(ctx, first, nil, false)
	b.must(err)
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "due", ids(list), []string{"held", "waits"})
	b.release(list[0], invoices.Decision{Code: invoices.CodeStaleSource, Person: true})
	b.release(list[1], invoices.Decision{Code: invoices.CodeWaiting, At: b.now.AddDate(0, 1, 0)})

	b.wait(15 * time.Minute)
	first.At = b.now // the same file: nothing changed, but it was read
	_, err = b.db.Import(ctx, first, nil, false)
	b.must(err)
	a := b.claim()
	want(b, "due at the next load", a.ID, "held")
	b.release(a, invoices.Decision{})

	b.wait(30 * time.Hour)
	first.At = b.now
	_, err = b.db.Import(ctx, first, nil, false)
	b.must(err)
	list, err = b.db.Claim(ctx, b.query())
	b.must(err)
	want(b, "due after a long silence", len(list), 2)
}

func sameFile(b *bench) {
	b.open()
	l := b.load(row("acme", "INV-1"))
	_, err := b.db.Import(ctx, l, nil, false)
	b.must(err)
	a := b.claim()
	b.release(a, invoices.Decision{})
	b.wait(10 * time.Minute)
	again := l
	again.At = b.now
	again.Rows = func(func(invoices.Row, error) bool) { b.Error("the file was read again") }
	report, err := b.db.Import(ctx, again, nil, false)
	b.must(err)
	want(b, "rows", report.Rows, 0)
	then, inv := b.lookup("INV-1")
	want(b, "known", inv.Known, b.now)
	want(b, "version", then.Version, a.Version)
	old := l // a file that is told to be older does not make the source older
	old.At = b.now.Add(-time.Hour)
	_, err = b.db.Import(ctx, old, nil, false)
	b.must(err)
	sources, err := b.db.Sources(ctx)
	b.must(err)
	if len(sources) != 1 || sources[0].Rows != 1 || !sources[0].LoadedAt.Equal(b.now) || sources[0].Digest != l.Digest {
		b.Errorf("sources: %+v", sources)
	}
	loaded, err := b.db.Loaded(ctx, "erp")
	b.must(err)
	if len(loaded) != 1 || loaded[0].File != "books.csv" || loaded[0].Digest != l.Digest || !loaded[0].At.Equal(monday) || loaded[0].Rows != 1 {
		b.Errorf("loaded: %+v", loaded)
	}
}

func everyAmount(b *bench) {
	b.open()
	var rows []invoices.Row
	for i, c := range []string{"JPY", "KWD", "EUR"} {
		r := row("acme", c)
		r.Total.Currency, r.Total.Minor = c, []int64{1, 1<<53 + 1, 1<<63 - 1}[i]
		rows = append(rows, r)
	}
	negative := row("acme", "negative")
	negative.Total.Minor = -1
	b.tell(append(rows, negative)...)
	for _, r := range append(rows, negative) {
		_, inv := b.lookup(r.Number)
		want(b, r.Number, inv.Total, r.Total)
	}
	want(b, "collectible", len(b.claim().Invoices), 3)
}

func allOrNothing(b *bench) {
	b.open()
	l := b.load()
	l.Rows = func(yield func(invoices.Row, error) bool) {
		for i := range 700 {
			if !yield(row("acme", fmt.Sprint("INV-", i)), nil) {
				return
			}
		}
		if yield(invoices.Row{}, &invoices.Problem{File: "books.csv", Line: 702, Column: "total", What: `"12,5O" is no amount`, Fix: "write 12,50"}) {
			yield(row("acme", "INV-last"), nil)
		}
	}
	_, err := b.db.Import(ctx, l, nil, false)
	var problems invoices.Problems
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Line != 702 {
		b.Fatalf("import: %v", err)
	}
	if _, err := b.db.Lookup(ctx, "INV-0"); err == nil {
		b.Error("part of a load that was refused is stored")
	}
	sources, err := b.db.Sources(ctx)
	b.must(err)
	want(b, "sources", len(sources), 0)
}

func keepsCustomer(b *bench) {
	b.open()
	b.tell(row("acme", "INV-1"))
	foreign := b.load(row("acme", "INV-1"))
	foreign.Source = "shop"
	unknownZone := row("other", "INV-2")
	unknownZone.Customer.Zone = "Europe/Atlantis"
	for _, tt := range []struct {
		load invoices.Load
		says string
	}{
		{b.load(row("other", "INV-1")), `books.csv:2: invoice "INV-1" belongs to customer "acme", not to "other"; invoice numbers must be unique; correct the number or the customer`},
		{foreign, `books.csv:2: invoice "INV-1" is already told of by the source "erp"; let one source tell of each invoice`},
		{b.load(row("other", "INV-2"), row("other", "INV-2")), `books.csv:3: invoice "INV-2" is also on line 2; list each invoice once`},
		{b.load(unknownZone), `books.csv:2: there is no time zone "Europe/Atlantis"; write a name such as Europe/Amsterdam, or leave it empty`},
		{b.load(row("", "INV-2")), `books.csv:2: the invoice or the customer has no name; give both the number and the customer's id`},
	} {
		_, err := b.db.Import(ctx, tt.load, nil, false)
		var ps invoices.Problems
		if !errors.As(err, &ps) || ps.Told() != tt.says {
			b.Errorf("import: %v, %s\nwant: %s", err, ps.Told(), tt.says)
		}
	}
	a, _ := b.lookup("INV-1")
	want(b, "version", a.Version, 1)
}

func cappedProblems(b *bench) {
	b.open()
	l := b.load()
	read := 0
	l.Rows = func(yield func(invoices.Row, error) bool) {
		for i := range 100000 {
			if read++; !yield(invoices.Row{}, &invoices.Problem{File: "books.csv", Line: i + 2, What: "wrong"}) {
				return
			}
		}
	}
	_, err := b.db.Import(ctx, l, nil, false)
	var problems invoices.Problems
	if !errors.As(err, &problems) || len(problems) != 1001 {
		b.Fatalf("import: %d problems", len(problems))
	}
	want(b, "last", problems[1000].Error(), "books.csv: and more; correct these first")
	want(b, "rows read", read, 1000)

	l.Rows = func(yield func(invoices.Row, error) bool) { yield(invoices.Row{}, errors.New("the file was cut off")) }
	_, err = b.db.Import(ctx, l, nil, false)
	if err == nil || !strings.Contains(err.Error(), "books.csv: the file was cut off") {
		b.Errorf("import: %v", err)
	}
}

func dryRun(b *bench) {
	b.open()
	report, err := b.db.Import(ctx, b.load(row("acme", "INV-1")), nil, true)
	b.must(err)
	want(b, "report", report, invoices.Report{Source: "erp", File: "books.csv", Rows: 1, Added: 1})
	if _, err := b.db.Lookup(ctx, "INV-1"); err == nil {
		b.Error("a dry run stored an invoice")
	}
	events, err := b.db.Events(ctx, "acme", 10)
	b.must(err)
	want(b, "events", len(events), 0)
}

// manyRows: several batches, rows of one account scattered over them.
func manyRows(b *bench) {
	b.open()
	const n = 1203
	var rows []invoices.Row
	for i := range n {
		rows = append(rows, row(fmt.Sprint("a", i%40), fmt.Sprintf("INV-%04d", i)))
	}
	report := b.tell(rows...)
	want(b, "report", report, invoices.Report{Source: "erp", File: "books.csv", Rows: n, Added: n})
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	total := 0
	for _, a := range list {
		total += len(a.Invoices)
	}
	want(b, "accounts", len(list), 40)
	want(b, "invoices", total, n)
	full := b.load(rows[:600]...)
	full.Full = true
	report, err = b.db.Import(ctx, full, nil, false)
	b.must(err)
	want(b, "vanished", len(report.Vanished), 603)
	want(b, "unchanged", report.Unchanged, 600)
}

func restEnds(b *bench) {
	a := b.debtor("INV-1")
	a = b.end(a, invoices.Rested{Invoice: "INV-1", At: b.now, Rest: invoices.Rest{Act: invoices.MakeLink, Tries: 1, Why: "amount too large"}})
	b.release(a, invoices.Decision{Code: invoices.CodeBlockedByOrder, Person: true})
	b.tell(row("acme", "INV-1"))
	_, inv := b.lookup("INV-1")
	want(b, "rest after the same row", inv.Rest.Tries, 1)
	r := row("acme", "INV-1")
	r.Total.Minor = 100
	b.wait(time.Minute)
	b.tell(r)
	want(b, "rest after another amount", b.claim().Invoices[0].Rest, invoices.Rest{})
}
