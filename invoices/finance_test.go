package invoices

import (
	"testing"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/money"
)

// sentAlready notes that the customer heard of these steps.
func sentAlready(inv *Invoice, steps ...string) {
	for _, s := range steps {
		inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: s, Result: Sent, Gen: 1, At: at("2026-03-30 08:00")})
	}
}

func TestR04_CatchUpOneByOne(t *testing.T) {
	p := quiet()
	p.CatchUp = CatchNext
	prove(t, p, []rule{
		{says: "the earliest late step goes first, and none is skipped", at: "2026-04-08 08:00", act: Remind, steps: "INV-1 upcoming"},
		{says: "the next one follows when it is polite", at: "2026-04-09 08:00", change: func(a *Account, inv *Invoice) {
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "upcoming", Result: Sent, Gen: 1, At: at("2026-04-08 08:00")})
			a.Letters = []Letter{{State: Sent, At: at("2026-04-08 08:00")}}
		}, code: CodePolite, wakes: "2026-04-13 08:00"},
		{says: "a step that requires one that was never sent does not stand in the way of a later one", at: "2026-05-04 08:00", change: func(_ *Account, inv *Invoice) {
			sentAlready(inv, "upcoming")
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "friendly", Result: Skipped, Why: "superseded"})
			inv.Released = at("2026-05-04 07:00")
		}, act: Remind, steps: "INV-1 firm"},
	})
}

func TestR15_ContactsByHandCount(t *testing.T) {
	prove(t, quiet(), []rule{
		{says: "the phone rang on the 7th: the letter waits three days, and the weekend", at: "2026-04-08 08:00", change: func(a *Account, _ *Invoice) {
			a.Contacts = []time.Time{at("2026-04-07 15:00")}
		}, code: CodePolite, wakes: "2026-04-10 08:00"},
		{says: "two contacts in seven days are enough", at: "2026-04-08 08:00", change: func(a *Account, _ *Invoice) {
			a.Contacts = []time.Time{at("2026-04-02 15:00"), at("2026-04-05 15:00")}
		}, code: CodePolite, wakes: "2026-04-09 08:00"},
		{says: "the first letter of an invoice is not held back", at: "2026-03-02 08:00", change: func(a *Account, inv *Invoice) {
			inv.Steps = nil
			a.Contacts = []time.Time{at("2026-03-01 15:00")}
		}, act: Email, steps: "INV-1 request"},
	})
}

func TestR17_BlackoutsAndHolidaysOfTheCountry(t *testing.T) {
	be, err := calendar.New(calendar.Options{Country: "be"})
	if err != nil {
		t.Fatal(err)
	}
	p := quiet()
	p.Calendars = map[string]*calendar.Calendar{"BE": be}
	due := func(date, country string) func(a *Account, inv *Invoice) {
		return func(a *Account, inv *Invoice) {
			inv.DueOn, a.Country = day(date), country
			sentAlready(inv, "upcoming")
			inv.Links[0].Expires = at("2026-12-31 00:00")
		}
	}
	prove(t, p, []rule{
		{says: "21 July is a holiday in Belgium: the letter waits a day, and its link is seen to the day before", at: "2026-07-20 08:00", change: due("2026-07-14", "BE"), wakes: "2026-07-21 08:00"},
		{says: "and none in the Netherlands", at: "2026-07-21 08:00", change: due("2026-07-14", "NL"), act: Remind, steps: "INV-1 friendly"},
	})
	p.Blackout = []Days{{day("2026-07-18"), day("2026-08-02")}}
	prove(t, p, []rule{
		{says: "during the works holidays nothing leaves", at: "2026-07-21 08:00", change: due("2026-07-14", "NL"), wakes: "2026-08-02 08:00"},
		{says: "and afterwards it does, and is not late for it", at: "2026-08-03 08:00", change: due("2026-07-14", "NL"), act: Remind, steps: "INV-1 friendly"},
		{says: "a letter that was due before waits too", at: "2026-07-20 08:00", change: due("2026-07-10", "NL"), code: CodePolite, wakes: "2026-08-03 08:00"},
	})
	p.Steps[2].When = When{Days: 10, Working: true}
	prove(t, p, []rule{
		{says: "working days go on counting through it: ten after the 14th is the 28th", at: "2026-08-03 08:00", change: due("2026-07-14", "NL"), act: Remind, steps: "INV-1 friendly"},
	})
}

