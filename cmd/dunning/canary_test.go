package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/internal/sandbox"
)

// Canaries: every secret and everything said of a customer holds a word that
// stands nowhere else. The characters around the words are those that HTTP,
// JSON, HTML, SMTP and Go each write in their own way.
const (
	keyCanary      = `siskinkey"%+/&<1>\k`
	smtpCanary     = `finchword"%+/&<2>\ p`
	databaseCanary = `linnetword"%+/@:p`
	proxyCanary    = `thrushword`
	dkimCanary     = `blackbirdkey`
)

// spoken are the words of the canaries. The first ones are never seen by
// anybody; the others are of customers, whom people may be shown by name.
var (
	secretWords   = []string{"siskinkey", "finchword", "linnetword", "thrushword", "blackbirdkey", "/pay/"}
	customerWords = []string{"goldcrest", "wrenmail", "pipitcopy", "nightjartext"}
)

func customerName(i int) string  { return fmt.Sprintf(`Goldcrest%d "Æ" & <Zonen>`, i) }
func customerMail(i int) string  { return fmt.Sprintf("wrenmail%d@dunnock.example", i) }
func customerCopy(i int) string  { return fmt.Sprintf("pipitcopy%d@dunnock.example", i) }
func invoiceText(i int) string   { return fmt.Sprintf(`Nightjartext%d "beton" & <staal>`, i) }
func account(i int) string       { return fmt.Sprintf("C%03d", i) }
func csvCell(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }

const csvHeader = "number,customer_id,customer_name,customer_email,currency,total,issued_on,due_on,description\n"

// csvRow is an invoice of the i-th customer, due in a month.
func csvRow(number string, i int) string {
	today := time.Now().UTC()
	return strings.Join([]string{
		number, account(i), csvCell(customerName(i)), csvCell(customerMail(i) + "; " + customerCopy(i)), "EUR", fmt.Sprint(10+i, ".00"),
		today.AddDate(0, 0, -1).Format(time.DateOnly), today.AddDate(0, 0, 29).Format(time.DateOnly), csvCell(invoiceText(i)),
	}, ",") + "\n"
}

// aviaryConfig is townConfig with secrets, told in each of the ways there are.
const aviaryConfig = `database: {url: "%s", lease: 2 seconds}
costplus: {mode: live, api_key: "${COSTPLUS_API_KEY}", base_url: "%s", payment_hosts: ["%s"], webhook_url: "http://%s/costplus", send_customer: full, requests_per_second: 10000, timeout: 1 second}
smtp: {host: "%s", port: %s, security: none, username: billing, password: "${file:smtp.secret}", connections: 8, per_minute: 600000, timeout: 1 second}
mail: {from: "Example BV <billing@example.com>", language: en}
timezone: UTC
sending: {first_letters: send, window: "00:00-24:00", days: [mon, tue, wed, thu, fri, sat, sun], start_from: 2020-01-01, min_gap: 1 day, max_lateness: 400 days, max_per_run: 1000000, approve_above: 1000000}
sources: [{name: erp, csv: "inbox/*.csv"}]
workers: 8
web: {listen: "%s", webhook_listen: "%s"}
policies:
  standard:
    currencies: [EUR]
    link: {expires_after: P45D, lead: 1 day, on_expiry: mail, max_renewals: 3, min_life: 3 days}
    steps: [{name: request, when: on issue date, template: request, group: invoice}]
`

// An aviary is a town full of canaries that listens to whatever gets out.
type aviary struct {
	*town
	database      string
	env           []string
	health, hooks string // where `dunning run` listens
	words         []string
	heard         []string // all that was listened to
}

