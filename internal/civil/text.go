package civil

import (
	"fmt"
	"time"
)

// firstYear is the first whole year of the Gregorian calendar, before which ISO
// 8601 asks for an agreement. Dates such as 0001-01-01 mean that a program had
// none.
const firstYear = 1583

// Parse reads a date written as 2026-03-16: four digits, two and two, from the
// year 1583 on. Everything else is refused with an error that says why, for a
// guess between day and month would move a due date by months.
func Parse(s string) (Date, error) {
	if len(s) != len(time.DateOnly) || s[4] != '-' || s[7] != '-' {
		return Date{}, malformed(s)
	}
	year, ok1 := number(s[:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:])
	if !ok1 || !ok2 || !ok3 {
		return Date{}, malformed(s)
	}
	switch {
	case year < firstYear:
		return Date{}, fmt.Errorf("date %q: the calendar begins in %d; write year-month-day, such as 2026-03-16", s, firstYear)
	case month < 1 || month > 12:
		return Date{}, fmt.Errorf("date %q: there is no month %02d; write year-month-day, such as 2026-03-16", s, month)
	}
	d := Date{year, time.Month(month), day}
	if last := lastDay(d.Year, d.Month); day < 1 || day > last {
		return Date{}, fmt.Errorf("date %q: %s %d has the days 01 to %d; write year-month-day, such as 2026-03-16", s, d.Month, year, last)
	}
	return d, nil
}

// MarshalText writes the date as [Date.String] does; no date is empty.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [Parse] reads; empty text is no date.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = read
	return nil
}

func malformed(s string) error {
	const most = 40 // of hostile input, enough to recognise it by
	if len(s) > most {
		s = s[:most] + "..."
	}
	return fmt.Errorf("date %q: write year-month-day, such as 2026-03-16", s)
}

// number reads decimal digits and nothing else.
func number(digits string) (n int, ok bool) {
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// lastDay returns the number of days of a month.
func lastDay(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
