package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/store"
	"dunning/invoices"
)

func (a *app) planCommand() *cobra.Command {
	var days int
	var against, out string
	var o forecastOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say who would get what and why, and who would not; sends nothing",
		Long: `Say what the worker would do now, or in the next days, if nobody paid and
nothing changed. It asks the same function as the worker. Nothing is written to
the database, no payment link is made, no mail is sent.

With --against OLD.yaml it says which letters appear, vanish, move or change
because of what was edited since: for a pull request with --format markdown.
Exit code 0: none does; 4: some do.

With --out FILE it also writes the letters of the plan into a file, each with
what it says as a digest. dunning job --plan FILE sends those, as far as they
are still right and say the same, and nothing else. A letter tells the date, so
such a plan is good for the days on which its letters are to leave.`,
		Example: `  dunning plan
  dunning plan --days 30 --format ics > letters.ics
  dunning plan --against config.old.yaml --days 60 --format markdown
  dunning plan --out today.plan && dunning job email-links send-reminders --plan today.plan`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 0 || days > 366 {
				return wrong("--days %d: from 0 (now) to 366", days)
			}
			if !slices.Contains(formats, o.format) {
				return wrong("--format %q: write %s", o.format, strings.Join(formats, ", "))
			}
			if against != "" {
				if !cmd.Flags().Changed("days") {
					days = 60
				}
				o.span = time.Duration(days) * 24 * time.Hour
				return a.against(cmd.Context(), against, o)
			}
			o.span, o.out = max(time.Nanosecond, time.Duration(days)*24*time.Hour), out
			return a.forecast(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&days, "days", 0, "look so many days ahead (0: what would be done now; with --against: 60)")
	cmd.Flags().StringVar(&o.account, "account", "", "only this customer, by id")
	cmd.Flags().StringVar(&o.invoice, "invoice", "", "only the customer who owes this invoice")
	cmd.Flags().BoolVar(&o.all, "all", false, "also list the invoices for which nothing is to be done")
	cmd.Flags().StringVar(&o.format, "format", "table", strings.Join(formats, ", "))
	cmd.Flags().StringVar(&against, "against", "", "compare with what another configuration would do")
	cmd.Flags().StringVar(&out, "out", "", "write the letters into this file, for dunning job --plan")
	return cmd
}

type forecastOptions struct {
	account, invoice string
	limit            int
	span             time.Duration
	may              map[invoices.Act]bool // nil: every act
	all              bool
	format           string // one of formats; empty: table
	out              string // a file for the plan; empty: none
}

// forecast prints what would be done. Accounts are read in batches and printed
// as they come: memory does not grow with their number, but for a table.
func (a *app) forecast(ctx context.Context, o forecastOptions) error {
	w, err := a.open(ctx, reading)
	if err != nil {
		return err
	}
	defer w.close()
	now := w.now()
	g := a.newAgenda(o.format, w.cfg.Zone, now)
	f := forecaster{w: w, o: o, now: now, add: g.add}
	if o.out != "" {
		f.file = &planFile{At: now, Config: stampOf(w.cfg, w.letters)}
	}
	if err := w.db.Walk(ctx, store.Filter{Account: o.account, Invoice: o.invoice}, now, f.account); err != nil {
		return failed(err)
	}
	if err := g.end(); err != nil {
		return failed(err)
	}
	if f.file != nil {
		if err := f.file.write(o.out); err != nil {
			return failed(err)
		}
		g.tell("Plan %s with %d letters is in %s; to send them and nothing else: dunning job email-links send-reminders --plan %s", f.file.ID, len(f.file.Letters), o.out, o.out)
	}
	g.tell("%d letters; %d invoices need a person. Nothing was sent, and nothing was written to the database.", f.letters, f.people)
	return nil
}

// A forecaster looks ahead, one account at a time.
type forecaster struct {
	w    *works
	o    forecastOptions
	now  time.Time
	add  func(planned) error
	file *planFile

	letters, people, accounts int
}

func (f *forecaster) account(acc invoices.Account) error {
	if f.accounts++; f.o.limit > 0 && f.accounts > f.o.limit {
		return store.ErrEnough
	}
	ps := f.w.cfg.Policies
	told, _ := ps.Forecast(acc, f.now, f.now.Add(f.o.span))
	for _, t := range told {
		if f.o.may != nil && !f.o.may[t.Decision.Act] {
			continue
		}
		if t.Decision.Act.Sends() {
			f.letters++
		}
		for _, l := range lineOf(&acc, t) {
			if err := f.add(l); err != nil {
				return err
			}
		}
		if f.file != nil && (t.Decision.Act == invoices.Email || t.Decision.Act == invoices.Remind) {
			if err := f.file.announce(f.w, t); err != nil {
				return err
			}
		}
	}
	for i := range acc.Invoices {
		d, _ := ps.Explain(&acc, &acc.Invoices[i], f.now)
		if d.Act != invoices.Idle || !d.Person && !f.o.all {
			continue
		}
		if d.Person {
			f.people++
		}
		err := f.add(planned{At: f.now, Account: acc.ID, Name: acc.Name, Act: "nothing", Invoice: acc.Invoices[i].Number, Amount: acc.Invoices[i].Open().String(), Why: d.Why, Person: d.Person, Until: d.At})
		if err != nil {
			return err
		}
	}
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
		l.Act, l.Invoice, l.Step, l.Amount, l.Template = "send", it.Invoice, it.Step, it.Amount.String(), f.Decision.Template
		if len(f.Decision.Items) > 1 {
			l.Why = fmt.Sprintf("%s (one letter, %d invoices)", f.Decision.Why, len(f.Decision.Items))
		}
		lines = append(lines, l)
	}
	return lines
}

// errNoPlan says that a file is no plan.
var errNoPlan = errors.New("it is no plan of dunning")
