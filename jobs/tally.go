package jobs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"dunning/invoices"
)

// A Tally is the books of one run (R25).
type Tally struct {
	Due     int                    // steps whose time had come, of the accounts handled
	Stand   map[invoices.Class]int // where they stand now; they add up to Due
	Reasons map[invoices.Code]int  // why those that were not sent were not
	Facts   map[string]int         // what was done: letters by outcome, links made, looks …
	Full    bool                   // the run stopped sending at its limit
	Plan    *invoices.Plan         // letters that need a person's approval; nil: none (R7)
}

// Balance returns an error unless every due step stands somewhere and the
// letters reported agree with the rows.
func (t Tally) Balance() error {
	sum := 0
	for _, n := range t.Stand {
		sum += n
	}
	if sum != t.Due {
		return fmt.Errorf("the books do not balance: %d steps were due, %d are accounted for; please report this as a bug", t.Due, sum)
	}
	return nil
}

func (t Tally) String() string {
	parts := []string{fmt.Sprintf("due %d", t.Due)}
	for _, c := range invoices.Classes {
		if n := t.Stand[c]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c, n))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(t.Facts)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, t.Facts[k]))
	}
	return strings.Join(parts, ", ")
}

// Counts flattens the tally for storage.
func (t Tally) Counts() map[string]int {
	counts := map[string]int{"due": t.Due}
	for c, n := range t.Stand {
		counts[string(c)] = n
	}
	for k, n := range t.Facts {
		counts[k] = n
	}
	return counts
}

// Add returns the sum of two tallies.
func (t Tally) Add(o Tally) Tally {
	sum := newTally()
	for _, x := range []Tally{t, o} {
		sum.Due += x.Due
		sum.Full = sum.Full || x.Full
		if x.Plan != nil {
			sum.Plan = x.Plan
		}
		for k, n := range x.Stand {
			sum.Stand[k] += n
		}
		for k, n := range x.Reasons {
			sum.Reasons[k] += n
		}
		for k, n := range x.Facts {
			sum.Facts[k] += n
		}
	}
	return sum.Tally
}

type tally struct {
	mu sync.Mutex
	Tally
}

func newTally() *tally {
	return &tally{Tally: Tally{Stand: map[invoices.Class]int{}, Reasons: map[invoices.Code]int{}, Facts: map[string]int{}}}
}

// count notes a fact.
func (t *tally) count(f invoices.Fact) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch f := f.(type) {
	case invoices.LetterEnded:
		t.Facts["letters "+string(f.Result)]++
	case invoices.LinkSeen:
		t.Facts["links "+string(f.Link.State)]++
	case invoices.Rested:
		t.Facts["tries failed"]++
	case invoices.AddressRefused:
		t.Facts["addresses refused"]++
	case invoices.Incident:
		t.Facts["incidents"]++
	}
}

// owed returns the steps that this run is to answer for, and opens the books
// on them.
func (r *run) owed(a *invoices.Account) []invoices.Owed {
	if !r.order.Job.sends(invoices.Email) && !r.order.Job.sends(invoices.Remind) {
		return nil
	}
	owed := slices.DeleteFunc(r.w.Policies.Owed(a, r.w.Now()), func(o invoices.Owed) bool { return !r.order.Job.sends(o.By) })
	r.tally.due(len(owed))
	return owed
}

// account says where the steps that were owed stand now.
func (r *run) account(a *invoices.Account, owed []invoices.Owed) {
	for _, o := range owed {
		class, code := r.w.Policies.Class(a, o.Item, r.w.Now())
		if class == invoices.ClassLeft && (r.budget.plan != nil || r.order.Plan != nil) {
			class, code = invoices.ClassHeld, invoices.CodeApproval
		}
		r.tally.stands(class, code)
	}
}

func (t *tally) due(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Due += n
}

func (t *tally) stands(class invoices.Class, code invoices.Code) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Stand[class]++
	if class != invoices.ClassSent {
		t.Reasons[code]++
	}
}

// books closes the tally.
func (r *run) books() Tally {
	r.mu.Lock()
	full := r.letters > 0 && r.full()
	r.mu.Unlock()
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	t := r.tally.Tally
	if t.Full, t.Plan = full, r.budget.plan; t.Plan != nil {
		t.Facts["letters that need approval"] = t.Plan.Letters
	}
	return t
}
