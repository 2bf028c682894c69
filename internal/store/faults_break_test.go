package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/pgproxy"
	"dunning/internal/pgtest"
	"dunning/internal/store"
)

// TestR02_ConnectionsBreakAnywhere breaks the connection to PostgreSQL before
// and after every message of every write, as a FIN and as an RST, with the
// server back at once and away for a while. Then:
//
//   - what returned nil is stored, and what it returned is what is stored;
//   - what returned an error is stored whole, or not at all;
//   - who tries again, when the server is back, ends where it would have ended
//     without the break, at the first try, once.
func TestR02_ConnectionsBreakAnywhere(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, unsynced)
	for i, a := range acts {
		t.Run(a.says, func(t *testing.T) {
			newYard(t, server, "").breakAnywhere(a, func(heard []pgproxy.Message) []pgproxy.Break { return breaks(i, heard) })
		})
	}
}

// breaks lists the places and ways in which to break the connection at some
// messages: all, or a sample that has every place around the COMMIT, which is
// said in the last four messages, and is another one for each turn.
func breaks(turn int, heard []pgproxy.Message) []pgproxy.Break {
	var all []pgproxy.Break
	for at := range heard {
		for i := range 8 {
			b := pgproxy.Break{At: at, After: i&1 != 0, Way: pgproxy.Way(i >> 1 & 1), Away: i&4 != 0}
			commit := at >= len(heard)-4 && i/2 == (turn+at)%4
			if thorough() || commit || at%5 == turn%5 && i == (turn+at/5)%8 {
				all = append(all, b)
			}
		}
	}
	return all
}

// TestR02_ANetworkThatSwallows lets the network swallow everything from some
// message on, without a word to anybody. Who waits is free a little later than a
// statement may take, and not when the operating system despairs; the server
// lets go of what the vanished client held.
func TestR02_ANetworkThatSwallows(t *testing.T) {
	server := pgtest.Start(t, unsynced)
	for _, a := range acts {
		if !slices.Contains([]string{"claim", "begin a letter", "hold"}, a.says) {
			continue
		}
		t.Run(a.says, func(t *testing.T) {
			t.Parallel()
			newYard(t, server, "&statement_timeout=600ms&idle_in_transaction_session_timeout=600ms").breakAnywhere(a, hangs)
		})
	}
}

// hangs lists places in which to let the network swallow everything: between
// what either end says in one breath.
func hangs(heard []pgproxy.Message) []pgproxy.Break {
	var all []pgproxy.Break
	for at, m := range heard {
		b := pgproxy.Break{At: at, After: at%2 == 0, Way: pgproxy.Hang}
		if m.From == pgproxy.Client {
			switch m.Type {
			case 'P': // begins a breath of several
				b.After = false
			case 'S': // ends it
				b.After = true
			case 'B', 'D', 'E':
				continue
			}
		}
		if thorough() && at%5 == 0 || at == len(heard)/2 || at >= len(heard)-3 {
			all = append(all, b)
		}
	}
	return all
}

func (y *yard) breakAnywhere(a act, places func([]pgproxy.Message) []pgproxy.Break) {
	var heard []pgproxy.Message
	whole := y.world().whole(a, y.proxy.Listen, func() { heard = y.proxy.Heard() })
	said := map[string]int{}
	for _, b := range places(heard) {
		y.warm(a)
		w := y.world()
		if a.ready != nil {
			a.ready(w)
		}
		what := fmt.Sprintf("broken at %s, %d of %d, after it %v, %s, away %v", heard[b.At], b.At, len(heard), b.After, b.Way, b.Away)
		y.proxy.Plan(b)
		got, err := y.bounded(a.do, w)
		broken, pids := y.proxy.Broken()
		if !broken {
			y.Fatalf("%s: it did not break", what)
		}
		y.quiet(b.Way != pgproxy.Hang, pids)
		y.proxy.Heal()
		said[w.judge(a, what, got, err, whole, "the connection to the database was lost")]++
	}
	y.Logf("%d messages; %v", len(heard), said)
}

// warm does an act undisturbed, so that the next one says what was heard: a new
// connection has its statements to read first.
func (y *yard) warm(a act) {
	y.Helper()
	w := y.world()
	if a.ready != nil {
		a.ready(w)
	}
	_, err := y.bounded(a.do, w)
	y.must(err)
}

