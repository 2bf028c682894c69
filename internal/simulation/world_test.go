package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"dunning/internal/calendar"
	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/period"
	"dunning/internal/sandbox"
	"dunning/internal/schedule"
	"dunning/internal/store"
	"dunning/internal/web"
	"dunning/invoices"
	"dunning/jobs"
	"dunning/templates"
)

const hooksAddress = "127.0.0.1:7999"

var amsterdam = zone("Europe/Amsterdam")

func zone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// A world is everything around the workers, and what the oracle remembers.
type world struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand // of everything that the driver draws
	net     *network
	box     *sandbox.Sandbox
	url     string
	letters *templates.Set
	crons   map[string]*schedule.Schedule
	resend  bool // on_uncertain: resend
	deaf    bool // there are no webhooks, and links are seldom polled: that somebody paid is learnt when a letter would leave
	mark    memoryMark

	desk    *store.Store // what people and the import use
	hooks   *web.Webhooks
	workers [2]*process
	lives   int
	tokens  atomic.Int64
	deaths  atomic.Int64
	calls   atomic.Int64 // to the provider, since the last audit

	lostAnswers int // at most so many answers to a POST were spoilt

	customers []*customer
	bills     []*bill
	imports   int
	stopped   []span // when people stopped all letters
	oracle
}

type customer struct {
	id, name, email string
	zone            *time.Location
	holds           []span
}

// A span is a stretch of time; a zero end is still to come.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && (s.to.IsZero() || t.Before(s.to)) }

// A bill is one invoice in the books of the company, and what of it was told.
type bill struct {
	row      invoices.Row
	customer *customer
	told     []telling // oldest first
	holds    []span
	episodes []time.Time          // when each began, as it was told
	resends  int                  // ordered by people
	skipped  bool                 // a person said not to send one of its letters
	paidBy   map[string]bool      // links whose payment is in the books, by id
	booked   map[string]time.Time // when the worker was told of it
}

type telling struct {
	at  time.Time
	row invoices.Row
}

type memoryMark struct{ event atomic.Value }

func (m *memoryMark) Load() (string, error) {
	s, _ := m.event.Load().(string)
	return s, nil
}

func (m *memoryMark) Save(event string) error {
	m.event.Store(event)
	return nil
}

// lines are the schedules; runs are rare, so that years are cheap. A worker
// that starts scans at once.
var lines = map[string]string{
	"poll-links": "10 */3 * * *", "create-links": "20 */4 * * *", "renew-links": "40 */6 * * *",
	"email-links": "5 */2 * * *", "send-reminders": "15 */2 * * *", // customers live in many zones
}

// newWorld makes a world at the present of the bubble it is in.
func newWorld(t testing.TB, seed uint64, template string, letters *templates.Set) *world {
	w := &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), net: newNetwork(), letters: letters, crons: map[string]*schedule.Schedule{}}
	w.oracle.w = w
	for name, line := range lines {
		s, err := schedule.Parse(line, amsterdam)
		w.must(err)
		w.crons[name] = s
	}
	dir := folder(t)
	w.url = "sqlite:" + filepath.Join(dir, "dunning.db")
	from, err := os.Open(template)
	w.must(err)
	to, err := os.Create(filepath.Join(dir, "dunning.db"))
	w.must(err)
	_, err = io.Copy(to, from)
	w.must(err)
	w.must(from.Close())
	w.must(to.Close())
	w.resend, w.deaf = w.rng.IntN(2) == 0, seed%4 == 1
	w.box, err = sandbox.Start(sandbox.Options{Now: time.Now, Seed: seed + 1, Network: w.net, LogLimit: 1})
	w.must(err)
	w.desk, err = store.Open(context.Background(), store.Options{URL: w.url, Actor: "Ada", Config: "sim", Leases: store.ByCaller, Connections: 1})
	w.must(err)
	w.hooks, err = web.NewWebhooks(web.WebhookOptions{
		Base: "/costplus", Log: zap.NewNop(), Now: time.Now,
		Rumour: func(ctx context.Context, hook string) (bool, error) {
			if w.chance(hook, 10) {
				return false, errKilled // nobody is there to hear it
			}
			return w.desk.Rumour(ctx, hook, time.Now())
		},
	})
	w.must(err)
	return w
}