func TestR18_Promises(t *testing.T) {
	promise := func(paid int64, more ...func(a *Account, inv *Invoice)) func(a *Account, inv *Invoice) {
		return func(a *Account, inv *Invoice) {
			sentAlready(inv, "upcoming")
			inv.Promise = Promise{Amount: 5000, On: day("2026-04-10"), Open: 12000, At: at("2026-04-02 10:00"), By: "Ada"}
			inv.Paid = paid
			inv.Links[0].Amount = inv.Open()
			for _, f := range more {
				f(a, inv)
			}
		}
	}
	p := quiet()
	p.Grace = 3
	prove(t, p, []rule{
		{says: "until the promised day and three days more nobody is reminded", at: "2026-04-08 08:00", change: promise(0), code: CodeHold, wakes: "2026-04-14 00:00"},
		{says: "part of what was promised does not end the wait", at: "2026-04-08 08:00", change: promise(4999), code: CodeHold, wakes: "2026-04-14 00:00"},
		{says: "what was promised was paid: the rest is reminded of as usual", at: "2026-04-08 08:00", change: promise(5000), act: Remind, steps: "INV-1 friendly"},
		{says: "the promise was broken: the ladder goes on", at: "2026-04-14 08:00", change: promise(0), act: Remind, steps: "INV-1 friendly"},
		{says: "a promise taken back ends the wait", at: "2026-04-08 08:00", change: promise(0, func(_ *Account, inv *Invoice) { inv.Released = at("2026-04-03 10:00") }), act: Remind, steps: "INV-1 friendly"},
		{says: "a long promise makes no step very late", at: "2026-05-12 08:00", change: promise(0, func(_ *Account, inv *Invoice) { inv.Promise.On = day("2026-05-08") }), act: Remind, steps: "INV-1 firm"},
	})
	p.BrokenPromise = &Step{Name: "broken_promise", Template: "broken_promise"}
	prove(t, p, []rule{
		{says: "a letter says so, once", at: "2026-04-14 08:00", change: promise(0), act: Remind, code: CodeBrokenPromise, steps: "INV-1 broken_promise-2026-04-10"},
		{says: "and the ladder goes on when it is polite", at: "2026-04-15 08:00", change: promise(0, func(a *Account, inv *Invoice) {
			sentAlready(inv, "broken_promise-2026-04-10")
			a.Letters = []Letter{{State: Sent, At: at("2026-04-14 08:00")}}
		}), code: CodePolite, wakes: "2026-04-17 08:00"},
		{says: "a second promise has a letter of its own", at: "2026-04-14 08:00", change: promise(0, func(_ *Account, inv *Invoice) { sentAlready(inv, "broken_promise-2026-03-20") }), act: Remind, steps: "INV-1 broken_promise-2026-04-10"},
		{says: "a promise that was kept has none, whatever is booked later", at: "2026-04-14 08:00", change: promise(0, func(_ *Account, inv *Invoice) { inv.Promise.Kept = at("2026-04-09 10:00") }), act: Remind, steps: "INV-1 friendly"},
	})
}

