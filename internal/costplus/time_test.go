package costplus

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"dunning/invoices"
)

// TestTimeouts lets a minute pass in no time.
func TestTimeouts(t *testing.T) {
	tests := []struct {
		says string
		h    func(done <-chan struct{}) http.HandlerFunc
	}{
		{"no header comes", func(done <-chan struct{}) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-done
			}
		}},
		{"the body drips", func(done <-chan struct{}) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for _, b := range []byte(full) {
					if _, err := w.Write([]byte{b}); err != nil || http.NewResponseController(w).Flush() != nil {
						return
					}
					select {
					case <-tick.C:
					case <-done:
						return
					}
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan struct{})
				c, _, stop := serveInMemory(t, tt.h(done))
				defer stop()
				defer close(done)
				start := time.Now()
				_, err := c.Create(t.Context(), anOrder())
				checkFault(t, err, wantDoubt)
				_, err = c.Look(t.Context(), linkID)
				checkFault(t, err, wantAgain)
				if took := time.Since(start); took != 2*defaultTimeout {
					t.Errorf("two calls took %v", took)
				}
			})
		})
	}
}

// TestR02_CallerGivesUp cancels a call before, while waiting for its turn, while
// connecting, and after the request was written.
func TestR02_CallerGivesUp(t *testing.T) {
	t.Run("before it began", func(t *testing.T) {
		c, e := serve(t, answer(201, fresh))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Create(ctx, anOrder())
		checkFault(t, err, wantAbandoned)
		if !errors.Is(err, context.Canceled) || len(e.calls) != 0 {
			t.Errorf("got %v, metrics %q", err, e.calls)
		}
	})
	t.Run("while waiting for its turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _, stop := serveInMemory(t, answer(201, fresh), func(o *Options) { o.PerSecond = 0.01 })
			defer stop()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := c.Create(ctx, anOrder()); err != nil {
				t.Fatal(err)
			}
			_, err := c.Create(ctx, anOrder())
			checkFault(t, err, wantAbandoned)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("while connecting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := newClient(t, "http://127.0.0.1", newPipes().over) // nobody accepts
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.Create(ctx, anOrder())
			checkFault(t, err, wantAbandoned)
			_, err = c.Create(t.Context(), anOrder())
			checkFault(t, err, wantUnsent)
		})
	})
	t.Run("after it was written", func(t *testing.T) {
		arrived, done := make(chan struct{}, 2), make(chan struct{})
		c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			arrived <- struct{}{}
			<-done
		})
		defer close(done)
		for _, tt := range []struct {
			call  func(context.Context) error
			wants want
		}{
			{func(ctx context.Context) error { _, err := c.Create(ctx, anOrder()); return err }, want{kind: invoices.Ambiguous}},
			{func(ctx context.Context) error { _, err := c.Look(ctx, linkID); return err }, wantAbandoned},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-arrived
				cancel()
			}()
			err := tt.call(ctx)
			checkFault(t, err, tt.wants)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			cancel()
		}
	})
}

// TestRateIsShared counts virtual seconds of calls from many goroutines.
func TestRateIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, stop := serveInMemory(t, answer(201, fresh), func(o *Options) { o.PerSecond = 20 })
		defer stop()
		start := time.Now()
		done := make(chan error)
		for range 8 {
			go func() {
				var err error
				for range 10 {
					if _, e := c.Create(t.Context(), anOrder()); e != nil {
						err = e
					}
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start).Round(time.Millisecond); took != 3900*time.Millisecond {
			t.Errorf("80 calls at 20 a second, two of them at once, took %v", took)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	date := now.Format(http.TimeFormat)
	tests := []struct {
		says, after, date string
		want              time.Duration
	}{
		{"nothing asked", "", date, 0},
		{"seconds", "120", date, 2 * time.Minute},
		{"at once", "0", date, 0},
		{"a date, by the server's clock", now.Add(90 * time.Second).Format(http.TimeFormat), date, 90 * time.Second},
		{"a date, by the server's clock, which is a year ahead", now.AddDate(1, 0, 0).Add(time.Minute).Format(http.TimeFormat), now.AddDate(1, 0, 0).Format(http.TimeFormat), time.Minute},
		{"a date, by our clock", now.Add(90 * time.Second).Format(http.TimeFormat), "none", 90 * time.Second},
		{"a date in the past", now.Add(-time.Hour).Format(http.TimeFormat), date, 0},
		{"a date in another century", now.AddDate(90, 0, 0).Format(http.TimeFormat), date, longestPause},
		{"a year", "31536000", date, longestPause},
		{"more than can be counted", "99999999999999999999", date, longestPause},
		{"less than nothing", "-5", date, 0},
		{"a fraction", "1.5", date, 0},
		{"nonsense", "soon", date, 0},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			for _, status := range []int{429, 503} {
				c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Retry-After", tt.after)
					w.Header().Set("Date", tt.date)
					answer(status, "")(w, r)
				})
				_, err := c.Look(t.Context(), linkID)
				if f := checkFault(t, err, want{kind: invoices.Later, server: status == 503}); f.After != tt.want {
					t.Errorf("%d: got %v, want %v", status, f.After, tt.want)
				}
				_, err = c.Create(t.Context(), anOrder())
				if f, ok := errors.AsType[*invoices.Fault](err); !ok || f.After != tt.want {
					t.Errorf("%d: got %+v, want %v", status, err, tt.want)
				}
			}
		})
	}
}
