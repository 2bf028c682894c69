package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"dunning/internal/store"
	"dunning/invoices"
)

var crowds = []check{
	{"R01_EverybodyAtOnce", everybody},
}

// everybody lets workers, imports, webhooks and people at the same few accounts
// at once. Nobody may wait for another for ever, no step may have two letters,
// and what was said last is what holds.
func everybody(b *bench) {
	b.open()
	const accounts, each = 6, 3
	var rows []invoices.Row
	for i := range accounts {
		for j := range each {
			rows = append(rows, row(fmt.Sprint("a", i), fmt.Sprintf("a%d-%d", i, j)))
		}
	}
	b.tell(rows...)
	c := &crowd{b: b, now: b.now, started: map[string]int{}}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { c.repeat(40, func(i int) error { return c.work(w, i) }) })
	}
	wg.Go(func() {
		c.repeat(15, func(i int) error {
			told := make([]invoices.Row, len(rows))
			for j, r := range rows { // in another order every time
				r.Paid = int64(i)
				told[(j*7+i)%len(rows)] = r
			}
			l := invoices.Load{Source: "erp", File: "books.csv", Digest: fmt.Sprint("crowd ", i), At: c.now, Rows: all(told...)}
			_, err := b.db.Import(ctx, l, nil, false)
			return err
		})
	})
	wg.Go(func() {
		c.repeat(15, func(i int) error { return b.db.Wake(ctx, fmt.Sprint("hash ", i), c.now) })
	})
	wg.Go(func() {
		c.repeat(40, func(i int) error {
			_, err := b.db.Rumour(ctx, fmt.Sprintf("hook-a%d-%d-1", i%accounts, i%each), c.now)
			return err
		})
	})
	wg.Go(func() {
		c.repeat(30, func(i int) error {
			to := store.Target{Invoice: fmt.Sprintf("a%d-%d", i%accounts, i%each)}
			if i%2 == 0 {
				return b.db.Hold(ctx, to, invoices.Hold{Reason: "dispute", By: "Ada"}, c.now)
			}
			return b.db.Lift(ctx, to, "Ada", "on with it", c.now)
		})
	})
	wg.Wait()
	c.check(rows)
}

// A crowd is what they have in common.
type crowd struct {
	b   *bench
	now time.Time

	mu      sync.Mutex
	errs    []error
	started map[string]int // letters begun, by invoice
}

func (c *crowd) repeat(n int, do func(i int) error) {
	for i := range n {
		if err := do(i); err != nil {
			c.mu.Lock()
			c.errs = append(c.errs, err)
			c.mu.Unlock()
			return
		}
	}
}

// check holds what everybody did against what is stored.
func (c *crowd) check(rows []invoices.Row) {
	b := c.b
	b.must(errors.Join(c.errs...))
	if len(c.started) == 0 {
		b.Error("no worker ever got a word in")
	}
	for key, n := range c.started {
		if n != 1 {
			b.Errorf("%s has %d letters", key, n)
		}
	}
	for _, r := range rows {
		_, inv := b.lookup(r.Number)
		want(b, r.Number+" paid", inv.Paid, 14)
		want(b, r.Number+" letters", len(inv.Steps), c.started[r.Number])
	}
}

// work claims an account, makes a link and sends a letter for an invoice that
// has none, and gives it back.
func (c *crowd) work(worker, turn int) error {
	q := invoices.Query{Now: c.now, Lease: time.Minute, Limit: 1, Acts: []invoices.Act{invoices.Idle}}
	list, err := c.b.db.Claim(ctx, q)
	if err != nil || len(list) == 0 {
		return err
	}
	a := list[0]
	for i := range a.Invoices {
		if len(a.Invoices[i].Steps) == 0 {
			if a, err = c.act(a, a.Invoices[i].Number, fmt.Sprintf("letter-%d-%d", worker, turn)); err != nil && !errors.Is(err, invoices.ErrStale) {
				return err
			}
			break
		}
	}
	return c.b.db.Release(ctx, a, invoices.Decision{At: c.now}, c.now)
}

func (c *crowd) act(a invoices.Account, number, letter string) (invoices.Account, error) {
	db, inv := c.b.db, a.Find(number)
	if len(inv.Links) == 0 {
		next, err := db.Begin(ctx, a, c.b.wanted(inv, 1, inv.Open().Minor))
		if err != nil {
			return a, err
		}
		a, err = db.End(ctx, next, c.b.seen(number, *next.Find(number).Link(1), invoices.New))
		if err != nil {
			return a, err
		}
	}
	start := c.b.started(a, letter, "request", number)
	next, err := db.Begin(ctx, a, start)
	if err != nil {
		return a, err
	}
	c.mu.Lock()
	c.started[number]++
	c.mu.Unlock()
	return db.End(ctx, next, c.b.ended(start, invoices.Sent, "250 ok"))
}