// whole does an act undisturbed, by the way on which others are disturbed, and
// returns what the books said before and after and what the store answered. It
// calls from just before the act, and to just after it.
func (w *world) whole(a act, from, to func()) (d deed) {
	w.Helper()
	if a.ready != nil {
		a.ready(w)
	}
	d.before = w.books()
	w.must(w.through.Ping(w.Context()))
	from()
	got, err := a.do(w.Context(), w, w.through)
	to()
	w.must(err)
	d.after, d.answer = w.books(), w.plain(got)
	if cmp.Equal(d.before, d.after) {
		w.Fatal("it changes nothing")
	}
	return d
}

// A deed is what an act does that nothing disturbs.
type deed struct {
	before, after books
	answer        string
}

// judge compares what is stored with what the caller was told, and lets the
// caller try again after an error, which must hold some words. It says in short
// what happened.
func (w *world) judge(a act, what string, got any, err error, whole deed, words string) string {
	w.Helper()
	now := w.books()
	isBefore, diff := cmp.Equal(now, whole.before), cmp.Diff(whole.after, now)
	if err == nil {
		if diff != "" {
			w.Errorf("%s: nil was returned, and stored is (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(whole.answer, w.plain(got)); diff != "" {
			w.Errorf("%s: returned (-want +got):\n%s", what, diff)
		}
		return "nil, stored"
	}
	if !isBefore && diff != "" {
		w.Errorf("%s: %v, and half of it is stored (-all +got):\n%s", what, err, diff)
	}
	w.wellSaid(what, err, isBefore, words)
	w.retry(a, what, err, isBefore, whole.after)
	if isBefore {
		return "error, not stored"
	}
	return "error, stored"
}

func (y *yard) bounded(do func(context.Context, *world, *store.Store) (any, error), w *world) (any, error) {
	ctx, cancel := context.WithTimeout(y.Context(), 20*time.Second)
	defer cancel()
	return do(ctx, w, y.through)
}

// retry tries again what ended in an error.
func (w *world) retry(a act, what string, err error, isBefore bool, after books) {
	w.Helper()
	again := a.do
	if a.again != nil {
		again = func(ctx context.Context, w *world, s *store.Store) (any, error) { return a.again(ctx, w, s, err) }
	}
	_, second := w.bounded(again, w)
	known := slices.ContainsFunc(a.known, func(k error) bool { return errors.Is(second, k) })
	if second != nil && (isBefore || !known) {
		w.Errorf("%s: %v; and at the second try: %v", what, err, second)
		return
	}
	now := w.books()
	if diff := cmp.Diff(after.facts(), now.facts()); diff != "" {
		w.Errorf("%s: %v; and after the second try (-want +got):\n%s", what, err, diff)
	}
	surplus := now.more("events", after)
	if isBefore && len(surplus) > 0 || len(after.more("events", now)) > 0 {
		w.Errorf("%s: %v; after the second try there are events too many %v, and missing %v", what, err, surplus, after.more("events", now))
	}
	for _, e := range surplus {
		if !slices.ContainsFunc(a.twice, func(kind string) bool { return strings.Contains(e, `"kind": "`+kind+`"`) }) {
			w.Errorf("%s: %v; after the second try there is one event too many: %s", what, err, e)
		}
	}
}

// wellSaid makes sure that an error says what happened, and no secret.
func (y *yard) wellSaid(what string, err error, isBefore bool, words string) {
	y.Helper()
	text := err.Error()
	if y.server != nil && strings.Contains(text, y.server.Password()) {
		y.Errorf("%s: the error shows the password: %v", what, err)
	}
	if !strings.Contains(text, words) {
		y.Errorf("%s: the error does not say %q: %v", what, words, err)
	}
	if !isBefore && !strings.Contains(text, "it is not known whether this was stored") {
		y.Errorf("%s: it is stored, and the error does not say that it may be: %v", what, err)
	}
}

// more returns the rows of a table that other has not, or has less often.
func (b books) more(table string, other books) []string {
	rest := slices.Clone(other[table])
	var more []string
	for _, r := range b[table] {
		if i := slices.Index(rest, r); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		} else {
			more = append(more, r)
		}
	}
	return more
}
