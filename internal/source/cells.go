package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

// cells is one line, with the problems of its cells.
type cells struct {
	rd       *reader
	record   []string
	line     int
	problems []*invoices.Problem
}

func (c *cells) wrong(column, what, fix string) {
	c.problems = append(c.problems, c.rd.problem(c.line, c.rd.name(column), what, fix))
}

// text returns a cell without the white space around it.
func (c *cells) text(column string, most int) string {
	i, ok := c.rd.at[column]
	if !ok {
		return ""
	}
	s := strings.TrimSpace(c.record[i])
	switch {
	case !utf8.ValidString(s):
		c.wrong(column, quoted(s)+" is not UTF-8", `save the file as UTF-8 (in Excel: "CSV UTF-8")`)
		return ""
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		c.wrong(column, quoted(s)+" has control characters in it", "remove them")
		return ""
	case len([]rune(s)) > most:
		c.wrong(column, fmt.Sprintf("%s is %d characters long", quoted(s), len([]rune(s))), fmt.Sprintf("at most %d are taken", most))
		return ""
	}
	return strings.Join(strings.Fields(s), " ")
}

// must returns a cell that may not be empty.
func (c *cells) must(column string, most int) string {
	before := len(c.problems)
	s := c.text(column, most)
	if s == "" && len(c.problems) == before {
		c.wrong(column, "the cell is empty", "fill it in")
	}
	return s
}

func (c *cells) row() invoices.Row {
	row := invoices.Row{
		Line: c.line, Number: c.must("number", 64), Status: invoices.Status(strings.ToLower(c.text("status", 40))),
		IssuedOn: c.date("issued_on", false), DueOn: c.date("due_on", true), Description: c.text("description", 500),
		Customer: c.debtor(),
	}
	currency := c.must("currency", 3)
	if _, known := money.Exponent(currency); !known {
		if currency != "" {
			c.wrong("currency", quoted(currency)+" is no currency of ISO 4217", "write it like EUR")
		}
		return row
	}
	row.Total = c.amount("total", currency, true)
	paid, credited := c.amount("paid", currency, false), c.amount("credited", currency, false)
	for _, a := range []struct {
		column string
		minor  int64
	}{{"paid", paid.Minor}, {"credited", credited.Minor}} {
		if a.minor < 0 {
			c.wrong(a.column, "the amount is negative", "write what was paid or credited as a positive amount")
		}
	}
	row.Paid, row.Credited = paid.Minor, credited.Minor
	if !row.DueOn.IsZero() && !row.IssuedOn.IsZero() && row.DueOn.Before(row.IssuedOn) {
		c.wrong("due_on", fmt.Sprintf("it is due on %s, before it was issued on %s", row.DueOn, row.IssuedOn), "look whether day and month are exchanged")
	}
	return row
}

// amount reads a decimal amount exactly (R13).
func (c *cells) amount(column, currency string, needed bool) money.Amount {
	s := c.text(column, 40)
	if needed {
		s = c.must(column, 40)
	}
	if s == "" {
		return money.Amount{Currency: currency}
	}
	parse := money.Parse
	if c.rd.o.Decimal == "," {
		parse = money.ParseComma
	}
	a, err := parse(s, currency)
	if err != nil {
		c.wrong(column, err.Error(), `if the file writes amounts another way, say so under sources.decimal ("." or ",")`)
	}
	return a
}

var dateForms = map[string]string{"": "2006-01-02", "YYYY-MM-DD": "2006-01-02", "DD-MM-YYYY": "02-01-2006", "DD/MM/YYYY": "02/01/2006", "DD.MM.YYYY": "02.01.2006"}

func (c *cells) date(column string, needed bool) civil.Date {
	s := c.text(column, 40)
	if needed {
		s = c.must(column, 40)
	}
	if s == "" {
		return civil.Date{}
	}
	form := c.rd.o.Dates
	if form == "" {
		form = "YYYY-MM-DD"
	}
	t, err := time.Parse(dateForms[form], s)
	if err != nil || t.Year() < 1990 || t.Year() > 2200 {
		c.wrong(column, quoted(s)+" is no date", "write it like "+time.Date(2026, 3, 16, 0, 0, 0, 0, time.UTC).Format(dateForms[form])+", or say under sources.dates how dates are written")
		return civil.Date{}
	}
	return civil.Of(t)
}

var (
	languageForm = regexp.MustCompile(`^[a-z]{2}([-_][A-Za-z]{2})?$`)
	countryForm  = regexp.MustCompile(`^[A-Z]{2}$`)
	localForm    = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*$`)
)

func (c *cells) debtor() invoices.Debtor {
	d := invoices.Debtor{
		ID: c.must("customer_id", 64), Name: c.must("customer_name", 200),
		Language: c.text("language", 10), Country: c.text("country", 10), Zone: c.text("timezone", 64), Policy: c.text("policy", 64),
	}
	d.Email, d.CC = c.addresses()
	if d.Language != "" {
		base := strings.ToLower(d.Language)[:min(2, len(d.Language))]
		if !languageForm.MatchString(d.Language) {
			c.wrong("language", quoted(d.Language)+" is no language", "write it like nl or nl-BE")
		} else if len(c.rd.o.Languages) > 0 && !slices.Contains(c.rd.o.Languages, base) {
			c.wrong("language", "there are no letters in "+quoted(d.Language), "the languages are: "+strings.Join(c.rd.o.Languages, ", "))
		}
	}
	if d.Country = strings.ToUpper(d.Country); d.Country != "" && !countryForm.MatchString(d.Country) {
		c.wrong("country", quoted(d.Country)+" is no country", "write two letters, such as NL (ISO 3166)")
	}
	if d.Zone != "" {
		if _, err := time.LoadLocation(d.Zone); err != nil || d.Zone == "Local" {
			c.wrong("timezone", quoted(d.Zone)+" is no time zone", "write it like Europe/Amsterdam")
		}
	}
	if d.Policy != "" && len(c.rd.o.Policies) > 0 && !slices.Contains(c.rd.o.Policies, d.Policy) {
		c.wrong("policy", "there is no policy "+quoted(d.Policy), "the policies are: "+strings.Join(c.rd.o.Policies, ", "))
	}
	return d
}

// addresses reads the e-mail cell: one address, or several with , or ; between
// them, of which the first gets the letters and the others copies. It may be
// empty: such an invoice waits for an address (R20).
func (c *cells) addresses() (to string, cc []string) {
	s := c.text("customer_email", 1000)
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' }) {
		a := strings.TrimSpace(part)
		if a == "" {
			continue
		}
		if !valid(a) {
			c.wrong("customer_email", quoted(a)+" is no e-mail address", "write it like billing@example.com; several are separated by ;")
			return "", nil
		}
		if to == "" {
			to = a
		} else if a != to && !slices.Contains(cc, a) {
			cc = append(cc, a)
		}
	}
	return to, cc
}

// valid reports whether a text is one plain address: no name, no quotes, no
// comment, a domain with a dot.
func valid(a string) bool {
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at > 64 || len(a) > 254 || !localForm.MatchString(a[:at]) {
		return false
	}
	domain, err := idna.Lookup.ToASCII(a[at+1:])
	return err == nil && strings.Contains(domain, ".") && !strings.HasPrefix(domain, "[") && strings.ContainsFunc(domain[strings.LastIndexByte(domain, '.')+1:], unicode.IsLetter)
}
