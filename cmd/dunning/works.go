package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"dunning/internal/config"
	"dunning/internal/costplus"
	"dunning/internal/discreet"
	"dunning/internal/metrics"
	"dunning/internal/store"
	"dunning/invoices"
	"dunning/jobs"
	"dunning/mailer"
	"dunning/templates"
)

// works is everything wired together, as a configuration asks for it.
type works struct {
	cfg     *config.Config
	now     func() time.Time
	log     *zap.Logger
	db      *store.Store
	links   *costplus.Client
	post    *mailer.Pool
	letters *templates.Set
	meters  *metrics.Metrics
	worker  *jobs.Worker
	roster  *jobs.Roster
}

// purpose says what a command opens the works for.
type purpose int

const (
	reading  purpose = iota // nothing is written, nobody is called
	deciding                // a person changes rows
	acting                  // links are made, mails are sent
)

// load reads the configuration; every mistake in it is told at once.
func (a *app) load() (*config.Config, error) {
	text, err := config.ReadFile(a.configPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrong("there is no %s; write one with: dunning init", a.configPath)
	}
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	cfg, err := config.Parse(a.configPath, text, os.LookupEnv, config.ReadFile)
	if err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("the configuration is not right; nothing was done\n%w", err)}
	}
	return cfg, nil
}

// compile checks the letters against the configuration (R22).
func compile(cfg *config.Config) (*templates.Set, error) {
	o := templates.Options{
		Sender: templates.Sender{Name: cfg.Mail.FromName(), Email: cfg.Mail.FromAddress()},
		Names:  cfg.Templates.Names, Languages: cfg.Mail.Languages, Default: cfg.Mail.Language,
	}
	if cfg.Templates.Dir != "" {
		o.Dir, o.DirName = os.DirFS(cfg.Templates.Dir), cfg.Templates.Dir
	}
	set, err := templates.Load(o)
	if err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("the letters are not right; nothing was done\n%w", err)}
	}
	return set, nil
}

// open wires everything for a command.
func (a *app) open(ctx context.Context, why purpose) (*works, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	now, err := a.clock()
	if err != nil {
		return nil, err
	}
	if a.at != "" && why != reading && (!loopback(cfg.CostPlus.BaseURL) || !loopbackHost(cfg.SMTP.Host)) {
		return nil, wrong("--now is for commands that only read, unless both costplus.base_url and smtp.host are on loopback")
	}
	return openWorks(ctx, cfg, why, now, a.logger())
}

// openWorks wires everything as a configuration asks for it.
func openWorks(ctx context.Context, cfg *config.Config, why purpose, now func() time.Time, log *zap.Logger) (*works, error) {
	w := &works{cfg: cfg, now: now, log: log}
	var err error
	if w.letters, err = compile(cfg); err != nil {
		return nil, err
	}
	if err := w.key(); err != nil {
		return nil, &exit{exitUsage, err}
	}
	stamp := stampOf(cfg, w.letters)
	w.db, err = store.Open(ctx, store.Options{URL: cfg.Database.URL.Reveal(), Actor: actor(), Config: stamp, Migrate: why == acting})
	if err != nil {
		return nil, failed(err)
	}
	if err := w.db.Rungs(ctx, cfg.Policies.ByName, now(), why == acting); err != nil {
		w.close()
		return nil, failed(err)
	}
	if why != acting {
		return w, nil
	}
	switch bound, err := w.db.Bind(ctx, cfg.CostPlus.Mode); {
	case err != nil:
		w.close()
		return nil, failed(err)
	case bound != cfg.CostPlus.Mode:
		w.close()
		return nil, wrong("this database holds letters and links of mode %s, and costplus.mode is %s; what was sent in one mode would count as sent in the other, so use another database (database.url)", bound, cfg.CostPlus.Mode)
	}
	if err := w.equip(); err != nil {
		w.close()
		return nil, &exit{exitUsage, err}
	}
	if err := w.db.Wake(ctx, stamp, now()); err != nil {
		w.close()
		return nil, failed(err)
	}
	return w, nil
}

