package config

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"dunning/internal/money"
)

// The sections about what the program talks to: database, Cost+, mail server,
// browsers.

// secret reads a value that no message repeats. It is not part of the hash.
func (n node) secret(example string) Secret {
	n.need(example)
	s := n.scalar()
	n.is(Secret{s.text}.String())
	return Secret{s.text}
}

const databaseExample = `"sqlite:dunning.db", or "postgres://user:${DB_PASSWORD}@host/dunning?sslmode=verify-full"`

func (c *Config) database(n node) {
	m := n.settings("url", "lease", "mark")
	c.Database.URL = c.databaseURL(m["url"])
	c.Database.Mark = m["mark"].filePath(c.Dir)
	c.Database.Lease = m["lease"].duration(time.Second, time.Hour, 2*time.Minute)
}

// databaseURL reads where the database is. Nothing of the URL is in a message.
func (c *Config) databaseURL(n node) Secret {
	n.need(databaseExample)
	n.is("***")
	s := n.scalar()
	if !s.ok {
		return Secret{}
	}
	text, _ := n.expandAddress(s.written)
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		switch {
		case path == "":
			n.wrong("the file is missing after sqlite: ; write it like sqlite:dunning.db")
		case strings.Contains(path, ":memory:"):
			n.wrong("a database in memory forgets what was mailed, and mails it again; write it like sqlite:dunning.db")
		case strings.ContainsAny(path, "?#") || strings.HasPrefix(path, "//"):
			n.wrong("only the path of a file may follow sqlite: ; write it like sqlite:dunning.db")
		case !filepath.IsAbs(path):
			path = filepath.Join(c.Dir, path)
		}
		return Secret{"sqlite:" + path}
	}
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		n.postgres(text)
		return Secret{text}
	}
	n.wrong("this is not a database that dunning knows; write %s", databaseExample)
	return Secret{}
}

var sslModes = []string{"disable", "require", "verify-ca", "verify-full", "allow", "prefer"}

// postgres notes what is wrong with a URL of PostgreSQL, without repeating it.
func (n node) postgres(text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		n.wrong("this URL of a database cannot be read (it is not shown, for it may hold a password); write it like %s", databaseExample)
	case u.Host == "" && u.Query().Get("host") == "":
		n.wrong("the URL of the database names no host; write it like %s", databaseExample)
	case strings.Trim(u.Path, "/") == "":
		n.wrong("the URL names no database; write it behind the host, like %s", databaseExample)
	case u.Query().Has("sslmode") && !slices.Contains(sslModes, u.Query().Get("sslmode")):
		n.wrong("sslmode is none of %s", strings.Join(sslModes, ", "))
	}
}

var fingerprintForm = regexp.MustCompile(`^(test|live):[0-9a-f]{8}$`)

func (c *Config) costplus(n, web node) {
	m := n.settings("mode", "api_key", "base_url", "payment_hosts", "return_url", "failure_url", "webhook_url", "send_customer",
		"requests_per_second", "timeout", "former_keys", "abandoned_keys")
	m["mode"].need("test, in which every letter goes to mail.test_recipient, or live")
	c.CostPlus = CostPlus{
		Mode:         m["mode"].word("", "test", "live"),
		APIKey:       m["api_key"].apiKey(),
		BaseURL:      m["base_url"].address("https://api.costplus.online", true),
		PaymentHosts: m["payment_hosts"].payHosts(),
		ReturnURL:    m["return_url"].address("", false),
		FailureURL:   m["failure_url"].address("", false),
		WebhookURL:   m["webhook_url"].address("", true),
		SendCustomer: m["send_customer"].word("none", "none", "name", "full"),
		PerSecond:    m["requests_per_second"].rate(0.1, 100_000, 10),
		Timeout:      m["timeout"].duration(time.Second, 10*time.Minute, 30*time.Second),
	}
	own := fingerprint(c.CostPlus.Mode, c.CostPlus.APIKey.value)
	m["api_key"].is(own)
	c.CostPlus.FormerKeys = m["former_keys"].fingerprints(c.CostPlus.Mode, own, nil)
	c.CostPlus.Abandoned = m["abandoned_keys"].fingerprints("", own, c.CostPlus.FormerKeys)
	switch hook := c.CostPlus.WebhookURL != ""; {
	case hook && c.Web.WebhookListen == "":
		m["webhook_url"].wrong("nobody would hear the calls to this address; set web.webhook_listen, such as 0.0.0.0:8443, or leave webhook_url empty")
	case m["webhook_url"].blank() && c.Web.WebhookListen != "":
		web.wrong("webhook_listen is set, and Cost+ does not know the address; set costplus.webhook_url to the public one")
	}
}

