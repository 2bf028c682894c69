package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"dunning/internal/money"
)

// A Debtor is a pretend customer.
type Debtor struct {
	Address string // where their mail goes; compared without regard to case
	Name    string // for the story; empty: the address
	Habit   Habit
}

// DebtorOptions says who the debtors are.
type DebtorOptions struct {
	Debtors []Debtor
	// Others are the habits of addresses that Debtors does not list: each draws
	// one, by the seed and the address. Empty: they let their mail lie.
	Others []Habit
	// Bill says which bill a link is for, by the link's merchant_order_id.
	// nil: what is left without a generation such as "-L2" at the end.
	Bill func(merchantOrderID string) string
	// NextReminder says when a debtor has to expect the next letter about a
	// bill, after so many letters of which the last came at last. nil: a week
	// after the last.
	NextReminder func(bill string, letters int, last time.Time) time.Time
}

// Debtors are customers who read their mail in the sink, open the payment pages
// they find in it, and do after a while what is their habit. They know nothing
// but what their mail and the page say. For one seed and one sequence of mails
// they always do the same at the same time.
type Debtors struct {
	sink   *MailSink
	client *http.Client
	links  *regexp.Regexp
	seed   uint64
	opt    DebtorOptions

	mu     sync.Mutex
	known  map[string]Debtor // by address in lower case
	read   int               // number of the last mail taken from the sink
	unread []letter          // taken, but not yet understood
	bills  map[string]*bill  // by address and bill
	order  []*bill           // in the order they became known
}

// A letter is a mail that waits to be read.
type letter struct {
	Mail
	from time.Time // not to be opened earlier
}

// A bill is what one debtor knows of one debt.
type bill struct {
	debtor  Debtor
	number  string
	amount  money.Amount
	url     string // the newest
	letters int
	renewed bool      // the last letter carried another link than the one before
	last    time.Time // when the last letter came
	tries   int       // attempts made
	todo    button    // what comes next
	next    time.Time // when; zero: nothing is planned
	stuck   bool      // the link took no payment; another may
	paid    bool
}

// Deed is what a debtor did.
type Deed string

// Deeds.
const (
	Paid       Deed = "paid"
	Failed     Deed = "tried to pay in vain"
	Began      Deed = "began a bank transfer"
	FoundEnded Deed = "found the link used up"
	Grumbled   Deed = "was written to about a bill already paid"
)

// An Act is one thing a debtor did.
type Act struct {
	Time   time.Time // when, in the sandbox's time
	Who    Debtor
	Did    Deed
	Bill   string
	Amount money.Amount
	Try    int // attempts made on this bill so far
}

// String tells the act in a line.
func (a Act) String() string {
	who := a.Who.Name
	if who == "" {
		who = a.Who.Address
	}
	line := fmt.Sprintf("%s %s: %s for %s", who, a.Did, a.Amount, a.Bill)
	if a.Try > 1 {
		line += fmt.Sprintf(" (attempt %d)", a.Try)
	}
	return line
}

func newDebtors(o DebtorOptions, sink *MailSink, base string, seed uint64) *Debtors {
	d := &Debtors{
		sink: sink, client: loopbackClient(), seed: seed, opt: o,
		links: regexp.MustCompile(regexp.QuoteMeta(base) + `/pay/[0-9a-f-]{36}/?`),
		known: map[string]Debtor{}, bills: map[string]*bill{},
	}
	if d.opt.Bill == nil {
		generation := regexp.MustCompile(`-L[0-9]+$`)
		d.opt.Bill = func(ref string) string { return generation.ReplaceAllString(ref, "") }
	}
	if d.opt.NextReminder == nil {
		d.opt.NextReminder = func(_ string, _ int, last time.Time) time.Time { return last.AddDate(0, 0, 7) }
	}
	for _, who := range o.Debtors {
		d.known[strings.ToLower(who.Address)] = who
	}
	return d
}

func (d *Debtors) close() { d.client.CloseIdleConnections() }

// who returns the debtor behind an address, if one lives there.
func (d *Debtors) who(address string) (Debtor, bool) {
	if who, known := d.known[strings.ToLower(address)]; known {
		return who, true
	}
	if len(d.opt.Others) == 0 {
		return Debtor{}, false
	}
	drawn := d.opt.Others[d.lot(strings.ToLower(address))%uint64(len(d.opt.Others))]
	return Debtor{Address: address, Habit: drawn}, true
}

