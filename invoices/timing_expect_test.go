package invoices

import (
	"slices"
	"time"

	"dunning/internal/civil"
)

// A tale is the naive model's view of one invoice's life. It walks from quarter
// to quarter of an hour and asks what finance would do by hand.
type tale struct {
	w        *walk
	due      civil.Date
	episode  int
	moved    time.Time
	released time.Time
	sent     map[string]time.Time // in this episode
	skipped  map[string]bool      // in this episode
	letters  []civil.Date         // of all episodes
	history  history
	opens    map[civil.Date]time.Time // cache of the first opening from a date on
}

// expect returns what should leave in a life.
func (w *walk) expect() history {
	s := &tale{w: w, due: civil.Of(w.start.In(w.m.loc)).AddDays(20), episode: 1, opens: map[civil.Date]time.Time{}}
	s.sent, s.skipped = map[string]time.Time{}, map[string]bool{}
	moves := slices.Clone(w.moves)
	for now := w.start; now.Before(w.end); now = now.Add(quarter) {
		for len(moves) > 0 && !moves[0].at.After(now) {
			s.change(moves[0])
			moves = moves[1:]
		}
		if w.up(now).Equal(now) && s.politeAt(now) {
			s.send(now)
		}
	}
	return s.history
}

// change is what a move means: extending an overdue invoice past today begins
// it anew, and any other due date only moves what was not sent (R23).
func (s *tale) change(m move) {
	if m.release {
		s.released = m.at
		return
	}
	today, _ := s.w.m.clock(m.at)
	if s.due.Before(today) && m.due.After(today) {
		s.episode++
		s.moved = m.at
		s.sent, s.skipped = map[string]time.Time{}, map[string]bool{}
	}
	s.due = m.due
}

// day returns the date of a step, counted from its anchor.
func (s *tale) day(i int) civil.Date {
	step := s.w.p.Steps[i]
	from := s.due
	if step.When.Anchor == AfterStep {
		if at, ok := s.sent[step.When.Step]; ok {
			from, _ = s.w.m.clock(at)
		} else {
			from = s.day(i - 1)
		}
	}
	return s.w.m.due(from, step.When)
}

// time returns when a step may leave first.
func (s *tale) time(i int) time.Time {
	d := s.day(i)
	if _, ok := s.opens[d]; !ok {
		s.opens[d] = s.w.m.first(d, time.Time{})
	}
	return s.opens[d]
}

// politeAt reports whether finance would write at an instant: in office hours,
// on a sending date, and not too soon after the last letters (R15, R17).
func (s *tale) politeAt(now time.Time) bool {
	today, reading := s.w.m.clock(now)
	if reading < s.w.m.window.From || reading >= s.w.m.window.To || !s.w.m.sends(today) {
		return false
	}
	week := 0
	for _, d := range s.letters {
		if today.Before(plus(d, max(1, s.w.p.MinGap))) {
			return false
		}
		if today.Before(plus(d, 7)) {
			week++
		}
	}
	return s.w.p.MaxPerWeek == 0 || week < s.w.p.MaxPerWeek
}

// send sends the letter that is due, if one is.
func (s *tale) send(now time.Time) {
	steps := s.w.p.Steps
	from := 0 // nothing below the highest step that was sent is ever sent
	for i := range steps {
		if _, ok := s.sent[steps[i].Name]; ok {
			from = i + 1
		}
	}
	chosen := -1
	for i := from; i < len(steps); i++ {
		ready := !s.skipped[steps[i].Name] && !s.time(i).After(now) && !s.time(i).Before(s.moved)
		for _, name := range steps[i].RequiresSent {
			_, ok := s.sent[name]
			ready = ready && ok
		}
		if ready && (chosen < 0 || s.w.p.CatchUp == CatchLatest) {
			chosen = i
		}
	}
	if chosen < 0 || s.tooLate(chosen, now) {
		return
	}
	name := steps[chosen].Name
	var skips []string
	for i := range chosen {
		other := steps[i].Name
		if _, done := s.sent[other]; done || s.skipped[other] {
			continue
		}
		s.skipped[other] = true
		why := "superseded by " + name
		if at := s.time(i); at.Before(s.moved) {
			why = "due_date_moved"
		}
		skips = append(skips, other+" ("+why+")")
	}
	s.sent[name] = now
	today, _ := s.w.m.clock(now)
	s.letters = append(s.letters, today)
	s.history.note(now.In(s.w.m.loc), s.episode, name, skips)
}

// tooLate reports whether a step is so late that a person must decide (R5). It
// is not late for the time before a person's word, or before the letter that it
// requires.
func (s *tale) tooLate(i int, now time.Time) bool {
	since := s.time(i)
	if s.released.After(since) {
		since = s.released
	}
	for _, name := range s.w.p.Steps[i].RequiresSent {
		if at := s.sent[name]; at.After(since) {
			since = at
		}
	}
	limit, _ := s.w.m.clock(since)
	today, _ := s.w.m.clock(now)
	return s.w.p.MaxLateness > 0 && today.After(plus(limit, s.w.p.MaxLateness))
}
