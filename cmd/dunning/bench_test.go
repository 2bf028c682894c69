package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wneessen/go-mail"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dunning/internal/config"
	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
	"dunning/jobs"
)

const hands = 8 // connections and accounts at a time, bare and with the worker

// size reads how many invoices a benchmark handles.
func size(b *testing.B, name string, otherwise int) int {
	b.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q is no number", name, s)
	}
	return n
}

// spread does n things, so many hands at a time.
func spread(n int, do func(hand, i int) error) error {
	var g errgroup.Group
	for h := range hands {
		g.Go(func() error {
			for i := h; i < n; i += hands {
				if err := do(h, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// barePosts makes n links with net/http alone.
func barePosts(b *testing.B, w *town, n int) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: hands}}
	defer client.CloseIdleConnections()
	start := time.Now()
	err := spread(n, func(_, i int) error {
		body, err := json.Marshal(map[string]any{"merchant_order_id": fmt.Sprintf("bare-%d", i), "amount": 1000 + i, "currency": "EUR", "description": "x", "expiration_period": "P45D"})
		if err != nil {
			return err
		}
		req, err := http.NewRequest("POST", w.box.URL()+"/v1/paymentlinks/", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.SetBasicAuth(sandbox.DefaultKey, "")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != 201 {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// bareMails composes and sends n mails with go-mail alone, over reused
// connections.
func bareMails(b *testing.B, w *town, n int, plain, html string) time.Duration {
	b.Helper()
	host, port, err := net.SplitHostPort(w.box.Mail.Addr())
	if err != nil {
		b.Fatal(err)
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	client, err := mail.NewClient(host, mail.WithPort(p), mail.WithTLSPolicy(mail.NoTLS), mail.WithoutNoop(), mail.WithoutRset())
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	start := time.Now()
	var g errgroup.Group
	for h := range hands {
		g.Go(func() error {
			conn, err := client.DialToSMTPClientWithContext(ctx)
			if err != nil {
				return err
			}
			for i := h; i < n; i += hands {
				m := mail.NewMsg()
				if err := m.From("billing@example.com"); err != nil {
					return err
				}
				if err := m.To(fmt.Sprintf("bare%d@customer.example", i)); err != nil {
					return err
				}
				m.Subject("Invoice")
				m.SetBodyString(mail.TypeTextPlain, plain)
				m.AddAlternativeString(mail.TypeTextHTML, html)
				if err := client.SendWithSMTPClient(conn, m); err != nil {
					return err
				}
			}
			return conn.Quit()
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkEndToEnd handles due invoices, from no link to the first letter sent
// and recorded, and compares it with two bare loops in the same run: the same
// POSTs and the same mails, without database, policy and templates. A ratio of
// 1 would be as fast as they are. DUNNING_BENCH sets the number of invoices.
func BenchmarkEndToEnd(b *testing.B) {
	n := size(b, "DUNNING_BENCH", 2000)
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			for b.Loop() {
				url := "sqlite:dunning.db"
				if database == "postgres" {
					url = pgtest.Database(b)
				}
				w := newTown(b, url, n)
				works := w.works(b)
				do := func(names ...string) time.Duration {
					start := time.Now()
					for _, name := range names {
						j, err := jobs.Find(name)
						if err != nil {
							b.Fatal(err)
						}
						if _, err := works.roster.Run(context.Background(), jobs.Order{Job: j}, time.Now()); err != nil {
							b.Fatal(err)
						}
					}
					return time.Since(start)
				}
				do("import")
				worker := do("poll-links", "create-links", "email-links")
				if got := len(w.box.Mail.Mails()); got != n {
					b.Fatalf("%d letters, want %d", got, n)
				}
				raw, err := w.box.Mail.Text(1)
				if err != nil {
					b.Fatal(err)
				}
				posts, mails := barePosts(b, w, n), bareMails(b, w, n, raw, strings.Repeat("<p>"+raw+"</p>", 3))
				bare := posts + mails
				b.ReportMetric(float64(n)/worker.Seconds(), "invoices/s")
				b.ReportMetric(float64(n)/posts.Seconds(), "bare-posts/s")
				b.ReportMetric(float64(n)/mails.Seconds(), "bare-mails/s")
				b.ReportMetric(bare.Seconds()/worker.Seconds(), "ratio-to-bare")
				works.close()
			}
		})
	}
}

// works wires the real thing in this process.
func (w *town) works(b *testing.B) *works {
	b.Helper()
	text := w.read("config.yaml")
	cfg, err := config.Parse(w.dir+"/config.yaml", []byte(text), os.LookupEnv, os.ReadFile)
	if err != nil {
		b.Fatal(err)
	}
	works, err := openWorks(context.Background(), cfg, acting, time.Now, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	return works
}

// BenchmarkMemory runs the real program on a thousand due invoices and on many
// more, and reports its largest resident memory for each.
// DUNNING_BENCH_MEMORY sets how many more.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1000, size(b, "DUNNING_BENCH_MEMORY", 10_000)} {
		b.Run(fmt.Sprintf("invoices=%d", n), func(b *testing.B) {
			for b.Loop() {
				w := newTown(b, "sqlite:dunning.db", n)
				b.ReportMetric(w.peak(b, "job", "import"), "MB-import")
				b.ReportMetric(w.peak(b, "job", "poll-links", "create-links", "email-links"), "MB-work")
			}
		})
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak runs the program and returns the largest resident memory it was seen
// with, in MB. The kernel's own figure for a child would begin with ours.
func (w *town) peak(b *testing.B, args ...string) float64 {
	b.Helper()
	cmd := w.command(args...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	most := 0.0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatalf("%v: %v", args, err)
			}
			return most
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := highWater.FindSubmatch(status); m != nil {
				kb, _ := strconv.ParseFloat(string(m[1]), 64)
				most = max(most, kb/1024)
			}
		}
	}
}
