package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dunning/internal/civil"
)

// isoDate is the form of dates when nothing else is said.
const isoDate = "YYYY-MM-DD"

// dateForms are the forms in which a file may write dates, each with an
// example. No two of them read the same text, so none is ever mistaken for
// another.
var dateForms = map[string]string{
	isoDate:      "2026-03-16",
	"DD-MM-YYYY": "16-03-2026",
	"DD/MM/YYYY": "16/03/2026",
	"DD.MM.YYYY": "16.03.2026",
}

// The years in which invoices are issued and due. What is outside of them is a
// slip of the pen or a program's word for "none", such as 1900-01-00.
const (
	firstYear = 1990
	lastYear  = 2100
)

// date reads a date in the form that the file writes; an empty cell is no date.
func (c *cells) date(column string, needed bool) civil.Date {
	const longestDate = 40
	read := c.word
	if needed {
		read = c.must
	}
	text := read(column, longestDate)
	if text == "" {
		return civil.Date{}
	}
	form := c.t.o.Dates
	if form == "" {
		form = isoDate
	}
	iso, shaped := asISO(text, form)
	if !shaped {
		c.wrong(column, fmt.Sprintf("%s is no date of the form %s", quoted(text), form), "write it like "+dateForms[form]+otherForm(text))
		return civil.Date{}
	}
	d, err := civil.Parse(iso)
	switch {
	case err != nil:
		c.wrong(column, fmt.Sprintf("there is no such day as %s", quoted(text)), "look at the calendar; dates are read as "+form)
	case d.Year < firstYear || d.Year > lastYear:
		c.wrong(column, fmt.Sprintf("%s is in the year %d", quoted(text), d.Year), fmt.Sprintf("years from %d to %d are taken", firstYear, lastYear))
	default:
		return d
	}
	return civil.Date{}
}

// asISO writes a date of a form as YYYY-MM-DD, if it has that form.
func asISO(text, form string) (iso string, shaped bool) {
	if len(text) != len(form) {
		return "", false
	}
	var year, month, day strings.Builder
	for i := range len(form) {
		part := map[byte]*strings.Builder{'Y': &year, 'M': &month, 'D': &day}[form[i]]
		switch digit := '0' <= text[i] && text[i] <= '9'; {
		case part == nil && text[i] != form[i], part != nil && !digit:
			return "", false
		case part != nil:
			part.WriteByte(text[i])
		}
	}
	return year.String() + "-" + month.String() + "-" + day.String(), true
}

// otherForm says which form a date has that was expected in another.
func otherForm(text string) string {
	for _, form := range slices.Sorted(maps.Keys(dateForms)) {
		if _, shaped := asISO(text, form); shaped {
			return fmt.Sprintf("; if the file writes all dates so, say dates: %s under sources", form)
		}
	}
	return ""
}
