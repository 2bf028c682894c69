package jobs_test

import (
	"context"
	"testing"
	"time"

	"dunning/invoices"
	"dunning/jobs"
)

// TestR21_AnnouncedLettersAndNoOthers: a run by a plan sends the letters of the
// plan as far as they say the same, and nothing that is not in it.
func TestR21_AnnouncedLettersAndNoOthers(t *testing.T) {
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			w := newWorld(t, db, "2026-03-02 07:00")
			for _, n := range []string{"INV-1", "INV-2", "INV-3"} {
				w.owe(n, "c"+n, "120.00", "2026-03-02", "2026-04-01")
			}
			w.now = clock(t, "2026-03-02 08:10")
			for _, j := range jobs.All[1:] {
				if j.Name == "create-links" {
					w.run(j)
				}
			}
			worker := w.worker()
			plan := &invoices.Plan{Texts: map[string]string{}}
			for _, n := range []string{"INV-1", "INV-2"} {
				a, _ := w.lookup(n)
				told, _ := w.rules.Forecast(a, w.now, w.now.Add(time.Nanosecond))
				for _, f := range told {
					said, err := worker.Announce(f.Account, f.Decision, f.At)
					if err != nil {
						t.Fatal(err)
					}
					plan.Texts[said.ID] = said.Text
					for _, it := range said.Items {
						it.Gen = 0
						plan.Items = append(plan.Items, it)
					}
				}
			}
			if len(plan.Items) != 2 {
				t.Fatalf("the plan has %d letters", len(plan.Items))
			}
			w.words = "another text for INV-2" // what its letter says was edited meanwhile
			email, err := jobs.Find("email-links")
			if err != nil {
				t.Fatal(err)
			}
			tally, err := worker.Chase(context.Background(), jobs.Order{Job: email, Plan: plan})
			if err != nil || tally.Balance() != nil {
				t.Fatalf("%v, %v", err, tally.Balance())
			}
			if len(w.outbox) != 1 || items(w.outbox[0]) != "INV-1 request" {
				t.Errorf("these left:\n%s", w.mails())
			}
			w.words = ""
			w.run(email) // without a plan all that is due may leave
			w.now = w.now.Add(2 * time.Minute)
			w.run(email)
			if len(w.outbox) != 3 {
				t.Errorf("these left:\n%s", w.mails())
			}
		})
	}
}
