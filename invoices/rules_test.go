package invoices

import (
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// debtor returns an account that owes one invoice of 120.00, issued on 2 March
// 2026 and due on 1 April, whose first letter was sent on the day of issue with
// the link of generation 1, alive until the end of May.
func debtor(change func(a *Account, inv *Invoice)) Account {
	inv := invoice("INV-1", 12000, day("2026-03-02"), day("2026-04-01"))
	inv.Links = []Link{{Gen: 1, Ref: "INV-1-L1", Remote: "r1", URL: "https://pay/1", State: New, Amount: inv.Open(), Key: "test:1a2b3c4d", Expires: at("2026-05-31 00:00")}}
	inv.Steps = []Outcome{{Episode: 1, Step: "request", Result: Sent, Gen: 1, At: at("2026-03-02 08:00")}}
	a := Account{ID: "acme", Email: "a@example.com", Invoices: []Invoice{inv}}
	if change != nil {
		change(&a, &a.Invoices[0])
	}
	return a
}

// seen makes every link of an account looked at a moment before an instant.
func seen(a Account, now time.Time) Account {
	for i := range a.Invoices {
		for j := range a.Invoices[i].Links {
			a.Invoices[i].Links[j].Seen = now.Add(-time.Second)
		}
	}
	return a
}

// A rule says what Next must say of a debtor at an instant.
type rule struct {
	says   string // the sentence being proved
	at     string
	change func(a *Account, inv *Invoice)
	act    Act
	code   Code
	steps  string // of a letter: what it carries
	skips  string
	wakes  string // of an Idle: when to look again; empty: not checked; "never"
}

func prove(t *testing.T, p *Policy, rules []rule) {
	t.Helper()
	for _, r := range rules {
		now := at(r.at)
		a := seen(debtor(r.change), now)
		d := p.Next(a, now)
		var steps, skips []string
		for _, it := range d.Items {
			steps = append(steps, it.Invoice+" "+it.Step)
		}
		for _, s := range d.Skips {
			skips = append(skips, s.Step+": "+s.Why)
		}
		if d.Act != r.act || r.code != "" && d.Code != r.code || strings.Join(steps, " + ") != r.steps || r.skips != "" && strings.Join(skips, ", ") != r.skips {
			t.Errorf("%s\n\tgot  %s %s %v skips %v: %s\n\twant %s %s %s %s", r.says, d.Act, d.Code, steps, skips, d.Why, r.act, r.code, r.steps, r.skips)
		}
		if r.wakes == "never" && !d.At.IsZero() || r.wakes != "" && r.wakes != "never" && !d.At.Equal(at(r.wakes)) {
			t.Errorf("%s\n\twakes at %s, want %s", r.says, d.At.In(amsterdam), r.wakes)
		}
	}
}

// quiet is the standard policy with looks so rare that they do not wake it.
func quiet() *Policy {
	p := standard()
	p.Link.Poll = 1000 * time.Hour
	return p
}

func TestR03_PaidMeansSilence(t *testing.T) {
	prove(t, quiet(), []rule{
		{says: "a step is due and everything is fresh: it is sent", at: "2026-04-08 08:00", act: Remind, steps: "INV-1 friendly", skips: "upcoming: superseded by friendly"},
		{says: "the books say paid", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Paid = 12000 }, code: CodePaid},
		{says: "credited to zero", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Credited = 12000 }, code: CodePaid},
		{says: "void", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Status = Void }, code: CodeStatus},
		{says: "the link was paid although the books say unpaid", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Links[0].State = Completed }, code: CodePaidByLink, wakes: "never"},
		{says: "the payment was booked and something is still open", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Links[0].State = Completed
			inv.Total.Minor, inv.Paid = 20000, 12000
		}, act: MakeLink},
	})
	now := at("2026-04-08 08:00")
	a := seen(debtor(nil), now.Add(-Fresh))
	if d := quiet().Next(a, now); d.Act != Check {
		t.Errorf("a link not seen for more than a minute is looked at before the letter: got %s", d.Act)
	}
	a = debtor(func(_ *Account, inv *Invoice) {
		inv.Rest = Rest{Act: Check, Until: at("2026-04-08 08:15"), Tries: 1, Why: "time-out"}
	})
	if d := quiet().Next(a, now); d.Act != Idle || d.Code != CodeResting {
		t.Errorf("what cannot be verified is not sent: got %s %s", d.Act, d.Code)
	}
	renewed := func(ago time.Duration) Account {
		a := seen(debtor(func(_ *Account, inv *Invoice) {
			second := inv.Links[0]
			second.Gen, second.Ref, second.Remote, second.URL = 2, "INV-1-L2", "r2", "https://pay/2"
			inv.Links = append(inv.Links, second)
			sentAlready(inv, NewLinkStep(2))
		}), now)
		old := &a.Invoices[0].Links[0]
		old.State, old.Expires = Expired, now.Add(-ago-time.Hour)
		old.Seen = now.Add(-time.Hour)
		return a
	}
	if d := quiet().Next(renewed(0), now); d.Act != Check || d.Gen != 1 {
		t.Errorf("a link that has just expired may be completed late: got %s %d", d.Act, d.Gen)
	}
	if d := quiet().Next(renewed(afterlife), now); d.Act != Remind {
		t.Errorf("a link that expired long ago is not looked at any more: got %s %d", d.Act, d.Gen)
	}
}

