package schedule

import (
	"slices"
	"testing"
	"time"

	"dunning/internal/civil"

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

func mustParse(t testing.TB, spec string, loc *time.Location) *Schedule {
	t.Helper()
	s, err := Parse(spec, loc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runs lists the runs of a schedule in [from, to), written with their offset.
func runs(s *Schedule, from, to time.Time) (list []string) {
	for at := s.Next(from.Add(-1)); at.Before(to) && !at.IsZero(); at = s.Next(at) {
		list = append(list, at.Format("01-02 15:04 -07:00"))
	}
	return list
}

func TestR16_EachDayHasItsRunWhenTheClockChanges(t *testing.T) {
	for _, tt := range []struct {
		why      string
		spec     string
		zone     string
		from, to string // dates in the zone, to excluded
		want     []string
	}{
		{
			"02:30 does not exist on 29 March: it runs when the gap ends, at 03:00",
			"30 2 * * *", "Europe/Brussels", "2026-03-28", "2026-03-31",
			[]string{"03-28 02:30 +01:00", "03-29 03:00 +02:00", "03-30 02:30 +02:00"},
		},
		{
			"02:30 comes twice on 25 October: it runs at the first",
			"30 2 * * *", "Europe/Brussels", "2026-10-24", "2026-10-27",
			[]string{"10-24 02:30 +02:00", "10-25 02:30 +02:00", "10-26 02:30 +01:00"},
		},
		{
			"the same in Amsterdam, for it is the zone of the example configuration",
			"30 2 * * *", "Europe/Amsterdam", "2026-03-29", "2026-03-30",
			[]string{"03-29 03:00 +02:00"},
		},
		{
			"the readings that are skipped fall together with the first after the gap",
			"*/20 1-3 * * *", "Europe/Amsterdam", "2026-03-29", "2026-03-30",
			[]string{"03-29 01:00 +01:00", "03-29 01:20 +01:00", "03-29 01:40 +01:00", "03-29 03:00 +02:00", "03-29 03:20 +02:00", "03-29 03:40 +02:00"},
		},
		{
			"the second reading of the doubled hour stays silent for times of day",
			"*/30 2-3 * * *", "Europe/Amsterdam", "2026-10-25", "2026-10-26",
			[]string{"10-25 02:00 +02:00", "10-25 02:30 +02:00", "10-25 03:00 +01:00", "10-25 03:30 +01:00"},
		},
		{
			"every two hours are times of day too",
			"0 */2 * * *", "Europe/Amsterdam", "2026-03-29", "2026-03-30",
			[]string{
				"03-29 00:00 +01:00", "03-29 03:00 +02:00", "03-29 04:00 +02:00", "03-29 06:00 +02:00", "03-29 08:00 +02:00", "03-29 10:00 +02:00",
				"03-29 12:00 +02:00", "03-29 14:00 +02:00", "03-29 16:00 +02:00", "03-29 18:00 +02:00", "03-29 20:00 +02:00", "03-29 22:00 +02:00",
			},
		},
		{
			"midnight does not exist in Beirut when summer time begins",
			"@daily", "Asia/Beirut", "2026-03-28", "2026-03-31",
			[]string{"03-28 00:00 +02:00", "03-29 01:00 +03:00", "03-30 00:00 +03:00"},
		},
		{
			"Lord Howe moves its clock by half an hour",
			"15 2 * * *", "Australia/Lord_Howe", "2026-10-03", "2026-10-06",
			[]string{"10-03 02:15 +10:30", "10-04 02:30 +11:00", "10-05 02:15 +11:00"},
		},
		{
			"29 February comes once in four years",
			"0 9 29 2 *", "Europe/Brussels", "2024-01-01", "2033-01-01",
			[]string{"02-29 09:00 +01:00", "02-29 09:00 +01:00", "02-29 09:00 +01:00"},
		},
		{
			"around 2100 it takes eight years, and still comes",
			"0 9 29 2 *", "Europe/Brussels", "2096-03-01", "2104-03-01",
			[]string{"02-29 09:00 +01:00"},
		},
		{
			"Kiritimati is a day ahead of Honolulu and keeps one clock",
			"30 2 * * *", "Pacific/Kiritimati", "2026-03-29", "2026-03-31",
			[]string{"03-29 02:30 +14:00", "03-30 02:30 +14:00"},
		},
		{
			"Honolulu keeps one clock",
			"30 2 * * *", "Pacific/Honolulu", "2026-10-25", "2026-10-27",
			[]string{"10-25 02:30 -10:00", "10-26 02:30 -10:00"},
		},
		{
			"weekdays only",
			"0 8 * * mon-fri", "Europe/Amsterdam", "2026-03-27", "2026-03-31",
			[]string{"03-27 08:00 +01:00", "03-30 08:00 +02:00"},
		},
		{
			"with both day fields restricted, a day needs to fit one",
			"0 8 1 * sun", "Europe/Amsterdam", "2026-03-28", "2026-04-06",
			[]string{"03-29 08:00 +02:00", "04-01 08:00 +02:00", "04-05 08:00 +02:00"},
		},
	} {
		loc := zone(t, tt.zone)
		got := runs(mustParse(t, tt.spec, loc), date(t, tt.from).Start(loc), date(t, tt.to).Start(loc))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %q in %s (-want +got):\n%s", tt.why, tt.spec, tt.zone, diff)
		}
	}
}

func date(t testing.TB, s string) civil.Date {
	t.Helper()
	d, err := civil.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestR16_IntervalsGoOnEvenlyInRealTime(t *testing.T) {
	loc := zone(t, "Europe/Amsterdam")
	for spec, step := range map[string]time.Duration{
		"*/15 * * * *": 15 * time.Minute,
		"7 * * * *":    time.Hour,
		"@hourly":      time.Hour,
		"* * * * *":    time.Minute,
		"@every 90s":   90 * time.Second,
		"@every 24h":   24 * time.Hour,
	} {
		s := mustParse(t, spec, loc)
		for _, night := range []string{"2026-03-28", "2026-10-24"} {
			at := s.Next(date(t, night).At(12, 0, loc))
			for range 100 {
				next := s.Next(at)
				if got := next.Sub(at); got != step {
					t.Fatalf("%s: from %v to %v is %v, want %v", spec, at, next, got, step)
				}
				at = next
			}
		}
	}
}

func TestEveryIsTheSameForAllReplicas(t *testing.T) {
	s := mustParse(t, "@every 7m", time.UTC)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := s.Next(at)
	for offset := range 7 * 60 {
		start := first.Add(-time.Duration(offset+1) * time.Second)
		if got := s.Next(start); !got.Equal(first) {
			t.Fatalf("started at %v: next run %v, want %v", start, got, first)
		}
	}
	before1970 := time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)
	if got, want := s.Next(before1970), time.Unix(0, 0); !got.Equal(want) {
		t.Errorf("before 1970: next run %v, want %v", got, want)
	}
}

var zones = []string{
	"UTC", "Europe/Amsterdam", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "America/St_Johns",
	"Asia/Beirut", "Africa/Cairo", "Africa/Casablanca", "Asia/Gaza", "Asia/Kathmandu", "Australia/Lord_Howe",
	"Antarctica/Troll", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Honolulu", "Pacific/Chatham", "America/Asuncion",
}

// instants draws moments from 1990 to 2050, many of them near a change of the
// clock.
func instants(t *rapid.T, loc *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(631152000, 2524608000).Draw(t, "unix"), 0).In(loc)
	if _, end := at.ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, "near a change") {
		at = end.Add(time.Duration(rapid.Int64Range(-30*3600, 30*3600).Draw(t, "seconds from it")) * time.Second)
	}
	return at.In(loc)
}

