package invoices

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestOutlook says of one debtor, whose friendly reminder is due on Wednesday
// the 8th of April at 08:00, when a letter can first leave.
func TestOutlook(t *testing.T) {
	for _, c := range []struct {
		says     string
		change   func(a *Account, inv *Invoice)
		now      string
		at, step string // empty: no letter leaves
		person   bool
		end      Code
		blockers string
	}{
		{says: "all is well: the next step, on its day", now: "2026-04-02 09:00", at: "2026-04-08 08:00", step: "friendly"},
		{says: "it is due and the window is open: now", now: "2026-04-08 09:30", at: "2026-04-08 09:30", step: "friendly"},
		{says: "it is due in the evening: the next morning", now: "2026-04-08 19:00", at: "2026-04-09 08:00", step: "friendly", blockers: "pacing"},
		{
			says: "a hold with an end: the opening after it", now: "2026-04-02 09:00", at: "2026-04-20 08:00", step: "friendly", blockers: "hold",
			change: func(_ *Account, inv *Invoice) { inv.Hold = Hold{Reason: "vip", Until: at("2026-04-18 00:00")} },
		},
		{
			says: "a hold without an end: a person", now: "2026-04-02 09:00", person: true, end: CodeHold, blockers: "hold",
			change: func(a *Account, _ *Invoice) { a.Hold = Hold{Reason: "dispute"} },
		},
		{
			says: "a promise: the day after it, when it was not kept", now: "2026-04-02 09:00", at: "2026-04-16 08:00", step: "friendly", blockers: "hold",
			change: func(_ *Account, inv *Invoice) {
				inv.Promise = Promise{Amount: 12000, Open: 12000, On: day("2026-04-15"), At: at("2026-04-01 12:00")}
			},
		},
		{
			says: "the phone rang yesterday: three days later, and after the weekend", now: "2026-04-09 09:00", at: "2026-04-13 08:00", step: "friendly", blockers: "pacing",
			change: func(a *Account, _ *Invoice) { a.Contacts = []time.Time{at("2026-04-08 15:00")} },
		},
		{
			says: "nobody to write to, and all is stopped: both are told", now: "2026-04-02 09:00", person: true, end: CodeNoRecipient, blockers: "no_recipient stopped",
			change: func(a *Account, _ *Invoice) { a.Email, a.Stopped = "", "paused" },
		},
		{
			says: "a step so late that a person is asked, and none after it", now: "2026-06-01 09:00", person: true, end: CodeStaleStep, blockers: "stale_step",
			change: func(_ *Account, inv *Invoice) {
				sentAlready(inv, "friendly", "firm")
				inv.Links[0].Expires = at("2026-12-31 00:00")
			},
		},
		{
			says: "a step so late that a person is asked: the next one needs nobody", now: "2026-03-28 09:00", at: "2026-03-30 08:00", step: "upcoming", end: CodeStaleStep, blockers: "stale_step pacing",
			change: func(_ *Account, inv *Invoice) { inv.Links, inv.Steps = nil, nil },
		},
		{
			says: "paid: none, and nobody needs to act", now: "2026-04-02 09:00", end: CodePaid, blockers: "paid",
			change: func(_ *Account, inv *Invoice) { inv.Paid = 12000 },
		},
		{
			says: "a payment is under way: five working days, Easter apart, and then a person", now: "2026-04-02 09:00", person: true, end: CodePending, blockers: "payment_pending",
			change: func(_ *Account, inv *Invoice) {
				inv.Links[0].State, inv.Links[0].Since = Trying, at("2026-04-02 08:00")
				inv.Links[0].Expires = time.Time{}
			},
		},
		{
			says: "Cost+ refused the link for good: it stands in the way although no blocker of the letter does", now: "2026-04-08 09:30", person: true, end: CodeBlockedByOrder, blockers: "refused",
			change: func(_ *Account, inv *Invoice) {
				inv.Links, inv.Rest = nil, Rest{Act: MakeLink, Tries: 1, Why: "400"}
			},
		},
		{
			says: "the mail server asked for an hour: then", now: "2026-04-08 09:30", at: "2026-04-08 10:30", step: "friendly", blockers: "resting",
			change: func(_ *Account, inv *Invoice) {
				inv.Rest = Rest{Act: Remind, Until: at("2026-04-08 10:30"), Tries: 1, Why: "451"}
			},
		},
		{
			says: "the source is read every day: a step far ahead is not held for its age", now: "2026-04-02 09:00", at: "2026-04-08 08:00", step: "friendly",
			change: func(_ *Account, inv *Invoice) { inv.Source, inv.Known = "erp", at("2026-04-02 07:00") },
		},
		{
			says: "the source is stale already: a person", now: "2026-04-02 09:00", person: true, end: CodeStaleSource, blockers: "stale_source",
			change: func(_ *Account, inv *Invoice) { inv.Source, inv.Known = "erp", at("2026-03-30 07:00") },
		},
	} {
		t.Run(c.says, func(t *testing.T) {
			p := quiet()
			p.MaxSourceAge = map[string]time.Duration{"erp": 26 * time.Hour}
			now := at(c.now)
			a := debtor(func(_ *Account, inv *Invoice) { sentAlready(inv, "upcoming") })
			a.Invoices[0].Known = now
			if c.change != nil {
				c.change(&a, &a.Invoices[0])
			}
			o := p.Alone().Outlook(seen(a, now), "INV-1", now)
			var codes []string
			for _, d := range o.Blockers {
				codes = append(codes, string(d.Code))
			}
			var want time.Time
			if c.at != "" {
				want = at(c.at)
			}
			if !o.At.Equal(want) || o.Step != c.step || o.Person != c.person || o.End.Code != c.end {
				t.Errorf("got %s %q, person %t, in the end %q\nwant %s %q, person %t, in the end %q", o.At.In(amsterdam), o.Step, o.Person, o.End.Code, want, c.step, c.person, c.end)
			}
			if got := strings.Join(codes, " "); got != c.blockers {
				t.Errorf("what stands in the way: got %q, want %q", got, c.blockers)
			}
		})
	}
	p := quiet()
	p.Steps[2].Approval = true
	a := debtor(func(_ *Account, inv *Invoice) { sentAlready(inv, "upcoming") })
	o := p.Alone().Outlook(a, "INV-1", at("2026-04-02 09:00"))
	if !o.At.Equal(at("2026-04-22 08:00")) || o.Person || o.End.Code != CodeApproval || !o.Since.Equal(at("2026-04-08 08:00")) || len(o.Blockers) != 0 {
		t.Errorf("a person is asked on the 8th, and where they say nothing the next step goes: %+v", o)
	}
	p.Steps[3].Approval, p.Steps[4].Approval = true, true
	o = p.Alone().Outlook(a, "INV-1", at("2026-04-02 09:00"))
	if !o.Person || o.End.Code != CodeApproval || !o.Since.Equal(at("2026-04-08 08:00")) {
		t.Errorf("where every step needs a yes, none leaves without: %+v", o)
	}
	if o = quiet().Alone().Outlook(debtor(nil), "INV-9", at("2026-04-02 09:00")); !o.At.IsZero() || o.End.Why != "no such invoice" {
		t.Errorf("an invoice that is not there has no outlook: %+v", o)
	}
}

