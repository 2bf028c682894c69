// Package money holds amounts as whole minor units of one currency (rule R13).
//
// A currency has the number of decimals that ISO 4217 gives it: 1250 is 12.50
// euro, 1250 yen and 1.250 Kuwaiti dinar. Amounts come in as decimal text and
// go out as decimal text; no float is involved anywhere, nothing is rounded,
// and amounts of two currencies never meet in one sum. What does not fit is an
// error and never another number.
package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrCurrencies is what Add, Sub and Compare wrap when the two amounts are of
// different currencies.
var ErrCurrencies = errors.New("amounts of different currencies cannot be taken together")

// ErrTooLarge is what Parse, Add and Sub wrap when an amount has more minor
// units than fit 63 bits.
var ErrTooLarge = errors.New("larger than this program can count")

// Amount is a number of minor units of a currency, both as ISO 4217 defines
// them: {1250, "EUR"} is 12.50 euro. It is comparable with ==. Minor is never
// math.MinInt64, which has no opposite: nothing in this package makes it.
type Amount struct {
	Minor    int64
	Currency string
}

// Exponent returns the number of decimals of a currency by ISO 4217, and
// whether it is a current currency with minor units at all. Codes are upper
// case. Gold, drawing rights and the test codes (XAU, XDR, XTS, XXX …) have no
// minor unit and are not known.
func Exponent(currency string) (digits int, known bool) {
	e, known := exponents[currency]
	return int(e), known
}

// Add returns a + b. It refuses two currencies with [ErrCurrencies] and a sum
// that does not fit with [ErrTooLarge].
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("add %v and %v: %w", a, b, ErrCurrencies)
	}
	sum := a.Minor + b.Minor
	if (sum > a.Minor) != (b.Minor > 0) && b.Minor != 0 || sum == math.MinInt64 {
		return Amount{}, fmt.Errorf("add %v and %v: %w", a, b, ErrTooLarge)
	}
	return Amount{sum, a.Currency}, nil
}

// Sub returns a - b, with the errors of [Amount.Add].
func (a Amount) Sub(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("subtract %v from %v: %w", b, a, ErrCurrencies)
	}
	diff := a.Minor - b.Minor
	if (diff < a.Minor) != (b.Minor > 0) && b.Minor != 0 || diff == math.MinInt64 {
		return Amount{}, fmt.Errorf("subtract %v from %v: %w", b, a, ErrTooLarge)
	}
	return Amount{diff, a.Currency}, nil
}

// Neg returns -a.
func (a Amount) Neg() Amount { return Amount{-a.Minor, a.Currency} }

// IsZero reports whether the amount is nothing, in whatever currency.
func (a Amount) IsZero() bool { return a.Minor == 0 }

// Positive reports whether the amount is more than nothing.
func (a Amount) Positive() bool { return a.Minor > 0 }

// Compare returns -1, 0 or +1 as a is less than, equal to or more than b. Two
// currencies have no order: that is [ErrCurrencies].
func (a Amount) Compare(b Amount) (int, error) {
	switch {
	case a.Currency != b.Currency:
		return 0, fmt.Errorf("compare %v and %v: %w", a, b, ErrCurrencies)
	case a.Minor < b.Minor:
		return -1, nil
	case a.Minor > b.Minor:
		return 1, nil
	}
	return 0, nil
}

// Less reports whether a is less than b, with the error of [Amount.Compare].
func (a Amount) Less(b Amount) (bool, error) {
	c, err := a.Compare(b)
	return c < 0, err
}

// Decimal returns the amount as a decimal number with all decimals of its
// currency and no grouping, as payment systems take it: 12.50, -0.05, and 1200
// for yen. [Parse] reads it back.
//
// An amount whose currency is not known cannot be placed on a decimal point;
// rather than guess, Decimal says "1250 minor units".
func (a Amount) Decimal() string {
	exponent, known := Exponent(a.Currency)
	if !known {
		return strconv.FormatInt(a.Minor, 10) + " minor units"
	}
	whole, fraction := split(a.Minor, exponent)
	var b strings.Builder
	if a.Minor < 0 {
		b.WriteByte('-')
	}
	b.WriteString(whole)
	if fraction != "" {
		b.WriteByte('.')
		b.WriteString(fraction)
	}
	return b.String()
}

// String returns the amount with its currency code, as in EUR 12.50, for logs,
// tables and errors. Letters to customers use [Amount.Format].
func (a Amount) String() string {
	if a.Currency == "" {
		return a.Decimal()
	}
	return a.Currency + " " + a.Decimal()
}

// split returns the digits of |minor| before and after the decimal point.
func split(minor int64, exponent int) (whole, fraction string) {
	magnitude := uint64(minor)
	if minor < 0 {
		magnitude = -magnitude // right for math.MinInt64 too
	}
	digits := strconv.FormatUint(magnitude, 10)
	if missing := exponent + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return digits[:len(digits)-exponent], digits[len(digits)-exponent:]
}
