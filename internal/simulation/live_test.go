package simulation

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"dunning/internal/civil"
	"dunning/internal/sandbox"
	"dunning/internal/store"
	"dunning/invoices"
)

// skew is how far the clock of a worker may be off.
const skew = 5 * time.Minute

var ctx = context.Background()

// pass lets time go by.
func (w *world) pass(least, most time.Duration) {
	time.Sleep(least + time.Duration(w.rng.Int64N(int64(most-least))))
}

// live lets the world live for its years: trouble, and work in it. One in which
// nobody tells the worker of a payment lives fewer of them, for it works more
// often: people must pay between two letters about one link.
func (w *world) live() {
	years, rest := yearsOfLife, 20*24*time.Hour
	if w.deaf {
		years, rest = 2, 3*24*time.Hour
	}
	until := time.Now().AddDate(years, 0, 0)
	for time.Now().Before(until) {
		for range 1 + w.rng.IntN(5) {
			w.happen()
			w.pass(time.Second, 9*time.Hour)
		}
		if w.rng.IntN(3) > 0 {
			w.tell()
		}
		w.session()
		w.pass(time.Minute, rest)
	}
}

// session is a stretch in which one worker is at work, or both: they are
// stopped, die, and are started again, while the world goes on.
func (w *world) session() {
	w.trouble()
	for range 1 + w.rng.IntN(2) {
		i := w.rng.IntN(2)
		if w.workers[i] != nil {
			if w.rng.IntN(2) == 0 {
				w.workers[i].die()
			}
			w.rest(i)
		}
		var fuse int64
		if w.rng.IntN(2) == 0 {
			fuse = 1 + w.rng.Int64N(60)
		}
		w.workers[i] = w.start([]string{"A", "B"}[i], fuse, time.Duration(w.rng.Int64N(int64(2*skew)))-skew)
		w.pass(time.Minute, time.Hour)
		if w.rng.IntN(2) == 0 {
			w.happen()
			w.pass(time.Second, 3*time.Hour)
		}
	}
	for i := range w.workers {
		if w.rng.IntN(4) == 0 && w.workers[i] != nil {
			w.workers[i].die()
		}
		w.rest(i)
	}
	w.audit()
}

// rest waits until a worker is gone.
func (w *world) rest(i int) {
	if p := w.workers[i]; p != nil {
		p.end()
		w.workers[i] = nil
	}
}

// happen lets one thing happen outside.
func (w *world) happen() {
	switch n := w.rng.IntN(100); {
	case n < 12:
		w.issue()
	case n < 34:
		w.tell()
	case n < 36:
		now := time.Now()
		w.must(w.desk.Doubt(ctx, "erp", "books.csv:3: a cell is wrong", now))
		w.mu.Lock()
		w.doubted = append(w.doubted, span{from: now})
		w.mu.Unlock()
	case n < 44:
		w.correct()
	case n < 47:
		w.close()
	case n < 68:
		w.pay()
	case n < 80:
		w.book()
	case n < 88:
		w.hold()
	case n < 90:
		now := time.Now()
		w.must(w.desk.Pause(ctx, "Ada", "to be sure", now))
		w.stopped = append(w.stopped, span{from: now})
	case n < 94:
		w.gossip()
	default:
		w.decide()
	}
}