// TestR02_WhatIsNotSentAgain: a letter that is to be sent once more, but says
// what is no longer true, takes nobody's step away who still owes.
func TestR02_WhatIsNotSentAgain(t *testing.T) {
	now := at("2026-04-08 08:00")
	letter := func(change func(first, second *Invoice)) Account {
		a := debtor(func(a *Account, inv *Invoice) {
			sentAlready(inv, "upcoming")
			other := *inv
			other.Number = "INV-2"
			other.Links, other.Steps = slices.Clone(inv.Links), slices.Clone(inv.Steps)
			a.Invoices = append(a.Invoices, other)
		})
		l := Letter{ID: "l1", Try: 1, State: Resend, At: now}
		for i := range a.Invoices {
			inv := &a.Invoices[i]
			l.Items = append(l.Items, Item{Invoice: inv.Number, Episode: 1, Step: "friendly", Gen: 1, Amount: inv.Open()})
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "friendly", Result: Resend, Letter: "l1", Gen: 1, At: now})
		}
		a.Letters = []Letter{l}
		change(&a.Invoices[0], &a.Invoices[1])
		return seen(a, now)
	}
	for says, c := range map[string]struct {
		change func(first, second *Invoice)
		act    Act
		result Result
	}{
		"both are owed":                 {func(_, _ *Invoice) {}, Again, ""},
		"both were paid":                {func(x, y *Invoice) { x.Paid, y.Paid = 12000, 12000 }, Withdraw, Skipped},
		"both were paid by link":        {func(x, y *Invoice) { x.Links[0].State, y.Links[0].State = Completed, Completed }, Withdraw, Skipped},
		"one was booked, one is a link": {func(x, y *Invoice) { x.Status, y.Links[0].State = Void, Completed }, Withdraw, Skipped},
		"the first was paid":            {func(x, _ *Invoice) { x.Paid = 12000 }, Withdraw, Uncertain},
		"the second was paid":           {func(_, y *Invoice) { y.Paid = 12000 }, Withdraw, Uncertain},
		"the second was paid by link":   {func(_, y *Invoice) { y.Links[0].State = Completed }, Withdraw, Uncertain},
		"the first is another amount":   {func(x, _ *Invoice) { x.Credited = 100 }, Withdraw, Uncertain},
	} {
		d := quiet().Next(letter(c.change), now)
		if d.Act != c.act || c.act == Withdraw && d.Withdrawn() != c.result {
			t.Errorf("%s: got %s, %s: %s; want %s, %s", says, d.Act, d.Withdrawn(), d.Why, c.act, c.result)
		}
	}
}

