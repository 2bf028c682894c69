package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/invoices"
)

// explanation is what explain tells of one invoice.
type explanation struct {
	Invoice  string           `json:"invoice"`
	Account  string           `json:"account"`
	Name     string           `json:"name"`
	Policy   string           `json:"policy"`
	Status   string           `json:"status"`
	Open     string           `json:"open"`
	DueOn    string           `json:"due_on"`
	Episode  int              `json:"episode"`
	Links    []explainedLink  `json:"links"`
	Steps    []explainedStep  `json:"steps"`
	Events   []explainedEvent `json:"events"`
	Asked    []string         `json:"asked"`
	Says     string           `json:"says"`
	Code     string           `json:"code"`
	Person   bool             `json:"person"`
	NextLook time.Time        `json:"next_look,omitzero"`
	Next     []planned        `json:"next"`
}

type explainedLink struct {
	Gen      int       `json:"gen"`
	Amount   string    `json:"amount"`
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Expires  time.Time `json:"expires,omitzero"`
	Seen     time.Time `json:"seen,omitzero"`
	Reason   string    `json:"reason,omitempty"`
}

type explainedStep struct {
	Step    string    `json:"step"`
	Episode int       `json:"episode"`
	Result  string    `json:"result"`
	At      time.Time `json:"at"`
	Link    int       `json:"link,omitempty"`
	Why     string    `json:"why,omitempty"`
}

type explainedEvent struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Kind   string    `json:"kind"`
	Detail string    `json:"detail"`
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "explain NUMBER",
		Short:   "Tell everything about one invoice: what was done, what comes next, and why",
		Example: "  dunning explain 2026-0042\n  dunning explain 2026-0042 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := a.open(cmd.Context(), reading)
			if err != nil {
				return err
			}
			defer w.close()
			acc, err := w.db.Lookup(cmd.Context(), args[0])
			if err != nil {
				return failed(err)
			}
			events, err := w.db.Events(cmd.Context(), args[0], 1000)
			if err != nil {
				return failed(err)
			}
			now := w.now()
			inv := acc.Find(args[0])
			x := explain(&acc, inv)
			for _, e := range events {
				x.Events = append(x.Events, explainedEvent{e.At, e.Actor, e.Kind, e.Detail})
			}
			x.decide(w.cfg.Policies, &acc, inv, now)
			if a.json {
				return a.printJSON(x)
			}
			a.printExplanation(x, w.cfg.Zone)
			return nil
		},
	}
}

func explain(acc *invoices.Account, inv *invoices.Invoice) *explanation {
	x := &explanation{
		Invoice: inv.Number, Account: acc.ID, Name: acc.Name, Policy: acc.Policy, Status: string(inv.Status),
		Open: inv.Open().String(), DueOn: inv.DueOn.String(), Episode: inv.Episode,
	}
	for _, l := range inv.Links {
		x.Links = append(x.Links, explainedLink{l.Gen, l.Amount.String(), string(l.State), l.Attempts, l.Expires, l.Seen, l.Reason})
	}
	for _, o := range inv.Steps {
		x.Steps = append(x.Steps, explainedStep{o.Step, o.Episode, string(o.Result), o.At, o.Gen, o.Why})
	}
	return x
}

// decide adds what the policy says now and what it would do in the next year.
func (x *explanation) decide(ps *invoices.Policies, acc *invoices.Account, inv *invoices.Invoice, now time.Time) {
	if p := ps.For(acc, inv, now); p != nil {
		x.Policy = p.Name
	}
	d, asked := ps.Explain(acc, inv, now)
	for _, q := range asked {
		answer := "no"
		if q.Fits {
			answer = "yes"
		}
		x.Asked = append(x.Asked, q.Says+": "+answer)
	}
	x.Says, x.Code, x.Person, x.NextLook = d.Why, string(d.Code), d.Person, d.At
	told, _ := ps.Forecast(*acc, now, now.AddDate(1, 0, 0))
	for _, f := range told {
		for _, l := range lineOf(acc, f) {
			if l.Invoice == inv.Number {
				x.Next = append(x.Next, l)
			}
		}
	}
}

func (a *app) printExplanation(x *explanation, zone *time.Location) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.In(zone).Format("Mon 2006-01-02 15:04")
	}
	a.say("%s of %s (%s): %s, %s open, due %s, policy %s, episode %d", printable(x.Invoice), printable(x.Name), printable(x.Account), printable(x.Status), x.Open, x.DueOn, x.Policy, x.Episode)
	if len(x.Events) > 0 {
		a.say("\nWhat happened")
		var rows [][]string
		for _, e := range x.Events {
			rows = append(rows, []string{at(e.At), strings.ReplaceAll(e.Kind, "_", " "), e.Detail, e.Actor})
		}
		a.grid([]string{"when", "what", "detail", "who"}, rows)
	}
	if len(x.Links) > 0 {
		a.say("\nPayment links")
		var rows [][]string
		for _, l := range x.Links {
			rows = append(rows, []string{fmt.Sprint(l.Gen), l.Amount, l.State, fmt.Sprint(l.Attempts), at(l.Expires), at(l.Seen), l.Reason})
		}
		a.grid([]string{"link", "amount", "state", "attempts", "works until", "last seen", "reason"}, rows)
	}
	if len(x.Steps) > 0 {
		a.say("\nSteps")
		var rows [][]string
		for _, s := range x.Steps {
			rows = append(rows, []string{s.Step, s.Result, at(s.At), s.Why})
		}
		a.grid([]string{"step", "result", "when", "why"}, rows)
	}
	a.say("\nNow")
	for _, q := range x.Asked {
		a.say("  %s", q)
	}
	a.say("  so: %s", printable(x.Says))
	if x.Person {
		a.say("  this needs a person; see: dunning attention")
	}
	if len(x.Next) > 0 {
		a.say("\nWhat comes next, if nobody pays")
		var rows [][]string
		for _, l := range x.Next {
			what := strings.ReplaceAll(l.Act, "_", " ")
			if l.Step != "" {
				what += " " + l.Step
			}
			rows = append(rows, []string{at(l.At), what, l.Why})
		}
		a.grid([]string{"when", "what", "why"}, rows)
	}
}