// owedBill draws a bill that is open in the books; nil: there is none.
func (w *world) owedBill() *bill {
	var list []*bill
	for _, b := range w.bills {
		if b.row.Status == invoices.Open && b.open() > 0 {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.rng.IntN(len(list))]
}

// correct changes a bill in the books; the worker hears of it with the next
// import.
func (w *world) correct() {
	if len(w.bills) == 0 {
		return
	}
	b := w.bills[w.rng.IntN(len(w.bills))]
	today := civil.Of(time.Now().In(amsterdam))
	switch w.rng.IntN(8) {
	case 0:
		b.row.Total.Minor += int64(w.rng.IntN(5000)) + 1
	case 1:
		b.row.Credited += b.open() / 2
	case 2:
		b.row.Status = invoices.Void
	case 3:
		if b.row.Status == invoices.Void {
			b.row.Status = invoices.Open
		}
	case 4: // clearly overdue, clearly ahead: where midnight is does not matter
		if b.row.DueOn.AddDays(3).Before(today) {
			b.row.DueOn = today.AddDays(3 + w.rng.IntN(20))
		}
	case 5:
		b.row.Status = invoices.Disputed
	case 6:
		if b.row.Status == invoices.Disputed {
			b.row.Status = invoices.Open
		}
	case 7: // by bank
		if open := b.open(); open > 1 {
			b.row.Paid += open / int64(1+w.rng.IntN(2))
		}
	}
}

// close ends bills that are old: they were paid by bank, or are written off.
func (w *world) close() {
	today := civil.Of(time.Now().In(amsterdam))
	for _, b := range w.bills {
		switch {
		case today.DaysSince(b.row.DueOn) < 90 || b.row.Status == invoices.Void || b.open() <= 0:
		case w.rng.IntN(3) == 0:
			b.row.Status = invoices.Void
		default:
			b.row.Paid += b.open()
		}
	}
}

// lateAtMost is how long after it expired a link may still complete: the worker
// looks at it for 72 hours, and no program can know of what comes later.
const lateAtMost = 70 * time.Hour

// pay lets a customer do something with a link that was mailed to them.
func (w *world) pay() {
	w.audit()
	var mine []sandbox.LinkState
	for _, l := range w.box.Pay.Links() {
		if w.mailed[l.PaymentURL] && l.Completed.IsZero() && time.Since(l.Expires) < lateAtMost {
			mine = append(mine, l)
		}
	}
	if len(mine) == 0 {
		return
	}
	l := mine[w.rng.IntN(len(mine))]
	times, do := 1, w.box.Pay.Pay
	switch w.rng.IntN(8) {
	case 0:
		do = w.box.Pay.Process
	case 1:
		do, times = w.box.Pay.Fail, 1+w.rng.IntN(3)
	case 2:
		do, times = w.box.Pay.Fail, 26
	case 3:
		do = w.box.Pay.Cancel
	}
	for range times {
		if _, err := do(l.ID); err != nil && !errors.Is(err, sandbox.ErrUsedUp) {
			w.must(err)
		}
	}
}

// book writes payments by link into the books.
func (w *world) book() {
	for _, l := range w.box.Pay.Links() {
		number, _, _ := strings.Cut(l.MerchantOrderID, "-L")
		for _, b := range w.bills {
			if b.row.Number == number && !l.Completed.IsZero() && !b.paidBy[l.ID] && w.rng.IntN(2) == 0 {
				b.paidBy[l.ID] = true
				b.row.Paid += l.Amount
			}
		}
	}
}

// hold lets people hold and release.
func (w *world) hold() {
	now := time.Now()
	if b := w.owedBill(); b != nil && len(b.told) > 0 && w.rng.IntN(2) == 0 {
		if n := len(b.holds); n > 0 && b.holds[n-1].to.IsZero() {
			w.must(w.desk.Lift(ctx, store.Target{Invoice: b.row.Number}, "Ada", "settled", now))
			b.holds[n-1].to = now
			return
		}
		w.must(w.desk.Hold(ctx, store.Target{Invoice: b.row.Number}, invoices.Hold{Reason: "dispute", By: "Ada"}, now))
		b.holds = append(b.holds, span{from: now})
		return
	}
	if len(w.customers) == 0 {
		return
	}
	c := w.customers[w.rng.IntN(len(w.customers))]
	until := now.Add(time.Duration(1+w.rng.IntN(20)) * 24 * time.Hour)
	err := w.desk.Hold(ctx, store.Target{Account: c.id}, invoices.Hold{Reason: "promise", By: "Ada", Until: until}, now)
	if errors.Is(err, store.ErrUnknown) {
		return // never told of
	}
	w.must(err)
	if n := len(c.holds); n > 0 && c.holds[n-1].to.After(now) {
		c.holds[n-1].to = now // the new hold is in its place
	}
	c.holds = append(c.holds, span{now, until})
}

// gossip calls webhooks that are forged, repeated, or about nothing.
func (w *world) gossip() {
	_, err := w.desk.Rumour(ctx, "00000000000000000000000000000001", time.Now())
	w.must(err)
	client := &http.Client{Transport: &http.Transport{DialContext: w.net.Dial, DisableKeepAlives: true}, Timeout: time.Minute}
	for _, path := range []string{"/costplus/00000000000000000000000000000002", "/costplus/nonsense", "/"} {
		resp, err := client.Post("http://"+hooksAddress+path, "application/json", strings.NewReader(`{"event":"status_changed"}`))
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			w.t.Errorf("seed %d: a webhook was answered with %d", w.seed, resp.StatusCode)
		}
	}
}

