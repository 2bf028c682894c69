package calendar

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"

	"github.com/google/go-cmp/cmp"
	"github.com/rickar/cal/v2"
)

var update = flag.Bool("update", false, "write the golden calendars anew")

// The years of the golden calendars.
const (
	goldenFrom = 2024
	goldenTo   = 2032
)

// TestR17_GoldenCalendars compares the holidays of every country, a line each,
// with what was read through: an update of the library changes none unseen.
func TestR17_GoldenCalendars(t *testing.T) {
	for _, country := range Countries() {
		c := mustNew(t, Options{Country: country})
		var b strings.Builder
		for d := (civil.Date{Year: goldenFrom, Month: 1, Day: 1}); d.Year <= goldenTo; d = d.AddDays(1) {
			if name, ok := c.Holiday(d); ok {
				fmt.Fprintf(&b, "%v %s %s\n", d, d.Weekday().String()[:3], name)
			}
		}
		file := filepath.Join("testdata", fmt.Sprintf("%s-%d-%d.golden", country, goldenFrom, goldenTo))
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", country, diff)
		}
	}
}

// easters are the Easter Sundays of the golden years, from the tables of the
// church and not from the library.
var easters = []string{
	"2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2028-04-16", "2029-04-01", "2030-04-21", "2031-04-13", "2032-03-28",
}

// A law is a country's list of holidays as its law words it.
type law struct {
	fixed  string // month-day of every year
	easter []int  // days after Easter Sunday
	dates  string // all others, one by one
}

// laws is a second reading of the laws, independent of the library and of the
// corrections: plain dates, counted days and nothing computed.
var laws = map[string]law{
	"at": {fixed: "01-01 01-06 05-01 08-15 10-26 11-01 12-08 12-25 12-26", easter: []int{1, 39, 50, 60}},
	"be": {fixed: "01-01 05-01 07-21 08-15 11-01 11-11 12-25", easter: []int{1, 39, 50}},
	"cz": {fixed: "01-01 05-01 05-08 07-05 07-06 09-28 10-28 11-17 12-24 12-25 12-26", easter: []int{-2, 1}},
	"de": {fixed: "01-01 05-01 10-03 12-25 12-26", easter: []int{-2, 1, 39, 50}},
	// Store bededag, the 26th day after Easter, was abolished from 2024.
	"dk":  {fixed: "01-01 06-05 12-24 12-25 12-26 12-31", easter: []int{-3, -2, 0, 1, 39, 49, 50}},
	"ecb": {fixed: "01-01 05-01 12-25 12-26", easter: []int{-2, 1}},
	"es":  {fixed: "01-01 01-06 05-01 08-15 10-12 11-01 12-06 12-08 12-25", easter: []int{-2}},
	"fr":  {fixed: "01-01 05-01 05-08 07-14 08-15 11-01 11-11 12-25", easter: []int{1, 39, 50}},
	"gb": {
		fixed: "01-01 12-25 12-26", easter: []int{-2, 1},
		dates: `2024-05-06 2024-05-27 2024-08-26
			2025-05-05 2025-05-26 2025-08-25
			2026-05-04 2026-05-25 2026-08-31 2026-12-28
			2027-05-03 2027-05-31 2027-08-30 2027-12-27 2027-12-28
			2028-01-03 2028-05-01 2028-05-29 2028-08-28
			2029-05-07 2029-05-28 2029-08-27
			2030-05-06 2030-05-27 2030-08-26
			2031-05-05 2031-05-26 2031-08-25
			2032-05-03 2032-05-31 2032-08-30 2032-12-27 2032-12-28`,
	},
	"ie": {
		fixed: "01-01 03-17 12-25 12-26", easter: []int{1},
		// In 2030, 1 February is a Friday, and St Brigid's Day stays on it.
		dates: `2024-02-05 2024-05-06 2024-06-03 2024-08-05 2024-10-28
			2025-02-03 2025-05-05 2025-06-02 2025-08-04 2025-10-27
			2026-02-02 2026-05-04 2026-06-01 2026-08-03 2026-10-26
			2027-02-01 2027-05-03 2027-06-07 2027-08-02 2027-10-25
			2028-02-07 2028-05-01 2028-06-05 2028-08-07 2028-10-30
			2029-02-05 2029-05-07 2029-06-04 2029-08-06 2029-10-29
			2030-02-01 2030-05-06 2030-06-03 2030-08-05 2030-10-28
			2031-02-03 2031-05-05 2031-06-02 2031-08-04 2031-10-27
			2032-02-02 2032-05-03 2032-06-07 2032-08-02 2032-10-25`,
	},
	"it": {
		fixed: "01-01 01-06 04-25 05-01 06-02 08-15 11-01 12-08 12-25 12-26", easter: []int{1},
		dates: "2026-10-04 2027-10-04 2028-10-04 2029-10-04 2030-10-04 2031-10-04 2032-10-04",
	},
	"lu": {fixed: "01-01 05-01 05-09 06-23 08-15 11-01 12-25 12-26", easter: []int{1, 39, 50}},
	"nl": {
		fixed: "01-01 05-05 12-25 12-26", easter: []int{-2, 1, 39, 50},
		dates: "2024-04-27 2025-04-26 2026-04-27 2027-04-27 2028-04-27 2029-04-27 2030-04-27 2031-04-26 2032-04-27",
	},
	"no": {fixed: "01-01 05-01 05-17 12-25 12-26", easter: []int{-3, -2, 0, 1, 39, 49, 50}},
	"pl": {
		fixed: "01-01 01-06 05-01 05-03 08-15 11-01 11-11 12-25 12-26", easter: []int{0, 1, 49, 60},
		dates: "2025-12-24 2026-12-24 2027-12-24 2028-12-24 2029-12-24 2030-12-24 2031-12-24 2032-12-24",
	},
	"se": {
		fixed: "01-01 01-06 05-01 06-06 12-24 12-25 12-26 12-31", easter: []int{-2, 0, 1, 39, 49},
		// Midsummer Eve and Day, and All Saints' Day.
		dates: `2024-06-21 2024-06-22 2024-11-02 2025-06-20 2025-06-21 2025-11-01 2026-06-19 2026-06-20 2026-10-31
			2027-06-25 2027-06-26 2027-11-06 2028-06-23 2028-06-24 2028-11-04 2029-06-22 2029-06-23 2029-11-03
			2030-06-21 2030-06-22 2030-11-02 2031-06-20 2031-06-21 2031-11-01 2032-06-25 2032-06-26 2032-11-06`,
	},
	"us": {
		fixed: "01-01 06-19 07-04 11-11 12-25",
		dates: `2024-01-15 2024-02-19 2024-05-27 2024-09-02 2024-10-14 2024-11-28
			2025-01-20 2025-02-17 2025-05-26 2025-09-01 2025-10-13 2025-11-27
			2026-01-19 2026-02-16 2026-05-25 2026-07-03 2026-09-07 2026-10-12 2026-11-26
			2027-01-18 2027-02-15 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-10-11 2027-11-25 2027-12-24 2027-12-31
			2028-01-17 2028-02-21 2028-05-29 2028-09-04 2028-10-09 2028-11-10 2028-11-23
			2029-01-15 2029-02-19 2029-05-28 2029-09-03 2029-10-08 2029-11-12 2029-11-22
			2030-01-21 2030-02-18 2030-05-27 2030-09-02 2030-10-14 2030-11-28
			2031-01-20 2031-02-17 2031-05-26 2031-09-01 2031-10-13 2031-11-27
			2032-01-19 2032-02-16 2032-05-31 2032-06-18 2032-07-05 2032-09-06 2032-10-11 2032-11-25 2032-12-24 2032-12-31`,
	},
}

