package period

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode"

	"dunning/internal/civil"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustParse(t testing.TB, s string) Period {
	t.Helper()
	p, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Period
		back string
	}{
		{"P30D", Period{Days: 30}, "P30D"},
		{"P2W", Period{Days: 14}, "P14D"},
		{"P1M", Period{Months: 1}, "P1M"},
		{"PT1M", Period{Minutes: 1}, "PT1M"},
		{"PT36H", Period{Hours: 36}, "PT36H"},
		{"P1Y2M3DT4H5M6S", Period{1, 2, 3, 4, 5, 6}, "P1Y2M3DT4H5M6S"},
		{"P1YT1S", Period{Years: 1, Seconds: 1}, "P1YT1S"},
		{"P1Y1D", Period{Years: 1, Days: 1}, "P1Y1D"},
		{"P1MT1M", Period{Months: 1, Minutes: 1}, "P1MT1M"},
		{"P0D", Period{}, "P0D"},
		{"PT0S", Period{}, "P0D"},
		{"P007D", Period{Days: 7}, "P7D"},
		{"P9999D", Period{Days: 9999}, "P9999D"},
		{"P1428W", Period{Days: 9996}, "P9996D"},
	} {
		got, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if got.String() != tt.back {
			t.Errorf("%s is written %s, want %s", tt.text, got, tt.back)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ why, text, says string }{
		{"nothing", "", "it is empty"},
		{"no unit at all", "P", "must follow the P"},
		{"no P", "30D", "begin with a capital P"},
		{"words belong elsewhere", "30 days", "begin with a capital P"},
		{"a small p", "p30D", "begin with a capital P"},
		{"a small unit", "P30d", "d must be a capital"},
		{"a small t", "Pt30M", `a number must stand before 't'`},
		{"a sign in front", "-P30D", "must not have a sign"},
		{"a plus in front", "+P30D", "must not have a sign"},
		{"a sign within", "P-30D", "must not have a sign"},
		{"no number", "PD", "a number must stand before"},
		{"no unit", "P30", "a unit must follow the number 30"},
		{"a fraction", "P1.5D", "fractions are not read"},
		{"a fraction with a comma", "PT1,5H", "fractions are not read"},
		{"an empty T", "P1DT", "must follow the T"},
		{"only a T", "PT", "must follow the T"},
		{"two Ts", "PT1HT1M", "more than one T"},
		{"hours without a T", "P36H", "a T must stand before H"},
		{"seconds without a T", "P1D5S", "a T must stand before S"},
		{"days behind the T", "PT1D", "D must stand before the T"},
		{"years behind the T", "P1DT1Y", "Y must stand before the T"},
		{"twice the same unit", "P1M1M", "a T must stand before M"},
		{"days twice", "P1D2D", "twice or out of order"},
		{"minutes twice", "PT1M1M", "twice or out of order"},
		{"the wrong order", "P1D1Y", "twice or out of order"},
		{"the wrong order of time", "PT1M1H", "twice or out of order"},
		{"weeks and days", "P1W2D", "cannot be mixed"},
		{"days and weeks", "P2D1W", "cannot be mixed"},
		{"weeks twice", "P1W1W", "cannot be mixed"},
		{"weeks as time", "PT1W", "a number must stand before"},
		{"an unknown unit", "P5X", "is not a unit"},
		{"spaces", "P 30D", "a number must stand before"},
		{"a space behind", "P30D ", "a number must stand before"},
		{"too many days", "P10000D", "larger than 9999"},
		{"too many weeks", "P1429W", "more than 1428 weeks"},
		{"a number that overflows", "P99999999999999999999D", "larger than 9999"},
		{"a flood", "P" + strings.Repeat("1", 1<<16), "longer than 64"},
		{"digits of another script", "P３D", "a number must stand before"},
	} {
		p, err := Parse(tt.text)
		if err == nil {
			t.Errorf("%s: %.40q was read as %v", tt.why, tt.text, p)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, tt.says) || !strings.Contains(msg, "write it like P30D") || len(msg) > 250 {
			t.Errorf("%s: %.40q: error %q does not say %q, with an example, in short", tt.why, tt.text, msg, tt.says)
		}
	}
}

