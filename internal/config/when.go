package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dunning/invoices"
)

// The day of a step is written in words that cannot be misread (R24):
//
//	on issue date                     on due date
//	3 days before due                 2 weeks before due
//	7 days after due                  5 working days after due
//	14 days after issue date          14 days after friendly
//	5 working days after previous     2 days before link expiry
//
// Friendly is the name of an earlier step; previous is the step above.

const whenExample = `"7 days after due"`

var (
	onForm   = regexp.MustCompile(`^on (?:the )?(issue|due) date$`)
	whenForm = regexp.MustCompile(`^([0-9]{1,3}) (working day|day|week)s? (before|after) (.+)$`)
)

// reserved are words that a step cannot be called, because `when` uses them.
var reserved = []string{"due", "issue", "previous", "link"}

// when reads the day of a step. Earlier are the names of the steps above it,
// all those of the ladder.
func (n node) when(earlier, all []string) (invoices.When, bool) {
	n.shape.takes("type", "string", "examples", []string{"on issue date", "3 days before due", "7 days after due", "5 working days after previous", "2 days before link expiry"})
	s := n.scalar()
	n.is(s.text)
	if !s.ok {
		return invoices.When{}, false
	}
	text := strings.Join(strings.Fields(s.text), " ")
	if m := onForm.FindStringSubmatch(text); m != nil {
		if m[1] == "issue" {
			return invoices.When{Anchor: invoices.AfterIssue}, true
		}
		return invoices.When{Anchor: invoices.AfterDue}, true
	}
	m := whenForm.FindStringSubmatch(text)
	if m == nil {
		s.noTime(text)
		return invoices.When{}, false
	}
	w, ok := s.anchor(m[4], earlier, all)
	if !ok {
		return w, false
	}
	days, _ := strconv.Atoi(m[1]) // three digits
	if m[2] == "week" {
		days *= 7
	}
	w.Days, w.Working = days, m[2] == "working day"
	switch before := m[3] == "before"; {
	case !before && w.Anchor == invoices.OnExpiry:
		s.refuse("comes when the link does not work any more, and a new one is mailed then anyway (on_expiry); write it like %q", "2 days before link expiry")
		return invoices.When{}, false
	case before && w.Anchor == invoices.AfterIssue:
		s.refuse("lies before the invoice was made out; a step may be before due only, like %q", "3 days before due")
		return w, false
	case before && w.Anchor == invoices.AfterStep:
		s.refuse("counts back from the day of another letter, which nobody knows in advance; a step may be before due only, like %q", "3 days before due")
		return w, false
	case days == 0 && w.Anchor == invoices.AfterStep:
		s.refuse("is the same day as the other step, and two letters never leave on one day; write at least 1 day")
		return w, false
	case days == 0 && w.Anchor == invoices.OnExpiry:
		s.refuse("is the day on which the link ends; write at least 1 day")
		return invoices.When{}, false
	case days == 0:
		s.refuse("is a day by itself; write %q", onWhat(w.Anchor))
		return w, false
	case before:
		w.Days = -days
	}
	return w, true
}

func onWhat(a invoices.Anchor) string {
	if a == invoices.AfterIssue {
		return "on issue date"
	}
	return "on due date"
}

// anchor reads what the days of a step are counted from.
func (s scalar) anchor(text string, earlier, all []string) (invoices.When, bool) {
	switch strings.TrimPrefix(text, "the ") {
	case "due", "due date":
		return invoices.When{Anchor: invoices.AfterDue}, true
	case "issue date", "issue":
		return invoices.When{Anchor: invoices.AfterIssue}, true
	case "link expiry", "link expires", "expiry of the link":
		return invoices.When{Anchor: invoices.OnExpiry}, true
	case "previous", "previous step":
		if len(earlier) == 0 {
			s.refuse(`counts from a step above, and this is the first; count from due or from the issue date, like "on issue date"`)
			return invoices.When{}, false
		}
		return invoices.When{Anchor: invoices.AfterStep, Step: earlier[len(earlier)-1]}, true
	}
	switch {
	case slices.Contains(earlier, text):
		return invoices.When{Anchor: invoices.AfterStep, Step: text}, true
	case slices.Contains(all, text):
		s.refuse("counts from the step %s, which is not above this one; count from an earlier step, from due or from the issue date", text)
	case strings.Contains(text, "invoice"):
		s.refuse("counts from something that is not known; did you mean the issue date, on which an invoice is made out? Write it like \"7 days after issue date\"")
	case s.text == s.written:
		s.refuse("counts from %s, which is not known; write due, issue date, previous or the name of a step above%s",
			strconv.Quote(text), didYouMeanAnchor(text, earlier))
	default:
		s.refuse("counts from something that is not known; write due, issue date, previous or the name of a step above")
	}
	return invoices.When{}, false
}

func didYouMeanAnchor(text string, earlier []string) string {
	if near := nearest(text, append([]string{"due", "issue date", "previous"}, earlier...)); near != "" {
		return "; did you mean " + strconv.Quote(near) + "?"
	}
	return ""
}

var (
	signed    = regexp.MustCompile(`^([+-]?) ?([0-9]{1,3}) ?(working days?|wd|bd|days?|d|weeks?|w)?$`)
	offset    = regexp.MustCompile(`(?i)^(?:d|due) ?([+-]) ?([0-9]{1,3})$`)
	reversed  = regexp.MustCompile(`^(before|after) ([0-9]{1,3}) (working days?|days?|weeks?)$`)
	late      = regexp.MustCompile(`^([0-9]{1,3}) (working days?|days?|weeks?) (?:late|overdue|past due|past the due date)$`)
	number    = regexp.MustCompile(`^(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|fourteen|thirty) `)
	otherUnit = regexp.MustCompile(`^[0-9]{1,3} (month|business day|hour|year)s? `)
)

// noTime says why a text is no day of a step, and how to write what was
// probably meant.
func (s scalar) noTime(text string) {
	if s.text != s.written {
		s.refuse("does not stand for a time; write it like %s", whenExample)
		return
	}
	suggestion := whenExample
	if m := signed.FindStringSubmatch(text); m != nil {
		suggestion = suggest(m[2], m[3], m[1] == "-")
	} else if m := offset.FindStringSubmatch(text); m != nil {
		suggestion = suggest(m[2], "d", m[1] == "-")
	} else if m := reversed.FindStringSubmatch(text); m != nil {
		suggestion = suggest(m[2], m[3], m[1] == "before")
	} else if m := late.FindStringSubmatch(text); m != nil {
		suggestion = suggest(m[1], m[2], false)
	}
	switch {
	case number.MatchString(text):
		s.refuse("is not a time; write the number in digits, like %s", whenExample)
	case otherUnit.MatchString(text):
		s.refuse("is not a time; count in days, working days or weeks, like %s", whenExample)
	default:
		s.refuse("is not a time; write it like %s", suggestion)
	}
}

// suggest writes a number of days as finance should.
func suggest(number, unit string, before bool) string {
	name := "day"
	switch {
	case strings.HasPrefix(unit, "work"), unit == "wd", unit == "bd":
		name = "working day"
	case strings.HasPrefix(unit, "w"):
		name = "week"
	}
	v, _ := strconv.Atoi(number) // three digits
	switch {
	case v == 0:
		return `"on due date"`
	case before:
		return strconv.Quote(count(strconv.Itoa(v), name) + " before due")
	}
	return strconv.Quote(count(strconv.Itoa(v), name) + " after due")
}