// stampOf identifies what decides and what is said: configuration and letters.
func stampOf(cfg *config.Config, letters *templates.Set) string {
	sum := sha256.Sum256([]byte(cfg.Hash() + letters.Digest()))
	return hex.EncodeToString(sum[:8])
}

// actor names this process in the event log and in the books of runs.
func actor() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("worker %s/%d", host, os.Getpid())
}

// equip makes what talks to the outside.
func (w *works) equip() error {
	cfg := w.cfg
	var err error
	if w.post, err = newPost(cfg, w.now); err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	w.worker = &jobs.Worker{
		Ledger: w.db, Links: w.links, Post: w.post, Texts: w.letters, Policies: cfg.Policies, Now: w.now,
		Salt: w.db.Salt(), Language: cfg.Mail.Language, Test: cfg.CostPlus.Mode == "test",
		Lease: cfg.Database.Lease, Hands: cfg.Workers, MaxPerRun: cfg.Sending.MaxPerRun, ApproveAbove: cfg.Sending.ApproveAbove,
		Careful: cfg.CostPlus.Mode == "live" && cfg.Sending.First == "ask", Bank: cfg.Mail.Bank, Files: w.attachment,
		Plans: w.db, Alarms: w.db, Seen: w.seen, Broke: w.broke,
	}
	if cfg.SMTP.DotTimeout > 0 {
		w.worker.Patience = cfg.SMTP.DotTimeout + min(cfg.SMTP.DotTimeout, 30*time.Second)
	}
	if cfg.CostPlus.WebhookURL != "" {
		w.worker.Token = rand.Text
	}
	guard := &jobs.Guard{Past: w.db, Alarms: w.db, Mark: mark(cfg.Database.Mark), Now: w.now}
	w.roster = &jobs.Roster{Worker: w.worker, Runs: w.db, Guard: guard, Pulse: w.db, Load: w.loadSources, Ran: w.ran}
	return nil
}

// attachment reads a file that a step attaches, from the folder of the
// configuration.
func (w *works) attachment(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(w.cfg.Dir, filepath.FromSlash(name))
	}
	body, err := config.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file")
	case len(body) > config.LargestFile:
		return nil, errors.New("it has more than 5 MB")
	}
	return body, err
}

// key makes the payment client, which nobody is called by yet, and tells the
// policies which links are ours (R26).
func (w *works) key() error {
	cfg := w.cfg
	if w.meters == nil {
		w.meters = metrics.New()
	}
	var err error
	w.links, err = costplus.New(costplus.Options{
		BaseURL: cfg.CostPlus.BaseURL, APIKey: cfg.CostPlus.APIKey.Reveal(), Mode: cfg.CostPlus.Mode,
		ReturnURL: cfg.CostPlus.ReturnURL, FailureURL: cfg.CostPlus.FailureURL, WebhookURL: cfg.CostPlus.WebhookURL,
		PaymentHosts: cfg.CostPlus.PaymentHosts, SendCustomer: cfg.CostPlus.SendCustomer, PerSecond: cfg.CostPlus.PerSecond,
		Timeout: cfg.CostPlus.Timeout, Now: w.now, OnCall: w.meters.Call,
		Warn: func(text string) { w.log.Warn(text) },
	})
	if err != nil {
		return fmt.Errorf("costplus: %w", err)
	}
	for _, p := range cfg.Policies.ByName {
		p.Key.Own = w.links.Fingerprint()
	}
	return nil
}

