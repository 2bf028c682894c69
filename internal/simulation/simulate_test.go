package simulation

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dunning/internal/store"
	"dunning/templates"
)

var (
	theSeed  = flag.Uint64("seed", 1, "the first seed; each further life has the next one")
	theYears = flag.Int("years", 10, "virtual years to live, all lives together; a life without webhooks takes fewer of them")
)

// A life is ten years of trouble, most often, and some weeks of calm. Every
// life has a database of its own.
const (
	yearsOfLife = 10
	weeksOfCalm = 12
)

// TestSimulate lives the years asked for, life by life, as many at a time as
// there are processors.
func TestSimulate(t *testing.T) {
	template := filepath.Join(t.TempDir(), "template.db")
	s, err := store.Open(context.Background(), store.Options{URL: "sqlite:" + template, Actor: "Ada", Config: "sim", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	letters, err := templates.Load(templates.Options{Sender: templates.Sender{Name: "Example BV", Email: "billing@example.com"}, Languages: []string{"en"}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var total tally
	t.Run("lives", func(t *testing.T) {
		for i := range uint64((*theYears + yearsOfLife - 1) / yearsOfLife) {
			t.Run(fmt.Sprint(*theSeed+i), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					one := life(t, *theSeed+i, template, letters)
					mu.Lock()
					defer mu.Unlock()
					total = total.add(one)
				})
			})
		}
	})
	t.Logf("%d lives, %.1f virtual years: %d runs of jobs, %d deaths of workers, %d mails, %d links, %d invoices; at most %d resends ordered",
		total.lives, total.years, total.runs, total.deaths, total.mails, total.links, total.bills, total.resends)
	if total.mails < total.lives {
		t.Error("hardly a mail was sent: this proves nothing")
	}
}

// tally is what happened in all lives.
type tally struct {
	lives, runs, deaths, mails, links, bills, resends int
	years                                             float64
}

func (t tally) add(o tally) tally {
	return tally{
		t.lives + 1, t.runs + o.runs, t.deaths + o.deaths, t.mails + o.mails, t.links + o.links, t.bills + o.bills, t.resends + o.resends,
		t.years + o.years,
	}
}

func life(t *testing.T, seed uint64, template string, letters *templates.Set) tally {
	time.Sleep(time.Duration(26*365*24) * time.Hour) // bubbles begin in the year 2000
	began := time.Now()
	w := newWorld(t, seed, template, letters)
	shut := w.serve()
	w.live()
	w.calm(weeksOfCalm)
	took := time.Since(began)
	shut()
	w.must(w.box.Close(context.Background()))
	w.must(w.desk.Close())
	out := tally{runs: w.runs, deaths: int(w.deaths.Load()), mails: len(w.mails), links: len(w.seen), bills: len(w.bills), years: took.Hours() / 24 / 365}
	for _, b := range w.bills {
		out.resends += b.resends
	}
	return out
}
