package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/robfig/cron/v3"
)

// The bounds of "@every".
const (
	shortest = time.Minute
	longest  = 365 * 24 * time.Hour
)

// Parse reads a cron line: the five fields minute, hour, day of the month,
// month and day of the week, or @hourly, @daily, @midnight, @weekly, @monthly,
// @yearly, @annually or "@every 90m" (from one minute to 365 days, in whole
// seconds). Sunday is 0 or 7, names of months and days are the first three
// letters. If both day fields are restricted, a day needs to fit only one.
//
// Parse refuses lines that never run, such as 31 February, and TZ= prefixes:
// the zone is loc, for all jobs alike.
func Parse(spec string, loc *time.Location) (*Schedule, error) {
	spec = strings.TrimSpace(spec)
	s, err := parse(spec)
	if err != nil {
		if len(spec) > most {
			spec = spec[:most] + "..."
		}
		return nil, fmt.Errorf("cron line %q: %s; write minute, hour, day of month, month and day of week, such as %q, or %q", spec, visible(err.Error()), "30 8 * * mon-fri", "@hourly")
	}
	if loc == nil {
		return nil, fmt.Errorf("cron line %q: no time zone was given", spec)
	}
	s.loc = loc
	return s, nil
}

// visible replaces what a terminal may obey: the parser repeats what it read.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// most is more characters than any sensible line takes, all minutes listed.
const most = 256

func parse(spec string) (*Schedule, error) {
	switch {
	case spec == "":
		return nil, errors.New("it is empty")
	case len(spec) > most:
		return nil, fmt.Errorf("it is longer than %d characters", most)
	case strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ="):
		return nil, errors.New("it must not name a time zone; set `timezone:` in the configuration, which holds for all jobs")
	case strings.HasPrefix(spec, "@every"):
		return parseEvery(spec)
	case strings.HasPrefix(spec, "@"):
		return parseFields(spec, spec)
	}
	fields := strings.Fields(spec)
	if len(fields) != 5 {
		return nil, fmt.Errorf("it has %d fields instead of 5", len(fields))
	}
	for _, f := range fields {
		for element := range strings.SplitSeq(f, ",") {
			if element == "" {
				return nil, fmt.Errorf("the list %q has an empty element", f)
			}
		}
	}
	fields[4] = withSunday7(fields[4])
	s, err := parseFields(spec, strings.Join(fields, " "))
	if err != nil {
		return nil, cmp.Or(misread(fields), err)
	}
	return s, nil
}

// misread returns what is wrong with the first field that cannot be read, and
// which field that is; the parser does not tell.
func misread(fields []string) error {
	for i, name := range []string{"minute", "hour", "day of month", "month", "day of week"} {
		line := []string{"*", "*", "*", "*", "*"}
		line[i] = fields[i]
		if _, err := parseStandard(strings.Join(line, " ")); err != nil {
			why := err.Error()
			if strings.HasPrefix(why, "failed to parse int") {
				why = "it is neither a number nor a name"
			}
			return fmt.Errorf("the %s %q is wrong: %s", name, fields[i], why)
		}
	}
	return nil
}

func parseEvery(spec string) (*Schedule, error) {
	text := strings.TrimSpace(strings.TrimPrefix(spec, "@every"))
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not a duration; write it like \"@every 90m\"", text)
	case d < shortest || d > longest:
		return nil, fmt.Errorf("@every takes from %v to %v", shortest, longest)
	case d%time.Second != 0:
		return nil, errors.New("@every takes whole seconds")
	}
	return &Schedule{spec: spec, every: d}, nil
}

// star is the bit by which the parser marks a field that is "*" or "?".
const star = 1 << 63

func parseFields(spec, text string) (*Schedule, error) {
	parsed, err := parseStandard(text)
	if err != nil {
		return nil, err
	}
	s := &Schedule{
		spec: spec,
		hour: parsed.Hour &^ star,
		min:  parsed.Minute &^ star,
		day: days{
			month:   parsed.Month &^ star,
			date:    parsed.Dom &^ star,
			weekday: parsed.Dow &^ star,
			either:  parsed.Dom&star == 0 && parsed.Dow&star == 0,
		},
	}
	if s.hour == 1<<24-1 {
		s.rule = interval
	}
	if !s.day.possible() {
		return nil, errors.New("it names a day that never comes, so the job would never run")
	}
	return s, nil
}

// parseStandard calls the parser of robfig/cron, which panics on some input.
func parseStandard(text string) (s *cron.SpecSchedule, err error) {
	defer func() {
		if v := recover(); v != nil {
			s, err = nil, fmt.Errorf("it cannot be read (%v)", v)
		}
	}()
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		return nil, err
	}
	s, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("it is not a cron line")
	}
	return s, nil
}

// withSunday7 rewrites a day-of-week field in which Sunday ends the week (7,
// 5-7, mon-sun) into one where it is 0, which is all the parser knows. What is
// wrong for other reasons is left for the parser to refuse.
func withSunday7(field string) string {
	elements := strings.Split(field, ",")
	for i, e := range elements {
		elements[i] = elementWithSunday7(e)
	}
	return strings.Join(elements, ",")
}

func elementWithSunday7(e string) string {
	span, stepText, stepped := strings.Cut(e, "/")
	low, high, ranged := strings.Cut(span, "-")
	if strings.EqualFold(high, "sun") {
		high = "7"
	}
	if !ranged {
		high = low
	}
	first, ok1 := weekday(low)
	last, ok2 := weekday(high)
	step := 1
	if stepped {
		n, err := strconv.Atoi(stepText)
		if err != nil || n < 1 {
			return e
		}
		step = n
	}
	if !ok1 || !ok2 || last != 7 && first != 7 {
		return e
	}
	if first == 7 { // 7 and 7-7 are Sunday alone, 7-2 is Sunday to Tuesday
		first, last = 0, last%7
	}
	var list []string
	for d := first; d <= last && d >= 0; d += step {
		list = append(list, strconv.Itoa(d%7))
	}
	return strings.Join(list, ",")
}

// weekday reads the number or the name of a day, 7 included.
func weekday(s string) (int, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()[:3]) {
			return int(d), true
		}
	}
	if len(s) == 1 && s[0] >= '0' && s[0] <= '7' {
		return int(s[0] - '0'), true
	}
	return 0, false
}
