package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/internal/sandbox"
)

// freeAddress returns an address nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually asks until it is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// patient has the program wait for a machine that has much else to do: a letter
// that a second did not suffice for would only leave at the next run.
func (w *town) patient() {
	w.t.Helper()
	w.write("config.yaml", strings.Replace(w.read("config.yaml"), "timeout: 1 second", "timeout: 20 seconds", 1))
}

// scheduler starts `dunning run` with webhooks and health.
func (w *town) scheduler() (cmd *exec.Cmd, health, hooks string, log *safeBuffer) {
	w.t.Helper()
	w.patient()
	health, hooks = freeAddress(w.t), freeAddress(w.t)
	path := filepath.Join(w.dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	s := strings.Replace(string(text), "costplus: {", `costplus: {webhook_url: "http://`+hooks+`/costplus", `, 1)
	s += `web: {listen: "` + health + `", webhook_listen: "` + hooks + "\"}\n"
	w.write("config.yaml", s)
	log = &safeBuffer{}
	cmd = w.command("run")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if w.t.Failed() {
			w.t.Logf("what the scheduler said:\n%s", log)
		}
	})
	return cmd, "http://" + health, "http://" + hooks, log
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestRun is a day of the real scheduler: it scans at start, mails, hears of a
// payment by a webhook and knows it seconds later, is not impressed by forged
// calls, shows its health, logs no address, and stops in good order.
func TestRun(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			url := "sqlite:dunning.db"
			if database == "postgres" {
				url = pgtest.Database(t)
			}
			w := newTown(t, url, 3)
			cmd, health, hooks, log := w.scheduler()
			eventually(t, "three letters", func() bool { return len(w.box.Mail.Mails()) == 3 })
			link := w.box.Pay.Links()[0]
			number, _, _ := strings.Cut(link.MerchantOrderID, "-L")
			if _, err := w.box.Pay.Pay(link.ID); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the payment is known", func() bool {
				var x explanation
				if err := json.Unmarshal([]byte(w.run("explain", number, "--json")), &x); err != nil {
					t.Fatal(err)
				}
				return x.Code == "paid_by_link"
			})
			for _, path := range []string{"/costplus/" + strings.Repeat("Z", 26), "/", "/costplus/../../x"} {
				if code, _ := get(t, hooks+path); code != 200 {
					t.Errorf("a forged call to %s: %d", path, code)
				}
			}
			if code, text := get(t, health+"/healthz"); code != 200 {
				t.Errorf("/healthz: %d %s", code, text)
			}
			if code, text := get(t, health+"/readyz"); code != 200 {
				t.Errorf("/readyz: %d %s", code, text)
			}
			if _, text := get(t, health+"/metrics"); !strings.Contains(text, `dunning_letters_total{outcome="sent"} 3`) {
				t.Errorf("/metrics does not tell of three letters:\n%s", text)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v\n%s", err, log)
			}
			if text := log.String(); strings.Contains(text, "@customer.example") || strings.Contains(text, "/pay/") || strings.Contains(text, sandbox.DefaultKey) {
				t.Errorf("an address, a payment link or the key is in the log:\n%s", text)
			}
		})
	}
}

// TestR02_AGracefulStopLeavesNoDoubt: SIGTERM while letters wait for the answer
// to their dot; they are finished, recorded as sent, and no new one begins.
func TestR02_AGracefulStopLeavesNoDoubt(t *testing.T) {
	w := newTown(t, "sqlite:dunning.db", 100)
	w.patient()
	w.run("job", "import", "create-links")
	if _, err := w.box.Mail.AddFault(sandbox.MailFault{Phase: sandbox.AtDot, Do: sandbox.Stall, Pause: sandbox.Pause(2 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	cmd := w.command("job", "email-links")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first letters have arrived", func() bool { return len(w.box.Mail.Mails()) > 0 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	w.box.Mail.ClearFaults()
	stopped := len(w.box.Mail.Mails())
	if stopped == 100 {
		t.Fatal("it sent everything before it was stopped: the test proves nothing")
	}
	if doubts := w.doubts(); len(doubts) > 0 {
		t.Errorf("a graceful stop left doubts: %+v", doubts)
	}
	w.run("job", "email-links")
	ids, customers, _ := w.count()
	if len(ids) != 100 || len(customers) != 100 || len(w.box.Mail.Mails()) != 100 {
		t.Errorf("%d letters after the stop, then %d of %d; want 100", stopped, len(ids), len(w.box.Mail.Mails()))
	}
}

func (w *town) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}
