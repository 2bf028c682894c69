package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/period"
	"dunning/invoices"

	"github.com/google/go-cmp/cmp"
)

// canaries are the values of secrets in all tests: none may show anywhere.
var canaries = map[string]string{
	"COSTPLUS_API_KEY": "canary-api-key",
	"SMTP_PASSWORD":    "canary:smtp/password@1",
	"DB_PASSWORD":      "canary/db?pass@word#1",
}

// environment knows the canaries, and what tests of references need.
func environment(name string) (string, bool) {
	if v, ok := canaries[name]; ok {
		return v, true
	}
	v, ok := map[string]string{"EMPTY": "", "MODE": "canary-mode", "HOST": "canary host", "LINES": "canary\nlines"}[name]
	return v, ok
}

// files knows the files that references may name.
func files(path string) ([]byte, error) {
	v, ok := map[string]string{
		"key.txt": "canary-file-key\r\n", "empty.txt": "\n", "ca.pem": "-----BEGIN CERTIFICATE-----\n", "long.txt": strings.Repeat("canary", 1000),
	}[filepath.Base(path)]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(v), nil
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/etc/dunning/config.yaml", []byte(text), environment, files)
	if err != nil {
		t.Fatalf("a right configuration is refused:\n%v", err)
	}
	return c
}

func TestExampleIsTheFileAtTheTop(t *testing.T) {
	top, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(top) != Example {
		t.Error("example.yaml is not config.example.yaml; run go generate ./internal/config")
	}
}

// The example names every setting there is, so that nobody has to guess one.
func TestExampleNamesEverySetting(t *testing.T) {
	code := ""
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code += string(text)
	}
	known := regexp.MustCompile(`settings\(((?:\s*"[a-z_]+",?)+)\)`).FindAllStringSubmatch(code, -1)
	if len(known) < 10 {
		t.Fatalf("found %d sections in the code; the test looks for them in the wrong way", len(known))
	}
	for _, section := range known {
		for _, name := range regexp.MustCompile(`[a-z_]+`).FindAllString(section[1], -1) {
			if !regexp.MustCompile(`(?m)\b` + name + `(:|  )`).MatchString(Example) {
				t.Errorf("the example does not tell of %s", name)
			}
		}
	}
}

