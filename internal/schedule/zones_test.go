package schedule

import (
	"os"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
)

// TestR16_EveryZoneHasOneRunADay runs lines of one time of day over the days
// around each change of the clock from 2024 to 2032, in every time zone: each
// day has exactly one run, which no day loses to a gap and none has twice. It is
// on its own date; only where a day loses its last hour, as in Nuuk, a run in
// that hour comes when the next day begins.
func TestR16_EveryZoneHasOneRunADay(t *testing.T) {
	text, err := os.ReadFile("../../invoices/testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, nights := strings.Fields(string(text)), 0
	for _, name := range names {
		loc := zone(t, name)
		offset := func(t time.Time) int { _, o := t.In(loc).Zone(); return o }
		var lines []*Schedule
		for _, spec := range []string{"30 2 * * *", "0 0 * * *", "45 23 * * *", "30 1 * * *"} {
			lines = append(lines, mustParse(t, spec, loc))
		}
		for day := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC); day.Year() < 2033; day = day.AddDate(0, 0, 1) {
			if offset(day) == offset(day.AddDate(0, 0, 1)) {
				continue
			}
			nights++
			first := civil.Of(day).AddDays(-3)
			for _, s := range lines {
				now := first.Start(loc).Add(-1)
				for n := range 7 {
					now = s.Next(now)
					want := first.AddDays(n)
					next := want.AddDays(1).Start(loc)
					cut := now.Equal(next) && next.Add(-1).Hour() == 22
					if got := civil.Of(now); got != want && !cut {
						t.Fatalf("%q in %s runs at %v, want a run on %v", s, name, now, want)
					}
				}
			}
		}
	}
	if len(names) < 450 || nights < 2000 {
		t.Errorf("only %d changes of the clock in %d zones", nights, len(names))
	}
}
