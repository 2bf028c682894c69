package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

const header = "number,customer_id,customer_name,customer_email,currency,total,due_on"

// readText reads a file that consists of a header and lines.
func readText(text string, o Options) (rows []invoices.Row, problems []string) {
	for row, err := range Read("list.csv", strings.NewReader(text), o) {
		if err != nil {
			problems = append(problems, err.Error())
		} else {
			rows = append(rows, row)
		}
	}
	return rows, problems
}

// line writes an invoice of its own customer.
func line(n int, currency, total string) string {
	return fmt.Sprintf("\n%d,C%d,Jansen,jan@bakkerij.example,%s,%s,2026-04-01", n, n, currency, total)
}

func TestR13_MinorUnitsByCurrencyAndNotation(t *testing.T) {
	for _, row := range []struct {
		says, currency, text, decimal string
		want                          int64
	}{
		{"a euro has a hundred cents", "EUR", "12.50", "", 1250},
		{"decimals may be left out", "EUR", "12", ".", 1200},
		{"one of two is enough", "EUR", "12.5", ".", 1250},
		{"a yen has none", "JPY", "1250", ".", 1250},
		{"a dinar has a thousand fils", "KWD", "1.250", ".", 1250},
		{"with a decimal comma", "EUR", `"1250,05"`, ",", 125005},
		{"and points between thousands", "EUR", `"1.250,05"`, ",", 125005},
		{"a point is a thousand then, and three digits follow it", "EUR", "1.250", ",", 125000},
		{"a credit note is negative", "EUR", "-0.01", ".", -1},
		{"cents that no binary fraction holds", "EUR", "4503599627370.49", ".", 450359962737049},
	} {
		rows, problems := readText(header+line(1, row.currency, row.text), Options{Decimal: row.decimal})
		if len(problems) > 0 || len(rows) != 1 {
			t.Errorf("%s: %v", row.says, problems)
			continue
		}
		if want := (money.Amount{Minor: row.want, Currency: row.currency}); rows[0].Total != want {
			t.Errorf("%s: %s is read as %v, want %v", row.says, row.text, rows[0].Total, want)
		}
	}
}

// TestR13_OpenBalanceCannotOverflow: what is paid and credited comes off the
// total later; no row that is taken may turn that into another sign.
func TestR13_OpenBalanceCannotOverflow(t *testing.T) {
	text := header + ",paid,credited" + line(1, "EUR", "-9999999999999.99") + ",9999999999999.99,9999999999999.99" +
		line(2, "EUR", "-92233720368547758.07") + ",92233720368547758.07,0"
	rows, problems := readText(text, Options{})
	if len(rows) != 1 || len(problems) != 2 {
		t.Fatalf("%d rows, problems %q", len(rows), problems)
	}
	r := rows[0]
	inv := invoices.Invoice{Total: r.Total, Paid: r.Paid, Credited: r.Credited}
	if inv.Open().Minor >= 0 {
		t.Errorf("the open balance of a credit note is %v", inv.Open())
	}
}

// TestR19_OneBadRowHidesNoOther: the rows before and after a bad one are handed
// on, and every bad one is told.
func TestR19_OneBadRowHidesNoOther(t *testing.T) {
	rows, problems := readText(header+line(1, "EUR", "1.00")+line(2, "EUR", "one")+"\n3,C3\n4,C\"4,x"+line(5, "XXX", "1.00")+line(6, "EUR", "6.00"), Options{})
	var numbers []string
	for _, r := range rows {
		numbers = append(numbers, r.Number)
	}
	if diff := cmp.Diff([]string{"1", "6"}, numbers); diff != "" {
		t.Errorf("rows (-want +have):\n%s", diff)
	}
	if len(problems) != 4 {
		t.Errorf("want a problem for each of lines 3 to 6, have %q", problems)
	}
	for i, p := range problems {
		if !strings.HasPrefix(p, fmt.Sprintf("list.csv:%d: ", i+3)) {
			t.Errorf("problem %d is not told of line %d: %s", i+1, i+3, p)
		}
	}
}

