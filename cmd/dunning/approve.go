package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dunning/internal/store"
	"dunning/invoices"
)

func (a *app) approveCommand() *cobra.Command {
	var by, account string
	cmd := &cobra.Command{
		Use:   "approve [ID | NUMBER]...",
		Short: "Say yes to letters that wait for a person, or to a load that looks wrong",
		Long: `Say yes to what dunning attention asks about; without argument, list what waits:

  a number  the invoice's letter is one that a person wants to see first
            (approval, above in config.yaml). The yes is for exactly this step
            and amount.
  a plan    a run would have sent far more letters than usual, or the first of
            a new installation, and sent none. The next run sends the letters of
            the plan, and no others. Each is decided upon again when it leaves:
            what was paid meanwhile, or has another amount, is left out. The
            approval holds for seven days.
  a load    a source has less than half, or more than twice, the rows it had
            before. The next import takes that very file in.`,
		Example: `  dunning approve
  dunning approve 2026-0042 2026-0043
  dunning approve --account ACME
  dunning approve 3f9a12c07b`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if account != "" && len(args) > 0 {
				return wrong("give ids and numbers, or --account, not both")
			}
			if account == "" && len(args) == 0 {
				return a.waiting(cmd.Context())
			}
			if slices.Contains(args, "") {
				return wrong("an id is empty; see: dunning approve")
			}
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				if account != "" {
					return w.agree(cmd.Context(), store.Filter{Account: account}, by)
				}
				var said []string
				for _, id := range args {
					text, err := w.approve(cmd.Context(), id, by)
					if err != nil {
						return "", errors.Join(err, fmt.Errorf("approved before it: %d of %d", len(said), len(args)))
					}
					said = append(said, text)
				}
				return strings.Join(said, "\n"), nil
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "all letters of this customer that wait, by id")
	cmd.Flags().StringVar(&by, "by", whoami(), "who decided")
	return cmd
}

func (w *works) approve(ctx context.Context, id, by string) (string, error) {
	p, err := w.db.Approve(ctx, id, by, w.now())
	if err == nil {
		return fmt.Sprintf("the next run of %s sends these %d letters, each if it is still right then", p.Job, p.Letters), nil
	}
	if !errors.Is(err, store.ErrUnknown) {
		return "", err
	}
	source, err := w.db.Trust(ctx, id, by, w.now())
	if err == nil {
		return "the next import takes the load of " + source + " in", nil
	}
	if !errors.Is(err, store.ErrUnknown) {
		return "", err
	}
	said, err := w.agree(ctx, store.Filter{Invoice: id}, by)
	if errors.Is(err, store.ErrUnknown) {
		return "", fmt.Errorf("nothing named %s waits for approval; see: dunning approve", printable(id))
	}
	return said, err
}

// agree says yes to the letters that wait for it, of an invoice or a customer.
func (w *works) agree(ctx context.Context, f store.Filter, by string) (string, error) {
	now := w.now()
	var said []string
	err := w.db.Walk(ctx, f, now, func(acc invoices.Account) error {
		for i := range acc.Invoices {
			inv := &acc.Invoices[i]
			if f.Invoice != "" && inv.Number != f.Invoice {
				continue
			}
			yes, waits := w.cfg.Policies.Awaits(&acc, inv, now)
			if !waits {
				continue
			}
			yes.By = by
			if err := w.db.Agree(ctx, inv.Number, yes, now); err != nil {
				return err
			}
			said = append(said, fmt.Sprintf("the letter %s about %s, %s, may leave", yes.Step, inv.Number, yes.Amount))
		}
		return nil
	})
	if err == nil && len(said) == 0 {
		return "", wrong("no letter about %s waits for approval; nothing was done", printable(f.Invoice+f.Account))
	}
	return strings.Join(said, "\n"), err
}

// waiting lists the letters that wait for a person's yes.
func (a *app) waiting(ctx context.Context) error {
	w, err := a.open(ctx, reading)
	if err != nil {
		return err
	}
	defer w.close()
	type line struct {
		ID     string `json:"id"`
		What   string `json:"what"`
		Name   string `json:"name,omitempty"`
		Step   string `json:"step,omitempty"`
		Amount string `json:"amount,omitempty"`
	}
	lines := []line{}
	plans, err := w.db.Proposed(ctx)
	if err != nil {
		return failed(err)
	}
	for _, p := range plans {
		lines = append(lines, line{ID: p.ID, What: fmt.Sprintf("%d letters of %s at once", p.Letters, p.Job)})
	}
	now := w.now()
	err = w.db.Walk(ctx, store.Filter{}, now, func(acc invoices.Account) error {
		for i := range acc.Invoices {
			inv := &acc.Invoices[i]
			if yes, waits := w.cfg.Policies.Awaits(&acc, inv, now); waits {
				lines = append(lines, line{inv.Number, "a letter", acc.Name, yes.Step, yes.Amount.String()})
			}
		}
		return nil
	})
	if err != nil {
		return failed(err)
	}
	if a.json {
		return a.printJSON(lines)
	}
	if len(lines) == 0 {
		a.say("nothing waits for approval")
		return nil
	}
	var rows [][]string
	for _, l := range lines {
		rows = append(rows, []string{l.ID, l.What, l.Name, l.Step, l.Amount})
	}
	a.grid([]string{"approve", "what", "customer", "step", "amount"}, rows)
	return nil
}

func (a *app) pauseCommand() *cobra.Command {
	var by, reason string
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop all letters, until resume",
		Long: `Stop all letters, of every worker on this database, until resume. Payments are
still noticed, links still made and looked at. A letter whose last byte is on
its way is finished.`,
		Example: `  dunning pause --reason "wrong amounts in the ERP"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				return "all letters are stopped; go on with: dunning resume", w.db.Pause(cmd.Context(), by, reason, w.now())
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the books")
	cmd.Flags().StringVar(&by, "by", whoami(), "who decided")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	var by, reason string
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Let letters leave again after a pause or an alarm that stopped them",
		Long: `Let letters leave again after a pause, or after an alarm that stopped them, as
dunning attention lists it. Of what fell due meanwhile only the latest step of
each invoice goes out.`,
		Example: `  dunning resume --reason "the relay is set up right again"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				closed, err := w.db.Resume(cmd.Context(), by, reason, w.now())
				if err == nil && len(closed) == 0 {
					return "letters were not stopped; nothing was done", nil
				}
				return "letters may leave again", err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the books")
	cmd.Flags().StringVar(&by, "by", whoami(), "who decided")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}
