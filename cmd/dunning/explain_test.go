package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/pgtest"
	"dunning/internal/store"
	"dunning/invoices"
)

var rewrite = flag.Bool("rewrite-explain", false, "write the golden files in testdata/explain anew")

// explainConfig is a ladder with an approval; nobody is called.
const explainConfig = `database: {url: "%s"}
costplus: {mode: live, api_key: sandbox-key, base_url: "http://127.0.0.1:9", payment_hosts: ["127.0.0.1:9"]}
smtp: {host: 127.0.0.1, port: 9, security: none}
mail: {from: "Example BV <billing@example.com>", language: en}
timezone: Europe/Amsterdam
sending: {window: "08:00-17:00", start_from: 2026-01-01, min_gap: 3 days, first_letters: send}
policies:
  standard:
    currencies: [EUR]
    link: {expires_after: P45D}
    steps:
      - {name: request, when: on issue date, template: request, group: invoice}
      - {name: friendly, when: 7 days after due, template: friendly}
      - {name: firm, when: 14 days after friendly, template: firm, approval: required}
`

// A past is what happened to one customer, written into a database by hand.
type past struct {
	t   *testing.T
	db  *store.Store
	key string // the fingerprint of the API key
	now time.Time
}

func (p *past) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.now, err)
	}
}

// at turns the clock, written in UTC.
func (p *past) at(clock string) *past {
	p.t.Helper()
	at, err := time.Parse("2006-01-02 15:04", clock)
	p.must(err)
	p.now = at
	return p
}

// books reads a list of invoices, each with what is paid of it.
func (p *past) books(customer, email string, paid map[string]int64) {
	p.t.Helper()
	var rows iter.Seq2[invoices.Row, error] = func(yield func(invoices.Row, error) bool) {
		for i, number := range []string{"INV-1", "INV-2"} {
			row := invoices.Row{
				Line: i + 2, Number: number, Total: money.Amount{Minor: 12000 - int64(i)*4000, Currency: "EUR"}, Paid: paid[number],
				IssuedOn: mustDate("2026-03-02"), DueOn: mustDate("2026-04-01"),
				Customer: invoices.Debtor{ID: "ACME", Name: customer, Email: email},
			}
			if !yield(row, nil) {
				return
			}
		}
	}
	_, err := p.db.Import(context.Background(), invoices.Load{Source: "erp", File: "books.csv", Digest: p.now.String(), At: p.now, Rows: rows}, time.UTC, false)
	p.must(err)
}

