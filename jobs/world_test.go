package jobs_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/internal/schedule"
	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
)

// world is everything outside a worker: the real store, a provider and a mail
// server in memory, the books, and a clock that is turned by hand. It can be
// told to end the worker at the n-th boundary it crosses; from then on nothing
// it does has any effect, as if the process had been killed.
type world struct {
	t     testing.TB
	now   time.Time
	db    *store.Store
	rules *invoices.Policies
	table jobs.Timetable
	books map[string]*invoices.Row

	links   map[string]*invoices.Link // at the provider, by remote id
	created []invoices.LinkOrder
	guarded bool // runs are kept in the books, and the guards look before each
	tokens  int
	loads   int
	forgets bool // the provider answers 404
	outbox  []invoices.Letter
	postErr error // what the mail server says before the dot
	dotErr  error // what it says at the dot

	keyErr  error  // what the provider says to everything
	careful bool   // the first letters need approval
	words   string // what letters about INV-2 say besides
	breaks  string // the customer whose letters break the worker
	mark    memoryMark

	crossed int
	where   []string
	fuse    int    // act at this boundary; 0: never
	at      string // the boundary the fuse was at
	mode    mode
	dead    bool
	stall   func() // for mode stalls
}

// mode is what happens at the fuse.
type mode string

const (
	dies      mode = "dies"      // the process is gone
	stalls    mode = "stalls"    // something else happens first
	unheard   mode = "unheard"   // the call has no effect and fails
	persisted mode = "persisted" // the call takes effect, its answer is lost
)

var (
	errKilled = errors.New("killed")
	errLost   = errors.New("the answer was lost")
)

var amsterdam = func() *time.Location {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return loc
}()

func standard() *invoices.Policy {
	p14 := period.Period{Days: 14}
	return &invoices.Policy{
		Name: "standard",
		Steps: []invoices.Step{
			{Name: "request", When: invoices.When{Anchor: invoices.AfterIssue}, Template: "request", Single: true},
			{Name: "upcoming", When: invoices.When{Days: -3}, Template: "upcoming"},
			{Name: "friendly", When: invoices.When{Days: 7}, Template: "friendly"},
			{Name: "firm", When: invoices.When{Anchor: invoices.AfterStep, Days: 14, Step: "friendly"}, Template: "firm", Life: &p14},
			{Name: "final", When: invoices.When{Days: 30}, Template: "final", RequiresSent: []string{"firm"}},
		},
		Link: invoices.LinkTerms{
			Life: period.Period{Days: 45}, Lead: period.Period{Days: 1}, MinLife: period.Period{Days: 3},
			OnExpiry: invoices.MailNew, MaxRenewals: 3, Poll: time.Hour,
		},
		Currencies: []string{"EUR"}, Zone: amsterdam, Window: invoices.Window{From: 8 * 60, To: 17 * 60},
		MinGap: 3, MaxPerWeek: 2, MaxLateness: 14, PendingMax: 5,
		Key: invoices.Keys{Own: "test:1a2b3c4d"},
	}
}

// cron is the default timetable of DESIGN section 3.
var cron = map[string]string{
	"create-links": "*/10 * * * *", "email-links": "*/10 8-17 * * mon-fri", "poll-links": "*/5 * * * *",
	"send-reminders": "*/15 8-17 * * mon-fri", "renew-links": "7 * * * *",
}

func newWorld(t testing.TB, on database, start string) *world {
	w := &world{t: t, db: on.open(t), books: map[string]*invoices.Row{}, links: map[string]*invoices.Link{}, table: jobs.Timetable{}, mode: dies}
	w.now = clock(t, start)
	w.rules = &invoices.Policies{ByName: map[string]*invoices.Policy{"standard": standard()}, Default: "standard", Zone: amsterdam}
	for name, spec := range cron {
		s, err := schedule.Parse(spec, amsterdam)
		if err != nil {
			t.Fatal(err)
		}
		w.table[name] = s
	}
	return w
}

