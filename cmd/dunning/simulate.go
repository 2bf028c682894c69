package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/civil"
	"dunning/internal/config"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// A supposition is what simulate takes for granted.
type supposition struct {
	days   int
	paid   []string // NUMBER@DATE
	sample bool
	links  bool // show what is done about links, too
	format string

	account                       string
	issued, due, country, zone    string
	currency, amount, policy, tag string
}

func (a *app) simulateCommand() *cobra.Command {
	var s supposition
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Show which letters would leave in the next days, if some pay and others do not",
		Long: `Show which letters would leave in the next days. It asks the same function as
the worker, day after day, and does nothing: no write, no payment link, no mail.

Nobody pays but those named with --paid, and a person says yes to every letter
that waits for approval. With --sample no database is needed:
each policy gets one made-up invoice, issued today and due in thirty days, or as
the other options say. So finance sees a ladder as a calendar before there is
any data.`,
		Example: `  dunning simulate --days 60
  dunning simulate --days 60 --paid 2026-0042@2026-04-10 --format csv
  dunning simulate --sample --issued 2026-03-02 --due 2026-04-01 --days 120
  dunning simulate --sample --country BE --format ics > ladder.ics`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.days < 1 || s.days > 1100:
				return wrong("--days %d: from 1 to 1100", s.days)
			case !slices.Contains(formats, s.format):
				return wrong("--format %q: write %s", s.format, strings.Join(formats, ", "))
			case s.sample:
				return a.simulateSample(s)
			}
			for _, f := range []string{"issued", "due", "country", "timezone", "currency", "amount", "policy", "tag"} {
				if cmd.Flags().Changed(f) {
					return wrong("--%s is about a made-up invoice; it goes with --sample", f)
				}
			}
			return a.simulate(cmd.Context(), s)
		},
	}
	f := cmd.Flags()
	f.IntVar(&s.days, "days", 60, "how many days to look ahead")
	f.StringVar(&s.format, "format", "table", strings.Join(formats, ", "))
	f.StringSliceVar(&s.paid, "paid", nil, "an invoice and the day on which it is paid, such as 2026-0042@2026-04-10; may be repeated")
	f.BoolVar(&s.links, "links", false, "also show when payment links would be made")
	f.StringVar(&s.account, "account", "", "only this customer, by id")
	f.BoolVar(&s.sample, "sample", false, "a made-up invoice for each policy; needs no database")
	f.StringVar(&s.issued, "issued", "", "its issue date (default: today)")
	f.StringVar(&s.due, "due", "", "its due date (default: thirty days later)")
	f.StringVar(&s.amount, "amount", "1000.00", "its amount")
	f.StringVar(&s.currency, "currency", "", "its currency (default: the first of the policy)")
	f.StringVar(&s.country, "country", "", "its customer's country, such as BE")
	f.StringVar(&s.zone, "timezone", "", "its customer's time zone, such as Asia/Tokyo")
	f.StringVar(&s.policy, "policy", "", "only this policy")
	f.StringVar(&s.tag, "tag", "", "a tag of the invoice")
	return cmd
}

// simulate looks ahead for the customers there are.
func (a *app) simulate(ctx context.Context, s supposition) error {
	w, err := a.open(ctx, reading)
	if err != nil {
		return err
	}
	defer w.close()
	paid, err := payments(s.paid, w.cfg.Zone)
	if err != nil {
		return err
	}
	now := w.now()
	g := a.newAgenda(s.format, w.cfg.Zone, now)
	letters := 0
	until := now.AddDate(0, 0, s.days)
	err = w.db.Walk(ctx, store.Filter{Account: s.account}, now, func(acc invoices.Account) error {
		n, err := g.suppose(w.cfg.Policies, acc, paid, now, until, s.links)
		letters += n
		return err
	})
	if err != nil {
		return failed(err)
	}
	if err := g.end(); err != nil {
		return failed(err)
	}
	g.tell("%d letters in %d days. Nothing was written or sent.", letters, s.days)
	return nil
}

