package config

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/civil"
	"dunning/internal/schedule"
	"dunning/invoices"
)

// sending reads the manners that all policies share.
func (c *Config) sending(n node) invoices.Policy {
	m := n.settings("window", "days", "holidays", "blackout", "catch_up", "start_from", "min_gap", "max_per_week", "max_per_run", "approve_above", "first_letters", "max_lateness", "on_uncertain")
	c.Sending.MaxPerRun = m["max_per_run"].integer(1, 1_000_000, 5000)
	c.Sending.First = m["first_letters"].word("ask", "ask", "send")
	c.Sending.ApproveAbove = m["approve_above"].integer(1, 1_000_000, 50)
	p := invoices.Policy{
		Zone:         c.Zone,
		Window:       m["window"].window(invoices.Window{From: 8 * 60, To: 17 * 60}),
		Blackout:     m["blackout"].stretches(),
		CatchUp:      invoices.CatchUp(m["catch_up"].word("latest", "latest", "next")),
		StartFrom:    m["start_from"].date(),
		MinGap:       m["min_gap"].days(0, 14, 3),
		MaxPerWeek:   m["max_per_week"].integer(1, 50, 2),
		MaxLateness:  m["max_lateness"].days(1, 3660, 14),
		OnUncertain:  invoices.OnUncertain(m["on_uncertain"].word("hold", "hold", "resend")),
		MaxSourceAge: map[string]time.Duration{},
		Key: invoices.Keys{
			Own:    fingerprint(c.CostPlus.Mode, c.CostPlus.APIKey.value),
			Former: c.CostPlus.FormerKeys, Abandoned: c.CostPlus.Abandoned,
		},
	}
	p.Calendar, p.Calendars = calendars(m["days"], m["holidays"])
	if c.Sending.ApproveAbove > c.Sending.MaxPerRun && m["approve_above"].there() {
		m["approve_above"].wrong("a run may send %d letters (max_per_run), so it never comes to %d; make approve_above smaller, or max_per_run larger", c.Sending.MaxPerRun, c.Sending.ApproveAbove)
	}
	for _, s := range c.Sources {
		if s.MaxAge > 0 {
			p.MaxSourceAge[s.Name] = s.MaxAge
		}
	}
	return p
}

// calendars reads the days on which letters may leave: the installation's, and
// those for customers in some countries.
func calendars(days, holidays node) (*calendar.Calendar, map[string]*calendar.Calendar) {
	week := days.weekdays()
	m := holidays.settings("calendar", "add", "remove", "countries")
	country := m["calendar"]
	o := calendar.Options{Workdays: week}
	if country.scalar().text == "uk" {
		country.wrong("there is no calendar uk; did you mean \"gb\"?")
	} else if o.Country = country.word("none", append(calendar.Countries(), "none")...); o.Country == "none" {
		o.Country = ""
	}
	own := workingDays(o, m["add"], m["remove"], country)
	var there map[string]*calendar.Calendar
	for _, e := range m["countries"].entries() {
		if e.name == "ecb" || !slices.Contains(calendar.Countries(), e.name) {
			names := slices.DeleteFunc(calendar.Countries(), func(c string) bool { return c == "ecb" })
			e.key.wrong("no holidays are known of %q; write %s", outline(e.name), alternatives(names))
			continue
		}
		of := e.value.settings("add", "remove")
		e.key.is(e.name)
		if there == nil {
			there = map[string]*calendar.Calendar{}
		}
		there[strings.ToUpper(e.name)] = workingDays(calendar.Options{Workdays: week, Country: e.name, Add: o.Add}, of["add"], of["remove"], e.key)
	}
	return own, there
}

