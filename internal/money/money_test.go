package money

import (
	"bufio"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestR13_DecimalsOfISO4217(t *testing.T) {
	for currency, want := range map[string]int{
		"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "XOF": 0, "UGX": 0,
		"KWD": 3, "BHD": 3, "JOD": 3, "TND": 3, "CLF": 4, "UYW": 4, "UYI": 0,
		// CLDR drops the decimals of these; ISO 4217 does not.
		"HUF": 2, "LAK": 2, "RSD": 2, "IDR": 2, "AFN": 2, "MGA": 2, "PKR": 2,
		// The newest ones.
		"SLE": 2, "VED": 2, "XCG": 2, "ZWG": 2, "XAD": 2,
	} {
		if got, known := Exponent(currency); !known || got != want {
			t.Errorf("%s has %d decimals (known: %v), want %d", currency, got, known, want)
		}
	}
	for why, currency := range map[string]string{
		"gold has no minor unit": "XAU", "no currency is meant": "XXX", "it is a test code": "XTS", "drawing rights have no minor unit": "XDR",
		"the lev ended with 2025": "BGN", "the kuna ended with 2022": "HRK", "codes are upper case": "eur", "it is empty": "",
	} {
		if got, known := Exponent(currency); known {
			t.Errorf("%q is known with %d decimals, but %s", currency, got, why)
		}
	}
	// List one has 178 entries, 13 of which have no minor unit.
	if len(exponents) != 178-13 {
		t.Errorf("the table holds %d currencies, ISO 4217 has 165 with minor units", len(exponents))
	}
}

func TestR13_Parse(t *testing.T) {
	for _, tt := range []struct {
		why            string
		read           func(string, string) (Amount, error)
		text, currency string
		minor          int64
		decimal        string
	}{
		{"an ordinary amount", Parse, "12.50", "EUR", 1250, "12.50"},
		{"whole euros", Parse, "1200", "EUR", 120000, "1200.00"},
		{"one decimal", Parse, "12.5", "EUR", 1250, "12.50"},
		{"a credit", Parse, "-3", "EUR", -300, "-3.00"},
		{"five cents owed to the customer", Parse, "-0.05", "EUR", -5, "-0.05"},
		{"nothing, with a sign", Parse, "-0.00", "EUR", 0, "0.00"},
		{"padded by an old system", Parse, "000012.50", "EUR", 1250, "12.50"},
		{"yen have no decimals", Parse, "1200", "JPY", 1200, "1200"},
		{"dinars have three", Parse, "1.250", "KWD", 1250, "1.250"},
		{"the unidad de fomento has four", Parse, "0.0001", "CLF", 1, "0.0001"},
		{"the largest", Parse, "92233720368547758.07", "EUR", math.MaxInt64, "92233720368547758.07"},
		{"the smallest", Parse, "-92233720368547758.07", "EUR", -math.MaxInt64, "-92233720368547758.07"},
		{"decimal comma, grouped", ParseComma, "1.234,50", "EUR", 123450, "1234.50"},
		{"decimal comma, not grouped", ParseComma, "1234,50", "EUR", 123450, "1234.50"},
		{"decimal comma, whole", ParseComma, "1234", "EUR", 123400, "1234.00"},
		{"points group, whatever an English reader thinks", ParseComma, "1.234", "EUR", 123400, "1234.00"},
		{"millions", ParseComma, "-1.234.567,8", "EUR", -123456780, "-1234567.80"},
		{"decimal point, grouped", ParseGrouped, "1,234.50", "EUR", 123450, "1234.50"},
		{"decimal point, not grouped", ParseGrouped, "1234.50", "EUR", 123450, "1234.50"},
		{"grouped dinars", ParseGrouped, "1,234.500", "KWD", 1234500, "1234.500"},
		{"grouped yen", ParseGrouped, "12,345,678", "JPY", 12345678, "12345678"},
	} {
		got, err := tt.read(tt.text, tt.currency)
		if err != nil {
			t.Errorf("%s: %v", tt.why, err)
			continue
		}
		if want := (Amount{tt.minor, tt.currency}); got != want {
			t.Errorf("%s: %q is %v, want %v", tt.why, tt.text, got, want)
		}
		if got.Decimal() != tt.decimal || got.String() != tt.currency+" "+tt.decimal {
			t.Errorf("%s: written %q and %q, want %q", tt.why, got.Decimal(), got, tt.decimal)
		}
	}
}

func TestR13_ParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		why            string
		read           func(string, string) (Amount, error)
		text, currency string
		says           string
	}{
		{"a thousandth of a euro", Parse, "12.505", "EUR", "it has 3 decimals, EUR has 2; write it like 1234.50"},
		{"12.500 may mean twelve and a half thousand", Parse, "12.500", "EUR", "it has 3 decimals, EUR has 2"},
		{"half a yen", Parse, "12.5", "JPY", "JPY has no decimals; write it like 1234"},
		{"four decimals of a dinar", Parse, "1.2345", "KWD", "KWD has 3; write it like 1234.500"},
		{"a decimal comma", Parse, "12,50", "EUR", "the decimal separator is the point"},
		{"grouping", Parse, "1,234.50", "EUR", "digits are not grouped"},
		{"two points", Parse, "1.234.50", "EUR", `more than one '.'`},
		{"scientific notation", Parse, "1e3", "EUR", "exponents are not read"},
		{"a plus sign", Parse, "+12.50", "EUR", "a plus sign is not written"},
		{"a space in front", Parse, " 12.50", "EUR", "spaces"},
		{"a no-break space", Parse, "1 234", "EUR", "spaces"},
		{"the minus sign behind", Parse, "12.50-", "EUR", "belongs in front"},
		{"two minus signs", Parse, "--1", "EUR", "belongs in front"},
		{"a typographic minus", Parse, "−12.50", "EUR", "hyphen of the keyboard"},
		{"brackets", Parse, "(12.50)", "EUR", `'(' has no place in it`},
		{"the currency within", Parse, "€12.50", "EUR", `'€' has no place in it`},
		{"digits of another script", Parse, "１２", "EUR", "has no place in it"},
		{"not a number", Parse, "NaN", "EUR", `'N' has no place in it`},
		{"hexadecimal", Parse, "0x10", "EUR", `'x' has no place in it`},
		{"underscores", Parse, "1_000", "EUR", `'_' has no place in it`},
		{"a formula", Parse, "=1+1", "EUR", `'=' has no place in it`},
		{"nothing", Parse, "", "EUR", "it is empty"},
		{"only a sign", Parse, "-", "EUR", "a digit must come first"},
		{"only a point", Parse, ".", "EUR", "a digit must come first"},
		{"no whole part", Parse, ".50", "EUR", "a digit must come first"},
		{"no fraction behind the point", Parse, "12.", "EUR", "digits must follow"},
		{"one cent more than fits", Parse, "92233720368547758.08", "EUR", "larger than this program can count"},
		{"one cent less than fits", Parse, "-92233720368547758.08", "EUR", "larger than this program can count"},
		{"it would fit without its cents", Parse, "92233720368547759", "EUR", "larger than this program can count"},
		{"a flood", Parse, strings.Repeat("9", 1<<16), "EUR", "longer than 40 characters"},
		{"groups of two", ParseComma, "12.34,50", "EUR", "groups of three digits; write it like 1.234,50"},
		{"a decimal point where commas are", ParseComma, "12.50", "EUR", "groups of three digits"},
		{"a group of four", ParseComma, "1.2345", "EUR", "groups of three digits"},
		{"an empty group", ParseComma, "1..234", "EUR", "groups of three digits"},
		{"a first group of four", ParseComma, "1234.567,00", "EUR", "groups of three digits"},
		{"a group without a head", ParseComma, ".234,50", "EUR", "groups of three digits"},
		{"grouping in the fraction", ParseComma, "1,234.50", "EUR", "has no place in it"},
		{"two commas", ParseComma, "1,2,3", "EUR", `more than one ','`},
		{"a decimal comma where points are", ParseGrouped, "12,50", "EUR", "groups of three digits; write it like 1,234.50"},
		{"grouping behind the point", ParseGrouped, "1.234,50", "EUR", "has no place in it"},
		{"lower case", Parse, "1", "eur", "write it in capitals, as EUR"},
		{"a currency of the past", Parse, "1", "BGN", "it was replaced by EUR"},
		{"an unknown currency", Parse, "1", "EURO", "not in ISO 4217"},
		{"gold", Parse, "1", "XAU", "not in ISO 4217"},
		{"no currency", Parse, "1", "", "not in ISO 4217"},
		{"a flood for a currency", Parse, "1", strings.Repeat("E", 1<<16), "not in ISO 4217"},
	} {
		got, err := tt.read(tt.text, tt.currency)
		if err == nil {
			t.Errorf("%s: %.40q was read as %v", tt.why, tt.text, got)
			continue
		}
		if got != (Amount{}) {
			t.Errorf("%s: an amount came with the error: %v", tt.why, got)
		}
		if !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 250 {
			t.Errorf("%s: %.40q: error %q does not say %q in short", tt.why, tt.text, err, tt.says)
		}
	}
	if _, err := Parse("99999999999999999999", "EUR"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large an amount: %v does not wrap ErrTooLarge", err)
	}
}