// apiKey reads what must be the user name of HTTP Basic (RFC 7617).
func (n node) apiKey() Secret {
	key := n.secret("${COSTPLUS_API_KEY}")
	for _, b := range []byte(key.value) {
		if b <= ' ' || b > '~' || b == ':' {
			n.wrong("a space, a colon or an unusual character is in this key; copy it again (it is not shown)")
			break
		}
	}
	return key
}

func (n node) payHosts() []string {
	if !n.there() {
		n.is("api.costplus.online")
		return []string{"api.costplus.online"}
	}
	var hosts []string
	for _, e := range n.list("[api.costplus.online]") {
		if h := e.payHost(); h != "" {
			hosts = append(hosts, h)
		}
	}
	if n.empty() {
		n.wrong("no link could be mailed without a host; write it like [api.costplus.online]")
	}
	return hosts
}

// fingerprints reads names of API keys that are not in use any more. Mode, if
// not empty, is what they must be of; taken are those that stand elsewhere.
func (n node) fingerprints(mode, own string, taken []string) []string {
	var keys []string
	for _, e := range n.list("[live:1a2b3c4d]") {
		s := e.scalar()
		e.is(s.text)
		switch {
		case !s.ok:
		case !fingerprintForm.MatchString(s.text):
			e.wrong("this is not the fingerprint of a key; write it as `dunning attention` shows it, like live:1a2b3c4d, and never the key itself")
		case s.text == own:
			e.wrong("%s is the key in use; name only keys that were replaced", s.text)
		case mode != "" && !strings.HasPrefix(s.text, mode+":"):
			e.wrong("%s is a key of the other mode; links of another mode are left alone anyway, so remove it", s.text)
		case slices.Contains(taken, s.text):
			e.wrong("%s is among former_keys too; either its links are still ours, or they are given up", s.text)
		default:
			keys = append(keys, s.text)
		}
	}
	return keys
}

func (c *Config) smtp(n node) {
	m := n.settings("host", "port", "security", "username", "password", "connections", "per_minute", "ca_file", "timeout")
	m["host"].need("smtp.example.com")
	c.SMTP = SMTP{
		Host:        m["host"].host(),
		Security:    m["security"].word("starttls", "starttls", "tls", "none"),
		Username:    m["username"].text(),
		Connections: m["connections"].integer(1, 100, 8),
		PerMinute:   m["per_minute"].integer(1, 1_000_000, 300),
		CAFile:      c.authorities(m["ca_file"]),
		DotTimeout:  m["timeout"].duration(time.Second, 30*time.Minute, 0),
	}
	if c.SMTP.Username != "" || m["password"].there() {
		c.SMTP.Password = m["password"].secret("${SMTP_PASSWORD}")
		if c.SMTP.Username == "" {
			m["password"].wrong("there is a password and no username; set username, or leave both out")
		}
	}
	c.SMTP.Port = m["port"].integer(1, 65535, map[string]int{"starttls": 587, "tls": 465, "none": 25}[c.SMTP.Security])
	switch {
	case c.SMTP.Security == "none" && c.SMTP.Host != "" && !onThisMachine(c.SMTP.Host):
		m["security"].wrong("letters and the password would travel for everybody to read; write starttls or tls (none is for a server on this machine)")
	case c.SMTP.Port == 465 && c.SMTP.Security == "starttls":
		m["port"].wrong("servers speak TLS from the first byte on port 465; write security: tls, or port: 587")
	case c.SMTP.Port == 587 && c.SMTP.Security == "tls":
		m["port"].wrong("servers begin without TLS on port 587; write security: starttls, or port: 465")
	}
}

// authorities reads the place of a file of certificates, and looks into it.
func (c *Config) authorities(n node) string {
	path := n.filePath(c.Dir)
	if path == "" {
		return ""
	}
	switch b, err := n.r.readFile(path); {
	case err != nil:
		n.wrong("this file cannot be read; write the path of a file of certificates, from the folder of this configuration")
	case !strings.Contains(string(b), "-----BEGIN CERTIFICATE-----"):
		n.wrong("there is no certificate in this file; it must hold one in PEM, which has a line -----BEGIN CERTIFICATE-----")
	}
	return path
}

