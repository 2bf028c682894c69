package invoices

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/schedule"
)

// A night shift runs one debtor's job at the instants of a cron line, as the
// runner does, and writes down what leaves.
type shift struct {
	ps      *Policies
	a       Account
	letters []string
}

// run is one run of the job: it does what Next says until Next says wait.
func (s *shift) run(t *testing.T, now time.Time) {
	t.Helper()
	for n := 0; ; n++ {
		d := s.ps.Next(s.a, now)
		switch {
		case d.Act == Idle:
			return
		case n > 20:
			t.Fatalf("no rest at %v: %+v", now, d)
		case d.Act.Sends():
			line := now.In(s.ps.Zone).Format("2006-01-02 15:04 MST") + " " + d.Items[0].Step
			for _, skip := range d.Skips {
				line += ", not " + skip.Step
			}
			s.letters = append(s.letters, line)
		}
		s.a = s.ps.imagine(s.a, d, now)
	}
}

// brussels returns a debtor of Brussels, and a policy whose letters may leave
// in a window, one on each of the days after the due date.
func brussels(t *testing.T, w Window, due string, days ...int) *shift {
	t.Helper()
	m := &moment{manners: manners{loc: mustZone("Europe/Brussels"), window: w, weekdays: everyDay}, from: day(due)}
	p := m.policy(t, When{})
	p.MinGap, p.MaxPerWeek, p.Steps = 0, 0, nil
	for _, n := range days {
		p.Steps = append(p.Steps, Step{Name: fmt.Sprint("day", n), When: When{Days: n}, Template: "friendly"})
	}
	return &shift{ps: p.Alone(), a: m.account()}
}

// instants returns when a cron line runs in Brussels, from a date until another.
func instants(t *testing.T, line, from, until string) (list []time.Time) {
	t.Helper()
	loc := mustZone("Europe/Brussels")
	s, err := schedule.Parse(line, loc)
	if err != nil {
		t.Fatal(err)
	}
	for now := day(from).Start(loc).Add(-1); ; {
		if now = s.Next(now); !now.Before(day(until).Start(loc)) {
			return list
		}
		list = append(list, now)
	}
}

func TestR16_HalfPastTwoInBrussels(t *testing.T) {
	const skipped, doubled = "2026-03-29", "2026-10-25"
	allDay, halfHour := Window{0, 24 * 60}, Window{2*60 + 30, 3 * 60}
	for _, tt := range []struct {
		says   string
		line   string
		window Window
		night  string
		want   string
	}{
		{
			"a job at 02:30 runs at 03:00 on the night that skips it, and every letter leaves on its day", "30 2 * * *", allDay, skipped,
			"2026-03-28 02:30 CET day-1|2026-03-29 03:00 CEST day0|2026-03-30 02:30 CEST day1",
		},
		{
			"and once, at the first of the two, on the night that has it twice", "30 2 * * *", allDay, doubled,
			"2026-10-24 02:30 CEST day-1|2026-10-25 02:30 CEST day0|2026-10-26 02:30 CET day1",
		},
		{
			"a window that the night skips leaves its letter to the next day's, which supersedes it", "*/10 * * * *", halfHour, skipped,
			"2026-03-28 02:30 CET day-1|2026-03-30 02:30 CEST day1, not day0",
		},
		{
			"a window that the night has twice is open the first time", "*/10 * * * *", halfHour, doubled,
			"2026-10-24 02:30 CEST day-1|2026-10-25 02:30 CEST day0|2026-10-26 02:30 CET day1",
		},
		{
			"a job every quarter of an hour sends when the day begins", "*/15 * * * *", allDay, skipped,
			"2026-03-28 00:00 CET day-1|2026-03-29 00:00 CET day0|2026-03-30 00:00 CEST day1",
		},
		{
			"also on the day of 25 hours", "*/15 * * * *", allDay, doubled,
			"2026-10-24 00:00 CEST day-1|2026-10-25 00:00 CEST day0|2026-10-26 00:00 CET day1",
		},
		{
			"a job that knows no wall clock sends at its first turn of the day", "@every 90m", allDay, doubled,
			"2026-10-24 00:30 CEST day-1|2026-10-25 00:30 CEST day0|2026-10-26 01:00 CET day1",
		},
	} {
		s := brussels(t, tt.window, tt.night, -1, 0, 1)
		for _, now := range instants(t, tt.line, plus(day(tt.night), -5).String(), plus(day(tt.night), 5).String()) {
			s.run(t, now)
		}
		if got := strings.Join(s.letters, "|"); got != tt.want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", tt.says, got, tt.want)
		}
	}
}

// TestR16_SkippedAndDoubledRunsChangeNothing takes the runs of a month in which
// the clock is set, leaves some out as long as the day has others, and does
// others twice, late, or for both readings of 02:30: the same letters leave, on
// the same days.
func TestR16_SkippedAndDoubledRunsChangeNothing(t *testing.T) {
	for _, night := range []string{"2026-03-29", "2026-10-25"} {
		from, until := plus(day(night), -12).String(), plus(day(night), 12).String()
		steps := []int{-9, -3, -2, 0, 1, 2, 7}
		sound := brussels(t, Window{0, 24 * 60}, night, steps...)
		runs := instants(t, "30 2,8,14 * * *", from, until)
		for _, now := range runs {
			sound.run(t, now)
		}
		if len(sound.letters) != len(steps) {
			t.Fatalf("%v", sound.letters)
		}
		date := func(line string) string { return line[:10] + line[strings.LastIndex(line, " "):] }
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 16))
			hurt := brussels(t, Window{0, 24 * 60}, night, steps...)
			var odd []time.Time
			for i, now := range runs {
				last := i%3 == 2 // of its day: it must not be left out
				if last || r.IntN(2) == 0 {
					odd = append(odd, now)
				}
				switch r.IntN(4) {
				case 0:
					odd = append(odd, now, now.Add(time.Minute))
				case 1: // the reading that a plain cron runs twice
					odd = append(odd, now.Add(time.Hour))
				}
			}
			slices.SortFunc(odd, time.Time.Compare)
			for _, now := range odd {
				hurt.run(t, now)
			}
			same := slices.EqualFunc(hurt.letters, sound.letters, func(x, y string) bool { return date(x) == date(y) })
			if !same {
				t.Fatalf("seed %d: by runs %v\n\tleave %v\n\twant  %v", seed, odd, hurt.letters, sound.letters)
			}
		}
	}
}
