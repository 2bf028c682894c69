package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/store"
	"dunning/invoices"
)

func (a *app) planCommand() *cobra.Command {
	var days int
	var o forecastOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say who would get what and why, and who would not; sends nothing",
		Long: `Say what the worker would do now, or in the next days, if nobody paid and
nothing changed. It asks the same function as the worker. Nothing is written,
no payment link is made, no mail is sent.`,
		Example: `  dunning plan
  dunning plan --days 30
  dunning plan --account ACME --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 0 || days > 366 {
				return wrong("--days %d: from 0 (now) to 366", days)
			}
			o.span = max(time.Nanosecond, time.Duration(days)*24*time.Hour)
			return a.forecast(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&days, "days", 0, "look so many days ahead (0: what would be done now)")
	cmd.Flags().StringVar(&o.account, "account", "", "only this customer, by id")
	cmd.Flags().StringVar(&o.invoice, "invoice", "", "only the customer who owes this invoice")
	cmd.Flags().BoolVar(&o.all, "all", false, "also list the invoices for which nothing is to be done")
	return cmd
}

type forecastOptions struct {
	account, invoice string
	limit            int
	span             time.Duration
	may              map[invoices.Act]bool // nil: every act
	all              bool
}

// planned is one line of a plan.
type planned struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Act     string    `json:"act"`
	Invoice string    `json:"invoice"`
	Step    string    `json:"step,omitempty"`
	Amount  string    `json:"amount,omitempty"`
	Why     string    `json:"why"`
	Person  bool      `json:"person,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// forecast prints what would be done. Accounts are read in batches and printed
// as they come: memory does not grow with their number.
func (a *app) forecast(ctx context.Context, o forecastOptions) error {
	w, err := a.open(ctx, reading)
	if err != nil {
		return err
	}
	defer w.close()
	now := w.now()
	var lines []planned
	letters, people, accounts := 0, 0, 0
	err = w.db.Walk(ctx, store.Filter{Account: o.account, Invoice: o.invoice}, now, func(acc invoices.Account) error {
		if accounts++; o.limit > 0 && accounts > o.limit {
			return store.ErrEnough
		}
		told, _ := w.cfg.Policies.Forecast(acc, now, now.Add(o.span))
		for _, f := range told {
			if o.may != nil && !o.may[f.Decision.Act] {
				continue
			}
			lines = append(lines, lineOf(&acc, f)...)
			if f.Decision.Act.Sends() {
				letters++
			}
		}
		for i := range acc.Invoices {
			d, _ := w.cfg.Policies.Explain(&acc, &acc.Invoices[i], now)
			if d.Act != invoices.Idle || !d.Person && !o.all {
				continue
			}
			if d.Person {
				people++
			}
			lines = append(lines, planned{At: now, Account: acc.ID, Name: acc.Name, Act: "nothing", Invoice: acc.Invoices[i].Number, Amount: acc.Invoices[i].Open().String(), Why: d.Why, Person: d.Person, Until: d.At})
		}
		return nil
	})
	if err != nil {
		return failed(err)
	}
	if a.json {
		return a.printJSON(lines)
	}
	var rows [][]string
	for _, l := range lines {
		act := strings.ReplaceAll(l.Act, "_", " ")
		if l.Person {
			act = "needs a person"
		}
		rows = append(rows, []string{l.At.In(w.cfg.Zone).Format("Mon 2006-01-02 15:04"), act, l.Account, l.Name, l.Invoice, l.Step, l.Amount, l.Why})
	}
	a.grid([]string{"when", "what", "customer", "name", "invoice", "step", "open", "why"}, rows)
	a.say("%d letters; %d invoices need a person. Nothing was written or sent.", letters, people)
	return nil
}

// lineOf turns one forecast into lines: one for each invoice it concerns.
func lineOf(acc *invoices.Account, f invoices.Forecast) []planned {
	l := planned{At: f.At, Account: acc.ID, Name: acc.Name, Act: f.Decision.Act.String(), Invoice: f.Decision.Invoice, Why: f.Decision.Why}
	if len(f.Decision.Items) == 0 {
		return []planned{l}
	}
	var lines []planned
	for _, it := range f.Decision.Items {
		l.Act, l.Invoice, l.Step, l.Amount = "send", it.Invoice, it.Step, it.Amount.String()
		if len(f.Decision.Items) > 1 {
			l.Why = fmt.Sprintf("%s (one letter, %d invoices)", f.Decision.Why, len(f.Decision.Items))
		}
		lines = append(lines, l)
	}
	return lines
}
