package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"dunning/internal/config"
	"dunning/internal/sandbox"
	"dunning/jobs"
)

// late is what every answer of the API and every reply of the mail server
// takes in the benchmarks of a world that is far away.
const late = 20 * time.Millisecond

// A farTown is a town whose sandbox is a process of its own, so that it costs
// whoever is measured nothing but the wait.
type farTown struct {
	*town
	url  string // of the API
	smtp string // host and port
}

// newFarTown starts a sandbox and writes a configuration for so many workers
// and SMTP connections, with rate limits lifted, and n invoices that are due.
func newFarTown(b *testing.B, database string, n, workers, connections int) *farTown {
	b.Helper()
	w := &farTown{town: &town{t: b, dir: b.TempDir()}}
	w.url, w.smtp = sandboxProcess(b)
	host, port, err := net.SplitHostPort(w.smtp)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.NewReplacer(", lease: 2 seconds", "", "connections: 8", fmt.Sprint("connections: ", connections),
		"timeout: 1 second", "timeout: 1 minute", "per_minute: 600000", "per_minute: 1000000", "requests_per_second: 10000", "requests_per_second: 100000",
		"workers: 8", fmt.Sprint("workers: ", workers)).Replace(townConfig)
	w.write("config.yaml", fmt.Sprintf(text, database, w.url, strings.TrimPrefix(w.url, "http://"), host, port))
	w.owe("invoices", n)
	return w
}

// owe writes a file of n more invoices, each of a customer of its own, whose
// first letter is due.
func (w *farTown) owe(file string, n int) {
	w.t.Helper()
	var text strings.Builder
	text.WriteString("number,customer_id,customer_name,customer_email,currency,total,issued_on,due_on\n")
	today := time.Now().UTC()
	for i := range n {
		fmt.Fprintf(&text, "%s-%06d,%s-C%06d,Customer %d,%s.%06d@customer.example,EUR,%d.00,%s,%s\n", file, i, file, i, i, file, i,
			10+i%900, today.AddDate(0, 0, -1).Format(time.DateOnly), today.AddDate(0, 0, 29).Format(time.DateOnly))
	}
	w.write(filepath.Join("inbox", file+".csv"), text.String())
}

// sandboxProcess starts the program as a sandbox and returns where it listens.
// It is stopped when the benchmark ends.
func sandboxProcess(b *testing.B) (url, smtp string) {
	b.Helper()
	cmd := exec.Command(binary, "sandbox", "--listen", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--mails", "")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("the sandbox: %v", err)
		}
		b.Logf("the sandbox took %v of processor time", cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	})
	for lines := bufio.NewScanner(out); url == "" || smtp == ""; {
		if !lines.Scan() {
			b.Fatalf("the sandbox does not say where it listens: %v", lines.Err())
		}
		switch words := append(strings.Fields(lines.Text()), "", ""); words[0] {
		case "Cost+":
			url = words[1]
		case "SMTP":
			smtp = words[1]
		}
	}
	return url, smtp
}

// ask calls the sandbox's own pages; body empty: to read, into v.
func (w *farTown) ask(path, body string, v any) {
	w.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, w.url+"/sandbox/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %s, %v: %.300s", method, path, resp.Status, err, text)
	}
	switch v := v.(type) {
	case nil:
	case *[]byte:
		*v = text
	default:
		if err := json.Unmarshal(text, v); err != nil {
			w.t.Fatal(err)
		}
	}
}

// goFar makes the network long: every answer takes a while to arrive, and
// answers to what was sent together arrive together.
func (w *farTown) goFar() {
	w.t.Helper()
	w.ask("latency", fmt.Sprintf(`{"latency":%q}`, late), nil)
}

// goSlow makes the servers slow: every answer takes a while to be given, and
// the mail server answers one command after the other.
func (w *farTown) goSlow() {
	w.t.Helper()
	w.ask("faults", fmt.Sprintf(`{"kind":%q,"pause":%q}`, sandbox.LatencyAfter, late), nil)
	for _, phase := range []sandbox.MailPhase{
		sandbox.AtGreeting, sandbox.AtHello, sandbox.AtMail, sandbox.AtRcpt, sandbox.AtData, sandbox.AtDot, sandbox.AtReset, sandbox.AtQuit,
	} {
		w.ask("mails/faults", fmt.Sprintf(`{"phase":%q,"do":%q,"pause":%q}`, phase, sandbox.Stall, late), nil)
	}
}

// mails returns the mails that were accepted.
func (w *farTown) mails() []sandbox.Mail {
	w.t.Helper()
	var list []sandbox.Mail
	w.ask("mails", "", &list)
	return list
}

// oneEach fails unless n customers got one letter each, and no letter was sent
// twice.
func (w *farTown) oneEach(n int) {
	w.t.Helper()
	list, ids, customers := w.mails(), map[string]bool{}, map[string]bool{}
	for _, m := range list {
		ids[m.MessageID], customers[m.To[0]] = true, true
	}
	if len(list) != n || len(ids) != n || len(customers) != n {
		w.t.Fatalf("%d mails, %d Message-IDs, %d customers; want %d of each", len(list), len(ids), len(customers), n)
	}
}

// wire wires the real thing in this process, where it can be profiled.
func (w *farTown) wire() *works {
	w.t.Helper()
	path := filepath.Join(w.dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg, err := config.Parse(path, text, os.LookupEnv, os.ReadFile)
	if err != nil {
		w.t.Fatal(err)
	}
	live, err := openWorks(context.Background(), cfg, acting, time.Now, zap.NewNop())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(live.close)
	return live
}

// timed runs a job and returns how long it took.
func (w *farTown) timed(live *works, name string) time.Duration {
	w.t.Helper()
	start := time.Now()
	job, err := jobs.Find(name)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := live.roster.Run(context.Background(), jobs.Order{Job: job}, start); err != nil {
		w.t.Fatal(err)
	}
	return time.Since(start)
}

// asked reads a size of a benchmark from the environment.
func asked(b *testing.B, name string, otherwise int) int {
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