// NextAt is the earliest moment at which a debtor wants to do something, or at
// which unread mail came; the zero time if nobody has anything to do. It may be
// in the past. Only mail and [Debtors.Act] change it.
func (d *Debtors) NextAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.collect()
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, l := range d.unread {
		sooner(l.from)
	}
	for _, b := range d.order {
		sooner(b.next)
	}
	return next
}

// Act lets every debtor do what falls due up to now, in order of time: read new
// mail, then act on the payment pages. The acts that happened are returned also
// with an error, which says what could not be done; that is tried again later.
func (d *Debtors) Act(ctx context.Context, now time.Time) ([]Act, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.collect()
	acts, err := d.readMail(ctx, now)
	errs := []error{err}
	for b := d.due(now); b != nil; b = d.due(now) {
		act, err := d.perform(ctx, b, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, bill %s: %w", b.debtor.Address, b.number, err))
			continue
		}
		acts = append(acts, act)
	}
	return acts, errors.Join(errs...)
}

// due returns the bill whose next act is the earliest one due, or nil.
func (d *Debtors) due(now time.Time) *bill {
	var first *bill
	for _, b := range d.order {
		if !b.next.IsZero() && !b.next.After(now) && (first == nil || b.next.Before(first.next)) {
			first = b
		}
	}
	return first
}

// collect takes the new mail from the sink.
func (d *Debtors) collect() {
	for _, m := range d.sink.mailsAfter(d.read) {
		d.unread = append(d.unread, letter{m, m.Time})
		d.read = m.N
	}
}

// readMail opens every letter that is to be opened by now. One that cannot be
// understood yet is opened again a quarter of an hour later.
func (d *Debtors) readMail(ctx context.Context, now time.Time) ([]Act, error) {
	var acts []Act
	var errs []error
	var later []letter
	for _, l := range d.unread {
		if l.from.After(now) {
			later = append(later, l)
			continue
		}
		did, err := d.readLetter(ctx, l.Mail)
		if err != nil {
			errs = append(errs, fmt.Errorf("read mail %d: %w", l.N, err))
			l.from = now.Add(15 * time.Minute)
			later = append(later, l)
			continue
		}
		acts = append(acts, did...)
	}
	d.unread = later
	return acts, errors.Join(errs...)
}

// readLetter finds the payment pages in a mail, looks at each, and plans.
func (d *Debtors) readLetter(ctx context.Context, m Mail) ([]Act, error) {
	var readers []Debtor
	for _, address := range m.To {
		if who, ok := d.who(address); ok && !slices.Contains(readers, who) {
			readers = append(readers, who)
		}
	}
	if len(readers) == 0 {
		return nil, nil
	}
	text, err := d.sink.Text(m.N)
	if err != nil {
		return nil, err
	}
	urls := d.links.FindAllString(text, -1)
	slices.Sort(urls)
	var offers []offer
	for _, url := range slices.Compact(urls) {
		seen, err := d.look(ctx, url)
		if err != nil {
			return nil, err
		}
		offers = append(offers, seen)
	}
	var acts []Act
	for _, who := range readers {
		for _, seen := range offers {
			if b := d.note(who, seen, m.Time); b.paid {
				acts = append(acts, b.act(Grumbled, m.Time))
			}
		}
	}
	return acts, nil
}

// note enters a letter about a bill and plans what its reader does about it.
func (d *Debtors) note(who Debtor, seen offer, at time.Time) *bill {
	number := d.opt.Bill(seen.reference)
	key := strings.ToLower(who.Address) + "\x00" + number
	b, known := d.bills[key]
	if !known {
		b = &bill{debtor: who, number: number}
		d.bills[key] = b
		d.order = append(d.order, b)
	}
	b.renewed = known && b.url != seen.url
	b.url, b.amount, b.last = seen.url, seen.amount, at
	b.letters++
	if !b.paid {
		d.plan(b)
	}
	return b
}

func (b *bill) act(did Deed, at time.Time) Act {
	return Act{Time: at, Who: b.debtor, Did: did, Bill: b.number, Amount: b.amount, Try: b.tries}
}
