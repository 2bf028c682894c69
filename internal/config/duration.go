package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dunning/internal/period"
)

// Durations for people are a number and a unit: 14 days, 26 hours. A bare
// number is refused, because nobody can tell its unit (R24).
var durationForm = regexp.MustCompile(`^([0-9]{1,6}) (second|minute|hour|day|week)s?$`)

// spell reads a duration for people.
func spell(text string) (period.Period, bool) {
	m := durationForm.FindStringSubmatch(strings.Join(strings.Fields(text), " "))
	if m == nil {
		return period.Period{}, false
	}
	v, err := strconv.Atoi(m[1])
	if err != nil {
		return period.Period{}, false
	}
	switch m[2] {
	case "second":
		return period.Period{Seconds: v}, true
	case "minute":
		return period.Period{Minutes: v}, true
	case "hour":
		return period.Period{Hours: v}, true
	case "week":
		return period.Period{Days: 7 * v}, true
	}
	return period.Period{Days: v}, true
}

// lasting is how long a period lasts, months counted as those of 2026, which
// begins with one of the longest. It serves to compare periods.
func lasting(p period.Period) time.Duration {
	t := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	return p.AddTo(t).Sub(t)
}

var (
	loneNumber = regexp.MustCompile(`^[+-]?([0-9]+)$`)
	shortUnit  = regexp.MustCompile(`(?i)^([0-9]+) ?(s|sec|m|min|h|hr|d|w|wk)s?\.?$`)
	unitNames  = map[string]string{"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour", "d": "day", "w": "week", "wk": "week"}
)

// unclear says what is wrong with a duration, and how to write what was
// probably meant.
func (s scalar) unclear(example string) {
	if m := loneNumber.FindStringSubmatch(s.text); m != nil && s.text == s.written {
		_, unit, _ := strings.Cut(example, " ")
		s.refuse("has no unit; write it like %q", count(m[1], strings.TrimSuffix(unit, "s")))
		return
	}
	if m := shortUnit.FindStringSubmatch(s.text); m != nil && s.text == s.written {
		s.refuse("is too short to be sure of; write %q", count(m[1], unitNames[strings.ToLower(m[2])]))
		return
	}
	s.refuse("is not a duration; write it like %q", example)
}

// count puts a number before a unit: 1 day, 2 days.
func count(number, unit string) string {
	if number == "1" {
		return "1 " + unit
	}
	return number + " " + unit + "s"
}

// say writes a duration for people, in the largest unit that fits.
func say(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if d >= u.size && d%u.size == 0 {
			return count(strconv.FormatInt(int64(d/u.size), 10), u.name)
		}
	}
	return count(strconv.FormatInt(int64(d/time.Second), 10), "second")
}

// duration reads a duration for people as time that passes: a day is 24 hours.
func (n node) duration(low, high, otherwise time.Duration) time.Duration {
	n.shape.takesDuration(say(otherwise), `(second|minute|hour|day|week)s?`)
	v := otherwise
	if s := n.scalar(); s.ok {
		p, clear := spell(s.text)
		switch d := time.Duration(p.Days)*24*time.Hour + time.Duration(p.Hours)*time.Hour + time.Duration(p.Minutes)*time.Minute + time.Duration(p.Seconds)*time.Second; {
		case !clear:
			s.unclear(say(max(otherwise, low)))
		case d < low || d > high:
			s.refuse("is out of bounds; write something from %s to %s", say(low), say(high))
		default:
			v = d
		}
	}
	n.is(v.String())
	return v
}

// days reads a number of days on the calendar.
func (n node) days(low, high, otherwise int) int {
	n.shape.takesDuration(count(strconv.Itoa(otherwise), "day"), `(day|week)s?`)
	v := otherwise
	if s := n.scalar(); s.ok {
		p, clear := spell(s.text)
		switch {
		case !clear:
			s.unclear(count(strconv.Itoa(max(otherwise, low)), "day"))
		case p.Hours+p.Minutes+p.Seconds > 0:
			s.refuse("is not a number of days; write it like %q", count(strconv.Itoa(max(otherwise, low)), "day"))
		case p.Days < low || p.Days > high:
			s.refuse("is out of bounds; write something from %s to %s", count(strconv.Itoa(low), "day"), count(strconv.Itoa(high), "day"))
		default:
			v = p.Days
		}
	}
	n.is(fmt.Sprint(v, " days"))
	return v
}

var workingForm = regexp.MustCompile(`^([0-9]{1,4}) working days?$`)

// workingDays reads a number of working days.
func (n node) workingDays(low, high, otherwise int) int {
	n.shape.takesDuration(count(strconv.Itoa(otherwise), "working day"), `working days?`)
	v := otherwise
	if s := n.scalar(); s.ok {
		m := workingForm.FindStringSubmatch(strings.Join(strings.Fields(s.text), " "))
		given := -1
		if m != nil {
			given, _ = strconv.Atoi(m[1]) // four digits
		}
		switch {
		case m == nil:
			s.refuse("is not a number of working days; write it like %q", strconv.Itoa(otherwise)+" working days")
		case given < low || given > high:
			s.refuse("is out of bounds; write something from %s to %d working days", count(strconv.Itoa(low), "working day"), high)
		default:
			v = given
		}
	}
	n.is(fmt.Sprint(v, " working days"))
	return v
}

// span reads a duration for people as one that is counted on the calendar.
func (n node) span(high time.Duration, otherwise period.Period) period.Period {
	n.shape.takesDuration(say(lasting(otherwise)), `(second|minute|hour|day|week)s?`)
	v := otherwise
	if s := n.scalar(); s.ok {
		p, clear := spell(s.text)
		switch {
		case !clear:
			s.unclear(say(lasting(otherwise)))
		case lasting(p) > high:
			s.refuse("is too long; write at most %s", say(high))
		default:
			v = p
		}
	}
	n.is(v.String())
	return v
}

// life reads how long a payment link works, in ISO 8601, because that is what
// Cost+ takes. It is false if the setting is absent or not right.
func (n node) life() (period.Period, bool) {
	n.shape.takes("type", "string", "pattern", `^P[0-9TYMWDHS]+$|`+anyReference)
	s := n.scalar()
	if !s.ok {
		return period.Period{}, false
	}
	if p, clear := spell(s.text); clear && s.text == s.written {
		s.refuse("is written for people, and Cost+ takes ISO 8601; write %s", p)
		return period.Period{}, false
	}
	p, err := period.Parse(s.text)
	switch {
	case err != nil:
		s.reject(err, "P30D")
		return period.Period{}, false
	case lasting(p) < time.Hour || lasting(p) > 366*24*time.Hour:
		s.refuse("is out of bounds; a link works from one hour (PT1H) to one year (P1Y)")
		return period.Period{}, false
	}
	return p, true
}
