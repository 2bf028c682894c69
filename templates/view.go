package templates

import (
	"cmp"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

// A Letter is what a template sees as the dot. All text in it was cleaned: it
// is one line without control characters, and bounded in length; a text that is
// read from right to left is isolated from what is around it.
//
//	{{.Customer}}              the debtor's name; may be empty
//	{{.Country}}               the debtor's country; may be empty
//	{{date .Today}}            the date of the letter, on the customer's calendar
//	{{.Test}}                  true in test mode
//	{{.Sender.Name}}           also .Sender.Email, .Sender.Phone, .Sender.Address (lines)
//	{{range .Invoices}}        the invoices of the letter, see Invoice; of more
//	                           than 25 those that are most overdue, and then
//	                           the whole list is attached as a table
//	{{.Count}}                 how many there are, {{.More}} how many are not shown
//	{{.First.Number}}          the first, for letters about one
//	{{if .Several}}            the letter is about more than one
//	{{.Overdue}}               how many of them are past due
//	{{join .Numbers}}          all numbers; {{brief .Numbers}} as many as fit a subject
//	{{join .Totals}}           the open balance per currency; also {{brief .Totals}}
//	{{join .Interest}}         what may be charged for late payment, and
//	{{join .Compensation}}     a fixed sum, per currency: never part of .Totals;
//	                           where {{if .Interest}}
//	{{range .Bank}}            where to pay without a link: .Currency and .Lines
//	{{.Subject}}               the finished subject; in .html files only
//	{{.Language}} {{.Template}}
//
// Functions write values as the language of the letter does:
//
//	money AMOUNT   €1,250.00
//	date DATE      16 March 2026
//	time INSTANT   16 March 2026, 14:30 (time in Amsterdam)
//	days NUMBER    1 day, 14 days; without a sign
//	join LIST      A, B and C; a list of numbers or amounts
//	brief LIST     A, B and 12 more; as many as fit a subject
//
// Of Go's own functions there are and, or, not, eq, ne, lt, le, gt, ge, len,
// index, slice, print, printf and println. {{range}} repeats over lists, at most
// one inside of another; a template does not call itself, and a variable keeps
// the kind of its first value: so every letter comes to an end.
//
// All that templates ask for are fields: to call a method takes a template
// several times as long as to read a field.
type Letter struct {
	Template string
	Language string
	Subject  string
	Customer string
	Country  string
	Today    civil.Date
	Test     bool
	Sender   Sender
	Invoices []Invoice
	First    Invoice
	Several  bool // the letter is about more than one
	Count    int  // how many invoices it is about
	More     int  // how many of them it does not show
	Overdue  int  // how many of them are past due
	Numbers  []string
	Totals   []money.Amount
	Bank     []Bank

	Interest     []money.Amount // per currency, in order of currency; none that is zero
	Compensation []money.Amount
	Rates        []string // of the interest, a year

	all []Invoice // also those that are not shown
}

// Bank says where to pay in one currency without a link.
type Bank struct {
	Currency string
	Lines    []string
}

// An Invoice is one invoice of a letter, the dot inside {{range .Invoices}}
// and {{with .First}}.
//
//	{{.Number}} {{.Description}}    the description may be empty
//	{{date .IssuedOn}}              where {{if .Issued}}
//	{{date .DueOn}}
//	{{if .Late}}{{days .DaysLate}}  calendar days past due; negative before
//	{{money .Open}}                 what is to be paid now, and what the link asks for
//	{{money .Total}}                what was billed; not what is owed
//	{{.URL}}                        where to pay; in plain text on a line of its own
//	{{time .Until}}                 until when the URL works, where {{if .Expires}}
//	{{money .Interest}}             may be charged on top; also .Compensation
//	{{money .Promised}}             what the customer said they would pay, by
//	{{date .PromisedOn}}            this day, where {{if .WasPromised}}
type Invoice struct {
	Number      string
	Description string
	IssuedOn    civil.Date
	DueOn       civil.Date
	DaysLate    int
	Open        money.Amount
	Total       money.Amount
	URL         string
	Until       time.Time // on the customer's clock

	Issued      bool // the issue date is known
	Late        bool // the due date has passed
	Expires     bool // it is known until when the link works
	WasPromised bool // the customer said when they would pay

	Interest     money.Amount
	Compensation money.Amount
	Promised     money.Amount
	PromisedOn   civil.Date
}

// The longest texts a letter shows, in characters. A number is never
// shortened: half a number is another number.
const (
	maxNumber      = 64
	maxCustomer    = 120
	maxDescription = 200
	maxCountry     = 60
	maxURL         = 2000
)

// view makes what templates see of a draft, or says why no letter can be made
// of it.
func (s *Set) view(lang string, d invoices.Draft) (*Letter, error) {
	switch {
	case len(d.Lines) == 0:
		return nil, errors.New("it is about no invoice")
	case len(d.Lines) > maxInvoices:
		return nil, fmt.Errorf("it is about more than %d invoices", maxInvoices)
	case d.Zone == nil:
		return nil, errors.New("the time zone of the customer is unknown")
	}
	l := &Letter{
		Template: d.Template, Language: lang, Today: d.Today, Test: d.Test, Sender: s.sender, Totals: d.Totals,
		Customer: isolated(clean(d.Customer, maxCustomer)), Country: isolated(clean(d.Country, maxCountry)),
		all: make([]Invoice, 0, len(d.Lines)),
	}
	if d.From != "" {
		from, err := mail.ParseAddress(d.From)
		if err != nil {
			return nil, errors.New("its sender is not a mail address")
		}
		if l.Sender.Name, l.Sender.Email = from.Name, from.Address; from.Name == "" {
			l.Sender.Name = from.Address
		}
	}
	for _, b := range d.Bank {
		lines := make([]string, len(b.Lines))
		for i, line := range b.Lines {
			lines[i] = clean(line, maxDescription)
		}
		l.Bank = append(l.Bank, Bank{b.Currency, lines})
	}
	numbers, urls := map[string]bool{}, map[string]bool{}
	for _, line := range d.Lines {
		inv, err := invoice(line, d.Zone)
		if err != nil {
			return nil, fmt.Errorf("invoice %s: %w", clean(line.Number, maxNumber), err)
		}
		if numbers[inv.Number] || urls[inv.URL] {
			return nil, fmt.Errorf("invoice %s: another line has the same number or payment link", inv.Number)
		}
		numbers[inv.Number], urls[inv.URL] = true, true
		l.all = append(l.all, inv)
		for _, rate := range line.Rates {
			if !slices.Contains(l.Rates, rate) {
				l.Rates = append(l.Rates, rate)
			}
		}
	}
	var err error
	if l.Interest, err = charged(l.all, func(i Invoice) money.Amount { return i.Interest }); err != nil {
		return nil, err
	}
	if l.Compensation, err = charged(l.all, func(i Invoice) money.Amount { return i.Compensation }); err != nil {
		return nil, err
	}
	l.survey()
	return l, sameTotals(d)
}

// survey notes what is to be said of all invoices together.
func (l *Letter) survey() {
	l.Invoices = foremost(l.all)
	l.First, l.Count, l.Several, l.More = l.Invoices[0], len(l.all), len(l.all) > 1, len(l.all)-len(l.Invoices)
	l.Numbers = make([]string, len(l.all))
	for i, inv := range l.all {
		l.Numbers[i] = inv.Number
		if inv.Late {
			l.Overdue++
		}
	}
}

// maxInvoices is how many invoices one letter may be about.
const maxInvoices = 5000

// maxShown is how many invoices a letter shows; of more it attaches a list.
const maxShown = 25

// foremost returns the invoices to show: all, or those that are most overdue,
// the largest first where that is the same.
func foremost(all []Invoice) []Invoice {
	if len(all) <= maxShown {
		return all
	}
	list := slices.Clone(all)
	slices.SortStableFunc(list, func(x, y Invoice) int {
		if x.Open.Currency == y.Open.Currency {
			return cmp.Or(cmp.Compare(y.DaysLate, x.DaysLate), cmp.Compare(y.Open.Minor, x.Open.Minor))
		}
		return cmp.Compare(y.DaysLate, x.DaysLate)
	})
	return list[:maxShown]
}

// charged adds up what may be charged, per currency, in order of currency.
func charged(all []Invoice, of func(Invoice) money.Amount) ([]money.Amount, error) {
	var sums []money.Amount
	for _, inv := range all {
		a := of(inv)
		if a.Minor <= 0 {
			continue
		}
		i := slices.IndexFunc(sums, func(s money.Amount) bool { return s.Currency == a.Currency })
		if i < 0 {
			sums = append(sums, a)
			continue
		}
		sum, err := sums[i].Add(a)
		if err != nil {
			return nil, err
		}
		sums[i] = sum
	}
	slices.SortFunc(sums, func(x, y money.Amount) int { return cmp.Compare(x.Currency, y.Currency) })
	return sums, nil
}

// invoice checks and cleans one line.
func invoice(line invoices.Line, zone *time.Location) (Invoice, error) {
	inv := Invoice{
		Number: clean(line.Number, maxNumber+1), Description: clean(line.Description, maxDescription),
		IssuedOn: line.IssuedOn, DueOn: line.DueOn, DaysLate: line.DaysLate,
		Open: line.Open, Total: line.Total, URL: line.URL, Until: line.Until,
		Interest: line.Interest, Compensation: line.Compensation, Promised: line.Promised, PromisedOn: line.PromisedOn,
		Issued: line.IssuedOn != civil.Date{}, Late: line.DaysLate > 0, Expires: !line.Until.IsZero(), WasPromised: line.PromisedOn != civil.Date{},
	}
	if inv.Expires {
		inv.Until = inv.Until.In(zone)
	}
	number := inv.Number
	inv.Number, inv.Description = isolated(number), isolated(inv.Description)
	switch {
	case inv.Number == "":
		return inv, errors.New("it has no number")
	case len(line.Number) > 4*maxNumber || utf8.RuneCountInString(number) > maxNumber:
		return inv, fmt.Errorf("its number is longer than %d characters", maxNumber)
	case inv.DueOn == civil.Date{}:
		return inv, errors.New("it has no due date")
	case inv.Open.Minor <= 0:
		return inv, errors.New("nothing is open")
	case !payable(inv.URL):
		return inv, errors.New("its payment link is not an https address that can be mailed unchanged")
	}
	return inv, nil
}

// unchanged matches addresses that look the same in text, in HTML and in an
// href: html/template would percent-encode any other character.
var unchanged = regexp.MustCompile(`^https?://(?:[A-Za-z0-9\-._~!#$&*+,/:;=?@\[\]]|%[0-9A-Fa-f]{2})+$`)

// payable reports whether an address may be mailed: absolute https, or http on
// this machine for demonstrations, no user name, and the same in every part of
// a letter.
func payable(address string) bool {
	if len(address) > maxURL || !unchanged.MatchString(address) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip.IsLoopback()
}

// sameTotals checks that the totals are the sums of the lines, so that no
// letter names two truths (R12). Currencies are never added up (R13).
func sameTotals(d invoices.Draft) error {
	sums := map[string]int64{}
	for _, line := range d.Lines {
		sum := sums[line.Open.Currency] + line.Open.Minor
		if sum < 0 {
			return fmt.Errorf("the total in %s is too large", line.Open.Currency)
		}
		sums[line.Open.Currency] = sum
	}
	if len(sums) != len(d.Totals) {
		return fmt.Errorf("it has %d totals, and invoices in %d currencies", len(d.Totals), len(sums))
	}
	for _, t := range d.Totals {
		if sums[t.Currency] != t.Minor {
			return fmt.Errorf("its total is %s, but its invoices add up to %s", t, money.Amount{Minor: sums[t.Currency], Currency: t.Currency})
		}
	}
	return nil
}