// suppose prints the letters about one customer, and returns how many.
func (g *agenda) suppose(ps *invoices.Policies, acc invoices.Account, paid []invoices.Payment, from, until time.Time, links bool) (int, error) {
	ours := slices.DeleteFunc(slices.Clone(paid), func(p invoices.Payment) bool { return acc.Find(p.Invoice) == nil })
	letters := 0
	for _, f := range ps.Suppose(acc, ours, from, until) {
		if !f.Decision.Act.Sends() && !links {
			continue
		}
		if f.Decision.Act.Sends() {
			letters++
		}
		for _, l := range lineOf(&acc, f) {
			if err := g.add(l); err != nil {
				return letters, err
			}
		}
	}
	return letters, nil
}

// payments reads NUMBER@DATE, in order of time.
func payments(list []string, zone *time.Location) ([]invoices.Payment, error) {
	var paid []invoices.Payment
	for _, text := range list {
		number, date, ok := strings.Cut(text, "@")
		d, err := civil.Parse(date)
		if !ok || err != nil || number == "" {
			return nil, wrong("--paid %q: write a number and a day, such as 2026-0042@2026-04-10", text)
		}
		paid = append(paid, invoices.Payment{Invoice: number, At: d.At(7, 0, zone)})
	}
	slices.SortStableFunc(paid, func(x, y invoices.Payment) int { return x.At.Compare(y.At) })
	return paid, nil
}

// simulateSample looks ahead for a made-up invoice of each policy.
func (a *app) simulateSample(s supposition) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	now, err := a.clock()
	if err != nil {
		return err
	}
	acc, inv, err := s.invoice(civil.Of(now().In(cfg.Zone)))
	if err != nil {
		return err
	}
	from := inv.IssuedOn.Start(cfg.Zone)
	if s.zone != "" {
		if acc.Zone, err = time.LoadLocation(s.zone); err != nil {
			return wrong("--timezone %q is no time zone; write it like Asia/Tokyo", s.zone)
		}
		from = inv.IssuedOn.Start(acc.Zone)
	}
	names := slices.Sorted(maps.Keys(cfg.Policies.ByName))
	if s.policy != "" {
		if cfg.Policies.ByName[s.policy] == nil {
			return wrong("--policy %q: there are %s", s.policy, strings.Join(names, ", "))
		}
		names = []string{s.policy}
	}
	g := a.newAgenda(s.format, cfg.Zone, from)
	letters := 0
	for _, name := range names {
		acc, err := s.sampleFor(acc, inv, cfg, name)
		if err != nil {
			return err
		}
		n, err := g.suppose(cfg.Policies, acc, nil, from, from.AddDate(0, 0, s.days), s.links)
		if err != nil {
			return failed(err)
		}
		letters += n
	}
	if err := g.end(); err != nil {
		return failed(err)
	}
	g.tell("%d letters in %d days, about made-up invoices that nobody pays.", letters, s.days)
	return nil
}

// invoice reads what the made-up invoice is.
func (s *supposition) invoice(today civil.Date) (invoices.Account, invoices.Invoice, error) {
	issued, due := today, civil.Date{}
	for _, d := range []struct {
		flag, text string
		to         *civil.Date
	}{{"issued", s.issued, &issued}, {"due", s.due, &due}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = civil.Parse(d.text); err != nil {
			return invoices.Account{}, invoices.Invoice{}, wrong("--%s: %v", d.flag, err)
		}
	}
	if due.IsZero() {
		due = issued.AddDays(30)
	}
	acc := invoices.Account{ID: "sample", Name: "Sample", Email: "customer@example.com", Country: strings.ToUpper(s.country)}
	inv := invoices.Invoice{Number: "SAMPLE", Status: invoices.Open, IssuedOn: issued, DueOn: due, Episode: 1}
	if s.tag != "" {
		inv.Tags = []string{s.tag}
	}
	return acc, inv, nil
}

// sampleFor gives the made-up invoice to a policy.
func (s *supposition) sampleFor(acc invoices.Account, inv invoices.Invoice, cfg *config.Config, name string) (invoices.Account, error) {
	currency := s.currency
	if currency == "" {
		currency = cfg.Policies.ByName[name].Currencies[0]
	}
	total, err := money.Parse(s.amount, currency)
	if err != nil {
		return acc, wrong("--amount: %v", err)
	}
	inv.Total, inv.Policy, inv.Number = total, name, "SAMPLE-"+name
	acc.ID, acc.Name = "sample-"+name, name
	acc.Invoices = []invoices.Invoice{inv}
	return acc, nil
}
