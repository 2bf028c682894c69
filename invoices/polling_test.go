package invoices

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dunning/internal/money"
)

// watched returns an account with a link that was made and mailed at an instant.
func watched(made time.Time, ref string) *view {
	l := Link{Gen: 1, Ref: ref, State: New, Remote: "r", Key: "k", Amount: money.Amount{Minor: 100, Currency: "EUR"}, Since: made, Seen: made, Expires: made.AddDate(0, 0, 45)}
	inv := Invoice{Number: ref, Links: []Link{l}, Steps: []Outcome{{Step: "request", Result: Sent, Gen: 1, At: made}}}
	return &view{p: &Policy{Key: Keys{Own: "k"}, Link: LinkTerms{Poll: 15 * time.Minute, PollMax: 12 * time.Hour}}, a: &Account{Invoices: []Invoice{inv}}, inv: &inv, now: made}
}

// looks counts how often a link is looked at in a month, with letters about it
// on some days, if every look finds nothing new.
func looks(v *view, days int, letters ...int) int {
	l := &v.inv.Links[0]
	made, n := l.Seen, 0
	for _, day := range letters {
		v.inv.Steps = append(v.inv.Steps, Outcome{Step: fmt.Sprint("letter", day), Result: Sent, Gen: 1, At: made.AddDate(0, 0, day)})
	}
	all := v.inv.Steps
	for end := made.AddDate(0, 0, days); ; n++ {
		v.inv.Steps = nil
		for _, o := range all {
			if !o.At.After(l.Seen) {
				v.inv.Steps = append(v.inv.Steps, o)
			}
		}
		at := v.lookAt(l)
		for _, day := range letters { // right before a letter there is a look anyway
			if when := made.AddDate(0, 0, day); l.Seen.Before(when) && when.Before(at) {
				at = when
			}
		}
		if !at.Before(end) {
			return n
		}
		l.Seen = at
	}
}

// TestLooksGrowRare: a link is looked at often after a letter, ever more rarely
// when nothing happens, and never more often or more rarely than the policy says.
func TestLooksGrowRare(t *testing.T) {
	made := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		says        string
		quiet       time.Duration
		from, until time.Duration
	}{
		{"right after a letter", 0, 12 * time.Minute, 15 * time.Minute},
		{"two hours later", 2 * time.Hour, 12 * time.Minute, 15 * time.Minute},
		{"the next day", 24 * time.Hour, 150 * time.Minute, 3 * time.Hour},
		{"after a week", 7 * 24 * time.Hour, 10 * time.Hour, 12 * time.Hour},
		{"after a month", 30 * 24 * time.Hour, 10 * time.Hour, 12 * time.Hour},
	} {
		for i := range 50 {
			v := watched(made, fmt.Sprint("INV-", i, "-L1"))
			l := &v.inv.Links[0]
			l.Seen = made.Add(row.quiet)
			if every := v.lookAt(l).Sub(l.Seen); every < row.from || every > row.until {
				t.Errorf("%s: %v after the last look, want %v to %v", row.says, every, row.from, row.until)
			}
		}
	}
	v := watched(made, "INV-1-L1")
	l := &v.inv.Links[0]
	l.Seen = made.AddDate(0, 0, 20)
	v.inv.Steps = append(v.inv.Steps, Outcome{Step: "firm", Result: Sent, Gen: 1, At: l.Seen.Add(-time.Minute)})
	if every := v.lookAt(l).Sub(l.Seen); every > 15*time.Minute {
		t.Errorf("after another letter: %v", every)
	}
	l.Seen = l.Expires.Add(-time.Hour)
	if at := v.lookAt(l); !at.Equal(l.Expires) {
		t.Errorf("an hour before it expires: looked at %v, want %v", at, l.Expires)
	}
	l.Seen = time.Time{}
	if at := v.lookAt(l); at.After(made) {
		t.Errorf("after a webhook: looked at %v, want at once", at)
	}
	v.p.Link.PollMax = 0
	l.Seen = made.AddDate(0, 0, 20)
	if every := v.lookAt(l).Sub(l.Seen); every != 15*time.Minute {
		t.Errorf("without poll_max: every %v", every)
	}
}

// TestLooksSpread: a thousand links that were made in one second do not stay
// together.
func TestLooksSpread(t *testing.T) {
	made := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	at := map[time.Time]int{}
	for i := range 1000 {
		v := watched(made, fmt.Sprint("INV-", i, "-L1"))
		at[v.lookAt(&v.inv.Links[0])]++
	}
	for when, n := range at {
		if n > 150 {
			t.Errorf("%d of 1000 links at %v", n, when)
		}
	}
}

// TestTheTableOfLooks: what docs/performance.md says of a million links is what
// this gives: a month with letters on days 0, 7 and 14.
func TestTheTableOfLooks(t *testing.T) {
	page, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		says      string
		poll, max time.Duration
	}{
		{"every 5 minutes", 5 * time.Minute, 0},
		{"every hour", time.Hour, 0},
		{"15 minutes to 12 hours, the default", 15 * time.Minute, 12 * time.Hour},
		{"1 hour to 24 hours, the default with webhooks", time.Hour, 24 * time.Hour},
	} {
		sum := 0
		for i := range 200 {
			v := watched(made, fmt.Sprint("INV-", i, "-L1"))
			v.p.Link.Poll, v.p.Link.PollMax = row.poll, row.max
			sum += looks(v, 30, 7, 14)
		}
		perDay := float64(sum) / 200 / 30
		line := fmt.Sprintf("| %s | %.1f million | %.0f |", row.says, perDay, perDay*1e6/86400)
		if !strings.Contains(string(page), line) {
			t.Errorf("docs/performance.md lacks the line\n%s", line)
		}
	}
}