func TestR18_TheBooksKeepAPromise(t *testing.T) {
	old := invoice("INV-1", 12000, day("2026-03-02"), day("2026-04-01"))
	old.Promise = Promise{Amount: 5000, On: day("2026-04-10"), Open: 12000, At: at("2026-04-02 10:00")}
	row := Row{Number: "INV-1", Total: old.Total, Paid: 4000, IssuedOn: old.IssuedOn, DueOn: old.DueOn}
	now := at("2026-04-09 06:00")
	if inv, _ := Revise(&old, row, now, day("2026-04-09")); !inv.Promise.Kept.IsZero() {
		t.Errorf("4,000 of 5,000 keep no promise: %+v", inv.Promise)
	}
	row.Credited = 1000
	kept, _ := Revise(&old, row, now, day("2026-04-09"))
	if !kept.Promise.Kept.Equal(now) {
		t.Errorf("what was paid and credited keeps it: %+v", kept.Promise)
	}
	row.Credited = 0
	if inv, _ := Revise(&kept, row, now.Add(24*time.Hour), day("2026-04-10")); !inv.Promise.Kept.Equal(now) {
		t.Errorf("a correction does not break a promise again: %+v", inv.Promise)
	}
}

func TestR21_SomeLettersNeedAPersonsYes(t *testing.T) {
	p := quiet()
	p.Steps[2].Above = map[string]int64{"EUR": 10000}
	big := func(more ...func(a *Account, inv *Invoice)) func(a *Account, inv *Invoice) {
		return func(a *Account, inv *Invoice) {
			sentAlready(inv, "upcoming")
			for _, f := range more {
				f(a, inv)
			}
		}
	}
	yes := func(step string, minor int64) func(a *Account, inv *Invoice) {
		return func(_ *Account, inv *Invoice) {
			inv.Approved = append(inv.Approved, Approval{Episode: 1, Step: step, Amount: money.Amount{Minor: minor, Currency: "EUR"}, At: at("2026-04-08 10:00")})
		}
	}
	prove(t, p, []rule{
		{says: "120 is more than 100: a person looks first", at: "2026-04-08 08:00", change: big(), code: CodeApproval},
		{says: "100 is not more than 100", at: "2026-04-08 08:00", change: big(func(_ *Account, inv *Invoice) {
			inv.Paid = 2000
			inv.Links[0].Amount = inv.Open()
		}), act: Remind, steps: "INV-1 friendly"},
		{says: "a yes sends it", at: "2026-04-08 10:00", change: big(yes("friendly", 12000)), act: Remind, steps: "INV-1 friendly"},
		{says: "a yes to another amount does not", at: "2026-04-08 10:00", change: big(yes("friendly", 11000)), code: CodeApproval},
		{says: "nor a yes to another step", at: "2026-04-08 10:00", change: big(yes("upcoming", 12000)), code: CodeApproval},
		{says: "no link is made for a letter that waits", at: "2026-04-08 08:00", change: big(func(_ *Account, inv *Invoice) { inv.Links = nil }), code: CodeApproval},
	})
	p.MaxLateness = 5
	prove(t, p, []rule{
		{says: "a yes that came late is not held against the letter", at: "2026-04-20 10:00", change: big(func(_ *Account, inv *Invoice) {
			inv.Approved = []Approval{{Episode: 1, Step: "friendly", Amount: inv.Open(), At: at("2026-04-20 09:00")}}
		}), act: Remind, steps: "INV-1 friendly"},
		{says: "no yes at all is no reason to call it late: the person is asked for the yes", at: "2026-04-20 10:00", change: big(), code: CodeApproval},
	})
	p.Steps[2].Above, p.Steps[2].Approval = nil, true
	prove(t, p, []rule{
		{says: "some steps always need it", at: "2026-04-08 08:00", change: big(), code: CodeApproval},
	})
}

func TestR05_TheNextStepDoesNotWaitForAPerson(t *testing.T) {
	p := quiet()
	p.MaxLateness = 5
	prove(t, p, []rule{
		{says: "a very late step asks a person, and the next one wakes the account though no link is looked at", at: "2026-04-20 09:00", change: func(_ *Account, inv *Invoice) {
			sentAlready(inv, "upcoming")
			inv.Links = nil
		}, code: CodeStaleStep, wakes: "2026-04-22 08:00"},
	})
	p = quiet()
	p.Steps[2].Approval = true
	prove(t, p, []rule{
		{says: "so does a letter that nobody says yes to", at: "2026-04-20 09:00", change: func(_ *Account, inv *Invoice) {
			sentAlready(inv, "upcoming")
			inv.Links = nil
		}, code: CodeApproval, wakes: "2026-04-22 08:00"},
	})
}