// TestOutlookAmongOthers: what else the customer owes can delay a letter, and
// may be paid tomorrow; a letter that is sent once more leaves as a whole.
func TestOutlookAmongOthers(t *testing.T) {
	now := at("2026-04-07 07:00")
	a := debtor(func(a *Account, inv *Invoice) {
		sentAlready(inv, "upcoming")
		other := *inv
		other.Number, other.DueOn = "INV-2", day("2026-03-31")
		other.Links = []Link{inv.Links[0]}
		other.Steps = slices.Clone(inv.Steps)
		a.Invoices = append(a.Invoices, other)
	})
	ps := quiet().Alone()
	a = seen(a, now)
	if o := ps.Outlook(a, "INV-1", now); !o.At.Equal(at("2026-04-08 08:00")) {
		t.Errorf("it cannot leave before its day, and can on it if the other is paid: %+v", o)
	}
	if told, alone := ps.Ahead(a, "INV-1", now, at("2026-04-12 00:00")); alone || len(told) != 1 || !told[0].At.Equal(at("2026-04-10 08:00")) {
		t.Errorf("as things stand the letter about the other goes first, and this one three days later: %+v", told)
	}
	if told, alone := ps.Ahead(a, "INV-2", now, at("2026-04-08 00:00")); alone || len(told) != 1 || !told[0].At.Equal(at("2026-04-07 08:00")) {
		t.Errorf("the letter about the other: %+v", told)
	}
	many := a.clone()
	for i := range Crowd {
		inv := a.Invoices[0]
		inv.Number = fmt.Sprint("INV-1", i)
		many.Invoices = append(many.Invoices, inv)
	}
	if told, alone := ps.Ahead(many, "INV-1", now, at("2026-04-12 00:00")); !alone || len(told) != 1 || !told[0].At.Equal(at("2026-04-08 08:00")) {
		t.Errorf("of a crowd it is looked at alone, and said so: %+v", told)
	}
	both := []Item{{Invoice: "INV-1", Episode: 1, Step: "friendly", Gen: 1, Amount: a.Invoices[0].Open()}, {Invoice: "INV-2", Episode: 1, Step: "friendly", Gen: 1, Amount: a.Invoices[1].Open()}}
	a.Letters = []Letter{{ID: "l1", Try: 1, State: Resend, Items: both, At: now}}
	for i := range a.Invoices {
		a.Invoices[i].Steps = append(a.Invoices[i].Steps, Outcome{Episode: 1, Step: "friendly", Result: Resend, Letter: "l1", Gen: 1, At: now})
	}
	a.Invoices[1].Hold = Hold{Reason: "vip", Until: at("2026-04-14 12:00")}
	o := ps.Outlook(a, "INV-1", now)
	if !o.At.Equal(at("2026-04-14 12:00")) || o.Step != "friendly" {
		t.Errorf("the letter that is sent once more waits for the hold of the other invoice in it: %+v", o)
	}
}

