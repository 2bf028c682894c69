package jobs_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/invoices"
	"dunning/jobs"
)

// month is the simulated time of the crash table: two invoices of one customer
// from their first letters to a renewed link, one paid on the way.
const month = "2026-04-20 00:00"

// play lives through the month. Looks are rare, to keep the table short; every
// boundary is still crossed in every kind of situation.
func (w *world) play() {
	w.t.Helper()
	p := w.rules.ByName["standard"]
	p.Link.Poll = 49 * time.Hour
	w.owe("INV-1", "acme", "120.00", "2026-03-02", "2026-03-23")
	w.owe("INV-2", "acme", "9.00", "2026-03-04", "2026-04-06")
	w.until(clock(w.t, "2026-04-07 12:00"))
	for _, l := range w.links {
		if strings.HasPrefix(l.Ref, "INV-1-") && l.State == invoices.New {
			l.State = invoices.Completed
		}
	}
	w.until(clock(w.t, month))
}

// fuses returns the boundaries at which a crash is tried: the first of each kind,
// and one of every n; all with DUNNING_CRASHES=all.
func fuses(where []string, n int) (list []int) {
	seen := map[string]bool{}
	for i, name := range where {
		if !seen[name] || i%n == 0 || os.Getenv("DUNNING_CRASHES") == "all" {
			list = append(list, i+1)
		}
		seen[name] = true
	}
	return list
}

// TestR02_CrashTable lets every call the worker makes outside fail, in three
// ways, at every boundary it crosses in a simulated month, one boundary a run,
// on the real store: the process dies there; the call fails without effect; the
// call takes effect and its answer is lost. Nothing may be sent twice, and
// nothing be lost without a person hearing of it.
func TestR02_CrashTable(t *testing.T) {
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			calm := newWorld(t, db, "2026-03-02 07:00")
			calm.play()
			want := calm.mails()
			t.Logf("without a crash: %d boundaries, these mails:\n%s", calm.crossed, want)
			if len(calm.outbox) < 7 {
				t.Fatal("the month is too quiet to prove anything")
			}
			for _, m := range []mode{dies, unheard, persisted} {
				doubts := map[string]int{}
				for _, fuse := range fuses(calm.where, db.every) {
					t.Run(fmt.Sprintf("%s-%d", m, fuse), func(t *testing.T) { // its database goes with it
						w := newWorld(t, db, "2026-03-02 07:00")
						w.fuse, w.mode = fuse, m
						w.play()
						if w.at == "" {
							return // this boundary does not fail in this way
						}
						if w.doubt(t) {
							doubts[w.at]++
						} else if got := keys(w.mails()); got != keys(want) {
							t.Errorf("%s %s (%d): no doubt, but other mails than without a crash:\n%s", m, w.at, fuse, w.mails())
						}
					})
				}
				t.Logf("%s: left for a person, by boundary: %v", m, doubts)
				for at := range maps.Keys(doubts) {
					if !slices.Contains([]string{"after invoices.LetterStarted", "before dot", "after dot", "before release with invoices.LetterEnded", "before invoices.LetterEnded"}, at) {
						t.Errorf("%s %s must not need a person", m, at)
					}
				}
			}
		})
	}
}

