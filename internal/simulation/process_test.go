package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"dunning/internal/costplus"
	"dunning/internal/schedule"
	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
	"dunning/mailer"
)

var errKilled = errors.New("killed")

// A process is one life of one worker, from its start to its stop or death.
// After its death nothing it does has any effect.
type process struct {
	w     *world
	name  string
	skew  time.Duration // of its clock
	fuse  int64         // it dies at this boundary; 0: it lives
	count atomic.Int64  // boundaries crossed
	dead  atomic.Bool

	mu     sync.Mutex
	random *rand.Rand

	db     *store.Store
	links  *costplus.Client
	post   *mailer.Pool
	roster *jobs.Roster
	stop   context.CancelFunc
	ended  chan struct{}
}

func (p *process) now() time.Time { return time.Now().Add(p.skew) }

// start brings a worker up: it scans at once, then follows its schedule.
func (w *world) start(name string, fuse int64, skew time.Duration) *process {
	w.lives++
	p := &process{w: w, name: name, fuse: fuse, skew: skew, ended: make(chan struct{}), random: rand.New(rand.NewPCG(w.seed, uint64(w.lives)))}
	var err error
	p.db, err = store.Open(context.Background(), store.Options{URL: w.url, Actor: name, Config: "sim", Leases: store.ByCaller, Connections: 2})
	w.must(err)
	dial := func(ctx context.Context, _, address string) (net.Conn, error) { return w.net.dial(ctx, p, address) }
	hooks := "http://" + hooksAddress + "/costplus"
	if w.deaf {
		hooks = ""
	}
	p.links, err = costplus.New(costplus.Options{
		BaseURL: w.box.URL(), APIKey: "sandbox-key", Mode: costplus.Test, WebhookURL: hooks,
		PaymentHosts: []string{w.box.URL()[len("http://"):]}, PerSecond: 1000, Now: p.now,
		Transport: &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 4},
	})
	w.must(err)
	host, port, err := net.SplitHostPort(w.box.Mail.Addr())
	w.must(err)
	var number int
	_, err = fmt.Sscan(port, &number)
	w.must(err)
	p.post, err = mailer.New(mailer.Options{
		Host: host, Port: number, Security: mailer.None, Connections: 2, From: "Example BV <billing@example.com>", Now: p.now, Dial: dial,
	})
	w.must(err)
	policies := w.policies(p.links.Fingerprint())
	worker := &jobs.Worker{
		Ledger: p, Links: p, Post: p, Texts: texts{w}, Policies: policies, Now: p.now, Token: w.token,
		Salt: p.db.Salt(), Language: "en", Hands: 1 + int(fuse%2), Lease: 2 * time.Minute, MaxPerRun: 1000,
		Plans: p.db, Alarms: p.db, ApproveAbove: 50,
		Broke: func(account string, v any, stack []byte) {
			w.t.Errorf("%v: account %s broke: %v\n%s", w.seed, account, v, stack)
		},
	}
	p.roster = &jobs.Roster{
		Worker: worker, Runs: p.db, Pulse: p.db, Guard: &jobs.Guard{Past: p.db, Alarms: p.db, Mark: &w.mark, Now: p.now},
		Ran: func(r jobs.Run) { w.ran(p, r) },
	}
	var entries []schedule.Entry
	for _, j := range jobs.All[1:] {
		entries = append(entries, schedule.Entry{Name: j.Name, Schedule: w.crons[j.Name], Run: func(ctx context.Context, at time.Time) error {
			if err := p.cross(); err != nil {
				return err
			}
			_, err := p.roster.Run(ctx, jobs.Order{Job: j}, at)
			return err
		}})
	}
	runner, err := schedule.New(schedule.Options{
		Entries: entries, Now: p.now, OnError: func(string, error) {},
		OnPanic: func(name string, v any, stack []byte) {
			w.t.Errorf("%v: job %s panicked: %v\n%s", w.seed, name, v, stack)
		},
	})
	w.must(err)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() {
		defer close(p.ended)
		_ = runner.Run(ctx) // it ends when it is stopped
	}()
	return p
}

