package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"dunning/internal/money"
	"dunning/invoices"
)

var noon = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

func TestFacts(t *testing.T) {
	seen := func(state invoices.LinkState, gen int, since time.Time) invoices.Fact {
		return invoices.LinkSeen{Invoice: "1", At: noon, Link: invoices.Link{State: state, Gen: gen, Since: since}}
	}
	for _, row := range []struct {
		says string
		fact invoices.Fact
		want string
	}{
		{"a letter that was sent", invoices.LetterEnded{Result: invoices.Sent}, `dunning_letters_total{outcome="sent"} 1`},
		{"a letter nobody knows of", invoices.LetterEnded{Result: invoices.Uncertain}, `dunning_letters_total{outcome="uncertain"} 1`},
		{"an outcome without a name is still counted", invoices.LetterEnded{Result: "devoured"}, `dunning_letters_total{outcome="other"} 1`},
		{"the first link of an invoice", seen(invoices.New, 1, noon), `dunning_links_made_total{kind="first"} 1`},
		{"a link in place of another", seen(invoices.New, 2, noon), `dunning_links_made_total{kind="further"} 1`},
		{"looking at a new link makes none", seen(invoices.New, 1, noon.Add(-time.Hour)), `dunning_links_made_total{kind="first"} 0`},
		{"a link whose answer was lost", seen(invoices.Lost, 1, noon), `dunning_links_not_made_total{outcome="lost"} 1`},
		{"a link that was paid", seen(invoices.Completed, 1, noon), `dunning_links_ended_total{state="completed"} 1`},
		{"a link long known as paid", seen(invoices.Completed, 1, noon.Add(-time.Hour)), `dunning_links_ended_total{state="completed"} 0`},
		{"an act that failed", invoices.Rested{Rest: invoices.Rest{Act: invoices.MakeLink}}, `dunning_tries_failed_total{act="make_link"} 1`},
		{"an address nobody lives at", invoices.AddressRefused{Address: "a@b.example"}, `dunning_addresses_refused_total 1`},
		{"a bill paid twice", invoices.Incident{Kind: invoices.DoublePayment}, `dunning_incidents_total{kind="double_payment"} 1`},
	} {
		t.Run(row.says, func(t *testing.T) {
			m := New()
			m.Fact(row.fact)
			if text := scrape(t, m.Handler(well)); !hasLine(text, row.want) {
				t.Errorf("no line %s in\n%s", row.want, ours(text))
			}
		})
	}
}

func TestCallsAndRuns(t *testing.T) {
	m := New()
	m.Call("create", "ok", 20*time.Millisecond)
	m.Call("create", "later", 40*time.Second)
	m.Ran("send-reminders", 3*time.Second, nil)
	m.Ran("send-reminders", time.Second, errors.New("the key was refused"))
	text := scrape(t, m.Handler(well))
	for _, want := range []string{
		`dunning_api_calls_total{call="create",kind="ok"} 1`,
		`dunning_api_calls_total{call="create",kind="later"} 1`,
		`dunning_api_call_duration_seconds_bucket{call="create",le="0.025"} 1`,
		`dunning_api_call_duration_seconds_count{call="create"} 2`,
		`dunning_job_runs_total{job="send-reminders",result="done"} 1`,
		`dunning_job_runs_total{job="send-reminders",result="failed"} 1`,
		`dunning_job_run_duration_seconds_sum{job="send-reminders"} 4`,
	} {
		if !hasLine(text, want) {
			t.Errorf("no line %s in\n%s", want, ours(text))
		}
	}
}

func TestStats(t *testing.T) {
	text := scrape(t, New().Handler(well))
	for _, want := range []string{
		`dunning_ledger_up 1`,
		`dunning_oldest_due_step_age_seconds 90`,
		`dunning_due_accounts 7`,
		`dunning_uncertain_letters 2`,
		`dunning_attention_items 3`,
		`dunning_alarms 1`,
		`dunning_job_last_success_timestamp_seconds{job="import"} 1.7736624e+09`,
		`dunning_source_last_read_timestamp_seconds{source="erp"} 1.7736624e+09`,
	} {
		if !hasLine(text, want) {
			t.Errorf("no line %s in\n%s", want, ours(text))
		}
	}
	if strings.Contains(text, `job="never-ran"`) {
		t.Error("a job that never succeeded has a time of success")
	}
}