// TestR25_NoLetterBeforeTheOutlook: whatever the history of an account, no letter about
// an invoice is forecast earlier than its outlook, with all other invoices of
// the customer or with some of them paid; a customer who owes nothing else gets
// it at exactly that instant; and where the outlook has none, none is forecast.
func TestR25_NoLetterBeforeTheOutlook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := standard()
		p.Link.OnExpiry = rapid.SampledFrom([]AtExpiry{MailNew, NextStep, Leave}).Draw(t, "on expiry")
		p.OnUncertain = rapid.SampledFrom([]OnUncertain{HoldLetter, ResendLetter}).Draw(t, "on uncertain")
		p.MaxSourceAge = map[string]time.Duration{"erp": 26 * time.Hour}
		p.FailedAttempt = &Step{Name: "failed_attempt", Template: "failed_attempt"}
		p.BrokenPromise = &Step{Name: "broken_promise", Template: "broken_promise"}
		p.Steps[4].Above = map[string]int64{"EUR": 50000}
		ps := p.Alone()
		now := at("2026-03-16 03:00")
		a := drawAccount(t, now)
		w := world{t: t, p: p}
		for range rapid.IntRange(0, 8).Draw(t, "days") {
			for n := 0; n < 100; n++ {
				d := ps.Next(a, now)
				if d.Act == Idle {
					break
				}
				if d.Act == Doubt && p.OnUncertain == ResendLetter {
					a = Apply(a, LetterEnded{ID: d.Letter, Try: d.Try, Result: Resend, At: now})
					continue
				}
				a = w.do(a, d, now)
			}
			now = now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour)
		}
		number := a.Invoices[rapid.IntRange(0, len(a.Invoices)-1).Draw(t, "which")].Number
		until := now.AddDate(0, 6, 0)
		before := a.clone()
		o := ps.Outlook(a, number, now)
		if !reflect.DeepEqual(a, before) {
			t.Fatal("the outlook changed the account")
		}
		if o.At.IsZero() && o.End.Why == "" || o.Person && !o.At.IsZero() || o.At.IsZero() != (o.Step == "") || !o.Since.IsZero() && o.Since.Before(now) {
			t.Fatalf("an outlook has an instant and a step, or a reason: %+v", o)
		}
		for _, world := range []struct {
			says string
			a    Account
		}{{"all is owed", a}, {"some are paid", somePaid(t, a, number)}, {"it is alone", onlyOwed(a, number)}} {
			told, end := ps.Forecast(ps.upkept(world.a, now, until), now, until)
			first, ok := firstLetter(told, world.a, number)
			switch {
			case ok && (o.At.IsZero() || first.Before(o.At)):
				t.Fatalf("%s: a letter about %s is forecast for %s, the outlook says %+v\n%+v", world.says, number, first, o, world.a)
			case world.says != "it is alone" || o.At.IsZero() || !o.At.Before(until):
			case !ok && end.Person && end.At.IsZero(): // nobody is to look at the customer before a person acts
			case !first.Equal(o.At):
				t.Fatalf("%s: the letter about %s is forecast for %s, the outlook says %+v\n%+v", world.says, number, first, o, world.a)
			}
			told, _ = ps.Ahead(world.a, number, now, until)
			ahead, found := firstLetter(told, world.a, number)
			alone := world.says == "it is alone"
			if found && ahead.Before(o.At) || alone && ok && !ahead.Equal(first) {
				t.Fatalf("%s: the first letter about %s is forecast for %s, ahead is %s, the outlook says %+v\n%+v", world.says, number, first, ahead, o, world.a)
			}
		}
	})
}