// end waits until nothing of the process is left.
func (p *process) end() {
	p.stop()
	<-p.ended
	p.post.Close()
	p.links.Close()
	p.w.net.cut(p)
	_ = p.db.Close() // of a process that died it was closed before
}

func (p *process) moment() {
	p.mu.Lock()
	d := time.Duration(1 + p.random.Int64N(int64(time.Millisecond)))
	p.mu.Unlock()
	time.Sleep(d)
}

// die ends everything that the process could still do, at once.
func (p *process) die() {
	if p.dead.Swap(true) {
		return
	}
	p.w.deaths.Add(1)
	p.w.net.cut(p)
	p.stop()
	go p.db.Close()
}

// cross is called before and after each call outside. It takes a moment that no
// other call takes, so that virtual time puts all calls of all workers in one
// order: the same in every life of a seed.
func (p *process) cross() error {
	p.moment()
	if p.dead.Load() {
		return errKilled
	}
	if n := p.count.Add(1); n == p.fuse {
		p.die()
		return errKilled
	}
	return nil
}

// around makes one call with a boundary on each side.
func around[T any](p *process, none T, call func() (T, error)) (T, error) {
	if err := p.cross(); err != nil {
		return none, err
	}
	v, err := call()
	if dead := p.cross(); dead != nil {
		return none, dead
	}
	return v, err
}

func (p *process) Claim(ctx context.Context, q invoices.Query) ([]invoices.Account, error) {
	return around(p, nil, func() ([]invoices.Account, error) { return p.db.Claim(ctx, q) })
}

func (p *process) Begin(ctx context.Context, a invoices.Account, in invoices.Intent) (invoices.Account, error) {
	return around(p, a, func() (invoices.Account, error) { return p.db.Begin(ctx, a, in) })
}

func (p *process) End(ctx context.Context, a invoices.Account, facts ...invoices.Fact) (invoices.Account, error) {
	return around(p, a, func() (invoices.Account, error) { return p.db.End(ctx, a, facts...) })
}

func (p *process) Release(ctx context.Context, a invoices.Account, d invoices.Decision, now time.Time, facts ...invoices.Fact) error {
	_, err := around(p, struct{}{}, func() (struct{}, error) { return struct{}{}, p.db.Release(ctx, a, d, now, facts...) })
	return err
}

func (p *process) Letter(ctx context.Context, id string) (invoices.Letter, error) {
	return around(p, invoices.Letter{}, func() (invoices.Letter, error) { return p.db.Letter(ctx, id) })
}

func (p *process) Create(ctx context.Context, o invoices.LinkOrder) (invoices.Link, error) {
	p.w.calls.Add(1)
	return around(p, invoices.Link{}, func() (invoices.Link, error) { return p.links.Create(ctx, o) })
}

func (p *process) Look(ctx context.Context, remote string) (invoices.Link, error) {
	p.w.calls.Add(1)
	return around(p, invoices.Link{}, func() (invoices.Link, error) { return p.links.Look(ctx, remote) })
}

// Compose adds a last line for each invoice that the oracle can read.
func (p *process) Compose(l invoices.Letter) (invoices.Letter, error) {
	for _, it := range l.Items {
		l.Plain += fmt.Sprintf("= %s %s\n", it.Invoice, it.Step)
	}
	return p.post.Compose(l)
}

func (p *process) Send(ctx context.Context, l invoices.Letter, commit func(context.Context) error) (string, error) {
	return around(p, "", func() (string, error) { return p.post.Send(ctx, l, commit) })
}

// texts writes the real letters, with a last line that the oracle can read.
type texts struct{ w *world }

func (t texts) Write(d invoices.Draft) (invoices.Text, error) {
	text, err := t.w.letters.Write(d)
	for _, l := range d.Lines {
		text.Plain += fmt.Sprintf("\n~ %s %s %d %s %s", d.Template, l.Number, l.Open.Minor, l.Open.Currency, l.URL)
	}
	text.Plain += "\n"
	return text, err
}
