package config

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dunning/internal/civil"
	"dunning/internal/period"
	"dunning/invoices"
)

// Durations for people are words: 14 days, 26 hours, 2 weeks.
var durationForm = regexp.MustCompile(`^(\d{1,4}) (second|minute|hour|day|week)s?$`)

// period reads a duration for people as one of the calendar.
func (n node) period(otherwise period.Period) period.Period {
	if !n.there() {
		return otherwise
	}
	s := n.text()
	m := durationForm.FindStringSubmatch(s)
	if m == nil {
		n.wrong(`%q is no duration; write it like "14 days" or "26 hours"`, s)
		return otherwise
	}
	v, err := strconv.Atoi(m[1])
	if err != nil {
		n.wrong("%q is too large", s)
		return otherwise
	}
	switch m[2] {
	case "second":
		return period.Period{Seconds: v}
	case "minute":
		return period.Period{Minutes: v}
	case "hour":
		return period.Period{Hours: v}
	case "week":
		return period.Period{Days: 7 * v}
	}
	return period.Period{Days: v}
}

// duration reads a duration for people that is the same on every clock.
func (n node) duration(low, high, otherwise time.Duration) time.Duration {
	if !n.there() {
		return otherwise
	}
	before := len(n.w.problems)
	p := n.period(period.Period{})
	if len(n.w.problems) > before {
		return otherwise
	}
	d := time.Duration(p.Days)*24*time.Hour + time.Duration(p.Hours)*time.Hour + time.Duration(p.Minutes)*time.Minute + time.Duration(p.Seconds)*time.Second
	if d < low || d > high {
		n.wrong("%q is out of range: from %s to %s", n.text(), low, high)
		return otherwise
	}
	return d
}

// days reads a number of days.
func (n node) days(low, high, otherwise int) int {
	if !n.there() {
		return otherwise
	}
	s := n.text()
	m := durationForm.FindStringSubmatch(s)
	if m == nil || m[2] != "day" && m[2] != "week" {
		n.wrong(`%q is no number of days; write it like "3 days"`, s)
		return otherwise
	}
	v, _ := strconv.Atoi(m[1])
	if m[2] == "week" {
		v *= 7
	}
	if v < low || v > high {
		n.wrong("%q is out of range: from %d to %d days", s, low, high)
		return otherwise
	}
	return v
}

var workingDaysForm = regexp.MustCompile(`^(\d{1,3}) working days?$`)

// workingDays reads a number of working days.
func (n node) workingDays(otherwise int) int {
	if !n.there() {
		return otherwise
	}
	m := workingDaysForm.FindStringSubmatch(n.text())
	if m == nil {
		n.wrong(`%q is no number of working days; write it like "5 working days"`, n.text())
		return otherwise
	}
	v, _ := strconv.Atoi(m[1])
	return v
}

// life reads how long a payment link is to work, in ISO 8601, which is what
// Cost+ takes.
func (n node) life() (period.Period, bool) {
	if !n.there() {
		return period.Period{}, false
	}
	p, err := period.Parse(n.text())
	if err != nil {
		n.wrong("%v", err)
		return period.Period{}, false
	}
	if p.IsZero() {
		n.wrong("a link must work for some time; write it like P30D")
		return period.Period{}, false
	}
	return p, true
}

// approximate orders periods that are not of one kind.
func approximate(p period.Period) time.Duration {
	t := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return p.AddTo(t).Sub(t)
}

func (n node) date() civil.Date {
	if !n.there() {
		return civil.Date{}
	}
	d, err := civil.Parse(n.text())
	if err != nil {
		n.wrong("%v", err)
	}
	return d
}

var windowForm = regexp.MustCompile(`^(\d\d):(\d\d)-(\d\d):(\d\d)$`)

