package invoices

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/period"
)

var amsterdam = mustZone("Europe/Amsterdam")

func mustZone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// standard is the ladder of config.example.yaml.
func standard() *Policy {
	p14 := period.Period{Days: 14}
	return &Policy{
		Name: "standard",
		Steps: []Step{
			{Name: "request", When: When{Anchor: AfterIssue}, Template: "request", Single: true},
			{Name: "upcoming", When: When{Anchor: AfterDue, Days: -3}, Template: "upcoming"},
			{Name: "friendly", When: When{Anchor: AfterDue, Days: 7}, Template: "friendly"},
			{Name: "firm", When: When{Anchor: AfterStep, Days: 14, Step: "friendly"}, Template: "firm", Life: &p14},
			{Name: "final", When: When{Anchor: AfterDue, Days: 30}, Template: "final", RequiresSent: []string{"firm"}},
		},
		Link: LinkTerms{
			Life: period.Period{Days: 30}, Lead: period.Period{Days: 1}, MinLife: period.Period{Days: 3},
			OnExpiry: MailNew, MaxRenewals: 3, Poll: time.Hour,
		},
		Currencies: []string{"EUR", "GBP"}, MinAmount: map[string]int64{"EUR": 500},
		Zone: amsterdam, Window: Window{8 * 60, 17 * 60},
		MinGap: 3, MaxPerWeek: 2, MaxLateness: 14, PendingMax: 5,
		Key: Keys{Own: "test:1a2b3c4d"},
	}
}

func invoice(number string, minor int64, issued, due civil.Date) Invoice {
	return Invoice{Number: number, Status: Open, Total: money.Amount{Minor: minor, Currency: "EUR"}, IssuedOn: issued, DueOn: due, Episode: 1}
}

func day(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, amsterdam)
	if err != nil {
		panic(err)
	}
	return t
}

// TestNextComesToRest: whatever the account and whatever the world answers,
// doing what Next says and recording the result always changes what it says,
// and repeating that ends at Idle; Next never changes its argument, and asked
// twice it says the same twice.
func TestNextComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := standard()
		p.Link.OnExpiry = rapid.SampledFrom([]AtExpiry{MailNew, NextStep, Leave}).Draw(t, "on expiry")
		p.OnUncertain = rapid.SampledFrom([]OnUncertain{HoldLetter, ResendLetter}).Draw(t, "on uncertain")
		p.CatchUp = rapid.SampledFrom([]CatchUp{CatchLatest, CatchNext}).Draw(t, "catch up")
		if rapid.Bool().Draw(t, "beside the ladder") {
			p.Steps = append(p.Steps, Step{Name: "expiring", When: When{Anchor: OnExpiry, Days: -rapid.IntRange(1, 9).Draw(t, "before expiry")}, Template: "expiring"})
			p.FailedAttempt = &Step{Name: "failed_attempt", Template: "failed_attempt"}
			p.BrokenPromise = &Step{Name: "broken_promise", Template: "broken_promise"}
		}
		p.Steps[4].Above = map[string]int64{"EUR": 50000}
		p.Blackout = []Days{{day("2026-04-06"), day("2026-04-12")}}
		other := *p
		other.Name, other.Steps = "other", p.Steps[:2]
		ps := &Policies{
			ByName: map[string]*Policy{"standard": p, "other": &other}, Default: "standard", Zone: amsterdam,
			Rules: []Rule{{Above: map[string]int64{"EUR": 80000}, Policy: "other"}, {Tag: "x", Age: 10, Policy: "other"}},
		}
		a := Account{ID: "acme", Email: "a@example.com"}
		for i := range rapid.IntRange(1, 4).Draw(t, "invoices") {
			due := day("2026-03-16").AddDays(rapid.IntRange(-40, 40).Draw(t, "due"))
			inv := invoice(fmt.Sprintf("INV-%d", i), rapid.Int64Range(-100, 100000).Draw(t, "amount"), due.AddDays(-30), due)
			inv.Status = rapid.SampledFrom([]Status{Open, Open, Open, Open, Void, Paid, Unissued}).Draw(t, "status")
			if rapid.IntRange(0, 3).Draw(t, "promised") == 0 {
				inv.Promise = Promise{Amount: inv.Open().Minor, Open: inv.Open().Minor, On: due.AddDays(rapid.IntRange(0, 40).Draw(t, "by")), At: at("2026-03-01 08:00")}
			}
			if rapid.IntRange(0, 3).Draw(t, "tagged") == 0 {
				inv.Tags = []string{"x"}
			}
			a.Invoices = append(a.Invoices, inv)
		}
		now := at("2026-03-16 03:00")
		w := world{t: t, p: p}
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			for n := 0; ; n++ {
				d := ps.Next(a, now)
				if again := ps.Next(a, now); !reflect.DeepEqual(d, again) {
					t.Fatalf("asked twice, Next says\n%+v\n%+v", d, again)
				}
				if d.Act == Idle {
					if !d.At.IsZero() && !d.At.After(now) {
						t.Fatalf("idle until %v, which is not after %v: %+v", d.At, now, d)
					}
					break
				}
				if n > 100 {
					t.Fatalf("no rest at %v: %+v\n%+v", now, d, a)
				}
				before := a.clone()
				after := w.do(a, d, now)
				if !reflect.DeepEqual(a, before) {
					t.Fatalf("recording %+v changed the account it was given", d)
				}
				a = after
				if next := ps.Next(a, now); !w.died && reflect.DeepEqual(next, d) {
					t.Fatalf("done and recorded, Next still says %+v\n%+v", d, a)
				}
			}
			now = now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour)
			switch inv := &a.Invoices[0]; rapid.IntRange(0, 19).Draw(t, "a person") {
			case 0:
				a.Contacts = append(a.Contacts, now)
			case 1:
				inv.Approved = append(inv.Approved, Approval{Episode: inv.Episode, Step: "final", Amount: inv.Open(), At: now})
			case 2:
				inv.Released = now
			}
			if rapid.IntRange(0, 9).Draw(t, "webhook") == 0 {
				for i := range a.Invoices {
					for j := range a.Invoices[i].Links {
						a.Invoices[i].Links[j].Seen = time.Time{}
					}
				}
			}
		}
	})
}

