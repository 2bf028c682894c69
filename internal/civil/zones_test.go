package civil

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestR16_EveryDayOfEveryZoneBegins checks the start of days from 2024 to 2032
// in every time zone: it belongs to the day, and the instant before to the day
// before.
func TestR16_EveryDayOfEveryZoneBegins(t *testing.T) {
	text, err := os.ReadFile("../../invoices/testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, late := strings.Fields(string(text)), 0
	for _, name := range names {
		loc := zone(t, name)
		offset := func(d Date) int { _, o := d.midnightUTC().In(loc).Zone(); return o }
		for d := day(t, "2024-01-01"); d.Year < 2033; d = d.AddDays(1) {
			if d.Day != 7 && offset(d.AddDays(-1)) == offset(d.AddDays(2)) {
				continue
			}
			start := d.Start(loc)
			if Of(start) != d || Of(start.Add(-1)) != d.AddDays(-1) {
				t.Fatalf("%v in %s starts at %v, a moment after %v", d, name, start, start.Add(-1))
			}
			if h, m, s := start.Clock(); h+m+s > 0 {
				late++
				if _, before := start.Add(-1).Zone(); before == offsetAt(start) {
					t.Fatalf("%v in %s starts at %v, and no clock was set", d, name, start)
				}
			}
		}
	}
	if len(names) < 450 || late == 0 {
		t.Errorf("%d zones, in which %d days do not start at midnight", len(names), late)
	}
}

func offsetAt(t time.Time) int { _, o := t.Zone(); return o }