// window reads the hours in which letters may leave.
func (n node) window(otherwise invoices.Window) invoices.Window {
	if !n.there() {
		return otherwise
	}
	m := windowForm.FindStringSubmatch(n.text())
	if m == nil {
		n.wrong(`%q is no window; write it like "08:00-17:00"`, n.text())
		return otherwise
	}
	clock := func(h, min string) int {
		hh, _ := strconv.Atoi(h)
		mm, _ := strconv.Atoi(min)
		if mm > 59 || hh*60+mm > 24*60 {
			return -1
		}
		return hh*60 + mm
	}
	w := invoices.Window{From: clock(m[1], m[2]), To: clock(m[3], m[4])}
	if w.From < 0 || w.To < 0 || w.From >= w.To {
		n.wrong(`%q is no window within one day; write it like "08:00-17:00"`, n.text())
		return otherwise
	}
	return w
}

const whenExample = `write it like "7 days after due", "3 days before due", "5 working days after previous" or "on issue date"`

var (
	onForm   = regexp.MustCompile(`^on (issue|due) date$`)
	whenForm = regexp.MustCompile(`^(\d{1,3}) (working day|day|week)s? (before|after) (.+)$`)
)

// when reads the day of a step. Earlier are the names of the steps before it.
func (n node) when(earlier, all []string) (invoices.When, bool) {
	s := strings.Join(strings.Fields(n.text()), " ")
	if m := onForm.FindStringSubmatch(s); m != nil {
		if m[1] == "issue" {
			return invoices.When{Anchor: invoices.AfterIssue}, true
		}
		return invoices.When{}, true
	}
	m := whenForm.FindStringSubmatch(s)
	if m == nil {
		n.wrong("%q is no time; %s", s, whenExample)
		return invoices.When{}, false
	}
	days, _ := strconv.Atoi(m[1])
	w := invoices.When{Days: days, Working: m[2] == "working day"}
	if m[2] == "week" {
		w.Days *= 7
	}
	switch anchor := strings.TrimSuffix(strings.TrimPrefix(m[4], "the "), " date"); anchor {
	case "due":
	case "issue":
		w.Anchor = invoices.AfterIssue
	case "previous":
		if len(earlier) == 0 {
			n.wrong("the first step has no previous one; count from the issue date or from due")
			return w, false
		}
		w.Anchor, w.Step = invoices.AfterStep, earlier[len(earlier)-1]
	default:
		w.Anchor, w.Step = invoices.AfterStep, m[4]
		if !n.earlierStep(m[4], earlier, all) {
			return w, false
		}
	}
	if m[3] == "before" {
		if w.Anchor != invoices.AfterDue {
			n.wrong("a step can be before due only; %s", whenExample)
			return w, false
		}
		w.Days = -w.Days
	}
	return w, true
}

// earlierStep reports whether a step of this name comes earlier.
func (n node) earlierStep(name string, earlier, all []string) bool {
	for _, e := range earlier {
		if e == name {
			return true
		}
	}
	for _, s := range all {
		if s == name {
			n.wrong("the step %q comes later or is this one; name an earlier step", name)
			return false
		}
	}
	n.wrong("there is no step %q%s", name, hint(name, append([]string{"due", "issue date", "previous"}, earlier...)))
	return false
}

var addressForm = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{1,62}$`)

// address reads an e-mail address, with a name in front if that is allowed.
func (n node) address(named bool) string {
	if !n.there() {
		return ""
	}
	s := strings.TrimSpace(n.text())
	bare := s
	if i := strings.LastIndexByte(s, '<'); named && i >= 0 && strings.HasSuffix(s, ">") {
		bare = s[i+1 : len(s)-1]
	}
	if !addressForm.MatchString(bare) || strings.ContainsAny(s, "\r\n\x00") || strings.Contains(bare, "..") {
		example := "finance@example.com"
		if named {
			example = "Example BV <billing@example.com>"
		}
		n.wrong("%q is no e-mail address; write it like %q", s, example)
	}
	return s
}

// link reads a web address: https, or http to this machine.
func (n node) link() string {
	if !n.there() || n.text() == "" {
		return ""
	}
	s := n.text()
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && local(u.Hostname())) {
		n.wrong("%q is no address that can be used; it begins with https:// (http:// only on this machine)", s)
	}
	return s
}

// local reports whether a host is this machine.
func local(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}