// decide lets people work through what waits for them.
func (w *world) decide() {
	now := time.Now()
	w.settle(func(l invoices.Letter, arrived bool) invoices.Result {
		switch {
		case arrived && w.rng.IntN(4) > 0:
			return invoices.Sent
		case w.rng.IntN(8) == 0:
			return invoices.Skipped
		case !arrived && w.rng.IntN(2) == 0:
			return invoices.Delayed
		}
		return invoices.Resend
	})
	_, err := w.desk.Resume(ctx, "Ada", "go on", now)
	w.must(err)
	if n := len(w.stopped); n > 0 && w.stopped[n-1].to.IsZero() {
		for i := range w.stopped {
			if w.stopped[i].to.IsZero() {
				w.stopped[i].to = now
			}
		}
	}
	alarms, err := w.desk.Alarms(ctx)
	w.must(err)
	for _, a := range alarms {
		if _, id, ok := strings.Cut(a.Detail, "dunning approve "); ok {
			_, err := w.desk.Approve(ctx, id, "Ada", now)
			w.must(err)
		}
	}
}

// settle lets a person decide about every letter in doubt, having looked into
// the mail server's log.
func (w *world) settle(how func(l invoices.Letter, arrived bool) invoices.Result) {
	arrived := map[string]bool{}
	for _, m := range w.box.Mail.Mails() {
		arrived[strings.Trim(m.MessageID, "<>")] = true
	}
	type doubt struct {
		number, letter string
		as             invoices.Result
	}
	var doubts []doubt
	w.must(w.desk.Walk(ctx, store.Filter{}, time.Now(), func(a invoices.Account) error {
		for _, l := range a.Letters {
			if l.State == invoices.Uncertain {
				doubts = append(doubts, doubt{l.Items[0].Invoice, l.ID, how(l, arrived[l.MessageID])})
			}
		}
		for _, inv := range a.Invoices {
			for _, o := range inv.Steps {
				if o.Result == invoices.Failed && o.Episode == inv.Episode && !slices.ContainsFunc(doubts, func(d doubt) bool { return d.letter == o.Letter }) {
					doubts = append(doubts, doubt{inv.Number, o.Letter, invoices.Resend})
				}
			}
		}
		return nil
	}))
	for _, d := range doubts {
		w.must(w.desk.Settle(ctx, d.number, d.as, "Ada", "looked it up", time.Now()))
		l, err := w.desk.Letter(ctx, d.letter)
		w.must(err)
		for _, it := range l.Items {
			b := w.find(it.Invoice)
			if d.as == invoices.Resend || d.as == invoices.Delayed {
				b.resends++
			}
			b.skipped = b.skipped || d.as == invoices.Skipped
		}
	}
}

func (w *world) find(number string) *bill {
	for _, b := range w.bills {
		if b.row.Number == number {
			return b
		}
	}
	return nil
}

var apiFaults = []sandbox.Fault{
	{Kind: sandbox.DropBefore},
	{Kind: sandbox.DropAfter},
	{Kind: sandbox.Refuse, Status: 500},
	{Kind: sandbox.Refuse, Status: 429, RetryAfter: "30"},
	{Kind: sandbox.Refuse, Status: 503},
	{Kind: sandbox.RefuseAfter, Status: 502},
	{Kind: sandbox.RefuseAfter, Status: 504},
	{Kind: sandbox.Redirect, Value: "https://elsewhere.example/"},
	{Kind: sandbox.RevokedKey},
	{Kind: sandbox.NotFound},
	{Kind: sandbox.UnknownStatus},
	{Kind: sandbox.WrongAmount},
	{Kind: sandbox.Minimal},
	{Kind: sandbox.IgnorePeriod},
	{Kind: sandbox.HTMLBody},
	{Kind: sandbox.Truncated},
	{Kind: sandbox.Cut},
	{Kind: sandbox.Huge, Size: 1 << 21},
	{Kind: sandbox.Latency, Pause: sandbox.Pause(40 * time.Second)},
	{Kind: sandbox.LatencyAfter, Pause: sandbox.Pause(40 * time.Second)},
	{Kind: sandbox.Latency, Pause: sandbox.Pause(5 * time.Second)},
	{Kind: sandbox.Drip, Pause: sandbox.Pause(2 * time.Second)},
	{Kind: sandbox.LateCompletion},
}