// TestR20_WhatIsNotClearlyOwedIsReadAsSuch: a source may tell of anything; it
// is never made to look collectible.
func TestR20_WhatIsNotClearlyOwedIsReadAsSuch(t *testing.T) {
	for _, row := range []struct {
		says, status string
		want         invoices.Status
	}{
		{"no word means open", "", ""},
		{"open", "open", invoices.Open},
		{"in capitals", "OPEN", invoices.Open},
		{"not yet issued", "Draft", invoices.Unissued},
		{"void", "void", invoices.Void},
		{"a word we do not know is kept", "Teilbezahlt", "Teilbezahlt"},
		{"a word that is nearly open is not open", "opne", "opne"},
		{"several words are kept", "open?", "open?"},
	} {
		rows, problems := readText(header+",status"+line(1, "EUR", "1.00")+","+row.status, Options{})
		if len(problems) > 0 || len(rows) != 1 || rows[0].Status != row.want {
			t.Errorf("%s: %q is read as %+v, %q", row.says, row.status, rows, problems)
		}
	}
	rows, problems := readText(header+"\n1,C1,Jansen,,EUR,1.00,2026-04-01", Options{})
	if len(problems) > 0 || len(rows) != 1 || rows[0].Customer.Email != "" {
		t.Errorf("an invoice without an address waits for one, it is not refused: %+v, %q", rows, problems)
	}
}

func TestR08_AnEmptyFullLoadIsRefused(t *testing.T) {
	for _, text := range []string{header, header + "\n", header + "\n\n,,,,,,\n"} {
		if rows, problems := readText(text, Options{Full: true}); len(rows) != 0 || len(problems) != 1 || !strings.Contains(problems[0], "vanish") {
			t.Errorf("%q as a full load: %d rows, %q", text, len(rows), problems)
		}
		if rows, problems := readText(text, Options{}); len(rows)+len(problems) != 0 {
			t.Errorf("%q as changes: %d rows, %q", text, len(rows), problems)
		}
	}
	if _, problems := readText(header+line(1, "EUR", "x"), Options{Full: true}); len(problems) != 1 {
		t.Errorf("a full load with one bad row is not called empty as well: %q", problems)
	}
}