func clock(t testing.TB, s string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", s, amsterdam)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// cross is called before and after everything the worker does outside. It
// reports whether the call may take effect and whether its answer is heard.
func (w *world) cross(name string) (err error) {
	if w.dead {
		return errKilled
	}
	w.crossed++
	w.where = append(w.where, name)
	if w.crossed != w.fuse {
		return nil
	}
	w.at = name
	switch before := strings.HasPrefix(name, "before"); {
	case w.mode == dies:
		w.dead = true
		return errKilled
	case w.mode == stalls:
		stall := w.stall
		w.stall = nil
		stall()
	case w.mode == unheard && before, w.mode == persisted && !before:
		return errLost
	}
	return nil
}

// The ledger, with its boundaries.

func (w *world) Claim(ctx context.Context, q invoices.Query) ([]invoices.Account, error) {
	if w.dead {
		return nil, errKilled
	}
	as, err := w.db.Claim(ctx, q)
	if err == nil && len(as) > 0 {
		err = w.cross("after claim")
	}
	return as, err
}

func (w *world) Begin(ctx context.Context, a invoices.Account, in invoices.Intent) (invoices.Account, error) {
	if err := w.cross(fmt.Sprintf("before %T", in)); err != nil {
		return a, err
	}
	a, err := w.db.Begin(ctx, a, in)
	if err != nil {
		return a, err
	}
	return a, w.cross(fmt.Sprintf("after %T", in))
}

func (w *world) End(ctx context.Context, a invoices.Account, facts ...invoices.Fact) (invoices.Account, error) {
	name := fmt.Sprintf("%T", facts[0])
	if err := w.cross("before " + name); err != nil {
		return a, err
	}
	a, err := w.db.End(ctx, a, facts...)
	if err != nil {
		return a, err
	}
	return a, w.cross("after " + name)
}

func (w *world) Release(ctx context.Context, a invoices.Account, d invoices.Decision, now time.Time, facts ...invoices.Fact) error {
	name := "release"
	if len(facts) > 0 {
		name = fmt.Sprintf("release with %T", facts[0])
	}
	if err := w.cross("before " + name); err != nil {
		return err
	}
	if err := w.db.Release(ctx, a, d, now, facts...); err != nil {
		return err
	}
	return w.cross("after " + name)
}

func (w *world) Letter(ctx context.Context, id string) (invoices.Letter, error) {
	if w.dead {
		return invoices.Letter{}, errKilled
	}
	return w.db.Letter(ctx, id)
}

// The provider.

func (w *world) Create(_ context.Context, o invoices.LinkOrder) (invoices.Link, error) {
	if err := w.cross("before POST"); err != nil {
		return invoices.Link{}, w.fault(err)
	}
	if w.keyErr != nil {
		return invoices.Link{}, w.keyErr
	}
	w.created = append(w.created, o)
	l := &invoices.Link{Remote: fmt.Sprintf("r%d", len(w.created)), State: invoices.New, Ref: o.Ref, Amount: o.Amount, Expires: o.Life.AddTo(w.now.UTC())}
	l.URL = "https://pay.example/" + l.Remote
	w.links[l.Remote] = l
	if err := w.cross("after POST"); err != nil {
		return invoices.Link{}, w.fault(err)
	}
	return *l, nil
}

func (w *world) Look(_ context.Context, remote string) (invoices.Link, error) {
	if err := w.cross("before GET"); err != nil {
		return invoices.Link{}, &invoices.Fault{Kind: invoices.Later, Err: err}
	}
	if w.keyErr != nil {
		return invoices.Link{}, w.keyErr
	}
	if w.forgets {
		return invoices.Link{}, &invoices.Fault{Kind: invoices.Never, Err: invoices.ErrNoLink}
	}
	l := w.links[remote]
	if (l.State == invoices.New || l.State == invoices.Rejected) && !w.now.Before(l.Expires) {
		l.State = invoices.Expired
	}
	return *l, nil
}

// fault is what an adapter makes of a lost answer: a killed process makes
// nothing of it.
func (w *world) fault(err error) error {
	if errors.Is(err, errKilled) {
		return err
	}
	return &invoices.Fault{Kind: invoices.Ambiguous, Err: err}
}

// The mail server.

func (w *world) Compose(l invoices.Letter) (invoices.Letter, error) {
	l.Raw = []byte(l.Subject + "\r\n\r\n" + l.Plain + "\r\n")
	l.MessageID, l.Digest = l.ID+"@example.com", fmt.Sprintf("%x", sha256.Sum256(l.Raw))
	return l, nil
}

func (w *world) Send(ctx context.Context, l invoices.Letter, commit func(context.Context) error) (string, error) {
	if err := w.cross("before SMTP"); err != nil {
		if errors.Is(err, errKilled) {
			return "", err
		}
		return "", &invoices.Fault{Kind: invoices.Later, Err: err}
	}
	if w.postErr != nil {
		return "", w.postErr
	}
	if err := commit(ctx); err != nil {
		return "", err
	}
	if err := w.cross("before dot"); err != nil {
		return "", w.fault(err)
	}
	if w.dotErr != nil {
		return "", w.dotErr
	}
	l.At = w.now
	w.outbox = append(w.outbox, l)
	if err := w.cross("after dot"); err != nil {
		return "", w.fault(err)
	}
	return "250 2.0.0 Ok: queued", nil
}

// Write says only what the tests look at: the real texts have tests of their
// own.
func (w *world) Write(d invoices.Draft) (invoices.Text, error) {
	if d.Customer == w.breaks && w.breaks != "" {
		panic("a fault of ours")
	}
	var b strings.Builder
	for _, l := range d.Lines {
		fmt.Fprintf(&b, "%s %s %s\n", l.Number, l.Open, l.URL)
		if l.Number == "INV-2" && w.words != "" {
			fmt.Fprintln(&b, w.words)
		}
	}
	return invoices.Text{Subject: d.Template, Plain: b.String(), HTML: b.String()}, nil
}

func (w *world) worker() *jobs.Worker {
	token := func() string {
		w.tokens++
		return fmt.Sprintf("%032d", w.tokens)
	}
	return &jobs.Worker{
		Persist: time.Nanosecond, Token: token, Plans: w.db, Alarms: w.db, Ledger: w, Links: w, Post: w, Texts: w, Policies: w.rules,
		Now: func() time.Time { return w.now }, Salt: w.db.Salt(), Careful: w.careful,
		Files: func(name string) ([]byte, error) { return []byte(name), nil },
	}
}

// run runs one job now. A worker that was killed is gone; the next run is
// another process.
func (w *world) run(j jobs.Job) jobs.Tally {
	w.t.Helper()
	worker := w.worker()
	chase := worker.Chase
	if w.guarded {
		chase = func(ctx context.Context, o jobs.Order) (jobs.Tally, error) {
			return w.roster(worker).Run(ctx, o, w.now)
		}
	}
	tally, err := chase(context.Background(), jobs.Order{Job: j})
	killed := w.dead || errors.Is(err, errLost)
	w.dead = false
	if err := tally.Balance(); err != nil && !killed {
		w.t.Errorf("%s at %s: %v", j.Name, w.stamp(w.now), err)
	}
	return tally
}

// until lets time pass: every job runs when its line says so, except when
// nothing at all is due.
func (w *world) until(end time.Time) {
	w.t.Helper()
	for {
		due, any, err := w.db.NextDue(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		if !any || due.After(end) {
			break
		}
		from := w.now
		if due.After(from) {
			from = due.Add(-time.Second)
		}
		at, which := w.table.Next(from)
		if at.After(end) {
			break
		}
		w.now = at
		for _, j := range which {
			w.run(j)
		}
	}
	if end.After(w.now) {
		w.now = end
	}
}

// scan runs every job once, as at start.
func (w *world) scan() {
	w.t.Helper()
	for _, j := range jobs.All[1:] {
		w.run(j)
	}
}

// tell imports what the books say of some invoices.
func (w *world) tell(numbers ...string) {
	w.t.Helper()
	w.loads++
	load := invoices.Load{Source: "erp", File: "books.csv", Digest: fmt.Sprint(w.loads), At: w.now, Rows: func(yield func(invoices.Row, error) bool) {
		for _, n := range numbers {
			if !yield(*w.books[n], nil) {
				return
			}
		}
	}}
	if _, err := w.db.Import(context.Background(), load, amsterdam, false); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) owe(number, account, amount, issued, due string, more ...func(*invoices.Row)) {
	w.t.Helper()
	total, err := money.Parse(amount, "EUR")
	if err != nil {
		w.t.Fatal(err)
	}
	date := func(s string) civil.Date {
		d, err := civil.Parse(s)
		if err != nil {
			w.t.Fatal(err)
		}
		return d
	}
	w.books[number] = &invoices.Row{
		Number: number, Total: total, IssuedOn: date(issued), DueOn: date(due),
		Customer: invoices.Debtor{ID: account, Name: account, Email: account + "@example.com"},
	}
	for _, change := range more {
		change(w.books[number])
	}
	w.tell(number)
}

func (w *world) lookup(number string) (invoices.Account, *invoices.Invoice) {
	w.t.Helper()
	a, err := w.db.Lookup(context.Background(), number)
	if err != nil {
		w.t.Fatal(err)
	}
	return a, a.Find(number)
}

// why is what Next says of one invoice.
func (w *world) why(number string) string {
	w.t.Helper()
	a, inv := w.lookup(number)
	d, _ := w.rules.Explain(&a, inv, w.now)
	return d.Why
}

// mails lists what the mail server took, for messages.
func (w *world) mails() string {
	var b strings.Builder
	for _, l := range w.outbox {
		fmt.Fprintf(&b, "%s %s\n", w.stamp(l.At), items(l))
	}
	return b.String()
}

func items(l invoices.Letter) string {
	var names []string
	for _, it := range l.Items {
		names = append(names, it.Invoice+" "+it.Step)
	}
	slices.Sort(names)
	return strings.Join(names, " + ")
}

func (w *world) stamp(t time.Time) string { return t.In(amsterdam).Format("2006-01-02 15:04") }
