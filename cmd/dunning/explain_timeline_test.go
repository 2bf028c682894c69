package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dunning/internal/config"
	"dunning/internal/store"
	"dunning/invoices"
)

// happenings are events as the store words them, and what finance is told.
var happenings = []struct {
	kind, detail, says string
}{
	{"invoice_added", "EUR 120.00 open, due 2026-04-01, open", "the invoice was taken in: EUR 120.00 open, due 2026-04-01"},
	{"invoice_added", "EUR 120.00 open, due 2026-04-01, draft", "the invoice was taken in: EUR 120.00 open, due 2026-04-01, draft"},
	{"invoice_changed", "due 2026-05-01, was 2026-04-01; episode 2 begins", "the books changed: due 2026-05-01, was 2026-04-01; episode 2 begins"},
	{"invoice_vanished", "the full load books.csv does not mention it", "the books do not list it any more: the full load books.csv does not mention it"},
	{"account_changed", "by books.csv", "what the books say of the customer changed, by books.csv"},
	{"hold", "vip, until 2026-04-30T22:00:00Z", "this invoice was put on hold: vip, until Fri 2026-05-01 00:00"},
	{"release", "they paid (holds ended: 1, incidents closed: 0)", "this invoice goes on, a person said: they paid (holds ended: 1, incidents closed: 0)"},
	{"promise", "EUR 20.00 by 2026-03-20", "the customer promised to pay EUR 20.00 by 2026-03-20"},
	{"promise_kept", "what was promised by 2026-03-20 was paid", "the promise was kept: what was promised by 2026-03-20 was paid"},
	{"promise_withdrawn", "they will not", "the promise does not hold any more: they will not"},
	{"contacted", "phone on 2026-03-13T07:00:00Z", "people spoke to the customer: phone on Fri 2026-03-13 08:00"},
	{"approved", "the letter final about EUR 120.00", "a person approved of the letter final about EUR 120.00"},
	{"settled", "firm was uncertain, now sent: in the log", "a person settled a letter: firm was uncertain, now sent: in the log"},
	{"step_skipped", "upcoming: superseded by friendly", "the step upcoming is left out: superseded by friendly"},
	{"address_refused", "550 5.1.1 unknown", "the customer's address was refused: 550 5.1.1 unknown"},
	{"incident", "double_payment: pay one back", "incident, double payment: pay one back"},
	{"webhook", "something happened to INV-1-L1", "Cost+ called: something happened to INV-1-L1"},
	{"rest", "make_link, failure 1: 503", "making a payment link failed: 503; it is tried again later"},
	{"rest", "remind, failure 3: 451 busy: later", "sending the letter (failure 3 in a row) failed: 451 busy: later; it is tried again later"},
	{"refused", "check, failure 1: 400", "looking at the payment link failed: 400; it is not tried again before something changes"},
	{"refused", "as nobody words it", "a try failed: as nobody words it; it is not tried again before something changes"},
	{"link_wanted", "INV-1-L1 for EUR 120.00, key live:1a2b3c4d", "the payment link INV-1-L1 was asked for; no answer is known"},
	{"link_new", "INV-1-L1, 0 attempts", "a payment link was made (INV-1-L1); it works until Thu 2026-04-16 09:00"},
	{"link_new", "INV-9-L7, 0 attempts", "a payment link was made (INV-9-L7)"},
	{"link_processing", "INV-1-L1, 2 attempts", "a payment by the payment link INV-1-L1 is under way (payments tried: 2)"},
	{"link_all_unsuccessful", "INV-1-L1, 2 attempts: declined, twice", "a payment by the payment link INV-1-L1 failed (payments tried: 2): declined, twice"},
	{"link_completed", "INV-1-L1, 1 attempts", "the payment link INV-1-L1 was paid (payments tried: 1)"},
	{"link_expired", "INV-1-L1, 0 attempts", "the payment link INV-1-L1 expired unpaid"},
	{"link_unmade", "INV-1-L1, 0 attempts: 400", "the payment link INV-1-L1 could not be made: 400"},
	{"link_lost", "INV-1-L1: the answer never came; if it was made, nobody was ever shown it", "no answer came about the payment link INV-1-L1; if it was made, nobody was ever shown it"},
	{"link_missing", "INV-1-L1, 0 attempts", "Cost+ does not know the payment link INV-1-L1 any more"},
	{"link_mismatch", "INV-1-L1, 0 attempts: the provider says EUR 1.00 for r1", "Cost+ tells otherwise than was agreed of the payment link INV-1-L1: the provider says EUR 1.00 for r1"},
	{"link_unknown", "INV-1-L9 is new", "Cost+ tells of a link that is not known here: INV-1-L9 is new"},
	{"link_of_tomorrow", "INV-1-L1, 0 attempts", "Cost+ says of the payment link INV-1-L1: of_tomorrow"},
	{"letter_started", "firm, EUR 120.00, link 1, try 1", "the letter firm to a@acme.example, b@acme.example was given to the mail server; nothing more is known"},
	{"letter_sent", "firm, try 1: 250 Ok: queued", "the letter firm was sent to a@acme.example, b@acme.example; the mail server said: 250 Ok: queued"},
	{"letter_sent", "later, try 2: 250 Ok", "the letter later (template firm) (try 2) was sent to a@acme.example, b@acme.example; the mail server said: 250 Ok"},
	{"letter_failed", "firm, try 1: 554 no", "the letter firm to a@acme.example, b@acme.example was refused: 554 no"},
	{"letter_uncertain", "firm, try 1: lost", "the letter firm to a@acme.example, b@acme.example may or may not have arrived: lost"},
	{"letter_delayed", "firm, try 1: 451", "the letter firm to a@acme.example, b@acme.example did not leave and is tried again: 451"},
	{"letter_skipped", "firm, try 1: INV-1 is no longer owed", "the letter firm to a@acme.example, b@acme.example is not sent any more: INV-1 is no longer owed"},
	{"letter_resend", "firm, try 1: lost", "the letter firm to a@acme.example, b@acme.example is to be sent once more, the same bytes: lost"},
	{"letter_late", "try 1 was sent; nothing changes: 250", "an answer about a letter came too late to change anything: try 1 was sent; nothing changes: 250"},
	{"something_new", "whatever", "something new: whatever"},
}

