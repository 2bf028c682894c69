package metrics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Stats is how the installation is doing, as the ledger says at this moment.
type Stats struct {
	OldestDueStep time.Duration        // how long the step that waits longest has been due; zero: none waits
	DueAccounts   int                  // accounts whose time has come
	Uncertain     int                  // letters that may or may not have left
	Attention     int                  // things that wait for a person
	Alarms        int                  // open ones, about the installation as a whole
	LastSuccess   map[string]time.Time // by job: the end of its last run without an error, on any replica
	LastRead      map[string]time.Time // by source: when it was last read and found well (R8)
}

// patience is how long a scrape waits for the ledger. Prometheus itself gives
// up after 10 seconds, and would then have no number at all.
const patience = 5 * time.Second

// Handler serves the metrics in the format that was asked for. At each scrape
// it asks stats how the installation is doing; where that fails, dunning_ledger_up
// is 0, the gauges are left out rather than wrong, and the counters are served
// all the same.
func (m *Metrics) Handler(stats func(context.Context) (Stats, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gauges := newGauges(r.Context(), stats)
		promhttp.HandlerFor(prometheus.Gatherers{m.registry, gauges}, promhttp.HandlerOpts{
			ErrorHandling: promhttp.ContinueOnError,
		}).ServeHTTP(w, r)
	})
}

// WriteToTextfile writes the metrics to a file for the textfile collector of
// the node exporter, as a one-off run has nobody to scrape it. The file
// appears whole or not at all; its name must end in .prom to be collected.
// Stats is asked as by [Metrics.Handler]; nil leaves the gauges out.
func (m *Metrics) WriteToTextfile(ctx context.Context, path string, stats func(context.Context) (Stats, error)) error {
	from := prometheus.Gatherers{m.registry}
	if stats != nil {
		from = append(from, newGauges(ctx, stats))
	}
	if err := prometheus.WriteToTextfile(path, from); err != nil {
		return fmt.Errorf("write metrics to %s: %w", path, err)
	}
	return nil
}

// newGauges asks how the installation is doing and returns the answer as
// metrics.
func newGauges(ctx context.Context, stats func(context.Context) (Stats, error)) *prometheus.Registry {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reg := prometheus.NewRegistry()
	s, err := stats(ctx)
	up := 0.0
	if err == nil {
		up = 1
	}
	gauge(reg, "ledger_up", "Whether the ledger answered when the metrics were asked for; 0 leaves out what only it knows.", up)
	if err != nil {
		return reg
	}
	gauge(reg, "oldest_due_step_age_seconds", "How long the step that waits longest has been due, in seconds; 0 when none waits.", s.OldestDueStep.Seconds())
	gauge(reg, "due_accounts", "Accounts whose time has come.", float64(s.DueAccounts))
	gauge(reg, "uncertain_letters", "Letters of which nobody knows whether they left; a person decides with dunning settle.", float64(s.Uncertain))
	gauge(reg, "alarms", "Open alarms about the installation as a whole, such as all letters stopped.", float64(s.Alarms))
	gauge(reg, "attention_items", "Things that wait for a person; dunning attention lists them.", float64(s.Attention))
	moments(reg, "job_last_success_timestamp_seconds", "When the last run of a job ended without an error, as Unix time.", "job", s.LastSuccess)
	moments(reg, "source_last_read_timestamp_seconds", "When a source was last read and found well, as Unix time; reminders stop once that is longer ago than its max_age.", "source", s.LastRead)
	return reg
}

func gauge(reg *prometheus.Registry, name, help string, value float64) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	g.Set(value)
	reg.MustRegister(g)
}

// moments registers one gauge a name with an instant. Names that never had one
// are left out: 1970 would be a lie. Of those that are no words the oldest
// instant stands for all, so that none of them hides behind another.
func moments(reg *prometheus.Registry, name, help, label string, at map[string]time.Time) {
	oldest := map[string]time.Time{}
	for k, t := range at {
		k = word(k)
		if was, known := oldest[k]; !t.IsZero() && (!known || t.Before(was)) {
			oldest[k] = t
		}
	}
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	for k, t := range oldest {
		v.WithLabelValues(k).Set(float64(t.UnixMilli()) / 1000)
	}
	reg.MustRegister(v)
}
