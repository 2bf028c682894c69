package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/invoices"
)

// explanation is what explain tells of one invoice.
type explanation struct {
	Invoice  string             `json:"invoice"`
	Account  string             `json:"account"`
	Name     string             `json:"name"`
	Policy   string             `json:"policy"`
	Status   string             `json:"status"`
	Total    string             `json:"total"`
	Open     string             `json:"open"`
	IssuedOn string             `json:"issued_on"`
	DueOn    string             `json:"due_on"`
	Episode  int                `json:"episode"`
	Timeline []happened         `json:"timeline"`
	Cut      bool               `json:"cut,omitempty"` // the timeline lacks its beginning
	Links    []explainedLink    `json:"links"`
	Steps    []explainedStep    `json:"steps"`
	Letters  []explainedMessage `json:"letters"`
	Events   []explainedEvent   `json:"events"`
	Asked    []string           `json:"asked"`
	Line     string             `json:"line"` // of the board, on which the invoice stands
	Says     string             `json:"says"`
	Code     string             `json:"code"`
	Then     string             `json:"then,omitempty"` // when a look at a link comes first: what follows if it finds nothing new
	Person   bool               `json:"person"`
	NextLook time.Time          `json:"next_look,omitzero"`
	Next     []planned          `json:"next"`
	Alone    bool               `json:"next_alone,omitempty"` // Next leaves the customer's other invoices out
	Blockers []blocker          `json:"blockers"`
	Outlook  outlook            `json:"outlook"`
}

type explainedLink struct {
	Gen      int       `json:"gen"`
	Ref      string    `json:"ref"`
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
	Letter  string    `json:"letter,omitempty"`
	Why     string    `json:"why,omitempty"`
}

type explainedMessage struct {
	ID        string    `json:"id"`
	MessageID string    `json:"message_id"`
	Template  string    `json:"template"`
	Language  string    `json:"language"`
	Subject   string    `json:"subject"`
	To        []string  `json:"to"`
	CC        []string  `json:"cc,omitempty"`
	State     string    `json:"state"`
	At        time.Time `json:"at"`
	Try       int       `json:"try"`
	Reply     string    `json:"reply,omitempty"`
	Digest    string    `json:"digest"`
}

type explainedEvent struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Kind   string    `json:"kind"`
	Detail string    `json:"detail"`
	Letter string    `json:"letter,omitempty"`
	Config string    `json:"config,omitempty"`
}

// manyEvents is how many events are read of one invoice; of what has more, only
// the last are told.
const manyEvents = 10_000