func amsterdam(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// aTeller tells of one invoice with one link and one letter.
func aTeller(t *testing.T) *teller {
	inv := &invoices.Invoice{Number: "INV-1", Links: []invoices.Link{{Gen: 1, Ref: "INV-1-L1", Expires: time.Date(2026, 4, 16, 7, 0, 0, 0, time.UTC)}}}
	letter := invoices.Letter{ID: "l1", Template: "firm", To: []string{"a@acme.example"}, CC: []string{"b@acme.example"}, Items: []invoices.Item{{Invoice: "INV-1"}}}
	return newTeller(inv, []invoices.Letter{letter}, amsterdam(t))
}

// TestEveryEventIsASentence: each event alone, as the store words it.
func TestEveryEventIsASentence(t *testing.T) {
	for _, h := range happenings {
		e := store.Event{Kind: h.kind, Actor: "worker host/1", Invoice: "INV-1", Detail: h.detail, At: time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)}
		if strings.HasPrefix(h.kind, "letter_") {
			e.Letter = "l1"
		}
		got := aTeller(t).tell([]store.Event{e})
		if len(got) != 1 || got[0].Says != h.says || got[0].By != "" {
			t.Errorf("%s, %q\n got %+v\nwant %q", h.kind, h.detail, got, h.says)
		}
	}
}

