package store

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

// oldInvoice is what an import must know of an invoice it has seen before.
type oldInvoice struct {
	Number, Account, Source, Status, Currency string
	Total, Paid, Credited                     int64
	Issued, Due                               day
	Description, Policy                       string
	Tags                                      words
	Moved, Released                           instant
	Vanished                                  bool
	Episode                                   int
	Load                                      string
	promiseRow
}

func (o *oldInvoice) invoice() *invoices.Invoice {
	return &invoices.Invoice{
		Number: o.Number, Status: invoices.Status(o.Status), Total: money.Amount{Minor: o.Total, Currency: o.Currency},
		Paid: o.Paid, Credited: o.Credited, IssuedOn: o.Issued.Date, DueOn: o.Due.Date, Description: o.Description,
		Source: o.Source, Vanished: o.Vanished, Episode: o.Episode, Moved: o.Moved.Time, Released: o.Released.Time,
		Policy: o.Policy, Tags: o.Tags, Promise: o.promise(),
	}
}

// oldDebtor is what an account says of its debtor.
type oldDebtor struct {
	ID, Name, Email, Language, Country, Zone, Policy string
	CC                                               words
}

func (o *oldDebtor) same(d *invoices.Debtor) bool {
	return o.Name == d.Name && o.Email == d.Email && o.Language == d.Language && o.Country == d.Country &&
		o.Zone == d.Zone && o.Policy == d.Policy && slices.Equal(o.CC, d.CC)
}

// revision is what one batch of rows changes.
type revision struct {
	debtors  map[string]*invoices.Debtor // accounts to write, by id
	invoices []revised
	numbers  []string // of every row
	kept     []string // those whose promise was kept
	events   []Event
}

type revised struct {
	account string
	invoice invoices.Invoice
}

// take takes in one batch of rows: what the database holds of them is read in
// two statements, what has changed is written in five.
func (im *importer) take(batch []invoices.Row) error {
	if len(batch) == 0 {
		return nil
	}
	old, err := im.invoicesOf(batch)
	if err != nil {
		return err
	}
	debtors, err := im.debtorsOf(batch)
	if err != nil {
		return err
	}
	rev := &revision{debtors: map[string]*invoices.Debtor{}}
	seen := map[string]int{}
	for i := range batch {
		row := &batch[i]
		if line, twice := seen[row.Number]; twice {
			im.complain(row, fmt.Sprintf("invoice %q is also on line %d", row.Number, line), "list each invoice once")
			continue
		}
		seen[row.Number] = row.Line
		im.revise(rev, row, old[row.Number], debtors[row.Customer.ID])
	}
	if len(im.problems) > 0 {
		return nil
	}
	for _, part := range []func(*revision) error{im.putDebtors, im.putInvoices, im.putKept, im.putMentions} {
		if err := part(rev); err != nil {
			return err
		}
	}
	return im.note(rev.events...)
}

func (im *importer) complain(row *invoices.Row, what, fix string) {
	if len(im.problems) < maxProblems {
		// What is told here names invoices, customers by id, sources and zones.
		im.problem(&invoices.Problem{File: im.load.File, Line: row.Line, What: what, Fix: fix, Plain: true})
	}
}