// workingDays makes a calendar with holidays added and removed. Country is
// where its name stands.
func workingDays(o calendar.Options, add, remove, country node) *calendar.Calendar {
	national, err := calendar.New(calendar.Options{Country: o.Country})
	if err != nil {
		country.wrong("%v", err)
		return nil
	}
	for _, d := range add.dates() {
		o.Add = append(o.Add, d.date)
	}
	for _, d := range remove.dates() {
		if slices.Contains(o.Add, d.date) {
			d.wrong("%v is both added and removed; remove one of them", d.date)
		} else if _, holiday := national.Holiday(d.date); !holiday {
			d.wrong("%v is no holiday of the calendar %s, so it cannot be removed; leave it out", d.date, country.r.effective[country.path])
		}
		o.Remove = append(o.Remove, d.date)
	}
	cal, err := calendar.New(o)
	if err != nil && len(country.r.problems) == 0 { // else it was told already
		country.wrong("%v", err)
	}
	return cal
}

// stretches reads days, and stretches of them, on which no letter leaves.
func (n node) stretches() []invoices.Days {
	var list []invoices.Days
	for _, e := range n.list("[2026-08-03, 2026-12-24 to 2027-01-02]") {
		s := e.scalar()
		e.is(s.text)
		if !s.ok {
			continue
		}
		from, to, two := strings.Cut(s.text, " to ")
		d, err := civil.Parse(strings.TrimSpace(from))
		last := d
		if err == nil && two {
			last, err = civil.Parse(strings.TrimSpace(to))
		}
		switch {
		case err != nil:
			s.refuse("is no day and no stretch of days; write it like 2026-12-24 or 2026-12-24 to 2027-01-02")
		case last.Before(d):
			s.refuse("ends before it begins; write the earlier day first")
		case last.DaysSince(d) > 92:
			s.refuse("is longer than three months; nobody would be reminded for so long (to stop all letters: dunning pause)")
		default:
			list = append(list, invoices.Days{From: d, To: last})
		}
	}
	if len(list) > 100 {
		n.wrong("there are %d of them; at most 100", len(list))
	}
	return list
}

// weekdays reads days of the week; none given is Monday to Friday.
func (n node) weekdays() []time.Weekday {
	given := []time.Weekday{1, 2, 3, 4, 5}
	if n.there() {
		given = nil
		before := len(n.r.problems)
		for _, w := range n.dayNames() {
			given = append(given, time.Weekday(slices.Index(weekdays, w)))
		}
		if len(given) == 0 && len(n.r.problems) == before {
			n.wrong("no letter could ever leave without a day; write them like [mon, tue, wed, thu, fri]")
		}
	}
	slices.Sort(given)
	n.is(fmt.Sprint(given))
	return given
}

// dayNames reads the names of days. What people write instead gets an answer.
func (n node) dayNames() []string {
	var names []string
	for _, e := range n.list("[mon, tue, wed, thu, fri]") {
		s := e.scalar()
		switch short := strings.ToLower(s.text[:min(3, len(s.text))]); {
		case !s.ok:
		case slices.Contains(names, s.text):
			s.refuse("is there twice; remove one of them")
		case slices.Contains(weekdays, s.text):
			names = append(names, s.text)
		case strings.ContainsRune(s.text, '-') && s.text == s.written:
			s.refuse("is not a day; write every day, like [mon, tue, wed, thu, fri]")
		case slices.Contains(weekdays, short) && s.text == s.written:
			s.refuse("is not known here; did you mean %q?", short)
		default:
			s.refuse("is not a day; write mon, tue, wed, thu, fri, sat or sun%s", didYouMean(s, weekdays))
		}
	}
	return names
}

var (
	turnedDate  = regexp.MustCompile(`^([0-9]{1,2})[-/. ]([0-9]{1,2})[-/. ]([0-9]{4})$`)
	slashedDate = regexp.MustCompile(`^([0-9]{4})[/. ]([0-9]{1,2})[/. ]([0-9]{1,2})$`)
)

