package invoices

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dunning/internal/civil"
)

// A walk is the life of one invoice: when the worker is down, when the due date
// moves, when a person says go on. Its instants are quarters of an hour.
type walk struct {
	m     manners
	p     *Policy
	start time.Time
	end   time.Time
	down  [][2]time.Time // the worker is off from the first until the second
	moves []move         // in order
}

// A move is what the world does at an instant.
type move struct {
	at      time.Time
	due     civil.Date // the books say another due date; no date: they do not
	release bool       // a person says: go on
}

const quarter = 15 * time.Minute

// drawWalk makes up a ladder and a life.
func drawWalk(t *rapid.T, tb testing.TB) *walk {
	w := &walk{m: manners{loc: mustZone(rapid.SampledFrom([]string{"Europe/Amsterdam", "Pacific/Kiritimati", "Pacific/Honolulu"}).Draw(t, "zone")), window: Window{8 * 60, 17 * 60}, weekdays: rapid.SampledFrom([][]time.Weekday{everyDay, mondayToFriday}).Draw(t, "weekdays")}}
	due := day("2026-03-01").AddDays(rapid.IntRange(0, 60).Draw(t, "due"))
	w.start = due.AddDays(-20).At(12, 0, w.m.loc)
	w.end = due.AddDays(150).At(12, 0, w.m.loc)
	for range rapid.IntRange(0, 2).Draw(t, "closed days") {
		w.m.closed = append(w.m.closed, due.AddDays(rapid.IntRange(0, 60).Draw(t, "closed")))
	}
	if rapid.Bool().Draw(t, "blackout") {
		from := due.AddDays(rapid.IntRange(0, 40).Draw(t, "from"))
		w.m.blackout = []Days{{from, from.AddDays(rapid.IntRange(0, 8).Draw(t, "for"))}}
	}
	w.p = w.m.policy(tb, When{})
	w.p.Steps = drawSteps(t)
	w.p.CatchUp = rapid.SampledFrom([]CatchUp{CatchLatest, CatchNext}).Draw(t, "catch up")
	w.p.MinGap = rapid.SampledFrom([]int{0, 0, 1, 3, 5}).Draw(t, "min gap")
	w.p.MaxPerWeek = rapid.IntRange(0, 2).Draw(t, "max per week")
	w.p.MaxLateness = rapid.SampledFrom([]int{0, 5, 14, 14}).Draw(t, "max lateness")

	moment := func(name string) time.Time {
		return w.start.Add(quarter * time.Duration(rapid.IntRange(0, 130*96).Draw(t, name)))
	}
	for range rapid.IntRange(0, 3).Draw(t, "down-times") {
		from := moment("off")
		w.down = append(w.down, [2]time.Time{from, from.Add(quarter * time.Duration(rapid.SampledFrom([]int{1, 20, 96, 7 * 96, 25 * 96, 60 * 96}).Draw(t, "for")))})
	}
	for range rapid.IntRange(0, 2).Draw(t, "new due dates") {
		m := move{at: moment("told")}
		if m.due = due.AddDays(rapid.IntRange(-10, 60).Draw(t, "new due date")); rapid.Bool().Draw(t, "extended") {
			m.due = civil.Of(m.at.In(w.m.loc)).AddDays(rapid.IntRange(-1, 20).Draw(t, "for"))
		}
		w.moves = append(w.moves, m)
	}
	for range rapid.IntRange(0, 2).Draw(t, "releases") {
		w.moves = append(w.moves, move{at: moment("released"), release: true})
	}
	slices.SortStableFunc(w.moves, func(x, y move) int { return x.at.Compare(y.at) })
	return w
}

// drawSteps makes up a ladder as the configuration would take it: in order, and
// counted from the due date or from a step before.
func drawSteps(t *rapid.T) (steps []Step) {
	days := rapid.IntRange(-5, 2).Draw(t, "first")
	for i := range rapid.IntRange(1, 6).Draw(t, "steps") {
		s := Step{Name: string(rune('a' + i)), Template: "friendly", When: When{Days: days}}
		if i > 0 {
			more := rapid.IntRange(1, 15).Draw(t, "more")
			days += more
			s.When.Days = days
			if rapid.IntRange(0, 2).Draw(t, "after the step before") == 0 {
				s.When = When{Anchor: AfterStep, Step: steps[i-1].Name, Days: more}
			}
			s.When.Working = rapid.IntRange(0, 4).Draw(t, "working") == 0
			if rapid.IntRange(0, 3).Draw(t, "requires") == 0 {
				s.RequiresSent = []string{steps[rapid.IntRange(0, i-1).Draw(t, "which")].Name}
			}
		}
		steps = append(steps, s)
	}
	return steps
}

// up returns the first instant, not before the given one, at which the worker is
// on.
func (w *walk) up(t time.Time) time.Time {
	for again := true; again; {
		again = false
		for _, d := range w.down {
			if !t.Before(d[0]) && t.Before(d[1]) {
				t, again = d[1], true
			}
		}
	}
	return t
}

