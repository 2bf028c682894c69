package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"dunning/internal/metrics"
	"dunning/internal/schedule"
	"dunning/internal/web"
	"dunning/jobs"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the scheduler: every job at its time, unattended",
		Long: `Run the scheduler: every job once now, then at its time, until interrupted.

On SIGTERM or Ctrl-C no new work begins; the letters under way are finished,
within 30 seconds. A second signal ends at once. On PostgreSQL any number of
schedulers may run side by side; on SQLite, one machine's.

With web.listen set, /healthz, /readyz and /metrics are served there; with
web.webhook_listen set, calls from Cost+ are taken there.

When config.yaml, a letter or a file that the configuration names is edited, or
on SIGHUP, the configuration is read again and taken over between runs. One that
is not right changes nothing: it is told in the log and in dunning attention,
and the one before holds. Where the database, the mode or an address to listen
on is another, the scheduler must be started again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.level = zapcore.InfoLevel
			w, err := a.open(cmd.Context(), acting)
			if err != nil {
				return err
			}
			defer func() { w.close() }()
			return failed(a.serve(cmd.Context(), &w))
		},
	}
}

// serve schedules the jobs and serves, until ctx ends. It leaves in w what was
// taken over last.
func (a *app) serve(ctx context.Context, w **works) error {
	first := *w
	h := &house{}
	h.now.Store(first)
	first.meters.Reloaded(true)
	group, ctx := errgroup.WithContext(ctx)
	if addr := first.cfg.Web.Listen; addr != "" {
		group.Go(func() error { return web.Serve(ctx, addr, first.health()) })
	}
	if addr := first.cfg.Web.WebhookListen; addr != "" {
		group.Go(func() error { return h.listen(ctx, addr) })
	}
	next := make(chan *works)
	group.Go(func() error { return a.watch(ctx, h, next) })
	group.Go(func() error {
		for {
			over, err := h.now.Load().run(ctx, next)
			if over == nil {
				return err
			}
			h.now.Load().post.Close()
			h.now.Store(over)
			*w = over
			over.wake(ctx)
		}
	})
	err := group.Wait()
	first.log.Info("stopped")
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// A house is what is served, by whichever works are there now.
type house struct{ now atomic.Pointer[works] }

// run schedules the jobs until ctx ends or other works come to take over; then
// the jobs under way have ended.
func (w *works) run(ctx context.Context, next <-chan *works) (over *works, err error) {
	var entries []schedule.Entry
	for _, j := range jobs.All {
		s, ok := w.cfg.Jobs[j.Name]
		if !ok {
			continue
		}
		entries = append(entries, schedule.Entry{Name: j.Name, Schedule: s, Run: func(ctx context.Context, at time.Time) error {
			_, err := w.roster.Run(ctx, jobs.Order{Job: j}, at)
			return err
		}})
	}
	runner, err := schedule.New(schedule.Options{
		Entries: entries, Now: w.now,
		OnError: func(string, error) {}, // the roster has logged it
		OnPanic: w.panicked,
		OnSkip: func(name string) {
			w.log.Info("a run was left out: the one before is still at work", zap.String("job", name))
		},
	})
	if err != nil {
		return nil, err
	}
	w.log.Info("started", zap.String("version", version), zap.String("mode", w.cfg.CostPlus.Mode), zap.Int("jobs", len(entries)), zap.Int("hands", w.worker.Hands))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	select {
	case err := <-ended:
		return nil, err
	case over = <-next:
		stop()
		return over, <-ended
	}
}

// health serves whether we live, can work, and how we do.
func (w *works) health() http.Handler {
	return web.Health(web.HealthOptions{
		Ready: func(ctx context.Context) error {
			if err := w.db.Ping(ctx); err != nil {
				return errors.New("the database does not answer")
			}
			return nil
		},
		Metrics: w.meters.Handler(func(ctx context.Context) (metrics.Stats, error) {
			s, err := w.db.Stats(ctx, w.now())
			if err != nil {
				return metrics.Stats{}, err
			}
			out := metrics.Stats{DueAccounts: s.Due, Uncertain: s.Uncertain, Attention: s.People + s.Incidents + s.Alarms + s.Broken, Alarms: s.Alarms, LastSuccess: s.LastSuccess, LastRead: s.Stale}
			if !s.OldestDue.IsZero() {
				out.OldestDueStep = w.now().Sub(s.OldestDue)
			}
			return out, nil
		}),
	})
}

// listen takes webhooks. A call is a rumour: it makes us look again, and
// changes nothing else; poll-links runs right after, so that a payment is known
// seconds later.
func (h *house) listen(ctx context.Context, addr string) error {
	hooks, err := h.webhooks()
	if err != nil {
		return err
	}
	defer hooks.Close()
	return web.Serve(ctx, addr, hooks)
}

// webhooks takes calls from Cost+. After those about our links poll-links runs
// at once.
func (h *house) webhooks() (*web.Webhooks, error) {
	w := h.now.Load()
	public, err := url.Parse(w.cfg.CostPlus.WebhookURL)
	if err != nil {
		return nil, err
	}
	return web.NewWebhooks(web.WebhookOptions{
		Base: public.Path, Log: w.log, Now: w.now,
		Rumour: func(ctx context.Context, hook string) (bool, error) { return w.db.Rumour(ctx, hook, w.now()) },
		Known: func(ctx context.Context) {
			w := h.now.Load()
			j, err := jobs.Find("poll-links")
			if err == nil {
				_, err = w.roster.Run(ctx, jobs.Order{Job: j}, w.now())
			}
			if err != nil && ctx.Err() == nil {
				w.log.Warn("look after a webhook", zap.Error(err))
			}
		},
	})
}