func TestR04_AfterDowntimeOnlyTheLatestStep(t *testing.T) {
	days := func(n ...int) *Policy {
		p := quiet()
		p.Steps = nil
		for i, n := range n {
			p.Steps = append(p.Steps, Step{Name: string(rune('a' + i)), When: When{Days: n}, Template: "friendly"})
		}
		return p
	}
	fresh := func(_ *Account, inv *Invoice) { inv.Steps = nil }
	prove(t, days(0, 7, 14), []rule{
		{
			says: "steps 0, +7 and +14, down until day 20: one letter, two skipped", at: "2026-04-21 08:00", change: fresh,
			act: Remind, steps: "INV-1 c", skips: "a: superseded by c, b: superseded by c",
		},
		{says: "what was sent is not skipped", at: "2026-04-21 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Steps = []Outcome{{Episode: 1, Step: "a", Result: Sent, Gen: 1, At: at("2026-04-01 08:00")}}
		}, act: Remind, steps: "INV-1 c", skips: "b: superseded by c"},
		{says: "a step below one that was sent is never sent", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Steps = []Outcome{{Episode: 1, Step: "b", Result: Sent, Gen: 1, At: at("2026-04-08 08:00")}}
		}, wakes: "2026-04-14 08:00"},
	})
	needs := days(0, 7, 14)
	needs.Steps[2].RequiresSent = []string{"b"}
	prove(t, needs, []rule{
		{says: "+14 requires +7: the lower one goes first", at: "2026-04-21 08:00", change: fresh, act: Remind, steps: "INV-1 b", skips: "a: superseded by b"},
		{says: "and +14 follows after the minimum gap", at: "2026-04-22 08:00", change: func(a *Account, inv *Invoice) {
			inv.Steps = []Outcome{{Episode: 1, Step: "b", Result: Sent, Gen: 1, At: at("2026-04-21 08:00")}}
			a.Letters = []Letter{{State: Sent, At: at("2026-04-21 08:00")}}
		}, code: CodePolite, wakes: "2026-04-24 08:00"},
	})
}

func TestR05_LateIsNotLostVeryLateNeedsAPerson(t *testing.T) {
	prove(t, quiet(), []rule{
		{says: "two weeks late is still sent", at: "2026-04-13 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "upcoming", Result: Sent, Gen: 1, At: at("2026-03-30 08:00")})
		}, act: Remind, steps: "INV-1 friendly"},
		{says: "later than max_lateness a person decides", at: "2026-05-25 08:00", change: func(_ *Account, inv *Invoice) { inv.Steps[0].Gen = 1 }, code: CodeStaleStep},
		{says: "a person said go on", at: "2026-05-25 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Released = at("2026-05-24 09:00")
			inv.Links[0].Expires = at("2026-06-20 00:00")
		}, act: Remind, steps: "INV-1 firm"},
		{says: "a step that waited for another is not late for that", at: "2026-05-25 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "firm", Result: Sent, Gen: 1, At: at("2026-05-20 08:00")})
			inv.Links[0].Expires = at("2026-06-20 00:00")
		}, act: Remind, steps: "INV-1 final"},
	})
}

func TestR09_MoneyOnItsWayIsNotDunned(t *testing.T) {
	trying := func(since string) func(*Account, *Invoice) {
		return func(_ *Account, inv *Invoice) { inv.Links[0].State, inv.Links[0].Since = Trying, at(since) }
	}
	prove(t, quiet(), []rule{
		{says: "a payment under way holds the step", at: "2026-04-08 08:00", change: trying("2026-04-07 12:00"), code: CodePending},
		{says: "after five working days a person is asked", at: "2026-04-15 08:00", change: trying("2026-04-07 12:00"), code: CodePending},
	})
	now := at("2026-04-15 08:00")
	if d := quiet().Next(seen(debtor(trying("2026-04-07 12:00")), now), now); !d.Person {
		t.Errorf("after five working days a person is asked: %+v", d)
	}
}

