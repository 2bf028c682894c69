package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/store"
)

// reports are the reports there are, in the order in which they are listed.
var reports = []struct {
	name, does string
	make       func(context.Context, *works, reportPeriod) (*sheetOf, error)
}{
	{"aging", "what is owed, by currency and by how long it is overdue", agingReport},
	{"customers", "the same for each customer", customersReport},
	{"paid", "how long customers took to pay, by currency and month", paidReport},
	{"steps", "what each step asked for and what was paid after it, by currency and by the configuration it was written under", stepsReport},
	{"promises", "promises to pay: kept, kept late, broken and open, by currency", promisesReport},
	{"letters", "every letter, for an auditor", lettersReport},
}

// reportPeriod is the days that a report is about, both ends included.
type reportPeriod struct {
	from, to    civil.Date
	today       civil.Date
	begin, over time.Time
	zone        *time.Location
}

func (a *app) reportCommand() *cobra.Command {
	var from, to, format, out string
	var force bool
	var names []string
	for _, r := range reports {
		names = append(names, r.name)
	}
	cmd := &cobra.Command{
		Use:   "report NAME",
		Short: "Report to finance: aging, days to pay, what steps brought in, promises, letters",
		Long: `Report to finance. Currencies are never added up. Amounts in CSV have a point and
their currency in a column of its own; no cell is taken for a formula.

` + reportList() + `
A payment is counted after the last letter that was sent before it; when the books
first said so, or when the payment link did.`,
		Example: `  dunning report aging
  dunning report paid --from 2026-01-01 --to 2026-03-31 --format xlsx --out paid.xlsx
  dunning report steps --format csv`,
		Args: cobra.ExactArgs(1), ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.Index(names, args[0])
			if i < 0 {
				return wrong("there is no report %q; there are %s", args[0], strings.Join(names, ", "))
			}
			if a.json {
				format = "json"
			}
			if !slices.Contains([]string{"table", "csv", "json", "xlsx"}, format) {
				return wrong("--format %q: write table, csv, json or xlsx", format)
			}
			if format == "xlsx" && out == "" {
				return wrong("--format xlsx needs a file: --out report.xlsx")
			}
			w, err := a.open(cmd.Context(), reading)
			if err != nil {
				return err
			}
			defer w.close()
			p, err := period(from, to, w)
			if err != nil {
				return err
			}
			s, err := reports[i].make(cmd.Context(), w, p)
			if err != nil {
				return failed(err)
			}
			return a.deliver(s, format, out, force)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first day, such as 2026-01-01 (default: a year ago)")
	cmd.Flags().StringVar(&to, "to", "", "the last day (default: today)")
	cmd.Flags().StringVar(&format, "format", "table", "table, csv, json or xlsx")
	cmd.Flags().StringVar(&out, "out", "", "write into this file")
	cmd.Flags().BoolVar(&force, "force", false, "also when the file is there already")
	return cmd
}

func reportList() string {
	var b strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&b, "  %-10s %s\n", r.name, r.does)
	}
	return b.String()
}

func period(from, to string, w *works) (reportPeriod, error) {
	p := reportPeriod{zone: w.cfg.Zone, today: civil.Of(w.now().In(w.cfg.Zone))}
	p.from, p.to = p.today.AddDays(-365), p.today
	for _, d := range []struct {
		flag, text string
		to         *civil.Date
	}{{"from", from, &p.from}, {"to", to, &p.to}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = civil.Parse(d.text); err != nil {
			return p, wrong("--%s: %v", d.flag, err)
		}
	}
	if p.to.Before(p.from) {
		return p, wrong("--to %s is before --from %s", p.to, p.from)
	}
	p.begin, p.over = p.from.Start(p.zone), p.to.AddDays(1).Start(p.zone)
	return p, nil
}

func owed(minor int64, currency string) cell {
	return cell{amount: money.Amount{Minor: minor, Currency: currency}}
}

// buckets name how long something is overdue, in days.
var buckets = [5]string{"not yet due", "1-30", "31-60", "61-90", "over 90"}

func agingReport(ctx context.Context, w *works, p reportPeriod) (*sheetOf, error) {
	type sum struct {
		minor     [5]int64
		invoices  int
		customers map[string]bool
	}
	sums := map[string]*sum{}
	err := w.db.Aging(ctx, p.today, func(a store.Aged) error {
		s := sums[a.Currency]
		if s == nil {
			s = &sum{customers: map[string]bool{}}
			sums[a.Currency] = s
		}
		s.minor[a.Bucket] += a.Minor
		s.invoices += a.Invoices
		s.customers[a.Account] = true
		return nil
	})
	out := &sheetOf{name: "aging", title: "Owed on " + p.today.String() + ", by days overdue", head: []string{"currency", buckets[0], buckets[1], buckets[2], buckets[3], buckets[4], "total", "invoices", "customers"}}
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		s := sums[currency]
		row := []cell{{text: currency}}
		total := int64(0)
		for _, minor := range s.minor {
			row, total = append(row, owed(minor, currency)), total+minor
		}
		out.rows = append(out.rows, append(row, owed(total, currency), number(s.invoices), number(len(s.customers))))
	}
	return out, err
}

