package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dunning/invoices"
	"dunning/jobs"
)

// desk is a ledger of accounts about which nothing is to be done. Some were
// claimed in vain; while one of those is handled nothing else may be.
type desk struct {
	jobs.Ledger // nothing else is asked for
	t           *testing.T

	mu       sync.Mutex
	due      []string
	vain     []string
	out      []string // claimed, and not yet given back
	released []string
}

func (d *desk) Claim(_ context.Context, q invoices.Query) ([]invoices.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q.Alone && len(d.out) > 0 {
		d.t.Errorf("claims as if it had none, and has %v", d.out)
	}
	from, n := &d.due, min(len(d.due), q.Limit)
	if n == 0 && q.Alone {
		from, n = &d.vain, min(len(d.vain), 1)
	}
	var list []invoices.Account
	for _, id := range (*from)[:n] {
		list = append(list, invoices.Account{ID: id})
	}
	*from = (*from)[n:]
	for _, a := range list {
		d.out = append(d.out, a.ID)
	}
	return list, nil
}

func (d *desk) Release(_ context.Context, a invoices.Account, _ invoices.Decision, _ time.Time, _ ...invoices.Fact) error {
	if a.ID[0] == 'v' {
		synctest.Wait() // until the others have done whatever they might
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.ID[0] == 'v' && len(d.out) != 1 {
		d.t.Errorf("%s is handled beside %v", a.ID, d.out)
	}
	d.out = slices.DeleteFunc(d.out, func(id string) bool { return id == a.ID })
	d.released = append(d.released, a.ID)
	return nil
}

// TestR19_HandledAlone: what was claimed in vain, and may break its worker, is
// handled after all others and by itself, however many hands are free.
func TestR19_HandledAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{t: t, vain: []string{"v1", "v2", "v3"}}
		for i := range 40 {
			d.due = append(d.due, fmt.Sprint("a", i))
		}
		w := &jobs.Worker{
			Ledger: d, Now: time.Now, Hands: 4,
			Policies: &invoices.Policies{ByName: map[string]*invoices.Policy{"standard": standard()}, Default: "standard", Zone: amsterdam},
		}
		j, err := jobs.Find("create-links")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Chase(t.Context(), jobs.Order{Job: j}); err != nil {
			t.Fatal(err)
		}
		if n := len(d.released); n != 43 || !slices.Equal(d.released[40:], []string{"v1", "v2", "v3"}) {
			t.Errorf("handled %v", d.released)
		}
	})
}
