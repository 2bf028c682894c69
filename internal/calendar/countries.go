package calendar

import (
	"maps"
	"slices"
	"strings"
	"time"

	"dunning/internal/civil"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/aa"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/ecb"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/us"
)

// The years for which holidays are worked out.
const (
	firstYear = 2000
	lastYear  = 2099
)

// library holds the countries whose holidays of 2024 to 2032 were compared with
// the law, as the library has them; [corrections] say where it is wrong. It
// knows more countries, but its data ends in 2023 and misses changes of the law
// since. They are national holidays: days of a single region (a German state,
// Scotland, a Spanish community) are added as dates.
//
// nl follows the Algemene termijnenwet, which counts Good Friday and every 5
// May; gb is England and Wales; us are the federal holidays; dk and se have
// besides the holidays the days on which no term ends either.
var library = map[string][]*cal.Holiday{
	"at":  at.Holidays,
	"be":  be.Holidays,
	"cz":  cz.Holidays,
	"de":  de.Holidays,
	"dk":  dk.Holidays,
	"ecb": ecb.Holidays,
	"es":  es.Holidays,
	"fr":  fr.Holidays,
	"gb":  gb.Holidays,
	"ie":  ie.Holidays,
	"it":  it.Holidays,
	"lu":  luxembourg,
	"nl":  nl.Holidays,
	"no":  no.Holidays,
	"pl":  pl.Holidays,
	"se":  se.Holidays,
	"us":  us.Holidays,
}

// luxembourg is not in the library. It follows the Code du travail, article L.
// 232-2, which has Europe Day since the law of 25 April 2019.
var luxembourg = []*cal.Holiday{
	named(aa.NewYear, "Neijoerschdag"),
	named(aa.EasterMonday, "Ouschterméindeg"),
	named(aa.WorkersDay, "Dag vun der Aarbecht"),
	on(time.May, 9, "Europadag", 2019),
	named(aa.AscensionDay, "Christi Himmelfaart"),
	named(aa.PentecostMonday, "Péngschtméindeg"),
	on(time.June, 23, "Nationalfeierdag", 0),
	named(aa.AssumptionOfMary, "Léiffrawëschdag"),
	named(aa.AllSaintsDay, "Allerhellgen"),
	named(aa.ChristmasDay, "Chrëschtdag"),
	named(aa.ChristmasDay2, "Stiefesdag"),
}

// Countries returns the names that [Options.Country] may take, sorted.
func Countries() []string { return slices.Sorted(maps.Keys(library)) }

// rulesOf returns the holidays of a country as the law has them.
func rulesOf(country string) []*cal.Holiday {
	rules := slices.Clone(library[country])
	for _, c := range corrections[country] {
		if i := slices.Index(rules, c.drop); i >= 0 {
			rules = slices.Delete(rules, i, i+1)
		}
		if c.add != nil {
			rules = append(rules, c.add)
		}
	}
	return rules
}

// holidaysOf returns the holidays of a country by date. One for which the law
// gives a day in lieu when it falls on a weekend counts on both days; two on
// one day are named both.
func holidaysOf(country string) (byDate map[civil.Date]string, known bool) {
	byDate = map[civil.Date]string{}
	_, known = library[country]
	for _, rule := range rulesOf(country) {
		// One year more on either side: a New Year's Day on Saturday is
		// observed on 31 December in the United States.
		for year := firstYear - 1; year <= lastYear+1; year++ {
			actual, observed := rule.Calc(year)
			for _, day := range []time.Time{actual, observed} {
				d := dateOf(day)
				switch name := byDate[d]; {
				case d.Year < firstYear || d.Year > lastYear:
				case name == "":
					byDate[d] = rule.Name
				case !strings.Contains(name, rule.Name):
					byDate[d] = name + ", " + rule.Name
				}
			}
		}
	}
	return byDate, known || country == ""
}

// dateOf returns the date the library means. It computes the start of the day
// in the zone of the machine; where summer time begins at midnight, that may
// come out as 23:00 of the day before.
func dateOf(t time.Time) civil.Date {
	if t.IsZero() {
		return civil.Date{}
	}
	return civil.Of(t.Add(12 * time.Hour))
}

// on is a holiday on a fixed date, from a year on if that is not 0.
func on(month time.Month, day int, name string, from int) *cal.Holiday {
	return &cal.Holiday{Name: name, Type: cal.ObservancePublic, Month: month, Day: day, StartYear: from, Func: cal.CalcDayOfMonth}
}

// named is one of the library's common holidays under a local name.
func named(h *cal.Holiday, name string) *cal.Holiday { return h.Clone(&cal.Holiday{Name: name}) }