func TestR13_CurrenciesAreNeverAddedUp(t *testing.T) {
	euro, yen := Amount{100, "EUR"}, Amount{100, "JPY"}
	_, errAdd := euro.Add(yen)
	_, errSub := euro.Sub(yen)
	_, errCompare := euro.Compare(yen)
	_, errLess := euro.Less(yen)
	for what, err := range map[string]error{"add": errAdd, "sub": errSub, "compare": errCompare, "less": errLess} {
		if !errors.Is(err, ErrCurrencies) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if want := "add EUR 1.00 and JPY 100: " + ErrCurrencies.Error(); errAdd.Error() != want {
		t.Errorf("the error is %q, want %q", errAdd, want)
	}
}

func TestArithmeticAtTheEnds(t *testing.T) {
	const most = math.MaxInt64
	for _, tt := range []struct {
		why        string
		a, b       int64
		sum, minus int64
		addFails   bool
		subFails   bool
	}{
		{"an ordinary sum", 1250, -250, 1000, 1500, false, false},
		{"nothing", 5, 0, 5, 5, false, false},
		{"the largest, less one", most, 1, 0, most - 1, true, false},
		{"the smallest, and one", -most, 1, -most + 1, 0, false, true},
		{"the largest and the smallest", most, -most, 0, 0, false, true},
		{"twice the smallest", -most, -most, 0, 0, true, false},
		{"it would be the one number without an opposite", -most, -1, 0, -most + 1, true, false},
	} {
		a, b := Amount{tt.a, "EUR"}, Amount{tt.b, "EUR"}
		sum, err := a.Add(b)
		if errors.Is(err, ErrTooLarge) != tt.addFails || err == nil && sum.Minor != tt.sum {
			t.Errorf("%s: %v + %v = %v, %v", tt.why, a, b, sum, err)
		}
		minus, err := a.Sub(b)
		if errors.Is(err, ErrTooLarge) != tt.subFails || err == nil && minus.Minor != tt.minus {
			t.Errorf("%s: %v - %v = %v, %v", tt.why, a, b, minus, err)
		}
	}
}

func TestSumsAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		amount := rapid.Custom(func(rt *rapid.T) Amount {
			return Amount{rapid.Int64Range(-math.MaxInt64, math.MaxInt64).Draw(rt, "minor"), "EUR"}
		})
		a, b := amount.Draw(rt, "a"), amount.Draw(rt, "b")
		sum, err := a.Add(b)
		if err == nil {
			if back, err := sum.Sub(b); err != nil || back != a {
				rt.Fatalf("%v + %v = %v, less %v is %v, %v", a, b, sum, b, back, err)
			}
		} else if f := float64(a.Minor) + float64(b.Minor); math.Abs(f) < math.MaxInt64/2 {
			rt.Fatalf("%v + %v: %v", a, b, err)
		}
		diff, err := a.Sub(b)
		if err == nil {
			if less, _ := a.Less(b); less != (diff.Minor < 0) || diff.Positive() == less && !diff.IsZero() {
				rt.Fatalf("%v - %v = %v, less: %v", a, b, diff, less)
			}
			if other, err := b.Sub(a); err != nil || other != diff.Neg() {
				rt.Fatalf("%v - %v = %v, the other way round %v, %v", a, b, diff, other, err)
			}
		}
	})
}

