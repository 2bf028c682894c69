package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/period"
	"dunning/invoices"

	"github.com/google/go-cmp/cmp"
)

func right(t *testing.T, name string) *Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/right", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(text))
}

func TestDefaults(t *testing.T) {
	c := right(t, "smallest")
	p := c.Policies.ByName["standard"]
	jobs := []string{}
	for name := range c.Jobs {
		jobs = append(jobs, name)
	}
	slices.Sort(jobs)
	for _, is := range []struct {
		what      string
		got, want any
	}{
		{"a lease is two minutes", c.Database.Lease, 2 * time.Minute},
		{"Cost+ is the real one", []any{c.CostPlus.BaseURL, c.CostPlus.PaymentHosts, c.CostPlus.PerSecond, c.CostPlus.Timeout}, []any{"https://api.costplus.online", []string{"api.costplus.online"}, 10.0, 30 * time.Second}},
		{"Cost+ is told nothing of customers", c.CostPlus.SendCustomer, "none"},
		{"mail goes by STARTTLS", []any{c.SMTP.Port, c.SMTP.Security, c.SMTP.Connections, c.SMTP.PerMinute, c.SMTP.DotTimeout}, []any{587, "starttls", 8, 300, time.Duration(0)}},
		{"letters are in English", []any{c.Mail.Language, c.Mail.Languages}, []any{"en", []string{"en", "nl", "de"}}},
		{"all jobs are woken", jobs, []string{"create-links", "email-links", "import", "poll-links", "renew-links", "send-reminders"}},
		{"office hours", p.Window, invoices.Window{From: 480, To: 1020}},
		{"no letters on Saturdays", p.Calendar.Working(civil.Date{Year: 2026, Month: time.June, Day: 6}), false},
		{"no holidays", p.Calendar.Working(civil.Date{Year: 2026, Month: time.December, Day: 25}), true},
		{"pacing", []int{p.MinGap, p.MaxPerWeek, p.MaxLateness, p.PendingMax}, []int{3, 2, 14, 5}},
		{"doubts are held", p.OnUncertain, invoices.HoldLetter},
		{"links live a month", p.Link, invoices.LinkTerms{Life: period.Period{Days: 30}, Lead: period.Period{Days: 1}, MinLife: period.Period{Days: 3}, OnExpiry: invoices.MailNew, MaxRenewals: 3, Poll: 15 * time.Minute, PollMax: 12 * time.Hour}},
		{"one letter for all that is due", p.Steps[0].Single, false},
		{"nothing listens", c.Web, Web{}},
		{"thirty-two workers", c.Workers, 32},
		{"the sender without a name is an address", []string{c.Mail.FromName(), c.Mail.FromAddress()}, []string{"billing@example.com", "billing@example.com"}},
	} {
		if diff := cmp.Diff(is.want, is.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", is.what, diff)
		}
	}
}

func TestFileOfWindowsSaysTheSame(t *testing.T) {
	if right(t, "windows").Hash() != right(t, "smallest").Hash() {
		t.Error("a byte order mark and carriage returns change what the file says")
	}
}

func TestDemo(t *testing.T) {
	c := right(t, "demo")
	p := c.Policies.ByName["standard"]
	if p.Window != (invoices.Window{From: 0, To: 24 * 60}) || p.MinGap != 0 || p.Link.OnExpiry != invoices.NextStep || p.Link.MaxRenewals != 0 {
		t.Errorf("got %+v", p)
	}
	if c.SMTP.DotTimeout != time.Second || c.CostPlus.BaseURL != "http://127.0.0.1:9000" || c.Database.Lease != 2*time.Second {
		t.Errorf("got %+v", c)
	}
}