// revise decides what one row changes.
func (im *importer) revise(rev *revision, row *invoices.Row, old *oldInvoice, debtor *oldDebtor) {
	c := &row.Customer
	zone := im.zone
	if c.Zone != "" {
		if zone = im.s.zone(c.Zone); zone == nil {
			im.complain(row, fmt.Sprintf("there is no time zone %q", c.Zone), "write a name such as Europe/Amsterdam, or leave it empty")
			return
		}
	}
	var was *invoices.Invoice
	switch {
	case row.Number == "" || c.ID == "":
		im.complain(row, "the invoice or the customer has no name", "give both the number and the customer's id")
		return
	case old != nil && old.Account != c.ID:
		im.complain(row, fmt.Sprintf("invoice %q belongs to customer %q, not to %q", row.Number, old.Account, c.ID), "invoice numbers must be unique; correct the number or the customer")
		return
	case old != nil && old.Source != im.load.Source:
		im.complain(row, fmt.Sprintf("invoice %q is already told of by the source %q", row.Number, old.Source), "let one source tell of each invoice")
		return
	case old != nil && old.Load == im.id:
		im.complain(row, fmt.Sprintf("invoice %q is listed twice", row.Number), "list each invoice once")
		return
	case old != nil:
		was = old.invoice()
	}
	rev.numbers = append(rev.numbers, row.Number)
	inv, change := invoices.Revise(was, *row, im.load.At, civil.Of(im.load.At.In(zone)))
	im.count(rev, c.ID, was, &inv, change)
	if change != invoices.Unchanged {
		rev.invoices = append(rev.invoices, revised{c.ID, inv})
	}
	if was != nil && was.Promise.Kept.IsZero() && !inv.Promise.Kept.IsZero() {
		rev.kept = append(rev.kept, inv.Number)
		rev.events = append(rev.events, Event{At: im.load.At, Kind: "promise_kept", Account: c.ID, Invoice: inv.Number, Detail: "what was promised by " + inv.Promise.On.String() + " was paid"})
	}
	moved := debtor == nil || !debtor.same(c)
	if moved && debtor != nil && rev.debtors[c.ID] == nil {
		rev.events = append(rev.events, Event{At: im.load.At, Kind: "account_changed", Account: c.ID, Detail: "by " + im.load.File})
	}
	if moved || change != invoices.Unchanged {
		rev.debtors[c.ID] = c
	}
}

// count notes what a row did.
func (im *importer) count(rev *revision, account string, was, inv *invoices.Invoice, change invoices.Change) {
	e := Event{At: im.load.At, Account: account, Invoice: inv.Number}
	switch change {
	case invoices.Added:
		im.report.Added++
		e.Kind, e.Detail = "invoice_added", fmt.Sprintf("%s open, due %s, %s", inv.Open(), inv.DueOn, inv.Status)
	case invoices.Changed:
		im.report.Changed++
		e.Kind, e.Detail = "invoice_changed", difference(was, inv)
	default:
		im.report.Unchanged++
		return
	}
	if was != nil && inv.Episode > was.Episode {
		im.report.Episodes++
		e.Detail += fmt.Sprintf("; episode %d begins", inv.Episode)
	}
	rev.events = append(rev.events, e)
}