// newAviary makes a town of n customers, who owe nothing yet. The database's
// password, if it has one, is a canary as well.
func newAviary(t *testing.T, database string, mail sandbox.MailOptions) *aviary {
	t.Helper()
	mail.Username, mail.Password, mail.Auth = "billing", smtpCanary, sandbox.Required
	box, err := sandbox.Start(sandbox.Options{Now: time.Now, Seed: 1, APIKeys: []string{keyCanary}, Mail: mail})
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
	a := &aviary{town: &town{t: t, dir: t.TempDir(), box: box}, database: database, health: freeAddress(t), hooks: freeAddress(t), words: slices.Clone(secretWords)}
	host, port, err := net.SplitHostPort(box.Mail.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(database); err == nil && u.User != nil {
		if password, set := u.User.Password(); set {
			a.words = append(a.words, password)
		}
	}
	a.env = append(os.Environ(), "COSTPLUS_API_KEY="+keyCanary, "DB_PASSWORD="+databaseCanary)
	a.write("smtp.secret", smtpCanary+"\n")
	a.write("config.yaml", fmt.Sprintf(aviaryConfig, database, box.URL(), strings.TrimPrefix(box.URL(), "http://"), a.hooks, host, port, a.health, a.hooks))
	return a
}

// owe writes the list of unpaid invoices: for each prefix one of every customer.
func (a *aviary) owe(n int, prefixes ...string) {
	a.t.Helper()
	var b strings.Builder
	b.WriteString(csvHeader)
	for _, p := range prefixes {
		for i := range n {
			b.WriteString(csvRow(fmt.Sprintf("%s%03d", p, i), i))
		}
	}
	a.write("inbox/invoices.csv", b.String())
}

// edit changes the configuration.
func (a *aviary) edit(old, new string) {
	a.t.Helper()
	text := a.read("config.yaml")
	if !strings.Contains(text, old) {
		a.t.Fatalf("the configuration has no %q", old)
	}
	a.write("config.yaml", strings.Replace(text, old, new, 1))
}

// start returns the program with the secrets in its environment.
func (a *aviary) start(args ...string) *exec.Cmd {
	cmd := a.command(args...)
	cmd.Env = a.env
	return cmd
}

// says runs the program to its end, whatever that is, and returns all it wrote.
func (a *aviary) says(args ...string) string {
	a.t.Helper()
	out, err := a.start(args...).CombinedOutput()
	if err == nil {
		return string(out)
	}
	return fmt.Sprintf("%s%v", out, err)
}

// logs runs what runs unattended, and looks for every canary in what it wrote.
func (a *aviary) logs(what string, args ...string) string {
	a.t.Helper()
	out := a.says(args...)
	a.quiet(what+": dunning "+strings.Join(args, " "), out)
	return out
}

// shows runs what people read, who may be shown customers and no secrets.
func (a *aviary) shows(what string, args ...string) string {
	a.t.Helper()
	out := a.says(args...)
	a.hear(what+": dunning "+strings.Join(args, " "), out, a.words)
	return out
}

// quiet looks for every canary in a text.
func (a *aviary) quiet(where, text string) {
	a.t.Helper()
	a.hear(where, text, slices.Concat(a.words, customerWords))
}

func (a *aviary) hear(where, text string, words []string) {
	a.t.Helper()
	a.heard = append(a.heard, text)
	if found := sung(text, words); len(found) > 0 {
		a.t.Errorf("%s\ngives away %q:\n%s", where, found, text)
	}
}

// sung returns the words that are in a text, in whatever encoding.
func sung(text string, words []string) (found []string) {
	forms := uncovered(text)
	for _, w := range words {
		if slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(form, strings.ToLower(w)) }) {
			found = append(found, w)
		}
	}
	return found
}

var (
	escaped   = regexp.MustCompile(`(?i)%[0-9a-f]{2}|=[0-9a-f]{2}|\\x[0-9a-f]{2}|\\u00[0-9a-f]{2}|&#x[0-9a-f]{2};`)
	hexRun    = regexp.MustCompile(`(?i)([0-9a-f]{2}){8,}`)
	base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)
)

// uncovered returns a text in small letters, as it is and with what is encoded
// in it decoded: percent signs, quoted-printable, escapes of JSON, Go and HTML,
// hexadecimal, and base64 from any place on.
func uncovered(text string) []string {
	plain := escaped.ReplaceAllStringFunc(strings.ReplaceAll(text, `\/`, "/"), func(e string) string {
		b, err := hex.DecodeString(strings.TrimSuffix(e, ";")[len(strings.TrimSuffix(e, ";"))-2:])
		if err != nil {
			return e
		}
		return string(b)
	})
	forms := []string{text, plain}
	for _, run := range hexRun.FindAllString(text, -1) {
		if b, err := hex.DecodeString(run); err == nil {
			forms = append(forms, string(b))
		}
	}
	var b bytes.Buffer
	for _, run := range append(base64Run.FindAllString(text, -1), base64Run.FindAllString(plain, -1)...) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for from := range 4 {
			part := run[from:]
			decoded, err := base64.RawStdEncoding.DecodeString(part[:len(part)-len(part)%4])
			if err == nil {
				b.Write(decoded)
				b.WriteByte('\n')
			}
		}
	}
	forms = append(forms, b.String())
	for i := range forms {
		forms[i] = strings.ToLower(forms[i])
	}
	return forms
}