// folder returns a folder for a database: in memory where the system has such a
// place, for a world that ends needs nothing on disk.
func folder(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "dunning-simulation-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// chance reports a thing that happens once in so many cases, by what it is
// about: it draws nothing, for it is asked from several goroutines.
func (w *world) chance(about string, in uint32) bool {
	h := fnv.New32a()
	fmt.Fprint(h, w.seed, about)
	return h.Sum32()%in == 0
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatalf("seed %d, %s: %v", w.seed, time.Now().UTC().Format(time.RFC3339), err)
	}
}

func (w *world) token() string { return fmt.Sprintf("%032d", w.tokens.Add(1)) }

// policies are what finance might have written, with short lives and small
// gaps, so that much happens.
func (w *world) policies(key string) *invoices.Policies {
	cal, err := calendar.New(calendar.Options{Country: "nl"})
	w.must(err)
	p14 := period.Period{Days: 14}
	p := &invoices.Policy{
		Name: "standard",
		Steps: []invoices.Step{
			{Name: "request", When: invoices.When{Anchor: invoices.AfterIssue}, Template: "request", Single: true},
			{Name: "upcoming", When: invoices.When{Days: -3}, Template: "upcoming"},
			{Name: "friendly", When: invoices.When{Days: 7}, Template: "friendly"},
			{Name: "firm", When: invoices.When{Anchor: invoices.AfterStep, Days: 14, Step: "friendly"}, Template: "firm", Life: &p14},
			{Name: "final", When: invoices.When{Days: 30}, Template: "final", RequiresSent: []string{"firm"}},
		},
		Link: invoices.LinkTerms{
			Life: period.Period{Days: 20}, Lead: period.Period{Days: 1}, MinLife: period.Period{Days: 3},
			OnExpiry: invoices.MailNew, MaxRenewals: 3, Poll: 8 * time.Hour,
		},
		Currencies: []string{"EUR"}, Zone: amsterdam, Window: invoices.Window{From: windowFrom * 60, To: windowTo * 60}, Calendar: cal,
		MinGap: minGap, MaxPerWeek: 2, MaxLateness: 30, PendingMax: 5,
		MaxSourceAge: map[string]time.Duration{"erp": maxAge}, Key: invoices.Keys{Own: key},
	}
	if w.resend {
		p.OnUncertain = invoices.ResendLetter
	}
	if w.deaf {
		p.Link.Poll = 20 * 24 * time.Hour
	}
	return &invoices.Policies{ByName: map[string]*invoices.Policy{"standard": p}, Default: "standard", Zone: amsterdam}
}

// What the oracle knows of the policy.
const (
	windowFrom, windowTo = 8, 18
	minGap               = 3
	maxAge               = 20 * 24 * time.Hour
)

// serve takes webhooks until the function it returns is called.
func (w *world) serve() func() {
	l, err := w.net.Listen(hooksAddress)
	w.must(err)
	server := &http.Server{Handler: w.hooks, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends when it is closed
	}()
	return func() {
		_ = server.Close()
		<-done
		w.hooks.Close()
	}
}

// ran holds the books of a run against themselves.
func (w *world) ran(p *process, r jobs.Run) {
	if p.dead.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs++
	if err := r.Tally.Balance(); err != nil {
		w.broken(8, "%s of %s: %v", r.Job, p.name, err)
	}
}

// Books.

var zones = []string{"", "", "", "Europe/Amsterdam", "Pacific/Honolulu", "Pacific/Kiritimati", "America/New_York", "Australia/Lord_Howe"}