// TestNoEventIsForgotten: every kind of event that the store writes about an
// invoice or a customer is among those above.
func TestNoEventIsForgotten(t *testing.T) {
	files, err := filepath.Glob("../../internal/store/*.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{
		// About the installation as a whole: explain never reads them.
		"alarm": true, "alarm_closed": true, "configured": true, "imported": true,
	}
	for _, h := range happenings {
		known[h.kind] = true
	}
	kind := regexp.MustCompile(`\bKind: +"([a-z_]+)"|e\.Kind, e\.Detail = "([a-z_]+)"|kind :?= "([a-z_]+)"`)
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kind.FindAllStringSubmatch(string(text), -1) {
			name := m[1] + m[2] + m[3]
			if name == "letter_" || name == "link_" { // and the word for the state, all of which are above
				continue
			}
			if found++; !known[name] {
				t.Errorf("%s writes events of kind %q, and no sentence for it is tested", filepath.Base(file), name)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d kinds were found: the store words its events otherwise now", found)
	}
	for _, state := range []invoices.LinkState{invoices.Wanted, invoices.Unmade, invoices.Lost, invoices.Missing, invoices.Mismatch, invoices.New, invoices.Trying, invoices.Rejected, invoices.Completed, invoices.Expired} {
		if !known["link_"+string(state)] {
			t.Errorf("no sentence is tested for a link that is %s", state)
		}
	}
	for _, result := range []invoices.Result{invoices.Sent, invoices.Skipped, invoices.Failed, invoices.Uncertain, invoices.Resend, invoices.Delayed} {
		if !known["letter_"+string(result)] {
			t.Errorf("no sentence is tested for a letter that is %s", result)
		}
	}
}

// TestTimelineTellsOneThingOnce: what was begun and ended is one sentence,
// repetitions are one, and letters about other invoices are none.
func TestTimelineTellsOneThingOnce(t *testing.T) {
	at := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
	event := func(kind, letter, detail string) store.Event {
		at = at.Add(time.Minute)
		return store.Event{At: at, Kind: kind, Actor: "worker host/1", Invoice: "INV-1", Letter: letter, Detail: detail}
	}
	hold := event("hold", "", "vip, until released")
	hold.Invoice, hold.Actor = "", "Ada"
	got := aTeller(t).tell([]store.Event{
		event("link_wanted", "", "INV-1-L1 for EUR 120.00, key live:1a2b3c4d"),
		event("link_new", "", "INV-1-L1, 0 attempts"),
		event("letter_started", "l1", "firm, EUR 120.00, link 1, try 1"),
		event("letter_delayed", "l1", "firm, try 1: 451"),
		event("letter_started", "l1", "firm, EUR 120.00, link 1, try 2"),
		event("letter_late", "l9", "try 1 was sent; nothing changes: 250"),
		event("webhook", "", "something happened to INV-1-L1"),
		event("webhook", "", "something happened to INV-1-L1"),
		event("webhook", "", "something happened to INV-1-L1"),
		event("link_all_unsuccessful", "", "INV-1-L1, 1 attempts"),
		event("link_new", "", "INV-1-L1, 1 attempts"),
		hold,
	})
	var says []string
	for _, h := range got {
		says = append(says, h.Says)
	}
	want := []string{
		"a payment link was made for EUR 120.00 (INV-1-L1); it works until Thu 2026-04-16 09:00",
		"the letter firm to a@acme.example, b@acme.example did not leave and is tried again: 451",
		"the letter firm (try 2) to a@acme.example, b@acme.example was given to the mail server; nothing more is known",
		"Cost+ called: something happened to INV-1-L1, 3 times since Mon 2026-03-02 08:08",
		"a payment by the payment link INV-1-L1 failed (payments tried: 1)",
		"the payment link INV-1-L1 can be paid (payments tried: 1)",
		"everything of this customer was put on hold: vip, until released",
	}
	if strings.Join(says, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(says, "\n"), strings.Join(want, "\n"))
	}
	if last := got[len(got)-1]; last.By != "Ada" {
		t.Errorf("who said so is told: %+v", last)
	}
}

