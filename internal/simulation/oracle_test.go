package simulation

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/civil"
	"dunning/internal/sandbox"
	"dunning/internal/store"
	"dunning/invoices"
)

// promises are what must hold after every event, whatever happens, by what the
// provider and the mail server saw.
var promises = map[int]string{
	1:  "one accepted mail for each invoice, episode and step, and one more for each resend that was ordered (R1, R2)",
	2:  "when the trouble is over, every step of every open invoice has gone out: nothing is lost (R2, R5)",
	3:  "nothing is sent about an invoice that is paid, void, on hold or stopped, or told of by a source that is stale or not believed (R3, R8, R18, R20)",
	4:  "an invoice has at most one mailed link that can be paid for the same amount, and no more live ones than answers were lost (R10)",
	5:  "every mailed link is a link of that invoice, for the amount that the mail names, which is the open balance (R11, R12)",
	6:  "a mail goes to its customer alone, and holds nobody else's data (R14)",
	7:  "no letter outside the window, on a weekend or on a holiday of the customer's own calendar (R16, R17)",
	8:  "the books of every run balance (R25)",
	9:  "no letter too soon after the last one (R14, R15)",
	10: "the work comes to rest: calls to the provider are bounded by what there is to do",
	11: "a letter that the books call sent was accepted (R1, R2)",
}

// slack is how long an act may be under way after it was decided: conversations
// are slow here, and the workers' clocks are off by up to five minutes.
const slack = 45 * time.Minute

type oracle struct {
	w  *world
	mu sync.Mutex

	runs     int
	read     int // mails looked at
	mails    []mail
	byKey    map[string]map[string]int // accepted mails by step, then by Message-ID
	loads    []time.Time
	doubted  []span
	seen     map[string]sandbox.LinkState // links by URL
	mailed   map[string]bool              // URLs
	failures int
}

// A mail is one accepted mail, as far as its words tell.
type mail struct {
	at    time.Time
	id    string
	lines []line
	first bool // of another than the Message-IDs before
}

type line struct {
	template, step, url string
	bill                *bill
	minor               int64
}

// broken reports a broken promise.
func (o *oracle) broken(n int, format string, args ...any) {
	o.failures++
	if o.failures > 10 {
		return
	}
	o.w.t.Errorf("seed %d, %s: promise %d is broken: %s\n\t%s", o.w.seed, time.Now().UTC().Format(time.RFC3339), n, promises[n], fmt.Sprintf(format, args...))
}

var (
	marker = regexp.MustCompile(`(?m)^~ (\S+) (\S+) (\d+) EUR (\S+)\r?$`)
	rung   = regexp.MustCompile(`(?m)^= (\S+) (\S+)\r?$`)
)

// audit looks at what happened since it last did.
func (o *oracle) audit() {
	w := o.w
	links := w.box.Pay.Links()
	all := w.box.Mail.Mails()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKey == nil {
		o.byKey, o.mailed = map[string]map[string]int{}, map[string]bool{}
	}
	o.seen = make(map[string]sandbox.LinkState, len(links))
	for _, l := range links {
		o.seen[l.PaymentURL] = l
	}
	for _, m := range all[o.read:] {
		text, err := w.box.Mail.Text(m.N)
		w.must(err)
		o.mail(m, text)
	}
	o.read = len(all)
	if calls, most := int(w.calls.Swap(0)), 100+20*(len(links)+len(w.bills)); calls > most {
		o.broken(10, "%d calls for %d links and %d invoices", calls, len(links), len(w.bills))
	}
	o.links(links)
}

func (o *oracle) mail(m sandbox.Mail, text string) {
	in := mail{at: m.Time, id: m.MessageID}
	steps := map[string]string{}
	for _, f := range rung.FindAllStringSubmatch(text, -1) {
		steps[f[1]] = f[2]
	}
	for _, f := range marker.FindAllStringSubmatch(text, -1) {
		i, _ := strconv.Atoi(strings.TrimPrefix(f[2], "INV-"))
		minor, _ := strconv.ParseInt(f[3], 10, 64)
		in.lines = append(in.lines, line{template: f[1], step: steps[f[2]], bill: o.w.bills[i-1], minor: minor, url: f[4]})
	}
	if len(in.lines) == 0 {
		o.broken(6, "a mail about nothing: %s", text)
		return
	}
	in.first = !slices.ContainsFunc(o.mails, func(x mail) bool { return x.id == in.id })
	o.recipient(m, in, text)
	o.polite(in)
	for _, l := range in.lines {
		o.mailed[l.url] = true
		o.once(in, l)
		o.money(in, l)
		o.owed(in, l)
	}
	o.mails = append(o.mails, in)
}

