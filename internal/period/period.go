// Package period holds durations as ISO 8601 writes them: P30D, PT36H, P1Y2M.
//
// A month is not a number of days and a day is not a number of hours, so a
// period is no time.Duration: it becomes an instant only when it is counted
// from one, on the calendar and the clock of a zone (rule R16). The lifetime
// of a payment link is such a period.
package period

import (
	"strconv"
	"strings"
	"time"

	"dunning/internal/civil"
)

// Period is a duration in calendar and clock units, none of them negative. The
// zero Period is no time at all. It is comparable with ==, which tells P1Y from
// P12M; [Period.Equal] does not.
type Period struct {
	Years, Months, Days, Hours, Minutes, Seconds int
}

// IsZero reports whether the period is no time at all, as P0D is.
func (p Period) IsZero() bool { return p == Period{} }

// Equal reports whether p and q last equally long wherever they are counted
// from, at 24 hours a day: P30D equals PT720H and P1Y equals P12M, but no
// number of months equals a number of days.
func (p Period) Equal(q Period) bool {
	return p.months() == q.months() && p.seconds() == q.seconds()
}

// AddTo returns the instant one period after t, in t's location. Years and
// months are counted first, on the calendar; a day that the month reached does
// not have becomes its last day (31 January + P1M = 28 or 29 February). Then
// days are counted on the calendar, keeping the time of day. If the clock skips
// that time of day, it is the first instant after the gap; if it shows it
// twice, the first of the two. Last, hours, minutes and seconds are counted as
// time that really passes.
func (p Period) AddTo(t time.Time) time.Time { return p.from(t, +1) }

// SubFrom returns the instant one period before t, in t's location. It counts
// like [Period.AddTo], in the same order: 31 March - P1M = 28 or 29 February.
func (p Period) SubFrom(t time.Time) time.Time { return p.from(t, -1) }

func (p Period) from(t time.Time, sign int) time.Time {
	if p.Years != 0 || p.Months != 0 || p.Days != 0 {
		y, m, d := t.Date()
		first := time.Date(y, m+time.Month(sign*p.months()), 1, 0, 0, 0, 0, time.UTC)
		d = min(d, first.AddDate(0, 1, -1).Day())
		reading := time.Date(first.Year(), first.Month(), d+sign*p.Days, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
		t = civil.FirstReading(reading, t.Location())
	}
	clock := time.Duration(p.Hours)*time.Hour + time.Duration(p.Minutes)*time.Minute + time.Duration(p.Seconds)*time.Second
	return t.Add(time.Duration(sign) * clock)
}

// String returns the period in its shortest ISO 8601 form, without weeks; no
// time at all is P0D. [Parse] reads it back.
func (p Period) String() string {
	if p.IsZero() {
		return "P0D"
	}
	var b strings.Builder
	b.WriteByte('P')
	write := func(n int, unit byte) {
		if n != 0 {
			b.WriteString(strconv.Itoa(n))
			b.WriteByte(unit)
		}
	}
	write(p.Years, 'Y')
	write(p.Months, 'M')
	write(p.Days, 'D')
	if p.Hours != 0 || p.Minutes != 0 || p.Seconds != 0 {
		b.WriteByte('T')
	}
	write(p.Hours, 'H')
	write(p.Minutes, 'M')
	write(p.Seconds, 'S')
	return b.String()
}

// months returns the calendar part that is counted in months.
func (p Period) months() int { return 12*p.Years + p.Months }

// seconds returns all that is not months, at 24 hours a day.
func (p Period) seconds() int { return ((p.Days*24+p.Hours)*60+p.Minutes)*60 + p.Seconds }
