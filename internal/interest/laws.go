package interest

import (
	"time"

	"dunning/internal/civil"
)

// A law is what a statute says of late payment between businesses.
type law struct {
	name      string
	currency  string
	reference string // the rate it is built on, for people who look it up
	margin    Percent
	fixed     bool // the rate of the half-year in which interest began to run holds to the end
	tiers     []tier
	known     map[civil.Date]Percent // the reference rate, by the first day of the half-year
}

// A tier is the compensation for debts of so much and more, minor units.
type tier struct{ from, sum int64 }

var laws = []law{
	{
		// Directive 2011/7/EU, articles 2(7), 3(3) and 6(1): the rate of the
		// European Central Bank's main refinancing operations on the first day
		// of the half-year, and eight points; forty euro. So in the
		// Netherlands (article 6:119a and 6:96 of the Civil Code).
		name: "eu", currency: "EUR", reference: "the ECB's rate for main refinancing operations on the first day of the half-year",
		margin: 8 * one, tiers: []tier{{0, 4000}}, known: table(2016, ecb),
	},
	{
		// Germany: sections 247 and 288(2) and (5) of the Civil Code: the base
		// rate (Basiszinssatz) of the Bundesbank and nine points; forty euro.
		name: "de", currency: "EUR", reference: "the Bundesbank's Basiszinssatz from the first day of the half-year",
		margin: 9 * one, tiers: []tier{{0, 4000}}, known: table(2016, bundesbank),
	},
	{
		// United Kingdom: Late Payment of Commercial Debts (Interest) Act 1998,
		// section 5A, and SI 2002/1675, article 4: the Bank of England's
		// official dealing rate on the last day before the half-year in which
		// interest starts to run, and eight points; 40, 70 or 100 pounds.
		name: "gb", currency: "GBP", reference: "the Bank of England's rate on the day before the half-year begins",
		margin: 8 * one, fixed: true, tiers: []tier{{0, 4000}, {100_000, 7000}, {1_000_000, 10_000}}, known: table(2016, bankOfEngland),
	},
}

// Reference rates from the first half of 2016 on, as their banks published
// them.
var (
	ecb = []string{
		"0.05", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", // 2016 to 2022
		"2.5", "4", "4.5", "4.25", "3.15", "2.15", // 2023 to 2025
	}
	bundesbank = []string{
		"-0.83", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88", "-0.88",
		"1.62", "3.12", "3.62", "3.37", "2.27", "1.27",
	}
	bankOfEngland = []string{
		"0.5", "0.5", "0.25", "0.25", "0.5", "0.5", "0.75", "0.75", "0.75", "0.1", "0.1", "0.1", "0.25", "1.25",
		"3.5", "5", "5.25", "5.25", "4.75", "4.25",
	}
)

// table gives rates of consecutive half-years their days.
func table(year int, rates []string) map[civil.Date]Percent {
	known := map[civil.Date]Percent{}
	half := civil.Date{Year: year, Month: time.January, Day: 1}
	for _, text := range rates {
		rate, err := ParsePercent(text)
		if err != nil {
			panic(err) // a misprint above
		}
		known[half] = rate
		half = nextHalf(half)
	}
	return known
}