func TestStats_LedgerDown(t *testing.T) {
	m := New()
	m.Fact(invoices.LetterEnded{Result: invoices.Sent})
	text := scrape(t, m.Handler(func(ctx context.Context) (Stats, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the ledger may keep a scrape waiting for ever")
		}
		return Stats{}, errors.New("postgres://user:hunter2@host: connection refused")
	}))
	if !hasLine(text, `dunning_ledger_up 0`) || !hasLine(text, `dunning_letters_total{outcome="sent"} 1`) {
		t.Errorf("want the ledger down and the counters served, have\n%s", ours(text))
	}
	if strings.Contains(text, "dunning_due_accounts") || strings.Contains(text, "hunter2") {
		t.Errorf("numbers nobody knows, or a secret, are served:\n%s", ours(text))
	}
}

// TestR25_NoAddressBecomesALabel reports facts full of what must not be shown,
// in every field there is.
func TestR25_NoAddressBecomesALabel(t *testing.T) {
	const canary = "canary@debtor.example https://pay.example/tok/1234?key=sk_live_1"
	m := New()
	for _, f := range []invoices.Fact{
		invoices.LetterEnded{ID: canary, Result: canary, Why: canary},
		invoices.LinkSeen{Invoice: canary, At: noon, Link: invoices.Link{
			State: canary, Since: noon, Ref: canary, Hook: canary, URL: canary, Remote: canary, Key: canary, Reason: canary, Amount: money.Amount{Minor: 1, Currency: canary},
		}},
		invoices.Rested{Invoice: canary, Rest: invoices.Rest{Act: invoices.Email, Why: canary}},
		invoices.AddressRefused{Address: canary, Why: canary},
		invoices.Incident{Invoice: canary, Kind: canary, Key: canary, Detail: canary},
	} {
		m.Fact(f)
	}
	m.Call(canary, canary, time.Second)
	m.Ran(canary, time.Second, errors.New(canary))
	at := map[string]time.Time{canary: noon, "canary2@debtor.example": noon.Add(-time.Hour)}
	text := scrape(t, m.Handler(func(context.Context) (Stats, error) { return Stats{LastSuccess: at, LastRead: at}, nil }))
	for _, secret := range []string{"canary", "debtor", "pay.example", "sk_live"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is served:\n%s", secret, ours(text))
		}
	}
	if want := `dunning_source_last_read_timestamp_seconds{source="other"} 1.7736588e+09`; !hasLine(text, want) {
		t.Errorf("want the older of two sources without a plain name: %s, have\n%s", want, ours(text))
	}
}

// TestNames holds every name and help text to Prometheus' conventions.
func TestNames(t *testing.T) {
	m := New()
	m.Call("create", "ok", time.Second)
	m.Ran("import", time.Second, nil)
	gauges := newGauges(t.Context(), well)
	problems, err := testutil.GatherAndLint(prometheus.Gatherers{m.registry, gauges})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := prometheus.Gatherers{m.registry, gauges}.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		name, help := f.GetName(), f.GetHelp()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		if !strings.HasPrefix(name, "dunning_") || !strings.HasSuffix(help, ".") {
			t.Errorf("%s: %q is no sentence, or the name lacks the prefix", name, help)
		}
	}
}

func TestWriteToTextfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dunning.prom")
	m := New()
	m.Fact(invoices.LetterEnded{Result: invoices.Sent})
	if err := m.WriteToTextfile(t.Context(), path, well); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !hasLine(string(text), `dunning_letters_total{outcome="sent"} 1`) || !hasLine(string(text), "dunning_due_accounts 7") {
		t.Errorf("the file lacks the counters or the gauges:\n%s", ours(string(text)))
	}
	if err := m.WriteToTextfile(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(path); err != nil || strings.Contains(string(text), "dunning_due_accounts") {
		t.Errorf("without stats there are gauges: %v", err)
	}
	if err := m.WriteToTextfile(t.Context(), filepath.Join(path, "no", "folder"), nil); err == nil {
		t.Error("writing into a folder that is not there succeeded")
	}
}

func TestConcurrentUse(t *testing.T) {
	m := New()
	h := m.Handler(well)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				m.Fact(invoices.LetterEnded{Result: invoices.Sent})
				m.Call("look", "ok", time.Millisecond)
			}
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
		})
	}
	all.Wait()
	if n := testutil.ToFloat64(m.letters.WithLabelValues("sent")); n != 400 {
		t.Errorf("400 letters were sent, %v counted", n)
	}
}

func well(context.Context) (Stats, error) {
	return Stats{
		OldestDueStep: 90 * time.Second, DueAccounts: 7, Uncertain: 2, Attention: 3, Alarms: 1,
		LastSuccess: map[string]time.Time{"import": noon, "never-ran": {}},
		LastRead:    map[string]time.Time{"erp": noon},
	}, nil
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scrape: status %d, %v", w.Code, err)
	}
	return string(body)
}

func hasLine(text, want string) bool {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}

// ours leaves out what every Go program serves.
func ours(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, namespace) {
			b.WriteString(line)
		}
	}
	return b.String()
}