func TestR14_AnAddressIsListedOnce(t *testing.T) {
	rows, problems := readText(header+"\n1,C1,Jansen,Jan@b.example ; ap@b.example;jan@B.example, ap@b.example;,EUR,1.00,2026-04-01", Options{Delimiter: ','})
	if len(problems) != 1 {
		t.Errorf("a comma between addresses splits the cell unless it is in quotes: %+v", rows)
	}
	rows, problems = readText(header+"\n1,C1,Jansen,\"Jan@b.example ; ap@b.example;jan@B.example, ap@b.example;\",EUR,1.00,2026-04-01", Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d := rows[0].Customer; d.Email != "Jan@b.example" || !cmp.Equal(d.CC, []string{"ap@b.example"}) {
		t.Errorf("to %q, copies to %q", d.Email, d.CC)
	}
}

// TestR25_MessagesAreBoundedAndHarmless: what a file says is repeated in short,
// and never so that a terminal or a log takes it for something else.
func TestR25_MessagesAreBoundedAndHarmless(t *testing.T) {
	nasty := "\x1b]0;owned\x07\x1b[2J\u202e\u2028" + strings.Repeat("A", 100_000)
	cells := []string{nasty, nasty, nasty, nasty, nasty, nasty, nasty}
	_, problems := readText(header+","+nasty+"\n"+strings.Join(cells, ",")+",\n"+strings.Join(cells, ","), Options{Note: func(text string) {
		if len(text) > 2000 || strings.ContainsAny(text, "\x1b\x07") {
			t.Errorf("a note of %d bytes: %.100q", len(text), text)
		}
	}})
	if len(problems) == 0 {
		t.Fatal("nothing is wrong")
	}
	for _, p := range problems {
		if len(p) > 2000 || strings.ContainsAny(p, "\x1b\x07\u202e\u2028\n") {
			t.Errorf("a message of %d bytes: %.200q", len(p), p)
		}
	}
}

func TestDelimiters(t *testing.T) {
	for _, row := range []struct {
		says, first string
		o           Options
		want        rune
	}{
		{"the comma of RFC 4180", "number,total", Options{}, ','},
		{"the semicolon of Excel in Europe", "number;total;due_on", Options{}, ';'},
		{"a delimiter inside of quotes does not count", `number;"a,b,c,d,e";total`, Options{}, ';'},
		{"lines in quotes belong to the header", "\"a\nb\",\"c;d\";e,f", Options{}, ','},
		{"tabs", "number\ttotal", Options{}, '\t'},
		{"one column has none", "number", Options{}, ','},
		{"empty lines come before the header", "\r\n\nnumber|total", Options{}, '|'},
		{"data does not count", "number,total\na;b;c;d;e", Options{}, ','},
	} {
		if got := sniff([]byte(row.first)); got != row.want {
			t.Errorf("%s: %q", row.says, got)
		}
	}
	text := strings.ReplaceAll(header+line(1, "EUR", "1.00"), ",", ":")
	if rows, problems := readText(text, Options{Delimiter: ':'}); len(rows) != 1 {
		t.Errorf("a delimiter that was said: %q", problems)
	}
}

func TestOptions_Refused(t *testing.T) {
	for _, row := range []struct {
		says string
		o    Options
		want string
	}{
		{"a notation that is none", Options{Decimal: ";"}, "sources.decimal"},
		{"a form of dates that Americans know", Options{Dates: "MM/DD/YYYY"}, "sources.dates"},
		{"a delimiter that is a letter", Options{Delimiter: 'x'}, "sources.delimiter"},
		{"a quote as the delimiter", Options{Delimiter: '"'}, "sources.delimiter"},
		{"a column that nobody knows", Options{Columns: map[string]string{"totl": "Bedrag"}}, "did you mean total?"},
		{"two columns from one", Options{Columns: map[string]string{"total": "Bedrag", "paid": "bedrag "}}, `both paid and total from the column`},
		{"no number", Options{Columns: map[string]string{"number": "-"}}, "every invoice needs one"},
	} {
		rows, problems := readText(header+line(1, "EUR", "1.00"), row.o)
		if len(rows) != 0 || len(problems) != 1 || !strings.Contains(problems[0], row.want) {
			t.Errorf("%s: %d rows, %q", row.says, len(rows), problems)
		}
	}
}

func TestColumns_None(t *testing.T) {
	text := header + ",polcy" + line(1, "EUR", "1.00") + ",x"
	if rows, problems := readText(text, Options{}); len(rows) != 0 || len(problems) != 1 {
		t.Errorf("a misspelt column is left out in silence: %q", problems)
	}
	if rows, problems := readText(text, Options{Columns: map[string]string{"policy": "-"}}); len(rows) != 1 {
		t.Errorf("a column that is said to be none is not left out: %q", problems)
	}
}

// TestEndlessRecord: a quote that is never closed does not bring the rest of a
// huge file into memory.
func TestEndlessRecord(t *testing.T) {
	taken := &countingReader{r: io.MultiReader(strings.NewReader(header+line(1, "EUR", "1.00")+"\n2,\"C2"), endless{})}
	var rows int
	var problems []string
	for _, err := range Read("list.csv", taken, Options{}) {
		if err != nil {
			problems = append(problems, err.Error())
		} else {
			rows++
		}
	}
	if rows != 1 || len(problems) != 1 || !strings.Contains(problems[0], "what follows line 2") {
		t.Errorf("%d rows, %q", rows, problems)
	}
	if taken.n > 2*longestRecord {
		t.Errorf("%d bytes were read", taken.n)
	}
	if _, err := first(Read("list.csv", endless{}, Options{})); err == nil || !strings.Contains(err.Error(), "list.csv: ") {
		t.Errorf("an endless header: %v", err)
	}
}

// TestReadsAsItGoes: a row is handed on before the file is read to its end, and
// nothing is read any more once nobody wants rows.
func TestReadsAsItGoes(t *testing.T) {
	rest := &countingReader{r: rowsReader(1_000_000)}
	row, err := first(Read("list.csv", rest, Options{}))
	if err != nil || row.Number != "1" {
		t.Fatalf("the first row is %q, %v", row.Number, err)
	}
	if rest.n > 2*lookahead {
		t.Errorf("%d bytes were read for the first row", rest.n)
	}
}

func TestUnreadable(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for says, r := range map[string]io.Reader{
		"at once":                 iotest.ErrReader(broken),
		"in the header":           io.MultiReader(strings.NewReader("number,cust"), iotest.ErrReader(broken)),
		"in the middle of a line": io.MultiReader(strings.NewReader(header+line(1, "EUR", "1.00")+"\n2,C2"), iotest.ErrReader(broken)),
		"within quotes":           io.MultiReader(strings.NewReader(header+"\n1,\"C2"), iotest.ErrReader(broken)),
	} {
		var errs []error
		for _, err := range Read("list.csv", r, Options{}) {
			if err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) != 1 || !errors.Is(errs[0], broken) || !strings.Contains(errs[0].Error(), "read list.csv") {
			t.Errorf("%s: %v", says, errs)
		}
		if _, isProblem := errors.AsType[*invoices.Problem](errors.Join(errs...)); isProblem {
			t.Errorf("%s: an unreadable file is called a problem of its contents", says)
		}
	}
	// Small reads change nothing.
	want, _ := readText(header+line(1, "EUR", "1.00")+line(2, "EUR", "2.00"), Options{})
	var have []invoices.Row
	for row, err := range Read("list.csv", iotest.OneByteReader(strings.NewReader("\xef\xbb\xbf"+header+line(1, "EUR", "1.00")+line(2, "EUR", "2.00"))), Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, row)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("read byte by byte (-want +have):\n%s", diff)
	}
}

