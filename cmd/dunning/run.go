package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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
web.webhook_listen set, calls from Cost+ are taken there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.level = zapcore.InfoLevel
			w, err := a.open(cmd.Context(), acting)
			if err != nil {
				return err
			}
			defer w.close()
			return failed(w.run(cmd.Context()))
		},
	}
}

// run schedules the jobs and serves, until ctx ends.
func (w *works) run(ctx context.Context) error {
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
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return runner.Run(ctx) })
	if addr := w.cfg.Web.Listen; addr != "" {
		group.Go(func() error { return web.Serve(ctx, addr, w.health()) })
	}
	if addr := w.cfg.Web.WebhookListen; addr != "" {
		group.Go(func() error { return w.listen(ctx, addr) })
	}
	w.log.Info("started", zap.String("version", version), zap.String("mode", w.cfg.CostPlus.Mode), zap.Int("jobs", len(entries)), zap.Int("hands", w.worker.Hands))
	err = group.Wait()
	w.log.Info("stopped")
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
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
func (w *works) listen(ctx context.Context, addr string) error {
	hooks, err := w.webhooks()
	if err != nil {
		return err
	}
	defer hooks.Close()
	return web.Serve(ctx, addr, hooks)
}

// webhooks takes calls from Cost+. After those about our links poll-links runs
// at once.
func (w *works) webhooks() (*web.Webhooks, error) {
	public, err := url.Parse(w.cfg.CostPlus.WebhookURL)
	if err != nil {
		return nil, err
	}
	return web.NewWebhooks(web.WebhookOptions{
		Base: public.Path, Log: w.log, Now: w.now,
		Rumour: func(ctx context.Context, hook string) (bool, error) { return w.db.Rumour(ctx, hook, w.now()) },
		Known: func(ctx context.Context) {
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
