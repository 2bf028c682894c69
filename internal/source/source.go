// Package source reads unpaid invoices from files.
//
// A list of invoices becomes mails with amounts in them, so nothing in it is
// guessed. A file is taken in as a whole or not at all: every cell is checked,
// and every problem is told at once, with the line and the column, what was
// read there, and what to write instead. A row is handed on only if nothing is
// wrong with it (R19, R20).
//
// Rows are handed on as they are read: of a file of any size only the present
// row is in memory, and for each invoice and customer a few bytes by which a
// second mention is found.
package source

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"dunning/invoices"
)

// Options say how a file is written, and what its rows may ask for.
type Options struct {
	// Full says that the file lists every open invoice. One without any is
	// refused then: it would make all invoices vanish.
	Full bool
	// Columns gives the header in the file of a column, by our name of it. A
	// column that is not here has our name, or is absent if it is optional;
	// "-" says that the file has none, whatever its headers look like.
	Columns map[string]string
	// Delimiter is what stands between two cells; 0: whichever of , ; tab and |
	// the header has most of.
	Delimiter rune
	// Decimal is "." (1234.50) or "," (1.234,50 or 1234,50); empty: ".".
	Decimal string
	// Dates is YYYY-MM-DD, DD-MM-YYYY, DD/MM/YYYY or DD.MM.YYYY; empty: the
	// first.
	Dates string
	// Languages are those in which letters are written, such as nl. A row may
	// ask for one of them or for a dialect of one; empty: for any.
	Languages []string
	// Policies are the names that a row may ask for; empty: any.
	Policies []string
	// Note, if not nil, is told what a person should know though it is no
	// problem, such as which columns are not read.
	Note func(text string)
}

// none says in Options.Columns that a file has no such column.
const none = "-"

// Columns, by our names, in the order in which we list them.
const (
	colNumber      = "number"
	colCustomerID  = "customer_id"
	colName        = "customer_name"
	colEmail       = "customer_email"
	colCurrency    = "currency"
	colTotal       = "total"
	colPaid        = "paid"
	colCredited    = "credited"
	colIssuedOn    = "issued_on"
	colDueOn       = "due_on"
	colStatus      = "status"
	colDescription = "description"
	colLanguage    = "language"
	colCountry     = "country"
	colTimezone    = "timezone"
	colPolicy      = "policy"
	colOwnPolicy   = "invoice_policy"
	colTags        = "tags"
)

var (
	columns = []string{
		colNumber, colCustomerID, colName, colEmail, colCurrency, colTotal, colPaid, colCredited,
		colIssuedOn, colDueOn, colStatus, colDescription, colLanguage, colCountry, colTimezone, colPolicy, colOwnPolicy, colTags,
	}
	required = []string{colNumber, colCustomerID, colName, colEmail, colCurrency, colTotal, colDueOn}
)

// Read returns the rows of a CSV file (RFC 4180, UTF-8) in order. File is its
// name, for messages. The file is read while the sequence is, once.
//
// An error in the sequence is a *[invoices.Problem], and what follows it may be
// rows or problems; any other error means that the file could not be read on
// and is the last.
func Read(file string, r io.Reader, o Options) iter.Seq2[invoices.Row, error] {
	return func(yield func(invoices.Row, error) bool) {
		t := &table{
			file: shownPath(file), o: o, yield: yield, zones: map[string]bool{},
			numbers: newIndex[int32](), debtors: newIndex[told](),
		}
		if problems := o.check(t.file); len(problems) > 0 {
			t.tell(problems...)
			return
		}
		if t.open(r) {
			t.rows()
		}
	}
}

// check returns what is wrong with the options themselves.
func (o Options) check(file string) (problems []*invoices.Problem) {
	wrong := func(what, fix string) {
		problems = append(problems, &invoices.Problem{File: file, What: what, Fix: fix})
	}
	if o.Decimal != "" && o.Decimal != "." && o.Decimal != "," {
		wrong(fmt.Sprintf("sources.decimal is %s", quoted(o.Decimal)), `write "." or ","`)
	}
	if _, known := dateForms[o.Dates]; !known && o.Dates != "" {
		wrong(fmt.Sprintf("sources.dates is %s", quoted(o.Dates)), "write one of "+strings.Join(slices.Sorted(maps.Keys(dateForms)), ", "))
	}
	if d := o.Delimiter; d != 0 && (d == '"' || d == '\r' || d == '\n' || d == '\uFFFD' || d == '.' || d == '-' || 'a' <= d && d <= 'z' || 'A' <= d && d <= 'Z' || '0' <= d && d <= '9') {
		wrong(fmt.Sprintf("sources.delimiter is %q, which stands inside of cells", d), `write ",", ";", "|" or "tab"`)
	}
	by := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(o.Columns)) {
		header := o.Columns[name]
		switch {
		case !slices.Contains(columns, name):
			wrong(fmt.Sprintf("sources.columns names %s, which is no column%s", quoted(name), didYouMean(name, columns)), "the columns are "+strings.Join(columns, ", "))
		case header == none && slices.Contains(required, name):
			wrong(fmt.Sprintf("sources.columns says that there is no %s, but every invoice needs one", name), "say how the file calls it")
		case header == none || header == "":
		case by[folded(header)] != "":
			wrong(fmt.Sprintf("sources.columns reads both %s and %s from the column %s", by[folded(header)], name, quoted(header)), "give each its own")
		default:
			by[folded(header)] = name
		}
	}
	return problems
}