func TestExampleSays(t *testing.T) {
	c := mustParse(t, Example)
	standard := c.Policies.ByName["standard"]
	var ladder []string
	for _, s := range standard.Steps {
		ladder = append(ladder, s.Name)
	}
	p14 := period.Period{Days: 14}
	for _, is := range []struct {
		what      string
		got, want any
	}{
		{"the folder is that of the file", c.Dir, "/etc/dunning"},
		{"the database lies in the folder", c.Database.URL.Reveal(), "sqlite:/etc/dunning/dunning.db"},
		{"a lease is two minutes", c.Database.Lease, 2 * time.Minute},
		{"the key comes from the environment", c.CostPlus.APIKey.Reveal(), canaries["COSTPLUS_API_KEY"]},
		{"the mode is test", c.CostPlus.Mode, "test"},
		{"links may be on one host", c.CostPlus.PaymentHosts, []string{"api.costplus.online"}},
		{"the password comes from the environment", c.SMTP.Password.Reveal(), canaries["SMTP_PASSWORD"]},
		{"the server speaks STARTTLS", []any{c.SMTP.Host, c.SMTP.Port, c.SMTP.Security}, []any{"smtp.example.com", 587, "starttls"}},
		{"the sender has a name", []string{c.Mail.FromName(), c.Mail.FromAddress()}, []string{"Example BV", "billing@example.com"}},
		{"letters are in three languages", c.Mail.Languages, []string{"en", "nl", "de"}},
		{"days are counted in Amsterdam", c.Zone.String(), "Europe/Amsterdam"},
		{"a run sends five thousand at most", c.Sending.MaxPerRun, 5000},
		{"fifty letters need no approval", c.Sending.ApproveAbove, 50},
		{"the mark lies in the folder", c.Database.Mark, "/etc/dunning/dunning.test.mark"},
		{"six jobs are woken", len(c.Jobs), 6},
		{"one source is read", c.Sources, []Source{{Name: "erp", CSV: "/etc/dunning/inbox/*.csv", MaxAge: 26 * time.Hour, Columns: map[string]string{}, Decimal: ".", Dates: "YYYY-MM-DD"}}},
		{"the age of the source holds for every policy", standard.MaxSourceAge, map[string]time.Duration{"erp": 26 * time.Hour}},
		{"the ladder has five steps, one beside it, and one more time the last", ladder, []string{"request", "upcoming", "expiring", "friendly", "firm", "final", "final-2"}},
		{"a letter comes before the link expires", standard.Steps[2].When, invoices.When{Anchor: invoices.OnExpiry, Days: -2}},
		{"the third step comes a week late", standard.Steps[3].When, invoices.When{Days: 7}},
		{"the fourth counts from the third", standard.Steps[4].When, invoices.When{Anchor: invoices.AfterStep, Days: 14, Step: "friendly"}},
		{"its link lives two weeks", standard.Steps[4].Life, &p14},
		{"only the first letter is one for each invoice", []bool{standard.Steps[0].Single, standard.Steps[1].Single}, []bool{true, false}},
		{"small amounts are minor units", standard.MinAmount, map[string]int64{"EUR": 500}},
		{"the window is in minutes", standard.Window, invoices.Window{From: 480, To: 1020}},
		{"Christmas Eve is free", standard.Calendar.Working(civil.Date{Year: 2026, Month: time.December, Day: 24}), false},
		{"a payment may take five working days", standard.PendingMax, 5},
		{"letters are known by name", c.Templates.Names, []string{"broken_promise", "expiring", "failed_attempt", "final", "firm", "friendly", "new_link", "request", "upcoming"}},
		{"the last is said again after two weeks, if it was said", standard.Steps[6].When, invoices.When{Anchor: invoices.AfterStep, Days: 14, Step: "final"}},
		{"and only then", standard.Steps[6].RequiresSent, []string{"final"}},
		{"big debtors go to a person", standard.Steps[5].Above, map[string]int64{"EUR": 1000000}},
		{"Belgians have their own holidays", standard.Calendars["BE"].Working(civil.Date{Year: 2026, Month: time.July, Day: 21}), false},
		{"on which the Dutch work", standard.Calendar.Working(civil.Date{Year: 2026, Month: time.July, Day: 21}), true},
		{"New Year is quiet", standard.Blackout, []invoices.Days{{From: civil.Date{Year: 2026, Month: time.December, Day: 24}, To: civil.Date{Year: 2027, Month: time.January, Day: 2}}}},
		{"payments that failed are helped", standard.FailedAttempt.Template, "failed_attempt"},
		{"a promise has three days of grace", []any{standard.BrokenPromise.Name, standard.Grace}, []any{"broken_promise", 3}},
		{"customers may pay by bank", c.Mail.Bank, map[string][]string{"EUR": {"Example BV", "IBAN NL91 ABNA 0417 1643 00"}}},
		{"ten calls a second verify four hundred invoices for a letter", standard.MaxItems, 400},
		{"rules choose a policy", c.Policies.Rules, []invoices.Rule{{Account: "ACME*", Policy: "gentle"}}},
		{"pages are for this machine", c.Web, Web{Listen: "127.0.0.1:8080"}},
	} {
		if diff := cmp.Diff(is.want, is.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", is.what, diff)
		}
	}
}

// The built-in letters are known here by name, because this package does not
// import them.
func TestBuiltInLettersExist(t *testing.T) {
	found, err := filepath.Glob("../../templates/letters/en/*.txt")
	if err != nil || len(found) == 0 {
		t.Fatalf("no letters found: %v", err)
	}
	var names []string
	for _, path := range found {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".txt"))
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, builtIn); diff != "" {
		t.Errorf("letters (-templates +config):\n%s", diff)
	}
}