func customersReport(ctx context.Context, w *works, p reportPeriod) (*sheetOf, error) {
	out := &sheetOf{name: "customers", title: "Owed on " + p.today.String() + ", by customer and days overdue", head: []string{"customer", "name", "currency", buckets[0], buckets[1], buckets[2], buckets[3], buckets[4], "total", "invoices"}}
	var minor [5]int64
	var last store.Aged
	count := 0
	end := func() {
		if count == 0 {
			return
		}
		row := []cell{{text: last.Account}, {text: last.Name}, {text: last.Currency}}
		total := int64(0)
		for _, m := range minor {
			row, total = append(row, owed(m, last.Currency)), total+m
		}
		out.rows = append(out.rows, append(row, owed(total, last.Currency), number(count)))
		minor, count = [5]int64{}, 0
	}
	err := w.db.Aging(ctx, p.today, func(a store.Aged) error {
		if a.Account != last.Account || a.Currency != last.Currency {
			end()
		}
		last = a
		minor[a.Bucket] += a.Minor
		count += a.Invoices
		return nil
	})
	end()
	return out, err
}

func paidReport(ctx context.Context, w *works, p reportPeriod) (*sheetOf, error) {
	type key struct{ currency, month string }
	type sum struct {
		sinceIssue, sinceDue []int
		minor                int64
		link                 int
	}
	sums := map[key]*sum{}
	err := w.db.Settlements(ctx, p.begin, p.over, func(s store.Settled) error {
		k := key{s.Total.Currency, s.At.In(p.zone).Format("2006-01")}
		if sums[k] == nil {
			sums[k] = &sum{}
		}
		on := civil.Of(s.At.In(p.zone))
		sums[k].sinceIssue = append(sums[k].sinceIssue, on.DaysSince(s.IssuedOn))
		sums[k].sinceDue = append(sums[k].sinceDue, on.DaysSince(s.DueOn))
		sums[k].minor += s.Total.Minor
		if s.ByLink {
			sums[k].link++
		}
		return nil
	})
	out := &sheetOf{name: "paid", title: fmt.Sprintf("Paid from %s to %s: days from issue and from the due date", p.from, p.to), head: []string{"currency", "month", "invoices", "amount", "by link", "days from issue, median", "mean", "days from due, median", "mean"}}
	keys := slices.SortedFunc(maps.Keys(sums), func(x, y key) int {
		return cmp.Or(cmp.Compare(x.currency, y.currency), cmp.Compare(x.month, y.month))
	})
	for _, k := range keys {
		s := sums[k]
		out.rows = append(out.rows, []cell{
			{text: k.currency},
			{text: k.month},
			number(len(s.sinceDue)), owed(s.minor, k.currency), number(s.link),
			number(middle(s.sinceIssue)), tenth(s.sinceIssue), number(middle(s.sinceDue)), tenth(s.sinceDue),
		})
	}
	return out, err
}

// middle returns the median, the lower of two.
func middle(ns []int) int {
	if len(ns) == 0 {
		return 0
	}
	slices.Sort(ns)
	return ns[(len(ns)-1)/2]
}

// tenth returns the mean with one decimal, rounded half away from zero.
func tenth(ns []int) cell {
	sum := 0
	for _, n := range ns {
		sum += n
	}
	tenths := 0
	if n := len(ns); n > 0 {
		half := n
		if sum < 0 {
			half = -n
		}
		tenths = (sum*20 + half) / (2 * n)
	}
	sign := ""
	if tenths < 0 {
		sign, tenths = "-", -tenths
	}
	return cell{text: fmt.Sprintf("%s%d.%d", sign, tenths/10, tenths%10)}
}

