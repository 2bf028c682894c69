package main

import (
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/store"
	"dunning/invoices"
)

func (a *app) invoicesCommand() *cobra.Command {
	var f store.Filter
	cmd := &cobra.Command{
		Use:   "invoices",
		Short: "List the invoices that are owed, and what comes next for each",
		Example: `  dunning invoices
  dunning invoices --account ACME --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.open(cmd.Context(), reading)
			if err != nil {
				return err
			}
			defer w.close()
			type line struct {
				Invoice string    `json:"invoice"`
				Account string    `json:"account"`
				Name    string    `json:"name"`
				Status  string    `json:"status"`
				Open    string    `json:"open"`
				DueOn   string    `json:"due_on"`
				Last    string    `json:"last_step"`
				Link    string    `json:"link"`
				Says    string    `json:"says"`
				Next    time.Time `json:"next,omitzero"`
				Person  bool      `json:"person,omitempty"`
			}
			now := w.now()
			lines := []line{}
			err = w.db.Walk(cmd.Context(), f, now, func(acc invoices.Account) error {
				for i := range acc.Invoices {
					inv := &acc.Invoices[i]
					l := line{Invoice: inv.Number, Account: acc.ID, Name: acc.Name, Status: string(inv.Status), Open: inv.Open().String(), DueOn: inv.DueOn.String()}
					for _, o := range inv.Steps {
						l.Last = o.Step + " " + string(o.Result)
					}
					if n := len(inv.Links); n > 0 {
						l.Link = string(inv.Links[n-1].State)
					}
					d, _ := w.cfg.Policies.Explain(&acc, inv, now)
					l.Says, l.Next, l.Person = d.Why, d.At, d.Person
					lines = append(lines, l)
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
				rows = append(rows, []string{l.Invoice, l.Name, l.Open, l.DueOn, l.Status, l.Last, l.Link, l.Says})
			}
			a.grid([]string{"invoice", "customer", "open", "due", "status", "last step", "link", "now"}, rows)
			return nil
		},
	}
	cmd.Flags().StringVar(&f.Account, "account", "", "only this customer, by id")
	return cmd
}