// doubt checks what must hold after any crash, and reports whether a letter is
// in doubt.
func (w *world) doubt(t *testing.T) bool {
	t.Helper()
	name := fmt.Sprintf("%s %s (%d)", w.mode, w.at, w.fuse)
	seen := map[string]int{}
	for _, l := range w.outbox {
		for _, it := range l.Items {
			key := fmt.Sprintf("%s/%d/%s", it.Invoice, it.Episode, it.Step)
			if seen[key]++; seen[key] > 1 {
				t.Errorf("%s: %s mailed twice", name, key)
			}
		}
		for line := range strings.Lines(l.Plain) {
			f := strings.Fields(line)
			i := slices.IndexFunc(slices.Collect(maps.Values(w.links)), func(p *invoices.Link) bool {
				return p.URL == f[3] && strings.HasPrefix(p.Ref, f[0]+"-L") && p.Amount.String() == f[1]+" "+f[2]
			})
			if i < 0 {
				t.Errorf("%s: the mail carries a link that is not this invoice's: %s", name, line)
			}
		}
	}
	doubt := false
	for _, number := range []string{"INV-1", "INV-2"} {
		_, inv := w.lookup(number)
		for _, o := range inv.Steps {
			doubt = doubt || o.Result == invoices.Uncertain
			if o.Result == invoices.Sending || o.Result == invoices.Delayed {
				t.Errorf("%s: %s %s is still %s", name, number, o.Step, o.Result)
			}
			if o.Result == invoices.Sent && seen[fmt.Sprintf("%s/%d/%s", number, o.Episode, o.Step)] == 0 {
				t.Errorf("%s: %s %s is recorded as sent and never was", name, number, o.Step)
			}
		}
	}
	live := map[string]int{}
	for _, number := range []string{"INV-1", "INV-2"} {
		_, inv := w.lookup(number)
		for _, l := range inv.Links {
			if l.Made() && (l.State == invoices.New || l.State == invoices.Rejected) {
				if live[number+l.Amount.String()]++; live[number+l.Amount.String()] > 1 {
					t.Errorf("%s: two live links for %s", name, number)
				}
			}
		}
	}
	return doubt
}