func (c *Config) mail(n node) {
	m := n.settings("from", "reply_to", "test_recipient", "language", "languages", "dkim", "bank")
	m["from"].need("Example BV <billing@example.com>")
	c.Mail = Mail{From: m["from"].sender(), ReplyTo: m["reply_to"].sender(), TestRecipient: m["test_recipient"].mailbox()}
	for _, e := range m["dkim"].list("- {domain: example.com, selector: billing, key_file: dkim.pem}") {
		c.Mail.DKIM = append(c.Mail.DKIM, c.dkim(e))
	}
	c.Mail.Bank = m["bank"].bank()
	if c.CostPlus.Mode == "test" {
		to := m["test_recipient"]
		to.shape = nil // in mode live it need not be there
		to.need("finance@example.com, where every letter goes in mode test")
	}
	c.Mail.Languages = languages
	if m["languages"].there() {
		c.Mail.Languages = m["languages"].choices("[en, nl]", languages)
	}
	m["languages"].is(strings.Join(c.Mail.Languages, " "))
	c.Mail.Language = m["language"].word("en", languages...)
	if len(c.Mail.Languages) > 0 && !slices.Contains(c.Mail.Languages, c.Mail.Language) {
		at := m["language"]
		if !at.there() {
			at = m["languages"]
		}
		at.wrong("the language %s, which customers without one are written to, is not among mail.languages; add it there", c.Mail.Language)
	}
}

// dkim reads one key that signs letters, and looks whether its file is one.
func (c *Config) dkim(n node) DKIMKey {
	m := n.settings("domain", "selector", "key_file")
	m["domain"].need("example.com")
	m["selector"].need("billing")
	m["key_file"].need("dkim.pem")
	k := DKIMKey{Domain: m["domain"].host(), Selector: m["selector"].name()}
	path := m["key_file"].filePath(c.Dir)
	if path == "" {
		return k
	}
	switch b, err := n.r.readFile(path); {
	case err != nil:
		m["key_file"].wrong("this file cannot be read; write the path of a private key, from the folder of this configuration")
	case !strings.Contains(string(b), "PRIVATE KEY-----"):
		m["key_file"].wrong("there is no private key in this file; it must hold one in PEM, which has a line -----BEGIN PRIVATE KEY-----")
	default:
		k.PEM = Secret{string(b)}
	}
	return k
}

// bank reads where customers pay without a link: lines to print, by currency.
func (n node) bank() map[string][]string {
	var bank map[string][]string
	for _, e := range n.entries() {
		if _, known := money.Exponent(e.name); !known {
			e.key.wrong("%q is not a currency of ISO 4217; write it like {EUR: [Example BV, IBAN NL91 ABNA 0417 1643 00]}", outline(e.name))
			continue
		}
		var lines []string
		e.value.shape.takes("type", "string")
		if _, list := e.value.n.(*ast.SequenceNode); list {
			for _, line := range e.value.list("[Example BV, IBAN NL91 ABNA 0417 1643 00]") {
				lines = append(lines, line.bankLine())
			}
		} else {
			lines = []string{e.value.bankLine()}
		}
		if e.value.blank() || len(lines) == 0 {
			e.key.wrong("nothing is said of where to pay in %s; write it like [Example BV, IBAN NL91 ABNA 0417 1643 00]", e.name)
		}
		if len(lines) > 6 {
			e.value.wrong("there are %d lines; at most 6 are printed", len(lines))
		}
		if bank == nil {
			bank = map[string][]string{}
		}
		bank[e.name] = lines
	}
	return bank
}

var ibanForm = regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b`)

// bankLine reads one line, and checks the digits of an IBAN in it (ISO 13616).
func (n node) bankLine() string {
	s := n.scalar()
	n.is(s.text)
	if len(s.text) > 100 {
		s.refuse("is longer than 100 characters; split it into lines: [Example BV, IBAN ...]")
	}
	if iban := ibanForm.FindString(s.text); iban != "" && !rightIBAN(iban) {
		s.refuse("has an account number whose check digits are wrong; see that every digit is right")
	}
	return s.text
}

// rightIBAN reports whether the check digits of an IBAN are right (ISO 7064,
// MOD 97-10).
func rightIBAN(iban string) bool {
	iban = strings.ReplaceAll(iban, " ", "")
	rest := 0
	for _, r := range iban[4:] + iban[:4] {
		if r >= 'A' {
			rest = (rest*100 + int(r-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(r-'0')) % 97
		}
	}
	return rest == 1
}

// choices reads a list of words that are known, each once.
func (n node) choices(example string, known []string) []string {
	var list []string
	for _, e := range n.list(example) {
		w := e.word("", known...)
		if slices.Contains(list, w) {
			e.wrong("%s is there twice; remove one of them", w)
			continue
		}
		if w != "" {
			list = append(list, w)
		}
	}
	return list
}

func (c *Config) web(n node) {
	m := n.settings("listen", "webhook_listen")
	c.Web = Web{Listen: m["listen"].listener(true), WebhookListen: m["webhook_listen"].listener(false)}
	if c.Web.Listen != "" && c.Web.Listen == c.Web.WebhookListen && !strings.HasSuffix(c.Web.Listen, ":0") {
		m["webhook_listen"].wrong("this is the address of web.listen; pages for people and calls from outside need two")
	}
}
