package jobs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"dunning/invoices"
	"dunning/jobs"
)

// hordes is a storm breaker that looks ahead at many accounts, each like one
// that is due, and keeps what it is asked to approve of.
type hordes struct {
	one      invoices.Account
	n, asked int
	plans    []invoices.Plan
}

func (h *hordes) AtMost(_ context.Context, _ invoices.Query, enough int) (int, error) {
	return enough, nil // they owe more invoices than letters are due
}

func (h *hordes) Due(_ context.Context, _ invoices.Query, yield func(invoices.Account) error) error {
	for h.asked = 1; h.asked <= h.n; h.asked++ {
		a := h.one
		a.ID = fmt.Sprint("a", h.asked)
		a.Invoices = []invoices.Invoice{h.one.Invoices[0]}
		a.Invoices[0].Number = fmt.Sprint("INV-", h.asked)
		if err := yield(a); err != nil {
			return err
		}
	}
	return nil
}

func (h *hordes) Peaks(context.Context, string, *time.Location, int) ([]int, error) { return nil, nil }

func (h *hordes) Approved(context.Context, string, time.Time) ([]invoices.Plan, error) {
	return nil, nil
}

func (h *hordes) Tried(context.Context) (bool, error) { return true, nil }

func (h *hordes) Propose(_ context.Context, p invoices.Plan) error {
	h.plans = append(h.plans, p)
	return nil
}

// TestR07_APlanIsBounded: of a hundred thousand letters a person is asked about
// the first twenty thousand, and the look ahead goes no further; and where so
// many are usual, all are counted and none is held up.
func TestR07_APlanIsBounded(t *testing.T) {
	const most = 20_000
	w := newWorld(t, databases[0], "2026-03-02 09:00")
	w.owe("INV-1", "acme", "120.00", "2026-03-02", "2026-04-01")
	w.tell("INV-1")
	one, _ := w.lookup("INV-1")
	for _, tt := range []struct {
		says              string
		due, never        int // letters; so many never need approval
		planned, lookedAt int
	}{
		{"a few more than need no approval", 60, 50, 60, 61},
		{"far more than a plan holds", 5 * most, 50, most, most + 1},
		{"more than a plan holds, which is usual", 2 * most, 3 * most, 0, 2*most + 1},
		{"more than a plan holds, and more than is usual", 5 * most, 3 * most, most, 3*most + 1},
	} {
		h := &hordes{one: one, n: tt.due}
		worker := w.worker()
		worker.Plans, worker.ApproveAbove = h, tt.never
		j, err := jobs.Find("email-links")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := worker.Chase(t.Context(), jobs.Order{Job: j, Limit: 1}); err != nil {
			t.Fatal(err)
		}
		planned := 0
		for _, p := range h.plans {
			planned += p.Letters
		}
		if planned != tt.planned || h.asked != tt.lookedAt {
			t.Errorf("%s: %d letters in %d plans after %d accounts, want %d after %d", tt.says, planned, len(h.plans), h.asked, tt.planned, tt.lookedAt)
		}
	}
}
