package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"dunning/internal/config"
	"dunning/internal/sandbox"
	"dunning/internal/store"
	"dunning/internal/web"
	"dunning/invoices"
	"dunning/jobs"
)

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work, with nothing set up: two months in less than a minute",
		Long: `Run the real jobs through virtual days against a pretend Cost+, a mail server and
customers with habits, all inside this process, over HTTP and SMTP on loopback.
Tells what happened, day by day, and leaves the mails, the database and the
configuration in a folder, to look into with the other commands.`,
		Example: "  dunning demo\n  dunning demo --days 90 --invoices 100",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.days < 1 || o.days > 730:
				return wrong("--days %d: from 1 to 730", o.days)
			case o.invoices < 1 || o.invoices > 5000:
				return wrong("--invoices %d: from 1 to 5000", o.invoices)
			}
			return a.demo(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.days, "days", 60, "how many virtual days")
	cmd.Flags().IntVar(&o.invoices, "invoices", 40, "how many invoices")
	cmd.Flags().StringVar(&o.dir, "dir", "dunning-demo", "folder for what it leaves behind; that of an earlier demo is replaced")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "another seed, another story")
	return cmd
}

type demoOptions struct {
	days, invoices int
	dir            string
	seed           uint64
}

// marker tells the folder of a demo from any other, which is never replaced.
const marker = ".dunning-demo"

// demo is one demonstration: a clock turned by hand, the pretend world, and
// the real works.
type demo struct {
	*app
	o     demoOptions
	clock *handClock
	box   *sandbox.Sandbox
	w     *works
	books *demoBooks
	hooks *web.Webhooks
	stop  func() error // of the webhook listener
	story *story
	start time.Time
	end   time.Time
}

// handClock is a clock that is turned by hand.
type handClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// turn moves the clock on; it never goes back.
func (c *handClock) turn(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.t) {
		c.t = t
	}
}

func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	began := a.now()
	d := &demo{app: a, o: o}
	zone, err := time.LoadLocation(demoZone)
	if err != nil {
		return failed(err)
	}
	// The story ends today, so that plan and explain go on from there.
	y, m, day := a.now().In(zone).Date()
	d.end = time.Date(y, m, day, 0, 0, 0, 0, zone)
	d.start = d.end.AddDate(0, 0, -o.days)
	d.clock = &handClock{t: d.start}
	if err := d.folder(); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return failed(err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, failed(d.close(closing)))
	}()
	d.say("%d invoices of %d customers, from %s to %s. Cost+ is played by %s, the mail server by %s.\n",
		len(d.books.bills), len(d.books.debtors), d.start.Format("2 January 2006"), d.end.Format("2 January 2006"), d.box.URL(), d.box.Mail.Addr())
	if err := d.live(ctx); err != nil {
		return failed(err)
	}
	return failed(d.farewell(ctx, began))
}