// TestR16_OneRunForEachNamedReading compares the runs of times of day with the
// definition: every named reading of every day, each at its one instant.
func TestR16_OneRunForEachNamedReading(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		spec := rapid.SampledFrom([]string{"30 2 * * *", "0 0 * * *", "*/20 0-3 * * *", "59 23 * * *", "15,45 1,2,3 * * *", "0 */2 * * *", "30 0 * * sun", "0 3 1 * *", "5 1 * mar,oct *"}).Draw(rt, "spec")
		s := mustParse(t, spec, loc)
		from := instants(rt, loc)
		first := civil.Of(from).AddDays(-2)
		to := first.AddDays(6).Start(loc)

		var want []time.Time
		for n := range 6 {
			day := first.AddDays(n)
			if !s.day.includes(time.Date(day.Year, day.Month, day.Day, 0, 0, 0, 0, time.UTC)) {
				continue
			}
			for m := range 24 * 60 {
				if s.hour>>(m/60)&1 == 1 && s.min>>(m%60)&1 == 1 {
					if at := day.At(m/60, m%60, loc); at.After(from) && at.Before(to) {
						want = append(want, at)
					}
				}
			}
		}
		want = slices.CompactFunc(want, time.Time.Equal)

		var got []time.Time
		for at := s.Next(from); at.Before(to); at = s.Next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			rt.Fatalf("%q in %v from %v:\n got %v\nwant %v", spec, loc, from, got, want)
		}
	})
}