func (l law) days(t *testing.T) (all []civil.Date) {
	all = days(t, strings.Fields(l.dates)...)
	for i, easter := range easters {
		for _, md := range strings.Fields(l.fixed) {
			all = append(all, day(t, fmt.Sprintf("%d-%s", goldenFrom+i, md)))
		}
		for _, n := range l.easter {
			all = append(all, day(t, easter).AddDays(n))
		}
	}
	slices.SortFunc(all, civil.Date.Compare)
	return slices.Compact(all)
}

func TestR17_HolidaysAreWhatTheLawSays(t *testing.T) {
	for _, easter := range easters {
		if d := day(t, easter); d.Weekday() != time.Sunday {
			t.Fatalf("Easter %v is a %v", d, d.Weekday())
		}
	}
	for _, country := range Countries() {
		l, ok := laws[country]
		if !ok {
			t.Errorf("nobody read the law of %s", country)
			continue
		}
		var got []civil.Date
		for d := range mustNew(t, Options{Country: country}).holidays {
			if d.Year >= goldenFrom && d.Year <= goldenTo {
				got = append(got, d)
			}
		}
		slices.SortFunc(got, civil.Date.Compare)
		if diff := cmp.Diff(l.days(t), got); diff != "" {
			t.Errorf("%s (-law +calendar):\n%s", country, diff)
		}
	}
}

// TestCorrectionsAreNeeded tells when an update of the library has made one
// superfluous, and that each says by which law it stands.
func TestCorrectionsAreNeeded(t *testing.T) {
	dates := func(h *cal.Holiday) (list []civil.Date) {
		for year := goldenFrom; year <= goldenTo; year++ {
			actual, observed := h.Calc(year)
			list = append(list, dateOf(actual), dateOf(observed))
		}
		return list
	}
	for country, list := range corrections {
		if _, ok := library[country]; !ok {
			t.Errorf("%s is no country of the library", country)
		}
		for _, c := range list {
			if c.law == "" || c.add == nil && c.drop == nil {
				t.Errorf("%s: a correction without a law or without an effect: %+v", country, c)
			}
			if c.drop != nil && !slices.Contains(library[country], c.drop) {
				t.Errorf("%s: the library has no %s to drop", country, c.drop.Name)
			}
			for _, h := range library[country] {
				same := c.add != nil && slices.Equal(dates(h), dates(c.add))
				if same && (h != c.drop || h.Name == c.add.Name) {
					t.Errorf("%s: the library has %s itself by now", country, h.Name)
				}
			}
		}
	}
}
