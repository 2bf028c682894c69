// Package source reads unpaid invoices from files.
//
// A file is taken in as a whole or not at all, so every cell is checked and
// every problem is told, with line and column, before anything is believed.
// Rows are handed on as they are read: memory does not grow with the file,
// except for what finds an invoice that is listed twice.
package source

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"dunning/invoices"
)

// Options says how a file is written.
type Options struct {
	Full      bool              // the file lists every open invoice
	Columns   map[string]string // our name → the header in the file; without one: our name
	Delimiter rune              // 0: found out from the header
	Decimal   string            // "." or ","; empty: "."
	Dates     string            // YYYY-MM-DD, DD-MM-YYYY, DD/MM/YYYY or DD.MM.YYYY; empty: the first
	Policies  []string          // those a row may ask for
	Languages []string          // those a row may ask for, as base languages
}

// The columns, by our names.
var columns = []string{
	"number", "customer_id", "customer_name", "customer_email", "currency", "total", "paid", "credited",
	"issued_on", "due_on", "status", "description", "language", "country", "timezone", "policy",
}

var required = []string{"number", "customer_id", "customer_name", "customer_email", "currency", "total", "due_on"}

// Read returns the rows of a CSV file (RFC 4180, UTF-8) in order. An error in
// the sequence is a *invoices.Problem, and rows may follow it; any other error
// means that the file could not be read on. File is its name, for messages.
func Read(file string, r io.Reader, o Options) iter.Seq2[invoices.Row, error] {
	return func(yield func(invoices.Row, error) bool) {
		rd := &reader{file: file, o: o, yield: yield, seen: map[string]int{}, debtors: map[string]told{}}
		if err := rd.open(r); err != nil {
			yield(invoices.Row{}, err)
			return
		}
		rd.rows()
	}
}

// reader is one file being read.
type reader struct {
	file    string
	o       Options
	yield   func(invoices.Row, error) bool
	csv     *csv.Reader
	at      map[string]int // index of each column, by our name
	header  []string
	seen    map[string]int  // line of each invoice number
	debtors map[string]told // what was said of each customer first
}

type told struct {
	line  int
	print string
}

// open reads the header.
func (rd *reader) open(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	first, err := br.Peek(4 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case bytes.HasPrefix(first, []byte{0xff, 0xfe}), bytes.HasPrefix(first, []byte{0xfe, 0xff}):
		return rd.problem(1, "", "the file is UTF-16", `save it as UTF-8 (in Excel: "CSV UTF-8")`)
	case bytes.HasPrefix(first, []byte{0xef, 0xbb, 0xbf}):
		if _, err := br.Discard(3); err != nil {
			return err
		}
		first = first[3:]
	}
	if len(bytes.TrimSpace(first)) == 0 {
		return rd.problem(1, "", "the file is empty", "it needs a header line with the names of the columns")
	}
	rd.csv = csv.NewReader(br)
	rd.csv.Comma = rd.delimiter(first)
	rd.csv.FieldsPerRecord = -1
	rd.csv.ReuseRecord = true
	header, err := rd.csv.Read()
	if err != nil {
		return rd.broken(err)
	}
	rd.header = slices.Clone(header)
	return rd.columns()
}

// delimiter returns the configured one, or the one most frequent in the header.
func (rd *reader) delimiter(first []byte) rune {
	if rd.o.Delimiter != 0 {
		return rd.o.Delimiter
	}
	line, _, _ := bytes.Cut(first, []byte{'\n'})
	best, most := ',', 0
	for _, d := range []rune{',', ';', '\t', '|'} {
		if n := bytes.Count(line, []byte(string(d))); n > most {
			best, most = d, n
		}
	}
	return best
}

