package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// promised is what the command line says of a promise.
type promised struct {
	account, amount, on, by, note string
	withdraw                      bool
	reason                        string
}

func (a *app) promiseCommand() *cobra.Command {
	var p promised
	cmd := &cobra.Command{
		Use:   "promise [NUMBER]",
		Short: "Note that a customer said by when they will pay; nobody is reminded until then",
		Long: `Note that a customer said by when they will pay an invoice, or part of it. No
letter about it leaves until that day and the days of grace in config.yaml
(promise_grace) have passed. When the books show the money the promise is kept,
and the ladder goes on for what is still open. When they do not it is broken:
dunning attention lists it, the letter broken_promise is mailed once if the
policy has one, and the ladder goes on.

With --account the promise is for all that the customer owes.`,
		Example: `  dunning promise 2026-0042 --by 2026-04-30
  dunning promise 2026-0042 --by 2026-04-30 --amount 250.00 --note "spoke to Ms Vos"
  dunning promise --account ACME --by 2026-04-30
  dunning promise 2026-0042 --withdraw --reason "they will not pay"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, name, err := target(args, p.account)
			if err != nil {
				return err
			}
			switch {
			case p.withdraw && (p.on != "" || p.amount != ""):
				return wrong("--withdraw takes a promise back; it goes with --reason alone")
			case p.withdraw && p.reason == "":
				return wrong("say why the promise is taken back, with --reason")
			case !p.withdraw && p.on == "":
				return wrong("say by when they will pay, with --by, such as --by 2026-04-30")
			case p.account != "" && p.amount != "":
				return wrong("--amount is about one invoice; give its number")
			}
			return a.decide(cmd.Context(), func(w *works) (string, error) { return w.promise(cmd.Context(), to, name, p) })
		},
	}
	cmd.Flags().StringVar(&p.on, "by", "", "the last day on which they will pay, such as 2026-04-30")
	cmd.Flags().StringVar(&p.amount, "amount", "", "how much of it, such as 250.00 (default: all that is open)")
	cmd.Flags().StringVar(&p.account, "account", "", "all that this customer owes, by id")
	cmd.Flags().StringVar(&p.note, "note", "", "what was said, for the books")
	cmd.Flags().BoolVar(&p.withdraw, "withdraw", false, "the promise does not hold any more")
	cmd.Flags().StringVar(&p.reason, "reason", "", "why it does not, for the books")
	cmd.Flags().StringVar(&p.by, "who", whoami(), "who took it down")
	return cmd
}

// promise notes or takes back a promise for one invoice, or for all that a
// customer owes.
func (w *works) promise(ctx context.Context, to store.Target, name string, p promised) (string, error) {
	f := store.Filter{Account: to.Account, Invoice: to.Invoice}
	var said string
	done := 0
	now := w.now()
	err := w.db.Walk(ctx, f, now, func(acc invoices.Account) error {
		for i := range acc.Invoices {
			inv := &acc.Invoices[i]
			if to.Invoice != "" && inv.Number != to.Invoice || inv.Open().Minor <= 0 || inv.Status != invoices.Open {
				continue
			}
			text, err := w.promiseOf(ctx, &acc, inv, p, now)
			if err != nil {
				return fmt.Errorf("invoice %s: %w", inv.Number, err)
			}
			if text != "" {
				said, done = text, done+1
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case done == 0 && p.withdraw:
		return "", wrong("there is no promise about %s; nothing was done", name)
	case done == 0:
		return "", wrong("nothing is open of %s; nothing was done", name)
	case done > 1:
		return fmt.Sprintf("%d invoices of %s: the last one: %s", done, name, said), nil
	}
	return said, nil
}

func (w *works) promiseOf(ctx context.Context, acc *invoices.Account, inv *invoices.Invoice, p promised, now time.Time) (string, error) {
	if p.withdraw {
		there, err := w.db.Unpromise(ctx, inv.Number, p.by, p.reason, now)
		if err != nil || !there {
			return "", err
		}
		return "letters about " + inv.Number + " go on", nil
	}
	zone := acc.Zone
	if zone == nil {
		zone = w.cfg.Zone
	}
	on, err := civil.Parse(p.on)
	if err != nil {
		return "", wrong("--by: %v", err)
	}
	today := civil.Of(now.In(zone))
	switch days := on.DaysSince(today); {
	case days < 0:
		return "", wrong("--by %s has passed; nothing was done", on)
	case days > 366:
		return "", wrong("--by %s is more than a year away; nothing was done", on)
	}
	amount := inv.Open()
	if p.amount != "" {
		if amount, err = money.Parse(p.amount, inv.Total.Currency); err != nil {
			return "", wrong("--amount: %v", err)
		}
		if amount.Minor <= 0 || amount.Minor > inv.Open().Minor {
			return "", wrong("--amount %s: something from above nothing to %s, which is open; nothing was done", amount, inv.Open())
		}
	}
	promise := invoices.Promise{Amount: amount.Minor, On: on, Open: inv.Open().Minor, At: now, By: p.by}
	ends := w.cfg.Policies.PromiseEnds(acc, inv, now, promise)
	if err := w.db.Promise(ctx, inv.Number, promise, p.note, now); err != nil {
		return "", err
	}
	return fmt.Sprintf("no letter about %s until %s; if %s is not booked by then, the promise is broken", inv.Number, ends.In(zone).Format("Mon 2006-01-02"), amount), nil
}
