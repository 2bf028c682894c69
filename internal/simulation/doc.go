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
// of its own, so that calls are in one order: a life by itself (SEED=n YEARS=10)
// is lived again exactly. On a machine under heavy load a life may part from the
// one before, where goroutines of the network act in one moment. In one life of
// four nobody tells the worker that a link was paid: it learns of it by looking
// right before a letter, or not at all.
//
// The oracle knows what the pretend Cost+ and the mail server saw, what the
// books said and when they were told, and what people did; it reads the worker's
// books only to hold what they call sent, or paid, against that. What it checks
// is written down, with numbers, in oracle_test.go.
//
// There is nothing here but tests; see `make simulate`.
package simulation
