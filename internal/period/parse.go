package period

import (
	"errors"
	"fmt"
	"strings"
)

// Limit is the largest number of one unit that [Parse] accepts; weeks count as
// days.
const Limit = 9999

// units are the designators in the order ISO 8601 asks for, "T" between the
// calendar and the clock.
const units = "YMDTHMS"

// Parse reads an ISO 8601 duration, such as P30D, P2W, P1M, PT36H or
// P1Y2M3DT4H5M6S. Numbers are whole and unsigned, units stand in this order and
// at most once, and letters are capitals. Weeks stand alone, as ISO 8601 has
// it, and are kept as 7 days each. P0D is a period; P is none.
func Parse(s string) (Period, error) {
	p, err := parse(s)
	if err != nil {
		if len(s) > 40 {
			s = s[:40] + "..."
		}
		return Period{}, fmt.Errorf("duration %q: %w; write it like P30D (30 days), P2W, P1M, PT36H or P1DT12H", s, err)
	}
	return p, nil
}

func parse(s string) (Period, error) {
	const most = 64 // longer than the longest right one
	switch {
	case s == "":
		return Period{}, errors.New("it is empty")
	case len(s) > most:
		return Period{}, fmt.Errorf("it is longer than %d characters", most)
	case s[0] == '-' || s[0] == '+':
		return Period{}, errors.New("it must not have a sign")
	case s[0] != 'P':
		return Period{}, errors.New("it must begin with a capital P")
	case s == "P":
		return Period{}, errors.New("a number and a unit must follow the P")
	}
	if strings.Contains(s, "W") {
		return parseWeeks(s[1:])
	}
	return parseUnits(s[1:])
}

func parseWeeks(s string) (Period, error) {
	n, unit, rest, err := component(s)
	switch {
	case err != nil:
		return Period{}, err
	case unit != 'W' || rest != "":
		return Period{}, errors.New("weeks cannot be mixed with other units")
	case n*7 > Limit:
		return Period{}, fmt.Errorf("more than %d weeks", Limit/7)
	}
	return Period{Days: 7 * n}, nil
}

func parseUnits(s string) (Period, error) {
	var p Period
	fields := [...]*int{&p.Years, &p.Months, &p.Days, nil, &p.Hours, &p.Minutes, &p.Seconds}
	next, clock := 0, 3 // indices into units
	for s != "" {
		if s[0] == 'T' {
			switch {
			case next > clock:
				return Period{}, errors.New("more than one T")
			case len(s) == 1:
				return Period{}, errors.New("hours, minutes or seconds must follow the T")
			}
			next, s = clock+1, s[1:]
			continue
		}
		n, unit, rest, err := component(s)
		if err != nil {
			return Period{}, err
		}
		at := strings.IndexByte(units[next:], unit)
		if next <= clock && at >= clock-next {
			return Period{}, fmt.Errorf("a T must stand before %c", unit)
		}
		if at < 0 {
			return Period{}, misplaced(unit, next > clock)
		}
		*fields[next+at] = n
		next, s = next+at+1, rest
	}
	return p, nil
}

// misplaced says what is wrong with a unit that has no place any more.
func misplaced(unit byte, clock bool) error {
	switch {
	case clock && (unit == 'Y' || unit == 'D'):
		return fmt.Errorf("%c must stand before the T", unit)
	case strings.IndexByte(units, unit) >= 0:
		return fmt.Errorf("%c comes twice or out of order; the order is Y, M, D, T, H, M, S", unit)
	case strings.IndexByte("ymdwths", unit) >= 0:
		return fmt.Errorf("%c must be a capital", unit)
	}
	return fmt.Errorf("%q is not a unit", unit)
}

// component cuts a whole number and its unit off s.
func component(s string) (n int, unit byte, rest string, err error) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
		if n > Limit {
			return 0, 0, "", fmt.Errorf("a number is larger than %d", Limit)
		}
	}
	switch {
	case i == len(s):
		return 0, 0, "", fmt.Errorf("a unit must follow the number %s", s)
	case s[i] == '.' || s[i] == ',':
		return 0, 0, "", errors.New("fractions are not read")
	case s[i] == '-' || s[i] == '+':
		return 0, 0, "", errors.New("numbers must not have a sign")
	case i == 0:
		return 0, 0, "", fmt.Errorf("a number must stand before %q", s[i])
	}
	return n, s[i], s[i+1:], nil
}

// MarshalText writes the period as [Period.String] does.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what [Parse] reads.
func (p *Period) UnmarshalText(text []byte) error {
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*p = read
	return nil
}
