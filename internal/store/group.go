package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A group has concurrent writes of different accounts share one transaction, so
// that they share its round trips and its way to the disk. Nobody waits for
// others to come: whoever finds as many transactions under way as there may be
// waits for the end of one, and then one of those who wait carries all of them.
// On PostgreSQL there may be two, so that while one is on its way the changes for
// the next are gathered.
//
// A shared transaction holds only what surely succeeds: accounts that are as
// they were read and that nobody else holds. Any other is left out and goes
// alone, as every write could; so no account's trouble delays or fails another's
// write. What goes wrong in the midst of a shared transaction, a key that exists
// for one, undoes it, and everybody goes alone.
type group struct {
	turns chan struct{} // one for each transaction under way

	mu      sync.Mutex
	waiting []*change
}

// most is how many accounts share a transaction: more would make the first wait
// for the last, and save little.
const most = 256

// patience of a transaction on its way, which no caller can cut for the others.
const carriage = time.Minute

// errUntaken says that nothing was written, for the account is not as it was
// read, or somebody holds its row, or another in the transaction failed.
var errUntaken = errors.New("the account is not to be had now")

// A change is what is to be written about one account.
type change struct {
	take   int                // the form of the account's row
	row    []any              // its arguments: id, version, lease, and more
	record func(*sheet) error // adds what is written besides

	taken bool // into a transaction, by whoever carries it
	done  chan struct{}
	err   error
}

// together writes a change in a transaction that it may share with others. It
// returns nil when that is on disk, and [errUntaken] when nothing was written and
// the change must go alone.
func (s *Store) together(ctx context.Context, c *change) error {
	return s.group.ride(ctx, c, s.carry)
}

// ride waits until somebody has carried the change, or carries it with those who
// wait then.
func (g *group) ride(ctx context.Context, c *change, carry func()) error {
	c.done = make(chan struct{})
	g.add(c)
	for turns := g.turns; ; {
		select {
		case <-c.done:
			return c.err
		default:
		}
		select {
		case <-c.done:
			return c.err
		case turns <- struct{}{}:
			g.turn(carry)
			if g.took(c) {
				turns = nil // it is on its way: another turn would be for nothing
			}
		case <-ctx.Done():
			if g.withdraw(c) {
				return ctx.Err()
			}
			return fmt.Errorf("it is not known whether this was stored: %w", ctx.Err())
		}
	}
}

// turn gives the turn back that its caller took, also when something panics.
func (g *group) turn(carry func()) {
	defer func() { <-g.turns }()
	carry()
}

func (g *group) add(c *change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, c)
}

// took reports whether the change is carried, or was.
func (g *group) took(c *change) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return c.taken
}

// withdraw reports whether the change was still waiting, and will not be
// written.
func (g *group) withdraw(c *change) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == c {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// next returns those who go together now, at most one of each account.
func (g *group) next() []*change {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch, later []*change
	seen := make(map[any]bool, len(g.waiting))
	for _, c := range g.waiting {
		if id := c.row[0]; len(batch) == most || seen[id] {
			later = append(later, c)
		} else {
			seen[id], c.taken = true, true
			batch = append(batch, c)
		}
	}
	g.waiting = later
	return batch
}

// carry writes everybody's changes who waits, and tells each how it went.
func (s *Store) carry() {
	batch := s.group.next()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), carriage)
	defer cancel()
	taken, err := make(map[any]bool, len(batch)), errors.New("it broke off inside")
	t := &tx{ctx: ctx, s: s, db: s.carrier}
	defer func() { // also when something panics: whoever waits must not wait for ever
		for _, c := range batch {
			switch {
			case err == nil && taken[c.row[0]]:
				c.err = nil
			case err != nil && t.fixed: // it may be stored, or not
				c.err = err
			default:
				c.err = errUntaken
			}
			close(c.done)
		}
	}()
	if t.ready, err = s.prepare(ctx); err != nil {
		return
	}
	if err = s.enter(ctx); err != nil {
		return
	}
	defer s.leave()
	err = errOdd
	if !s.on.oneWriter {
		err = s.once(t, func(t *tx) error { return t.together(batch) })
	}
	if errors.Is(err, errOdd) {
		err = s.once(t, func(t *tx) error { return t.sorted(batch, taken) })
	} else if err == nil {
		for _, c := range batch {
			taken[c.row[0]] = true
		}
	}
	err = s.fault(ctx, err)
}

// together writes everybody's changes, if all accounts are as they were read.
func (t *tx) together(batch []*change) error {
	if err := t.keyed(); err != nil {
		return err
	}
	w := &sheet{s: t.s}
	for _, c := range batch {
		w.add(c.take, c.row...)
		if err := c.record(w); err != nil {
			return err
		}
	}
	return t.swiftly(w)
}

// sorted takes the accounts that are to be had, and writes their changes.
func (t *tx) sorted(batch []*change, taken map[any]bool) error {
	if err := t.keyed(); err != nil {
		return err
	}
	for _, form := range []int{intended, ended, released} {
		var rows [][]any
		for _, c := range batch {
			if c.take == form {
				rows = append(rows, c.row)
			}
		}
		if len(rows) == 0 {
			continue
		}
		ids, err := t.taken(form, rows)
		if err != nil {
			return err
		}
		for _, id := range ids {
			taken[id] = true
		}
	}
	w := &sheet{s: t.s}
	for _, c := range batch {
		if taken[c.row[0]] {
			if err := c.record(w); err != nil {
				return err
			}
		}
	}
	return t.put(w)
}

// keyed has the statements of the transaction find rows by key, if its
// connection does not so anyway.
func (t *tx) keyed() error {
	if t.ready != nil || t.s.on.byKey == "" {
		return nil
	}
	return t.exec(t.s.on.byKey)
}

// alone writes a change by itself, and waits for whoever holds the account. The
// statement of the account's row is run as it is; it returns how many rows it
// changed.
func (t *tx) alone(c *change) (int, error) { return t.run(c.take, [][]any{c.row}) }
