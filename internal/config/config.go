// Package config reads config.yaml, tells every mistake in it at once, each
// with line, caret and what to write instead (R24), and compiles it into the
// policies that decide.
//
// The tree is walked by hand: YAML libraries stop at the first mistake and know
// no places. What finance cannot have meant is refused, not guessed: unknown
// names, bare numbers for days, steps out of order, a link that dies before it
// can be mailed. ${NAME} and ${file:PATH} stand for secrets; they are put in
// after parsing, so that a secret can never become structure.
package config

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"dunning/internal/schedule"
	"dunning/invoices"
)

// Example is the commented configuration that `dunning init` writes; the same
// as config.example.yaml.
//
//go:generate cp ../../config.example.yaml example.yaml
//go:embed example.yaml
var Example string

// Config is a configuration without mistakes.
type Config struct {
	Dir       string // the folder of the file; paths in it are relative to this
	Database  Database
	CostPlus  CostPlus
	SMTP      SMTP
	Mail      Mail
	Zone      *time.Location
	Sending   Sending
	Jobs      map[string]*schedule.Schedule
	Sources   []Source
	Policies  *invoices.Policies
	Web       Web
	Templates Templates
	Workers   int // accounts handled at a time

	hash string
}

// Database says where accounts are kept.
type Database struct {
	URL   Secret // may hold a password
	Lease time.Duration
}

// CostPlus says how payment links are made.
type CostPlus struct {
	Mode         string // test or live
	APIKey       Secret
	BaseURL      string
	PaymentHosts []string
	ReturnURL    string
	FailureURL   string
	WebhookURL   string
	SendCustomer string // none, name or full
	PerSecond    float64
	Timeout      time.Duration
	FormerKeys   []string // fingerprints
	Abandoned    []string // fingerprints
}

// SMTP says how letters are given to the mail server.
type SMTP struct {
	Host        string
	Port        int
	Security    string // starttls, tls or none
	Username    string
	Password    Secret
	Connections int
	PerMinute   int
	CAFile      string
	DotTimeout  time.Duration // zero: ten minutes
}

// Mail says who writes.
type Mail struct {
	From          string // Example BV <billing@example.com>
	ReplyTo       string
	TestRecipient string
	Language      string   // of customers without one
	Languages     []string // of letters
}

// FromName returns the name in From, or its address.
func (m Mail) FromName() string {
	if i := strings.LastIndexByte(m.From, '<'); i > 0 {
		return strings.Trim(strings.TrimSpace(m.From[:i]), `"`)
	}
	return m.From
}

// FromAddress returns the bare address of From.
func (m Mail) FromAddress() string {
	if i := strings.LastIndexByte(m.From, '<'); i >= 0 {
		return strings.TrimSuffix(m.From[i+1:], ">")
	}
	return m.From
}

// Sending is what bounds a run; the rest of `sending` is in every policy.
type Sending struct {
	MaxPerRun int // 0: no limit
}

// Source says where unpaid invoices come from.
type Source struct {
	Name      string
	CSV       string // a path with *, absolute
	MaxAge    time.Duration
	Full      bool              // each file lists every open invoice
	Columns   map[string]string // our name → the header in the file
	Delimiter rune              // 0: found out
	Decimal   string            // "." or ","
	Dates     string            // YYYY-MM-DD, DD-MM-YYYY, DD/MM/YYYY or DD.MM.YYYY
}

// Web says where to listen; empty: nowhere.
type Web struct {
	Listen        string
	WebhookListen string
}

// Templates says which letters there are.
type Templates struct {
	Dir   string   // files in it take the place of the built-in ones
	Names []string // those that the policies use
}

// Hash identifies everything in the configuration that is not secret. It
// changes when anything that decisions depend on may have changed.
func (c *Config) Hash() string { return c.hash }

// Languages that letters are written in.
var languages = []string{"en", "nl", "de"}

// jobs that cron may run.
var jobNames = []string{"import", "create-links", "email-links", "poll-links", "send-reminders", "renew-links"}

// Parse reads a configuration. Name is the file's path, for messages and as the
// base of relative paths. Every mistake is returned at once, as [Problems].
func Parse(name string, text []byte, env func(string) (string, bool), readFile func(string) ([]byte, error)) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	w := &walker{file: name, lines: strings.Split(string(text), "\n"), env: env, readFile: func(p string) ([]byte, error) {
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		return readFile(p)
	}}
	c := &Config{Dir: dir}
	root := w.parse(text)
	if root.n != nil {
		c.read(root)
	}
	if len(w.problems) > 0 {
		w.hide()
		w.problems.sort()
		return nil, w.problems
	}
	c.hash = fingerprint(text)
	return c, nil
}

// fingerprint hashes the text of the file, in which secrets are references, or
// are written out: then they are hashed with the rest, which shows nothing.
func fingerprint(text []byte) string {
	sum := sha256.Sum256(append([]byte("dunning configuration\n"), text...))
	return hex.EncodeToString(sum[:])
}