func TestAForecastTakesItThatSourcesAreRead(t *testing.T) {
	p := quiet()
	p.MaxSourceAge = map[string]time.Duration{"erp": 26 * time.Hour}
	a := debtor(func(_ *Account, inv *Invoice) {
		sentAlready(inv, "upcoming")
		inv.Source, inv.Known = "erp", at("2026-04-01 06:00")
	})
	now := at("2026-04-01 08:00")
	told, _ := p.Alone().Forecast(seen(a, now), now, at("2026-05-01 00:00"))
	if len(told) < 2 || told[0].Decision.Items[0].Step != "friendly" {
		t.Errorf("a week ahead the source will have been read: %+v", told)
	}
	told, _ = p.Alone().Forecast(seen(a, now), at("2026-04-05 08:00"), at("2026-05-01 00:00"))
	if len(told) != 0 {
		t.Errorf("a source that is not read now keeps letters back: %+v", told)
	}
}

func TestLettersBesideTheLadder(t *testing.T) {
	p := quiet()
	p.Steps = append(p.Steps, Step{Name: "expiring", When: When{Anchor: OnExpiry, Days: -2}, Template: "expiring"})
	p.FailedAttempt = &Step{Name: "failed_attempt", Template: "failed_attempt"}
	expires := func(when string, more ...func(a *Account, inv *Invoice)) func(a *Account, inv *Invoice) {
		return func(a *Account, inv *Invoice) {
			sentAlready(inv, "upcoming", "friendly")
			inv.Links[0].Expires = at(when)
			for _, f := range more {
				f(a, inv)
			}
		}
	}
	rejected := func(_ *Account, inv *Invoice) { inv.Links[0].State, inv.Links[0].Attempts = Rejected, 1 }
	prove(t, p, []rule{
		{says: "two days before the link expires, though that is less than a link should live", at: "2026-04-07 08:00", change: expires("2026-04-09 15:00"), act: Remind, code: CodeExpiring, steps: "INV-1 expiring-1"},
		{says: "not before", at: "2026-04-06 08:00", change: expires("2026-04-09 15:00"), wakes: "2026-04-07 08:00"},
		{says: "once for each link", at: "2026-04-07 08:00", change: expires("2026-04-09 15:00", func(_ *Account, inv *Invoice) { sentAlready(inv, "expiring-1") }), code: CodeWaiting},
		{says: "a link that the customer does not hold is no matter", at: "2026-04-07 08:00", change: expires("2026-04-09 15:00", func(_ *Account, inv *Invoice) {
			for i := range inv.Steps {
				inv.Steps[i].Gen = 0
			}
		}), code: CodeWaiting},
		{says: "the ladder's own letter comes first, and says it all", at: "2026-04-07 08:00", change: expires("2026-04-09 15:00", func(_ *Account, inv *Invoice) {
			inv.DueOn = day("2026-04-02")
			inv.Steps = inv.Steps[:2]
		}), code: CodeWaiting},
		{says: "its time came, and a step of the ladder is near: that is waited for, and not an instant that has passed", at: "2026-04-07 09:00", change: expires("2026-04-09 15:00", func(_ *Account, inv *Invoice) {
			inv.DueOn = day("2026-04-02")
			inv.Steps = inv.Steps[:2]
		}), code: CodeWaiting, wakes: "2026-04-08 08:00"},
		{says: "in the last hour it is too late", at: "2026-04-09 14:30", change: expires("2026-04-09 15:00"), code: CodeWaiting},
		{says: "a payment failed: a helpful letter, once", at: "2026-04-07 08:00", change: expires("2026-05-09 15:00", rejected), act: Remind, code: CodeFailedAttempt, steps: "INV-1 failed_attempt"},
		{says: "once", at: "2026-04-07 08:00", change: expires("2026-05-09 15:00", rejected, func(_ *Account, inv *Invoice) { sentAlready(inv, "failed_attempt") }), code: CodeWaiting},
		{says: "within the pacing", at: "2026-04-07 08:00", change: expires("2026-05-09 15:00", rejected, func(a *Account, _ *Invoice) { a.Letters = []Letter{{State: Sent, At: at("2026-04-06 08:00")}} }), code: CodePolite, wakes: "2026-04-09 08:00"},
		{says: "a letter beside the ladder overtakes no step", at: "2026-04-13 08:00", change: expires("2026-05-09 15:00", func(_ *Account, inv *Invoice) { sentAlready(inv, "failed_attempt", "expiring-1") }), act: Remind, steps: "INV-1 firm"},
	})
}

