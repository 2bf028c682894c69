package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"dunning/internal/sheet"

	"golang.org/x/text/language"

	"dunning/internal/money"
	"dunning/invoices"
)

// Lengths of cells, in characters. What is longer is in the wrong column.
const (
	longestNumber      = 64
	longestName        = 200
	longestDescription = 500
	longestWord        = 64
	longestAmount      = 40
)

// largest is how many minor units an amount may have, either way: more than any
// invoice, and so little that sums of a few cannot overflow.
const largest = 1_000_000_000_000_000

// cells is one record, with what is wrong with it.
type cells struct {
	t        *table
	record   []string
	line     int // where the record begins
	problems []*invoices.Problem
}

// wrong notes a problem of a cell.
func (c *cells) wrong(column, what, fix string) {
	line, name := c.line, column
	if i, ok := c.t.at[column]; ok {
		line, name = c.t.line(i), shortened(c.t.header[i])
	}
	c.problems = append(c.problems, c.t.problem(line, name, what, fix))
}

// row reads the record.
func (c *cells) row() invoices.Row {
	row := invoices.Row{Line: c.line, Number: c.number(), Policy: c.policy(colOwnPolicy), Tags: c.tags(), Customer: c.debtor()}
	c.amounts(&row)
	row.IssuedOn, row.DueOn = c.date(colIssuedOn, false), c.date(colDueOn, true)
	row.Status, row.Description = c.status(), c.prose(colDescription, longestDescription)
	if !row.DueOn.IsZero() && !row.IssuedOn.IsZero() && row.DueOn.Before(row.IssuedOn) {
		c.wrong(colDueOn, fmt.Sprintf("it is due on %s, before it was issued on %s", row.DueOn, row.IssuedOn), "look whether day and month, or the two dates, are exchanged")
	}
	c.once(&row)
	return row
}

// raw returns a cell without the white space around it. A cell that is too long
// or no text is a problem and empty.
func (c *cells) raw(column string, most int) string {
	i, ok := c.t.at[column]
	if !ok {
		return ""
	}
	s := strings.TrimSpace(c.record[i])
	switch {
	case !utf8.ValidString(s):
		c.t.garbled++
		c.wrong(column, quoted(s)+" is not UTF-8", asUTF8)
	case len(s) > most && utf8.RuneCountInString(s) > most:
		c.wrong(column, fmt.Sprintf("%s is %d characters long", quoted(s), utf8.RuneCountInString(s)), fmt.Sprintf("at most %d are taken", most))
	case hole(s) != "":
		c.wrong(column, quoted(s)+" has "+quoted(hole(s))+" in it, which a program writes where it had no value", "look for the value in the program that wrote the file")
	default:
		return s
	}
	return ""
}

// word returns a cell that is one line of visible characters.
func (c *cells) word(column string, most int) string {
	s := c.raw(column, most)
	if strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && r != '\u00a0' && !sheet.Appears(r) }) {
		c.wrong(column, quoted(s)+" has characters in it that do not show, or several lines", "type it anew")
		return ""
	}
	return s
}

// prose returns a cell for people to read, with the white space and the line
// breaks in it as single spaces. A cell in which nothing shows is empty.
func (c *cells) prose(column string, most int) string {
	s := strings.Join(strings.Fields(c.raw(column, most)), " ")
	if strings.ContainsFunc(s, sheet.Harmful) {
		c.wrong(column, quoted(s)+" has characters in it that do not show and change what is read", "type it anew")
		return ""
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && sheet.Appears(r) }) {
		return ""
	}
	return s
}

// must returns a word that may not be missing.
func (c *cells) must(column string, most int) string { return c.filled(column, c.word, most) }

// filled reads a cell in some way and minds if it is empty.
func (c *cells) filled(column string, read func(string, int) string, most int) string {
	before := len(c.problems)
	s := read(column, most)
	if s == "" && len(c.problems) == before {
		c.wrong(column, "the cell is empty", "every invoice needs a "+column)
	}
	return s
}

// rounded is what spreadsheets make of long numbers.
var rounded = regexp.MustCompile(`^\d([.,]\d+)?[eE]\+\d{1,3}$`)

// number reads an invoice number: any text, with its zeros and spaces.
func (c *cells) number() string {
	s := c.must(colNumber, longestNumber)
	if rounded.MatchString(s) {
		c.wrong(colNumber, quoted(s)+" is what a spreadsheet makes of a long number; its digits are lost", "format the column as text there, and export the file again")
		return ""
	}
	if strings.Contains(s, "=?") {
		c.wrong(colNumber, quoted(s)+" has =? in it, which mail programs take for an encoding (RFC 2047)", "give the invoice another number")
		return ""
	}
	if strings.Contains(s, ":/") {
		c.wrong(colNumber, quoted(s)+" has :/ in it, of which mail programs make a link", "give the invoice another number")
		return ""
	}
	return s
}

// status reads what the books call the invoice. A word that we do not know is
// kept as it is, and its invoice is not collected (R20).
func (c *cells) status() invoices.Status {
	s := c.word(colStatus, longestWord)
	switch known := invoices.Status(strings.ToLower(s)); known {
	case "", invoices.Open, invoices.Unissued, invoices.Paid, invoices.Void, invoices.Credited, invoices.Disputed:
		return known
	}
	return invoices.Status(s)
}

// amounts reads the total, what was paid and what was credited (R13). A total
// may be zero or negative, as that of a credit note is; such an invoice is not
// collected (R20). What was paid or credited may exceed the total.
func (c *cells) amounts(row *invoices.Row) {
	const longestCode = 10
	currency := c.must(colCurrency, longestCode)
	if currency == "" {
		return
	}
	if _, err := money.Parse("0", currency); err != nil {
		c.wrong(colCurrency, err.Error(), "")
		return
	}
	row.Total = c.amount(colTotal, currency, c.must)
	row.Paid = c.subtrahend(colPaid, currency)
	row.Credited = c.subtrahend(colCredited, currency)
}