func TestR10_OneLiveLink(t *testing.T) {
	usedUp := func(gens int) func(*Account, *Invoice) {
		return func(_ *Account, inv *Invoice) {
			first := inv.Links[0]
			inv.Links = nil
			for g := 1; g <= gens; g++ {
				l := first
				l.Gen, l.State, l.Since, l.Expires = g, Expired, at("2026-04-05 00:00"), at("2026-04-05 00:00")
				inv.Links = append(inv.Links, l)
			}
			inv.Steps[0].Gen = gens
		}
	}
	state := func(s LinkState, attempts int) func(*Account, *Invoice) {
		return func(_ *Account, inv *Invoice) {
			inv.Links[0].State, inv.Links[0].Attempts = s, attempts
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "upcoming", Result: Sent, Gen: 1, At: at("2026-03-27 08:00")})
		}
	}
	prove(t, quiet(), []rule{
		{says: "a link that failed is reused", at: "2026-04-08 08:00", change: state(Rejected, 24), act: Remind, steps: "INV-1 friendly"},
		{says: "25 failed attempts use it up", at: "2026-04-08 08:00", change: state(Rejected, 25), act: RenewLink},
		{says: "GET said expired", at: "2026-04-08 08:00", change: state(Expired, 0), act: RenewLink},
		{says: "our clock says expired, the provider does not: it is not replaced", at: "2026-04-08 08:00", change: func(a *Account, inv *Invoice) {
			state(New, 0)(a, inv)
			inv.Links[0].Expires = at("2026-04-08 07:00")
		}, code: CodeLinkDying},
		{says: "404: never another link", at: "2026-04-08 08:00", change: state(Missing, 0), code: CodeMissing},
		{says: "an unknown state: never another link", at: "2026-04-08 08:00", change: state("a word of tomorrow", 0), code: CodeMismatch},
		{says: "the amount changed: another link for the new amount", at: "2026-04-08 08:00", change: func(a *Account, inv *Invoice) {
			state(New, 0)(a, inv)
			inv.Paid = 2000
		}, act: MakeLink},
		{says: "the amount changed back: the first link is used again", at: "2026-04-08 08:00", change: func(a *Account, inv *Invoice) {
			state(New, 0)(a, inv)
			inv.Links = append(inv.Links, Link{Gen: 2, Remote: "r2", State: New, Amount: money.Amount{Minor: 10000, Currency: "EUR"}, Key: "test:1a2b3c4d", Expires: at("2026-05-31 00:00")})
		}, act: Remind, steps: "INV-1 friendly"},
		{says: "ended unpaid with no step near: renewed at once, at night too", at: "2026-04-09 03:00", change: func(a *Account, inv *Invoice) {
			usedUp(1)(a, inv)
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "friendly", Result: Sent, Gen: 1, At: at("2026-04-08 08:00")})
		}, act: RenewLink},
		{says: "renewed three times: a person decides", at: "2026-04-08 08:00", change: usedUp(4), code: CodeRenewals},
	})
}

func TestR10_TheNewLinkIsMailedOncePerGeneration(t *testing.T) {
	renewed := func(more ...Outcome) func(*Account, *Invoice) {
		return func(a *Account, inv *Invoice) {
			l := inv.Links[0]
			inv.Links[0].State, inv.Links[0].Since, inv.Links[0].Expires = Expired, at("2026-04-12 00:00"), at("2026-04-12 00:00")
			l.Gen, l.Remote = 2, "r2"
			inv.Links = append(inv.Links, l)
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "friendly", Result: Sent, Gen: 1, At: at("2026-04-08 08:00")})
			inv.Steps = append(inv.Steps, more...)
		}
	}
	p := quiet()
	prove(t, p, []rule{
		{says: "the customer holds a dead link: the new one is mailed", at: "2026-04-13 09:00", change: renewed(), act: Remind, steps: "INV-1 new_link-2"},
		{says: "inside the window", at: "2026-04-13 03:00", change: renewed(), code: CodePolite, wakes: "2026-04-13 08:00"},
		{says: "inside the pacing", at: "2026-04-13 09:00", change: func(a *Account, inv *Invoice) {
			renewed()(a, inv)
			a.Letters = []Letter{{State: Sent, At: at("2026-04-11 08:00")}}
		}, code: CodePolite, wakes: "2026-04-14 08:00"},
		{says: "once", at: "2026-04-14 09:00", change: renewed(Outcome{Episode: 1, Step: "new_link-2", Result: Sent, Gen: 2, At: at("2026-04-13 08:00")}), code: CodeWaiting},
		{says: "a step within min_gap carries it", at: "2026-04-20 09:00", change: renewed(), code: CodeWaiting},
		{says: "the step carries it", at: "2026-04-22 08:00", change: renewed(), act: Remind, steps: "INV-1 firm"},
	})
	p.Link.OnExpiry = NextStep
	prove(t, p, []rule{{says: "next_step waits for the next step", at: "2026-04-13 09:00", change: renewed(), code: CodeWaiting}})
	p.Link.OnExpiry = Leave
	prove(t, p, []rule{{says: "leave makes no other link", at: "2026-04-22 08:00", change: func(a *Account, inv *Invoice) {
		renewed()(a, inv)
		inv.Links = inv.Links[:1]
	}, code: CodeLeft}})
}

