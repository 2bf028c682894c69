package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	netmail "net/mail"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/wneessen/go-mail"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dunning/internal/civil"
	"dunning/internal/config"
	"dunning/internal/money"
	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
	"dunning/invoices"
	"dunning/jobs"
)

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

// A bench is a worker in this process, its database, and the other side in
// processes of their own.
type bench struct {
	*town
	api, smtp   *far
	works       *works
	hands, conn int
}

// newBench imports n due invoices of as many customers.
func newBench(b *testing.B, database string, n, hands, conn int, latency time.Duration) *bench {
	b.Helper()
	tune()
	w := &bench{town: &town{t: b, dir: b.TempDir()}, hands: hands, conn: conn}
	w.api, w.smtp = startFar(b, "api", latency), startFar(b, "smtp", latency)
	host, port, err := net.SplitHostPort(w.smtp.addr)
	if err != nil {
		b.Fatal(err)
	}
	text := fmt.Sprintf(townConfig, database, "http://"+w.api.addr, w.api.addr, host, port)
	for was, is := range map[string]string{
		"lease: 2 seconds": "lease: 2 minutes", "timeout: 1 second": "timeout: 1 minute",
		"connections: 8": fmt.Sprint("connections: ", conn), "workers: 8": fmt.Sprint("workers: ", hands),
		"per_minute: 600000": "per_minute: 1000000",
	} {
		if !strings.Contains(text, was) {
			b.Fatalf("the configuration does not say %q", was)
		}
		text = strings.Replace(text, was, is, 1)
	}
	w.write("config.yaml", text)
	w.write("inbox/invoices.csv", dueInvoices(n))
	w.works = w.open(b)
	b.Cleanup(w.works.close)
	w.do("import")
	return w
}

// dueInvoices is a file of invoices that were written yesterday.
func dueInvoices(n int) string {
	var s strings.Builder
	s.WriteString("number,customer_id,customer_name,customer_email,currency,total,issued_on,due_on\n")
	today := time.Now().UTC()
	issued, due := today.AddDate(0, 0, -1).Format(time.DateOnly), today.AddDate(0, 0, 29).Format(time.DateOnly)
	for i := range n {
		fmt.Fprintf(&s, "INV-%07d,C%07d,Customer %d,c%07d@customer.example,EUR,%d.00,%s,%s\n", i, i, i, i, 10+i%900, issued, due)
	}
	return s.String()
}

// open wires the real thing in this process.
func (w *town) open(b *testing.B) *works {
	b.Helper()
	cfg, err := config.Parse(w.dir+"/config.yaml", []byte(w.read("config.yaml")), os.LookupEnv, os.ReadFile)
	if err != nil {
		b.Fatal(err)
	}
	works, err := openWorks(context.Background(), cfg, acting, time.Now, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	return works
}

// do runs jobs, one after the other, and returns how long it took.
func (w *bench) do(names ...string) time.Duration {
	w.t.Helper()
	start := time.Now()
	for _, name := range names {
		j, err := jobs.Find(name)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.works.roster.Run(context.Background(), jobs.Order{Job: j}, time.Now()); err != nil {
			w.t.Fatal(err)
		}
	}
	return time.Since(start)
}

// barePosts makes n links with net/http alone.
func (w *bench) barePosts(n int) time.Duration {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: w.hands}}
	defer client.CloseIdleConnections()
	start := time.Now()
	err := spread(n, w.hands, func(i int) error {
		body, err := json.Marshal(map[string]any{"merchant_order_id": fmt.Sprintf("bare-%d", i), "amount": 1000 + i, "currency": "EUR", "description": "x", "expiration_period": "P45D"})
		if err != nil {
			return err
		}
		req, err := http.NewRequest("POST", "http://"+w.api.addr+"/v1/paymentlinks/", bytes.NewReader(body))
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
		w.t.Fatal(err)
	}
	return time.Since(start)
}