// TestR25_CanariesAreHeard: what looks for canaries finds them in every
// encoding, so that a test that hears nothing proves something.
func TestR25_CanariesAreHeard(t *testing.T) {
	for _, row := range []struct{ says, text string }{
		{"as it is", "key " + keyCanary},
		{"in capitals", strings.ToUpper(keyCanary)},
		{"in a query", "k=" + url.QueryEscape(keyCanary)},
		{"every byte with a percent sign", "%73%69%73%6B%69%6e%6b%65%79"},
		{"HTTP Basic", "Basic " + base64.StdEncoding.EncodeToString([]byte(keyCanary+":"))},
		{"AUTH PLAIN, one byte further on", base64.StdEncoding.EncodeToString([]byte("\x00a\x00" + keyCanary))},
		{"AUTH PLAIN, two bytes further on", base64.StdEncoding.EncodeToString([]byte("\x00ab\x00" + keyCanary))},
		{"base64 for URLs", base64.RawURLEncoding.EncodeToString([]byte("??>" + keyCanary))},
		{"hexadecimal", hex.EncodeToString([]byte(keyCanary))},
		{"quoted by Go", fmt.Sprintf("%q", keyCanary)},
		{"escapes of JSON", `\u0073\u0069\u0073\u006b\u0069\u006e\u006b\u0065\u0079`},
	} {
		if got := sung(row.text, []string{"siskinkey", "finchword"}); !slices.Equal(got, []string{"siskinkey"}) {
			t.Errorf("%s: heard %q in %s", row.says, got, row.text)
		}
	}
	if got := sung(`{"level":"warn","msg":"try failed"}`, slices.Concat(secretWords, customerWords)); len(got) > 0 {
		t.Errorf("heard %q in silence", got)
	}
}

// kept are the columns in which the database keeps what was said about what
// happened, and the words that must not be in them. Those that hold the customers
// themselves are not among them. Events are kept for ever, so addresses stay out
// of them; what the books or a server said wrongly is there for people while it
// matters.
var kept = []struct {
	query     string
	customers []string
}{
	{`SELECT kind, actor, detail, config FROM events ORDER BY at, id`, []string{"wrenmail", "pipitcopy"}},
	{`SELECT job, worker, counts, error FROM runs`, customerWords},
	{`SELECT kind, key, detail, note FROM incidents`, []string{"wrenmail", "pipitcopy"}},
	{`SELECT state, reason FROM links`, []string{"wrenmail", "pipitcopy"}},
	{`SELECT step, why FROM steps`, []string{"wrenmail", "pipitcopy"}},
	{`SELECT state, reply FROM letters`, []string{"wrenmail", "pipitcopy"}},
	{`SELECT kind, key, detail, note FROM alarms`, nil},
	{`SELECT name, file, doubt, suspect FROM sources`, nil},
	{`SELECT status, rest_why FROM invoices`, nil},
	{`SELECT next_code, next_why FROM accounts`, nil},
}

// open connects to the database beside the program.
func (a *aviary) open() *sqlx.DB {
	a.t.Helper()
	driver, name := "postgres", a.database
	if path, ok := strings.CutPrefix(a.database, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+filepath.Join(a.dir, path)+"?_pragma=busy_timeout(5000)"
	}
	db, err := sqlx.Open(driver, name)
	if err != nil {
		a.t.Fatal(err)
	}
	return db
}

// later makes everything due, as the hours do: links are not known any more,
// and what rests has rested.
func (a *aviary) later() {
	a.t.Helper()
	db := a.open()
	defer db.Close()
	for _, change := range []string{
		`UPDATE links SET seen_at = NULL`,
		`UPDATE invoices SET rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''`,
		`UPDATE accounts SET version = version + 1, claims = 0, next_act = 'look', next_at = (SELECT MIN(at) FROM events)`,
	} {
		if _, err := db.Exec(change); err != nil {
			a.t.Fatalf("%s: %v", change, err)
		}
	}
}

// books looks for canaries in what the database and the mark keep of what
// happened, webhook paths included, and returns the number of events.
func (a *aviary) books() int {
	a.t.Helper()
	db := a.open()
	defer db.Close()
	var paths []string
	if err := db.Select(&paths, `SELECT hook FROM links WHERE hook IS NOT NULL`); err != nil {
		a.t.Fatal(err)
	}
	a.hear("all that was heard so far, of the paths of webhooks", strings.Join(a.heard, "\n"), paths)
	a.words = append(a.words, paths...)
	events := 0
	for _, k := range kept {
		rows, err := db.Queryx(k.query)
		if err != nil {
			a.t.Fatalf("%s: %v", k.query, err)
		}
		for rows.Next() {
			row, err := rows.SliceScan()
			if err != nil {
				a.t.Fatal(err)
			}
			if strings.Contains(k.query, "FROM events") {
				events++
			}
			a.hear(k.query, fmt.Sprintf("%s", row), slices.Concat(a.words, k.customers))
		}
		if err := rows.Err(); err != nil {
			a.t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(a.dir, "dunning.mark")); err == nil {
		a.quiet("the mark", a.read("dunning.mark"))
	}
	return events
}