// TestForesee: the last line of explain, in a sentence for every outlook.
func TestForesee(t *testing.T) {
	now := time.Date(2026, 4, 7, 8, 0, 0, 0, time.UTC)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	w := &works{cfg: &config.Config{Zone: amsterdam(t)}}
	asks := []blocker{{Why: "a"}, {Why: "b", Person: true}, {Why: "c", Person: true}}
	for _, c := range []struct {
		says     string
		x        outlook
		blockers []blocker
		zone     *time.Location
		want     string
	}{
		{"on a day", outlook{At: now.Add(22 * time.Hour), Step: "firm"}, nil, nil, "no letter before Wed 2026-04-08 08:00 (Europe/Amsterdam); it is the letter firm"},
		{"on a day, for a customer far away", outlook{At: now.Add(15 * time.Hour), Step: "firm"}, nil, tokyo, "no letter before Wed 2026-04-08 01:00 (Europe/Amsterdam), which is Wed 2026-04-08 08:00 for the customer (Asia/Tokyo); it is the letter firm"},
		{"on a day, unless a person is quicker", outlook{At: now.Add(22 * time.Hour), Step: "firm", Why: "it waits", Since: now}, nil, nil, "no letter before Wed 2026-04-08 08:00 (Europe/Amsterdam); it is the letter firm; sooner only if a person acts: from Tue 2026-04-07 10:00 on, it waits"},
		{"now", outlook{At: now, Step: "firm"}, nil, nil, "a letter may leave now, with the next run: firm"},
		{"persons are asked now", outlook{Person: true, Why: "b"}, asks, nil, "no letter until a person acts: b; c"},
		{"a person will be asked", outlook{Person: true, Why: "it waits", Since: now}, nil, nil, "no letter until a person acts: from Tue 2026-04-07 10:00 on, it waits"},
		{"paid", outlook{Code: "paid", Why: "paid"}, nil, nil, "no letter: nothing is owed"},
		{"never", outlook{Why: "the ladder is finished", Since: now}, nil, nil, "no letter in the next 2 years: the ladder is finished"},
		{"not any more", outlook{Why: "the ladder is finished", Since: now.Add(time.Hour)}, nil, nil, "no letter in the next 2 years: from Tue 2026-04-07 11:00 on, the ladder is finished"},
	} {
		if got := w.foresee(&c.x, c.blockers, c.zone, now); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.says, got, c.want)
		}
	}
}

// TestWhenInWords: why a letter was written, on the ladder and beside it.
func TestWhenInWords(t *testing.T) {
	p := &invoices.Policy{
		Steps: []invoices.Step{
			{Name: "request", When: invoices.When{Anchor: invoices.AfterIssue}},
			{Name: "upcoming", When: invoices.When{Days: -3}},
			{Name: "friendly", When: invoices.When{Days: 1}},
			{Name: "firm", When: invoices.When{Anchor: invoices.AfterStep, Days: 10, Working: true, Step: "friendly"}},
			{Name: "expiring", When: invoices.When{Anchor: invoices.OnExpiry, Days: -2}},
		},
		FailedAttempt: &invoices.Step{Name: "failed"}, BrokenPromise: &invoices.Step{Name: "broken"},
	}
	for step, want := range map[string]string{
		"request": "on the issue date", "upcoming": "3 days before the due date", "friendly": "1 day after the due date",
		"firm": "10 working days after the step friendly", "expiring-2": "2 days before the expiry of its payment link",
		"new_link-2": "when its payment link was renewed", "failed": "when payments failed",
		"broken-2026-04-01": "when a promise was not kept", "gone": "",
	} {
		if got := whenOf(p, step); got != want {
			t.Errorf("%s: got %q, want %q", step, got, want)
		}
	}
}

// TestR07_ALetterOfAPlan: a letter that left because a person approved a plan
// says so; the plan proposed after it, and one of another amount, do not count.
func TestR07_ALetterOfAPlan(t *testing.T) {
	run, p := newPast(t, "sqlite")
	plan := func(minor int64) string {
		made := invoices.NewPlan("email-links", [][]invoices.Item{{item("INV-1", "request", 0, minor)}}, 0, p.now)
		p.must(p.db.Propose(t.Context(), made))
		_, err := p.db.Approve(t.Context(), made.ID, "Ada", p.now)
		p.must(err)
		return made.ID
	}
	p.at("2026-03-02 06:00").books("Acme BV", "finance@acme.example", nil)
	p.at("2026-03-02 06:10").link("INV-1", 1, 12000)
	p.at("2026-03-02 06:20")
	right, other := plan(12000), plan(11000)
	p.at("2026-03-02 07:00").letter("aaaa1111", "request", []invoices.Item{item("INV-1", "request", 1, 12000)}, invoices.Sent, "250 Ok", "")
	out := run(exitDone, "--now", "2026-03-03T09:00:00+01:00", "explain", "--letter", "aaaa1111")
	if !strings.Contains(out, "it is one of the letters of the plan "+right+" of email-links, made Mon 2026-03-02 07:20, which a person approved") || strings.Contains(out, other) {
		t.Errorf("the plan %s, and not %s, is why it left:\n%s", right, other, out)
	}
}