// once is promise 1.
func (o *oracle) once(in mail, l line) {
	// An episode that began a moment ago may not have been known yet.
	episode := 0
	for i, began := range l.bill.episodes {
		if !began.After(in.at) {
			episode = i + 1
		}
		if d := in.at.Sub(began); episode == i+1 && i > 0 && d >= 0 && d < slack {
			return
		}
	}
	key := fmt.Sprintf("%s/%d/%s", l.bill.row.Number, episode, l.step)
	ids := o.byKey[key]
	if ids == nil {
		ids = map[string]int{}
		o.byKey[key] = ids
	}
	ids[in.id]++
	if len(ids) > 1 {
		o.broken(1, "%s went out as %d different mails", key, len(ids))
	}
	allowed := 1 + l.bill.resends
	if o.w.resend {
		allowed++
	}
	if ids[in.id] > allowed {
		o.broken(1, "%s was accepted %d times, %d resends were ordered", key, ids[in.id], l.bill.resends)
	}
}

// money is promise 5.
func (o *oracle) money(in mail, l line) {
	link, ok := o.seen[l.url]
	switch {
	case !ok:
		o.broken(5, "%s: nobody made the link %s", l.bill.row.Number, l.url)
		return
	case !strings.HasPrefix(link.MerchantOrderID, l.bill.row.Number+"-L"):
		o.broken(5, "%s was mailed the link of %s", l.bill.row.Number, link.MerchantOrderID)
	case link.Amount != l.minor:
		o.broken(5, "%s: the mail says %d, its link %d", l.bill.row.Number, l.minor, link.Amount)
	}
	if !l.bill.ever(in.at, func(t telling) bool { return t.row.Total.Minor-t.row.Paid-t.row.Credited == l.minor }) {
		o.broken(5, "%s: the mail of %s says %d, which was not open", l.bill.row.Number, in.at, l.minor)
	}
}

// ever reports whether something was told to be so shortly before an instant,
// or still is by then.
func (b *bill) ever(at time.Time, so func(telling) bool) bool {
	from := at.Add(-slack)
	for i, t := range b.told {
		ends := i+1 == len(b.told) || b.told[i+1].at.After(from)
		if !t.at.After(at) && ends && so(t) {
			return true
		}
	}
	return false
}

// owed is promise 3.
func (o *oracle) owed(in mail, l line) {
	b, from := l.bill, in.at.Add(-slack)
	if !b.ever(in.at, func(t telling) bool { return t.row.Status == "open" && t.row.Total.Minor-t.row.Paid-t.row.Credited > 0 }) {
		o.broken(3, "%s: mailed at %s although it is not owed", b.row.Number, in.at)
	}
	for _, s := range slices.Concat(b.holds, b.customer.holds, o.w.stopped, o.doubted) {
		if s.holds(from) && s.holds(in.at) {
			o.broken(3, "%s: mailed at %s although it is held, stopped or doubted since %s", b.row.Number, in.at, s.from)
		}
	}
	last := time.Time{}
	for _, t := range o.loads {
		if !t.After(in.at) {
			last = t
		}
	}
	if from.Sub(last) > maxAge {
		o.broken(3, "%s: mailed at %s although the books are of %s", b.row.Number, in.at, last)
	}
	for _, link := range o.seen {
		if !strings.HasPrefix(link.MerchantOrderID, b.row.Number+"-L") || link.Completed.IsZero() || link.Completed.After(from) {
			continue
		}
		if at, booked := b.booked[link.ID]; !booked || at.After(in.at) {
			o.broken(3, "%s: mailed at %s although the link %s was paid at %s", b.row.Number, in.at, link.MerchantOrderID, link.Completed)
		}
	}
}

// recipient is promise 6.
func (o *oracle) recipient(m sandbox.Mail, in mail, text string) {
	owner := in.lines[0].bill.customer
	for _, l := range in.lines {
		if l.bill.customer != owner {
			o.broken(6, "one mail speaks of %s and %s", in.lines[0].bill.row.Number, l.bill.row.Number)
		}
	}
	if len(m.To) != 1 || !in.lines[0].bill.ever(in.at, func(t telling) bool { return t.row.Customer.Email == m.To[0] }) {
		o.broken(6, "%s went to %v", in.lines[0].bill.row.Number, m.To)
	}
	for _, c := range o.w.customers {
		if c != owner && strings.Contains(text, c.name) {
			o.broken(6, "a mail to %s names %s", owner.name, c.name)
		}
	}
}

var holidays = func() *calendar.Calendar {
	c, err := calendar.New(calendar.Options{Country: "nl"})
	if err != nil {
		panic(err)
	}
	return c
}()