func TestR16_AddTo(t *testing.T) {
	for _, tt := range []struct {
		why, from, zone, period, want string
	}{
		{"31 January + a month is the end of February", "2026-01-31T10:00:00", "Europe/Amsterdam", "P1M", "2026-02-28T10:00:00+01:00"},
		{"in a leap year its 29th", "2028-01-31T10:00:00", "Europe/Amsterdam", "P1M", "2028-02-29T10:00:00+01:00"},
		{"29 February + a year", "2028-02-29T10:00:00", "Europe/Amsterdam", "P1Y", "2029-02-28T10:00:00+01:00"},
		{"years and months are clamped once, not one after the other", "2027-12-31T10:00:00", "UTC", "P1Y2M", "2029-02-28T10:00:00Z"},
		{"the clamped month, then the days", "2026-01-31T10:00:00", "UTC", "P1M1D", "2026-03-01T10:00:00Z"},
		{"over New Year", "2026-11-30T10:00:00", "UTC", "P3M", "2027-02-28T10:00:00Z"},
		{"a day is 23 hours when summer time begins", "2026-03-28T12:00:00", "Europe/Amsterdam", "P1D", "2026-03-29T12:00:00+02:00"},
		{"24 hours are 24 hours", "2026-03-28T12:00:00", "Europe/Amsterdam", "PT24H", "2026-03-29T13:00:00+02:00"},
		{"a time of day that does not exist becomes the end of the gap", "2026-03-28T02:30:00", "Europe/Amsterdam", "P1D", "2026-03-29T03:00:00+02:00"},
		{"and the day after it is as it was", "2026-03-28T02:30:00", "Europe/Amsterdam", "P2D", "2026-03-30T02:30:00+02:00"},
		{"of a time of day that comes twice it is the first", "2026-10-24T02:30:00", "Europe/Amsterdam", "P1D", "2026-10-25T02:30:00+02:00"},
		{"hours are counted after the days, as they pass", "2026-10-24T02:30:00", "Europe/Amsterdam", "P1DT1H", "2026-10-25T02:30:00+01:00"},
		{"30 days over the change", "2026-03-10T09:15:00", "Europe/Brussels", "P30D", "2026-04-09T09:15:00+02:00"},
		{"Samoa skipped a day", "2011-12-29T12:00:00", "Pacific/Apia", "P1D", "2011-12-31T00:00:00+14:00"},
		{"nothing", "2026-10-25T12:30:00", "Europe/Amsterdam", "P0D", "2026-10-25T12:30:00+01:00"},
	} {
		loc, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.ParseInLocation("2006-01-02T15:04:05", tt.from, loc)
		if err != nil {
			t.Fatal(err)
		}
		got := mustParse(t, tt.period).AddTo(from)
		if diff := cmp.Diff(tt.want, got.Format(time.RFC3339)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
	}
}

func TestR16_HoursKeepTheSecondReading(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	second := time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC).In(loc) // 02:30, for the second time
	if got := mustParse(t, "PT1H").AddTo(second); !got.Equal(second.Add(time.Hour)) {
		t.Errorf("an hour after %v is %v", second, got)
	}
	if got := mustParse(t, "PT0S").AddTo(second); !got.Equal(second) {
		t.Errorf("no time after %v is %v", second, got)
	}
}

