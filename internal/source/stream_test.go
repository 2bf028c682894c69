package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"dunning/internal/sheet"

	"dunning/invoices"
)

// countingReader counts what is read of another.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// endless is a text without an end and without a quote.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// rowsReader makes up a file with so many invoices, four a customer, as it is
// read.
func rowsReader(n int) io.Reader {
	r, w := 0, bytes.NewBufferString(header+"\n")
	return readFunc(func(p []byte) (int, error) {
		for w.Len() < len(p) && r < n {
			r++
			fmt.Fprintf(w, "%d,C%d,Bakkerij Jansen,jan%d@bakkerij.example,EUR,120.00,2026-04-01\n", r, r/4, r/4)
		}
		return w.Read(p)
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func first(rows iter.Seq2[invoices.Row, error]) (invoices.Row, error) {
	for row, err := range rows {
		return row, err
	}
	return invoices.Row{}, errors.New("there is none")
}

// TestMemory: of a file a hundred times as long no more is held than what finds
// a second mention of an invoice or a customer.
func TestMemory(t *testing.T) {
	const most = 60 // bytes an invoice; one in four is of another customer
	few, many := held(t, 1_000), held(t, 100_000)
	if many-few > 99_000*most {
		t.Errorf("1,000 rows hold %d bytes, 100,000 rows %d: %d each, want at most %d", few, many, (many-few)/99_000, most)
	}
}

// held returns how much memory is in use at the last row of a file.
func held(t *testing.T, n int) int {
	t.Helper()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rows := 0
	for _, err := range Read("list.csv", rowsReader(n), Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		if rows++; rows == n {
			runtime.GC()
			runtime.ReadMemStats(&now)
		}
	}
	if rows != n {
		t.Fatalf("%d of %d rows were read", rows, n)
	}
	return int(now.HeapAlloc) - int(before.HeapAlloc)
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range Read("list.csv", rowsReader(n), Options{}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// FuzzRead: whatever a file holds, reading ends, does not panic, and hands on
// only rows that are fit to be mailed about.
func FuzzRead(f *testing.F) {
	for _, kind := range []string{"wrong", "right"} {
		found, err := Files("testdata/" + kind + "/*.csv")
		if err != nil || len(found) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, false)
			f.Add(text, true)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, european bool) {
		o := Options{Languages: []string{"nl"}, Policies: []string{"standard"}, Note: func(string) {}}
		if european {
			o.Decimal, o.Dates, o.Full, o.Columns = ",", "DD-MM-YYYY", true, dutch
		}
		numbers := map[string]bool{}
		lines := bytes.Count(text, []byte("\n")) + 1
		for row, err := range Read("fuzz.csv", bytes.NewReader(text), o) {
			if err != nil {
				checkProblem(t, err, lines)
				continue
			}
			checkRow(t, row, lines)
			if numbers[row.Number] {
				t.Errorf("%q is handed on twice", row.Number)
			}
			numbers[row.Number] = true
		}
	})
}

func checkProblem(t *testing.T, err error, lines int) {
	p, ok := errors.AsType[*invoices.Problem](err)
	if !ok {
		t.Fatalf("%v is no problem", err)
	}
	if p.Line < 0 || p.Line > lines || p.What == "" || p.File != "fuzz.csv" {
		t.Errorf("of %d lines: %+v", lines, p)
	}
	if text := p.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x1b\x00") {
		t.Errorf("a message that is no line of text: %q", text)
	}
}

func checkRow(t *testing.T, r invoices.Row, lines int) {
	d := r.Customer
	switch {
	case r.Line < 2 || r.Line > lines:
		t.Errorf("line %d of %d", r.Line, lines)
	case r.Number == "" || d.ID == "" || d.Name == "" || r.DueOn.IsZero() || len(r.Total.Currency) != 3:
		t.Errorf("something is missing: %+v", r)
	case r.Paid < 0 || r.Credited < 0 || max(r.Total.Minor, -r.Total.Minor, r.Paid, r.Credited) > largest:
		t.Errorf("amounts out of range: %+v", r)
	case d.Language != "" && !strings.HasPrefix(d.Language, "nl") || d.Policy != "" && d.Policy != "standard":
		t.Errorf("asks for what there is not: %+v", r)
	}
	for _, s := range append([]string{r.Number, string(r.Status), r.Description, d.ID, d.Name, d.Email, d.Language, d.Country, d.Zone, d.Policy}, d.CC...) {
		if !utf8.ValidString(s) || s != strings.TrimSpace(s) || strings.ContainsFunc(s, sheet.Harmful) {
			t.Errorf("%q is handed on in %+v", s, r)
		}
	}
	for _, a := range append(d.CC, d.Email) {
		if a != "" && (strings.Count(a, "@") != 1 || strings.ContainsAny(a, " \t<>,;\"()")) {
			t.Errorf("%q is handed on as an address", a)
		}
	}
}