// polite is promises 7 and 9. The worker's clock may be five minutes off, and
// a letter that began in time may end later.
func (o *oracle) polite(in mail) {
	c := in.lines[0].bill.customer
	early, late := in.at.Add(skew).In(c.local()), in.at.Add(-slack).In(c.local())
	if minute := early.Hour()*60 + early.Minute(); minute < windowFrom*60 {
		o.broken(7, "mailed at %s", early)
	}
	if minute := late.Hour()*60 + late.Minute(); minute >= windowTo*60 {
		o.broken(7, "mailed at %s", late)
	}
	if d := civil.Of(early); holidays.Next(d) != d {
		o.broken(7, "mailed on %s, which is no working day", d)
	}
	if !in.first {
		return
	}
	for _, x := range o.mails {
		if x.lines[0].bill.customer != c || !x.first {
			continue
		}
		paces := x.lines[0].template != "request" || slices.ContainsFunc(in.lines, func(l line) bool { return l.bill == x.lines[0].bill })
		if days := civil.Of(early).DaysSince(civil.Of(x.at.In(c.local()))); paces && in.lines[0].template != "request" && days < minGap {
			o.broken(9, "%s got %s at %s and %s at %s", c.id, x.lines[0].template, x.at, in.lines[0].template, in.at)
		}
	}
}

// links is promises 4 and 10.
func (o *oracle) links(links []sandbox.LinkState) {
	type debt struct {
		number string
		minor  int64
	}
	live, shown := map[debt]int{}, map[debt]int{}
	for _, l := range links {
		if l.Status != "new" && l.Status != "processing" && (l.Status != "all_unsuccessful" || l.Attempts >= 25) {
			continue
		}
		number, _, _ := strings.Cut(l.MerchantOrderID, "-L")
		d := debt{number, l.Amount}
		live[d]++
		if o.mailed[l.PaymentURL] {
			shown[d]++
		}
	}
	extra := 0
	for d, n := range live {
		extra += n - 1
		if shown[d] > 1 {
			o.broken(4, "%s was mailed %d links for %d that can be paid", d.number, shown[d], d.minor)
		}
	}
	if lost := int(o.w.deaths.Load()) + o.w.lostAnswers; extra > lost {
		o.broken(4, "%d links are live beside another one, and only %d answers can have been lost", extra, lost)
	}
}

// complete is promise 2: after weeks of calm every open invoice that fell due
// long enough ago has heard the last word of its ladder in this episode.
func (o *oracle) complete() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range o.w.bills {
		r, ok := b.at(time.Now())
		if !ok || r.Status != "open" || r.Total.Minor-r.Paid-r.Credited <= 0 {
			continue
		}
		patience := 60
		if b.customer.zone != nil && b.customer.zone != amsterdam { // the workers are seldom up in their daytime
			patience = 110
		}
		if civil.Of(time.Now()).DaysSince(r.DueOn) < patience || b.skipped || o.paidUnbooked(b) {
			continue
		}
		if len(o.byKey[fmt.Sprintf("%s/%d/final", r.Number, len(b.episodes))]) == 0 {
			a, err := o.w.desk.Lookup(ctx, r.Number)
			o.w.must(err)
			if learntLate(a.Find(r.Number), b) {
				continue
			}
			p := o.w.policies("")
			d, _ := p.Explain(&a, a.Find(r.Number), time.Now())
			o.broken(2, "%s, due %s, open %d, never heard the last word; the policy says: %s\n\tcustomer %s in %s; steps %+v\n\tlinks %+v\n\trest %+v", r.Number, r.DueOn, b.open(), d.Why, b.customer.id, b.customer.local(), a.Find(r.Number).Steps, a.Find(r.Number).Links, a.Find(r.Number).Rest)
		}
	}
}

// arrived is promise 11.
func (o *oracle) arrived() {
	o.mu.Lock()
	defer o.mu.Unlock()
	accepted := map[string]bool{}
	for _, m := range o.mails {
		accepted[strings.Trim(m.id, "<>")] = true
	}
	for _, b := range o.w.bills {
		a, err := o.w.desk.Lookup(ctx, b.row.Number)
		if errors.Is(err, store.ErrUnknown) {
			continue // it was never told
		}
		o.w.must(err)
		for _, s := range a.Find(b.row.Number).Steps {
			if s.Result != invoices.Sent {
				continue
			}
			l, err := o.w.desk.Letter(ctx, s.Letter)
			o.w.must(err)
			if !accepted[l.MessageID] {
				o.broken(11, "%s: %s of episode %d was never accepted", b.row.Number, s.Step, s.Episode)
			}
		}
	}
}

// learntLate reports whether the books told of a payment by link before the
// provider did. Whether they meant that payment cannot be known: nothing is
// sent about what is left, and a person sees it on the attention list.
func learntLate(inv *invoices.Invoice, b *bill) bool {
	return slices.ContainsFunc(inv.Links, func(l invoices.Link) bool {
		at, told := b.booked[l.Remote]
		return l.State == invoices.Completed && told && at.Before(l.Since)
	})
}

// paidUnbooked reports whether a link was paid and the books do not say so.
func (o *oracle) paidUnbooked(b *bill) bool {
	for _, l := range o.seen {
		if strings.HasPrefix(l.MerchantOrderID, b.row.Number+"-L") && !l.Completed.IsZero() && b.booked[l.ID].IsZero() {
			return true
		}
	}
	return false
}