// two returns an account with two invoices whose friendly step is due, the
// second with the policy of that name.
func two(policy string) Account {
	a := debtor(func(a *Account, inv *Invoice) {
		sentAlready(inv, "upcoming")
		second := *inv
		second.Number, second.Policy = "INV-2", policy
		second.Links = []Link{inv.Links[0]}
		second.Links[0].Remote, second.Links[0].Ref = "r2", "INV-2-L1"
		a.Invoices = append(a.Invoices, second)
	})
	return seen(a, at("2026-04-08 08:00"))
}

func TestR14_WhatSharesALetter(t *testing.T) {
	legal := quiet()
	legal.Name = "legal"
	legal.Steps = append([]Step(nil), legal.Steps...)
	legal.Steps[2].From = "Legal <legal@example.com>"
	copied := quiet()
	copied.Steps = append([]Step(nil), copied.Steps...)
	copied.Steps[2].CC = []string{"sales@example.com"}
	copied.Steps[2].Attach = []string{"terms.pdf", "pdf/{number}.pdf"}
	ps := &Policies{ByName: map[string]*Policy{"standard": copied, "legal": legal}, Default: "standard", Zone: amsterdam}
	now := at("2026-04-08 08:00")

	d := ps.Next(two(""), now)
	if len(d.Items) != 2 || len(d.CC) != 2 || len(d.Attach) != 3 || d.Attach[2] != (Attachment{"pdf/{number}.pdf", "INV-2"}) {
		t.Errorf("two invoices of one policy share a letter, its copies and its files: %+v", d)
	}
	if d := ps.Next(two("legal"), now); len(d.Items) != 1 || d.From != "" || d.Items[0].Invoice != "INV-1" {
		t.Errorf("another policy and sender is another letter: %+v", d)
	}
	if d := ps.Next(two("no such"), now); len(d.Items) != 1 || d.Items[0].Invoice != "INV-1" {
		t.Errorf("an invoice whose policy nobody wrote keeps the others from nothing: %+v", d)
	}
	copied.MaxItems = 1
	if d := ps.Next(two(""), now); len(d.Items) != 1 {
		t.Errorf("a letter speaks of no more invoices than can be verified: %+v", d)
	}
}