func TestR13_AnUnknownCurrencyIsNotGuessed(t *testing.T) {
	for _, tt := range []struct {
		amount Amount
		want   string
	}{
		{Amount{1250, "XYZ"}, "XYZ 1250 minor units"},
		{Amount{}, "0 minor units"},
	} {
		if got := tt.amount.String(); got != tt.want {
			t.Errorf("written %q, want %q", got, tt.want)
		}
		if got := tt.amount.Format("en"); got != tt.want {
			t.Errorf("formatted %q, want %q", got, tt.want)
		}
	}
	if got := (Amount{math.MinInt64, "EUR"}).Decimal(); got != "-92233720368547758.08" {
		t.Errorf("the smallest number is written %s", got)
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		why      string
		amount   Amount
		language string
		want     string
	}{
		{"English", Amount{125000, "EUR"}, "en", "€1,250.00"},
		{"English, negative", Amount{-125000, "EUR"}, "en", "-€1,250.00"},
		{"Dutch", Amount{125000, "EUR"}, "nl", "€\u00a01.250,00"},
		{"Dutch, negative", Amount{-125000, "EUR"}, "nl", "€\u00a0-1.250,00"},
		{"German", Amount{125000, "EUR"}, "de", "1.250,00\u00a0€"},
		{"German, negative", Amount{-125000, "EUR"}, "de", "-1.250,00\u00a0€"},
		{"Flemish reads as Dutch", Amount{125000, "EUR"}, "nl-BE", "€\u00a01.250,00"},
		{"an underscore will do", Amount{125000, "EUR"}, "de_CH", "1.250,00\u00a0€"},
		{"so will capitals", Amount{125000, "EUR"}, "NL", "€\u00a01.250,00"},
		{"and the name of a Unix locale", Amount{125000, "EUR"}, "nl_NL.UTF-8", "€\u00a01.250,00"},
		{"a language without a table reads as English", Amount{125000, "EUR"}, "fr", "€1,250.00"},
		{"none too", Amount{125000, "EUR"}, "", "€1,250.00"},
		{"a code in place of a symbol keeps its distance", Amount{125000, "CHF"}, "en", "CHF\u00a01,250.00"},
		{"yen", Amount{1250000, "JPY"}, "en", "¥1,250,000"},
		{"dinars", Amount{1250, "KWD"}, "nl", "KWD\u00a01,250"},
		{"forints keep the decimals that CLDR drops", Amount{125000, "HUF"}, "de", "1.250,00\u00a0HUF"},
		{"a cent", Amount{1, "EUR"}, "nl", "€\u00a00,01"},
		{"three digits need no grouping", Amount{99999, "EUR"}, "nl", "€\u00a0999,99"},
		{"four do", Amount{100000, "EUR"}, "nl", "€\u00a01.000,00"},
	} {
		if diff := cmp.Diff(tt.want, tt.amount.Format(tt.language)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
	}
}

// TestFormatAgreesWithCLDR compares every currency in every language with what
// Node's Intl writes; gen/locale.js made the file.
func TestFormatAgreesWithCLDR(t *testing.T) {
	f, err := os.Open("testdata/golden.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		field := strings.Split(lines.Text(), ";")
		if len(field) != 4 {
			t.Fatalf("the golden file has a line %q", lines.Text())
		}
		if field[0] == "language" {
			continue
		}
		minor, err := strconv.ParseInt(field[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seen[field[0]+field[1]] = true
		if got := (Amount{minor, field[1]}).Format(field[0]); got != field[3] {
			t.Errorf("%s %d in %s: %q, want %q", field[1], minor, field[0], got, field[3])
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if want := len(exponents) * len(locales); len(seen) != want {
		t.Errorf("the golden file covers %d pairs of language and currency, want %d", len(seen), want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"12.50", "-3", "1200", "1.234,50", "1,234.50", "", "-", ".", "-0.05", "92233720368547758.07", "92233720368547758.08", "1e9", "１２", "1.234.567,8"} {
		f.Add(s, "EUR")
		f.Add(s, "JPY")
		f.Add(s, "CLF")
	}
	f.Add("1", "eur")
	f.Add("\u202e1\x1b[2J\u2212", "EUR")
	f.Add("1", "\x1b[2J\xff")
	f.Fuzz(func(t *testing.T, s, currency string) {
		for _, read := range []func(string, string) (Amount, error){Parse, ParseComma, ParseGrouped} {
			a, err := read(s, currency)
			if err != nil {
				if text := err.Error(); a != (Amount{}) || len(text) > 600 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q of %q: %v and the error %q", s, currency, a, text)
				}
				continue
			}
			if _, known := Exponent(currency); !known || a.Currency != currency || a.Positive() && strings.HasPrefix(s, "-") {
				t.Errorf("%q of %q is read as %v", s, currency, a)
			}
			back, err := Parse(a.Decimal(), currency)
			if err != nil || back != a {
				t.Errorf("%q is %v and reads back as %v, %v", s, a, back, err)
			}
			if a.Minor == math.MinInt64 {
				t.Errorf("%q has no opposite", s)
			}
			// What people read is read back too, without the symbol.
			keep := func(r rune) rune {
				if r >= '0' && r <= '9' || r == ',' || r == '.' || r == '-' {
					return r
				}
				return -1
			}
			if currency == "EUR" {
				if shown, err := ParseGrouped(strings.Map(keep, a.Format("en")), currency); err != nil || shown != a {
					t.Errorf("%v is shown as %s, which reads %v, %v", a, a.Format("en"), shown, err)
				}
				if shown, err := ParseComma(strings.Map(keep, a.Format("nl")), currency); err != nil || shown != a {
					t.Errorf("%v is shown as %s, which reads %v, %v", a, a.Format("nl"), shown, err)
				}
			}
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	a := Amount{123456789, "EUR"}
	b.ReportAllocs()
	for b.Loop() {
		a.Format("nl")
	}
}