func TestSubFrom(t *testing.T) {
	at := time.Date(2026, 3, 31, 10, 0, 0, 123, time.UTC)
	for text, want := range map[string]time.Time{
		"P1M":     time.Date(2026, 2, 28, 10, 0, 0, 123, time.UTC),
		"P1Y1M":   time.Date(2025, 2, 28, 10, 0, 0, 123, time.UTC),
		"P31D":    time.Date(2026, 2, 28, 10, 0, 0, 123, time.UTC),
		"P4M":     time.Date(2025, 11, 30, 10, 0, 0, 123, time.UTC),
		"P1DT12H": time.Date(2026, 3, 29, 22, 0, 0, 123, time.UTC),
	} {
		if got := mustParse(t, text).SubFrom(at); !got.Equal(want) {
			t.Errorf("%v - %s = %v, want %v", at, text, got, want)
		}
	}
}

// TestR16_DaysAgreeWithTheCalendar compares days with package civil, in zones
// that change their clocks in all sorts of ways.
func TestR16_DaysAgreeWithTheCalendar(t *testing.T) {
	zones := []string{"UTC", "Europe/Amsterdam", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns"}
	rapid.Check(t, func(rt *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(rt, "zone"))
		if err != nil {
			rt.Fatal(err)
		}
		from := time.Unix(60*rapid.Int64Range(0, 4102444800/60).Draw(rt, "minutes"), 0).In(loc)
		days := rapid.IntRange(1, 400).Draw(rt, "days")
		p := Period{Days: days}
		if _, offset := from.Zone(); offset%60 == 0 {
			want := civil.Of(from).AddDays(days).At(from.Hour(), from.Minute(), loc)
			if got := p.AddTo(from); !got.Equal(want) {
				rt.Fatalf("%v + %v = %v, want %v", from, p, got, want)
			}
		}
		if got := p.AddTo(from); got.Before(from) || got.Location() != loc {
			rt.Fatalf("%v + %v = %v", from, p, got)
		}
	})
}

func TestEqual(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"P30D", "PT720H", true},
		{"P1Y", "P12M", true},
		{"P2W", "P14D", true},
		{"PT60M", "PT1H", true},
		{"P1DT24H", "P2D", true},
		{"P0D", "PT0S", true},
		{"P1M", "P30D", false},
		{"P1M", "P31D", false},
		{"P1Y", "P365D", false},
		{"P1M", "PT1M", false},
		{"P1D", "PT23H", false},
	} {
		if got := mustParse(t, tt.a).Equal(mustParse(t, tt.b)); got != tt.want {
			t.Errorf("%s equals %s: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	type link struct{ Life Period }
	var l link
	if err := json.Unmarshal([]byte(`{"Life":"P2W"}`), &l); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"Life":"P14D"}`, string(text)); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"Life":""}`), &l); err == nil {
		t.Error("an empty text was read as a period")
	}
	if l.Life != (Period{Days: 14}) {
		t.Errorf("a wrong text left %v", l.Life)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"P30D", "P2W", "P1M", "PT36H", "P1Y2M3DT4H5M6S", "P", "PT", "P1M1M", "P0D", "P1DT", "P9999Y9999M9999DT9999H9999M9999S", "P1.5D", "P\u202e1D", "P1\x1b[2J", "P1\xffD"} {
		f.Add(s)
	}
	at := time.Date(2028, 2, 29, 2, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			if text := err.Error(); p != (Period{}) || len(text) > 400 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q: %v and the error %q", s, p, text)
			}
			return
		}
		if p.Years > Limit || p.Months > Limit || p.Days > Limit || p.Hours > Limit || p.Minutes > Limit || p.Seconds > Limit {
			t.Errorf("%q is %v", s, p)
		}
		if back, err := Parse(p.String()); err != nil || back != p {
			t.Errorf("%q is written %s and reads back as %v, %v", s, p, back, err)
		}
		if later := p.AddTo(at); later.Before(at) || later.Equal(at) != p.IsZero() {
			t.Errorf("%v after %v is %v", p, at, later)
		}
		if earlier := p.SubFrom(at); earlier.After(at) {
			t.Errorf("%v before %v is %v", p, at, earlier)
		}
	})
}
