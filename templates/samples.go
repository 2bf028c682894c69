package templates

import (
	"fmt"
	"math"
	"strings"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

// A Sample is a made-up draft that letters are tried out with.
type Sample struct {
	Title string // completes "seen with …"
	Draft invoices.Draft
}

// Samples returns drafts of a letter in a language that between them use
// everything a letter can meet, the ordinary first. [Load] tries them all; a
// preview shows some.
func Samples(name, language string) []Sample {
	draft := func(lines ...invoices.Line) invoices.Draft {
		d := invoices.Draft{
			Template: name, Language: language, Zone: time.FixedZone("Europe/Amsterdam", 2*60*60), Today: civil.Date{Year: 2026, Month: time.March, Day: 30},
			Customer: "Example Trading BV", Country: "NL", Lines: lines,
		}
		d.Totals = sums(lines)
		return d
	}
	one := draft(sampleLine(1, 125000, "EUR", 14))
	several := draft(sampleLine(1, 125000, "EUR", 14), sampleLine(2, 5, "EUR", 1), sampleLine(3, 98765432, "GBP", -3))
	unit := draft(sampleLine(1, 5000, "JPY", 30))

	undated := draft(sampleLine(1, 1, "KWD", 0))
	undated.Lines[0].Until, undated.Lines[0].IssuedOn, undated.Lines[0].Description = time.Time{}, civil.Date{}, ""
	undated.Customer, undated.Country, undated.Zone = "", "", time.UTC

	test := draft(sampleLine(1, 999, "EUR", 1), sampleLine(2, 1000, "EUR", -1))
	test.Test = true

	long := draft(sampleLine(1, math.MaxInt64, "EUR", 10000), sampleLine(2, math.MaxInt64, "USD", 10001), sampleLine(3, math.MaxInt64, "KWD", 1))
	long.Customer = strings.Repeat("Very Long Name & Sons ", 50)
	for i := range long.Lines {
		long.Lines[i].Number = fmt.Sprintf("%0*d", maxNumber, i+1)
		long.Lines[i].Description = strings.Repeat("Unbreakable", 200)
	}

	hostile := draft(sampleLine(1, 12345, "EUR", 14), sampleLine(2, 12346, "EUR", 15))
	hostile.Customer = "</title><script>alert(1)</script>\r\nBcc: everybody@example.org {{.Sender}}"
	hostile.Lines[0].Number = "R&D <1>\u202e\"'"
	hostile.Lines[0].Description = "\x00\u200b<a href=\"https://example.org/\">https://example.org/</a>\r\n\r\nhttps://example.org/\u2028"
	hostile.Lines[1].Description = strings.Repeat("\u202e", 5000)

	var lines []invoices.Line
	for i := range 25 {
		lines = append(lines, sampleLine(i+1, int64(1000*i+1), [...]string{"EUR", "GBP", "JPY", "KWD", "USD"}[i%5], i-5))
	}
	claims := draft(sampleLine(1, 125000, "EUR", 74), sampleLine(2, 98765, "GBP", 20))
	claims.Lines[0].Interest, claims.Lines[0].Compensation = money.Amount{Minor: 2577, Currency: "EUR"}, money.Amount{Minor: 4000, Currency: "EUR"}
	claims.Lines[0].Rates = []string{"10.15 %", "9.5 %"}
	claims.Lines[0].Promised, claims.Lines[0].PromisedOn = money.Amount{Minor: 50000, Currency: "EUR"}, civil.Date{Year: 2026, Month: time.March, Day: 20}
	claims.Lines[1].Promised, claims.Lines[1].PromisedOn = claims.Lines[1].Open, civil.Date{Year: 2026, Month: time.March, Day: 20}
	claims.Bank = []invoices.BankDetails{
		{Currency: "EUR", Lines: []string{"Example BV", "IBAN NL91 ABNA 0417 1643 00"}},
		{Currency: "GBP", Lines: []string{"Example Ltd <&>", "Sort code 20-00-00, account 55779911"}},
	}
	claims.From = "Legal & Co <legal@example.com>"

	var hundred []invoices.Line
	for i := range 100 {
		hundred = append(hundred, sampleLine(i+1, int64(1000+i), "EUR", i-5))
	}
	promised := draft(sampleLine(1, 125000, "EUR", 14))
	promised.Lines[0].Promised, promised.Lines[0].PromisedOn = promised.Lines[0].Open, civil.Date{Year: 2026, Month: time.March, Day: 25}
	promised.Bank = claims.Bank[:1]
	return []Sample{
		{"one invoice", one},
		{"three invoices in two currencies", several},
		{"a currency without decimals", unit},
		{"an invoice without issue date, description, name and end of its link", undated},
		{"test mode", test},
		{"long names and numbers and large amounts", long},
		{"markup, line breaks and invisible characters in names", hostile},
		{"25 invoices in five currencies", draft(lines...)},
		{"interest, compensation, bank details, promises and another sender", claims},
		{"100 invoices", draft(hundred...)},
		{"one invoice with a promise and bank details", promised},
	}
}

// sampleLine makes the nth invoice of a sample.
func sampleLine(n int, minor int64, currency string, late int) invoices.Line {
	due := civil.Date{Year: 2026, Month: time.March, Day: 30}.AddDays(-late)
	open := money.Amount{Minor: minor, Currency: currency}
	return invoices.Line{
		Number: fmt.Sprintf("2026-%04d", 1000+n), Description: "Office chairs, model " + fmt.Sprint(n), IssuedOn: due.AddDays(-30), DueOn: due,
		Total: open, Open: open, DaysLate: late,
		URL:   fmt.Sprintf("https://pay.example.com/link/%08x-5717-4562-b3fc-2c963f66afa6?lang=en&id=%d", n, n),
		Until: time.Date(2026, time.April, 29, 7, 30, 0, 0, time.UTC),
	}
}

// sums adds up lines by currency, in the order of their first appearance.
func sums(lines []invoices.Line) []money.Amount {
	var totals []money.Amount
next:
	for _, line := range lines {
		for i := range totals {
			if totals[i].Currency == line.Open.Currency {
				totals[i].Minor += line.Open.Minor
				continue next
			}
		}
		totals = append(totals, line.Open)
	}
	return totals
}