func TestPolicyRules(t *testing.T) {
	ps := &Policies{ByName: map[string]*Policy{}, Default: "standard", Zone: amsterdam, Rules: []Rule{
		{Account: "ACME*", Country: "BE", Policy: "belgian"},
		{Tag: "vip", Policy: "vip"},
		{Currency: "GBP", Policy: "british"},
		{Above: map[string]int64{"EUR": 100000}, Policy: "big"},
		{Age: 60, Policy: "old"},
	}}
	for _, name := range []string{"standard", "belgian", "vip", "british", "big", "old", "own", "named"} {
		ps.ByName[name] = &Policy{Name: name}
	}
	for _, c := range []struct {
		says   string
		change func(a *Account, inv *Invoice)
		want   string
	}{
		{"no rule fits", func(*Account, *Invoice) {}, "standard"},
		{"account and country must both fit", func(a *Account, _ *Invoice) { a.ID = "ACME-1" }, "standard"},
		{"and do", func(a *Account, _ *Invoice) { a.ID, a.Country = "ACME-1", "BE" }, "belgian"},
		{"the first that fits wins", func(a *Account, inv *Invoice) { a.ID, a.Country, inv.Tags = "ACME-1", "BE", []string{"vip"} }, "belgian"},
		{"a tag", func(_ *Account, inv *Invoice) { inv.Tags = []string{"retail", "vip"} }, "vip"},
		{"a currency", func(_ *Account, inv *Invoice) { inv.Total.Currency = "GBP" }, "british"},
		{"an amount is that of the bill, whatever was paid of it", func(_ *Account, inv *Invoice) { inv.Total.Minor, inv.Paid = 100001, 100000 }, "big"},
		{"exactly the amount is not more", func(_ *Account, inv *Invoice) { inv.Total.Minor = 100000 }, "standard"},
		{"sixty days past due", func(_ *Account, inv *Invoice) { inv.DueOn = day("2026-02-07") }, "old"},
		{"fifty-nine", func(_ *Account, inv *Invoice) { inv.DueOn = day("2026-02-08") }, "standard"},
		{"the customer's own wins over rules", func(a *Account, inv *Invoice) { a.Policy, inv.Tags = "own", []string{"vip"} }, "own"},
		{"the invoice's own over all", func(a *Account, inv *Invoice) { a.Policy, inv.Policy = "own", "named" }, "named"},
	} {
		a := debtor(c.change)
		if p := ps.For(&a, &a.Invoices[0], at("2026-04-08 08:00")); p == nil || p.Name != c.want {
			t.Errorf("%s: got %+v, want %s", c.says, p, c.want)
		}
	}
}

func TestAnInvoiceGrowsOutOfItsPolicy(t *testing.T) {
	young, old := quiet(), quiet()
	young.Steps = young.Steps[:3]
	old.Name, old.Steps = "old", []Step{{Name: "last", When: When{Days: 60}, Template: "final"}}
	ps := &Policies{ByName: map[string]*Policy{"standard": young, "old": old}, Default: "standard", Rules: []Rule{{Age: 60, Policy: "old"}}, Zone: amsterdam}
	a := debtor(func(_ *Account, inv *Invoice) { sentAlready(inv, "upcoming", "friendly") })
	d := ps.Next(seen(a, at("2026-04-20 08:00")), at("2026-04-20 08:00"))
	if d.Code != CodeFinished || !d.At.Equal(at("2026-05-31 00:00")) {
		t.Errorf("a finished ladder wakes on the day on which another begins: %+v", d)
	}
	a.Invoices[0].Links[0].Expires = at("2026-12-31 00:00")
	if d := ps.Next(seen(a, at("2026-06-01 08:00")), at("2026-06-01 08:00")); d.Act != Remind || d.Items[0].Step != "last" {
		t.Errorf("and the other ladder is climbed: %+v", d)
	}
}

func TestBlockersAreAllTold(t *testing.T) {
	p := quiet()
	p.Steps[2].Approval = true
	a := debtor(func(a *Account, inv *Invoice) {
		sentAlready(inv, "upcoming")
		a.Email, a.Stopped = "", "paused by Ada"
		a.Hold = Hold{Reason: "vip", By: "Ada"}
		inv.Hold = Hold{Reason: "dispute", By: "Ada"}
		inv.Doubt = "it failed"
	})
	var codes []Code
	for _, d := range p.Alone().Blockers(&a, &a.Invoices[0], at("2026-04-08 08:00")) {
		codes = append(codes, d.Code)
	}
	want := []Code{CodeHold, CodeNoRecipient, CodeStaleSource, CodeApproval, CodeStopped}
	if len(codes) != len(want) {
		t.Fatalf("got %v, want %v", codes, want)
	}
	for i := range want {
		if codes[i] != want[i] {
			t.Errorf("got %v, want %v", codes, want)
		}
	}
}