func mustDate(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

// work claims the customer, does something, and gives it back.
func (p *past) work(intent invoices.Intent, facts ...invoices.Fact) {
	p.t.Helper()
	ctx := context.Background()
	list, err := p.db.Claim(ctx, invoices.Query{Now: p.now, Lease: time.Minute, Limit: 1, Account: "ACME"})
	p.must(err)
	if len(list) != 1 {
		p.t.Fatalf("%s: the customer cannot be claimed", p.now)
	}
	a := list[0]
	if intent != nil {
		a, err = p.db.Begin(ctx, a, intent)
		p.must(err)
	}
	if len(facts) > 0 {
		a, err = p.db.End(ctx, a, facts...)
		p.must(err)
	}
	p.must(p.db.Release(ctx, a, invoices.Decision{}, p.now))
}

// link makes a payment link; asked and answered a second apart.
func (p *past) link(number string, gen int, minor int64) invoices.Link {
	l := invoices.Link{
		Gen: gen, Ref: fmt.Sprintf("%s-L%d", number, gen), Hook: fmt.Sprintf("hook-%s-%d", number, gen), Amount: money.Amount{Minor: minor, Currency: "EUR"},
		State: invoices.Wanted, Key: p.key, Since: p.now,
	}
	made := l
	made.State, made.Remote, made.URL = invoices.New, "r-"+l.Ref, "http://127.0.0.1:9/pay/"+l.Ref
	made.Seen, made.Expires = p.now.Add(time.Second), p.now.AddDate(0, 0, 45)
	p.work(invoices.LinkWanted{Invoice: number, Link: l, At: p.now}, invoices.LinkSeen{Invoice: number, Link: made, At: made.Seen})
	return made
}

// seen is a look at a link that found something.
func (p *past) seen(number string, l invoices.Link, state invoices.LinkState, reason string, attempts int) {
	l.State, l.Reason, l.Attempts, l.Seen, l.Since = state, reason, attempts, p.now, p.now
	p.work(nil, invoices.LinkSeen{Invoice: number, Link: l, At: p.now})
}

// letter sends one, and says what became of it.
func (p *past) letter(id, template string, items []invoices.Item, as invoices.Result, reply, dialogue string) {
	l := invoices.Letter{
		ID: id, Try: 1, Account: "ACME", Template: template, Language: "en", Single: template == "request", Items: items,
		To: []string{"finance@acme.example"}, State: invoices.Sending, At: p.now, Text: invoices.Text{Subject: "Invoice of Example BV"},
		MessageID: id + "@example.com", Raw: []byte("Subject: x\r\n\r\nx\r\n"),
	}
	l.Digest = fmt.Sprintf("%x", sha256.Sum256(l.Raw))
	p.work(invoices.LetterStarted{Letter: l, Patience: time.Minute},
		invoices.LetterEnded{ID: id, Try: 1, Result: as, At: p.now.Add(2 * time.Second), Why: reply, Dialogue: dialogue})
}

func item(number, step string, gen int, minor int64) invoices.Item {
	return invoices.Item{Invoice: number, Episode: 1, Step: step, Gen: gen, Amount: money.Amount{Minor: minor, Currency: "EUR"}}
}

// esc is what a mail server, a customer's name and a person may write to take
// over the terminal of whoever reads it.
const esc = "\x1b[2J\u202e"

// begins writes the first weeks of ACME's past: two invoices, their first
// letters, and what people, the books and Cost+ had to say of one of them.
func (p *past) begins() {
	ctx := context.Background()
	first := store.Target{Invoice: "INV-1"}
	p.at("2026-03-02 06:00").books("Acme BV", "finance@acme.example", nil)
	one := p.at("2026-03-02 06:10").link("INV-1", 1, 12000)
	p.at("2026-03-02 06:11").link("INV-2", 1, 8000)
	p.at("2026-03-02 07:00").letter("aaaa1111", "request", []invoices.Item{item("INV-1", "request", 1, 12000)}, invoices.Sent, "250 2.0.0 Ok: queued "+esc, "")
	p.at("2026-03-02 07:01").letter("aaaa2222", "request", []invoices.Item{item("INV-2", "request", 1, 8000)}, invoices.Sent, "250 2.0.0 Ok", "")
	p.at("2026-03-09 10:00").seen("INV-1", one, invoices.Rejected, "card declined", 1)
	for minute := range 3 {
		p.at(fmt.Sprintf("2026-03-09 10:0%d", minute+1))
		_, err := p.db.Rumour(ctx, one.Hook, p.now)
		p.must(err)
	}
	p.at("2026-03-11 08:00").must(p.db.Hold(ctx, first, invoices.Hold{Reason: "dispute " + esc, By: "Ada", Until: p.now.AddDate(0, 0, 9)}, p.now))
	p.at("2026-03-12 08:00").must(p.db.Lift(ctx, first, "Bob", "they received the goods", p.now))
	p.at("2026-03-13 08:00").must(p.db.Contacted(ctx, "ACME", store.Contact{At: p.now.Add(-time.Hour), Channel: "phone", By: "Ada", Note: "will pay in part"}, p.now))
	p.at("2026-03-13 08:05").must(p.db.Promise(ctx, "INV-1", invoices.Promise{Amount: 2000, Open: 12000, On: mustDate("2026-03-20"), By: "Ada", At: p.now}, "", p.now))
	p.at("2026-03-19 06:00").books("Acme BV", "finance@acme.example", map[string]int64{"INV-1": 2000})
}

// reminds goes on from begins: a reminder about both invoices that may or may
// not have arrived, a hold of the customer, and a promise.
func (p *past) reminds() {
	ctx := context.Background()
	p.at("2026-04-07 06:00").work(nil, invoices.Rested{Invoice: "INV-1", Rest: invoices.Rest{Act: invoices.MakeLink, Until: p.now.Add(time.Hour), Tries: 1, Why: "Cost+ answers 503"}, At: p.now})
	p.at("2026-04-07 07:00").link("INV-1", 2, 10000)
	p.at("2026-04-08 06:00").letter("bbbb1111", "friendly", []invoices.Item{item("INV-1", "friendly", 2, 10000), item("INV-2", "friendly", 1, 8000)}, invoices.Uncertain,
		"the connection was lost after the last byte", "> DATA\n< 354 go on "+esc+"\n> .")
	p.at("2026-04-08 09:00").must(p.db.Settle(ctx, "INV-1", invoices.Sent, "Ada", "in the mail log at 08:00:07", p.now))
	p.at("2026-04-09 06:00").books("Acme BV "+esc, "finance@acme.example", map[string]int64{"INV-1": 2000})
	p.at("2026-04-14 08:00").must(p.db.Hold(ctx, store.Target{Account: "ACME"}, invoices.Hold{Reason: "vip", By: "Bob"}, p.now))
	p.at("2026-04-14 08:01").must(p.db.Promise(ctx, "INV-2", invoices.Promise{Amount: 8000, Open: 8000, On: mustDate("2026-04-30"), By: "Ada", At: p.now}, "by phone", p.now))
}

// ends goes on from reminds: the hold is over, a person approves of the last
// letter, and the invoice is paid by link and in the books.
func (p *past) ends() {
	ctx := context.Background()
	p.at("2026-04-20 08:00").must(p.db.Lift(ctx, store.Target{Account: "ACME"}, "Bob", "no longer", p.now))
	yes := invoices.Approval{Episode: 1, Step: "firm", Amount: money.Amount{Minor: 10000, Currency: "EUR"}, By: "Ada"}
	p.at("2026-04-22 07:00").must(p.db.Agree(ctx, "INV-1", yes, p.now))
	p.at("2026-04-22 08:00").letter("cccc1111", "firm", []invoices.Item{item("INV-1", "firm", 2, 10000)}, invoices.Sent, "250 2.0.0 Ok", "")
	two := invoices.Link{Gen: 2, Remote: "r-INV-1-L2", URL: "http://127.0.0.1:9/pay/INV-1-L2", Expires: p.now.AddDate(0, 0, 30)}
	p.at("2026-04-23 12:00").seen("INV-1", two, invoices.Completed, "", 1)
	p.at("2026-04-24 06:00").books("Acme BV", "finance@acme.example", map[string]int64{"INV-1": 12000})
}

// newPast returns an empty past, and a function that runs a command line on its
// database, as a person would.
func newPast(t *testing.T, database string) (run func(code int, args ...string) string, p *past) {
	t.Helper()
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "dunning.db")
	if database == "postgres" {
		url = pgtest.Database(t)
	}
	db, err := store.Open(t.Context(), store.Options{URL: url, Actor: "worker test/1", Config: "0123456789abcdef", Migrate: true, Leases: store.ByCaller})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, explainConfig, url), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := (&app{configPath: config, now: time.Now, stderr: io.Discard}).open(t.Context(), reading)
	if err != nil {
		t.Fatal(err)
	}
	p = &past{t: t, db: db, key: w.links.Fingerprint()}
	w.close()
	run = func(code int, args ...string) string {
		t.Helper()
		var out strings.Builder
		args = append([]string{"--config", config}, args...)
		if got := execute(t.Context(), args, &out, &out); got != code {
			t.Fatalf("dunning %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out.String())
		}
		return out.String()
	}
	return run, p
}

