// Package metrics counts what the worker does, for Prometheus.
//
// There are two kinds of numbers. Counters and histograms grow as facts, calls
// and runs are reported to [Metrics], and belong to this process. Gauges say
// how the installation as a whole is doing; they are asked of the ledger when
// somebody scrapes ([Stats]), so that they are right after a restart and the
// same on every replica.
//
// Labels take their values from short fixed lists: outcomes, acts, jobs, names
// of calls and sources. No invoice number, customer, address, payment URL or
// key ever becomes a label or a value (rule R25); what is not a plain word is
// counted as "other".
package metrics

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"dunning/invoices"
)

// Metrics counts for one process. Its methods may be called from several
// goroutines.
type Metrics struct {
	registry *prometheus.Registry

	letters   *prometheus.CounterVec
	made      *prometheus.CounterVec
	unmade    *prometheus.CounterVec
	ended     *prometheus.CounterVec
	failed    *prometheus.CounterVec
	refused   prometheus.Counter
	incidents *prometheus.CounterVec
	config    prometheus.Gauge

	calls     *prometheus.CounterVec
	callTimes *prometheus.HistogramVec

	runs     *prometheus.CounterVec
	runTimes *prometheus.HistogramVec
}

// The values of labels that are known beforehand. Their series exist from the
// start, at zero, so that the first event already shows as an increase.
var (
	outcomes  = []invoices.Result{invoices.Sent, invoices.Skipped, invoices.Failed, invoices.Uncertain, invoices.Resend, invoices.Delayed}
	endings   = []invoices.LinkState{invoices.Completed, invoices.Expired, invoices.Missing, invoices.Mismatch}
	mishaps   = []invoices.IncidentKind{invoices.DoublePayment, invoices.PaidAfterVoid, invoices.PaidAmiss}
	notMade   = []invoices.LinkState{invoices.Unmade, invoices.Lost}
	firstLink = "first"
	laterLink = "further"
)

// New returns metrics with a registry of their own, in which nothing has been
// counted yet. The build is told from what the Go tool put into the binary.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),

		letters: counters("letters_total", "Letters by what became of them at the mail server.", "outcome"),
		made:    counters("links_made_total", "Payment links that Cost+ made: the first of an invoice, or a further one because the last expired or the amount changed.", "kind"),
		unmade:  counters("links_not_made_total", "Payment links that were asked for in vain: unmade for sure, or lost because the answer never came.", "outcome"),
		ended:   counters("links_ended_total", "Payment links that were seen to reach a state they will not leave by themselves.", "state"),
		failed:  counters("tries_failed_total", "Acts that failed and are to be tried again later.", "act"),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "addresses_refused_total", Help: "Addresses that the receiving mail server does not know."}),

		config: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "config_reload_success", Help: "Whether config.yaml as it is now is what the worker goes by: 0 after an edit that is not right."}),

		incidents: counters("incidents_total", "Incidents with money that a person must hear of.", "kind"),

		calls:     counters("api_calls_total", "Calls to Cost+ by name and by how they ended.", "call", "kind"),
		callTimes: histograms("api_call_duration_seconds", "How long calls to Cost+ took, in seconds.", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "call"),

		runs:     counters("job_runs_total", "Runs of jobs by result.", "job", "result"),
		runTimes: histograms("job_run_duration_seconds", "How long runs of jobs took, in seconds.", []float64{.01, .1, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 4 * 3600}, "job"),
	}
	m.registry.MustRegister(
		m.letters, m.made, m.unmade, m.ended, m.failed, m.config, m.refused, m.incidents,
		m.calls, m.callTimes, m.runs, m.runTimes, buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.begin()
	return m
}

// begin makes the series whose labels are known.
func (m *Metrics) begin() {
	for _, o := range outcomes {
		m.letters.WithLabelValues(string(o))
	}
	for _, s := range endings {
		m.ended.WithLabelValues(string(s))
	}
	for _, s := range notMade {
		m.unmade.WithLabelValues(string(s))
	}
	for _, k := range mishaps {
		m.incidents.WithLabelValues(string(k))
	}
	m.made.WithLabelValues(firstLink)
	m.made.WithLabelValues(laterLink)
}

// Fact counts what happened. It suits the worker's Seen.
func (m *Metrics) Fact(fact invoices.Fact) {
	switch f := fact.(type) {
	case invoices.LetterEnded:
		m.letters.WithLabelValues(among(outcomes, f.Result)).Inc()
	case invoices.LinkSeen:
		m.link(f)
	case invoices.Rested:
		m.failed.WithLabelValues(f.Rest.Act.String()).Inc()
	case invoices.AddressRefused:
		m.refused.Inc()
	case invoices.Incident:
		m.incidents.WithLabelValues(among(mishaps, f.Kind)).Inc()
	}
}

// link counts a link whose state is seen for the first time; looking at a link
// that is as it was counts nothing.
func (m *Metrics) link(f invoices.LinkSeen) {
	if !f.Link.Since.Equal(f.At) {
		return
	}
	switch state := f.Link.State; state {
	case invoices.New:
		kind := firstLink
		if f.Link.Gen > 1 {
			kind = laterLink
		}
		m.made.WithLabelValues(kind).Inc()
	case invoices.Unmade, invoices.Lost:
		m.unmade.WithLabelValues(string(state)).Inc()
	case invoices.Completed, invoices.Expired, invoices.Missing, invoices.Mismatch:
		m.ended.WithLabelValues(string(state)).Inc()
	}
}

// Call counts one call to Cost+: its name, "ok" or the kind of its fault, and
// how long it took.
func (m *Metrics) Call(call, kind string, took time.Duration) {
	m.calls.WithLabelValues(word(call), word(kind)).Inc()
	m.callTimes.WithLabelValues(word(call)).Observe(took.Seconds())
}

// Reloaded notes whether the configuration as it is now is the one in use.
func (m *Metrics) Reloaded(well bool) {
	m.config.Set(0)
	if well {
		m.config.Set(1)
	}
}

// Ran counts one run of a job, how long it took, and whether it failed.
func (m *Metrics) Ran(job string, took time.Duration, err error) {
	result := "done"
	if err != nil {
		result = "failed"
	}
	m.runs.WithLabelValues(word(job), result).Inc()
	m.runTimes.WithLabelValues(word(job)).Observe(took.Seconds())
}

const namespace = "dunning"

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// buildInfo is always 1; its labels say which program counts.
func buildInfo() prometheus.Collector {
	labels := prometheus.Labels{"version": "unknown", "revision": "unknown", "goversion": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["version"] = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "The program that counts, always 1.", ConstLabels: labels})
	g.Set(1)
	return g
}

const other = "other"

// among returns a value if it is one of those that are known.
func among[T ~string](known []T, value T) string {
	for _, k := range known {
		if k == value {
			return string(k)
		}
	}
	return other
}

// word returns text that may be a label: letters, digits and the marks of
// names, at most 64 of them. Addresses and URLs have others.
func word(text string) string {
	if text == "" || len(text) > 64 {
		return other
	}
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == ' ') {
			return other
		}
	}
	return text
}