// newPost makes the mailer. In test mode every letter goes to the test
// recipient only (R26).
func newPost(cfg *config.Config, now func() time.Time) (*mailer.Pool, error) {
	o := mailer.Options{
		Host: cfg.SMTP.Host, Port: cfg.SMTP.Port, Security: mailer.Security(cfg.SMTP.Security),
		Username: cfg.SMTP.Username, Password: cfg.SMTP.Password.Reveal(),
		Connections: cfg.SMTP.Connections, PerMinute: cfg.SMTP.PerMinute,
		From: cfg.Mail.From, ReplyTo: cfg.Mail.ReplyTo, Now: now,
	}
	for _, k := range cfg.Mail.DKIM {
		o.DKIM = append(o.DKIM, mailer.DKIMKey{Domain: k.Domain, Selector: k.Selector, PEM: []byte(k.PEM.Reveal())})
	}
	o.Timeouts.Dot = cfg.SMTP.DotTimeout
	if cfg.CostPlus.Mode == "test" {
		o.Redirect = cfg.Mail.TestRecipient
	}
	if cfg.SMTP.CAFile != "" {
		pem, err := os.ReadFile(cfg.SMTP.CAFile)
		if err != nil {
			return nil, err
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", cfg.SMTP.CAFile)
		}
	}
	return mailer.New(o)
}

func (w *works) close() {
	if w.post != nil {
		w.post.Close()
	}
	if w.db != nil {
		w.db.Close()
	}
	_ = w.log.Sync()
}

// seen counts facts and logs those that matter, without addresses, payment
// addresses or keys (R25).
func (w *works) seen(account string, fact invoices.Fact) {
	w.meters.Fact(fact)
	switch f := fact.(type) {
	case invoices.LetterEnded:
		level := zapcore.InfoLevel
		if f.Result == invoices.Uncertain || f.Result == invoices.Failed {
			level = zapcore.WarnLevel
		}
		w.log.Log(level, "letter", zap.String("result", string(f.Result)), zap.String("letter", f.ID), zap.Int("try", f.Try), zap.String("account", account))
	case invoices.Incident:
		w.log.Warn("incident", zap.String("kind", string(f.Kind)), zap.String("invoice", f.Invoice))
	case invoices.Rested:
		w.log.Warn("try failed", zap.String("act", f.Rest.Act.String()), zap.String("invoice", f.Invoice), zap.Int("tries", f.Rest.Tries), zap.Time("again", f.Rest.Until), zap.String("why", discreet.Unquoted(f.Rest.Why)))
	case invoices.AddressRefused:
		w.log.Warn("address refused", zap.String("account", account))
	}
}

// broke logs that handling an account panicked. What panicked may quote data, so
// only its type and the place are told.
func (w *works) broke(account string, panicked any, stack []byte) {
	w.log.Error("handling a customer broke off inside; this is a bug", zap.String("account", account), zap.String("kind", fmt.Sprintf("%T", panicked)), zap.ByteString("stack", stack))
}

// panicked logs that a job panicked outside of any customer, as broke does.
func (w *works) panicked(job string, value any, stack []byte) {
	w.log.Error("a job panicked; it runs again at its next time", zap.String("job", job), zap.String("kind", fmt.Sprintf("%T", value)), zap.ByteString("stack", stack))
}

// ran logs what a run did.
func (w *works) ran(r jobs.Run) {
	w.meters.Ran(r.Job, r.Ended.Sub(r.Started), r.Err)
	if r.Err != nil {
		w.log.Error("run failed", zap.String("job", r.Job), zap.Error(r.Err), zap.String("books", r.Tally.String()))
		return
	}
	if p := r.Tally.Plan; p != nil {
		w.log.Warn("a run sent nothing: so many letters need approval", zap.String("job", r.Job), zap.String("plan", p.ID), zap.Int("letters", p.Letters), zap.Int("usual", p.Usual))
	}
	level := zapcore.InfoLevel
	if r.Tally.Due == 0 && len(r.Tally.Facts) == 0 {
		level = zapcore.DebugLevel
	}
	w.log.Log(level, "run", zap.String("job", r.Job), zap.String("books", r.Tally.String()))
}

// logger writes to stderr: lines for people on a terminal, JSON otherwise.
func (a *app) logger() *zap.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339TimeEncoder
	encoder := zapcore.NewJSONEncoder(cfg)
	if terminal(a.stderr) {
		encoder = zapcore.NewConsoleEncoder(cfg)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(a.stderr)), a.level))
}

// loopback reports whether a URL points at this machine.
func loopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopbackHost(u.Hostname())
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