// TestR25_Explain: the same past, told the same on both databases, as golden
// texts that finance can read.
func TestR25_Explain(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			run, p := newPast(t, database)
			for _, c := range []struct {
				golden string
				before func() // what happens meanwhile
				now    string
				args   []string
			}{
				{"waiting", p.begins, "2026-03-19T11:00:00+01:00", []string{"INV-1"}},
				{"held", p.reminds, "2026-04-14T11:00:00+02:00", []string{"INV-1"}},
				{"promised", nil, "2026-04-14T11:00:00+02:00", []string{"INV-2"}},
				{"account", nil, "2026-04-14T11:00:00+02:00", []string{"--account", "ACME"}},
				{"letter", nil, "2026-04-14T11:00:00+02:00", []string{"--letter", "<bbbb1111@example.com>"}},
				{"paid", p.ends, "2026-04-24T11:00:00+02:00", []string{"INV-1"}},
				{"released", nil, "2026-04-24T11:00:00+02:00", []string{"INV-2"}},
				{"approved", nil, "2026-04-24T11:00:00+02:00", []string{"--letter", "cccc1111"}},
			} {
				if c.before != nil {
					c.before()
				}
				got := run(exitDone, append([]string{"--now", c.now, "explain"}, c.args...)...)
				if strings.ContainsAny(got, "\x1b\u202e") {
					t.Errorf("%s: what others wrote reaches the terminal:\n%q", c.golden, got)
				}
				golden(t, c.golden, got)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "explain", name+".golden")
	if *rewrite {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestExplainAsJSON: programs get all of it, with every event and stamp.
func TestExplainAsJSON(t *testing.T) {
	run, p := newPast(t, "sqlite")
	p.begins()
	p.reminds()
	var x explanation
	if err := json.Unmarshal([]byte(run(exitDone, "--now", "2026-04-14T11:00:00+02:00", "explain", "INV-1", "--json")), &x); err != nil {
		t.Fatal(err)
	}
	events, err := p.db.Events(t.Context(), "INV-1", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Events) != len(events) || len(x.Timeline) == 0 || len(x.Timeline) >= len(events) {
		t.Errorf("%d events and %d sentences of the %d events there are", len(x.Events), len(x.Timeline), len(events))
	}
	for _, s := range x.Timeline {
		if s.Config != "0123456789abcdef" || s.At.IsZero() {
			t.Errorf("a sentence without its configuration or its time: %+v", s)
		}
	}
	if len(x.Letters) != 2 || x.Letters[0].MessageID != "aaaa1111@example.com" || x.Letters[1].To[0] != "finance@acme.example" || x.Letters[1].Digest == "" {
		t.Errorf("the letters about it: %+v", x.Letters)
	}
	if len(x.Links) != 2 || len(x.Steps) != 2 || x.Steps[1].Letter != "bbbb1111" {
		t.Errorf("links and steps: %+v %+v", x.Links, x.Steps)
	}
	if !x.Outlook.Person || x.Outlook.Code != "hold" || len(x.Blockers) == 0 || x.Blockers[0].Do == "" {
		t.Errorf("outlook %+v, blockers %+v", x.Outlook, x.Blockers)
	}
	var story letterStory
	if err := json.Unmarshal([]byte(run(exitDone, "--now", "2026-04-14T11:00:00+02:00", "explain", "--letter", "bbbb1111@example.com", "--json")), &story); err != nil {
		t.Fatal(err)
	}
	if len(story.Items) != 2 || story.Items[0].Step != "friendly" || story.Items[0].Link != "INV-1-L2" || len(story.Dialogue) != 3 {
		t.Errorf("the letter: %+v", story)
	}
	if len(story.Configs) != 1 || story.Configs[0].Stamp != "0123456789abcdef" || story.Configs[0].Now {
		t.Errorf("its configuration is told, and that it is another one now: %+v", story.Configs)
	}
	var accounts []accountInShort
	if err := json.Unmarshal([]byte(run(exitDone, "--now", "2026-04-14T11:00:00+02:00", "explain", "--account", "ACME", "--json")), &accounts); err != nil {
		t.Fatal(err)
	}
	if len(accounts) != 1 || len(accounts[0].Invoices) != 2 || accounts[0].Open[0] != "EUR 180.00" || accounts[0].Hold != "vip" {
		t.Errorf("the customer: %+v", accounts)
	}
}

// TestExplainRefuses: what cannot be told is said in one line.
func TestExplainRefuses(t *testing.T) {
	run, p := newPast(t, "sqlite")
	p.begins()
	p.reminds()
	for _, c := range []struct {
		says string
		code int
		args []string
		want string
	}{
		{"nothing to explain", exitUsage, nil, "give one of: an invoice number, --account ID, --letter ID"},
		{"two things at once", exitUsage, []string{"INV-1", "--account", "ACME"}, "give one of"},
		{"an empty name", exitUsage, []string{"--letter", ""}, "give one of"},
		{"an invoice nobody knows", exitFailed, []string{"INV-9"}, `"INV-9"`},
		{"a customer nobody knows", exitFailed, []string{"--account", "NOBODY"}, "NOBODY"},
		{"a letter nobody knows", exitFailed, []string{"--letter", "<cccc@example.com>" + esc}, "there is no letter <cccc@example.com>"},
	} {
		if out := run(c.code, append([]string{"explain"}, c.args...)...); !strings.Contains(out, c.want) || strings.Contains(out, "\x1b") {
			t.Errorf("%s: got %q, want it to say %q", c.says, out, c.want)
		}
	}
}