func (w *world) newCustomer() *customer {
	n := len(w.customers) + 1
	c := &customer{id: fmt.Sprintf("C%d", n), name: fmt.Sprintf("Customer%dCanary", n), email: fmt.Sprintf("c%d@customer%d.example", n, n)}
	if name := zones[w.rng.IntN(len(zones))]; name != "" {
		c.zone = zone(name)
	}
	w.customers = append(w.customers, c)
	return c
}

func (c *customer) local() *time.Location {
	if c.zone != nil {
		return c.zone
	}
	return amsterdam
}

// issue writes a new bill into the books.
func (w *world) issue() {
	if len(w.customers) == 0 || len(w.customers) < 5 && w.rng.IntN(2) == 0 {
		w.newCustomer()
	}
	c := w.customers[w.rng.IntN(len(w.customers))]
	today := civil.Of(time.Now().In(amsterdam))
	b := &bill{customer: c, paidBy: map[string]bool{}, booked: map[string]time.Time{}}
	b.row = invoices.Row{
		Number: fmt.Sprintf("INV-%d", len(w.bills)+1), Status: invoices.Open,
		Total:    money.Amount{Minor: int64(500 + w.rng.IntN(100000)), Currency: "EUR"},
		IssuedOn: today, DueOn: today.AddDays(5 + w.rng.IntN(26)), Description: "work",
		Customer: invoices.Debtor{ID: c.id, Name: c.name, Email: c.email},
	}
	if c.zone != nil {
		b.row.Customer.Zone = c.zone.String()
	}
	w.bills = append(w.bills, b)
}

// tell imports the books, as they are now, as the import job does.
func (w *world) tell() {
	w.imports++
	now := time.Now()
	rows := func(yield func(invoices.Row, error) bool) {
		for _, b := range w.bills {
			if !yield(b.row, nil) {
				return
			}
		}
	}
	load := invoices.Load{Source: "erp", File: "books.csv", Digest: fmt.Sprintf("%064d", w.imports), At: now, Rows: rows}
	if _, err := w.desk.Import(context.Background(), load, amsterdam, false); err != nil {
		w.must(err)
	}
	w.must(w.desk.Doubt(context.Background(), "erp", "", now))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.oracle.loads = append(w.oracle.loads, now)
	for i := range w.doubted {
		if w.doubted[i].to.IsZero() {
			w.doubted[i].to = now
		}
	}
	for _, b := range w.bills {
		w.told(b, now)
		for id := range b.paidBy {
			if b.booked[id].IsZero() {
				b.booked[id] = now
			}
		}
	}
}

// told notes what was told of a bill, and whether an episode began with it.
func (w *world) told(b *bill, now time.Time) {
	owed := func(r invoices.Row) bool { return r.Status == invoices.Open && r.Total.Minor-r.Paid-r.Credited > 0 }
	if n := len(b.told); n > 0 {
		last := b.told[n-1].row
		if rowsEqual(last, b.row) {
			return
		}
		today := civil.Of(now.In(b.customer.local()))
		if !owed(last) && owed(b.row) || last.DueOn.Before(today) && b.row.DueOn.After(today) {
			b.episodes = append(b.episodes, now)
		}
	} else {
		b.episodes = append(b.episodes, now)
	}
	b.told = append(b.told, telling{now, b.row})
}

func rowsEqual(a, b invoices.Row) bool {
	return a.Status == b.Status && a.Total == b.Total && a.Paid == b.Paid && a.Credited == b.Credited && a.DueOn == b.DueOn && a.Customer.Email == b.Customer.Email
}

// at returns what the worker was told of a bill at an instant.
func (b *bill) at(t time.Time) (invoices.Row, bool) {
	i := slices.IndexFunc(b.told, func(x telling) bool { return x.at.After(t) })
	if i < 0 {
		i = len(b.told)
	}
	if i == 0 {
		return invoices.Row{}, false
	}
	return b.told[i-1].row, true
}

func (b *bill) open() int64 { return b.row.Total.Minor - b.row.Paid - b.row.Credited }