// date reads a date as 2026-03-16. An absent one is no date.
func (n node) date() civil.Date {
	n.shape.takes("type", "string", "pattern", `^[0-9]{4}-[0-9]{2}-[0-9]{2}$|`+anyReference)
	s := n.scalar()
	n.is(s.text)
	if !s.ok {
		return civil.Date{}
	}
	d, err := civil.Parse(s.text)
	switch {
	case err == nil:
	case turnedDate.MatchString(s.text) && s.text == s.written:
		s.refuse("can be read with day and month either way round; write the year first, then month and day, like 2026-03-16")
	case slashedDate.MatchString(s.text) && s.text == s.written:
		m := slashedDate.FindStringSubmatch(s.text)
		s.refuse("must be written with - and two digits each: %s-%02s-%02s", m[1], m[2], m[3])
	default:
		s.reject(err, "2026-03-16")
	}
	return d
}

// A dated node is an element of a list of dates.
type dated struct {
	node
	date civil.Date
}

// dates reads a list of dates, each once.
func (n node) dates() []dated {
	var list []dated
	for _, e := range n.list("[2026-12-24]") {
		d := e.date()
		switch {
		case d.IsZero():
		case slices.ContainsFunc(list, func(other dated) bool { return other.date == d }):
			e.wrong("%v is there twice; remove one of them", d)
		default:
			list = append(list, dated{e, d})
		}
	}
	return list
}

