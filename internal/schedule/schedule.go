// Package schedule wakes jobs by cron lines, without skipping or doubling a day
// when the clock changes (rule R16).
//
// A cron line names readings of the wall clock. Twice a year that clock jumps,
// and people expect two different things from one notation:
//
//   - A line that names hours ("30 2 * * *", "*/10 8-17 * * mon-fri", "0 */2 *
//   - *") means times of day. Each reading it names happens exactly once on
//     each day it names: at the first of two, if the clock shows the reading
//     twice; and if the clock skips it, at the first instant after the gap,
//     where all readings that were skipped fall together into one run.
//   - A line whose hour field allows every hour ("*/15 * * * *", "7 * * * *",
//     "@hourly") means an interval. It runs whenever the clock shows a reading
//     it names, so it goes on evenly in real time: in the doubled hour as in
//     any other, and nothing is made up for an hour that never was.
//   - "@every 90m" knows no wall clock. It runs at the whole multiples of its
//     duration since 1970 in UTC, so that all replicas, and the same one after
//     a restart, run at the same instants.
//
// The [Runner] carries the jobs: cron only wakes them, and what they missed
// while nobody ran they find when they start.
package schedule

import (
	"math/bits"
	"time"
	_ "time/tzdata" // a container without zone files must not run on UTC

	"dunning/internal/civil"
)

// Schedule is a parsed cron line in a time zone. It is immutable and safe for
// concurrent use; it implements the Schedule interface of robfig/cron.
type Schedule struct {
	spec  string
	loc   *time.Location
	rule  rule
	every time.Duration // the interval of "@every", else 0
	day   days
	hour  uint64 // bit h: at hour h
	min   uint64 // bit m: at minute m
}

// rule says how readings of the wall clock become instants.
type rule int

const (
	timesOfDay rule = iota // each reading once a day
	interval               // whenever the clock shows it
)

// days are the dates a cron line names: those in its months on which both day
// fields hold; if neither of the two is "*", on which either holds.
type days struct {
	month, date, weekday uint64 // bit n: month, day of the month, time.Weekday n
	either               bool
}

// horizon is how far Next looks: 29 February is at most 8 years away (1896 and
// 2096 are followed by 1904 and 2104).
const horizon = 9 * 366

// String returns the cron line as it was written.
func (s *Schedule) String() string { return s.spec }

// Next returns the first instant after the given one at which the schedule
// runs, in the schedule's zone. The package comment says which rule applies.
// Within a few centuries of now there always is one; otherwise Next returns the
// zero time.
func (s *Schedule) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		step := int64(s.every / time.Second)
		done := floorDiv(after.Unix(), step)
		return time.Unix((done+1)*step, 0).In(s.loc)
	case s.rule == interval:
		return s.nextShown(after)
	}
	return s.nextReading(after)
}

// nextReading serves lines that mean times of day. The instant of a reading
// never comes before that of an earlier reading, and all readings up to what
// the clock shows now are past; so the first one beyond whose instant has not
// come yet is next. Only within a doubled hour that is not the very first.
func (s *Schedule) nextReading(after time.Time) time.Time {
	reading := wall(after.In(s.loc)).Truncate(time.Minute).Add(time.Minute)
	for {
		var found bool
		if reading, found = s.reading(reading); !found {
			return time.Time{}
		}
		if at := civil.FirstReading(reading, s.loc); at.After(after) {
			return at
		}
		reading = reading.Add(time.Minute)
	}
}

// nextShown serves lines that mean an interval: it walks over the stretches of
// constant offset from UTC and looks for a reading that falls inside one.
func (s *Schedule) nextShown(after time.Time) time.Time {
	t := after.Add(1).In(s.loc)
	limit := after.AddDate(0, 0, horizon)
	for t.Before(limit) {
		reading := wall(t).Add(time.Minute - 1).Truncate(time.Minute)
		reading, found := s.reading(reading)
		if !found {
			break
		}
		at := t.Add(reading.Sub(wall(t)))
		end, ends := civil.StretchEnd(t)
		if !ends || at.Before(end) {
			return at.Round(0)
		}
		t = end
	}
	return time.Time{}
}

// reading returns the first reading at or after the given one that the line
// names. Readings are written as times in UTC, where every day has 24 hours.
func (s *Schedule) reading(from time.Time) (time.Time, bool) {
	y, m, d := from.Date()
	hour, minute := from.Hour(), from.Minute()
	for range horizon {
		day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		if s.day.includes(day) {
			if h, m, found := s.timeOfDay(hour, minute); found {
				return day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute), true
			}
		}
		d, hour, minute = d+1, 0, 0
	}
	return time.Time{}, false
}

// timeOfDay returns the first time of day at or after the given one.
func (s *Schedule) timeOfDay(hour, minute int) (h, m int, found bool) {
	if s.hour>>hour&1 == 1 {
		if m := from(s.min, minute); m < 60 {
			return hour, m, true
		}
	}
	h = from(s.hour, hour+1)
	return h, from(s.min, 0), h < 24
}

// from returns the lowest bit of set that is not below n, and 64 if there is
// none.
func from(set uint64, n int) int { return bits.TrailingZeros64(set >> n << n) }

func (d days) includes(day time.Time) bool {
	if d.month>>day.Month()&1 == 0 {
		return false
	}
	date, weekday := d.date>>day.Day()&1 == 1, d.weekday>>day.Weekday()&1 == 1
	if d.either {
		return date || weekday
	}
	return date && weekday
}

// possible reports whether any date is included in the course of the years.
func (d days) possible() bool {
	if d.either && d.weekday != 0 {
		return d.month != 0
	}
	for m := time.January; m <= time.December; m++ {
		last := time.Date(2024, m+1, 0, 0, 0, 0, 0, time.UTC).Day() // a leap year
		if d.month>>m&1 == 1 && from(d.date, 1) <= last {
			return true
		}
	}
	return false
}

// wall returns what the clock of t's location shows at t, as a time in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