func (c *Config) read(root node) {
	m := root.object("database", "costplus", "smtp", "mail", "timezone", "sending", "jobs", "sources", "policies", "policy_rules", "web", "templates", "workers")
	root.require(m, "database", "costplus", "smtp", "mail", "timezone", "policies")
	c.database(m["database"])
	c.costplus(m["costplus"])
	c.smtp(m["smtp"])
	c.mail(m["mail"])
	c.zone(m["timezone"])
	c.web(m["web"], m["costplus"])
	c.Workers = m["workers"].integer(1, 256, 8)
	c.jobs(m["jobs"])
	ages := c.sources(m["sources"])
	c.policies(root, m["policies"], m["policy_rules"], c.sending(m["sending"], ages))
	c.templates(m["templates"])
}

func (c *Config) database(n node) {
	m := n.object("url", "lease")
	if n.there() {
		n.require(m, "url")
	}
	c.Database.URL = m["url"].databaseURL()
	if url := c.Database.URL.value; url != "" {
		switch path, ok := strings.CutPrefix(url, "sqlite:"); {
		case ok && path == "":
			m["url"].wrong("the file is missing; write it like sqlite:dunning.db")
		case ok && !filepath.IsAbs(path):
			c.Database.URL = Secret{"sqlite:" + filepath.Join(c.Dir, path)}
		case ok:
		case !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://"):
			m["url"].wrong("this is no database; write sqlite:dunning.db or postgres://user:${DB_PASSWORD}@host/dunning?sslmode=verify-full")
		}
	}
	c.Database.Lease = m["lease"].duration(time.Second, time.Hour, 2*time.Minute)
}

var (
	fingerprintForm = regexp.MustCompile(`^(test|live):[0-9a-f]{8}$`)
	hostForm        = regexp.MustCompile(`^[A-Za-z0-9.-]+(:\d{1,5})?$`)
)

func (c *Config) costplus(n node) {
	m := n.object("mode", "api_key", "base_url", "payment_hosts", "return_url", "failure_url", "webhook_url", "send_customer", "requests_per_second", "timeout", "former_keys", "abandoned_keys")
	if n.there() {
		n.require(m, "mode", "api_key")
	}
	c.CostPlus = CostPlus{
		Mode: m["mode"].word("", "test", "live"), APIKey: m["api_key"].secret(),
		BaseURL: m["base_url"].link(), ReturnURL: m["return_url"].link(), FailureURL: m["failure_url"].link(), WebhookURL: m["webhook_url"].link(),
		PaymentHosts: m["payment_hosts"].texts(), SendCustomer: m["send_customer"].word("none", "none", "name", "full"),
		PerSecond: m["requests_per_second"].number(0.1, 10000, 10),
		Timeout:   m["timeout"].duration(time.Second, 5*time.Minute, 30*time.Second),
	}
	if c.CostPlus.BaseURL == "" {
		c.CostPlus.BaseURL = "https://api.costplus.online"
	}
	if len(c.CostPlus.PaymentHosts) == 0 {
		c.CostPlus.PaymentHosts = []string{"api.costplus.online"}
	}
	for _, h := range m["payment_hosts"].list() {
		if !hostForm.MatchString(h.text()) {
			h.wrong("%q is no host; write it like api.costplus.online, without https:// and path", h.text())
		}
	}
	keys := func(n node) []string {
		for _, k := range n.list() {
			if !fingerprintForm.MatchString(k.text()) {
				k.wrong("%q is no fingerprint; dunning attention shows it, such as live:1a2b3c4d", k.text())
			}
		}
		return n.texts()
	}
	c.CostPlus.FormerKeys, c.CostPlus.Abandoned = keys(m["former_keys"]), keys(m["abandoned_keys"])
}

func (c *Config) smtp(n node) {
	m := n.object("host", "port", "security", "username", "password", "connections", "per_minute", "ca_file", "timeout")
	if n.there() {
		n.require(m, "host")
	}
	c.SMTP = SMTP{
		Host: m["host"].text(), Security: m["security"].word("starttls", "starttls", "tls", "none"),
		Username: m["username"].text(), Password: m["password"].secret(),
		Connections: m["connections"].integer(1, 100, 8), PerMinute: m["per_minute"].integer(1, 1_000_000, 300),
		CAFile: c.path(m["ca_file"]), DotTimeout: m["timeout"].duration(time.Second, 30*time.Minute, 0),
	}
	port := map[string]int{"starttls": 587, "tls": 465, "none": 25}[c.SMTP.Security]
	c.SMTP.Port = m["port"].integer(1, 65535, port)
	if c.SMTP.Security == "none" && c.SMTP.Host != "" && !local(c.SMTP.Host) {
		m["security"].wrong("mails and the password would travel readable; security: none is for a server on this machine only")
	}
	if c.SMTP.Username != "" && !m["password"].there() {
		n.wrong("there is a username and no password")
	}
}

// path returns a path relative to the configuration as an absolute one.
func (c *Config) path(n node) string {
	p := n.text()
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Dir, p)
}