// TestR16_IntervalsRunWheneverTheClockShowsThem compares intervals with a look
// at the clock at every minute.
func TestR16_IntervalsRunWheneverTheClockShowsThem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		spec := rapid.SampledFrom([]string{"* * * * *", "*/15 * * * *", "7 * * * *", "0,1,59 * * * *", "30 * * * sun", "0 * 1 * *"}).Draw(rt, "spec")
		s := mustParse(t, spec, loc)
		from := instants(rt, loc)
		got := s.Next(from)
		if !got.After(from) || got.Second() != 0 || got.Nanosecond() != 0 {
			rt.Fatalf("%q in %v from %v: %v", spec, loc, from, got)
		}
		for at := from.Truncate(time.Minute).Add(time.Minute); ; at = at.Add(time.Minute) {
			if s.min>>at.Minute()&1 == 1 && s.day.includes(wall(at)) {
				if !got.Equal(at) {
					rt.Fatalf("%q in %v from %v: %v, want %v", spec, loc, from, got, at)
				}
				return
			}
		}
	})
}

func TestR16_NextIsStrictlyLater(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		spec := rapid.SampledFrom([]string{"30 2 * * *", "*/15 * * * *", "@every 1h7m", "0 0 29 2 *", "0 9 31 * fri", "@yearly"}).Draw(rt, "spec")
		s := mustParse(t, spec, loc)
		at := instants(rt, loc)
		for range 20 {
			next := s.Next(at)
			if !next.After(at) {
				rt.Fatalf("%q in %v: after %v comes %v", spec, loc, at, next)
			}
			// Whoever asks in between hears of the same run.
			between := at.Add(next.Sub(at) / 2)
			if again := s.Next(between); !again.Equal(next) {
				rt.Fatalf("%q in %v: after %v comes %v, but after %v comes %v", spec, loc, at, next, between, again)
			}
			at = next
		}
	})
}

func BenchmarkNext(b *testing.B) {
	loc := zone(b, "Europe/Amsterdam")
	for _, spec := range []string{"30 2 * * *", "*/15 * * * *", "0 9 29 2 *"} {
		s := mustParse(b, spec, loc)
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, loc)
		b.Run(spec, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Next(at)
			}
		})
	}
}

// TestLeapYearsEnd walks over the last days of leap years whose rules are not
// tabulated, where time.Time.ZoneBounds leads in circles.
func TestLeapYearsEnd(t *testing.T) {
	for _, name := range zones {
		loc := zone(t, name)
		for _, spec := range []string{"30 2 * * *", "*/15 * * * *"} {
			s := mustParse(t, spec, loc)
			for _, year := range []int{2040, 2048, 2096} {
				at := time.Date(year, 12, 29, 0, 0, 0, 0, loc)
				for end := at.AddDate(0, 0, 6); at.Before(end); {
					next := s.Next(at)
					if gap := next.Sub(at); gap <= 0 || gap > 25*time.Hour {
						t.Fatalf("%q in %s: after %v comes %v", spec, name, at, next)
					}
					at = next
				}
			}
		}
	}
}
