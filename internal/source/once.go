package source

import (
	"fmt"
	"hash/maphash"
	"strings"

	"dunning/invoices"
)

// told is what a customer's first line said: where it stands, and a hash of
// each thing, so that a later line that says otherwise is found.
type told struct {
	line  int32
	print [7]uint32
}

// traits are the columns that tell of the customer, as told.print has them.
var traits = [7]string{colName, colEmail, colLanguage, colCountry, colTimezone, colPolicy, colEmail}

// once notes a problem if the invoice is in the file already, or if the
// customer was said to be otherwise: one of the two lines would win by chance.
func (c *cells) once(row *invoices.Row) {
	t, line := c.t, int32(c.line)
	if row.Number != "" {
		if first, twice := t.numbers.put(row.Number, line); twice {
			c.wrong(colNumber, fmt.Sprintf("the invoice %s is in line %d already", quoted(row.Number), first), "list each invoice once")
		}
	}
	d := &row.Customer
	if d.ID == "" || len(c.problems) > 0 {
		return // what is wrong anyway is not compared with what is right
	}
	said := told{line, c.t.fingerprint(d)}
	first, known := t.debtors.put(d.ID, said)
	if !known || first.print == said.print {
		return
	}
	for i, column := range traits {
		if first.print[i] != said.print[i] {
			c.wrong(column, fmt.Sprintf("the customer %s has %s here and something else in line %d", quoted(d.ID), c.shown(column), first.line),
				"say the same of a customer in every line; if these are two customers, give each an id")
			return
		}
	}
}

// shown returns a cell for a message.
func (c *cells) shown(column string) string {
	if i, ok := c.t.at[column]; ok && strings.TrimSpace(c.record[i]) != "" {
		return quoted(strings.TrimSpace(c.record[i]))
	}
	return "nothing"
}

// fingerprint hashes what is said of a customer, in the order of traits. Upper
// and lower case of an address are no difference.
func (t *table) fingerprint(d *invoices.Debtor) (print [7]uint32) {
	for i, s := range []string{d.Name, strings.ToLower(d.Email), d.Language, d.Country, d.Zone, d.Policy, strings.ToLower(strings.Join(d.CC, ","))} {
		print[i] = uint32(maphash.String(t.debtors.seeds[0], s))
	}
	return print
}