func stepsReport(ctx context.Context, w *works, p reportPeriod) (*sheetOf, error) {
	type key struct{ step, currency string }
	type sum struct {
		invoices int
		minor    int64
		days     []int
	}
	after := map[key]*sum{}
	err := w.db.Settlements(ctx, p.begin, p.over, func(s store.Settled) error {
		if s.Step == "" {
			return nil
		}
		k := key{s.Step, s.Total.Currency}
		if after[k] == nil {
			after[k] = &sum{}
		}
		after[k].invoices++
		after[k].minor += s.Total.Minor
		after[k].days = append(after[k].days, civil.Of(s.At.In(p.zone)).DaysSince(civil.Of(s.SentAt.In(p.zone))))
		return nil
	})
	if err != nil {
		return nil, err
	}
	sent, err := w.db.StepsSent(ctx, p.begin, p.over)
	out := &sheetOf{name: "steps", title: fmt.Sprintf("Steps from %s to %s, and what was paid after each before the next", p.from, p.to), head: []string{"step", "letter", "configuration", "currency", "sent", "asked for", "paid after it", "amount", "share of sent", "days, median"}}
	shown := map[key]bool{}
	for _, s := range sent {
		k := key{s.Step, s.Currency}
		row := []cell{{text: s.Step}, {text: s.Template}, {text: s.Config}, {text: s.Currency}, number(s.Letters), owed(s.Minor, s.Currency)}
		if got := after[k]; got != nil && !shown[k] { // counted once, beside the first of its configurations
			all := 0
			for _, other := range sent {
				if other.Step == s.Step && other.Currency == s.Currency {
					all += other.Letters
				}
			}
			row = append(row, number(got.invoices), owed(got.minor, s.Currency), cell{text: fmt.Sprintf("%d %%", got.invoices*100/all)}, number(middle(got.days)))
		} else {
			row = append(row, cell{}, cell{}, cell{}, cell{})
		}
		shown[k] = true
		out.rows = append(out.rows, row)
	}
	return out, err
}

// fate is what came of a promise.
type fate int

const (
	wasKept     fate = iota // the money was booked by the day, or in the days of grace
	wasKeptLate             // it was booked later
	wasBroken               // it was not booked, and the days are over
	stillOpen               // the day is not over
	wasReplaced             // by another promise, or withdrawn
	fates
)

// came says what came of a promise as of today.
func came(p store.Promised, grace int, today civil.Date, zone *time.Location) fate {
	last := p.On.AddDays(grace)
	switch {
	case !p.Kept.IsZero() && !civil.Of(p.Kept.In(zone)).After(last):
		return wasKept
	case !p.Kept.IsZero():
		return wasKeptLate
	case p.Ended:
		return wasReplaced
	case today.After(last):
		return wasBroken
	}
	return stillOpen
}

func promisesReport(ctx context.Context, w *works, p reportPeriod) (*sheetOf, error) {
	grace := w.cfg.Policies.ByName[w.cfg.Policies.Default].Grace
	count, minor := map[string]*[fates]int{}, map[string]*[fates]int64{}
	err := w.db.Promises(ctx, p.begin, p.over, func(one store.Promised) error {
		currency := one.Amount.Currency
		if count[currency] == nil {
			count[currency], minor[currency] = &[fates]int{}, &[fates]int64{}
		}
		f := came(one, grace, p.today, p.zone)
		count[currency][f]++
		minor[currency][f] += one.Amount.Minor
		return nil
	})
	out := &sheetOf{name: "promises", title: fmt.Sprintf("Promises to pay made from %s to %s", p.from, p.to), head: []string{"currency", "kept", "amount kept", "kept late", "amount late", "broken", "amount broken", "open", "amount open", "replaced"}}
	for _, currency := range slices.Sorted(maps.Keys(count)) {
		row := []cell{{text: currency}}
		for f := range wasReplaced {
			row = append(row, number(count[currency][f]), owed(minor[currency][f], currency))
		}
		out.rows = append(out.rows, append(row, number(count[currency][wasReplaced])))
	}
	return out, err
}

func lettersReport(ctx context.Context, w *works, p reportPeriod) (*sheetOf, error) {
	out := &sheetOf{name: "letters", title: fmt.Sprintf("Letters from %s to %s", p.from, p.to), head: []string{"when", "customer", "letter", "language", "result", "invoices", "steps", "amounts", "message id", "digest"}}
	err := w.db.LetterLog(ctx, p.begin, p.over, func(l store.LetterLine) error {
		var numbers, steps, amounts []string
		for _, it := range l.Items {
			numbers, steps, amounts = append(numbers, it.Invoice), append(steps, it.Step), append(amounts, it.Amount.String())
		}
		out.rows = append(out.rows, []cell{
			{text: l.At.In(p.zone).Format("2006-01-02 15:04")},
			{text: l.Account},
			{text: l.Template},
			{text: l.Language},
			{text: l.State},
			{text: strings.Join(numbers, " ")},
			{text: strings.Join(steps, " ")},
			{text: strings.Join(amounts, " ")},
			{text: l.MessageID},
			{text: l.Digest},
		})
		return nil
	})
	return out, err
}