// world answers what Next asks for, at random, and records it with Apply.
type world struct {
	t    *rapid.T
	p    *Policy
	made int
	died bool // the last act was not recorded: the worker died
}

func (w *world) do(a Account, d Decision, now time.Time) Account {
	in := func(n int, label string) int { return rapid.IntRange(0, n).Draw(w.t, label) }
	w.died = false
	switch d.Act {
	case Check:
		l := *a.Find(d.Invoice).Link(d.Gen)
		said := Link{Remote: l.Remote, Amount: l.Amount, State: l.State, Expires: l.Expires, Attempts: l.Attempts}
		switch in(9, "answer") {
		case 0:
			return Apply(a, Rested{Invoice: d.Invoice, Rest: Rest{Act: Check, Until: now.Add(time.Hour), Tries: 1, Why: "time-out"}})
		case 1:
			said.State = Completed
		case 2:
			said.State = Trying
		case 3:
			said.State = Rejected
			said.Attempts += 13
		case 4:
			said.State = Missing
		case 5:
			said.State = "a word of tomorrow"
		case 6:
			said.Amount.Minor++
		default:
			if !now.Before(l.Expires) {
				said.State = Expired
			}
		}
		return Apply(a, LinkSeen{Invoice: d.Invoice, Link: l.Confirm(said, 0, now)})
	case MakeLink, RenewLink:
		inv := a.Find(d.Invoice)
		l := Link{Gen: len(inv.Links) + 1, State: Wanted, Amount: inv.Open(), Key: w.p.Key.Own, Since: now}
		a = Apply(a, LinkWanted{Invoice: d.Invoice, Link: l, At: now})
		switch in(5, "made") {
		case 0:
			w.died = true
			return a
		case 1:
			l.State = Unmade
			return Apply(a, LinkSeen{Invoice: d.Invoice, Link: l}, Rested{Invoice: d.Invoice, Rest: Rest{Act: d.Act, Tries: 1, Why: "400"}})
		}
		w.made++
		said := Link{Remote: fmt.Sprint("r", w.made), URL: "https://x/", State: New, Amount: l.Amount, Expires: d.Life.AddTo(now)}
		return Apply(a, LinkSeen{Invoice: d.Invoice, Link: l.Confirm(said, 0, now)})
	case Email, Remind:
		l := Letter{ID: fmt.Sprint(d.Items), Try: 1, Items: d.Items, State: Sending, Single: d.Single, At: now}
		for _, old := range a.Letters {
			if old.ID == l.ID {
				l.Try = old.Try + 1
			}
		}
		a = Apply(a, LetterStarted{Letter: l, Skips: d.Skips})
		switch in(5, "post") {
		case 0:
			w.died = true
			return a
		case 1:
			return Apply(a, LetterEnded{ID: l.ID, Try: l.Try, Result: Delayed, At: now},
				Rested{Invoice: d.Items[0].Invoice, Rest: Rest{Act: d.Act, Until: now.Add(time.Hour), Tries: 1}})
		case 2:
			return Apply(a, LetterEnded{ID: l.ID, Try: l.Try, Result: Failed, At: now})
		}
		return Apply(a, LetterEnded{ID: l.ID, Try: l.Try, Result: Sent, At: now})
	case Again:
		for _, l := range a.Letters {
			if l.ID == d.Letter {
				l.Try, l.State = l.Try+1, Sending
				return Apply(a, LetterStarted{Letter: l}, LetterEnded{ID: l.ID, Try: l.Try, Result: Sent, At: now})
			}
		}
	case Withdraw:
		return Apply(a, LetterEnded{ID: d.Letter, Try: d.Try, Result: Skipped, At: now})
	case Doubt:
		return Apply(a, LetterEnded{ID: d.Letter, Try: d.Try, Result: Uncertain, At: now})
	}
	w.t.Fatalf("no such letter: %+v", d)
	return a
}

func BenchmarkNext(b *testing.B) {
	p, now := standard(), at("2026-03-16 09:00")
	for _, n := range []int{1, 10, 100} {
		a := Account{ID: "acme", Email: "a@example.com"}
		for i := range n {
			inv := invoice(fmt.Sprint("INV-", i), 12000, day("2026-02-01"), day("2026-03-01").AddDays(i%60))
			inv.Links = []Link{{Gen: 1, Remote: "r", State: New, Amount: inv.Open(), Key: p.Key.Own, Seen: now, Expires: now.AddDate(0, 0, 20)}}
			a.Invoices = append(a.Invoices, inv)
		}
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Next(a, now)
			}
		})
	}
}
