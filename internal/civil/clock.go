package civil

import "time"

// At returns the instant at which the clock in loc shows the given hour and
// minute on d: the first of two if it shows them twice, and the first instant
// after the gap if it skips them. A whole day that a zone skipped, such as
// 2011-12-30 in Samoa, is a gap like any other. Hour 24 is the end of the day.
// No date has no instant; it answers the zero time.
func (d Date) At(hour, minute int, loc *time.Location) time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return FirstReading(time.Date(d.Year, d.Month, d.Day, hour, minute, 0, 0, time.UTC), loc)
}

// Start returns the first instant of d in loc. That is not always midnight:
// where summer time begins at midnight, as in Beirut, the day starts at 01:00.
func (d Date) Start(loc *time.Location) time.Time { return d.At(0, 0, loc) }

// FirstReading returns the first instant at which the clock in loc shows the
// wall clock reading of wall (whose own location is ignored) or a later one.
//
// time.Date makes no promise which instant it returns for a reading that is
// skipped or repeated, hence this walk over the stretches of constant offset.
// No offset from UTC reaches a day, so the walk may begin one day early.
func FirstReading(wall time.Time, loc *time.Location) time.Time {
	reading := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), time.UTC)
	t := reading.Add(-24 * time.Hour).In(loc)
	for {
		_, offset := t.Zone()
		at := reading.Add(-time.Duration(offset) * time.Second).In(loc)
		if !at.After(t) {
			return t
		}
		end, ends := StretchEnd(t)
		if !ends || at.Before(end) {
			return at
		}
		t = end
	}
}

// StretchEnd returns an instant after t up to which the offset from UTC stays
// as it is at t, or false if it never changes again.
//
// On the last day of a leap year beyond the tabulated ones, ZoneBounds returns
// an end that has passed already, because it takes every year for 365 days. No
// zone changes its clock then; an hour more is safe, and gets us on.
func StretchEnd(t time.Time) (end time.Time, ends bool) {
	_, end = t.ZoneBounds()
	switch {
	case end.IsZero():
		return end, false
	case !end.After(t):
		end = t.Add(time.Hour)
	}
	return end.In(t.Location()), true
}
