package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dunning/invoices"
)

// A Past is what the books know of time and of themselves.
type Past interface {
	// Latest returns the latest instant that the books hold; zero: none.
	Latest(ctx context.Context) (time.Time, error)
	// Clock returns the time by the database's own clock; zero: it has none.
	Clock(ctx context.Context) (time.Time, error)
	// Newest returns the id of the last event; empty: there is none.
	Newest(ctx context.Context) (string, error)
	// Remembers reports whether the books hold an event.
	Remembers(ctx context.Context, event string) (bool, error)
	// Closed reports whether a person closed an alarm, and none like it is open.
	Closed(ctx context.Context, kind invoices.AlarmKind, key string) (bool, error)
}

// A Mark is kept by this machine, apart from the database: the last event that
// it knows to have been stored.
type Mark interface {
	Load() (event string, err error) // empty: there is no mark yet
	Save(event string) error
}

// A Guard looks before each run whether this machine and the database can be
// believed: a database that was set back to an earlier state does not know what
// was mailed since and would mail it again, and a wrong clock makes everything
// due at once.
type Guard struct {
	Past   Past
	Alarms Alarms
	Mark   Mark
	Now    func() time.Time
}

// How far clocks may be apart. A clock that goes back by less than an hour was
// most likely put right.
const (
	maxBack = time.Hour
	maxSkew = 10 * time.Minute
)

// Before returns nil if a run may act. An error says what is wrong and what to
// do; the alarm is raised.
func (g *Guard) Before(ctx context.Context) error {
	if err := g.clock(ctx); err != nil {
		return err
	}
	return g.memory(ctx)
}

func (g *Guard) clock(ctx context.Context) error {
	now := g.Now()
	latest, err := g.Past.Latest(ctx)
	if err != nil {
		return err
	}
	theirs, err := g.Past.Clock(ctx)
	if err != nil {
		return err
	}
	wrong, key := "", latest.UTC().Format(time.RFC3339)
	switch {
	case latest.Sub(now) > maxBack:
		if closed, err := g.Past.Closed(ctx, invoices.AlarmClock, key); err != nil || closed {
			return err
		}
		wrong = fmt.Sprintf("it is %s by this machine's clock, but a run began at %s already; set the clock right, or, if that run's was wrong: dunning resume", now.UTC().Format(time.RFC3339), key)
	case !theirs.IsZero() && theirs.Sub(now).Abs() > maxSkew:
		wrong = fmt.Sprintf("it is %s by this machine's clock and %s by the database's; set the wrong one right", now.UTC().Format(time.RFC3339), theirs.Format(time.RFC3339))
	}
	if wrong == "" {
		_, err := g.Alarms.Quiet(ctx, invoices.AlarmClock, "", "", "the clocks agree", now)
		return err
	}
	_, err = g.Alarms.Raise(ctx, invoices.Alarm{Kind: invoices.AlarmClock, Key: key, Detail: wrong, At: now, Stops: true})
	return errors.Join(errors.New("nothing is done while the clock cannot be believed: "+wrong), err)
}

func (g *Guard) memory(ctx context.Context) error {
	event, err := g.Mark.Load()
	if err != nil || event == "" {
		return err
	}
	if known, err := g.Past.Remembers(ctx, event); err != nil || known {
		return err
	}
	if closed, err := g.Past.Closed(ctx, invoices.AlarmRestored, event); err != nil || closed {
		return err
	}
	const wrong = "the database does not hold what this machine last stored in it: an older state was restored, or it is another database; letters and links made since would be made again. Compare it with the mail server's log and the Cost+ dashboard, then: dunning resume"
	_, err = g.Alarms.Raise(ctx, invoices.Alarm{Kind: invoices.AlarmRestored, Key: event, Detail: wrong, At: g.Now(), Stops: true})
	return errors.Join(errors.New(wrong), err)
}

// After remembers what is stored now, after a run that [Guard.Before] let act.
func (g *Guard) After(ctx context.Context) error {
	event, err := g.Past.Newest(ctx)
	if err != nil || event == "" {
		return err
	}
	if was, err := g.Mark.Load(); err != nil || was == event {
		return err
	}
	return g.Mark.Save(event)
}

// A Pulse tells whether letters leave at all.
type Pulse interface {
	// Wanting returns since when the first account has wanted to send a letter,
	// and when the last run began that sent any; zero: none.
	Wanting(ctx context.Context) (since, sent time.Time, err error)
}

// silence is how long letters may be due, and none sent, before a person hears
// of it.
const silence = 24 * time.Hour

// listen raises an alarm when letters are due and none has been sent for a day:
// a worker that does nothing looks just like one that has nothing to do.
func listen(ctx context.Context, p Pulse, alarms Alarms, now time.Time) error {
	since, sent, err := p.Wanting(ctx)
	if err != nil {
		return err
	}
	if since.IsZero() || now.Sub(since) < silence || now.Sub(sent) < silence {
		_, err := alarms.Quiet(ctx, invoices.AlarmSilence, "", "", "letters leave again", now)
		return err
	}
	_, err = alarms.Raise(ctx, invoices.Alarm{
		Kind: invoices.AlarmSilence, At: now,
		Detail: fmt.Sprintf("letters are due since %s, and none was sent for a day; see why the last runs failed", since.Format(time.RFC3339)),
	})
	return err
}
