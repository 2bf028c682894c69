package main

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"dunning/internal/money"
	"dunning/internal/sandbox"
)

const demoZone = "Europe/Amsterdam"

// demoConfig is the configuration of the demo. Mode live lets letters go to
// the pretend customers; everything it can reach is on loopback.
const demoConfig = `# Written by dunning demo: everything it points at ran on this machine and is gone.
database: {url: "{{database}}"}
costplus:
  mode: live
  api_key: "{{key}}"
  base_url: {{costplus}}
  payment_hosts: ["{{payment_host}}"]
  webhook_url: {{webhooks}}
  requests_per_second: 1000
smtp: {host: "{{smtp_host}}", port: {{smtp_port}}, security: none, connections: 4, per_minute: 60000}
mail: {from: "Molen Supplies BV <billing@molen.example>", reply_to: finance@molen.example, language: en}
timezone: Europe/Amsterdam
sending:
  window: "08:00-17:00"
  days: [mon, tue, wed, thu, fri]
  holidays: {calendar: nl}
  start_from: 2020-01-01
  first_letters: send
  min_gap: 3 days
  max_per_week: 2
  max_lateness: 14 days
jobs: {import: "5 6 * * *", create-links: "*/10 * * * *", email-links: "*/10 8-17 * * mon-fri", poll-links: "*/5 * * * *", send-reminders: "*/15 8-17 * * mon-fri", renew-links: "7 * * * *"}
sources:
  - {name: books, csv: "inbox/*.csv", max_age: 50 hours}
policies:
  standard:
    currencies: [EUR]
    min_amount: {EUR: "5.00"}
    link: {expires_after: P21D, lead: 1 day, on_expiry: mail, max_renewals: 2, min_life: 3 days, poll: 3 days}
    steps:
      - {name: request,  when: on issue date,     template: request, group: invoice}
      - {name: upcoming, when: 3 days before due, template: upcoming}
      - {name: friendly, when: 7 days after due,  template: friendly}
      - {name: firm,     when: 10 days after friendly, template: firm, link: {expires_after: P14D}}
      - {name: final,    when: 24 days after due, template: final, requires_sent: [firm]}
web: {webhook_listen: "{{webhook_listen}}"}
`

// demoBooks is the pretend accounting system: it lists its invoices every
// morning and learns of payments a day late.
type demoBooks struct {
	debtors []sandbox.Debtor
	bills   []*bill
}

type bill struct {
	number   string
	customer int
	language string
	amount   money.Amount
	issued   time.Time
	due      time.Time
	paidAt   time.Time
	paid     int64
	disputed bool
}

var demoNames = [...]struct{ name, language string }{
	{"Bakkerij Jansen", "nl"},
	{"Fietsen De Vries", "nl"},
	{"Brouwerij 't Anker", "nl"},
	{"Garage Visser", "nl"},
	{"Hotel Zeezicht", "nl"},
	{"Kwekerij Bloemhof", "nl"},
	{"Drukkerij Smit", "nl"},
	{"Tandarts Mulder", "nl"},
	{"Slagerij Bos", "nl"},
	{"Theater De Kade", "nl"},
	{"Müller Maschinenbau GmbH", "de"},
	{"Café Sonnenschein", "de"},
	{"Weber & Söhne", "de"},
	{"Buchhandlung Krause", "de"},
	{"Tischlerei Vogt", "de"},
	{"Apotheke am Markt", "de"},
	{"Gärtnerei Lindner", "de"},
	{"Harbour Coffee Ltd", "en"},
	{"Oakfield School", "en"},
	{"Northern Timber plc", "en"},
	{"The Copper Kettle", "en"},
	{"Quayside Yachts", "en"},
	{"Bright & Byrne", "en"},
	{"Lavender Farm", "en"},
	{"Meridian Labs", "en"},
}

// Customers with whom something goes wrong, by their place in demoNames.
const (
	movedAway  = 3  // their mailbox does not exist any more
	unknownTo  = 8  // the books have no address of theirs
	disputing  = 12 // they say the bill is wrong
	lostAnswer = 22 // the mail server breaks off after one of their letters
)

// demoHabits are handed out in turn: most people pay.
var demoHabits = [...]sandbox.Habit{
	sandbox.PaysAtOnce, sandbox.PaysAfterTwoReminders, sandbox.PaysRenewedLink, sandbox.PaysAtFourthTry, sandbox.PaysSlowly,
	sandbox.PaysAtOnce, sandbox.NeverPays, sandbox.PaysBeforeNextReminder,
}

func newDemoBooks(o demoOptions, start time.Time) *demoBooks {
	r := rand.New(rand.NewPCG(o.seed, 2))
	b := &demoBooks{}
	customers := min(len(demoNames), max(1, o.invoices*25/40))
	for i := range customers {
		b.debtors = append(b.debtors, sandbox.Debtor{
			Address: fmt.Sprintf("accounts@customer%02d.example", i+1), Name: demoNames[i].name, Habit: demoHabits[i%len(demoHabits)],
		})
	}
	for i := range o.invoices {
		c := i
		if i >= customers {
			c = r.IntN(customers)
		}
		issued := start.AddDate(0, 0, r.IntN(max(1, o.days/3)))
		b.bills = append(b.bills, &bill{
			number: fmt.Sprintf("%d-%04d", start.Year(), i+1), customer: c, language: demoNames[c].language,
			amount: money.Amount{Minor: int64(1000 + r.IntN(250_000)), Currency: "EUR"}, issued: issued, due: issued.AddDate(0, 0, 14),
		})
	}
	return b
}

// paid notes a payment; the books show it from the next morning on.
func (b *demoBooks) paid(act sandbox.Act, at time.Time) {
	for _, x := range b.bills {
		if x.number == act.Bill && x.paidAt.IsZero() {
			x.paidAt, x.paid = at, act.Amount.Minor
		}
	}
}

// example returns an invoice that has something to tell.
func (b *demoBooks) example() string {
	for _, x := range b.bills {
		if b.debtors[x.customer].Habit == sandbox.PaysRenewedLink {
			return x.number
		}
	}
	return b.bills[0].number
}

// write lists every invoice issued by now.
func (b *demoBooks) write(dir string, now time.Time) error {
	path := filepath.Join(dir, "inbox", "invoices.csv")
	f, err := os.Create(path + ".part") // renamed when it is whole, as a source should
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	_ = w.Write([]string{"number", "customer_id", "customer_name", "customer_email", "currency", "total", "paid", "issued_on", "due_on", "description", "language"})
	for _, x := range b.bills {
		if x.issued.After(now) {
			continue
		}
		paid := "0.00"
		if !x.paidAt.IsZero() && now.Sub(x.paidAt) > 12*time.Hour {
			paid = money.Amount{Minor: x.paid, Currency: x.amount.Currency}.Decimal()
		}
		who := b.debtors[x.customer]
		address := who.Address
		if x.customer == unknownTo {
			address = ""
		}
		_ = w.Write([]string{
			x.number, "C" + strconv.Itoa(x.customer+1), who.Name, address, x.amount.Currency, x.amount.Decimal(), paid,
			x.issued.Format(time.DateOnly), x.due.Format(time.DateOnly), "Goods and services", x.language,
		})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
