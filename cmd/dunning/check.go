package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"dunning/internal/civil"
	"dunning/internal/config"
	"dunning/internal/store"
	"dunning/invoices"
)

func (a *app) checkCommand() *cobra.Command {
	var online bool
	sample := supposition{days: 400, amount: "1000.00", format: "table"}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find every mistake in the configuration and the letters",
		Long: `Find every mistake in the configuration and the letters: each with its line and
what to write instead. Every letter is filled in with sample data in every
language. Then the ladder of each policy is printed as dates, for a sample invoice
that nobody pays. Nothing is written and nobody is called, except with --online: then
the database, the API key and the login at the mail server are tried, and it is
looked up whether letters can leave to every time zone that a customer is in. No
link is made and no mail is sent.

A line that begins with "warn" is no mistake, but most likely not what you want;
the exit code stays 0.`,
		Example: "  dunning check\n  dunning check --online",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			letters, err := compile(cfg)
			if err != nil {
				return err
			}
			now, err := a.clock()
			if err != nil {
				return err
			}
			w := &works{cfg: cfg, now: now, log: zap.NewNop(), letters: letters}
			if err := w.key(); err != nil {
				return &exit{exitUsage, err}
			}
			if w.post, err = newPost(cfg, now); err != nil {
				return &exit{exitUsage, fmt.Errorf("smtp: %w", err)}
			}
			defer w.post.Close()
			results := []result{
				{Check: "configuration", OK: true, Says: fmt.Sprintf("mode %s, %d policies, key %s", cfg.CostPlus.Mode, len(cfg.Policies.ByName), w.links.Fingerprint())},
				{Check: "letters", OK: true, Says: fmt.Sprintf("%d letters in %d languages", len(letters.Names()), len(letters.Languages()))},
			}
			if online {
				results = append(results, w.online(cmd.Context())...)
			}
			if err := a.printChecks(results); err != nil || a.json {
				return err
			}
			return a.printLadders(cfg, sample, now())
		},
	}
	cmd.Flags().StringVar(&sample.issued, "issued", "", "issue date of the sample invoice (default: today)")
	cmd.Flags().StringVar(&sample.due, "due", "", "due date of the sample invoice (default: thirty days later)")
	cmd.Flags().StringVar(&sample.country, "country", "", "country of its customer, such as BE")
	cmd.Flags().BoolVar(&online, "online", false, "also try the database, the API key and the mail login")
	return cmd
}

// result is what one check found.
type result struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty"` // nothing is wrong, but somebody should read it
	Says    string `json:"says"`
}

// online tries everything outside, each for itself.
func (w *works) online(ctx context.Context) []result {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	try := func(name string, f func() (string, error)) result {
		says, err := f()
		if err != nil {
			return result{Check: name, Says: err.Error()}
		}
		return result{Check: name, OK: true, Says: says}
	}
	var zones []result
	results := []result{
		try("database", func() (says string, err error) {
			zones, err = w.zones(ctx)
			return "it answers, and its schema is right", err
		}),
		try("costplus", func() (string, error) {
			currencies, err := w.links.CheckKey(ctx)
			return fmt.Sprintf("the key is good; currencies: %v", currencies), err
		}),
		try("smtp", func() (string, error) {
			return "connection, encryption and login work", w.post.Check(ctx)
		}),
		try("dkim", func() (string, error) {
			if len(w.cfg.Mail.DKIM) == 0 {
				return "letters are not signed here", nil
			}
			return "receivers can verify the signatures", w.post.CheckDKIM(ctx, net.DefaultResolver.LookupTXT)
		}),
	}
	return append(results, zones...)
}

// zones opens the database and warns of customers whom the jobs that send do not
// reach, or not for a long time: their cron lines run on the clock of the
// installation, and the window is open on that of the customer (R16, R17).
func (w *works) zones(ctx context.Context) ([]result, error) {
	db, err := store.Open(ctx, store.Options{URL: w.cfg.Database.URL.Reveal(), Actor: whoami()})
	if err != nil {
		return nil, err
	}
	zones, err := db.Zones(ctx)
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	var results []result
	seen := map[string]bool{}
	for _, zone := range zones {
		if zone == nil {
			zone = w.cfg.Zone
		}
		if seen[zone.String()] {
			continue
		}
		seen[zone.String()] = true
		for _, s := range w.cfg.Silences(zone, civil.Of(w.now().In(zone))) {
			results = append(results, result{Check: "zones", OK: true, Warning: true, Says: w.silence(s)})
		}
	}
	if len(results) == 0 {
		results = append(results, result{Check: "zones", OK: true, Says: fmt.Sprintf("letters can leave in every time zone of a customer; there are %d", len(seen))})
	}
	return results, nil
}

// silence says what a silence means for customers, and what to do.
func (w *works) silence(s config.Silence) string {
	const clock = "15:04"
	never := "no letter of it leaves to customers there"
	if !s.Until.IsZero() {
		never = fmt.Sprintf("a letter to customers there waits up to %d days, from %v to %v, and after sending.max_lateness a person has to decide about it", s.Until.DaysSince(s.First), s.First, s.Until)
	}
	return fmt.Sprintf("%s: %s (%q) does not run while the sending window is open there, which on %v is from %s to %s in %v; %s. Let it run at those hours too: no letter leaves outside of the window",
		s.Zone, s.Job, s.Line, s.First, s.Open.Format(clock), s.Shut.Format(clock), w.cfg.Zone, never)
}

func (a *app) printChecks(results []result) error {
	bad := false
	for _, r := range results {
		bad = bad || !r.OK
		mark := "ok  "
		switch {
		case !r.OK:
			mark = "FAIL"
		case r.Warning:
			mark = "warn"
		}
		a.say("%s %-14s %s", mark, r.Check, printable(r.Says))
	}
	if a.json {
		if err := a.printJSON(results); err != nil {
			return err
		}
	}
	if bad {
		return &exit{exitFailed, errors.New("something is not right")}
	}
	return nil
}

// printLadders prints each policy's ladder as dates, for a made-up invoice that
// nobody pays: the policy itself is asked, day after day.
func (a *app) printLadders(cfg *config.Config, s supposition, now time.Time) error {
	acc, inv, err := s.invoice(civil.Of(now.In(cfg.Zone)))
	if err != nil {
		return err
	}
	from := inv.IssuedOn.Start(cfg.Zone)
	for _, name := range slices.Sorted(maps.Keys(cfg.Policies.ByName)) {
		acc, err := s.sampleFor(acc, inv, cfg, name)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, f := range cfg.Policies.Suppose(acc, nil, from, from.AddDate(0, 0, s.days)) {
			if !f.Decision.Act.Sends() {
				continue
			}
			it := f.Decision.Items[0]
			waits := ""
			if st := stepOf(cfg.Policies.ByName[name], it.Step); st != nil && st.Approval {
				waits = "after a person's yes"
			}
			rows = append(rows, []string{it.Step, f.At.In(cfg.Zone).Format("Mon 2006-01-02 15:04"), f.Decision.Template, waits})
		}
		a.say("\n%s: an invoice of %s, due %s, that nobody pays", name, inv.IssuedOn, inv.DueOn)
		a.grid([]string{"step", "leaves", "letter", ""}, rows)
	}
	return nil
}

// stepOf returns the step with a name, or nil for letters beside the ladder.
func stepOf(p *invoices.Policy, name string) *invoices.Step {
	for i := range p.Steps {
		if p.Steps[i].Name == name {
			return &p.Steps[i]
		}
	}
	return nil
}