func TestR10_TwoPaymentsAreAnIncident(t *testing.T) {
	inv := debtor(nil).Invoices[0]
	paid := inv.Links[0]
	paid.State = Completed
	if got := inv.Incidents(paid, at("2026-04-08 08:00")); len(got) != 0 {
		t.Errorf("one payment is no incident: %v", got)
	}
	inv.Links[0].State = Completed
	second := paid
	second.Gen, second.Ref = 2, "INV-1-L2"
	inv.Links = append(inv.Links, Link{Gen: 2, Ref: "INV-1-L2", State: New})
	if got := inv.Incidents(second, at("2026-04-08 08:00")); len(got) != 1 || got[0].(Incident).Kind != DoublePayment {
		t.Errorf("two completed links: %v", got)
	}
	void := debtor(func(_ *Account, inv *Invoice) { inv.Status = Void }).Invoices[0]
	if got := void.Incidents(paid, at("2026-04-08 08:00")); len(got) != 1 || got[0].(Incident).Kind != PaidAfterVoid {
		t.Errorf("paid after it was voided: %v", got)
	}
}

func TestR11_NoLinkNoMail(t *testing.T) {
	none := func(_ *Account, inv *Invoice) { inv.Links, inv.Steps = nil, nil }
	prove(t, quiet(), []rule{
		{says: "no link: one is made first", at: "2026-03-02 08:00", change: none, act: MakeLink},
		{says: "it is made ahead of the step, at night too", at: "2026-03-01 23:00", change: none, act: MakeLink},
		{says: "but not earlier than link.lead", at: "2026-03-01 07:00", change: none, code: CodeWaiting, wakes: "2026-03-01 08:00"},
		{says: "the provider refused: the step waits", at: "2026-03-02 08:00", change: func(a *Account, inv *Invoice) {
			none(a, inv)
			inv.Rest = Rest{Act: MakeLink, Tries: 1, Why: "the amount is too small"}
		}, code: CodeBlockedByOrder, wakes: "never"},
		{says: "too short a life: the step waits until it has ended", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Links[0].Expires = at("2026-04-10 08:00")
		}, code: CodeLinkDying, wakes: "2026-04-10 08:00"},
	})
}

func TestR12_TheAmountIsTheOpenBalance(t *testing.T) {
	now := at("2026-04-08 08:00")
	a := seen(debtor(func(_ *Account, inv *Invoice) {
		inv.Paid, inv.Credited = 3000, 1000
		inv.Links[0].Amount.Minor = 8000
	}), now)
	d := quiet().Next(a, now)
	if d.Act != Remind || d.Items[0].Amount != (money.Amount{Minor: 8000, Currency: "EUR"}) {
		t.Errorf("the letter names %v, want 80.00", d.Items)
	}
	prove(t, quiet(), []rule{
		{says: "the minimum applies to the open balance", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Paid = 11501 }, code: CodeMinimum},
		{says: "an overpaid invoice is not collected", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Paid = 13000 }, code: CodePaid},
	})
}

