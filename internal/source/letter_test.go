package source_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/source"
	"dunning/invoices"
	"dunning/templates"
)

// tricks are cells of a file. K stands for a word by which the customer is
// known.
var tricks = []string{
	"K", "K\r\nBcc: all@example.org", "K\r\n\r\n<html>", "K\n.\nQUIT", "K</title><script>x</script>", `K" onclick="x`, "K<!--", "K{{.Sender.Email}}{{",
	"K https://example.org/pay", "K <a href=//example.org>pay</a>", "K שלום 12", "K شركة ١٢", "K\u202eevil", "K\u2066x", "K\u2069\u2069x", "K\u200bx", "K\u00adx", "K\U000e0041",
	"K\x00", "K\x1b[31m", "K\u009b31m", "K\xff", "K\xed\xa0\x80", "=K+1", "\t=K", "+K", "-K", "@K", "K =?utf-8?q?x?=", "K\u2028x", "K&#60;b&#62;", "K%!s(int=1)", "K" + strings.Repeat("x", 600), "K" + strings.Repeat("\u0301", 100),
	"://K", "K\ufffd\ufe0f", "<K>", "K, \"quoted\"; x", "K\ufeff", "\u3164K",
}

// TestR22_FromTheFileToTheLetter puts every trick into every text of a file of
// two customers. A row is refused with its line, or its letter is about its own
// customer, has the parts of a letter about a plain one and none besides.
func TestR22_FromTheFileToTheLetter(t *testing.T) {
	set, err := templates.Load(templates.Options{
		Sender: templates.Sender{Name: "Example BV", Email: "finance@example.com"}, Names: []string{"firm"}, Languages: []string{"en"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tame := letter(t, set, rows(t, 0, "K")[0])
	refused, written := 0, 0
	for column := range 4 {
		for _, trick := range tricks {
			list := rows(t, column, trick)
			refused += 2 - len(list)
			for i, row := range list {
				text := letter(t, set, row)
				written++
				own, other := marks[i], marks[1-i]
				all := text.Subject + text.Plain + text.HTML
				if !strings.Contains(all, own) && column != 1 || strings.Contains(all, other) {
					t.Errorf("column %d, %q: the letter to %s is not about it alone:\n%s\n%s", column, trick, own, text.Subject, text.Plain)
				}
				if strings.ContainsAny(text.Subject, "\r\n") || elements(t, text.HTML) != elements(t, tame.HTML) || strings.Count(text.Plain, "://") != strings.Count(tame.Plain, "://") {
					t.Errorf("column %d, %q: the letter has other parts:\n%s\n%s\n%s", column, trick, text.Subject, text.Plain, elements(t, text.HTML))
				}
				if len(text.Plain) > len(tame.Plain)+2000 || strings.ContainsAny(all, "\x00\x1b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200b\ufeff\u00ad\u009b") {
					t.Errorf("column %d, %q: the letter is %q", column, trick, text.Plain)
				}
			}
		}
	}
	if refused < 50 || written < 100 {
		t.Errorf("%d rows were refused and %d letters written: the tricks are not tried", refused, written)
	}
}

// marks are the words of the two customers.
var marks = [2]string{"Quaxolot", "Zyrtembu"}

// rows reads a file of two customers with a trick in a column: number, id, name
// or description.
func rows(t *testing.T, column int, trick string) (list []invoices.Row) {
	t.Helper()
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	record := func(cells ...string) {
		if err := w.Write(cells); err != nil {
			t.Fatal(err)
		}
	}
	record("number", "customer_id", "customer_name", "description", "customer_email", "currency", "total", "due_on")
	for _, mark := range marks {
		cells := []string{mark, mark, mark, mark, "a@" + strings.ToLower(mark) + ".example", "EUR", "12.00", "2026-04-01"}
		cells[column] = strings.ReplaceAll(trick, "K", mark)
		record(cells...)
	}
	w.Flush()
	for row, err := range source.Read("list.csv", &file, source.Options{}) {
		if err == nil {
			list = append(list, row)
			continue
		}
		if !strings.HasPrefix(err.Error(), "list.csv:") || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\r\n\x1b\u202e\x00") {
			t.Errorf("column %d, %q: the objection is %q", column, trick, err)
		}
	}
	if len(list) == 1 {
		t.Errorf("column %d, %q: one row of two that say the same is refused", column, trick)
	}
	return list
}

// letter writes the letter about a row.
func letter(t *testing.T, set *templates.Set, row invoices.Row) invoices.Text {
	t.Helper()
	text, err := set.Write(invoices.Draft{
		Template: "firm", Language: "en", Zone: time.UTC, Today: civil.Date{Year: 2026, Month: 4, Day: 15}, Customer: row.Customer.Name,
		Lines: []invoices.Line{{
			Number: row.Number, Description: row.Description, DueOn: row.DueOn, Total: row.Total, Open: row.Total, DaysLate: 14,
			URL: "https://pay.example.com/1",
		}},
		Totals: []money.Amount{row.Total},
	})
	if err != nil {
		t.Errorf("%+v: a row that was taken makes no letter: %v", row, err)
	}
	return text
}

// elements lists what a page is made of.
func elements(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.ElementNode || n.Type == html.CommentNode {
			fmt.Fprintf(&b, "%s %d, ", n.Data, len(n.Attr))
		}
	}
	return b.String()
}

// FuzzLetter: of whatever is in the texts of a row that is taken, a letter can
// be made, and it is about the row.
func FuzzLetter(f *testing.F) {
	set, err := templates.Load(templates.Options{
		Sender: templates.Sender{Name: "Example BV", Email: "finance@example.com"}, Names: []string{"firm"}, Languages: []string{"en"},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, trick := range append([]string{"\u3164", "://", "http:\\\\", "\ufffd", "\ufe0f", "\u0301"}, tricks...) {
		f.Add(trick, "Jansen", "")
		f.Add("1", trick, trick)
	}
	f.Fuzz(func(t *testing.T, number, name, description string) {
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		for _, cells := range [][]string{
			{"number", "customer_id", "customer_name", "description", "customer_email", "currency", "total", "due_on"},
			{number, "C1", name, description, "a@x.example", "EUR", "12.00", "2026-04-01"},
		} {
			if err := w.Write(cells); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		for row, err := range source.Read("list.csv", &file, source.Options{Delimiter: ','}) {
			if err != nil {
				continue
			}
			text := letter(t, set, row)
			if !strings.Contains(text.Plain, "€12.00") || !strings.Contains(text.Plain, "\nhttps://pay.example.com/1\n") || strings.Count(text.Plain, "://") != 1 || strings.Count(strings.ToLower(text.HTML), "<a ") != 2 {
				t.Errorf("the letter is\n%s\n%s", text.Plain, text.HTML)
			}
			if strings.ContainsAny(text.Subject, "\r\n") || strings.Contains(text.Subject, "=?") {
				t.Errorf("the subject is %q", text.Subject)
			}
		}
	})
}
