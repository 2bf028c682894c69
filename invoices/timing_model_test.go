package invoices

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
	_ "time/tzdata"

	"dunning/internal/calendar"
	"dunning/internal/civil"
)

// everything reports whether the timing tests are to try all there is, which
// takes minutes, instead of a sample.
func everything() bool { return os.Getenv("DUNNING_TIMING") == "all" }

// manners is a naive model of when letters may leave. It knows no zone rules,
// no offsets and no instants of days: it looks at the customer's clock minute
// by minute, and at the calendar day by day.
type manners struct {
	loc      *time.Location
	window   Window
	weekdays []time.Weekday
	closed   []civil.Date // holidays
	blackout []Days
}

// policy returns the standard policy with these manners, one step, and links
// that disturb nobody.
func (m *manners) policy(t testing.TB, w When) *Policy {
	t.Helper()
	p := standard()
	c, err := calendar.New(calendar.Options{Workdays: m.weekdays, Add: m.closed})
	if err != nil {
		t.Fatal(err)
	}
	p.Steps = []Step{{Name: "step", When: w, Template: "friendly"}}
	p.Zone, p.Window, p.Calendar, p.Blackout = m.loc, m.window, c, m.blackout
	p.Link.Poll = 1e6 * time.Hour
	return p
}

// works reports whether a date is a working day.
func (m *manners) works(d civil.Date) bool {
	on := false
	for _, w := range m.weekdays {
		on = on || time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday() == w
	}
	for _, c := range m.closed {
		on = on && c != d
	}
	return on
}

// sends reports whether letters may leave on a date.
func (m *manners) sends(d civil.Date) bool {
	for _, b := range m.blackout {
		for x := b.From; !x.After(b.To); x = plus(x, 1) {
			if x == d {
				return false
			}
		}
	}
	return m.works(d)
}

// clock returns what the customer's clock shows: the date, and the minutes
// since midnight.
func (m *manners) clock(t time.Time) (civil.Date, int) {
	t = t.In(m.loc)
	y, month, d := t.Date()
	hour, minute, _ := t.Clock()
	return civil.Date{Year: y, Month: month, Day: d}, hour*60 + minute
}

// open reports whether a letter may leave at an instant: its date is a sending
// date, on which the clock has shown the opening, or a later reading, and has
// not shown the close, or a later one. An hour that the clock shows twice does
// not open or close the day a second time.
func (m *manners) open(t time.Time) bool {
	date, _ := m.clock(t)
	opened, closed := false, false
	for x := t.Truncate(time.Minute); ; x = x.Add(-time.Minute) {
		d, reading := m.clock(x)
		if d != date {
			return opened && !closed && m.sends(date)
		}
		opened = opened || reading >= m.window.From
		closed = closed || reading >= m.window.To
	}
}

// first returns the first minute, on or after a date and not before an instant,
// at which a letter may leave.
func (m *manners) first(d civil.Date, from time.Time) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Add(-15 * time.Hour) // nowhere has the day begun
	var today civil.Date
	sends, opened, closed := false, false, false
	for ; ; t = t.Add(time.Minute) {
		date, reading := m.clock(t)
		if date != today {
			today, sends, opened, closed = date, m.sends(date), false, false
		}
		opened = opened || reading >= m.window.From
		closed = closed || reading >= m.window.To
		if !t.Before(from) && !date.Before(d) && sends && opened && !closed {
			return t
		}
	}
}

// wentBack reports whether the clock showed one reading twice on the date of an
// instant, before it.
func (m *manners) wentBack(t time.Time) bool {
	date, last := m.clock(t)
	for x := t.Add(-time.Minute); ; x = x.Add(-time.Minute) {
		d, reading := m.clock(x)
		switch {
		case d != date:
			return false
		case reading >= last:
			return true
		}
		last = reading
	}
}

// due returns the date on which a step falls due that is counted from a date.
func (m *manners) due(from civil.Date, w When) civil.Date {
	if !w.Working {
		return plus(from, w.Days)
	}
	step, n := 1, w.Days
	if n < 0 {
		step, n = -1, -n
	}
	for n > 0 {
		if from = plus(from, step); m.works(from) {
			n--
		}
	}
	return from
}

// months of a year that is no leap year.
var months = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// plus counts days on the calendar, one by one, as with a finger.
func plus(d civil.Date, n int) civil.Date {
	last := func() int {
		if d.Month == time.February && d.Year%4 == 0 && (d.Year%100 != 0 || d.Year%400 == 0) {
			return 29
		}
		return months[d.Month-1]
	}
	for ; n > 0; n-- {
		if d.Day++; d.Day > last() {
			if d.Day, d.Month = 1, d.Month+1; d.Month > time.December {
				d.Month, d.Year = time.January, d.Year+1
			}
		}
	}
	for ; n < 0; n++ {
		if d.Day--; d.Day < 1 {
			if d.Month--; d.Month < time.January {
				d.Month, d.Year = time.December, d.Year-1
			}
			d.Day = last()
		}
	}
	return d
}

// changes returns the dates between 2024 and 2032 on which the clock of a zone
// is set, give or take a day.
func changes(loc *time.Location) (dates []civil.Date) {
	offset := func(t time.Time) int { _, o := t.In(loc).Zone(); return o }
	for t := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); t.Year() < 2033; t = t.AddDate(0, 0, 1) {
		if offset(t) != offset(t.AddDate(0, 0, 1)) {
			dates = append(dates, civil.Of(t))
		}
	}
	return dates
}

// windows are those whose edges lie where clocks are set, and usual ones.
var windows = []Window{
	{8 * 60, 17 * 60},
	{0, 24 * 60},
	{0, 60},
	{30, 90},
	{90, 17 * 60},
	{2*60 + 30, 17 * 60}, // 02:30, which Brussels skips and doubles
	{60, 2*60 + 30},
	{2*60 + 10, 2*60 + 50},
	{22 * 60, 24 * 60},
	{23*60 + 30, 23*60 + 59},
}

var everyDay = []time.Weekday{0, 1, 2, 3, 4, 5, 6}

var mondayToFriday = everyDay[1:6]

// pick returns one of a list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
