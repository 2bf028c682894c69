package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// binary is the real program, built once for all tests of this package.
var binary string

func TestMain(m *testing.M) {
	if code, was := beServer(); was {
		os.Exit(code)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "dunning-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "dunning")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return pgtest.Main(m)
	}())
}

// town is a pretend world for real processes: a sandbox in this process, a
// configuration and an inbox in a folder.
type town struct {
	t   testing.TB
	dir string
	box *sandbox.Sandbox
}

// townConfig lets letters go at any hour, without limits, and has short leases,
// so that what a killed process held is free again soon.
const townConfig = `database: {url: "%s", lease: 2 seconds}
costplus: {mode: live, api_key: sandbox-key, base_url: "%s", payment_hosts: ["%s"], requests_per_second: 10000}
smtp: {host: "%s", port: %s, security: none, connections: 8, per_minute: 600000, timeout: 1 second}
mail: {from: "Example BV <billing@example.com>", language: en}
timezone: UTC
sending: {first_letters: send, window: "00:00-24:00", days: [mon, tue, wed, thu, fri, sat, sun], start_from: 2020-01-01, min_gap: 1 day, max_lateness: 400 days, max_per_run: 1000000, approve_above: 1000000}
sources: [{name: erp, csv: "inbox/*.csv"}]
workers: 8
policies:
  standard:
    currencies: [EUR]
    link: {expires_after: P45D, lead: 1 day, on_expiry: mail, max_renewals: 3, min_life: 3 days}
    steps: [{name: request, when: on issue date, template: request, group: invoice}]
`

func newTown(t testing.TB, database string, n int) *town {
	t.Helper()
	box, err := sandbox.Start(sandbox.Options{Now: time.Now, Seed: 1, Mail: sandbox.MailOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := box.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	w := &town{t: t, dir: t.TempDir(), box: box}
	host, port, err := net.SplitHostPort(box.Mail.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w.write("config.yaml", fmt.Sprintf(townConfig, database, box.URL(), strings.TrimPrefix(box.URL(), "http://"), host, port))
	var b strings.Builder
	b.WriteString("number,customer_id,customer_name,customer_email,currency,total,issued_on,due_on\n")
	today := time.Now().UTC()
	for i := range n {
		fmt.Fprintf(&b, "INV-%05d,C%05d,Customer %d,c%05d@customer.example,EUR,%d.00,%s,%s\n",
			i, i, i, i, 10+i%900, today.AddDate(0, 0, -1).Format(time.DateOnly), today.AddDate(0, 0, 29).Format(time.DateOnly))
	}
	w.write("inbox/invoices.csv", b.String())
	return w
}

func (w *town) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// command returns the real program with arguments.
func (w *town) command(args ...string) *exec.Cmd {
	return exec.Command(binary, append([]string{"--config", filepath.Join(w.dir, "config.yaml")}, args...)...)
}

// run runs the program to its end and returns what it printed. Exit codes other
// than 0 and 3 (something needs a person) fail the test.
func (w *town) run(args ...string) string {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := w.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if x, ok := errors.AsType[*exec.ExitError](err); ok && x.ExitCode() == exitAttention {
		err = nil
	}
	if err != nil {
		w.t.Fatalf("dunning %s: %v\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

var everyJob = []string{"job", "poll-links", "create-links", "renew-links", "email-links", "send-reminders"}

// count reads what the world saw: mails by Message-ID and by customer, links by
// what they are for.
func (w *town) count() (ids, customers, links map[string]int) {
	ids, customers, links = map[string]int{}, map[string]int{}, map[string]int{}
	for _, m := range w.box.Mail.Mails() {
		ids[m.MessageID]++
		customers[m.To[0]]++
	}
	for _, l := range w.box.Pay.Links() {
		number, _, _ := strings.Cut(l.MerchantOrderID, "-L")
		links[number]++
	}
	return ids, customers, links
}

// TestR01_FourProcesses: 1,000 due invoices, four processes, twenty runs of
// every job each: one letter and one link per invoice.
func TestR01_FourProcesses(t *testing.T) {
	const n = 1000
	w := newTown(t, pgtest.Database(t), n)
	w.run("job", "import")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if out, err := w.command(everyJob...).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
	wg.Wait()
	ids, customers, links := w.count()
	if len(w.box.Mail.Mails()) != n || len(ids) != n || len(customers) != n {
		t.Errorf("%d mails, %d Message-IDs, %d customers; want %d of each", len(w.box.Mail.Mails()), len(ids), len(customers), n)
	}
	if len(w.box.Pay.Links()) != n || len(links) != n {
		t.Errorf("%d links for %d invoices; want %d", len(w.box.Pay.Links()), len(links), n)
	}
}