func TestR16_DaysAreCountedOnTheCalendar(t *testing.T) {
	for _, tt := range []struct{ zone, due, want string }{
		{"Europe/Brussels", "2026-03-22", "2026-03-30T08:00:00+02:00"}, // the 29th is a Sunday and the night of the change
		{"Europe/Brussels", "2026-10-18", "2026-10-26T08:00:00+01:00"}, // 25 hours in the day before
		{"Europe/Brussels", "2028-02-22", "2028-02-29T08:00:00+01:00"}, // a leap day
		{"Pacific/Kiritimati", "2026-03-09", "2026-03-16T08:00:00+14:00"},
		{"Pacific/Honolulu", "2026-03-09", "2026-03-16T08:00:00-10:00"},
	} {
		p := quiet()
		a := debtor(func(a *Account, inv *Invoice) {
			a.Zone = mustZone(tt.zone)
			inv.DueOn, inv.Steps = day(tt.due), []Outcome{{Episode: 1, Step: "upcoming", Result: Sent, Gen: 1, At: day(tt.due).AddDays(-3).At(8, 0, mustZone(tt.zone))}}
			inv.Links[0].Expires = day(tt.due).AddDays(60).At(0, 0, time.UTC)
		})
		now := day(tt.due).At(12, 0, time.UTC)
		d := p.Next(seen(a, now), now)
		for d.Act == Idle && d.Code == CodeWaiting && !d.At.IsZero() { // link.lead wakes a day before
			if now = d.At; d.At.After(now) {
				break
			}
			d = p.Next(seen(a, now), now)
		}
		if got := now.In(a.Zone).Format(time.RFC3339); d.Act != Remind || got != tt.want {
			t.Errorf("7 days after %s in %s: %s at %s, want a letter at %s", tt.due, tt.zone, d.Act, got, tt.want)
		}
	}
}

func TestR20_FailClosed(t *testing.T) {
	prove(t, quiet(), []rule{
		{says: "draft", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Status = Unissued }, code: CodeStatus},
		{says: "a word nobody knows", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Status = "offen" }, code: CodeStatus},
		{says: "disputed", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Status = Disputed }, code: CodeStatus},
		{says: "negative", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Total.Minor = -5 }, code: CodePaid},
		{says: "no due date", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.DueOn = civil.Date{} }, code: CodeNoDueDate},
		{says: "a currency the policy does not collect", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Total.Currency = "USD" }, code: CodeCurrency},
		{says: "no recipient: the step is not spent", at: "2026-04-08 08:00", change: func(a *Account, _ *Invoice) { a.Email = "" }, code: CodeNoRecipient},
		{says: "the mailbox does not exist (R19)", at: "2026-04-08 08:00", change: func(a *Account, _ *Invoice) { a.Suppressed = a.Email }, code: CodeSuppressed},
		{says: "another address than the suppressed one", at: "2026-04-08 08:00", change: func(a *Account, _ *Invoice) { a.Suppressed = "old@example.com" }, act: Remind, steps: "INV-1 friendly"},
		{says: "the last full load left it out", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Vanished = true }, code: CodeVanished},
		{says: "held without an end", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) { inv.Hold = Hold{Reason: "dispute"} }, code: CodeHold},
		{says: "held until a day", at: "2026-04-08 08:00", change: func(a *Account, _ *Invoice) { a.Hold = Hold{Reason: "promise", Until: at("2026-04-10 00:00")} }, code: CodeHold, wakes: "2026-04-10 00:00"},
		{says: "a letter in doubt", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "upcoming", Result: Uncertain})
		}, code: CodeUncertain},
		{says: "a letter refused", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
			inv.Steps = append(inv.Steps, Outcome{Episode: 1, Step: "upcoming", Result: Failed})
		}, code: CodeStepFailed},
	})
	p := quiet()
	p.StartFrom = day("2026-04-02")
	prove(t, p, []rule{{says: "due before collecting started (R6)", at: "2026-04-08 08:00", code: CodeBeforeStart}})
	p = quiet()
	p.MaxSourceAge = map[string]time.Duration{"erp": 26 * time.Hour}
	prove(t, p, []rule{{says: "the books are old (R8)", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
		inv.Source, inv.Known = "erp", at("2026-04-07 05:00")
	}, code: CodeStaleSource}})
}

