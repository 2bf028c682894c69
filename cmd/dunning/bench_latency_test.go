package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	netmail "net/mail"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// What the worker and the bare loops have at hand when the world is far away.
const (
	farWorkers     = 64
	farConnections = 32
)

// BenchmarkLatency handles due invoices, from no link to the first letter sent
// and recorded, in a world whose every answer takes 20 ms, and compares it in
// the same run with
//
//   - the cron script that somebody would write instead, one invoice after the
//     other, over a sample: times-the-script;
//   - what the connections allow: the same POSTs, 64 at a time, and then the
//     same mails with go-mail over 32 connections that are used again and again,
//     without database, policy and templates: share-of-connections; and against
//     the mails alone, as if the POSTs cost nothing: share-of-mails.
//
// In the world that is far, what the network costs is the way there and back;
// in the one that is slow, each single command takes its time, and nothing is
// won by sending several together. Where machine-busy is near 1 it is not the
// connections that bound the worker but the processors, on which the database
// and the sandbox are as well. DUNNING_BENCH_FAR sets the number of
// invoices, DUNNING_BENCH_SCRIPT that of the sample.
func BenchmarkLatency(b *testing.B) {
	n, sample := asked(b, "DUNNING_BENCH_FAR", 1000), asked(b, "DUNNING_BENCH_SCRIPT", 10)
	for _, row := range []struct {
		world, database string
		enter           func(*farTown)
	}{
		{"far", "postgres", (*farTown).goFar},
		{"far", "sqlite", (*farTown).goFar},
		{"slow", "postgres", (*farTown).goSlow},
	} {
		b.Run(row.world+"/"+row.database, func(b *testing.B) {
			for b.Loop() {
				url := "sqlite:dunning.db"
				if row.database == "postgres" {
					url = pgtest.Database(b)
				}
				w := newFarTown(b, url, n, farWorkers, farConnections)
				live := w.wire()
				w.timed(live, "import")
				row.enter(w)
				cpu, idle, start := cpuTime(b), idleTime(b), time.Now()
				looks, links, letters := w.timed(live, "poll-links"), w.timed(live, "create-links"), w.timed(live, "email-links")
				cpu, idle = cpuTime(b)-cpu, idleTime(b)-idle
				busy := 1 - idle.Seconds()/time.Since(start).Seconds()/float64(runtime.NumCPU())
				w.oneEach(n)
				text := w.letter()
				posts, mails, script := w.barePosts(b, n), w.bareMails(b, n, text), w.script(b, sample, text)
				b.Logf("looks %v, links %v, letters %v; bare posts %v, bare mails %v; script %v for %d", looks, links, letters, posts, mails, script, sample)
				worker := looks + links + letters
				b.ReportMetric(perSecond(n, worker), "invoices/s")
				b.ReportMetric(float64(cpu.Microseconds())/float64(n), "cpu-µs/invoice")
				b.ReportMetric(busy, "machine-busy")
				b.ReportMetric(perSecond(n, links), "links/s")
				b.ReportMetric(perSecond(n, letters), "letters/s")
				b.ReportMetric(perSecond(n, posts), "bare-posts/s")
				b.ReportMetric(perSecond(n, mails), "bare-mails/s")
				b.ReportMetric(perSecond(n, worker)/perSecond(sample, script), "times-the-script")
				b.ReportMetric((posts+mails).Seconds()/worker.Seconds(), "share-of-connections")
				b.ReportMetric(mails.Seconds()/worker.Seconds(), "share-of-mails")
			}
		})
	}
}

// idleTime returns for how long the processors of this machine had nothing to do
// or waited for a disk, all together (proc_stat(5); its unit is a hundredth of
// a second on every Linux).
func idleTime(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.Fatal(err)
	}
	var user, nice, system, idle, disk int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d", &user, &nice, &system, &idle, &disk); err != nil {
		b.Fatalf("/proc/stat: %v", err)
	}
	return time.Duration(idle+disk) * 10 * time.Millisecond
}

// cpuTime returns how much processor time this process has taken.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// A sheetOfText is what a letter says, in both forms.
type sheetOfText struct{ plain, html string }

// letter returns what the first letter says, so that the bare loops send as
// much.
func (w *farTown) letter() sheetOfText {
	w.t.Helper()
	var raw []byte
	w.ask("mails/1", "", &raw)
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	var s sheetOfText
	if err := s.read(textproto.MIMEHeader(msg.Header), msg.Body); err != nil {
		w.t.Fatal(err)
	}
	if s.plain == "" || s.html == "" {
		w.t.Fatalf("the first letter has %d bytes of text and %d of HTML", len(s.plain), len(s.html))
	}
	return s
}

