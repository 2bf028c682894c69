package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/invoices"
	"dunning/jobs"
)

func (a *app) jobCommand() *cobra.Command {
	var o jobs.Order
	var dry bool
	var plan string
	cmd := &cobra.Command{
		Use:   "job NAME...",
		Short: "Run jobs once, now",
		Long: `Run jobs once, in the order given. Running a job again changes nothing: what
was sent is never sent again, and jobs run by hand beside the scheduler do not
get in its way.

The jobs:
` + jobList() + `
Exit code 3 says that the job did what it could and that something needs a
person; see: dunning attention. Exit code 4 says that it would have sent far more
letters than usual, sent none, and needs approval; see: dunning approve.`,
		Example: `  dunning job import poll-links email-links
  dunning job send-reminders --invoice 2026-0042
  dunning job send-reminders --dry-run`,
		Args: cobra.MinimumNArgs(1), ValidArgs: jobs.Names(),
		RunE: func(cmd *cobra.Command, names []string) error {
			var list []jobs.Job
			for _, n := range names {
				j, err := jobs.Find(n)
				if err != nil {
					return &exit{exitUsage, err}
				}
				list = append(list, j)
			}
			if plan != "" && dry {
				return wrong("--plan and --dry-run: look at a plan with dunning plan")
			}
			if o.Limit < 0 {
				return wrong("--limit %d: it counts accounts", o.Limit)
			}
			if dry {
				return a.dryRun(cmd.Context(), list, o)
			}
			return a.runJobs(cmd.Context(), list, o, plan)
		},
	}
	cmd.Flags().StringVar(&o.Account, "account", "", "only this customer, by id")
	cmd.Flags().StringVar(&o.Invoice, "invoice", "", "only the customer who owes this invoice")
	cmd.Flags().IntVar(&o.Limit, "limit", 0, "handle at most so many customers (0: all)")
	cmd.Flags().StringVar(&plan, "plan", "", "send the letters of this plan as far as they are still right, and no other: a file of dunning plan --out, or the id of one that waits for approval")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would be done; no write, no call, no mail")
	return cmd
}

func jobList() string {
	var b strings.Builder
	for _, j := range jobs.All {
		fmt.Fprintf(&b, "  %-15s %s\n", j.Name, j.Does)
	}
	return b.String()
}

// runJobs runs jobs one after the other. One that fails does not keep the
// others from running.
func (a *app) runJobs(ctx context.Context, list []jobs.Job, o jobs.Order, plan string) error {
	w, err := a.open(ctx, acting)
	if err != nil {
		return err
	}
	defer w.close()
	if plan != "" {
		if o.Plan, err = w.plan(ctx, plan); err != nil {
			return err
		}
	}
	type result struct {
		Job    string         `json:"job"`
		Counts map[string]int `json:"counts"`
		Why    map[string]int `json:"why,omitempty"`
		Plan   string         `json:"plan,omitempty"`
		Error  string         `json:"error,omitempty"`
	}
	var results []result
	var bad error
	attention, approval := false, false
	for _, j := range list {
		o.Job = j
		stop := a.progress(j.Name, w)
		tally, err := w.roster.Run(ctx, o, w.now())
		stop()
		res := result{Job: j.Name, Counts: tally.Counts(), Why: reasons(tally)}
		if err != nil {
			bad, res.Error = err, err.Error()
		}
		if tally.Plan != nil {
			res.Plan = tally.Plan.ID
		}
		attention = attention || needsPerson(tally)
		results = append(results, res)
		a.say("%s: %s", j.Name, tally)
		for _, why := range slices.Sorted(maps.Keys(res.Why)) {
			a.say("  not sent, %s: %d", strings.ReplaceAll(why, "_", " "), res.Why[why])
		}
		if tally.Full {
			a.say("  stopped after as many letters as are usual; the next run looks at the rest")
			attention = true
		}
		if p := tally.Plan; p != nil {
			if p.Usual == 0 {
				a.say("  %d letters, the first ones of this installation: none was sent. If they are right: dunning approve %s", p.Letters, p.ID)
			} else {
				a.say("  %d letters at once, usually at most %d: none was sent. If they are right: dunning approve %s", p.Letters, p.Usual, p.ID)
			}
			approval = true
		}
		if err != nil {
			fmt.Fprintf(a.stderr, "dunning: %v\n", err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if a.json {
		if err := a.printJSON(results); err != nil {
			return err
		}
	}
	switch {
	case bad != nil:
		return &exit{code: exitFailed}
	case approval:
		return &exit{code: exitApproval}
	case attention:
		a.say("something needs a person; see: dunning attention")
		return &exit{code: exitAttention}
	}
	return nil
}

func reasons(t jobs.Tally) map[string]int {
	out := map[string]int{}
	for code, n := range t.Reasons {
		if code != invoices.CodeStep {
			out[string(code)] += n
		}
	}
	return out
}

// needsPerson reports whether a run left something that only a person can
// settle.
func needsPerson(t jobs.Tally) bool {
	return t.Stand[invoices.ClassUncertain]+t.Stand[invoices.ClassFailed]+t.Stand[invoices.ClassBlocked] > 0 || t.Facts["incidents"] > 0
}

// dryRun prints what the jobs would do, by the same Next.
func (a *app) dryRun(ctx context.Context, list []jobs.Job, o jobs.Order) error {
	may := map[invoices.Act]bool{}
	for _, j := range list {
		for _, act := range j.May {
			may[act] = true
		}
	}
	return a.forecast(ctx, forecastOptions{account: o.Account, invoice: o.Invoice, limit: o.Limit, span: time.Nanosecond, may: may})
}
