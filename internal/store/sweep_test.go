package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"dunning/invoices"
)

// released gives accounts back that wait for an instant; zero: for ever.
func setFree(t *testing.T, s *Store, until time.Time) {
	t.Helper()
	for {
		list, err := s.Claim(t.Context(), invoices.Query{Now: monday, Lease: time.Minute, Limit: 500, Acts: []invoices.Act{invoices.Idle}})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if err := s.Release(t.Context(), a, invoices.Decision{At: until}, monday); err != nil {
				t.Fatal(err)
			}
		}
		if len(list) == 0 {
			return
		}
	}
}

// TestAConfigurationDelaysNobody: of 1,300 accounts that are woken, those that
// are due by themselves come first, whenever they fall due; the others come page
// by page, each once, also when the process that wakes them is another after a
// while.
func TestAConfigurationDelaysNobody(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		ctx := t.Context()
		const n = 1300
		owe(t, s, n, 1)
		setFree(t, s, time.Time{})
		if _, err := s.db.Exec(`UPDATE accounts SET next_act = 'email', next_at = $1 WHERE id = 'a01200'`, at(monday)); err != nil {
			t.Fatal(err)
		}
		if err := s.Wake(ctx, "edited", monday); err != nil {
			t.Fatal(err)
		}
		if due, any, err := s.NextDue(ctx); err != nil || !any || !due.Equal(monday) {
			t.Errorf("next due: %v, %v, %v", due, any, err)
		}
		q := invoices.Query{Now: monday, Lease: time.Hour, Limit: 16, Acts: []invoices.Act{invoices.Idle, invoices.Email}}
		var came []string
		for i := 0; ; i++ {
			list, err := s.Claim(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, a := range list {
				came = append(came, a.ID)
			}
			var waiting int
			if err := s.db.Get(&waiting, `SELECT COUNT(*) FROM accounts WHERE next_at IS NOT NULL AND lease_id = ''`); err != nil || waiting > batch {
				t.Fatalf("%d accounts stand in the queue, %v", waiting, err)
			}
			switch i {
			case 2: // somebody falls due, before those who were woken
				if _, err := s.db.Exec(`UPDATE accounts SET next_act = 'email', next_at = $1 WHERE id = 'a01250'`, at(monday.Add(-time.Hour))); err != nil {
					t.Fatal(err)
				}
			case 20: // the process ends, another comes
				s.woken.Store(nil)
				if err := s.Wake(ctx, "edited", monday); err != nil {
					t.Fatal(err)
				}
			}
		}
		if came[0] != "a01200" {
			t.Errorf("%s came first, want the one that was due by itself", came[0])
		}
		if at := slices.Index(came, "a01250"); at > 16*(2+markedClaims) {
			t.Errorf("who fell due meanwhile came after %d others", at)
		}
		if slices.Sort(came); len(slices.Compact(came)) != n {
			t.Errorf("%d accounts came, of them %d different; want each of %d once", len(came), len(slices.Compact(came)), n)
		}
		if due, any, err := s.NextDue(ctx, invoices.MakeLink); err != nil || any {
			t.Errorf("afterwards somebody is due at %v, %v", due, err)
		}
	})
}

// TestOnlyOnesOwnConfigurationIsSwept: who works by another configuration wakes
// nobody for it; and who has, until now, begins anew.
func TestOnlyOnesOwnConfigurationIsSwept(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		ctx := t.Context()
		owe(t, s, 3, 1)
		setFree(t, s, time.Time{})
		claim := func() int {
			t.Helper()
			list, err := s.Claim(ctx, invoices.Query{Now: monday, Lease: time.Minute, Limit: 16, Acts: []invoices.Act{invoices.Idle}})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if err := s.Release(ctx, a, invoices.Decision{}, monday); err != nil {
					t.Fatal(err)
				}
			}
			return len(list)
		}
		wake := func(config string) {
			t.Helper()
			if err := s.Wake(ctx, config, monday); err != nil {
				t.Fatal(err)
			}
		}
		wake("old")
		if n := claim(); n != 3 {
			t.Fatalf("%d were woken, want 3", n)
		}
		if _, err := s.db.Exec(`UPDATE installation SET config = 'new', woken_to = '', woken_at = $1`, at(monday)); err != nil { // another process
			t.Fatal(err)
		}
		if n := claim(); n != 0 {
			t.Errorf("who works by the old configuration woke %d for the new", n)
		}
		if _, err := s.db.Exec(`UPDATE installation SET woken_to = NULL`); err != nil { // the other process is done
			t.Fatal(err)
		}
		for _, tt := range []struct {
			says string
			want int
		}{
			{"taken over from another: it may have decided by the old one meanwhile", 3},
			{"taken over from itself: nobody is disturbed", 0},
		} {
			wake("new")
			if n := claim(); n != tt.want {
				t.Errorf("%s: %d were woken, want %d", tt.says, n, tt.want)
			}
		}
	})
}

// TestASweepWaitsForNobody: an account that an import is changing is woken when
// that is done, and the claim does not wait for it.
func TestASweepWaitsForNobody(t *testing.T) {
	each(t, ByCaller, func(t *testing.T, s *Store) {
		if s.on.oneWriter { // nobody else is writing
			return
		}
		ctx := t.Context()
		owe(t, s, 10, 1)
		setFree(t, s, time.Time{})
		other, err := s.db.Beginx()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Exec(`UPDATE accounts SET name = 'Changed' WHERE id = 'a00004'`); err != nil {
			t.Fatal(err)
		}
		if err := s.Wake(ctx, "edited", monday); err != nil {
			t.Fatal(err)
		}
		claim := func() (ids []string) {
			t.Helper()
			within, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			list, err := s.Claim(within, invoices.Query{Now: monday, Lease: time.Minute, Limit: 16, Acts: []invoices.Act{invoices.Idle}})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				ids = append(ids, a.ID)
			}
			return ids
		}
		if got := claim(); fmt.Sprint(got) != "[a00000 a00001 a00002 a00003]" {
			t.Errorf("claimed %v, want those before the one that is being changed", got)
		}
		if got := claim(); len(got) != 0 {
			t.Errorf("claimed %v, want none", got)
		}
		if err := other.Commit(); err != nil {
			t.Fatal(err)
		}
		if got := claim(); fmt.Sprint(got) != "[a00004 a00005 a00006 a00007 a00008 a00009]" {
			t.Errorf("claimed %v, want the others", got)
		}
	})
}