// folder makes an empty folder, in place of that of an earlier demo.
func (d *demo) folder() error {
	entries, err := os.ReadDir(d.o.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return failed(err)
	case len(entries) > 0:
		if _, err := os.Stat(filepath.Join(d.o.dir, marker)); err != nil {
			return wrong("the folder %s is not empty and not from a demo; choose another with --dir", d.o.dir)
		}
		if err := os.RemoveAll(d.o.dir); err != nil {
			return failed(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(d.o.dir, "inbox"), 0o755); err != nil {
		return failed(err)
	}
	return failed(os.WriteFile(filepath.Join(d.o.dir, marker), []byte("This folder is replaced by the next dunning demo.\n"), 0o644))
}

// open starts the pretend world and wires the real works to it, through a
// configuration file like any other.
func (d *demo) open(ctx context.Context) error {
	d.books = newDemoBooks(d.o, d.start)
	var err error
	d.box, err = sandbox.Start(sandbox.Options{
		Now: d.clock.now, Seed: d.o.seed, RetryScale: 1e-6, LogLimit: 10_000,
		Mail:    sandbox.MailOptions{Dir: filepath.Join(d.o.dir, "mails")},
		Debtors: sandbox.DebtorOptions{Debtors: d.books.debtors},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(d.box.Mail.Addr())
	if err != nil {
		return err
	}
	path := filepath.Join(d.o.dir, "config.yaml")
	text := strings.NewReplacer(
		"{{database}}", "sqlite:dunning.db", "{{costplus}}", d.box.URL(), "{{payment_host}}", strings.TrimPrefix(d.box.URL(), "http://"),
		"{{webhooks}}", "http://"+listener.Addr().String()+"/costplus", "{{webhook_listen}}", listener.Addr().String(),
		"{{smtp_host}}", host, "{{smtp_port}}", port, "{{key}}", sandbox.DefaultKey,
	).Replace(demoConfig)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	cfg, err := config.Parse(path, []byte(text), os.LookupEnv, config.ReadFile)
	if err != nil {
		return err
	}
	d.story = newStory(d.app, cfg.Zone)
	if d.w, err = openWorks(ctx, cfg, acting, d.clock.now, zap.NewNop()); err != nil {
		return err
	}
	d.w.worker.Seen = d.heard
	h := &house{}
	h.now.Store(d.w)
	if d.hooks, err = h.webhooks(); err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- web.ServeOn(serving, listener, d.hooks) }()
	d.stop = func() error { stop(); return <-served }
	return d.trouble()
}

// trouble lets go wrong what goes wrong in two months of any office: a mailbox
// that is gone, and a mail server that breaks off when a letter is as good as
// sent, so that nobody can know whether it was.
func (d *demo) trouble() error {
	for _, f := range []struct {
		customer int
		fault    sandbox.MailFault
	}{
		{movedAway, sandbox.MailFault{Phase: sandbox.AtRcpt, Do: sandbox.Reply, Code: 550, Text: "5.1.1 no such user"}},
		{lostAnswer, sandbox.MailFault{Phase: sandbox.AtAccepted, Do: sandbox.Drop, Times: 1}},
	} {
		if f.customer >= len(d.books.debtors) {
			continue
		}
		f.fault.Recipient = d.books.debtors[f.customer].Address
		if _, err := d.box.Mail.AddFault(f.fault); err != nil {
			return err
		}
	}
	return nil
}

// people act on what the story needs them for: a customer disputes a bill, and
// finance puts it on hold.
func (d *demo) people(ctx context.Context) error {
	for _, b := range d.books.bills {
		if b.customer != disputing || b.disputed || b.issued.AddDate(0, 0, 9).After(d.clock.now()) {
			continue
		}
		b.disputed = true
		if err := d.w.db.Hold(ctx, store.Target{Invoice: b.number}, invoices.Hold{Reason: "dispute", By: "Ada of finance"}, d.clock.now()); err != nil {
			return err
		}
		d.story.tell(d.clock.now(), fmt.Sprintf("%s says that %s is wrong; Ada of finance puts it on hold", d.books.debtors[b.customer].Name, b.number))
	}
	return nil
}

func (d *demo) close(ctx context.Context) error {
	var errs []error
	if d.hooks != nil {
		errs = append(errs, d.stop())
		d.hooks.Close()
	}
	if d.w != nil {
		d.w.close()
	}
	if d.box != nil {
		errs = append(errs, d.box.Close(ctx))
	}
	return errors.Join(errs...)
}

// live lets the days pass: from event to event, whatever comes first, the
// books being closed for the day, a customer acting, or a job's time coming
// with something to do.
func (d *demo) live(ctx context.Context) error {
	table := jobs.Timetable{}
	for name, s := range d.w.cfg.Jobs {
		table[name] = s
	}
	books := d.start.Add(6 * time.Hour)
	for ctx.Err() == nil {
		next, which, err := d.nextRun(ctx, table)
		if err != nil {
			return err
		}
		who := d.box.Debtors.NextAt()
		at, act := books, "books"
		if !who.IsZero() && who.Before(at) {
			at, act = who, "debtors"
		}
		if !next.IsZero() && next.Before(at) {
			at, act = next, "jobs"
		}
		if !at.Before(d.end) {
			d.clock.turn(d.end)
			return nil
		}
		d.clock.turn(at)
		switch act {
		case "books":
			books = books.AddDate(0, 0, 1)
			err = d.closeBooks(ctx)
		case "debtors":
			err = d.debtorsAct(ctx)
		default:
			for _, j := range which {
				err = errors.Join(err, d.job(ctx, j))
			}
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// nextRun returns the next time at which a job runs and anything is due: runs
// that would find nothing are left out.
func (d *demo) nextRun(ctx context.Context, table jobs.Timetable) (time.Time, []jobs.Job, error) {
	due, any, err := d.w.db.NextDue(ctx)
	if err != nil || !any {
		return time.Time{}, nil, err
	}
	from := d.clock.now()
	if due.After(from) {
		from = due.Add(-time.Second)
	}
	at, which := table.Next(from)
	return at, which, nil
}

func (d *demo) job(ctx context.Context, j jobs.Job) error {
	due, any, err := d.w.db.NextDue(ctx, append(slices.Clone(j.May), invoices.Idle)...)
	if err != nil || j.Name == jobs.Import || !any || due.After(d.clock.now()) {
		return err // the books are read when they are written; and the job before may have done it all
	}
	_, err = d.w.roster.Run(ctx, jobs.Order{Job: j}, d.clock.now())
	return err
}

// closeBooks writes the list of invoices anew, as an accounting system does
// every morning, with the payments of the day before, and imports it.
func (d *demo) closeBooks(ctx context.Context) error {
	if err := d.books.write(d.o.dir, d.clock.now()); err != nil {
		return err
	}
	j, err := jobs.Find(jobs.Import)
	if err != nil {
		return err
	}
	if _, err := d.w.roster.Run(ctx, jobs.Order{Job: j}, d.clock.now()); err != nil {
		return err
	}
	return d.people(ctx)
}

// debtorsAct lets the customers do what they want now. Cost+ calls our webhook
// about it, and poll-links looks at once.
func (d *demo) debtorsAct(ctx context.Context) error {
	acts, err := d.box.Debtors.Act(ctx, d.clock.now())
	if err != nil {
		return err
	}
	for _, act := range acts {
		d.story.tell(d.clock.now(), act.String())
		if act.Did == sandbox.Paid {
			d.books.paid(act, d.clock.now())
		}
	}
	if err := d.box.Pay.Flush(ctx); err != nil {
		return err
	}
	return d.hooks.Flush(ctx)
}

// farewell tells the closing balance and where everything lies.
func (d *demo) farewell(ctx context.Context, began time.Time) error {
	if err := d.balance(ctx); err != nil {
		return err
	}
	config := filepath.Join(d.o.dir, "config.yaml")
	d.say(`
Look further:
  mails          %s  (%d files, any mail program opens them)
  database       %s
  configuration  %s

Try next:
  dunning --config %s attention
  dunning --config %s explain %s
  dunning --config %s plan --days 30
  dunning init

It took %s.`,
		filepath.Join(d.o.dir, "mails"), len(d.box.Mail.Mails()), filepath.Join(d.o.dir, "dunning.db"), config,
		config, config, d.books.example(), config, d.now().Sub(began).Round(100*time.Millisecond))
	return nil
}