var windowForm = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2}) ?(?:-|–|to) ?([0-9]{1,2}):([0-9]{2})$`)

// window reads the hours in which letters may leave.
func (n node) window(otherwise invoices.Window) invoices.Window {
	n.shape.takes("type", "string", "pattern", `^[0-9]{1,2}:[0-9]{2} ?(-|–|to) ?[0-9]{1,2}:[0-9]{2}$|`+anyReference, "default", clock(otherwise))
	v := otherwise
	if s := n.scalar(); s.ok {
		m := windowForm.FindStringSubmatch(s.text)
		if m == nil {
			s.refuse(`is not a part of the day; write it like "08:00-17:00"`)
			return otherwise
		}
		from, fromOK := minutes(m[1], m[2])
		to, toOK := minutes(m[3], m[4])
		switch {
		case !fromOK || !toOK:
			s.refuse(`has a time that no clock shows; write it like "08:00-17:00", or "00:00-24:00" for all day`)
		case to == from:
			s.refuse(`is empty, it ends when it begins; write "00:00-24:00" for all day`)
		case to < from:
			s.refuse(`ends before it begins; a window lies within one day, like "08:00-17:00"`)
		default:
			v = invoices.Window{From: from, To: to}
		}
	}
	n.is(fmt.Sprint(v.From, "-", v.To, " minutes"))
	return v
}

// minutes reads a time of day as minutes from midnight. 24:00 is the end of the
// day.
func minutes(hour, minute string) (int, bool) {
	h, _ := strconv.Atoi(hour) // two digits each
	m, _ := strconv.Atoi(minute)
	return h*60 + m, m < 60 && h*60+m <= 24*60
}

// jobs reads when cron wakes what. A job that sends must be woken now and then
// while letters may leave, or it never sends any.
func (c *Config) jobs(n node, manners invoices.Policy) {
	c.Jobs = map[string]*schedule.Schedule{}
	var names []string
	for _, j := range jobs {
		names = append(names, j.name)
	}
	m := n.settings(names...)
	for _, j := range jobs {
		at := m[j.name]
		spec := j.cron
		s := at.scalar()
		if at.there() {
			spec = s.text
		}
		at.is(spec)
		if at.there() && !s.ok || spec == "" || spec == "off" {
			continue
		}
		line, err := schedule.Parse(spec, c.Zone)
		if err != nil {
			s.reject(err, "30 8 * * mon-fri")
			continue
		}
		if slices.Contains(senders, j.name) && manners.Calendar != nil && !meets(line, manners, c.Zone) {
			at.wrong("%q never runs while letters may leave (%s, on sending.days without holidays); change it, or sending.window",
				line, clock(manners.Window))
			continue
		}
		c.Jobs[j.name] = line
	}
}

// meets reports whether a schedule runs while letters may leave to customers in
// a zone, within four years.
func meets(line *schedule.Schedule, p invoices.Policy, zone *time.Location) bool {
	for _, runs := range openings(line, p, zone, civil.Date{Year: 2026, Month: time.January, Day: 1}, 4*366) {
		if runs {
			return true
		}
	}
	return false
}

// openings yields the days on which letters may leave to customers in a zone,
// among so many from a first one, each with whether a schedule runs inside the
// window of that day.
func openings(line *schedule.Schedule, p invoices.Policy, zone *time.Location, first civil.Date, days int) iter.Seq2[civil.Date, bool] {
	return func(yield func(civil.Date, bool) bool) {
		var run time.Time // the first one since the last window opened
		for i := range days {
			d := first.AddDays(i)
			if !p.Calendar.Working(d) {
				continue
			}
			from, to := open(p.Window, d, zone)
			if run.Before(from) {
				run = line.Next(from.Add(-1))
			}
			if !yield(d, !run.Before(from) && run.Before(to)) {
				return
			}
		}
	}
}

// open returns when a window opens and closes on a day.
func open(w invoices.Window, d civil.Date, zone *time.Location) (from, to time.Time) {
	return d.At(w.From/60, w.From%60, zone), d.At(w.To/60, w.To%60, zone)
}

// A Silence is a stretch of days on which a job that sends never runs while
// letters may leave to the customers in a time zone.
type Silence struct {
	Job   string // email-links or send-reminders
	Line  string // its cron line
	Zone  *time.Location
	First civil.Date // the first day on which a letter could leave and does not
	Until civil.Date // the day on which it leaves at last; no date: not within a year
	Open  time.Time  // when the window opens in Zone on the first day, on the clock of the cron lines
	Shut  time.Time  // when it closes
}

// Silences returns, for customers in a zone, the longest stretch in the year
// from a day on in which each job that sends leaves them without letters; and
// none for a job under which no letter waits longer than sending.max_lateness,
// after which it needs a person (R5). The cron lines run on the clock of the
// installation and the window is open on that of the customer (R17), so the two
// may not meet in other parts of the world, or not in both halves of the year.
func (c *Config) Silences(zone *time.Location, from civil.Date) []Silence {
	manners := c.Policies.ByName[standard] // they are the same in every policy
	var list []Silence
	for _, job := range senders {
		line, ok := c.Jobs[job]
		if !ok {
			continue
		}
		first, until := longestWait(line, *manners, zone, from)
		if first.IsZero() || !until.IsZero() && until.DaysSince(first) <= manners.MaxLateness {
			continue
		}
		opens, shuts := open(manners.Window, first, zone)
		list = append(list, Silence{job, line.String(), zone, first, until, opens.In(c.Zone), shuts.In(c.Zone)})
	}
	return list
}

// senders are the jobs that send letters.
var senders = []string{"email-links", "send-reminders"}

// longestWait returns the longest stretch on which letters may leave to
// customers in a zone and a schedule never runs, among those that begin within a
// year of a day: its first day, and the day on which the schedule runs at last,
// which is no date if that is more than a year away. Without any both are none.
func longestWait(line *schedule.Schedule, p invoices.Policy, zone *time.Location, from civil.Date) (first, until civil.Date) {
	var began civil.Date // of the stretch under way
	for d, runs := range openings(line, p, zone, from, 2*366) {
		if began.IsZero() && d.DaysSince(from) > 366 {
			break
		}
		switch {
		case !runs && began.IsZero():
			began = d
		case runs && !began.IsZero():
			if first.IsZero() || d.DaysSince(began) > until.DaysSince(first) {
				first, until = began, d
			}
			began = civil.Date{}
		}
	}
	if !began.IsZero() {
		return began, civil.Date{}
	}
	return first, until
}

// clock writes a window as people do.
func clock(w invoices.Window) string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
}