// TestRoundTrip writes invoices in any notation there is and reads them back.
func TestRoundTrip(t *testing.T) {
	forms := []string{"", isoDate, "DD-MM-YYYY", "DD/MM/YYYY", "DD.MM.YYYY"}
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Decimal:   rapid.SampledFrom([]string{"", ".", ","}).Draw(t, "decimal"),
			Dates:     rapid.SampledFrom(forms).Draw(t, "dates"),
			Delimiter: rapid.SampledFrom([]rune{0, ',', ';', '\t', '|'}).Draw(t, "delimiter"),
		}
		comma := o.Delimiter
		if comma == 0 {
			comma = ';'
		}
		currency := rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency")
		n := rapid.IntRange(1, 5).Draw(t, "rows")
		var want []invoices.Row
		text := strings.ReplaceAll(header, ",", string(comma)) + string(comma) + "description\r\n"
		for i := range n {
			r := invoices.Row{
				Line: i + 2, Number: fmt.Sprintf("%03d", i),
				Total:       money.Amount{Minor: rapid.Int64Range(-largest, largest).Draw(t, "minor"), Currency: currency},
				DueOn:       civil.Date{Year: 2026, Month: 1, Day: 1}.AddDays(rapid.IntRange(0, 20_000).Draw(t, "day")),
				Description: strings.Join(strings.Fields(rapid.StringMatching(`[a-z",;|'=é ]{0,20}`).Draw(t, "description")), " "),
				Customer:    invoices.Debtor{ID: fmt.Sprint(i), Name: "x", Email: "x@y.example"},
			}
			want = append(want, r)
			amount := r.Total.Decimal()
			if o.Decimal == "," {
				amount = strings.Replace(amount, ".", ",", 1)
			}
			cells := []string{r.Number, r.Customer.ID, "x", "x@y.example", currency, amount, dated(r.DueOn, o.Dates), r.Description}
			for i, c := range cells {
				cells[i] = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
			}
			text += strings.Join(cells, string(comma)) + "\r\n"
		}
		have, problems := readText(text, o)
		if len(problems) > 0 {
			t.Fatalf("%q\nof\n%s", problems, text)
		}
		for i := range have {
			have[i].Customer.CC = nil
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("(-want +have):\n%s\nof\n%s", diff, text)
		}
	})
}

// dated writes a date in a form.
func dated(d civil.Date, form string) string {
	if form == "" {
		form = isoDate
	}
	return strings.NewReplacer("YYYY", fmt.Sprint(d.Year), "MM", fmt.Sprintf("%02d", int(d.Month)), "DD", fmt.Sprintf("%02d", d.Day)).Replace(form)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.csv", "a.csv", ".hidden.csv", "~$open.csv", "c.csv.part", "target.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target.txt", filepath.Join(dir, "linked.csv")); err != nil {
		t.Fatal(err)
	}
	found, err := Files(filepath.Join(dir, "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	if diff := cmp.Diff([]string{"a.csv", "b.csv", "linked.csv"}, found); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
	if none, err := Files(filepath.Join(dir, "nothing*.csv")); err != nil || len(none) != 0 {
		t.Errorf("a pattern that nothing matches: %q, %v", none, err)
	}
	if _, err := Files("[.csv"); err == nil {
		t.Error("a pattern that is none is accepted")
	}
	if err := os.Symlink("gone.csv", filepath.Join(dir, "dangling.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := Files(filepath.Join(dir, "*.csv")); err == nil || !strings.Contains(err.Error(), "dangling.csv") {
		t.Errorf("a link that leads nowhere: %v", err)
	}
}

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Digest(path)
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; err != nil || got != want { // FIPS 180-2, B.1
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Digest(path + ".gone"); err == nil {
		t.Error("a file that is not there has a digest")
	}
}