// account returns the debtor at the start, and the row by which the books tell
// of the invoice.
func (w *walk) account() (Account, Row) {
	due := civil.Of(w.start.In(w.m.loc)).AddDays(20)
	inv := invoice("INV-1", 12000, due.AddDays(-30), due)
	inv.Links = []Link{{Gen: 1, Remote: "r1", State: New, Amount: inv.Open(), Key: "test:1a2b3c4d", Expires: at("2099-01-01 00:00"), Seen: w.start}}
	return Account{ID: "acme", Email: "a@example.com", Zone: w.m.loc, Invoices: []Invoice{inv}},
		Row{Number: inv.Number, Total: inv.Total, IssuedOn: inv.IssuedOn, DueOn: due}
}

// A history says what left, and when.
type history []string

func (h *history) note(at time.Time, episode int, step string, skips []string) {
	slices.Sort(skips)
	line := fmt.Sprintf("%s episode %d: %s", at.Format("Mon 2006-01-02 15:04"), episode, step)
	*h = append(*h, strings.Join(append([]string{line}, skips...), ", not "))
}

// live walks through a life as the worker does: it asks Next when it starts,
// when something changed and when Next said so, and at no other time.
func (w *walk) live(t *rapid.T) history {
	a, row := w.account()
	var h history
	moves := slices.Clone(w.moves)
	for now := w.up(w.start); now.Before(w.end); {
		for len(moves) > 0 && !moves[0].at.After(now) {
			row = w.change(&a, row, moves[0], moves[0].at)
			moves = moves[1:]
		}
		next := w.work(t, &a, now, &h)
		if len(moves) > 0 && (next.IsZero() || moves[0].at.Before(next)) {
			next = moves[0].at
		}
		for _, d := range w.down { // the worker scans when it starts
			if d[1].After(now) && (next.IsZero() || d[1].Before(next)) {
				next = d[1]
			}
		}
		if next.IsZero() {
			break
		}
		now = w.up(next)
	}
	return h
}

// work does what Next says at an instant, and returns when to look again.
func (w *walk) work(t *rapid.T, a *Account, now time.Time, h *history) time.Time {
	for n := 0; ; n++ {
		*a = seen(*a, now)
		d := w.p.Next(*a, now)
		if n > 3 {
			t.Fatalf("no rest at %v: %+v", now, d)
		}
		if d.Act == Idle {
			w.sleeps(t, *a, now, d)
			return d.At
		}
		if !d.Act.Sends() || len(d.Items) != 1 {
			t.Fatalf("at %v Next says %+v", now, d)
		}
		var skips []string
		for _, s := range d.Skips {
			skips = append(skips, s.Step+" ("+s.Why+")")
		}
		h.note(now.In(w.m.loc), d.Items[0].Episode, d.Items[0].Step, skips)
		id := fmt.Sprint("letter ", len(*h))
		l := Letter{ID: id, Try: 1, Items: d.Items, State: Sending, At: now}
		*a = Apply(*a, LetterStarted{Letter: l, Skips: d.Skips}, LetterEnded{ID: id, Try: 1, Result: Sent, At: now})
	}
}

// sleeps makes sure that Next says wait at any time until it wants to be asked
// again: nobody asks sooner.
func (w *walk) sleeps(t *rapid.T, a Account, now time.Time, d Decision) {
	until := d.At
	if until.IsZero() {
		until = w.end
	}
	for i := range 8 {
		then := now.Add(until.Sub(now) * time.Duration(i) / 8).Truncate(quarter)
		if !then.After(now) {
			continue
		}
		if x := w.p.Next(seen(a, then), then); x.Act != Idle {
			t.Fatalf("at %v Next says %s (%s), wait until %v; but at %v it says %s %v", now, d.Code, d.Why, d.At, then.In(w.m.loc), x.Act, x.Items)
		}
	}
}

// change applies a move to an account.
func (w *walk) change(a *Account, row Row, m move, now time.Time) Row {
	inv := &a.Invoices[0]
	if m.release {
		inv.Released = now
		return row
	}
	row.DueOn = m.due
	a.Invoices[0], _ = Revise(inv, row, now, civil.Of(now.In(w.m.loc)))
	return row
}

// TestR04_R05_R23_RandomLives compares what leaves in random lives with the
// naive model: after down-time one letter, the others named; nothing lost; very
// late steps wait for a person; a moved due date moves what is not sent.
func TestR04_R05_R23_RandomLives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		for range 4 {
			w := drawWalk(rt, t)
			got := w.live(rt)
			diff := cmp.Diff([]string(w.expect()), []string(got))
			if diff == "" {
				continue
			}
			rt.Fatalf("(-model +Next):\n%s\nladder %+v\ncatch up %s, gap %d, per week %d, lateness %d\ndown %v\nmoves %+v\n%+v",
				diff, w.p.Steps, w.p.CatchUp, w.p.MinGap, w.p.MaxPerWeek, w.p.MaxLateness, w.down, w.moves, w.m)
		}
	})
}