func (c *Config) mail(n node) {
	m := n.object("from", "reply_to", "test_recipient", "language")
	if n.there() {
		n.require(m, "from")
	}
	c.Mail = Mail{
		From: m["from"].address(true), ReplyTo: m["reply_to"].address(true), TestRecipient: m["test_recipient"].address(false),
		Language: m["language"].word("en", languages...), Languages: languages,
	}
	if c.CostPlus.Mode == "test" && n.there() && c.Mail.TestRecipient == "" {
		n.wrong("in mode test every mail goes to test_recipient; the setting is missing")
	}
}

func (c *Config) zone(n node) {
	c.Zone = time.UTC
	if !n.there() {
		return
	}
	zone, err := time.LoadLocation(n.text())
	if err != nil || n.text() == "" || n.text() == "Local" {
		n.wrong("there is no time zone %q; write it like Europe/Amsterdam", n.text())
		return
	}
	c.Zone = zone
}

func (c *Config) web(n, costplus node) {
	m := n.object("listen", "webhook_listen")
	c.Web = Web{Listen: m["listen"].text(), WebhookListen: m["webhook_listen"].text()}
	for _, k := range []string{"listen", "webhook_listen"} {
		if a := m[k].text(); a != "" && !listenForm.MatchString(a) {
			m[k].wrong("%q is no address to listen on; write it like 127.0.0.1:8080", a)
		} else if a != "" && k == "listen" && !local(a[:strings.LastIndexByte(a, ':')]) {
			m[k].wrong("%q can be reached from outside; this page has no login: use 127.0.0.1", a)
		}
	}
	if c.Web.WebhookListen != "" && c.CostPlus.WebhookURL == "" {
		m["webhook_listen"].wrong("nobody would call: set costplus.webhook_url to the public address of this listener")
	}
}

var listenForm = regexp.MustCompile(`^(\[[0-9a-f:]+\]|[A-Za-z0-9.-]*):\d{1,5}$`)

func (c *Config) jobs(n node) {
	c.Jobs = map[string]*schedule.Schedule{}
	defaults := map[string]string{
		"import": "*/15 * * * *", "create-links": "*/10 * * * *", "email-links": "*/10 8-17 * * mon-fri",
		"poll-links": "*/5 * * * *", "send-reminders": "*/15 8-17 * * mon-fri", "renew-links": "7 * * * *",
	}
	m := n.object(jobNames...)
	for _, name := range jobNames {
		spec := defaults[name]
		if m[name].n != nil {
			spec = m[name].text()
		}
		if spec == "" || spec == "off" {
			continue
		}
		s, err := schedule.Parse(spec, c.Zone)
		if err != nil {
			m[name].wrong("%v", err)
			continue
		}
		c.Jobs[name] = s
	}
}

var sourceColumns = []string{
	"number", "customer_id", "customer_name", "customer_email", "currency", "total", "paid", "credited",
	"issued_on", "due_on", "status", "description", "language", "country", "timezone", "policy",
}

// sources reads where invoices come from, and returns how old each may be.
func (c *Config) sources(n node) map[string]time.Duration {
	ages := map[string]time.Duration{}
	for _, e := range n.list() {
		m := e.object("name", "csv", "max_age", "load", "columns", "delimiter", "decimal", "dates")
		e.require(m, "name", "csv")
		s := Source{
			Name: m["name"].text(), CSV: c.path(m["csv"]), MaxAge: m["max_age"].duration(time.Minute, 366*24*time.Hour, 0),
			Full: m["load"].word("changes", "changes", "full") == "full", Columns: map[string]string{},
			Decimal: m["decimal"].word(".", ".", ","),
			Dates:   m["dates"].word("YYYY-MM-DD", "YYYY-MM-DD", "DD-MM-YYYY", "DD/MM/YYYY", "DD.MM.YYYY"),
		}
		if _, err := filepath.Match(s.CSV, ""); err != nil {
			m["csv"].wrong("%q is no pattern; write it like inbox/*.csv", m["csv"].text())
		}
		if d := []rune(m["delimiter"].text()); len(d) == 1 {
			s.Delimiter = d[0]
		} else if m["delimiter"].text() == "tab" {
			s.Delimiter = '\t'
		} else if len(d) > 1 {
			m["delimiter"].wrong(`%q is no delimiter; write one character, such as ";", or tab`, string(d))
		}
		for name, column := range m["columns"].object(sourceColumns...) {
			if column.there() {
				s.Columns[name] = column.text()
			}
		}
		if _, twice := ages[s.Name]; twice {
			m["name"].wrong("there are two sources %q", s.Name)
		}
		ages[s.Name] = s.MaxAge
		c.Sources = append(c.Sources, s)
	}
	return ages
}

func (c *Config) templates(n node) {
	m := n.object("dir")
	c.Templates.Dir = c.path(m["dir"])
	seen := map[string]bool{invoices.NewLinkTemplate: true}
	for _, p := range c.Policies.ByName {
		for _, s := range p.Steps {
			if s.Template != "" {
				seen[s.Template] = true
			}
		}
	}
	c.Templates.Names = sortedKeys(seen)
}
