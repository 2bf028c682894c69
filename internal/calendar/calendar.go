// Package calendar knows on which days people work (rule R17).
//
// A calendar is the days of the week, minus the public holidays of a country,
// plus and minus single dates that finance names. It is worked out once, when
// it is made, and never changes, so that any number of workers may ask it at
// any speed. Holidays are known for the years 2000 to 2099; outside of them
// only the days of the week count.
package calendar

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"dunning/internal/civil"
)

// Options say what a calendar is made of. The zero Options are Monday to
// Friday without holidays.
type Options struct {
	// Workdays are the days of the week on which people work; none means
	// Monday to Friday.
	Workdays []time.Weekday
	// Country names the public holidays: one of [Countries], "ecb" for the
	// closing days of TARGET2, the payment system of the euro, or "" for none.
	Country string
	// Add are dates on which people do not work, besides the holidays.
	Add []civil.Date
	// Remove are holidays of the country on which people do work.
	Remove []civil.Date
}

// Calendar tells working days from others. It is safe for concurrent use. A
// nil Calendar is Monday to Friday without holidays.
type Calendar struct {
	workdays week
	holidays map[civil.Date]string // name by date
}

// week says for each time.Weekday whether people work.
type week [7]bool

var mondayToFriday = week{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true}

// New makes a calendar. It refuses a country it does not know, a weekday that
// does not exist, and dates to add and remove that contradict each other or
// the holidays; the error names all of them.
func New(o Options) (*Calendar, error) {
	var problems []error
	c := &Calendar{workdays: mondayToFriday}
	if len(o.Workdays) > 0 {
		c.workdays = week{}
	}
	for _, d := range o.Workdays {
		if d < time.Sunday || d > time.Saturday {
			problems = append(problems, fmt.Errorf("there is no weekday number %d; 0 is Sunday and 6 is Saturday", int(d)))
			continue
		}
		c.workdays[d] = true
	}
	var known bool
	if c.holidays, known = holidaysOf(o.Country); !known {
		problems = append(problems, fmt.Errorf("no holidays are known for %.20q; known are %s; or leave it empty and add dates", o.Country, strings.Join(Countries(), ", ")))
	}
	for _, d := range o.Remove {
		if _, holiday := c.holidays[d]; !holiday && known {
			problems = append(problems, fmt.Errorf("%v cannot be removed: it is no holiday here", d))
		}
		delete(c.holidays, d)
	}
	for _, d := range o.Add {
		if d.IsZero() {
			problems = append(problems, errors.New("an added date is empty"))
			continue
		}
		for _, r := range o.Remove {
			if d == r {
				problems = append(problems, fmt.Errorf("%v is both added and removed", d))
			}
		}
		if _, holiday := c.holidays[d]; !holiday {
			c.holidays[d] = "closed"
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("calendar: %w", errors.Join(problems...))
	}
	return c, nil
}

// Working reports whether people work on d. On no date nobody does.
func (c *Calendar) Working(d civil.Date) bool {
	if d.IsZero() {
		return false
	}
	return c.works(d, d.Weekday())
}

// Next returns the first working day on or after d; no date stays no date.
func (c *Calendar) Next(d civil.Date) civil.Date {
	if d.IsZero() || c.Working(d) {
		return d
	}
	return c.AddWorkdays(d, 1)
}

// AddWorkdays returns the n-th working day after d, or before d if n is
// negative. If n is 0 it is d itself, working day or not. No date stays no
// date. It takes time in proportion to n.
func (c *Calendar) AddWorkdays(d civil.Date, n int) civil.Date {
	if d.IsZero() {
		return d
	}
	step := 1
	if n < 0 {
		step, n = -1, -n
	}
	// The loop ends: a week has a working day, and the holidays are finitely
	// many.
	for day := d.Weekday(); n > 0; {
		d, day = d.AddDays(step), (day+time.Weekday(7+step))%7
		if c.works(d, day) {
			n--
		}
	}
	return d
}

// Holiday returns the name of the holiday on d, in the language of the country,
// and whether there is one. Dates that were added are called "closed".
func (c *Calendar) Holiday(d civil.Date) (name string, ok bool) {
	if c == nil {
		return "", false
	}
	name, ok = c.holidays[d]
	return name, ok
}

func (c *Calendar) works(d civil.Date, day time.Weekday) bool {
	if c == nil {
		return mondayToFriday[day]
	}
	if !c.workdays[day] {
		return false
	}
	_, holiday := c.holidays[d]
	return !holiday
}
