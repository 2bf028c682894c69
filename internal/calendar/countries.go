package calendar

import (
	"maps"
	"slices"
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

// countries holds the holidays of the countries whose lists for 2026 and 2027
// were looked through; the library knows more countries, but its data ends in
// 2023 and misses changes of the law since. They are national holidays: days of
// a single region (a German state, Scotland, a Spanish community) are added as
// dates.
//
// nl follows the Algemene termijnenwet, which counts Good Friday and every 5
// May; gb is England and Wales; us are the federal holidays.
var countries = map[string][]*cal.Holiday{
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
	"it":  append(slices.Clip(it.Holidays), on(time.October, 4, "San Francesco d'Assisi", 2026)),
	"lu":  luxembourg,
	"nl":  nl.Holidays,
	"no":  no.Holidays,
	"pl":  append(slices.Clip(pl.Holidays), on(time.December, 24, "Wigilia Bożego Narodzenia", 2025)),
	"se":  se.Holidays,
	"us":  us.Holidays,
}

// luxembourg is not in the library.
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
func Countries() []string { return slices.Sorted(maps.Keys(countries)) }

// holidaysOf returns the holidays of a country by date. A holiday that the law
// moves off a weekend counts on both days.
func holidaysOf(country string) (byDate map[civil.Date]string, known bool) {
	byDate = map[civil.Date]string{}
	rules, known := countries[country]
	for _, rule := range rules {
		// One year more on either side: a New Year's Day on Saturday is
		// observed on 31 December in the United States.
		for year := firstYear - 1; year <= lastYear+1; year++ {
			actual, observed := rule.Calc(year)
			for _, day := range []time.Time{actual, observed} {
				if d := dateOf(day); d.Year >= firstYear && d.Year <= lastYear {
					byDate[d] = rule.Name
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
