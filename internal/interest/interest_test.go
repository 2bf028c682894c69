package interest

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dunning/internal/civil"
	"dunning/internal/money"
)

func day(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

func percent(s string) Percent {
	p, err := ParsePercent(s)
	if err != nil {
		panic(err)
	}
	return p
}

func rule(t testing.TB, o Options) *Rule {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatMayBeAsked(t *testing.T) {
	eu, de, gb := Options{Law: "eu"}, Options{Law: "de"}, Options{Law: "gb"}
	for _, c := range []struct {
		says       string
		o          Options
		currency   string
		open       int64
		due, today string
		interest   int64
		fixed      int64
		days       int
		rates      []string
	}{
		{"the Netherlands in 2025: 1,000 at 10.15 % for 30 days is 8.3424…", eu, "EUR", 100000, "2025-09-01", "2025-10-01", 834, 4000, 30, []string{"10.15 %"}},
		{"over the turn of a half-year each part has its rate: 17 days at 11.15 % and 14 at 10.15 %", eu, "EUR", 1000000, "2025-06-13", "2025-07-14", 9086, 4000, 31, []string{"11.15 %", "10.15 %"}},
		{"a whole year at two rates", eu, "EUR", 365000, "2023-12-31", "2024-12-31", 45290, 4000, 366, []string{"12.5 %", "12.25 %"}},
		{"Germany is nine points over a base that was negative", de, "EUR", 365000, "2021-06-30", "2021-07-10", 812, 4000, 10, []string{"8.12 %"}},
		{"Britain keeps the rate with which interest began: 250 days at 13.25 %", gb, "GBP", 99999, "2024-05-02", "2025-01-07", 9075, 4000, 250, []string{"13.25 %"}},
		{"Britain asks 70 pounds from 1,000 on", gb, "GBP", 100000, "2025-07-31", "2025-08-01", 34, 7000, 1, []string{"12.25 %"}},
		{"and 100 from 10,000 on", gb, "GBP", 1000000, "2025-07-31", "2025-08-01", 336, 10000, 1, []string{"12.25 %"}},
		{"on the due date nothing", eu, "EUR", 100000, "2025-09-01", "2025-09-01", 0, 0, 0, nil},
		{"before it nothing", eu, "EUR", 100000, "2025-09-01", "2025-08-01", 0, 0, 0, nil},
		{"in another currency the law says nothing", eu, "USD", 100000, "2025-09-01", "2025-10-01", 0, 0, 0, nil},
		{"nothing is open", eu, "EUR", 0, "2025-09-01", "2025-10-01", 0, 0, 0, nil},
		{"a rate of one's own, a yen has no decimals", Options{Rate: percent("8"), Compensation: map[string]int64{"EUR": 1500}}, "JPY", 36500, "2026-09-01", "2026-09-11", 80, 0, 10, []string{"8 %"}},
		{"half a cent is rounded up", Options{Rate: percent("7.3"), Compensation: map[string]int64{"EUR": 1500}}, "EUR", 2500, "2026-09-01", "2026-09-02", 1, 1500, 1, []string{"7.3 %"}},
		{"less than half a cent is none", Options{Rate: percent("7.3")}, "EUR", 2499, "2026-09-01", "2026-09-02", 0, 0, 1, []string{"7.3 %"}},
		{"a rate that finance wrote down", Options{Law: "eu", Rates: map[civil.Date]Percent{day("2026-07-01"): percent("2.15")}}, "EUR", 100000, "2026-09-01", "2026-10-01", 834, 4000, 30, []string{"10.15 %"}},
	} {
		got, err := rule(t, c.o).On(money.Amount{Minor: c.open, Currency: c.currency}, day(c.due), day(c.today))
		want := Claim{money.Amount{Minor: c.interest, Currency: c.currency}, money.Amount{Minor: c.fixed, Currency: c.currency}, c.days, c.rates}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.says, err, diff)
		}
	}
}

