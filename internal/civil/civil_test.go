package civil

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func day(t testing.TB, s string) Date {
	t.Helper()
	d, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestR16_At(t *testing.T) {
	for _, tt := range []struct {
		why          string
		date, zone   string
		hour, minute int
		want         string
	}{
		{"an ordinary morning", "2026-03-16", "Europe/Amsterdam", 8, 30, "2026-03-16T08:30:00+01:00"},
		{"02:30 does not exist when summer time begins", "2026-03-29", "Europe/Brussels", 2, 30, "2026-03-29T03:00:00+02:00"},
		{"02:30 comes twice when it ends: the first counts", "2026-10-25", "Europe/Brussels", 2, 30, "2026-10-25T02:30:00+02:00"},
		{"03:00 comes once on that night, after both", "2026-10-25", "Europe/Brussels", 3, 0, "2026-10-25T03:00:00+01:00"},
		{"29 February", "2028-02-29", "Europe/Amsterdam", 9, 0, "2028-02-29T09:00:00+01:00"},
		{"Kiritimati is first to see a day", "2026-03-16", "Pacific/Kiritimati", 0, 0, "2026-03-16T00:00:00+14:00"},
		{"Honolulu is among the last", "2026-03-16", "Pacific/Honolulu", 0, 0, "2026-03-16T00:00:00-10:00"},
		{"hour 24 is the end of the day", "2026-03-16", "Europe/Amsterdam", 24, 0, "2026-03-17T00:00:00+01:00"},
		{"midnight does not exist in Beirut when summer time begins", "2026-03-29", "Asia/Beirut", 0, 0, "2026-03-29T01:00:00+03:00"},
		{"nor did it in São Paulo", "2018-11-04", "America/Sao_Paulo", 0, 0, "2018-11-04T01:00:00-02:00"},
		{"in Havana midnight came twice", "2026-11-01", "America/Havana", 0, 0, "2026-11-01T00:00:00-04:00"},
		{"the day that Samoa skipped is a gap", "2011-12-30", "Pacific/Apia", 12, 0, "2011-12-31T00:00:00+14:00"},
		{"the last day of a leap year far ahead", "2096-12-31", "America/New_York", 12, 0, "2096-12-31T12:00:00-05:00"},
	} {
		got := day(t, tt.date).At(tt.hour, tt.minute, zone(t, tt.zone))
		if diff := cmp.Diff(tt.want, got.Format(time.RFC3339)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
		if tt.hour == 0 && tt.minute == 0 && !day(t, tt.date).Start(zone(t, tt.zone)).Equal(got) {
			t.Errorf("%s: the day does not start at 00:00", tt.why)
		}
	}
}

// TestR16_AtIsTheFirst checks At against its definition, minute by minute: the
// clock shows the reading or a later one, and at no instant before it did.
func TestR16_AtIsTheFirst(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Amsterdam", "Europe/Dublin", "America/Sao_Paulo", "America/St_Johns", "Asia/Beirut", "Africa/Casablanca",
		"Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Pacific/Kwajalein", "Pacific/Kiritimati", "Pacific/Honolulu",
	}
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		at := time.Unix(rapid.Int64Range(0, 4102444800).Draw(rt, "unix"), 0).In(loc)
		if _, end := at.ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(rt, "near a change") {
			at = end.In(loc)
		}
		d := Of(at)
		hour, minute := rapid.IntRange(0, 24).Draw(rt, "hour"), rapid.IntRange(0, 59).Draw(rt, "minute")
		reading := time.Date(d.Year, d.Month, d.Day, hour, minute, 0, 0, time.UTC)
		shows := func(t time.Time) time.Time {
			y, m, d := t.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		}

		got := d.At(hour, minute, loc)
		if shows(got).Before(reading) {
			rt.Fatalf("%v %02d:%02d in %v: the clock shows %v", d, hour, minute, loc, got)
		}
		for m := range 26 * 60 {
			earlier := got.Add(-time.Duration(m)*time.Minute - 1)
			if !shows(earlier).Before(reading) {
				rt.Fatalf("%v %02d:%02d in %v: %v, but the clock shows it at %v", d, hour, minute, loc, got, earlier)
			}
		}
	})
}

func TestR16_DaysAreCountedOnTheCalendar(t *testing.T) {
	for _, tt := range []struct {
		why  string
		from string
		n    int
		want string
	}{
		{"the same month", "2026-03-16", 7, "2026-03-23"},
		{"over the end of February", "2026-02-27", 3, "2026-03-02"},
		{"over 29 February", "2028-02-27", 3, "2028-03-01"},
		{"1900 was no leap year", "1900-02-28", 1, "1900-03-01"},
		{"2000 was one", "2000-02-28", 1, "2000-02-29"},
		{"back over New Year", "2026-01-05", -7, "2025-12-29"},
		{"not at all", "2026-01-31", 0, "2026-01-31"},
		{"the 31st", "2026-01-30", 1, "2026-01-31"},
	} {
		from, want := day(t, tt.from), day(t, tt.want)
		if got := from.AddDays(tt.n); got != want {
			t.Errorf("%s: %v + %d days = %v, want %v", tt.why, from, tt.n, got, want)
		}
		if got := want.DaysSince(from); got != tt.n {
			t.Errorf("%s: from %v to %v are %d days, want %d", tt.why, from, want, got, tt.n)
		}
	}
}

func TestAddDaysAndDaysSinceAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := Of(time.Unix(rapid.Int64Range(-12212553600, 253402300799).Draw(rt, "unix"), 0).UTC())
		n := rapid.IntRange(-100000, 100000).Draw(rt, "days")
		later := d.AddDays(n)
		if later.DaysSince(d) != n || later.AddDays(-n) != d {
			rt.Fatalf("%v + %d = %v, which is %d days later and goes back to %v", d, n, later, later.DaysSince(d), later.AddDays(-n))
		}
		if int(later.Weekday()) != ((int(d.Weekday())+n)%7+7)%7 {
			rt.Fatalf("%v is a %v, %d days later is a %v", d, d.Weekday(), n, later.Weekday())
		}
		if later.Before(d) != (n < 0) || later.After(d) != (n > 0) {
			rt.Fatalf("%v and %v are in the wrong order", d, later)
		}
		if later.Year >= firstYear && later.Year <= 9999 {
			if back, err := Parse(later.String()); err != nil || back != later {
				rt.Fatalf("%v reads back as %v, %v", later, back, err)
			}
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ why, text, says string }{
		{"nothing", "", "such as 2026-03-16"},
		{"the day comes last", "16-03-2026", "such as 2026-03-16"},
		{"a guess between day and month would be wrong half the time", "03/04/2026", "such as 2026-03-16"},
		{"two digits each", "2026-3-16", "such as 2026-03-16"},
		{"a time is no part of a date", "2026-03-16T00:00:00Z", "such as 2026-03-16"},
		{"no spaces", " 2026-03-16", "such as 2026-03-16"},
		{"no signs", "+026-03-16", "such as 2026-03-16"},
		{"only ASCII digits", "２０２６-03-16", "such as 2026-03-16"},
		{"no month 13", "2026-13-01", "there is no month 13"},
		{"no month 0", "2026-00-01", "there is no month 00"},
		{"no 29 February in 2026", "2026-02-29", "February 2026 has the days 01 to 28"},
		{"no 31 April", "2026-04-31", "April 2026 has the days 01 to 30"},
		{"no day 0", "2026-04-00", "April 2026 has the days"},
		{"no year 0", "0000-01-01", "the calendar begins in 1583"},
		{"what other programs write for no date", "0001-01-01", "the calendar begins in 1583"},
		{"a flood", strings.Repeat("9", 1<<16), "such as 2026-03-16"},
	} {
		d, err := Parse(tt.text)
		if err == nil {
			t.Errorf("%s: %q was read as %v", tt.why, tt.text, d)
			continue
		}
		if !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 200 {
			t.Errorf("%s: the error %q does not say %q in short", tt.why, err, tt.says)
		}
	}
}

func TestNoDate(t *testing.T) {
	var none Date
	if !none.IsZero() || none.String() != "" || !none.AddDays(5).IsZero() || !Of(time.Time{}).IsZero() {
		t.Errorf("no date is %q, 5 days later %q", none, none.AddDays(5))
	}
	if at := none.At(8, 0, time.UTC); !at.IsZero() {
		t.Errorf("no date is at %v", at)
	}
	some := day(t, "2026-03-16")
	if !none.Before(some) || none.DaysSince(some) != 0 || some.DaysSince(none) != 0 {
		t.Errorf("no date comes %d days after %v", none.DaysSince(some), some)
	}
}

func TestText(t *testing.T) {
	type row struct {
		Due  Date
		Paid Date
		By   map[Date]int
	}
	in := row{Due: day(t, "2026-03-16"), By: map[Date]int{day(t, "2026-01-02"): 1}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"Due":"2026-03-16","Paid":"","By":{"2026-01-02":1}}`, string(text)); diff != "" {
		t.Error(diff)
	}
	out := row{Paid: day(t, "2001-01-01")}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	kept := day(t, "2026-03-16")
	if err := kept.UnmarshalText([]byte("soon")); err == nil || kept != day(t, "2026-03-16") {
		t.Errorf("a wrong text gave %v and left %v", err, kept)
	}
}

func TestCompareSorts(t *testing.T) {
	dates := []Date{day(t, "2026-10-02"), day(t, "2026-09-30"), {}, day(t, "2025-12-31"), day(t, "2026-10-01")}
	slices.SortFunc(dates, Date.Compare)
	want := []Date{{}, day(t, "2025-12-31"), day(t, "2026-09-30"), day(t, "2026-10-01"), day(t, "2026-10-02")}
	if diff := cmp.Diff(want, dates); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2026-03-16", "2028-02-29", "2026-02-29", "0001-01-01", "1583-01-01", "9999-12-31", "", "2026-3-1", "-026-01-01", "2026-01-01\n", "２０２６-01-01", "\u202e2026-01-1", "2026\x1b01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		byStdlib, refused := time.Parse(time.DateOnly, s)
		if err != nil {
			if refused == nil && byStdlib.Year() >= firstYear {
				t.Errorf("%q was refused: %v", s, err)
			}
			if text := err.Error(); d != (Date{}) || len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q: %v and the error %q", s, d, text)
			}
			return
		}
		if refused != nil || Of(byStdlib) != d || d.String() != s {
			t.Errorf("%q was read as %v; package time says %v, %v", s, d, byStdlib, refused)
		}
	})
}
