package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dunning/internal/store"
)

func (a *app) approveCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Approve a plan of many letters, or a load that looks wrong",
		Long: `Approve what dunning attention asks about:

  a plan   a run would have sent far more letters than usual and sent none. The
           next run sends the letters of the plan, and no others. Each is decided
           upon again when it leaves: what was paid meanwhile, or has another
           amount, is left out. The approval holds for seven days.
  a load   a source has less than half, or more than twice, the rows it had
           before. The next import takes that very file in.`,
		Example: "  dunning attention\n  dunning approve 3f9a12c07b",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.decide(cmd.Context(), func(w *works) (string, error) { return w.approve(cmd.Context(), args[0], by) })
		},
	}
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
	if errors.Is(err, store.ErrUnknown) {
		return "", fmt.Errorf("nothing named %s waits for approval; see: dunning attention", printable(id))
	}
	return "the next import takes the load of " + source + " in", err
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
