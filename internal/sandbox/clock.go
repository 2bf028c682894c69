package sandbox

import (
	"fmt"
	"sync"
	"time"

	"dunning/internal/period"
)

// A clock shows the time that the caller's clock shows, plus what was added.
type clock struct {
	base func() time.Time

	mu    sync.Mutex
	added time.Duration
}

// now returns the sandbox's time in UTC, to the microsecond, as its answers
// show it.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

// advance moves the clock on by a period and returns the new time.
func (c *clock) advance(p period.Period) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jump(p.AddTo(c.read()))
}

// set moves the clock on to an instant and returns the new time.
func (c *clock) set(t time.Time) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jump(t)
}

// farthest bounds one jump: a time.Duration overflows soon after.
const farthest = 100 * 365 * 24 * time.Hour

// jump never goes back: what expired stays expired.
func (c *clock) jump(to time.Time) (time.Time, error) {
	now := c.read()
	ahead := to.Sub(now)
	if ahead < 0 || ahead > farthest {
		return now, fmt.Errorf("the sandbox clock shows %s and cannot be set to %s: it goes forward, at most 100 years at once",
			now.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	c.added += ahead
	return c.read(), nil
}

func (c *clock) read() time.Time {
	return c.base().Add(c.added).UTC().Truncate(time.Microsecond)
}