func TestR23_MovingTheDueDate(t *testing.T) {
	inv := debtor(nil).Invoices[0]
	row := Row{Number: inv.Number, Total: inv.Total, IssuedOn: inv.IssuedOn, DueOn: day("2026-05-20")}
	now := at("2026-04-05 10:00")
	moved, change := Revise(&inv, row, now, day("2026-04-05"))
	if change != Changed || moved.Episode != 2 || !moved.Moved.Equal(now) || len(moved.Steps) != 1 {
		t.Errorf("an overdue invoice extended past today begins an episode: %+v", moved)
	}
	row.DueOn = day("2026-04-04")
	if moved, _ := Revise(&inv, row, now, day("2026-04-05")); moved.Episode != 1 {
		t.Errorf("not past today: the same episode, got %d", moved.Episode)
	}
	inv.DueOn, row.DueOn = day("2026-04-10"), day("2026-04-20")
	if moved, _ := Revise(&inv, row, now, day("2026-04-05")); moved.Episode != 1 {
		t.Errorf("not yet due: the same episode, got %d", moved.Episode)
	}
	inv.Status, row.DueOn = Paid, inv.DueOn
	if moved, _ := Revise(&inv, row, now, day("2026-04-05")); moved.Episode != 2 || !moved.Moved.IsZero() {
		t.Errorf("reopened: the next episode, got %+v", moved)
	}
	if same, change := Revise(&moved, Row{Number: "INV-1", Total: moved.Total, IssuedOn: moved.IssuedOn, DueOn: moved.DueOn}, now, day("2026-04-06")); change != Unchanged || same.Episode != 2 {
		t.Errorf("told the same again: %s, episode %d", change, same.Episode)
	}
	prove(t, quiet(), []rule{
		{says: "steps whose time had passed when the date was moved are not sent in the new episode", at: "2026-04-08 08:00", change: func(_ *Account, inv *Invoice) {
			inv.DueOn, inv.Episode, inv.Moved = day("2026-05-20"), 2, at("2026-04-05 10:00")
		}, code: CodeWaiting},
		{says: "the rest of the ladder is counted from the new date", at: "2026-05-18 08:00", change: func(_ *Account, inv *Invoice) {
			inv.DueOn, inv.Episode, inv.Moved = day("2026-05-20"), 2, at("2026-04-05 10:00")
		}, act: Remind, steps: "INV-1 upcoming", skips: "request: due_date_moved"},
	})
}

func TestR26_LinksOfAnotherKey(t *testing.T) {
	with := func(key string, state LinkState) func(*Account, *Invoice) {
		return func(_ *Account, inv *Invoice) { inv.Links[0].Key, inv.Links[0].State = key, state }
	}
	live := quiet()
	live.Key = Keys{Own: "live:aaaaaaaa", Former: []string{"live:bbbbbbbb"}, Abandoned: []string{"live:cccccccc"}}
	prove(t, live, []rule{
		{says: "another live key: neither polled nor mailed nor replaced, a person decides", at: "2026-04-08 08:00", change: with("live:dddddddd", New), code: CodeOtherKey, wakes: "never"},
		{says: "a link of the test mode does not matter in live mode", at: "2026-04-08 08:00", change: with("test:1a2b3c4d", New), act: MakeLink},
		{says: "a former key of the same project is ours", at: "2026-04-08 08:00", change: with("live:bbbbbbbb", New), act: Remind, steps: "INV-1 friendly"},
		{says: "a key that was given up does not matter", at: "2026-04-08 08:00", change: with("live:cccccccc", New), act: MakeLink},
	})
}

func TestR14_OneLetterPerCustomer(t *testing.T) {
	now := at("2026-04-08 08:00")
	a := seen(debtor(func(a *Account, inv *Invoice) {
		second := *inv
		second.Number, second.DueOn = "INV-2", day("2026-04-01")
		second.Steps = []Outcome{{Episode: 1, Step: "request", Result: Sent, Gen: 1}, {Episode: 1, Step: "upcoming", Result: Sent, Gen: 1}, {Episode: 1, Step: "friendly", Result: Sent, Gen: 1, At: at("2026-03-25 08:00")}}
		third := invoice("INV-3", 100000, day("2026-04-08"), day("2026-05-08"))
		third.Links = []Link{{Gen: 1, Remote: "r3", State: New, Amount: third.Open(), Key: "test:1a2b3c4d", Expires: at("2026-06-30 00:00")}}
		a.Invoices = append(a.Invoices, second, third)
	}), now)
	d := quiet().Next(a, now)
	if d.Act != Email || len(d.Items) != 1 || d.Items[0].Invoice != "INV-3" || !d.Single {
		t.Fatalf("the first letter of an invoice is its own: %+v", d)
	}
	a.Invoices = a.Invoices[:2]
	d = quiet().Next(a, now)
	if d.Act != Remind || len(d.Items) != 2 || d.Template != "firm" || d.Items[0].Invoice != "INV-2" {
		t.Errorf("the reminders share one letter of the highest level: %+v", d)
	}
}