// drawAccount returns a debtor with a few invoices that people and sources have
// had their say about.
func drawAccount(t *rapid.T, now time.Time) Account {
	one := func(n int, label string) bool { return rapid.IntRange(0, n).Draw(t, label) == 0 }
	a := Account{ID: "acme", Email: "a@example.com"}
	if one(9, "unreachable") {
		a.Email = ""
	}
	if one(9, "stopped") {
		a.Stopped = "paused by Ada"
	}
	if one(9, "account held") {
		a.Hold = Hold{Reason: "vip"}
	}
	if one(4, "spoken to") {
		a.Contacts = []time.Time{now.AddDate(0, 0, -1)}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "invoices") {
		due := day("2026-03-16").AddDays(rapid.IntRange(-40, 40).Draw(t, "due"))
		inv := invoice(fmt.Sprintf("INV-%d", i), rapid.Int64Range(0, 100000).Draw(t, "amount"), due.AddDays(-30), due)
		inv.Status = rapid.SampledFrom([]Status{Open, Open, Open, Open, Open, Void, Unissued}).Draw(t, "status")
		inv.Source, inv.Known = "erp", now
		if one(9, "stale") {
			inv.Known = now.AddDate(0, 0, -3)
		}
		switch rapid.IntRange(0, 5).Draw(t, "a person") {
		case 0:
			inv.Hold = Hold{Reason: "dispute", Until: now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "held")) * time.Hour)}
		case 1:
			inv.Promise = Promise{Amount: inv.Open().Minor, Open: inv.Open().Minor, On: due.AddDays(rapid.IntRange(0, 40).Draw(t, "by")), At: now.AddDate(0, 0, -9)}
		}
		a.Invoices = append(a.Invoices, inv)
	}
	return a
}

// firstLetter returns when the first letter about an invoice among forecasts
// leaves.
func firstLetter(told []Forecast, a Account, number string) (time.Time, bool) {
	for _, f := range told {
		if _, ours := f.Decision.speaksOf(&a, number); ours {
			return f.At, true
		}
	}
	return time.Time{}, false
}

// somePaid returns an account of which some invoices, but not one of them, are
// paid.
func somePaid(t *rapid.T, a Account, but string) Account {
	a = a.clone()
	for i := range a.Invoices {
		if inv := &a.Invoices[i]; inv.Number != but && rapid.Bool().Draw(t, "paid") {
			inv.Status, inv.Paid = Paid, inv.Total.Minor
		}
	}
	return a
}

// onlyOwed returns an account that never owed anything but one invoice, apart
// from letters that were settled.
func onlyOwed(a Account, number string) Account { return a.clone().alone(number) }
