// Package config reads config.yaml, tells every mistake in it at once, each
// with its place, a caret and what to write instead (R24), and compiles it into
// the policies that decide.
//
// Finance writes this file, and what it says becomes letters to customers. So
// nothing is guessed: a name that is not known, a bare number where days are
// meant, a step that could never be sent or would be sent out of order is a
// mistake, and with any mistake there is no configuration at all. The tree is
// walked by hand, because YAML libraries stop at the first mistake and do not
// know where it is.
//
// Secrets are named in the file and not written: ${NAME} stands for a variable
// of the environment and ${file:PATH} for the content of a file. They are put
// in after parsing, inside single values, so that no secret can become
// structure; and no message repeats what a reference stands for.
//
// Reading goes one way: [Parse] makes a tree, the methods of Config each read
// one section of it, and the methods of node and scalar read one value each,
// note what is wrong with it, and write down what it came to be. From those
// notes comes [Config.Hash].
package config

import (
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dunning/internal/schedule"
	"dunning/invoices"
)

// Config is a configuration without mistakes. It is not changed after Parse.
type Config struct {
	Dir       string // the folder of the file, absolute; paths below are made absolute with it
	Database  Database
	CostPlus  CostPlus
	SMTP      SMTP
	Mail      Mail
	Zone      *time.Location // on which days are counted and cron lines run (R16)
	Sending   Sending
	Jobs      map[string]*schedule.Schedule // what cron wakes, by name; a job that is off is not in it
	Sources   []Source
	Policies  *invoices.Policies
	Web       Web
	Templates Templates
	Workers   int      // customers handled at a time
	Files     []string // those that the configuration names and that were read, absolute, sorted

	hash string
}

// Database says where accounts are kept.
type Database struct {
	URL   Secret        // sqlite:PATH or postgres://…, which may hold a password
	Lease time.Duration // how long a worker may hold an account before another takes it over
	Mark  string        // the file, absolute, in which this machine remembers the last thing it stored
}

// CostPlus says how payment links are made.
type CostPlus struct {
	Mode         string // test or live (R26)
	APIKey       Secret
	BaseURL      string
	PaymentHosts []string // host or host:port; a link to any other is never mailed
	ReturnURL    string   // empty: none
	FailureURL   string   // empty: none
	WebhookURL   string   // the public address of Web.WebhookListen; empty: links are polled only
	SendCustomer string   // none, name or full
	PerSecond    float64  // calls, of all workers together
	Timeout      time.Duration
	FormerKeys   []string // fingerprints of keys whose links are still ours
	Abandoned    []string // fingerprints of keys whose links are given up
}

// SMTP says how letters are given to the mail server.
type SMTP struct {
	Host        string
	Port        int
	Security    string // starttls, tls or none
	Username    string // empty: the server asks for none
	Password    Secret
	Connections int
	PerMinute   int           // letters
	CAFile      string        // PEM, absolute; empty: the authorities of the system
	DotTimeout  time.Duration // the wait after the last byte of a letter; zero: ten minutes (RFC 5321)
}

// Mail says who writes.
type Mail struct {
	From          string   // with or without a name: Example BV <billing@example.com>
	ReplyTo       string   // empty: From
	TestRecipient string   // gets every letter in mode test
	Language      string   // of customers without one of their own
	Languages     []string // that letters are written in; Language is among them
	DKIM          []DKIMKey
	Bank          map[string][]string // where to pay without a link, lines by currency
}

// A DKIMKey signs the letters of a domain (RFC 6376).
type DKIMKey struct {
	Domain, Selector string
	PEM              Secret // the private key
}

// FromName returns the name in From; without one, the address.
func (m Mail) FromName() string {
	if a, err := mail.ParseAddress(m.From); err == nil && a.Name != "" {
		return a.Name
	}
	return m.FromAddress()
}

// FromAddress returns the address in From, without the name.
func (m Mail) FromAddress() string {
	if a, err := mail.ParseAddress(m.From); err == nil {
		return a.Address
	}
	return m.From
}

