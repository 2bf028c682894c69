package jobs

import "time"

// A Schedule names the instants at which a job runs.
type Schedule interface {
	// Next returns the first instant after another, or the zero time if there
	// is none.
	Next(after time.Time) time.Time
}

// A Timetable is the schedule of each job, by name. A job without one is run
// by hand only.
type Timetable map[string]Schedule

// Next returns the first instant after another at which a job runs, and the
// jobs that run then, in the order of [All]; the zero time if there is none.
// The scheduler proper keeps its own time; this is for clocks that are turned
// by hand, as in the demo.
func (t Timetable) Next(after time.Time) (time.Time, []Job) {
	var first time.Time
	var due []Job
	for _, j := range All {
		s, ok := t[j.Name]
		if !ok {
			continue
		}
		switch at := s.Next(after); {
		case at.IsZero():
		case first.IsZero() || at.Before(first):
			first, due = at, []Job{j}
		case at.Equal(first):
			due = append(due, j)
		}
	}
	return first, due
}
