package source

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"dunning/invoices"
)

// mostBroken is after how many lines with misplaced quotes a file is given up:
// from there on, what is taken for a cell is chance.
const mostBroken = 20

// mostGarbled is after how many cells that are not UTF-8 a file is given up: all
// of it is written otherwise.
const mostGarbled = 5

// A table is one file while it is read.
type table struct {
	file    string
	o       Options
	yield   func(invoices.Row, error) bool
	ended   bool // the caller wants no more
	bound   *bounded
	csv     *csv.Reader
	before  int             // lines in front of what csv reads
	last    int             // where the last record began
	garbled int             // cells that are not UTF-8
	header  []string        // as the file writes it
	at      map[string]int  // where each column is, by our name
	zones   map[string]bool // those there are, of those asked for

	numbers *index[int32] // the line of each invoice
	debtors *index[told]  // what each customer's first line said
}

// rows reads what follows the header.
func (t *table) rows() {
	lines, broken := 0, 0
	for !t.ended {
		t.bound.left = longestRecord
		record, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if broken++; !t.broken(err) || broken == mostBroken {
				return
			}
			continue
		}
		t.last = t.line(0)
		if blank(record) {
			continue
		}
		lines++
		t.record(record)
	}
	if lines == 0 && broken == 0 && t.o.Full && !t.ended {
		t.tell(t.problem(0, "", "the file lists no invoice, and as a full load it would make all of them vanish", "export it again; if there really is none, load it as changes"))
	}
}

// blank reports whether nothing is in a record, as in the lines that
// spreadsheets leave at the end.
func blank(record []string) bool {
	for _, cell := range record {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}

// record checks one record and hands it on.
func (t *table) record(record []string) {
	line := t.last
	if n := len(t.header); len(record) < n || len(record) > n && !blank(record[n:]) {
		t.tell(t.problem(line, "", fmt.Sprintf("the line has %d cells, and the header has %d", len(record), n),
			fmt.Sprintf("look for a %q too few or too many; a cell that holds one itself must be in quotes", t.csv.Comma)))
		return
	}
	c := &cells{t: t, record: record, line: line}
	row := c.row()
	if len(c.problems) > 0 {
		t.tell(c.problems...)
		if t.garbled >= mostGarbled {
			t.tell(t.problem(0, "", "many cells are not UTF-8; the file was read no further", asUTF8))
			t.ended = true
		}
		return
	}
	t.ended = t.ended || !t.yield(row, nil)
}

// line returns in which line of the file a cell of the present record begins.
func (t *table) line(i int) int {
	line, _ := t.csv.FieldPos(i)
	return line + t.before
}

// tell hands problems on and reports whether the caller wants more.
func (t *table) tell(problems ...*invoices.Problem) bool {
	for _, p := range problems {
		if t.ended {
			break
		}
		t.ended = !t.yield(invoices.Row{}, p)
	}
	return !t.ended
}

// refuse hands problems on after which the file is read no further. It returns
// false.
func (t *table) refuse(problems ...*invoices.Problem) bool {
	t.tell(problems...)
	return false
}

// stop tells that the file cannot be read on. It returns false.
func (t *table) stop(err error) bool {
	if !t.ended {
		t.yield(invoices.Row{}, fmt.Errorf("read %s: %w", t.file, err))
	}
	t.ended = true
	return false
}

func (t *table) problem(line int, column, what, fix string) *invoices.Problem {
	return &invoices.Problem{File: t.file, Line: line, Column: column, What: what, Fix: fix}
}

// broken tells of an error of the CSV reader and reports whether the lines
// after it can be read.
func (t *table) broken(err error) bool {
	e, ok := errors.AsType[*csv.ParseError](err)
	if !ok && !errors.Is(err, errEndless) {
		return t.stop(err)
	}
	line := 0
	if ok {
		line = e.StartLine + t.before
	}
	switch {
	case errors.Is(err, errEndless):
		return t.refuse(t.problem(0, "", fmt.Sprintf("what follows line %d goes on for more than %d bytes without an end", t.last, longestRecord),
			`most likely a quote (") is opened and never closed; the file was read no further`))
	case errors.Is(err, csv.ErrBareQuote):
		return t.tell(t.problem(line, "", fmt.Sprintf(`there is a quote (") in the middle of a cell, at byte %d of line %d`, e.Column, e.Line+t.before),
			`put the whole cell in quotes, and write the quote inside twice ("")`))
	case errors.Is(err, csv.ErrQuote) && e.Line != e.StartLine:
		return t.tell(t.problem(line, "", fmt.Sprintf(`a quote (") is opened in this line and not closed where it should be, up to line %d`, e.Line+t.before),
			`close it, or write a quote that belongs to the text twice ("")`))
	case errors.Is(err, csv.ErrQuote):
		return t.tell(t.problem(line, "", fmt.Sprintf(`a cell in quotes goes on behind its second quote ("), at byte %d`, e.Column),
			`write a quote that belongs to the text twice ("")`))
	}
	return t.stop(err)
}

var errEndless = errors.New("the record does not end")

// bounded is a reader that refuses to go on when a record does not end. Left is
// raised again before each record.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errEndless
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}
