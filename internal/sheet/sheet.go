// Package sheet makes texts fit for tables that people open in a spreadsheet,
// which would otherwise take some of them for formulas, and says which
// characters do something to the programs that show a text.
package sheet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestCell is how many characters a cell of a spreadsheet holds.
const longestCell = 32_767

// formulaSigns are those with which a spreadsheet lets a formula begin, in the
// width of Latin and of Chinese writing.
const formulaSigns = "=+-@\t\r\n＝＋－＠"

// Cell makes a text fit for a table that people open in a spreadsheet. What a
// spreadsheet would take for a formula gets an apostrophe in front, which marks
// a text there; a number such as -12.50 stays one. White space becomes single
// spaces, a character that harms becomes U+FFFD, and the length is bounded.
//
// Formulas can be told from texts only by these marks, so a table written in
// this way is for reading: an invoice =1 comes back as '=1.
func Cell(text string) string {
	var b strings.Builder
	space, n := false, 0
	for _, r := range text { // what is not UTF-8 is U+FFFD here
		if n++; n > longestCell {
			break
		}
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case Harmful(r):
			r = utf8.RuneError
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	s := b.String()
	begin := strings.TrimLeftFunc(s, func(r rune) bool { return r == ' ' || !Appears(r) })
	if begin == "" || !strings.ContainsRune(formulaSigns, firstRune(begin)) || isNumber(s) {
		return s
	}
	return "'" + s
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// isNumber reports whether a text is a decimal number and nothing else.
func isNumber(s string) bool {
	whole, fraction, pointed := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	digits := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	}
	return digits(whole) && (!pointed || digits(fraction))
}

// AppendLine appends a line of a CSV file (RFC 4180) to b. Every cell is made
// fit by [Cell] and stands in quotes, so that no program finds other cells in
// it, whatever it takes for a delimiter.
func AppendLine(b []byte, cells []string) []byte { return AppendLineWith(b, ',', cells) }

// AppendLineWith is AppendLine with another delimiter: spreadsheets in countries
// with a decimal comma expect a semicolon.
func AppendLineWith(b []byte, delimiter byte, cells []string) []byte {
	for i, cell := range cells {
		if i > 0 {
			b = append(b, delimiter)
		}
		b = append(b, '"')
		b = append(b, strings.ReplaceAll(Cell(cell), `"`, `""`)...)
		b = append(b, '"')
	}
	return append(b, "\r\n"...)
}

// Appears reports whether a character is to be seen. Some that count as letters
// or signs are not, and U+FFFD is one that was lost.
func Appears(r rune) bool {
	if r < 0x300 {
		return unicode.IsPrint(r)
	}
	return unicode.IsPrint(r) && !strings.ContainsRune("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffd", r) && !unicode.Is(unicode.Variation_Selector, r)
}

// Harmful reports whether a character does something to a terminal, a mail
// header or the order of the text around it, or is none: those that turn the
// reading direction, tags, which are a second text that nobody sees, and the
// places of no character. Other characters that do not show, such as joiners,
// belong to the writing of some languages; letters leave them out.
func Harmful(r rune) bool {
	if r < 0x2000 {
		return unicode.IsControl(r)
	}
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u206f' || r == '\ufeff' || '\ufff9' <= r && r <= '\ufffb' ||
		0xe0000 <= r && r <= 0xe007f || unicode.Is(unicode.Noncharacter_Code_Point, r)
}