// read gathers the texts of a MIME part.
func (s *sheetOfText) read(header textproto.MIMEHeader, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = s.read(part.Header, part)
			}
			if err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	switch kind {
	case "text/plain":
		s.plain = string(text)
	case "text/html":
		s.html = string(text)
	}
	return err
}

// together does n things, so many hands at a time, and returns how long it
// took. Each hand is set up by begin, which returns what it does for each thing
// and how it ends.
func together(b *testing.B, n, hands int, begin func() (do func(i int) error, end func() error, err error)) time.Duration {
	b.Helper()
	start := time.Now()
	var g errgroup.Group
	for h := range hands {
		g.Go(func() error {
			do, end, err := begin()
			for i := h; i < n && err == nil; i += hands {
				err = do(i)
			}
			if err != nil {
				return err
			}
			return end()
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// post asks for one payment link.
func (w *farTown) post(client *http.Client, ref string, amount int) error {
	body, err := json.Marshal(map[string]any{"merchant_order_id": ref, "amount": amount, "currency": "EUR", "description": "Invoice " + ref, "expiration_period": "P45D"})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, w.url+"/v1/paymentlinks/", bytes.NewReader(body))
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
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// barePosts makes n links with net/http alone.
func (w *farTown) barePosts(b *testing.B, n int) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: farWorkers}}
	defer client.CloseIdleConnections()
	return together(b, n, farWorkers, func() (func(int) error, func() error, error) {
		do := func(i int) error { return w.post(client, fmt.Sprint("bare-", i), 1000+i) }
		return do, func() error { return nil }, nil
	})
}

// compose writes a mail as go-mail does it.
func compose(to string, text sheetOfText) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.From("billing@example.com"); err != nil {
		return nil, err
	}
	if err := m.To(to); err != nil {
		return nil, err
	}
	m.Subject("Invoice")
	m.SetBodyString(mail.TypeTextPlain, text.plain)
	m.AddAlternativeString(mail.TypeTextHTML, text.html)
	return m, nil
}

// carrier returns a client of the mail server.
func (w *farTown) carrier(b *testing.B, o ...mail.Option) *mail.Client {
	b.Helper()
	host, port, err := net.SplitHostPort(w.smtp)
	if err != nil {
		b.Fatal(err)
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	client, err := mail.NewClient(host, append(o, mail.WithPort(p), mail.WithTLSPolicy(mail.NoTLS))...)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// bareMails composes and sends n mails with go-mail alone, over connections that
// are used again, four round trips each.
func (w *farTown) bareMails(b *testing.B, n int, text sheetOfText) time.Duration {
	b.Helper()
	client := w.carrier(b, mail.WithoutNoop(), mail.WithoutRset())
	return together(b, n, farConnections, func() (func(int) error, func() error, error) {
		conn, err := client.DialToSMTPClientWithContext(context.Background())
		if err != nil {
			return nil, nil, err
		}
		do := func(i int) error {
			m, err := compose(fmt.Sprintf("bare%d@customer.example", i), text)
			if err != nil {
				return err
			}
			return client.SendWithSMTPClient(conn, m)
		}
		return do, conn.Quit, nil
	})
}

// script does n invoices as the cron script of somebody in a hurry does: one
// after the other it reads what is unpaid, asks for a link, mails it over a new
// connection and notes that.
func (w *farTown) script(b *testing.B, n int, text sheetOfText) time.Duration {
	b.Helper()
	db, err := sql.Open("postgres", pgtest.Database(b))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE unpaid AS SELECT 'script-' || i AS number, 'script' || i || '@customer.example' AS email, 1000 + i AS amount, FALSE AS mailed FROM generate_series(1, $1) AS i`, n); err != nil {
		b.Fatal(err)
	}
	client := w.carrier(b)
	start := time.Now()
	for range n {
		var number, email string
		var amount int
		if err := db.QueryRow(`SELECT number, email, amount FROM unpaid WHERE NOT mailed LIMIT 1`).Scan(&number, &email, &amount); err != nil {
			b.Fatal(err)
		}
		if err := w.post(http.DefaultClient, number, amount); err != nil {
			b.Fatal(err)
		}
		m, err := compose(email, text)
		if err == nil {
			err = client.DialAndSend(m)
		}
		if err != nil {
			b.Fatal(err)
		}
		if _, err := db.Exec(`UPDATE unpaid SET mailed = TRUE WHERE number = $1`, number); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}
