package money

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Parse reads an amount with a decimal point and without grouping: 12.50, -3,
// 1200. It takes no plus sign, no exponent, no spaces, and no more decimals
// than ISO 4217 gives the currency, not even zeros: whoever writes 12.500 may
// mean twelve and a half thousand. The currency is an upper-case ISO 4217 code.
func Parse(decimal, currency string) (Amount, error) {
	return parse(decimal, currency, notation{point: '.'})
}

// ParseComma reads an amount with a decimal comma, grouped by points or not at
// all: 1.234,50 or 1234,50. Otherwise it is as strict as [Parse]; points must
// stand in front of every three digits or nowhere.
func ParseComma(decimal, currency string) (Amount, error) {
	return parse(decimal, currency, notation{point: ',', group: '.'})
}

// ParseGrouped reads an amount with a decimal point, grouped by commas or not
// at all: 1,234.50 or 1234.50. Otherwise it is as strict as [Parse]; commas
// must stand in front of every three digits or nowhere.
func ParseGrouped(decimal, currency string) (Amount, error) {
	return parse(decimal, currency, notation{point: '.', group: ','})
}

// longest is more characters than any amount of 63 bits takes, with leading
// zeros and grouping.
const longest = 40

// notation is a way to write decimal numbers.
type notation struct {
	point byte // between the whole and the fraction
	group byte // between groups of three; 0 if there is none
}

func parse(text, currency string, n notation) (Amount, error) {
	exponent, known := Exponent(currency)
	if !known {
		return Amount{}, unknownCurrency(currency)
	}
	minor, err := n.minorUnits(text, currency, exponent)
	if err != nil {
		return Amount{}, fmt.Errorf("amount %s: %w; write it like %s", quoted(text), err, n.example(exponent))
	}
	return Amount{minor, currency}, nil
}

func (n notation) minorUnits(text, currency string, exponent int) (int64, error) {
	if text == "" {
		return 0, errors.New("it is empty")
	}
	if len(text) > longest {
		return 0, fmt.Errorf("it is longer than %d characters", longest)
	}
	number, negative := strings.CutPrefix(text, "-")
	whole, fraction, pointed := strings.Cut(number, string(n.point))
	whole, err := n.ungrouped(whole)
	if err != nil {
		return 0, err
	}
	switch {
	case !allDigits(whole + fraction):
		return 0, n.stray(text)
	case whole == "":
		return 0, errors.New("a digit must come first")
	case pointed && fraction == "":
		return 0, fmt.Errorf("digits must follow the %q", n.point)
	case len(fraction) > exponent && exponent == 0:
		return 0, fmt.Errorf("%s has no decimals", currency)
	case len(fraction) > exponent:
		return 0, fmt.Errorf("it has %d decimals, %s has %d", len(fraction), currency, exponent)
	}
	minor, err := count(whole + fraction + strings.Repeat("0", exponent-len(fraction)))
	if negative {
		minor = -minor
	}
	return minor, err
}

// ungrouped takes the group separators out of the whole part, if they stand
// where they belong.
func (n notation) ungrouped(whole string) (string, error) {
	if n.group == 0 || strings.IndexByte(whole, n.group) < 0 {
		return whole, nil
	}
	groups := strings.Split(whole, string(n.group))
	for i, g := range groups {
		if i == 0 && (len(g) < 1 || len(g) > 3) || i > 0 && len(g) != 3 {
			return "", fmt.Errorf("%q must separate groups of three digits", n.group)
		}
	}
	return strings.Join(groups, ""), nil
}

// stray says which character has no place in a number, and why, for the ones
// that people do write.
func (n notation) stray(text string) error {
	for i, c := range text {
		switch {
		case c >= '0' && c <= '9', c == '-' && i == 0, c == rune(n.point):
			continue
		case c == ',' && n.group == 0:
			return errors.New("a comma has no place in it: the decimal separator is the point, and digits are not grouped")
		case c == '-':
			return errors.New("the minus sign belongs in front")
		case c == '\u2212':
			return errors.New("the minus sign must be the hyphen of the keyboard")
		case c == '+':
			return errors.New("a plus sign is not written")
		case c == ' ', c == '\u00a0', c == '\u202f', c == '\t':
			return errors.New("it must not contain spaces")
		case c == 'e', c == 'E':
			return errors.New("exponents are not read")
		}
		return fmt.Errorf("%q has no place in it", c)
	}
	return fmt.Errorf("more than one %q", n.point)
}

// count reads digits as a number of at most 63 bits.
func count(digits string) (int64, error) {
	var n int64
	for _, c := range []byte(digits) {
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, ErrTooLarge
		}
		n = n*10 + d
	}
	return n, nil
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// example returns a right way to write an amount with so many decimals.
func (n notation) example(exponent int) string {
	whole := "1234"
	if n.group != 0 {
		whole = "1" + string(n.group) + "234"
	}
	if exponent == 0 {
		return whole
	}
	return whole + string(n.point) + "5" + strings.Repeat("0", exponent-1)
}

func unknownCurrency(currency string) error {
	if upper := strings.ToUpper(currency); upper != currency {
		if _, known := Exponent(upper); known {
			return fmt.Errorf("currency %s: write it in capitals, as %s", quoted(currency), upper)
		}
	}
	if heir, withdrawn := withdrawn[currency]; withdrawn {
		return fmt.Errorf("currency %s is no longer in use; it was replaced by %s", currency, heir)
	}
	return fmt.Errorf("currency %s is not in ISO 4217; write a code of three capitals, such as EUR", quoted(currency))
}

// withdrawn names the heirs of currencies that old bookkeeping may still hold.
var withdrawn = map[string]string{
	"ANG": "XCG", "BGN": "EUR", "BYR": "BYN", "CUC": "CUP", "EEK": "EUR", "HRK": "EUR",
	"LTL": "EUR", "LVL": "EUR", "MRO": "MRU", "SKK": "EUR", "SLL": "SLE", "STD": "STN",
	"VEF": "VES", "ZMK": "ZMW", "ZWL": "ZWG",
}

// quoted returns outside text fit for a message: short and without control
// characters.
func quoted(s string) string {
	if len(s) > longest {
		return fmt.Sprintf("%q...", s[:longest])
	}
	return fmt.Sprintf("%q", s)
}