func TestARateThatIsNotKnownIsNotGuessed(t *testing.T) {
	r := rule(t, Options{Law: "eu"})
	_, err := r.On(money.Amount{Minor: 100000, Currency: "EUR"}, day("2025-12-01"), day("2026-01-10"))
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "2026-01-01") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]civil.Date{day("2026-01-01"), day("2026-07-01")}, r.Missing(day("2025-12-31"), day("2026-07-01"))); diff != "" {
		t.Error(diff)
	}
	if got := rule(t, Options{Rate: one}).Missing(day("2025-12-31"), day("2026-07-01")); got != nil {
		t.Errorf("a rate of one's own needs no other: %v", got)
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		says string
		o    Options
	}{
		{"nothing", Options{}},
		{"a law that nobody made", Options{Law: "fr"}},
		{"a law and a rate", Options{Law: "eu", Rate: one}},
		{"a law and a compensation", Options{Law: "eu", Compensation: map[string]int64{"EUR": 1}}},
		{"a rate of a day in the middle", Options{Law: "eu", Rates: map[civil.Date]Percent{day("2026-03-01"): one}}},
		{"a reference rate that is none", Options{Law: "eu", Rates: map[civil.Date]Percent{day("2026-01-01"): 2000 * one}}},
		{"a rate of more than everything", Options{Rate: 101 * one}},
		{"reference rates without a law", Options{Rate: one, Rates: map[civil.Date]Percent{day("2026-01-01"): one}}},
	} {
		if r, err := New(c.o); err == nil {
			t.Errorf("%s: %+v", c.says, r)
		}
	}
}

// TestDayByDay adds up interest for each day alone, as a fraction.
func TestDayByDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		law := rapid.SampledFrom(laws).Draw(t, "law")
		due := day("2016-01-01").AddDays(rapid.IntRange(0, 3000).Draw(t, "due"))
		days := rapid.IntRange(1, 600).Draw(t, "days")
		open := rapid.Int64Range(1, 1e12).Draw(t, "open")
		r, err := New(Options{Law: law.name})
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Rat)
		for d := due.AddDays(1); !d.After(due.AddDays(days)); d = d.AddDays(1) {
			half := d
			if law.fixed {
				half = due.AddDays(1)
			}
			month := time.January
			if half.Month > time.June {
				month = time.July
			}
			rate := law.known[civil.Date{Year: half.Year, Month: month, Day: 1}] + law.margin
			sum.Add(sum, new(big.Rat).Mul(big.NewRat(open, 1), big.NewRat(int64(rate), 365*1_000_000)))
		}
		got, err := r.On(money.Amount{Minor: open, Currency: law.currency}, due, due.AddDays(days))
		if err != nil {
			t.Fatal(err)
		}
		off := new(big.Rat).Sub(sum, big.NewRat(got.Interest.Minor, 1))
		if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
			t.Errorf("%s: %d for %d days from %s: %d is not %s rounded", law.name, open, days, due, got.Interest.Minor, sum.FloatString(6))
		}
	})
}

func TestTooLargeIsAnError(t *testing.T) {
	r := rule(t, Options{Rate: 100 * one})
	if c, err := r.On(money.Amount{Minor: math.MaxInt64, Currency: "EUR"}, day("2000-01-01"), day("2026-01-01")); err == nil {
		t.Errorf("got %+v", c)
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]string{"8": "8", "8.15": "8.15", "-0.88": "-0.88", " 10.5 % ": "10.5", "0": "0", "0.0001": "0.0001", "007": "7"} {
		p, err := ParsePercent(text)
		if err != nil || p.String() != want {
			t.Errorf("%q is %s, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "%", "8,25", "8.", ".5", "1e2", "0x1", "--1", "8.00001", "12345", "8 %%", "eight", "+8"} {
		if p, err := ParsePercent(text); err == nil {
			t.Errorf("%q is %s", text, p)
		}
	}
}

func FuzzParsePercent(f *testing.F) {
	for _, s := range []string{"8", "8.15", "-0.88", "8,25 %", "", "99999", "0.00001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePercent(text)
		if err != nil {
			return
		}
		again, err := ParsePercent(p.String())
		if err != nil || again != p {
			t.Errorf("%q is %s, which is %s, %v", text, p, again, err)
		}
	})
}

func TestLawsAreComplete(t *testing.T) {
	want := []string{"eu", "de", "gb"}
	if got := Laws(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, l := range laws {
		if len(l.known) != 20 || l.reference == "" {
			t.Errorf("%s knows %d half-years", l.name, len(l.known))
		}
	}
}