// columns finds where each column is.
func (rd *reader) columns() error {
	rd.at = map[string]int{}
	where := map[string]int{}
	for i, h := range rd.header {
		k := folded(h)
		if k == "" {
			continue
		}
		if _, twice := where[k]; twice {
			return rd.problem(1, h, "the column is there twice", "rename or remove one of them")
		}
		where[k] = i
	}
	var missing []string
	for _, c := range columns {
		name := c
		if mapped := rd.o.Columns[c]; mapped != "" {
			name = mapped
		}
		i, ok := where[folded(name)]
		switch {
		case ok:
			rd.at[c] = i
			delete(where, folded(name))
		case rd.o.Columns[c] != "" || slices.Contains(required, c):
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return rd.problem(1, "", "missing: "+strings.Join(missing, ", ")+"; the file has: "+strings.Join(shown(rd.header), ", "),
			"add the columns, or say under sources.columns how they are called")
	}
	for k := range where { // a misspelt optional column would be ignored in silence
		for _, c := range columns {
			if _, known := rd.at[c]; !known && close(k, folded(c)) {
				return rd.problem(1, rd.header[where[k]], "the column is not known", "did you mean "+c+"?")
			}
		}
	}
	return nil
}

func folded(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '_', '-', '\t', '\u00a0':
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(s)))
}

// close reports whether two words differ in one letter.
func close(a, b string) bool {
	if a == b || len(a) < 4 || len(a)-len(b) > 1 || len(b)-len(a) > 1 {
		return false
	}
	i, j := 0, 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for j < len(a)-i && j < len(b)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	return len(a)-i-j <= 1 && len(b)-i-j <= 1
}

func shown(cells []string) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = quoted(c)
	}
	return out
}

// quoted shows what was read, without control characters and not too long.
func quoted(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

func (rd *reader) problem(line int, column, what, fix string) *invoices.Problem {
	return &invoices.Problem{File: rd.file, Line: line, Column: column, What: what, Fix: fix}
}

// broken turns an error of encoding/csv into a problem with its line.
func (rd *reader) broken(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return rd.problem(e.Line, "", e.Err.Error(), `a cell that holds a quote or the delimiter must be in quotes, with every quote inside written twice ("")`)
	}
	return err
}

// rows reads the rest of the file.
func (rd *reader) rows() {
	n := 0
	for {
		record, err := rd.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			rd.yield(invoices.Row{}, rd.broken(err))
			return
		}
		if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			continue
		}
		n++
		if !rd.row(record) {
			return
		}
	}
	if n == 0 && rd.o.Full {
		rd.yield(invoices.Row{}, rd.problem(0, "", "the file lists no invoice, and a full load without one would make all of them vanish", "if that is meant, load it as changes"))
	}
}

// row checks one line and hands it on.
func (rd *reader) row(record []string) bool {
	line, _ := rd.csv.FieldPos(0)
	if len(record) != len(rd.header) {
		return rd.yield(invoices.Row{}, rd.problem(line, "", fmt.Sprintf("the line has %d cells, the header %d", len(record), len(rd.header)), "look for a missing or an extra delimiter, or a cell that needs quotes"))
	}
	c := &cells{rd: rd, record: record, line: line}
	row := c.row()
	for _, p := range c.problems {
		if !rd.yield(invoices.Row{}, p) {
			return false
		}
	}
	if len(c.problems) > 0 {
		return true
	}
	if first, twice := rd.seen[row.Number]; twice {
		return rd.yield(invoices.Row{}, rd.problem(line, rd.name("number"), "the invoice "+quoted(row.Number)+" is in line "+fmt.Sprint(first)+" already", "list it once"))
	}
	rd.seen[row.Number] = line
	d := row.Customer
	print := strings.Join([]string{d.Name, d.Email, strings.Join(d.CC, ","), d.Language, d.Country, d.Zone, d.Policy}, "\x00")
	if was, known := rd.debtors[d.ID]; known && was.print != print {
		return rd.yield(invoices.Row{}, rd.problem(line, rd.name("customer_id"), "the customer "+quoted(d.ID)+" is told otherwise in line "+fmt.Sprint(was.line), "give a customer the same name, e-mail, language, country, timezone and policy in every line"))
	} else if !known {
		rd.debtors[d.ID] = told{line, print}
	}
	return rd.yield(row, nil)
}

// name returns how the file calls a column.
func (rd *reader) name(column string) string {
	if i, ok := rd.at[column]; ok {
		return rd.header[i]
	}
	return column
}
