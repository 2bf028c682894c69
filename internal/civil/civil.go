// Package civil holds calendar dates, which have no time and no zone.
//
// An invoice is due on a day, not at an instant: the day becomes an instant
// only when somebody asks for a time of day in a zone (rule R16). That is done
// by [Date.At] alone, and always in the same way:
//
//	the instant of a wall clock reading is the first instant at which the
//	clock of that zone shows this reading or a later one.
//
// So a reading that the clock skips (02:30 on the night summer time begins)
// means the first instant after the gap, and of a reading that the clock shows
// twice (02:30 on the night it ends) the first one counts. No day loses a
// moment and none has it twice.
package civil

import (
	"cmp"
	"fmt"
	"time"
)

// Date is a day on the proleptic Gregorian calendar. It is comparable with ==
// and can be a map key. The zero Date means no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// Of returns the date that the clock of t's own location shows at t. The zero
// time has no date.
func Of(t time.Time) Date {
	if t.IsZero() {
		return Date{}
	}
	y, m, d := t.Date()
	return Date{y, m, d}
}

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// AddDays returns the date n days after d, or before it if n is negative. No
// date stays no date.
func (d Date) AddDays(n int) Date {
	if d.IsZero() {
		return d
	}
	if day := d.Day + n; day >= 1 && day <= 28 {
		return Date{d.Year, d.Month, day}
	}
	y, m, day := time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC).Date()
	return Date{y, m, day}
}

// DaysSince returns the number of days from o to d: 1 if d is the day after o,
// negative if d is before o. It is 0 if either is no date.
func (d Date) DaysSince(o Date) int {
	if d.IsZero() || o.IsZero() {
		return 0
	}
	return int(d.dayNumber() - o.dayNumber())
}

// Weekday returns the day of the week. No date has none; it answers Sunday.
func (d Date) Weekday() time.Weekday {
	if d.IsZero() {
		return time.Sunday
	}
	return d.midnightUTC().Weekday()
}

// Before reports whether d is an earlier day than o.
func (d Date) Before(o Date) bool { return d.Compare(o) < 0 }

// After reports whether d is a later day than o.
func (d Date) After(o Date) bool { return d.Compare(o) > 0 }

// Compare returns -1, 0 or +1 as d is before, on or after o. No date sorts
// before every date. It suits slices.SortFunc.
func (d Date) Compare(o Date) int {
	return cmp.Or(cmp.Compare(d.Year, o.Year), cmp.Compare(d.Month, o.Month), cmp.Compare(d.Day, o.Day))
}

// String returns the date as 2026-03-16, and the empty string for no date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

const secondsPerDay = 24 * 60 * 60

func (d Date) midnightUTC() time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

func (d Date) dayNumber() int64 { return d.midnightUTC().Unix() / secondsPerDay }