var mailFaults = func() []sandbox.MailFault {
	list := []sandbox.MailFault{{Phase: sandbox.AtConnect, Do: sandbox.Drop}}
	for _, at := range []sandbox.MailPhase{sandbox.AtGreeting, sandbox.AtHello, sandbox.AtMail, sandbox.AtRcpt, sandbox.AtData, sandbox.AtDot, sandbox.AtReset, sandbox.AtQuit} {
		list = append(list, sandbox.MailFault{Phase: at, Do: sandbox.Drop}, sandbox.MailFault{Phase: at, Do: sandbox.Reply, Code: 451},
			sandbox.MailFault{Phase: at, Do: sandbox.Reply, Code: 421}, sandbox.MailFault{Phase: at, Do: sandbox.Reply, Code: 550},
			sandbox.MailFault{Phase: at, Do: sandbox.Stall, Pause: sandbox.Pause(90 * time.Second)})
	}
	for _, at := range []sandbox.MailPhase{sandbox.AtBody, sandbox.AtAccepted} {
		list = append(list, sandbox.MailFault{Phase: at, Do: sandbox.Drop}, sandbox.MailFault{Phase: at, Do: sandbox.Stall, Pause: sandbox.Pause(12 * time.Minute)})
	}
	return append(list, sandbox.MailFault{Phase: sandbox.AtAccepted, Do: sandbox.Drop}, sandbox.MailFault{Phase: sandbox.AtDot, Do: sandbox.Stall, Pause: sandbox.Pause(12 * time.Minute)})
}()

// trouble draws what will go wrong in a session.
func (w *world) trouble() {
	w.box.Pay.ClearFaults()
	w.box.Mail.ClearFaults()
	w.must(w.box.Mail.Up())
	for range w.rng.IntN(3) {
		f := apiFaults[w.rng.IntN(len(apiFaults))]
		f.Times = 1 + w.rng.IntN(4)
		w.lostAnswers += f.Times
		_, err := w.box.Pay.AddFault(f)
		w.must(err)
	}
	for range w.rng.IntN(3) {
		f := mailFaults[w.rng.IntN(len(mailFaults))]
		f.Times = 1 + w.rng.IntN(4)
		_, err := w.box.Mail.AddFault(f)
		w.must(err)
	}
	if w.rng.IntN(12) == 0 {
		w.must(w.box.Mail.Down())
	}
}

// calm is the end of all trouble. People settle, release and resume whatever
// waits for them, and for some weeks the workers do nothing but work.
func (w *world) calm(weeks int) {
	w.box.Pay.ClearFaults()
	w.box.Mail.ClearFaults()
	w.must(w.box.Mail.Up())
	for day := range weeks * 7 / 3 {
		now := time.Now()
		next := civil.Of(now.In(amsterdam)).AddDays(3).At(9, 30, amsterdam)
		time.Sleep(next.Sub(now))
		w.book()
		w.tell()
		if day%4 == 0 {
			w.decide()
			w.settle(func(_ invoices.Letter, arrived bool) invoices.Result {
				if arrived {
					return invoices.Sent
				}
				return invoices.Delayed
			})
			w.release()
		}
		w.workers[0] = w.start("A", 0, 0)
		w.pass(time.Hour, 2*time.Hour)
		w.rest(0)
		if day%3 == 1 { // once in other zones' daytime
			time.Sleep(11 * time.Hour)
			w.workers[0] = w.start("A", 0, 0)
			w.pass(time.Hour, 2*time.Hour)
			w.rest(0)
		}
		w.audit()
	}
	w.complete()
	w.arrived()
}

// release lets everybody go on.
func (w *world) release() {
	now := time.Now()
	for _, c := range w.customers {
		err := w.desk.Lift(ctx, store.Target{Account: c.id}, "Ada", "go on", now)
		if errors.Is(err, store.ErrUnknown) {
			continue
		}
		w.must(err)
		for i := range c.holds {
			if c.holds[i].to.After(now) {
				c.holds[i].to = now
			}
		}
	}
	for _, b := range w.bills {
		if len(b.told) == 0 {
			continue
		}
		w.must(w.desk.Lift(ctx, store.Target{Invoice: b.row.Number}, "Ada", "go on", now))
		for i := range b.holds {
			if b.holds[i].to.IsZero() {
				b.holds[i].to = now
			}
		}
	}
}