// Sending is what bounds a run. The rest of the section is in every policy.
type Sending struct {
	MaxPerRun    int    // letters one run may send
	ApproveAbove int    // letters in a run that never need a person's approval (R7)
	First        string // ask or send: whether the first letters of a live installation need it (R21)
}

// Source says where unpaid invoices come from.
type Source struct {
	Name      string
	CSV       string            // a pattern as in filepath.Match, absolute
	MaxAge    time.Duration     // older data is not dunned on (R8); zero: of any age
	Full      bool              // each file lists every open invoice, so that one it leaves out is conspicuous
	Columns   map[string]string // our name of a column → the header in the file
	Delimiter rune              // zero: found out from the header
	Decimal   string            // "." or ","
	Dates     string            // YYYY-MM-DD, DD-MM-YYYY, DD/MM/YYYY or DD.MM.YYYY
}

// Web says where to listen. An empty address is nowhere.
type Web struct {
	Listen        string // pages for people on this machine
	WebhookListen string // calls of Cost+
}

// Templates says which letters there must be.
type Templates struct {
	Dir   string   // absolute; its files take the place of those built in. Empty: none
	Names []string // all that the policies use, sorted
}

// Hash identifies what the configuration says, in 64 hexadecimal digits. It
// changes with everything that decisions may depend on, defaults of this
// program and the API key's fingerprint included, and with no comment, order or
// spelling. Nothing about the values of secrets can be learned from it.
func (c *Config) Hash() string { return c.hash }

// Parse reads a configuration. Name is the path of its file, for messages and
// as the folder that relative paths are taken from; env and readFile are what
// ${NAME} and ${file:PATH} are looked up with. All mistakes are returned at
// once, as [Problems]; then there is no Config.
func Parse(name string, text []byte, env func(string) (string, bool), readFile func(string) ([]byte, error)) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	c := &Config{Dir: dir}
	r := &reader{file: name, env: env, effective: map[string]string{}, readFile: func(path string) ([]byte, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if !slices.Contains(c.Files, path) {
			c.Files = append(c.Files, path)
		}
		return readFile(path)
	}}
	if root, ok := r.tree(text); ok {
		c.read(root)
	}
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	slices.Sort(c.Files)
	c.hash = r.hash()
	return c, nil
}

// read reads all sections, those first that others look at.
func (c *Config) read(root node) {
	m := root.settings("database", "costplus", "smtp", "mail", "timezone", "sending", "jobs", "sources",
		"policies", "policy_rules", "web", "templates", "workers")
	c.zone(m["timezone"])
	c.database(m["database"])
	c.web(m["web"])
	c.costplus(m["costplus"], m["web"])
	if c.Database.Mark == "" { // test and live have databases of their own
		name := "dunning.mark"
		if c.CostPlus.Mode == "test" {
			name = "dunning.test.mark"
		}
		c.Database.Mark = filepath.Join(c.Dir, name)
	}
	c.smtp(m["smtp"])
	c.mail(m["mail"])
	c.templates(m["templates"])
	c.sources(m["sources"])
	common := c.sending(m["sending"])
	c.jobs(m["jobs"], common)
	c.policies(m["policies"], common)
	c.rules(m["policy_rules"])
	c.Templates.Names = c.letters()
	c.Workers = m["workers"].integer(1, 256, 32)
}

func (c *Config) zone(n node) {
	c.Zone = time.UTC
	n.need("Europe/Amsterdam")
	s := n.scalar()
	n.is(s.text)
	if !s.ok {
		return
	}
	zone, err := time.LoadLocation(s.text)
	if err != nil || s.text == "" || s.text == "Local" || strings.HasPrefix(s.text, "posix") || strings.HasPrefix(s.text, "right") {
		s.refuse("is not a time zone; write the name of a city's, like Europe/Amsterdam%s", didYouMean(s, zones))
		return
	}
	c.Zone = zone
}