// subtrahend reads what is taken off the total; an empty cell is nothing.
func (c *cells) subtrahend(column, currency string) int64 {
	a := c.amount(column, currency, c.word)
	if a.Minor < 0 {
		c.wrong(column, "the amount is negative: "+a.Decimal(), "write what was "+column+" as a positive amount; it is taken off the total")
		return 0
	}
	return a.Minor
}

// amount reads an amount in the notation of the file; an empty cell is zero.
func (c *cells) amount(column, currency string, read func(string, int) string) money.Amount {
	text := read(column, longestAmount)
	if text == "" {
		return money.Amount{Currency: currency}
	}
	parse, other, mark := money.Parse, money.ParseComma, ","
	if c.t.o.Decimal == "," {
		parse, other, mark = money.ParseComma, money.Parse, "."
	}
	a, err := parse(text, currency)
	if err != nil {
		fix := ""
		if _, err := other(text, currency); err == nil {
			fix = fmt.Sprintf("if the file writes all amounts so, say decimal: %q under sources", mark)
		}
		c.wrong(column, err.Error(), fix)
		return money.Amount{Currency: currency}
	}
	if a.Minor > largest || a.Minor < -largest {
		c.wrong(column, fmt.Sprintf("%s is larger than any invoice", quoted(text)), "look whether cells have moved into another column")
		return money.Amount{Currency: currency}
	}
	return a
}

// debtor reads what the record says of the customer.
func (c *cells) debtor() invoices.Debtor {
	d := invoices.Debtor{
		ID: c.must(colCustomerID, longestNumber), Name: c.filled(colName, c.prose, longestName),
		Language: c.language(), Country: c.country(), Zone: c.zone(), Policy: c.policy(colPolicy),
	}
	d.Email, d.CC = c.addresses()
	return d
}

// language reads a BCP 47 tag such as nl or nl-BE, and writes it in the usual
// way.
func (c *cells) language() string {
	s := c.word(colLanguage, longestWord)
	if s == "" {
		return ""
	}
	tag, err := language.Parse(s)
	base, sure := tag.Base()
	if err != nil || sure == language.No || tag == language.Und {
		c.wrong(colLanguage, quoted(s)+" is no language", "write it like nl, en or nl-BE (BCP 47)")
		return ""
	}
	known := c.t.o.Languages
	if len(known) > 0 && !slices.Contains(known, tag.String()) && !slices.Contains(known, base.String()) {
		c.wrong(colLanguage, "there are no letters in "+quoted(s), "letters are written in "+listed(known)+"; an empty cell means the language of the installation")
		return ""
	}
	return tag.String()
}

// country reads two letters of ISO 3166.
func (c *cells) country() string {
	s := c.word(colCountry, longestWord)
	if s == "" {
		return ""
	}
	region, err := language.ParseRegion(s)
	if err != nil || len(s) != 2 || !region.IsCountry() {
		c.wrong(colCountry, quoted(s)+" is no country", "write two letters, such as NL (ISO 3166)")
		return ""
	}
	if now := region.Canonicalize(); now != region {
		c.wrong(colCountry, quoted(s)+" is not the code of a country any more, or never was", "write "+now.String()+" (ISO 3166)")
		return ""
	}
	return region.String()
}

// zone reads the name of a time zone.
func (c *cells) zone() string {
	s := c.word(colTimezone, longestWord)
	if s == "" {
		return ""
	}
	if c.t.zones[s] {
		return s
	}
	if loc, err := time.LoadLocation(s); err != nil || loc == time.Local || noPlace(s) {
		c.wrong(colTimezone, quoted(s)+" is no time zone", "write it like Europe/Amsterdam (IANA)")
		return ""
	}
	c.t.zones[s] = true
	return s
}

// noPlace reports whether the time zone database holds a file of the name that
// is the zone of no place: copies that count leap seconds or none, and what a
// machine calls its own.
func noPlace(name string) bool {
	return strings.HasPrefix(name, "posix") || strings.HasPrefix(name, "right/") || name == "localtime" || name == "Factory" || name == "Local"
}

// policy reads the name of the ladder that the customer, or the invoice alone,
// is to be reminded by.
func (c *cells) policy(column string) string {
	s := c.word(column, longestWord)
	if known := c.t.o.Policies; s != "" && len(known) > 0 && !slices.Contains(known, s) {
		c.wrong(column, "there is no policy "+quoted(s)+didYouMean(s, known), "the policies are "+listed(known)+"; an empty cell means that policy_rules decide")
		return ""
	}
	return s
}

// Bounds on tags.
const (
	mostTags   = 20
	longestTag = 40
)

// tags reads words that finance marks an invoice with, with spaces, commas or
// semicolons between them. They are compared without regard to case.
func (c *cells) tags() []string {
	text := c.word(colTags, mostTags*(longestTag+2))
	tags := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ' ' || r == ',' || r == ';' })
	slices.Sort(tags)
	tags = slices.Compact(tags)
	for _, tag := range tags {
		if len(tag) > longestTag || strings.IndexFunc(tag, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' }) >= 0 {
			c.wrong(colTags, quoted(tag)+" is no tag", "write words of letters a to z, digits, - and _, at most 40 long, with spaces between them")
			return nil
		}
	}
	if len(tags) > mostTags {
		c.wrong(colTags, fmt.Sprintf("there are %d tags", len(tags)), fmt.Sprintf("give an invoice at most %d", mostTags))
		return nil
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}
