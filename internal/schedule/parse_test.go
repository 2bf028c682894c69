package schedule

import (
	"math/bits"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ why, spec, says string }{
		{"nothing was written", "", "it is empty"},
		{"only spaces were written", " \t ", "it is empty"},
		{"the parser of the library panics on a zone without a line", "TZ=UTC", "set `timezone:`"},
		{"and on this one", "CRON_TZ=Europe/Amsterdam", "set `timezone:`"},
		{"one zone holds for all jobs", "TZ=Asia/Tokyo 30 2 * * *", "set `timezone:`"},
		{"an empty list would never run", ", * * * *", "empty element"},
		{"a comma was left over", "1,2, * * * *", "empty element"},
		{"February has no 31st", "0 0 31 2 *", "would never run"},
		{"nor have the short months", "0 0 31 4,6,9,11 *", "would never run"},
		{"zero is no interval", "@every 0s", "from 1m0s to"},
		{"under a minute the runs would fall over each other", "@every 59s", "from 1m0s to"},
		{"time does not run backwards", "@every -1h", "from 1m0s to"},
		{"a job that runs once in ten years is a mistake", "@every 87600h", "from 1m0s to"},
		{"schedules have whole seconds", "@every 90.5s", "whole seconds"},
		{"a day is not a unit of durations", "@every 1d", "not a duration"},
		{"an interval needs a duration", "@every", "not a duration"},
		{"a job runs at start anyway", "@reboot", "unrecognized descriptor"},
		{"a field is missing", "* * * *", "4 fields instead of 5"},
		{"seconds are not part of a cron line", "0 30 2 * * *", "6 fields instead of 5"},
		{"an hour has 60 minutes", "60 * * * *", `the minute "60" is wrong`},
		{"a day has 24 hours", "0 24 * * *", `the hour "24" is wrong`},
		{"there is no day 0", "0 0 0 * *", `the day of month "0" is wrong`},
		{"there is no month 13", "0 0 1 13 *", `the month "13" is wrong`},
		{"8 is no day of the week", "0 0 * * 8", `the day of week "8" is wrong`},
		{"a range of days must not run backwards", "0 0 * * 5-3", "beyond end of range"},
		{"names of days are English", "0 0 * * maa", "neither a number nor a name"},
		{"a step of nothing", "*/0 * * * *", "the minute"},
		{"a line must not be endless", strings.Repeat("1,", 200) + "1 * * * *", "longer than 256"},
	} {
		s, err := Parse(tt.spec, time.UTC)
		if err == nil {
			t.Errorf("%s: %q was accepted, next run %v", tt.why, tt.spec, s.Next(time.Unix(0, 0)))
			continue
		}
		if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %q: error %q does not say %q", tt.why, tt.spec, err, tt.says)
		}
		if !strings.Contains(err.Error(), `"30 8 * * mon-fri"`) {
			t.Errorf("%s: %q: error %q gives no example", tt.why, tt.spec, err)
		}
	}
}

func TestParseNeedsAZone(t *testing.T) {
	if s, err := Parse("@daily", nil); err == nil {
		t.Errorf("a schedule without a zone was made: %v", s)
	}
}

// TestSunday reads the same days from all ways to write them.
func TestSunday(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  string // S for Sunday … s for Saturday
	}{
		{"0", "S......"},
		{"7", "S......"},
		{"sun", "S......"},
		{"SUN", "S......"},
		{"5-7", "S....fs"},
		{"fri-sun", "S....fs"},
		{"1,7", "Sm....."},
		{"7,1-2", "Smt...."},
		{"mon-sun", "Smtwtfs"},
		{"1-7", "Smtwtfs"},
		{"0-7", "Smtwtfs"},
		{"7-2", "Smt...."},
		{"1-7/2", "Sm.w.f."},
		{"7-7", "S......"},
		{"*/7", "S......"},
		{"sun-tue", "Smt...."},
		{"mon-fri", ".mtwtf."},
		{"*", "Smtwtfs"},
		{"?", "Smtwtfs"},
	} {
		s := mustParse(t, "0 12 * * "+tt.field, time.UTC)
		got := []byte(".......")
		for d, letter := range []byte("Smtwtfs") {
			if s.day.weekday>>d&1 == 1 {
				got[d] = letter
			}
		}
		if string(got) != tt.want {
			t.Errorf("%q means %s, want %s", tt.field, got, tt.want)
		}
	}
}

func TestParseTrims(t *testing.T) {
	s := mustParse(t, "  */5 *   * * *\n", time.UTC)
	if diff := cmp.Diff("*/5 *   * * *", s.String()); diff != "" {
		t.Error(diff)
	}
	if n := bits.OnesCount64(s.min); n != 12 {
		t.Errorf("runs %d times an hour, want 12", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{
		"30 2 * * *", "*/15 * * * *", "@every 1h", "@every 1m", "@daily", "0 8 * * 5-7", "0 0 29 2 *", "0 0 31 2 *",
		"TZ=UTC", "CRON_TZ=Europe/Amsterdam", ", * * * *", "@every 0s", "7/7 * * * sun-7/9223372036854775807", "* * * * 1-7/99999999999999999999",
		"1-2-\x1b[2J * * * *", "@\u202edaily", "\x1b * * * *", "0 0 * * mon-fri,sat", "59 23 31 12 ?",
	} {
		f.Add(spec)
	}
	loc := zone(f, "America/Sao_Paulo")
	from := time.Date(2018, 11, 3, 12, 0, 0, 0, loc)
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec, loc)
		if err != nil {
			if text := err.Error(); len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q: the error is %q", spec, text)
			}
			return
		}
		next := s.Next(from)
		if !next.After(from) {
			t.Errorf("%q: after %v comes %v", spec, from, next)
		}
		for range 3 { // it goes on, and runs no more often than once a minute
			after := s.Next(next)
			if after.Sub(next) < time.Minute {
				t.Errorf("%q: after %v comes %v", spec, next, after)
			}
			next = after
		}
		next = s.Next(from)
		if again, err := Parse(s.String(), loc); err != nil || !again.Next(from).Equal(next) {
			t.Errorf("%q does not read back: %v", spec, err)
		}
	})
}