func (a *app) explainCommand() *cobra.Command {
	var account, letter string
	cmd := &cobra.Command{
		Use:   "explain [NUMBER]",
		Short: "Tell everything about one invoice: what was done, what comes next, and why",
		Long: `Tell everything about one invoice: what happened, oldest first; what comes next
if nobody pays; what stands in the way now and what to do about it; and the
first moment at which a letter can leave.

  --account   all that a customer owes, a line each
  --letter    why a customer got a letter: its steps, what the books said then,
              who approved of it, and under which configuration it was sent`,
		Example: `  dunning explain 2026-0042
  dunning explain 2026-0042 --json
  dunning explain --account ACME
  dunning explain --letter "<3f9a12c07b44e1d2@example.com>"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := len(args)
			for _, name := range []string{"account", "letter"} {
				if cmd.Flags().Changed(name) {
					given++
				}
			}
			if given != 1 || len(args) == 0 && account+letter == "" {
				return wrong("give one of: an invoice number, --account ID, --letter ID")
			}
			w, err := a.open(cmd.Context(), reading)
			if err != nil {
				return err
			}
			defer w.close()
			switch {
			case account != "":
				err = a.explainAccount(cmd.Context(), w, account)
			case letter != "":
				err = a.explainLetter(cmd.Context(), w, letter)
			default:
				err = a.explainInvoice(cmd.Context(), w, args[0])
			}
			return failed(err)
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "all that this customer owes, by id, in short")
	cmd.Flags().StringVar(&letter, "letter", "", "why this letter was sent, by its id or Message-ID")
	return cmd
}

func (a *app) explainInvoice(ctx context.Context, w *works, number string) error {
	acc, err := w.db.Lookup(ctx, number)
	if err != nil {
		return err
	}
	letters, err := w.db.Letters(ctx, number)
	if err != nil {
		return err
	}
	events, err := w.db.Events(ctx, number, manyEvents)
	if err != nil {
		return err
	}
	plans, err := w.proposed(ctx)
	if err != nil {
		return err
	}
	now, inv := w.now(), acc.Find(number)
	x := explain(&acc, inv, letters)
	for _, e := range events {
		x.Events = append(x.Events, explainedEvent{e.At, e.Actor, e.Kind, e.Detail, e.Letter, e.Config})
	}
	teller := newTeller(inv, letters, w.cfg.Zone)
	x.Timeline, x.Cut = teller.tell(events), len(events) == manyEvents
	x.decide(w.cfg.Policies, &acc, inv, now)
	x.Blockers, x.Outlook = w.outlook(&acc, inv, plans, now)
	if a.json {
		return a.printJSON(x)
	}
	a.printExplanation(x, w.cfg.Zone)
	return nil
}

func explain(acc *invoices.Account, inv *invoices.Invoice, letters []invoices.Letter) *explanation {
	x := &explanation{
		Invoice: inv.Number, Account: acc.ID, Name: acc.Name, Policy: acc.Policy, Status: string(inv.Status),
		Total: inv.Total.String(), Open: inv.Open().String(), IssuedOn: inv.IssuedOn.String(), DueOn: inv.DueOn.String(), Episode: inv.Episode,
	}
	for _, l := range inv.Links {
		x.Links = append(x.Links, explainedLink{l.Gen, l.Ref, l.Amount.String(), string(l.State), l.Attempts, l.Expires, l.Seen, l.Reason})
	}
	for _, o := range inv.Steps {
		x.Steps = append(x.Steps, explainedStep{o.Step, o.Episode, string(o.Result), o.At, o.Gen, o.Letter, o.Why})
	}
	for i := range letters {
		x.Letters = append(x.Letters, messageOf(&letters[i]))
	}
	return x
}

func messageOf(l *invoices.Letter) explainedMessage {
	return explainedMessage{l.ID, l.MessageID, l.Template, l.Language, l.Subject, l.To, l.CC, string(l.State), l.At, l.Try, l.Reply, l.Digest}
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
			answer, x.Line = "yes", q.Says
		}
		x.Asked = append(x.Asked, q.Says+": "+answer)
	}
	x.Says, x.Code, x.Person, x.NextLook = d.Why, string(d.Code), d.Person, d.At
	if d.Act == invoices.Check {
		x.Then = unchanged(ps, acc, inv, now).Why
	}
	ahead, alone := ps.Ahead(*acc, inv.Number, now, now.AddDate(1, 0, 0))
	x.Alone = alone
	for _, f := range ahead {
		for _, l := range lineOf(acc, f) {
			if l.Invoice == inv.Number || f.Decision.Letter != "" {
				x.Next = append(x.Next, l)
			}
		}
	}
}

// unchanged returns what the policy says of an invoice whose links were all
// looked at just now and were found as they are known.
func unchanged(ps *invoices.Policies, acc *invoices.Account, inv *invoices.Invoice, now time.Time) invoices.Decision {
	looked := *inv
	looked.Links = slices.Clone(inv.Links)
	for i := range looked.Links {
		looked.Links[i].Seen = now
	}
	d, _ := ps.Explain(acc, &looked, now)
	return d
}

func (a *app) printExplanation(x *explanation, zone *time.Location) {
	a.say("%s of %s (%s): %s, %s open of %s, due %s, policy %s, episode %d", printable(x.Invoice), printable(x.Name), printable(x.Account), printable(x.Status), x.Open, x.Total, x.DueOn, printable(x.Policy), x.Episode)
	a.say("\nWhat happened (times in %s)", zone)
	if x.Cut {
		a.say("  … the last %d events are told, those before are left out", manyEvents)
	}
	a.timeline(x.Timeline, zone)
	a.say("\nNow")
	if x.Line != "" {
		a.say("  it stands on the line: %s", x.Line)
	}
	so := x.Says
	if x.Then != "" {
		so += "; if that finds nothing new: " + x.Then
	}
	a.say("  so: %s", printable(so))
	if x.Person {
		a.say("  this needs a person; see: dunning attention")
	}
	if len(x.Next) > 0 {
		a.say("\nWhat comes next, if nobody pays")
		for _, l := range x.Next {
			a.say("  %s  %s: %s", moment(l.At, zone), printable(comes(&l)), printable(l.Why))
		}
		if x.Alone {
			a.say("  (if the customer owed nothing else; letters about their other invoices may delay these)")
		}
	}
	if len(x.Blockers) > 0 {
		a.say("\nWhat stands in the way of a letter")
		for _, b := range x.Blockers {
			a.say("  %s%s", printable(b.Why), b.until(zone))
			a.say("    -> %s", printable(b.Do))
		}
	}
	a.say("\n%s", printable(x.Outlook.Says))
}

// comes says what a line of a plan does.
func comes(l *planned) string {
	switch l.Act {
	case "send":
		return "the letter " + l.Step + " about " + l.Amount + " is sent"
	case invoices.MakeLink.String():
		return "a payment link is made"
	case invoices.RenewLink.String():
		return "another payment link is made"
	case invoices.Again.String():
		return "a letter in doubt is sent once more"
	case invoices.Withdraw.String():
		return "a letter in doubt is not sent again"
	case invoices.Doubt.String():
		return "a letter left half sent is noted as in doubt"
	}
	return strings.ReplaceAll(l.Act, "_", " ")
}

// moment writes an instant as people read it.
func moment(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("Mon 2006-01-02 15:04")
}

// timeline prints what happened, a line each.
func (a *app) timeline(list []happened, zone *time.Location) {
	for _, t := range list {
		by := ""
		if t.By != "" {
			by = fmt.Sprintf(" (by %s)", t.By)
		}
		a.say("  %s  %s", moment(t.At, zone), printable(t.Says+by))
	}
	if len(list) == 0 {
		a.say("  nothing that the log knows of")
	}
}