// difference says in words what changed.
func difference(was, inv *invoices.Invoice) string {
	var parts []string
	note := func(changed bool, format string, args ...any) {
		if changed {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	note(was.Vanished, "it is mentioned again")
	note(was.Status != inv.Status, "status %s, was %s", inv.Status, was.Status)
	note(was.Total != inv.Total, "total %s, was %s", inv.Total, was.Total)
	note(was.Open() != inv.Open(), "open %s, was %s", inv.Open(), was.Open())
	note(was.DueOn != inv.DueOn, "due %s, was %s", inv.DueOn, was.DueOn)
	note(was.IssuedOn != inv.IssuedOn, "issued %s, was %s", inv.IssuedOn, was.IssuedOn)
	note(was.Description != inv.Description, "another description")
	note(was.Policy != inv.Policy, "policy %q, was %q", inv.Policy, was.Policy)
	note(!slices.Equal(was.Tags, inv.Tags), "tags %q, were %q", inv.Tags, was.Tags)
	if len(parts) == 0 {
		parts = []string{"what is paid and what is credited"}
	}
	return strings.Join(parts, "; ")
}

func (im *importer) invoicesOf(batch []invoices.Row) (map[string]*oldInvoice, error) {
	var in args
	numbers := make([]string, len(batch))
	for i := range batch {
		numbers[i] = batch[i].Number
	}
	var rows []oldInvoice
	err := im.SelectContext(im.ctx, &rows, `
		SELECT i.number, i.account_id AS account, i.source, i.status, i.currency, i.total, i.paid, i.credited,
			i.issued_on AS issued, i.due_on AS due, i.description, i.policy, i.tags, i.moved_at AS moved, i.released_at AS released,
			i.vanished, i.episode, i.changed_in AS load, `+promiseColumns+`
		FROM invoices i LEFT JOIN promises p ON p.invoice = i.number AND p.ended_at IS NULL
		WHERE i.number IN `+in.list(numbers), in...)
	old := make(map[string]*oldInvoice, len(rows))
	for i := range rows {
		old[rows[i].Number] = &rows[i]
	}
	return old, err
}

func (im *importer) debtorsOf(batch []invoices.Row) (map[string]*oldDebtor, error) {
	var in args
	ids := map[string]bool{}
	for i := range batch {
		ids[batch[i].Customer.ID] = true
	}
	var rows []oldDebtor
	err := im.SelectContext(im.ctx, &rows, `
		SELECT id, name, email, cc, language, country, zone, policy FROM accounts WHERE id IN `+in.list(slices.Sorted(maps.Keys(ids))), in...)
	old := make(map[string]*oldDebtor, len(rows))
	for i := range rows {
		old[rows[i].ID] = &rows[i]
	}
	return old, err
}

// putDebtors writes the accounts that anything changed for, before anything
// else of them, in order of id.
func (im *importer) putDebtors(rev *revision) error {
	if len(rev.debtors) == 0 {
		return nil
	}
	var in args
	var rows []string
	due := at(im.load.At)
	for _, id := range slices.Sorted(maps.Keys(rev.debtors)) {
		d := rev.debtors[id]
		rows = append(rows, in.row(id, d.Name, d.Email, words(d.CC), d.Language, d.Zone, d.Country, d.Policy, due))
	}
	return im.exec(`
		INSERT INTO accounts (id, name, email, cc, language, zone, country, policy, next_at) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, cc = excluded.cc, language = excluded.language,
			zone = excluded.zone, country = excluded.country, policy = excluded.policy,
			version = accounts.version + 1, next_act = 'look', next_at = excluded.next_at`, in...)
}

// putInvoices writes the invoices that were added or changed. What failed for
// good is tried again.
func (im *importer) putInvoices(rev *revision) error {
	if len(rev.invoices) == 0 {
		return nil
	}
	slices.SortFunc(rev.invoices, func(x, y revised) int { return cmp.Compare(x.invoice.Number, y.invoice.Number) })
	var in args
	rows := make([]string, len(rev.invoices))
	for i, r := range rev.invoices {
		inv := &r.invoice
		rows[i] = in.row(inv.Number, r.account, im.load.Source, string(inv.Status), inv.Total.Currency, inv.Total.Minor, inv.Paid, inv.Credited,
			day{inv.IssuedOn}, day{inv.DueOn}, inv.Description, inv.Policy, words(inv.Tags), im.id, inv.Episode, at(inv.Moved))
	}
	return im.exec(`
		INSERT INTO invoices (number, account_id, source, status, currency, total, paid, credited,
			issued_on, due_on, description, policy, tags, changed_in, episode, moved_at) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (number) DO UPDATE SET status = excluded.status, currency = excluded.currency, total = excluded.total,
			paid = excluded.paid, credited = excluded.credited, issued_on = excluded.issued_on, due_on = excluded.due_on,
			description = excluded.description, policy = excluded.policy, tags = excluded.tags, changed_in = excluded.changed_in, episode = excluded.episode, moved_at = excluded.moved_at,
			vanished = FALSE, rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''`, in...)
}

// putKept notes the promises that the books show to be kept.
func (im *importer) putKept(rev *revision) error {
	if len(rev.kept) == 0 {
		return nil
	}
	var in args
	kept := in.add(at(im.load.At))
	return im.exec(`UPDATE promises SET kept_at = `+kept+` WHERE ended_at IS NULL AND invoice IN `+in.list(rev.kept), in...)
}

// putMentions notes what a full load mentions.
func (im *importer) putMentions(rev *revision) error {
	if !im.load.Full || len(rev.numbers) == 0 {
		return nil
	}
	var in args
	rows := make([]string, len(rev.numbers))
	for i, n := range rev.numbers {
		rows[i] = in.row(n, im.id)
	}
	return im.exec(`
		INSERT INTO mentions (invoice, load_id) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (invoice) DO UPDATE SET load_id = excluded.load_id`, in...)
}
