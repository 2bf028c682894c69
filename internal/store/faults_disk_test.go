//go:build linux && (amd64 || arm64)

package store_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/store"
)

var words = map[syscall.Errno]string{syscall.ENOSPC: "the disk with the database is full", syscall.EIO: "the disk with the database does not work"}

// TestR02_DisksFailAnywhere lets every write of every act to the disk fail under
// SQLite, once or from then on, because the disk is full or because it is
// broken. Then what TestR02_ConnectionsBreakAnywhere says of connections holds.
func TestR02_DisksFailAnywhere(t *testing.T) {
	for turn, a := range acts {
		t.Run(a.says, func(t *testing.T) {
			y := newFileYard(t)
			var calls []string
			whole := y.world().whole(a, func() { watch("", -1, 0, false) }, func() { calls, _ = heal() })
			said := map[string]int{}
			for at := range calls {
				for i, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.ENOSPC, syscall.EIO} {
					if !thorough() && (at+turn)%4 != i {
						continue
					}
					w := y.world()
					if a.ready != nil {
						a.ready(w)
					}
					stays := i >= 2
					what := fmt.Sprintf("%v at %s, %d of %d, stays %v", errno, calls[at], at, len(calls), stays)
					watch("", at, errno, stays)
					got, err := y.bounded(a.do, w)
					if _, failed := heal(); !failed {
						y.Logf("%s: it did not fail", what)
						continue
					}
					said[w.judge(a, what, got, err, whole, words[errno])]++
				}
			}
			y.Logf("%d writes; %v", len(calls), said)
		})
	}
}

// TestR02_ADiskThatFailsInACheckpoint fails while SQLite moves what was stored
// from its log to the database, which it does in the same call as a COMMIT that
// makes the log long. What is in the log is stored, and stays stored.
func TestR02_ADiskThatFailsInACheckpoint(t *testing.T) {
	large := act{says: "a large import", do: func(ctx context.Context, w *world, s *store.Store) (any, error) {
		w.rows = 6000
		l := w.load("2", 500)
		l.Full = false // a full one would look wrong (R8)
		return s.Import(ctx, l, time.UTC, false)
	}}
	y := newFileYard(t)
	var calls []string
	whole := y.world().whole(large, func() { watch("dunning.db", -1, 0, false) }, func() { calls, _ = heal() })
	if len(calls) < 200 {
		t.Fatalf("the log was never moved to the database: %d writes", len(calls))
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for _, at := range []int{0, len(calls) / 2} {
			if !thorough() && (at == 0) != (errno == syscall.EIO) {
				continue
			}
			y := newFileYard(t)
			w := y.world()
			watch("dunning.db", at, errno, true)
			got, err := large.do(t.Context(), w, y.through)
			if _, failed := heal(); !failed {
				t.Fatalf("%v at %d: it did not fail", errno, at)
			}
			said := w.judge(large, fmt.Sprintf("%v at %d", errno, at), got, err, whole, words[errno])
			if now := w.books(); !cmp.Equal(now, whole.after) {
				t.Errorf("%v at %d: %s, %v: it is not stored in the end", errno, at, said, err)
			}
			if said != "nil, stored" {
				t.Errorf("%v at %d: %s, %v", errno, at, said, err)
			}
		}
	}
}

// TestR02_CallersGiveUpInTheMiddle cancels the context at writes of every act to
// the disk under SQLite.
func TestR02_CallersGiveUpInTheMiddle(t *testing.T) {
	for _, a := range acts {
		t.Run(a.says, func(t *testing.T) {
			y := newFileYard(t)
			var calls []string
			whole := y.world().whole(a, func() { watch("", -1, 0, false) }, func() { calls, _ = heal() })
			said := map[string]int{}
			for at := range calls {
				if thorough() || at%5 == 0 {
					said[y.givenUp(a, fmt.Sprintf("given up at %d of %d", at, len(calls)), whole, func(cancel func()) {
						during(at, cancel)
					}, func() bool { _, failed := heal(); return failed })]++
				}
			}
			y.Logf("%d writes; %v", len(calls), said)
		})
	}
}
