package jobs

import (
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"
	"time"

	"dunning/internal/civil"
	"dunning/invoices"
)

// draft gathers what a letter says at an instant.
func (w *Worker) draft(a *invoices.Account, d invoices.Decision, now time.Time) (invoices.Draft, error) {
	first := a.Find(d.Items[0].Invoice)
	p := w.Policies.For(a, first, now)
	zone := a.Zone
	if zone == nil {
		zone = p.Zone
	}
	if zone == nil {
		zone = time.UTC
	}
	draft := invoices.Draft{
		Template: d.Template, Language: a.Language, Zone: zone, Today: civil.Of(now.In(zone)),
		Customer: a.Name, Country: a.Country, From: d.From, Test: w.Test,
	}
	if draft.Language == "" {
		draft.Language = w.Language
	}
	for _, it := range d.Items {
		line, err := lineOf(a.Find(it.Invoice), it, draft.Today)
		if err != nil {
			return draft, err
		}
		if p.Interest != nil {
			// Without a rate that is known nothing is said of interest: it is no
			// reason not to remind. Attention asks for the rate.
			if claim, err := p.Interest.On(line.Open, line.DueOn, draft.Today); err == nil {
				line.Interest, line.Compensation, line.Rates = claim.Interest, claim.Compensation, claim.Rates
			}
		}
		draft.Lines = append(draft.Lines, line)
	}
	var err error
	if draft.Totals, err = invoices.Totals(d.Items); err != nil {
		return draft, err
	}
	for _, t := range draft.Totals {
		if lines := w.Bank[t.Currency]; len(lines) > 0 {
			draft.Bank = append(draft.Bank, invoices.BankDetails{Currency: t.Currency, Lines: lines})
		}
	}
	return draft, nil
}

// lineOf says what a letter tells of one invoice.
func lineOf(inv *invoices.Invoice, it invoices.Item, today civil.Date) (invoices.Line, error) {
	link := inv.Link(it.Gen)
	if link.Amount != it.Amount || inv.Open() != it.Amount { // never a mail that disagrees with its link (R12)
		return invoices.Line{}, fmt.Errorf("the link %s asks for another amount than is open", link.Ref)
	}
	l := invoices.Line{
		Number: inv.Number, Description: inv.Description, IssuedOn: inv.IssuedOn, DueOn: inv.DueOn,
		Total: inv.Total, Open: it.Amount, DaysLate: today.DaysSince(inv.DueOn), URL: link.URL, Until: link.Expires,
	}
	if p := inv.Promise; !p.On.IsZero() {
		l.Promised, l.PromisedOn = inv.Total, p.On
		l.Promised.Minor = p.Amount
	}
	return l, nil
}

// plainName matches numbers that may be part of a file's name.
func plainName(number string) bool {
	return number != "" && strings.Trim(number, ".") != "" && strings.IndexFunc(number, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r))
	}) < 0
}

// attach reads a file that goes with a letter. A letter without it does not
// leave.
func (w *Worker) attach(from invoices.Attachment) (invoices.File, error) {
	name := from.File
	if from.Invoice != "" {
		if !plainName(from.Invoice) {
			return invoices.File{}, fmt.Errorf("the file %s cannot be attached: the number of the invoice has letters that no file name may have", name)
		}
		name = strings.ReplaceAll(name, "{number}", from.Invoice)
	}
	if w.Files == nil {
		return invoices.File{}, errors.New("no files can be attached here")
	}
	body, err := w.Files(name)
	if err != nil {
		return invoices.File{}, fmt.Errorf("the file %s cannot be attached: %w", name, err)
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	return invoices.File{Name: path.Base(name), Type: kind, Body: body}, nil
}
