package source

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dunning/internal/money"
)

// hostileHeader has every column.
var hostileHeader = strings.Join(columns, ",")

// hostileLine writes a right line with one cell replaced.
func hostileLine(column, cell string) string {
	cells := map[string]string{
		colNumber: "1", colCustomerID: "C1", colName: "Jansen", colEmail: "jan@bakkerij.example", colCurrency: "EUR",
		colTotal: "12.00", colDueOn: "2026-04-01",
	}
	cells[column] = cell
	line := make([]string, len(columns))
	for i, name := range columns {
		line[i] = `"` + strings.ReplaceAll(cells[name], `"`, `""`) + `"`
	}
	return strings.Join(line, ",")
}

// refused says what must be in a message about a cell.
type refused string

// TestR19_EveryFieldOfARow is the rule for each column: what is taken as it is,
// what is cleaned, and what is refused, with which words.
func TestR19_EveryFieldOfARow(t *testing.T) {
	const hidden = "characters in it that do not show"
	mb := strings.Repeat("x", 10<<20)
	for _, row := range []struct {
		sentence, column, cell string
		want                   any // the value, or refused
	}{
		// Words: numbers, ids, states. They are compared, so nothing is cleaned.
		{"a number is any text", colNumber, "2026/0042-a ø №7", "2026/0042-a ø №7"},
		{"space around it is not part of it", colNumber, " \t2026-1\u00a0 ", "2026-1"},
		{"zeros belong to it", colNumber, "007", "007"},
		{"a formula is a text like any other", colNumber, "=1+1", "=1+1"},
		{"so is one of four that begin otherwise", colNumber, "@SUM(A1)", "@SUM(A1)"},
		{"a tab in front goes with the space", colNumber, "\t=1+1", "=1+1"},
		{"markup is a text", colNumber, "<b>&amp;1", "<b>&amp;1"},
		{"a header behind a line break", colNumber, "1\r\nBcc: x@y.example", refused(hidden)},
		{"a bare carriage return", colNumber, "1\r2", refused(hidden)},
		{"a zero-width space would be another number", colNumber, "1\u200b2", refused(`"1\u200b2" has ` + hidden)},
		{"a turned reading direction", colNumber, "1\u202e2", refused(`"1\u202e2" has ` + hidden)},
		{"an isolate", colNumber, "1\u20662", refused(hidden)},
		{"a tag", colNumber, "1\U000e0041", refused(hidden)},
		{"a soft hyphen", colNumber, "1\u00ad2", refused(hidden)},
		{"a colour for terminals", colNumber, "\x1b[31m1", refused(`"\x1b[31m1" has ` + hidden)},
		{"a broken letter", colNumber, "1\xff", refused(`"1\xff" is not UTF-8`)},
		{"a surrogate, which only UTF-16 has", colNumber, "1\xed\xa0\x80", refused("is not UTF-8")},
		{"a letter in more bytes than it takes", colNumber, "\xc0\xb1", refused("is not UTF-8")},
		{"an encoded word of a header", colNumber, "=?utf-8?q?x?=", refused("which mail programs take for an encoding")},
		{"an address", colNumber, "https://x.example/1", refused("of which mail programs make a link")},
		{"a letter that is a blank", colNumber, "\u3164", refused(hidden)},
		{"a sign that is one", colNumber, "1\u28002", refused(hidden)},
		{"a selector of a variant", colNumber, "1\ufe0f", refused(hidden)},
		{"what another program lost already", colNumber, "1\ufffd", refused(hidden)},
		{"too long to be one", colNumber, strings.Repeat("1", 65), refused("is 65 characters long; at most 64 are taken")},
		{"as long as one may be", colNumber, strings.Repeat("é", 64), strings.Repeat("é", 64)},
		{"a number that a spreadsheet rounded", colNumber, "2.026E+09", refused("its digits are lost")},
		{"nothing", colNumber, " \u00a0 ", refused("the cell is empty; every invoice needs a number")},
		{"ids are as numbers", colCustomerID, "C\u200b1", refused(hidden)},
		{"an id may be a formula", colCustomerID, "+31", "+31"},
		{"a state that we do not know is kept", colStatus, "<void>", "<void>"},
		{"but not one that hides something", colStatus, "open\u200b", refused(hidden)},
		{"a policy that is a path", colPolicy, "../standard", refused(`there is no policy "../standard"`)},

		// Prose: what people read. White space is cleaned, joiners stay.
		{"a name is any text", colName, `O'Hara & "Söhne" <b> =SUM(1)`, `O'Hara & "Söhne" <b> =SUM(1)`},
		{"lines become spaces", colName, "Jansen\r\nBcc: x@y.example\n", "Jansen Bcc: x@y.example"},
		{"so do the line ends of Unicode", colName, "a\u2028b\u2029c\u0085d\ve\ff", "a b c d e f"},
		{"runs of space become one", colName, "  a \t\u00a0\u3000 b  ", "a b"},
		{"joiners belong to Persian and to Hindi", colName, "می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"},
		{"marks of direction belong to Hebrew", colName, "שלום\u200f 12", "שלום\u200f 12"},
		{"another script is a text", colName, "Газпром 株式会社 شركة", "Газпром 株式会社 شركة"},
		{"an override of the direction", colName, "a\u202eb", refused(`"a\u202eb" has ` + hidden)},
		{"each of the five", colName, "\u202ax", refused(hidden)},
		{"an isolate that is never released", colName, "a\u2067b", refused(hidden)},
		{"a release of one", colName, "a\u2069b", refused(hidden)},
		{"invisible tags", colName, "a\U000e0062\U000e007f", refused(hidden)},
		{"a byte order mark", colName, "a\ufeffb", refused(hidden)},
		{"a place of no character", colName, "a\ufffe", refused(hidden)},
		{"a bell", colName, "a\a", refused(`"a\a" has ` + hidden)},
		{"a C1 control, which some terminals obey", colName, "a\u009b31m", refused(hidden)},
		{"a broken letter", colName, "Caf\xe9", refused(`"Caf\xe9" is not UTF-8`)},
		{"what another program lost already", colName, "Caf\ufffd", "Caf\ufffd"},
		{"too long", colName, strings.Repeat("é", 201), refused("is 201 characters long; at most 200 are taken")},
		{"what a program wrote where it had no value", colName, "<no value> BV", refused(`has "<no value>" in it, which a program writes where it had no value`)},
		{"what another one wrote", colDescription, "Bread %!s(MISSING)", refused(`has "%!s(" in it`)},
		{"a percentage is none", colDescription, "100%! (net) 50%", "100%! (net) 50%"},
		{"letters that are blanks", colName, "\u3164\u115f", refused("the cell is empty")},
		{"nothing that shows", colName, "\u200b \u200f", refused("the cell is empty")},
		{"a description", colDescription, "Bread\r\n\r\n<script>x</script>\x0b", "Bread <script>x</script>"},
		{"with a NUL in it", colDescription, "a\x01b", refused(hidden)},
		{"too long a one", colDescription, strings.Repeat("a", 501), refused("at most 500 are taken")},

		// Addresses.
		{"a plain one", colEmail, "Jan.de-Vries+x@Bakkerij.Example", "Jan.de-Vries+x@bakkerij.example"},
		{"signs that may stand before the @", colEmail, "!#$%&'*+-/=?^_`{|}~@x.example", "!#$%&'*+-/=?^_`{|}~@x.example"},
		{"several", colEmail, "a@x.example, b@y.example;c@z.example", "a@x.example b@y.example c@z.example"},
		{"the same twice", colEmail, "a@x.example;A@X.EXAMPLE", "a@x.example"},
		{"the same in letters and as the DNS has it", colEmail, "a@bücher.example;a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"a domain in letters is kept as the DNS has it", colEmail, "a@BÜCHER.example", "a@xn--bcher-kva.example"},
		{"a domain as the DNS has it", colEmail, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"letters of full width", colEmail, "a@ｘ。example", "a@x.example"},
		{"Japanese is written in three scripts", colEmail, "a@ソニーの株.example", "a@xn--u9jvipb5l092x.example"},
		{"Russian under a Russian top-level domain", colEmail, "a@почта.рф", "a@xn--80a1acny.xn--p1ai"},
		{"Russian under any other", colEmail, "a@почта.example", "a@xn--80a1acny.example"},
		{"a Latin name with one Cyrillic letter", colEmail, "a@p\u0430ypal.com", refused("\"p\u0430ypal\" (xn--pypal-4ve) mixes letters that look alike, of the scripts Cyrillic and Latin")},
		{"the same as the DNS has it", colEmail, "a@xn--pypal-4ve.com", refused("mixes letters that look alike")},
		{"in any label", colEmail, "a@p\u0430ypal.example.com", refused("mixes letters that look alike")},
		{"Greek and Latin", colEmail, "a@g\u03bfogle.com", refused("of the scripts Greek and Latin")},
		{"Cyrillic letters that all look Latin", colEmail, "a@\u0430\u0440\u0440\u04cf\u0435.com", refused("(xn--80ak6aa92e) is written in Cyrillic letters that look like Latin ones")},
		{"a heart", colEmail, "a@i❤.example", refused("has the symbol \"❤\" in it")},
		{"a false name of the DNS", colEmail, "a@xn--a.example", refused("what is behind the @ is no domain")},
		{"a zero-width joiner in it", colEmail, "a@x\u200dy.example", refused(hidden)},
		{"a line break", colEmail, "a@x.example\nBcc: b@y.example", refused(hidden)},
		{"a name", colEmail, "Jan <a@x.example>", refused("the address alone is wanted, without a name")},
		{"a name without brackets", colEmail, "a@x.example (Jan)", refused("what is behind the @ is no domain")},
		{"a comment", colEmail, "a(comment)@x.example", refused(`"(" must not stand before the @`)},
		{"a group", colEmail, "Team: a@x.example, b@x.example;", refused(`":" must not stand before the @`)},
		{"a link", colEmail, "mailto:a@x.example", refused(`":" must not stand before the @`)},
		{"a quoted part with a comma", colEmail, `"a,b"@x.example`, refused("is no e-mail address")},
		{"a quoted part", colEmail, `"ab"@x.example`, refused(`"\"" must not stand before the @`)},
		{"two @", colEmail, "a@b@x.example", refused(`"@" must not stand before the @`)},
		{"an @ of full width", colEmail, "a＠x.example", refused("it has no @")},
		{"a letter before the @ that few servers take", colEmail, "jan.müller@x.example", refused(`"ü" must not stand before the @`)},
		{"an IPv4 address", colEmail, "a@[192.0.2.1]", refused("what is behind the @ is no domain")},
		{"an IPv6 address", colEmail, "a@[IPv6:2001:db8::1]", refused("what is behind the @ is no domain")},
		{"digits for a domain", colEmail, "a@192.0.2.1", refused("the domain is an IP address, or ends in a number")},
		{"no domain to speak of", colEmail, "a@localhost", refused("the domain has no dot")},
		{"a dot at the end of it", colEmail, "a@x.example.", refused("a dot is at an end of the domain")},
		{"the longest part before the @", colEmail, strings.Repeat("a", 64) + "@x.example", strings.Repeat("a", 64) + "@x.example"},
		{"a longer one", colEmail, strings.Repeat("a", 65) + "@x.example", refused("longer than 64 characters")},
		{"the longest label", colEmail, "a@" + strings.Repeat("b", 63) + ".example", "a@" + strings.Repeat("b", 63) + ".example"},
		{"a longer one", colEmail, "a@" + strings.Repeat("b", 64) + ".example", refused("what is behind the @ is no domain")},
		{"too long as a whole", colEmail, "abcdef@" + strings.Repeat(strings.Repeat("b", 60)+".", 4) + "example", refused("it is longer than 254 characters")},
		{"a formula", colEmail, "=cmd|'/c calc'!A1", refused("it has no @")},
		{"ten megabytes", colEmail, mb, refused("characters long; at most 2550 are taken")},

		// What must be one of few, or a number.
		{"a currency in small letters", colCurrency, "eur", refused("write it in capitals, as EUR")},
		{"a currency in letters that look like them", colCurrency, "\u0415UR", refused("is not in ISO 4217")},
		{"a sign", colCurrency, "€", refused("is not in ISO 4217")},
		{"a formula for an amount", colTotal, "=1+1", refused(`"=1+1"`)},
		{"digits of another script", colTotal, "１２.００", refused("has no place in it")},
		{"a number of many digits", colTotal, strings.Repeat("9", 41), refused("is 41 characters long; at most 40 are taken")},
		{"an exponent", colTotal, "1e9", refused("exponents are not read")},
		{"a minus that is none", colTotal, "\u22121", refused("the minus sign must be the hyphen of the keyboard")},
		{"no number at all", colTotal, "NaN", refused("has no place in it")},
		{"a direction mark in an amount", colTotal, "12\u200e", refused(hidden)},
		{"a date with another hyphen", colDueOn, "2026\u201104\u201101", refused("is no date of the form YYYY-MM-DD")},
		{"a date that is none", colDueOn, "2026-02-30", refused("there is no such day")},
		{"a language that is a path", colLanguage, "../../etc/passwd", refused("is no language")},
		{"a language with ten thousand parts", colLanguage, strings.Repeat("en-", 20) + "x", refused("is no language")},
		{"a country that is a word", colCountry, "Netherlands", refused("is no country")},
		{"a zone that is a path", colTimezone, "../../../etc/passwd", refused("is no time zone")},
		{"a zone that begins at the root", colTimezone, "/etc/localtime", refused("is no time zone")},
		{"a zone with a NUL", colTimezone, "UTC\x01", refused(hidden)},
		{"the zone of the machine", colTimezone, "Local", refused("is no time zone")},
		{"a zone with leap seconds", colTimezone, "right/Europe/Amsterdam", refused("is no time zone")},
	} {
		t.Run(row.column+"/"+row.sentence, func(t *testing.T) {
			began := time.Now()
			rows, problems := readText(hostileHeader+"\n"+hostileLine(row.column, row.cell), Options{Policies: []string{"standard"}, Languages: []string{"en"}})
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if words, ok := row.want.(refused); ok {
				at := fmt.Sprintf("list.csv:2: %s: ", row.column)
				if row.cell == mb {
					at = "list.csv: " // it does not end where a line may
					words = "goes on for more than"
				}
				if len(rows) != 0 || len(problems) == 0 || !strings.HasPrefix(problems[0], at) || !strings.Contains(problems[0], string(words)) || len(problems[0]) > 800 {
					t.Errorf("want a refusal at %q that says %q, have %d rows, %.800q", at, words, len(rows), problems)
				}
				return
			}
			if len(problems) > 0 || len(rows) != 1 {
				t.Fatalf("refused: %q", problems)
			}
			d := rows[0].Customer
			got := map[string]string{
				colNumber: rows[0].Number, colCustomerID: d.ID, colStatus: string(rows[0].Status), colName: d.Name,
				colDescription: rows[0].Description, colEmail: strings.Join(append([]string{d.Email}, d.CC...), " "),
			}[row.column]
			if got != row.want {
				t.Errorf("it became %q, want %q", got, row.want)
			}
			if want := (money.Amount{Minor: 1200, Currency: "EUR"}); rows[0].Total != want {
				t.Errorf("the total became %v", rows[0].Total)
			}
		})
	}
}
