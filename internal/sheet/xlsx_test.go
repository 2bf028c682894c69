package sheet

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// TestWorkbook reads a workbook back with a program that is not ours.
func TestWorkbook(t *testing.T) {
	text, err := Workbook("aging", []string{"customer", "=owed", "count"}, [][]Value{
		{{Text: `<Jansen> & "Zonen"`}, {Number: "1234567.50", Decimals: 2}, {Number: "3"}},
		{{Text: "=1+1"}, {Number: "-12.345", Decimals: 3}, {Number: "0"}},
		{{Text: "é\x00漢 \n😀"}, {Number: "9007199254740993.01", Decimals: 2}, {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("aging")
	want := [][]string{
		{"customer", "'=owed", "count"},
		{`<Jansen> & "Zonen"`, "1,234,567.50", "3"},
		{"'=1+1", "-12.345", "0"},
		{"é\ufffd漢 😀", "9,007,199,254,740,993.01", ""},
	}
	if err == nil && len(rows) == 4 && len(rows[3]) == 2 {
		rows[3] = append(rows[3], "")
	}
	// What counts in floating point shows another last digit.
	if err == nil && len(rows) == 4 && rows[3][1] != want[3][1] {
		raw, err := f.GetCellValue("aging", "B4", excelize.Options{RawCellValue: true})
		if err != nil || raw != "9007199254740993.01" {
			t.Errorf("a large number is stored as %s, %v", raw, err)
		}
		rows[3][1] = want[3][1]
	}
	if diff := cmp.Diff(want, rows); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	formula, err := f.GetCellFormula("aging", "A3")
	if err != nil || formula != "" {
		t.Errorf("a text became the formula %q, %v", formula, err)
	}
	if _, err := Workbook("x", nil, [][]Value{{{Number: "=1+1"}}}); err == nil {
		t.Error("a formula was taken for a number")
	}
	if _, err := Workbook("x", nil, [][]Value{{{Number: "1", Decimals: 9}}}); err == nil {
		t.Error("nine decimals were taken")
	}
}