// bareMails composes and sends n mails with go-mail alone, over as many reused
// connections as the worker has. The texts of a mail are those that words
// returns.
func (w *bench) bareMails(n int, words func(i int64) (plain, html string, err error)) time.Duration {
	w.t.Helper()
	host, port, err := net.SplitHostPort(w.smtp.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := mail.NewClient(host, mail.WithPort(p), mail.WithTLSPolicy(mail.NoTLS), mail.WithoutNoop(), mail.WithoutRset())
	if err != nil {
		w.t.Fatal(err)
	}
	start := time.Now()
	var next atomic.Int64
	var g errgroup.Group
	for range w.conn {
		g.Go(func() error {
			conn, err := client.DialToSMTPClientWithContext(context.Background())
			if err != nil {
				return err
			}
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				plain, html, err := words(i)
				if err != nil {
					return err
				}
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
		w.t.Fatal(err)
	}
	return time.Since(start)
}

// letter writes the first letter about an invoice, as the worker does.
func (w *bench) letter(i int64) (plain, html string, err error) {
	day := civil.Of(time.Now().UTC())
	open := money.Amount{Minor: 1000 + i%90_000, Currency: "EUR"}
	t, err := w.works.letters.Write(invoices.Draft{
		Template: "request", Language: "en", Zone: time.UTC, Today: day, Customer: fmt.Sprint("Customer ", i),
		Lines: []invoices.Line{{
			Number: fmt.Sprintf("INV-%07d", i), IssuedOn: day.AddDays(-1), DueOn: day.AddDays(29), Total: open, Open: open,
			URL: fmt.Sprintf("http://%s/pay/19aaceff-93ea-403f-b10c-%012d/", w.api.addr, i), Until: time.Now().AddDate(0, 0, 45),
		}},
		Totals: []money.Amount{open},
	})
	return t.Plain, t.HTML, err
}

// bodies returns the two texts of a letter that was sent.
func (w *bench) bodies() (plain, html string) {
	w.t.Helper()
	letters, err := w.works.db.Letters(context.Background(), "INV-0000000")
	if err != nil || len(letters) != 1 {
		w.t.Fatalf("%d letters, %v", len(letters), err)
	}
	l, err := w.works.db.Letter(context.Background(), letters[0].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := netmail.ReadMessage(bytes.NewReader(l.Raw))
	if err != nil {
		w.t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		w.t.Fatal(err)
	}
	var parts []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart() // it undoes quoted-printable
		if err != nil {
			break
		}
		text, err := io.ReadAll(p)
		if err != nil {
			w.t.Fatal(err)
		}
		parts = append(parts, string(text))
	}
	if len(parts) != 2 {
		w.t.Fatalf("a letter has %d parts", len(parts))
	}
	return parts[0], parts[1]
}

// BenchmarkEndToEnd handles due invoices of as many customers, from no link to
// the first letter sent and recorded, and compares it with two bare loops in the
// same run: the same POSTs and the same mails, without database and policy; once
// without templates, too, as if all letters had the same words, and once with
// letters that the templates write. A ratio of 1 would be as fast as they are.
// DUNNING_BENCH sets the number of invoices.
func BenchmarkEndToEnd(b *testing.B) {
	n := size(b, "DUNNING_BENCH", 5000)
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			for b.Loop() {
				url := "sqlite:dunning.db"
				if database == "postgres" {
					url = pgtest.Database(b)
				}
				w := newBench(b, url, n, size(b, "DUNNING_BENCH_HANDS", 256), size(b, "DUNNING_BENCH_CONN", 64), 0)
				before := cpu(b)
				var worker time.Duration
				shares := split(b, func() { worker = w.do("email-links") })
				spent := cpu(b) - before
				if mails, links := w.smtp.taken(), w.api.taken(); mails != n || links != n {
					b.Fatalf("%d mails and %d links, want %d", mails, links, n)
				}
				plain, html := w.bodies()
				posts := w.barePosts(n)
				mails := w.bareMails(n, func(int64) (string, string, error) { return plain, html, nil })
				letters := w.bareMails(n, w.letter)
				b.ReportMetric(float64(n)/worker.Seconds(), "invoices/s")
				b.ReportMetric(float64(n)/posts.Seconds(), "bare-posts/s")
				b.ReportMetric(float64(n)/mails.Seconds(), "bare-mails/s")
				ratio := (posts + mails).Seconds() / worker.Seconds()
				b.ReportMetric(ratio, "ratio-to-bare")
				b.ReportMetric((posts+letters).Seconds()/worker.Seconds(), "ratio-to-bare-written")
				guard(b, "ratio-to-bare", ratio, 0.1)
				each := float64(spent.Microseconds()) / float64(n)
				b.ReportMetric(each, "us-cpu/invoice")
				for name, share := range shares {
					b.ReportMetric(share*each, "us-"+name)
				}
			}
		})
	}
}

// guard fails the benchmark when a ratio is far below what it was, if
// DUNNING_BENCH_GUARD is set, as CI does. The margin is several times what
// machines differ by.
func guard(b *testing.B, what string, ratio, least float64) {
	b.Helper()
	if os.Getenv("DUNNING_BENCH_GUARD") != "" && ratio < least {
		b.Fatalf("%s is %.3f, and should never be below %.3f", what, ratio, least)
	}
}

// What the processor is used for, told by the innermost of our functions that a
// sample was taken in.
var uses = []struct{ use, in string }{
	{"http", "dunning/internal/costplus."},
	{"http", "net/http."},
	{"compose", "dunning/mailer.(*Pool).Compose"},
	{"compose", "dunning/templates."},
	{"smtp", "dunning/mailer."},
	{"sql", "dunning/internal/store."},
	{"sql", "database/sql."},
	{"policy", "dunning/invoices."},
	{"rest", "dunning/jobs."},
}

// split profiles what is done, and returns the share of each use of the
// processor. What is nobody's is the runtime's: collecting garbage and switching
// between hands.
func split(b *testing.B, do func()) map[string]float64 {
	b.Helper()
	var text bytes.Buffer
	if err := pprof.StartCPUProfile(&text); err != nil { // -cpuprofile has it
		do()
		return nil
	}
	do()
	pprof.StopCPUProfile()
	p, err := profile.Parse(&text)
	if err != nil {
		b.Fatal(err)
	}
	sum, shares := 0.0, map[string]float64{}
	for _, sample := range p.Sample {
		n := float64(sample.Value[0])
		sum += n
		shares[useOf(sample)] += n
	}
	for use := range shares {
		shares[use] /= sum
	}
	return shares
}

func useOf(sample *profile.Sample) string {
	for _, l := range sample.Location { // the innermost first
		for _, line := range l.Line {
			for _, u := range uses {
				if strings.HasPrefix(line.Function.Name, u.in) && (u.use != "smtp" || !composing(sample)) {
					return u.use
				}
			}
		}
	}
	return "runtime"
}

// composing reports whether the mailer was putting a letter into MIME.
func composing(sample *profile.Sample) bool {
	return slices.ContainsFunc(sample.Location, func(l *profile.Location) bool {
		return slices.ContainsFunc(l.Line, func(line profile.Line) bool { return line.Function.Name == "dunning/mailer.(*Pool).Compose" })
	})
}

// cpu returns the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