func TestFactory(t *testing.T) {
	c := right(t, "factory")
	standard, export := c.Policies.ByName["standard"], c.Policies.ByName["export"]
	when := func(p *invoices.Policy) (list []invoices.When) {
		for _, s := range p.Steps {
			list = append(list, s.When)
		}
		return list
	}
	for _, is := range []struct {
		what      string
		got, want any
	}{
		{"the password is escaped in the URL", c.Database.URL.Reveal(), "postgres://dunning:canary%2Fdb%3Fpass%40word%231@db.internal:5432/dunning?sslmode=verify-full"},
		{"the key is in a file", c.CostPlus.APIKey.Reveal(), "canary-file-key"},
		{"the port follows the security", c.SMTP.Port, 465},
		{"a name with a comma", []string{c.Mail.FromName(), c.Mail.FromAddress()}, []string{"Fabriek, afd. Debiteuren", "debiteuren@bücher.example"}},
		{"jobs that are off", []bool{c.Jobs["renew-links"] == nil, c.Jobs["poll-links"] == nil, len(c.Jobs) == 4}, []bool{true, true, true}},
		{"sources", c.Sources, []Source{
			{
				Name: "erp", CSV: "/srv/export/open-*.csv", MaxAge: 72 * time.Hour, Full: true, Delimiter: ';', Decimal: ",", Dates: "DD-MM-YYYY",
				Columns: map[string]string{"number": "Factuurnummer", "customer_id": "Debiteurnr", "due_on": "Verval datum"},
			},
			{Name: "shop", CSV: "/etc/dunning/shop/*.csv", Delimiter: '\t', Decimal: ".", Dates: "YYYY-MM-DD", Columns: map[string]string{}},
		}},
		{"R13: minor units by ISO 4217", standard.MinAmount, map[string]int64{"EUR": 500, "JPY": 500, "KWD": 2500}},
		{"days of the steps", when(standard), []invoices.When{
			{Anchor: invoices.AfterIssue},
			{Days: -7},
			{},
			{Days: 5, Working: true},
			{Anchor: invoices.AfterStep, Days: 14, Step: "friendly"},
		}},
		{"days of the other steps", when(export), []invoices.When{{Anchor: invoices.AfterIssue, Days: 1}, {Anchor: invoices.AfterStep, Days: 60, Step: "request"}}},
		{"requirements and copies", []any{standard.Steps[4].RequiresSent, standard.Steps[4].CC}, []any{[]string{"friendly"}, []string{"a@example.com", "b@example.com"}}},
		{"working days", standard.PendingMax, 10},
		{"months stay months", standard.Link.Life, period.Period{Months: 3}},
		{"a week is seven days", standard.MinGap, 7},
		{"the King's birthday is a working day here", standard.Calendar.Working(civil.Date{Year: 2026, Month: time.April, Day: 27}), true},
		{"letters", c.Templates, Templates{Dir: "/etc/dunning/brieven", Names: []string{"final", "firm", "new_link", "request", "upcoming", "vriendelijk"}}},
		{"rules", c.Policies.Rules, []invoices.Rule{{Account: "X-*", Country: "US", Policy: "export"}, {Country: "US", Policy: "standard"}, {Account: "[A-C]*", Policy: "export"}}},
	} {
		if diff := cmp.Diff(is.want, is.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", is.what, diff)
		}
	}
}

func TestR26_KeysAreToldApart(t *testing.T) {
	c := right(t, "factory")
	for name, p := range c.Policies.ByName {
		if diff := cmp.Diff(invoices.Keys{Own: fingerprint("live", "canary-file-key"), Former: []string{"live:1a2b3c4d"}, Abandoned: []string{"live:00000000", "test:ffffffff"}}, p.Key); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Fingerprints are stored with links: how they are made must never change.
	if got := fingerprint("test", "canary-api-key"); got != "test:b1cc65eb" {
		t.Errorf("got %s", got)
	}
}

func TestR26_TestModeNeedsARecipient(t *testing.T) {
	text := strings.Replace(readRight(t, "smallest"), "mode: live", "mode: test", 1)
	if _, err := Parse("config.yaml", []byte(text), environment, files); err == nil || !strings.Contains(err.Error(), "mail.test_recipient: this is missing") {
		t.Errorf("got %v", err)
	}
	text = strings.Replace(text, "mail: {", "mail: {test_recipient: finance@example.com, ", 1)
	if got := mustParse(t, text).Mail.TestRecipient; got != "finance@example.com" {
		t.Errorf("got %s", got)
	}
}

func TestR22_EveryLetterThatMayLeaveIsNamed(t *testing.T) {
	for _, name := range []string{"smallest", "demo", "factory"} {
		c := right(t, name)
		if !slices.Contains(c.Templates.Names, invoices.NewLinkTemplate) {
			t.Errorf("%s: the letter about a renewed link is missing among %v", name, c.Templates.Names)
		}
		for _, p := range c.Policies.ByName {
			for _, s := range p.Steps {
				if !slices.Contains(c.Templates.Names, s.Template) {
					t.Errorf("%s: %s is missing among %v", name, s.Template, c.Templates.Names)
				}
			}
		}
	}
}

func TestR16_ZoneOfJobsAndDays(t *testing.T) {
	c := right(t, "factory")
	next := c.Jobs["send-reminders"].Next(time.Date(2026, time.July, 1, 0, 0, 0, 0, time.UTC))
	if want := time.Date(2026, time.July, 6, 8, 0, 0, 0, time.UTC); !next.Equal(want) {
		t.Errorf("10:00 in Amsterdam on a Monday in July is %v, got %v", want, next.UTC())
	}
	if got := c.Policies.ByName["export"].Zone.String() + " " + c.Policies.Zone.String(); got != "Europe/Amsterdam Europe/Amsterdam" {
		t.Errorf("got %s", got)
	}
}

// Sources, manners and keys are those of the installation: every policy has
// them, or R8, R15 and R17 would hold for one ladder and not for another.
func TestR15_MannersAreInEveryPolicy(t *testing.T) {
	c := right(t, "factory")
	standard, export := c.Policies.ByName["standard"], c.Policies.ByName["export"]
	if standard.Window != export.Window || standard.MinGap != export.MinGap || standard.MaxPerWeek != export.MaxPerWeek ||
		standard.MaxLateness != export.MaxLateness || standard.OnUncertain != export.OnUncertain || standard.Calendar != export.Calendar {
		t.Error("two policies of one installation differ in their manners")
	}
	if diff := cmp.Diff(map[string]time.Duration{"erp": 72 * time.Hour}, export.MaxSourceAge); diff != "" {
		t.Errorf("ages (-want +got):\n%s", diff)
	}
}

func readRight(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/right", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
