package calendar

import (
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/aa"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/us"
)

// A correction is one holiday that the library has otherwise than the law.
type correction struct {
	drop *cal.Holiday // what the library has; nil: nothing
	add  *cal.Holiday // what the law has; nil: nothing
	law  string       // which law that is
}

// corrections are those that matter from 2024 to 2032. Sundays are among them
// where the law names them: a shop may send on Sundays, and yet not at Easter.
var corrections = map[string][]correction{
	"at": {
		{drop: at.TagderArbeit, add: named(at.TagderArbeit, "Staatsfeiertag"), law: "Arbeitsruhegesetz § 7 (2)"},
	},
	"cz": {
		{drop: cz.LiberationDay, add: named(cz.LiberationDay, "Den vítězství"), law: "zákon č. 245/2000 Sb. § 1, as amended by č. 101/2004 Sb."},
		{drop: cz.FreedomDay, add: named(cz.FreedomDay, "Den boje za svobodu a demokracii a Mezinárodní den studentstva"), law: "zákon č. 245/2000 Sb. § 1, as amended in 2019"},
	},
	"dk": {
		{add: named(aa.Easter, "Påskedag"), law: "the ordinance on holidays of 26 October 1770"},
		{add: named(aa.Pentecost, "Pinsedag"), law: "the ordinance on holidays of 26 October 1770"},
		{add: on(time.December, 24, "Juleaftensdag", 0), law: "forældelsesloven § 27 (2): no term ends on it, nor on the next, nor on Grundlovsdag"},
		{add: on(time.December, 31, "Nytårsaftensdag", 0), law: "forældelsesloven § 27 (2)"},
	},
	"it": {
		{add: on(time.October, 4, "San Francesco d'Assisi", 2026), law: "legge 8 ottobre 2025, n. 151"},
	},
	"nl": {
		{
			drop: nl.Koningsdag,
			add:  &cal.Holiday{Name: "Koningsdag", Type: cal.ObservancePublic, StartYear: 2014, Func: koningsdag},
			law:  "Algemene termijnenwet art. 3 (1), since 2014; it moves, so that a Sunday 27 April is an ordinary Sunday",
		},
	},
	"no": {
		{add: named(aa.Easter, "Første påskedag"), law: "lov om helligdager og helligdagsfred § 2"},
		{add: named(aa.Pentecost, "Første pinsedag"), law: "lov om helligdager og helligdagsfred § 2"},
	},
	"pl": {
		{add: named(aa.Easter, "pierwszy dzień Wielkiej Nocy"), law: "ustawa z dnia 18 stycznia 1951 r. o dniach wolnych od pracy, art. 1"},
		{add: named(aa.Pentecost, "pierwszy dzień Zielonych Świątek"), law: "the same"},
		{add: on(time.December, 24, "Wigilia Bożego Narodzenia", 2025), law: "the same, as amended by Dz.U. 2024 poz. 1965"},
	},
	"se": {
		{add: named(aa.Easter, "Påskdagen"), law: "lag (1989:253) om allmänna helgdagar § 1"},
		{add: named(aa.Pentecost, "Pingstdagen"), law: "lag (1989:253) om allmänna helgdagar § 1"},
	},
	"us": {
		{drop: us.PresidentsDay, add: named(us.PresidentsDay, "Washington's Birthday"), law: "5 U.S.C. 6103 (a)"},
		{drop: us.Juneteenth, add: named(us.Juneteenth, "Juneteenth National Independence Day"), law: "5 U.S.C. 6103 (a)"},
	},
}

// koningsdag returns 27 April, or the day before if that is a Sunday.
func koningsdag(_ *cal.Holiday, year int) time.Time {
	day := time.Date(year, time.April, 27, 0, 0, 0, 0, time.UTC)
	if day.Weekday() == time.Sunday {
		return day.AddDate(0, 0, -1)
	}
	return day
}
