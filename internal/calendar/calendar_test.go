package calendar

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"dunning/internal/civil"

	"github.com/google/go-cmp/cmp"
	"github.com/rickar/cal/v2"
	"pgregory.net/rapid"
)

func day(t testing.TB, s string) civil.Date {
	t.Helper()
	d, err := civil.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func days(t testing.TB, list ...string) (dates []civil.Date) {
	t.Helper()
	for _, s := range list {
		dates = append(dates, day(t, s))
	}
	return dates
}

func mustNew(t testing.TB, o Options) *Calendar {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHolidays lists all days from Monday to Friday of 2026 and 2027 on which a
// country does not work, spelt out so that an update of the library cannot
// change one unseen.
func TestHolidays(t *testing.T) {
	for country, want := range map[string]string{
		"nl": `2026-01-01 2026-04-03 2026-04-06 2026-04-27 2026-05-05 2026-05-14 2026-05-25 2026-12-25
			2027-01-01 2027-03-26 2027-03-29 2027-04-27 2027-05-05 2027-05-06 2027-05-17`,
		"be": `2026-01-01 2026-04-06 2026-05-01 2026-05-14 2026-05-25 2026-07-21 2026-11-11 2026-12-25
			2027-01-01 2027-03-29 2027-05-06 2027-05-17 2027-07-21 2027-11-01 2027-11-11`,
		"de": `2026-01-01 2026-04-03 2026-04-06 2026-05-01 2026-05-14 2026-05-25 2026-12-25
			2027-01-01 2027-03-26 2027-03-29 2027-05-06 2027-05-17`,
		"fr": `2026-01-01 2026-04-06 2026-05-01 2026-05-08 2026-05-14 2026-05-25 2026-07-14 2026-11-11 2026-12-25
			2027-01-01 2027-03-29 2027-05-06 2027-05-17 2027-07-14 2027-11-01 2027-11-11`,
		"gb": `2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28
			2027-01-01 2027-03-26 2027-03-29 2027-05-03 2027-05-31 2027-08-30 2027-12-27 2027-12-28`,
		"us": `2026-01-01 2026-01-19 2026-02-16 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-10-12 2026-11-11 2026-11-26 2026-12-25
			2027-01-01 2027-01-18 2027-02-15 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-10-11 2027-11-11 2027-11-25 2027-12-24 2027-12-31`,
		"ecb": `2026-01-01 2026-04-03 2026-04-06 2026-05-01 2026-12-25
			2027-01-01 2027-03-26 2027-03-29`,
		"lu": `2026-01-01 2026-04-06 2026-05-01 2026-05-14 2026-05-25 2026-06-23 2026-12-25
			2027-01-01 2027-03-29 2027-05-06 2027-05-17 2027-06-23 2027-11-01`,
		"ie": `2026-01-01 2026-02-02 2026-03-17 2026-04-06 2026-05-04 2026-06-01 2026-08-03 2026-10-26 2026-12-25
			2027-01-01 2027-02-01 2027-03-17 2027-03-29 2027-05-03 2027-06-07 2027-08-02 2027-10-25`,
		"it": `2026-01-01 2026-01-06 2026-04-06 2026-05-01 2026-06-02 2026-12-08 2026-12-25
			2027-01-01 2027-01-06 2027-03-29 2027-06-02 2027-10-04 2027-11-01 2027-12-08`,
		"pl": `2026-01-01 2026-01-06 2026-04-06 2026-05-01 2026-06-04 2026-11-11 2026-12-24 2026-12-25
			2027-01-01 2027-01-06 2027-03-29 2027-05-03 2027-05-27 2027-11-01 2027-11-11 2027-12-24`,
	} {
		c := mustNew(t, Options{Country: country})
		var got []civil.Date
		for d := day(t, "2026-01-01"); d.Year < 2028; d = d.AddDays(1) {
			if weekend := d.Weekday() == time.Saturday || d.Weekday() == time.Sunday; !weekend && !c.Working(d) {
				got = append(got, d)
			}
		}
		if diff := cmp.Diff(days(t, strings.Fields(want)...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", country, diff)
		}
	}
}

func TestHolidayNames(t *testing.T) {
	c := mustNew(t, Options{Country: "nl", Add: days(t, "2026-12-24")})
	for date, want := range map[string]string{
		"2026-04-27": "Koningsdag", "2026-05-14": "Hemelvaartsdag", "2025-04-26": "Koningsdag", "2026-12-24": "closed", "2026-12-23": "",
	} {
		if got, ok := c.Holiday(day(t, date)); got != want || ok != (want != "") {
			t.Errorf("%s is %q, want %q", date, got, want)
		}
	}
}

func TestR17_WorkingDays(t *testing.T) {
	for _, tt := range []struct {
		why     string
		options Options
		from    string
		n       int
		want    string
	}{
		{"from Friday to Monday", Options{}, "2026-03-20", 1, "2026-03-23"},
		{"back from Monday to Friday", Options{}, "2026-03-23", -1, "2026-03-20"},
		{"a working week", Options{}, "2026-03-18", 5, "2026-03-25"},
		{"no day is the day itself, even on Sunday", Options{}, "2026-03-22", 0, "2026-03-22"},
		{"counting begins after a Saturday", Options{}, "2026-03-21", 1, "2026-03-23"},
		{"over Easter", Options{Country: "nl"}, "2026-04-02", 1, "2026-04-07"},
		{"over Easter in a shop that works on Saturday", Options{Country: "be", Workdays: []time.Weekday{time.Tuesday, time.Saturday}}, "2026-04-02", 1, "2026-04-04"},
		{"back over Easter", Options{Country: "nl"}, "2026-04-07", -1, "2026-04-02"},
		{"over Christmas and New Year", Options{Country: "nl", Add: days(t, "2026-12-24")}, "2026-12-23", 5, "2027-01-04"},
		{"Good Friday is an ordinary day for this firm", Options{Country: "nl", Remove: days(t, "2026-04-03")}, "2026-04-02", 1, "2026-04-03"},
		{"New Year's Day of 2028 is a Saturday and kept on Friday", Options{Country: "us"}, "2027-12-30", 1, "2028-01-03"},
		{"Christmas Eve is a holiday in Poland since 2025", Options{Country: "pl"}, "2025-12-23", 1, "2025-12-29"},
		{"and was none before", Options{Country: "pl"}, "2024-12-23", 1, "2024-12-24"},
		{"Denmark works on the day that was Store bededag", Options{Country: "dk"}, "2024-04-25", 1, "2024-04-26"},
		{"from Maundy Thursday to Easter Monday nobody works in Norway", Options{Country: "no"}, "2026-04-01", 1, "2026-04-07"},
		{"Christmas and Boxing Day fall on a weekend and are kept after it", Options{Country: "gb"}, "2027-12-24", 1, "2027-12-29"},
		{"over both eves and both feasts of a Swedish winter", Options{Country: "se"}, "2026-12-23", 4, "2027-01-04"},
		{"and back", Options{Country: "se"}, "2027-01-04", -4, "2026-12-23"},
		{"a Koningsdag that moved to Saturday leaves the Monday alone", Options{Country: "nl"}, "2025-04-25", 1, "2025-04-28"},
		{"and its Sunday is open for a shop that works on Sundays", Options{Country: "nl", Workdays: []time.Weekday{time.Saturday, time.Sunday}}, "2025-04-20", 1, "2025-04-27"},
		{"which is closed at Easter where the law says so", Options{Country: "no", Workdays: []time.Weekday{time.Sunday}}, "2026-03-29", 1, "2026-04-12"},
		{"over the last day of a leap February", Options{}, "2028-02-28", 1, "2028-02-29"},
		{"back onto it", Options{}, "2028-03-01", -1, "2028-02-29"},
		{"over a February that has none", Options{}, "2027-02-26", 1, "2027-03-01"},
		{"a working week out of week 53 into the next year", Options{}, "2026-12-28", 5, "2027-01-04"},
		{"a year of 253 days takes 253 working days in the Netherlands", Options{Country: "nl"}, "2025-12-31", 253, "2026-12-31"},
		{"only Sundays", Options{Workdays: []time.Weekday{time.Sunday}}, "2026-03-22", 2, "2026-04-05"},
		{"beyond the known holidays the weekdays count", Options{Country: "nl"}, "2150-12-24", 1, "2150-12-25"},
	} {
		if got, want := mustNew(t, tt.options).AddWorkdays(day(t, tt.from), tt.n), day(t, tt.want); got != want {
			t.Errorf("%s: %d working days from %s is %v, want %v", tt.why, tt.n, tt.from, got, want)
		}
	}
}

func TestR17_Next(t *testing.T) {
	c := mustNew(t, Options{Country: "nl"})
	for from, want := range map[string]string{
		"2026-03-20": "2026-03-20", // a Friday
		"2026-03-21": "2026-03-23", // a Saturday
		"2026-04-03": "2026-04-07", // Good Friday
		"2026-04-25": "2026-04-28", // the weekend before King's Day
		"2026-12-25": "2026-12-28",
	} {
		if got := c.Next(day(t, from)); got != day(t, want) {
			t.Errorf("the first working day from %s is %v, want %s", from, got, want)
		}
	}
}

func TestNoCalendarIsMondayToFriday(t *testing.T) {
	var none *Calendar
	plain := mustNew(t, Options{})
	for d := day(t, "2026-01-01"); d.Year == 2026; d = d.AddDays(1) {
		weekday := d.Weekday() != time.Saturday && d.Weekday() != time.Sunday
		if none.Working(d) != weekday || plain.Working(d) != weekday || none.Next(d) != plain.Next(d) || none.AddWorkdays(d, -3) != plain.AddWorkdays(d, -3) {
			t.Fatalf("%v (%v): works without a calendar: %v, with a plain one: %v", d, d.Weekday(), none.Working(d), plain.Working(d))
		}
	}
	if name, ok := none.Holiday(day(t, "2026-01-01")); ok {
		t.Errorf("no calendar has a holiday %q", name)
	}
	for _, c := range []*Calendar{none, plain} {
		if c.Working(civil.Date{}) || !c.Next(civil.Date{}).IsZero() || !c.AddWorkdays(civil.Date{}, 3).IsZero() {
			t.Error("no date became a date")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		why     string
		options Options
		says    []string
	}{
		{"a country nobody knows", Options{Country: "xx"}, []string{`"xx"`, "at, be, cz", "nl", "add dates"}},
		{"capitals", Options{Country: "NL"}, []string{`"NL"`}},
		{"a flood", Options{Country: strings.Repeat("n", 1<<16)}, []string{"no holidays are known"}},
		{"no such weekday", Options{Workdays: []time.Weekday{7}}, []string{"no weekday number 7"}},
		{"a typing error in a date to remove", Options{Country: "nl", Remove: days(t, "2026-05-04")}, []string{"2026-05-04", "no holiday here"}},
		{"there is nothing to remove", Options{Remove: days(t, "2026-05-05")}, []string{"no holiday here"}},
		{"both", Options{Country: "nl", Add: days(t, "2026-05-05"), Remove: days(t, "2026-05-05")}, []string{"both added and removed"}},
		{"an empty date", Options{Add: []civil.Date{{}}}, []string{"empty"}},
		{"all mistakes at once", Options{Country: "xx", Workdays: []time.Weekday{-1}}, []string{`"xx"`, "number -1"}},
	} {
		_, err := New(tt.options)
		if err == nil {
			t.Errorf("%s: accepted", tt.why)
			continue
		}
		for _, says := range tt.says {
			if !strings.Contains(err.Error(), says) || len(err.Error()) > 500 {
				t.Errorf("%s: %q does not say %q in short", tt.why, err, says)
			}
		}
	}
}

// TestWorkdaysGoThereAndBack holds for every country and any days closed.
func TestWorkdaysGoThereAndBack(t *testing.T) {
	calendars := map[string]*Calendar{}
	for _, country := range append(Countries(), "") {
		calendars[country] = mustNew(t, Options{Country: country})
	}
	names := slices.Sorted(maps.Keys(calendars))
	rapid.Check(t, func(rt *rapid.T) {
		c := calendars[rapid.SampledFrom(names).Draw(rt, "country")]
		d := day(t, "2020-01-01").AddDays(rapid.IntRange(0, 20000).Draw(rt, "days"))
		n := rapid.IntRange(1, 60).Draw(rt, "workdays")
		later := c.AddWorkdays(d, n)
		worked := 0
		for x := d.AddDays(1); !x.After(later); x = x.AddDays(1) {
			if c.Working(x) {
				worked++
			}
		}
		if worked != n || !c.Working(later) {
			rt.Fatalf("%d working days after %v is %v, between them are %d", n, d, later, worked)
		}
		if start := c.Next(d); c.AddWorkdays(c.AddWorkdays(start, n), -n) != start {
			rt.Fatalf("%d working days from %v and back is %v", n, start, c.AddWorkdays(c.AddWorkdays(start, n), -n))
		}
	})
}

// TestTheZoneOfTheMachineDoesNotMatter makes a holiday of every day of a year in
// which the machine's zone had a day without midnight.
func TestTheZoneOfTheMachineDoesNotMatter(t *testing.T) {
	before := cal.DefaultLoc
	defer func() { cal.DefaultLoc = before }()
	for _, name := range []string{"America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Pacific/Apia", "UTC"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		cal.DefaultLoc = loc
		for want := day(t, "2018-01-01"); want.Year == 2018; want = want.AddDays(1) {
			actual, _ := on(want.Month, want.Day, "a day", 0).Calc(2018)
			if got := dateOf(actual); got != want {
				t.Errorf("on a machine in %s, %v is taken for %v", name, want, got)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	c := mustNew(t, Options{Country: "nl"})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			d := day(t, "2026-01-01").AddDays(n)
			for range 1000 {
				d = c.Next(d.AddDays(1))
			}
		})
	}
	wg.Wait()
}

func BenchmarkNext(b *testing.B) {
	c := mustNew(b, Options{Country: "nl"})
	d := day(b, "2026-04-03") // Good Friday: the longest weekend
	b.ReportAllocs()
	for b.Loop() {
		c.Next(d)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		mustNew(b, Options{Country: "nl"})
	}
}
