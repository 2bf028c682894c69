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
the database, the API key and the login at the mail server are tried. No link
is made and no mail is sent.`,
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
			w := &works{cfg: cfg, now: a.now, log: zap.NewNop(), letters: letters}
			if err := w.key(); err != nil {
				return &exit{exitUsage, err}
			}
			if w.post, err = newPost(cfg, a.now); err != nil {
				return &exit{exitUsage, fmt.Errorf("smtp: %w", err)}
			}
			defer w.post.Close()
			results := []result{
				{"configuration", true, fmt.Sprintf("mode %s, %d policies, key %s", cfg.CostPlus.Mode, len(cfg.Policies.ByName), w.links.Fingerprint())},
				{"letters", true, fmt.Sprintf("%d letters in %d languages", len(letters.Names()), len(letters.Languages()))},
			}
			if online {
				results = append(results, w.online(cmd.Context())...)
			}
			if err := a.printChecks(results); err != nil || a.json {
				return err
			}
			return a.printLadders(cfg, sample)
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
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Says  string `json:"says"`
}

// online tries everything outside, each for itself.
func (w *works) online(ctx context.Context) []result {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	try := func(name string, f func() (string, error)) result {
		says, err := f()
		if err != nil {
			return result{name, false, err.Error()}
		}
		return result{name, true, says}
	}
	return []result{
		try("database", func() (string, error) {
			db, err := store.Open(ctx, store.Options{URL: w.cfg.Database.URL.Reveal(), Actor: whoami()})
			if err != nil {
				return "", err
			}
			return "it answers, and its schema is right", db.Close()
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
}

func (a *app) printChecks(results []result) error {
	bad := false
	for _, r := range results {
		bad = bad || !r.OK
		mark := "ok  "
		if !r.OK {
			mark = "FAIL"
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
func (a *app) printLadders(cfg *config.Config, s supposition) error {
	acc, inv, err := s.invoice(civil.Of(a.now().In(cfg.Zone)))
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