// keys drops the times and link generations from a list of mails: after a crash
// a letter may be a few minutes later.
func keys(mails string) string {
	var out []string
	for line := range strings.Lines(mails) {
		line = line[len("2026-03-02 08:00 "):]
		if before, _, ok := strings.Cut(line, "new_link-"); ok { // a lost link takes a generation
			line = before + "new_link\n"
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// TestR01_ASleeperWakes lets a worker stall at every boundary for longer than
// its lease, while another takes over, and then wakes it up.
func TestR01_ASleeperWakes(t *testing.T) {
	start := "2026-03-30 08:00"
	begin := func(db database) *world {
		w := newWorld(t, db, start)
		w.owe("INV-1", "acme", "120.00", "2026-03-30", "2026-04-20")
		w.owe("INV-2", "acme", "9.00", "2026-03-30", "2026-04-20")
		return w
	}
	for _, db := range databases {
		calm := begin(db)
		calm.scan()
		for fuse := 1; fuse <= calm.crossed; fuse++ {
			w := begin(db)
			w.fuse, w.mode = fuse, stalls
			w.stall = func() {
				w.now = w.now.Add(20 * time.Minute)
				w.scan()
			}
			w.scan()
			w.until(w.now.Add(2 * time.Hour))
			if w.doubt(t) {
				t.Errorf("stall %s (%d): the late outcome must settle the doubt", w.at, fuse)
			}
			if len(w.outbox) != 2 {
				t.Errorf("stall %s (%d): %d mails, want 2\n%s", w.at, fuse, len(w.outbox), w.mails())
			}
		}
		t.Logf("%s: %d boundaries", db.name, calm.crossed)
	}
}

// TestR03_PaidMeanwhile books a payment at every boundary of a letter. No
// letter whose intent comes later may speak of the invoice.
func TestR03_PaidMeanwhile(t *testing.T) {
	for _, db := range databases {
		begin := func() *world {
			w := newWorld(t, db, "2026-03-30 08:00")
			w.owe("INV-1", "acme", "120.00", "2026-03-30", "2026-04-20")
			w.owe("INV-2", "beta", "9.00", "2026-03-30", "2026-04-20")
			return w
		}
		calm := begin()
		calm.scan()
		silent := 0
		for fuse := 1; fuse <= calm.crossed; fuse++ {
			w := begin()
			w.fuse, w.mode = fuse, stalls
			started := false
			w.stall = func() {
				_, inv := w.lookup("INV-1")
				started = len(inv.Steps) > 0
				w.books["INV-1"].Paid = 12000
				w.tell("INV-1")
			}
			w.scan()
			w.until(w.now.Add(time.Hour))
			about := map[string]int{}
			for _, l := range w.outbox {
				about[l.Items[0].Invoice]++
			}
			want := 1
			if !started {
				want = 0
				silent++
			}
			if w.at != "" && about["INV-1"] != want || about["INV-2"] != 1 {
				t.Errorf("%s: paid %s (%d): mails %v, want INV-1:%d INV-2:1", db.name, w.at, fuse, about, want)
			}
			w.doubt(t)
		}
		if silent == 0 || silent == calm.crossed {
			t.Errorf("%s: %d of %d boundaries were early enough: the test proves nothing", db.name, silent, calm.crossed)
		}
	}
}

// TestR19_WhatTheServerSays gives every answer a mail server can give, before
// the dot and at it.
func TestR19_WhatTheServerSays(t *testing.T) {
	fault := func(k invoices.Kind, about error) error {
		if about == nil {
			about = fmt.Errorf("no")
		}
		return &invoices.Fault{Kind: k, Err: about}
	}
	for _, tt := range []struct {
		says          string
		before, atDot error
		mails         int
		result        invoices.Result // of the step in the end; empty: none
		code          invoices.Code   // what the policy says in the end
		stopped       bool            // the run reports an error
	}{
		{says: "4xx before the dot: tried again", before: fault(invoices.Later, nil), mails: 1, result: invoices.Sent, code: invoices.CodeWaiting},
		{says: "the whole server is away: the run stops sending, nobody is blamed", before: fault(invoices.Later, invoices.ErrServer), mails: 1, result: invoices.Sent, code: invoices.CodeWaiting, stopped: true},
		{says: "the login is refused: the run stops, nobody is blamed", before: fault(invoices.Halt, nil), mails: 1, result: invoices.Sent, code: invoices.CodeWaiting, stopped: true},
		{says: "the mailbox does not exist: the address is suppressed, the step not spent", before: fault(invoices.Never, invoices.ErrNoMailbox), code: invoices.CodeSuppressed},
		{says: "refused for good before the dot: a person decides", before: fault(invoices.Never, nil), code: invoices.CodeBlockedByOrder},
		{says: "4xx at the dot: tried again", atDot: fault(invoices.Later, nil), mails: 1, result: invoices.Sent, code: invoices.CodeWaiting},
		{says: "5xx at the dot: failed, a person decides", atDot: fault(invoices.Never, nil), result: invoices.Failed, code: invoices.CodeStepFailed},
		{says: "no answer at the dot: in doubt, never repeated", atDot: fault(invoices.Ambiguous, nil), result: invoices.Uncertain, code: invoices.CodeUncertain},
		{says: "an error nobody classified at the dot: in doubt", atDot: fmt.Errorf("what"), result: invoices.Uncertain, code: invoices.CodeUncertain},
	} {
		for _, db := range databases {
			w := newWorld(t, db, "2026-03-30 08:00")
			w.owe("INV-1", "acme", "120.00", "2026-03-30", "2026-04-20")
			w.postErr, w.dotErr = tt.before, tt.atDot
			_, err := w.worker().Chase(context.Background(), jobs.Order{Job: must(jobs.Find("email-links")), Account: "acme"})
			if (err != nil) != tt.stopped {
				t.Errorf("%s (%s): the run returned %v", tt.says, db.name, err)
			}
			w.postErr, w.dotErr = nil, nil
			w.until(w.now.Add(3 * time.Hour))
			a, inv := w.lookup("INV-1")
			var got invoices.Result
			for _, o := range inv.Steps {
				got = o.Result
			}
			d, _ := w.rules.Explain(&a, inv, w.now)
			if len(w.outbox) != tt.mails || got != tt.result || d.Code != tt.code {
				t.Errorf("%s (%s)\n\tgot  %d mails, %q, %s\n\twant %d mails, %q, %s", tt.says, db.name, len(w.outbox), got, d.Code, tt.mails, tt.result, tt.code)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
