package interest

import (
	"fmt"
	"strconv"
	"strings"
)

// Percent is a rate in ten-thousandths of a percent: 8.15 % is 81500.
type Percent int64

// one is one percent.
const one Percent = 10_000

// ParsePercent reads a rate such as 8, 8.15 or -0.88, with at most four
// decimals and with or without a percent sign behind it.
func ParsePercent(text string) (Percent, error) {
	refuse := func(why string) (Percent, error) {
		return 0, fmt.Errorf("%q is no rate: %s; write it like 8.15", text, why)
	}
	s := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	negative := strings.HasPrefix(s, "-")
	whole, fraction, pointed := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	switch {
	case strings.Contains(s, ","):
		return refuse("it has a comma")
	case whole == "" || pointed && fraction == "":
		return refuse("a digit is missing")
	case len(whole) > 4 || len(fraction) > 4:
		return refuse("it has too many digits")
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", 4-len(fraction)), 10, 32)
	if err != nil {
		return refuse("it is not made of digits")
	}
	if negative {
		return -Percent(n), nil
	}
	return Percent(n), nil
}

// String writes the rate without a sign of percent and without needless zeros.
func (p Percent) String() string {
	sign := ""
	if p < 0 {
		sign, p = "-", -p
	}
	s := fmt.Sprintf("%s%d.%04d", sign, p/one, p%one)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
