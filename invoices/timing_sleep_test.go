package invoices

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dunning/internal/period"
)

// TestR05_NextIsAskedInTime: nobody asks Next before the instant until which it
// said to wait, and nobody at all when it named none. So whatever an account
// looks like, Next must have nothing to do in between: a step whose time came
// meanwhile would be lost. Resting may end sooner, for a look that does no harm.
func TestR05_NextIsAskedInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := standard()
		p.Link.Poll = 1e6 * time.Hour // looks at links must not wake what should wake by itself
		p.Link.Life = period.Period{Days: rapid.SampledFrom([]int{10, 30, 400}).Draw(t, "life")}
		p.Link.OnExpiry = rapid.SampledFrom([]AtExpiry{MailNew, NextStep, Leave}).Draw(t, "on expiry")
		p.CatchUp = rapid.SampledFrom([]CatchUp{CatchLatest, CatchNext}).Draw(t, "catch up")
		p.MaxLateness = rapid.SampledFrom([]int{0, 3, 14}).Draw(t, "max lateness")
		p.Grace = rapid.IntRange(0, 3).Draw(t, "grace")
		p.Blackout = []Days{{day("2026-04-06"), day("2026-04-12")}}
		p.FailedAttempt = &Step{Name: "failed_attempt", Template: "failed_attempt"}
		p.BrokenPromise = &Step{Name: "broken_promise", Template: "broken_promise"}
		p.Steps = append(p.Steps, Step{Name: "expiring", When: When{Anchor: OnExpiry, Days: -rapid.IntRange(1, 9).Draw(t, "before expiry")}, Template: "expiring"})
		for i := range p.Steps[:5] {
			p.Steps[i].Approval = rapid.IntRange(0, 5).Draw(t, "approval") == 0
		}
		a := Account{ID: "acme", Email: "a@example.com"}
		for i := range rapid.IntRange(1, 3).Draw(t, "invoices") {
			due := day("2026-03-16").AddDays(rapid.IntRange(-40, 40).Draw(t, "due"))
			inv := invoice(fmt.Sprintf("INV-%d", i), 12000, due.AddDays(-30), due)
			if rapid.IntRange(0, 3).Draw(t, "promised") == 0 {
				inv.Promise = Promise{Amount: 12000, Open: 12000, On: due.AddDays(rapid.IntRange(0, 40).Draw(t, "by")), At: at("2026-03-01 08:00")}
			}
			if rapid.IntRange(0, 3).Draw(t, "held") == 0 {
				inv.Hold = Hold{Reason: "dispute", Until: due.AddDays(rapid.IntRange(-5, 30).Draw(t, "until")).At(12, 0, amsterdam)}
			}
			a.Invoices = append(a.Invoices, inv)
		}
		now := at("2026-03-16 03:00").Add(time.Duration(rapid.IntRange(0, 30*24).Draw(t, "first look")) * time.Hour)
		w := world{t: t, p: p}
		for range 40 {
			d := p.Next(a, now)
			for n := 0; d.Act != Idle && n < 50; n++ {
				a = w.do(a, d, now)
				d = p.Next(a, now)
			}
			until := d.At
			if until.IsZero() {
				until = now.AddDate(0, 3, 0)
			}
			for range 4 {
				then := now.Add(time.Duration(rapid.Int64Range(1, max(1, int64(until.Sub(now)/time.Minute)-1)).Draw(t, "minutes")) * time.Minute)
				if x := p.Next(a, then); then.Before(until) && x.Act != Idle && d.Code != CodeResting {
					t.Fatalf("at %v Next says %s (%s), look again at %v; but at %v it says %s %v: %s\n%+v", now, d.Code, d.Why, d.At, then.In(amsterdam), x.Act, x.Items, x.Why, a)
				}
			}
			if now = d.At; now.IsZero() {
				return
			}
		}
	})
}

// TestR05_WhatWaitsForAPersonDoesNotSilenceTheNextStep: nobody looked at the
// letter, and the next step's time comes. Next would send that one; so it must
// ask to be asked then.
func TestR05_WhatWaitsForAPersonDoesNotSilenceTheNextStep(t *testing.T) {
	p := quiet()
	p.MaxLateness = 5
	prove(t, p, []rule{
		{says: "upcoming is very late, and friendly falls due tomorrow", at: "2026-04-07 08:00", code: CodeStaleStep, wakes: "2026-04-08 08:00"},
		{says: "that one is sent", at: "2026-04-08 08:00", act: Remind, steps: "INV-1 friendly", skips: "upcoming: superseded by friendly"},
	})
	p = quiet()
	p.Steps[2].Approval = true
	prove(t, p, []rule{
		{says: "friendly waits for a person's yes, and firm needs none", at: "2026-04-09 08:00", code: CodeApproval, wakes: "2026-04-22 08:00"},
		{says: "that one is sent", at: "2026-04-22 08:00", act: Remind, steps: "INV-1 firm", skips: "upcoming: superseded by firm, friendly: superseded by firm"},
	})
}
