// Package simulation lets the worker live through years of trouble in virtual
// time, and holds what the world outside saw against a list of promises.
//
// The code is the real one: scheduler, jobs, store on SQLite, Cost+ client and
// mailer, two workers side by side, with the pretend Cost+ and the pretend mail
// server of the sandbox at the other end of in-memory connections. A seed draws
// everything that happens: invoices, payments, corrections, imports that fail,
// people who hold, release and settle, webhooks that come twice or not at all,
// an API and a mail server that fail in every way they know, clocks that are
// off, workers that are stopped, and workers that die between any two calls. The
// same seed draws the same events. Every call of a worker takes a virtual moment
// of its own, so that calls are in one order; but what several goroutines of the
// network do in one moment is up to the Go scheduler, and a life that is lived
// again may part from the first one there. Lives that failed fail again in most
// tries.
//
// The oracle knows what the pretend Cost+ and the mail server saw, what the
// books said and when they were told, and what people did; it never reads the
// worker's tables. What it checks is written down, with numbers, in
// oracle_test.go.
//
// There is nothing here but tests; see `make simulate`.
package simulation
