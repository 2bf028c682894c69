package source

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dunning/invoices"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// as says how files of testdata are written that are not written plainly.
var as = map[string]Options{
	"wrong/columns_mapped_wrong": {Decimal: ",", Columns: dutch},
	"wrong/dates_other_form":     {Dates: "DD.MM.YYYY"},
	"wrong/empty_full":           {Full: true},
	"right/dutch_excel":          {Decimal: ",", Dates: "DD-MM-YYYY", Columns: dutch},
}

var dutch = map[string]string{
	"number": "Factuurnummer", "customer_id": "Klantnummer", "customer_name": "Naam", "customer_email": "E-mail",
	"currency": "Valuta", "total": "Bedrag", "paid": "Betaald", "due_on": "Vervaldatum",
}

// TestWrongFiles reads files with everything that is wrong with real ones, and
// compares what is told with the golden text beside each. Those texts are what
// a person in finance reads: change them as you would change a letter.
func TestWrongFiles(t *testing.T) {
	for _, path := range files(t, "wrong", 25) {
		t.Run(base(path), func(t *testing.T) {
			_, problems, notes := read(t, path)
			if len(problems) == 0 {
				t.Error("nothing is wrong with it")
			}
			golden(t, path, invoices.Problems(problems).Told()+"\n"+notes)
		})
	}
}

// TestRightFiles reads files as real programs write them, and compares the rows
// with the golden text beside each.
func TestRightFiles(t *testing.T) {
	for _, path := range files(t, "right", 8) {
		t.Run(base(path), func(t *testing.T) {
			rows, problems, notes := read(t, path)
			if len(problems) > 0 {
				t.Errorf("wrong with it: %v", invoices.Problems(problems).Told())
			}
			var b strings.Builder
			for _, r := range rows {
				b.WriteString(written(r))
			}
			golden(t, path, b.String()+notes)
		})
	}
}

// written writes a row out.
func written(r invoices.Row) string {
	d := r.Customer
	return fmt.Sprintf("line %d: %q status %q total %s paid %d credited %d issued %q due %q description %q\n  of %q %q email %q cc %q language %q country %q zone %q policy %q%s\n",
		r.Line, r.Number, r.Status, r.Total, r.Paid, r.Credited, r.IssuedOn, r.DueOn, r.Description,
		d.ID, d.Name, d.Email, d.CC, d.Language, d.Country, d.Zone, d.Policy, own(r))
}

// own writes what a row says of the invoice alone, where it says anything.
func own(r invoices.Row) string {
	if r.Policy == "" && r.Tags == nil {
		return ""
	}
	return fmt.Sprintf("; the invoice alone: policy %q tags %q", r.Policy, r.Tags)
}

func files(t *testing.T, kind string, least int) []string {
	t.Helper()
	found, err := Files("testdata/" + kind + "/*.csv")
	if err != nil || len(found) < least {
		t.Fatalf("there are %d files, want %d at least: %v", len(found), least, err)
	}
	return found
}

func base(path string) string { return strings.TrimSuffix(filepath.Base(path), ".csv") }

// read reads a file of testdata as it is written.
func read(t *testing.T, path string) (rows []invoices.Row, problems []*invoices.Problem, notes string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := as[filepath.Base(filepath.Dir(path))+"/"+base(path)]
	o.Languages, o.Policies = []string{"en", "nl", "de"}, []string{"standard", "gentle"}
	o.Note = func(text string) { notes += "note: " + text + "\n" }
	for row, err := range Read(filepath.Base(path), f, o) {
		if err == nil {
			rows = append(rows, row)
			continue
		}
		p, ok := errors.AsType[*invoices.Problem](err)
		if !ok {
			t.Fatalf("%v is no problem", err)
		}
		problems = append(problems, p)
	}
	return rows, problems, notes
}

func golden(t *testing.T, path, have string) {
	t.Helper()
	path = strings.TrimSuffix(path, ".csv") + ".txt"
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", path, diff)
	}
}
