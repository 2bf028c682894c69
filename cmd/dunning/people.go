package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// whoami names the person at the keyboard for the event log.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// target reads the one argument of hold and release.
func target(args []string, account string) (store.Target, string, error) {
	switch {
	case account != "" && len(args) > 0:
		return store.Target{}, "", wrong("give an invoice number or --account, not both")
	case account != "":
		return store.Target{Account: account}, "customer " + account, nil
	case len(args) == 1:
		return store.Target{Invoice: args[0]}, "invoice " + args[0], nil
	}
	return store.Target{}, "", wrong("give an invoice number, or a customer with --account")
}

// decide opens the works for a person's decision and carries it out.
func (a *app) decide(ctx context.Context, do func(*works) (string, error)) error {
	w, err := a.open(ctx, deciding)
	if err != nil {
		return err
	}
	defer w.close()
	said, err := do(w)
	if err != nil {
		return failed(err)
	}
	if a.json {
		return a.printJSON(map[string]string{"done": said})
	}
	a.say("%s", said)
	return nil
}

func (a *app) holdCommand() *cobra.Command {
	var account, reason, by, until string
	cmd := &cobra.Command{
		Use:   "hold [NUMBER]",
		Short: "Send nothing about an invoice, or to a customer, until a date or until released",
		Long: `Send nothing about an invoice, or to a customer, until a date or until released.
Payments are still noticed. At the end of a hold only the latest due step goes
out; steps that would by then be later than sending.max_lateness wait for a
person.`,
		Example: `  dunning hold 2026-0042 --reason dispute
  dunning hold --account ACME --reason promise --until 2026-04-30`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, name, err := target(args, account)
			if err != nil {
				return err
			}
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				h := invoices.Hold{Reason: reason, By: by}
				said := name + " is on hold until it is released"
				if until != "" {
					d, err := civil.Parse(until)
					if err != nil {
						return "", wrong("--until: %v", err)
					}
					// The hold ends when the named day is over.
					h.Until = d.AddDays(1).Start(w.cfg.Zone)
					if !h.Until.After(w.now()) {
						return "", wrong("--until %s has passed", until)
					}
					said = name + " is on hold until the end of " + until
				}
				return said, w.db.Hold(cmd.Context(), to, h, w.now())
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "hold everything of this customer, by id")
	cmd.Flags().StringVar(&reason, "reason", "", "dispute, promise, vip or other")
	cmd.Flags().StringVar(&until, "until", "", "the last day of the hold, such as 2026-04-30 (default: until released)")
	cmd.Flags().StringVar(&by, "by", whoami(), "who decided")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (a *app) releaseCommand() *cobra.Command {
	var account, reason, by string
	cmd := &cobra.Command{
		Use:   "release [NUMBER]",
		Short: "End a hold, and say go on where a person was asked",
		Long: `End a hold, and say "go on" where a person was asked: a step that is very late
may go out, renewals are counted from now, a payment that is under way for too
long or a link that Cost+ does not know no longer stands in the way, and open
incidents of the invoice are closed with the reason given.

Letters that may or may not have arrived are settled with: dunning settle`,
		Example: `  dunning release 2026-0042 --reason "dispute settled"
  dunning release --account ACME --reason "promise broken"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, name, err := target(args, account)
			if err != nil {
				return err
			}
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				return name + " goes on", w.db.Lift(cmd.Context(), to, by, reason, w.now())
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "release this customer, by id")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the books")
	cmd.Flags().StringVar(&by, "by", whoami(), "who decided")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (a *app) settleCommand() *cobra.Command {
	var sent, resend, anew, skip bool
	var reason, by string
	cmd := &cobra.Command{
		Use:   "settle NUMBER",
		Short: "Say what became of a letter that may or may not have arrived, or was refused",
		Long: `Say what became of a letter that may or may not have arrived, or was refused.

  --sent    it arrived: the ladder goes on from it
  --resend  it did not: the same bytes are sent once more, with the same
            Message-ID, when letters may leave; if the invoice was paid by then
            it is left out, and if its amount or link changed you are asked again
  --anew    it did not, surely: the letter is written anew, as things are then
  --skip    let it be: the step is not sent, the ladder goes on

Look first: the mail server's log has the Message-ID that explain shows.`,
		Example: `  dunning attention
  dunning settle 2026-0042 --sent --reason "in the mail log at 08:00:07"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var as invoices.Result
			n := 0
			for _, c := range []struct {
				on bool
				r  invoices.Result
			}{{sent, invoices.Sent}, {resend, invoices.Resend}, {anew, invoices.Delayed}, {skip, invoices.Skipped}} {
				if c.on {
					as, n = c.r, n+1
				}
			}
			if n != 1 {
				return wrong("say one of --sent, --resend, --anew and --skip")
			}
			return a.decide(cmd.Context(), func(w *works) (string, error) {
				return fmt.Sprintf("the letter about %s is settled: %s", args[0], as), w.db.Settle(cmd.Context(), args[0], as, by, reason, w.now())
			})
		},
	}
	cmd.Flags().BoolVar(&sent, "sent", false, "it arrived")
	cmd.Flags().BoolVar(&resend, "resend", false, "send the same bytes once more")
	cmd.Flags().BoolVar(&anew, "anew", false, "write it anew: it surely did not arrive")
	cmd.Flags().BoolVar(&skip, "skip", false, "do not send it")
	cmd.Flags().StringVar(&reason, "reason", "", "how you know, for the books")
	cmd.Flags().StringVar(&by, "by", whoami(), "who decided")
	return cmd
}

func (a *app) attentionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "attention",
		Short: "List what needs a person, with the command that settles it",
		Long: `List what needs a person, with the command that settles it. Exit code 3 when
there is anything, so that it can be run from cron.`,
		Example: "  dunning attention\n  dunning attention --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.attention(cmd.Context()) },
	}
}

// concern is one thing that needs a person.
type concern struct {
	Kind    string    `json:"kind"`
	Invoice string    `json:"invoice"`
	Account string    `json:"account,omitempty"`
	Name    string    `json:"name,omitempty"`
	Open    string    `json:"open,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	What    string    `json:"what"`
	Do      string    `json:"do"`
	Letter  *doubted  `json:"letter,omitempty"`
}

// doubted is what is known of a letter in doubt, to look it up in the mail
// server's log.
type doubted struct {
	MessageID string    `json:"message_id"`
	At        time.Time `json:"at"`
	Dialogue  []string  `json:"dialogue"`
}

func (a *app) attention(ctx context.Context) error {
	w, err := a.open(ctx, reading)
	if err != nil {
		return err
	}
	defer w.close()
	list, err := w.concerns(ctx)
	if err != nil {
		return failed(err)
	}
	if a.json {
		err = a.printJSON(list)
	} else if len(list) == 0 {
		a.say("nothing needs a person")
	} else {
		var rows [][]string
		for _, c := range list {
			rows = append(rows, []string{c.Kind, c.Invoice, c.Name, c.Open, c.What, c.Do})
		}
		a.grid([]string{"kind", "invoice", "customer", "open", "what", "what to do"}, rows)
		a.dialogues(list)
	}
	if err == nil && len(list) > 0 {
		err = &exit{code: exitAttention}
	}
	return err
}

// dialogues prints what is known of the letters in doubt.
func (a *app) dialogues(list []concern) {
	for _, c := range list {
		if c.Letter == nil {
			continue
		}
		a.say("\n%s: Message-ID <%s>, given to the mail server at %s", printable(c.Invoice), printable(c.Letter.MessageID), c.Letter.At.Format(time.RFC3339))
		if len(c.Letter.Dialogue) == 0 {
			a.say("  the worker stopped before it could note what was said")
		}
		for _, line := range c.Letter.Dialogue {
			a.say("  %s", printable(line))
		}
	}
}

// concerns gathers what needs a person: incidents first, for they are about
// money, then every invoice of which Next says so.
func (w *works) concerns(ctx context.Context) ([]concern, error) {
	list := []concern{}
	alarms, err := w.db.Alarms(ctx)
	if err != nil {
		return nil, err
	}
	for _, al := range alarms {
		c := concern{Kind: string(al.Kind), Since: al.At, What: al.Detail, Do: "see the log; the alarm ends by itself when it works again"}
		switch {
		case al.Kind == invoices.AlarmPanic:
			c.Do = "report it as a bug, then: dunning release --account " + al.Key + " --reason ..."
		case al.Kind == invoices.AlarmStorm:
			c.Do = "look at: dunning plan; then approve it, or correct what is wrong"
		case al.Stops:
			c.Do = "when it is put right: dunning resume --reason ..."
		}
		list = append(list, c)
	}
	incidents, err := w.db.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	for _, in := range incidents {
		list = append(list, concern{
			Kind: string(in.Kind), Invoice: in.Invoice, Since: in.At, What: in.Detail,
			Do: fmt.Sprintf("settle it with the customer, then: dunning release %s --reason ...", in.Invoice),
		})
	}
	now := w.now()
	list = append(list, rateMissing(w.cfg.Policies, civil.Of(now.In(w.cfg.Zone)))...)
	err = w.db.Walk(ctx, store.Filter{}, now, func(acc invoices.Account) error {
		for i := range acc.Invoices {
			inv := &acc.Invoices[i]
			d, _ := w.cfg.Policies.Explain(&acc, inv, now)
			c := concern{Invoice: inv.Number, Account: acc.ID, Name: acc.Name, Open: inv.Open().String(), Letter: letterInDoubt(&acc, inv)}
			if d.Person {
				c.Kind, c.What, c.Do = string(d.Code), d.Why, remedy(d.Code, inv.Number, acc.ID)
				list = append(list, c)
			}
			if w.cfg.Policies.PromiseBroken(&acc, inv, now) {
				p := c
				p.Kind, p.Since = "promise_broken", inv.Promise.At
				p.What = fmt.Sprintf("%s was promised by %s and did not come; letters about it go on", money.Amount{Minor: inv.Promise.Amount, Currency: inv.Total.Currency}, inv.Promise.On)
				p.Do = "speak to the customer; with a new date: dunning promise " + inv.Number + " --by DATE; to take it off this list: dunning release " + inv.Number + " --reason ..."
				list = append(list, p)
			}
			if step, ok := doubtful(inv); ok && d.Code != invoices.CodeUncertain {
				c.Kind, c.Do = string(invoices.CodeUncertain), remedy(invoices.CodeUncertain, inv.Number, acc.ID)
				c.What = "it is not known whether the letter " + step + " arrived; meanwhile: " + d.Why
				list = append(list, c)
			}
		}
		return nil
	})
	return list, err
}

// rateMissing asks for reference rates that letters need to speak of interest.
func rateMissing(ps *invoices.Policies, today civil.Date) []concern {
	var list []concern
	for _, name := range slices.Sorted(maps.Keys(ps.ByName)) {
		rule := ps.ByName[name].Interest
		if rule == nil {
			continue
		}
		for _, half := range rule.Missing(today, today) {
			list = append(list, concern{
				Kind: "interest_rate", What: fmt.Sprintf("the policy %s speaks of interest, and a rate is not known: %s, %s; its letters say nothing of interest meanwhile", name, rule.Reference(), half),
				Do: fmt.Sprintf("look it up and write it into config.yaml, at interest of the policy %s: rates: {%s: ...}", name, half),
			})
		}
	}
	return list
}

// doubtful returns a step whose letter is in doubt. It is listed until a person
// settles it, also when the invoice was paid meanwhile (R2).
func doubtful(inv *invoices.Invoice) (step string, ok bool) {
	for _, o := range inv.Steps {
		if o.Result == invoices.Uncertain {
			return o.Step, true
		}
	}
	return "", false
}

// letterInDoubt returns what is known of the letter about an invoice that may
// or may not have left; nil: there is none.
func letterInDoubt(a *invoices.Account, inv *invoices.Invoice) *doubted {
	for _, l := range a.Letters {
		if l.State != invoices.Uncertain || !slices.ContainsFunc(l.Items, func(it invoices.Item) bool { return it.Invoice == inv.Number }) {
			continue
		}
		d := &doubted{MessageID: l.MessageID, At: l.At}
		if l.Dialogue != "" {
			d.Dialogue = strings.Split(l.Dialogue, "\n")
		}
		return d
	}
	return nil
}

// remedy says what a person can do.
func remedy(c invoices.Code, number, account string) string {
	release := "dunning release " + number + " --reason ..."
	switch c {
	case invoices.CodeUncertain, invoices.CodeStepFailed:
		return "look for it in the mail server's log, then: dunning settle " + number + " --sent | --resend | --anew | --skip"
	case invoices.CodeBroken:
		return "report it as a bug, then: dunning release --account " + account + " --reason ..."
	case invoices.CodeApproval:
		return "look at it with: dunning explain " + number + "; if it is right: dunning approve " + number
	case invoices.CodeStaleStep:
		return "if it is still to be sent: " + release
	case invoices.CodeStopped:
		return "when it is put right: dunning resume --reason ..."
	case invoices.CodePaidByLink:
		return "book the payment; nothing is sent meanwhile"
	case invoices.CodeNoRecipient, invoices.CodeSuppressed:
		return "give customer " + account + " a right e-mail address in the source"
	case invoices.CodeNoDueDate:
		return "give it a due date in the source"
	case invoices.CodeVanished:
		return "if it was paid, set it to paid in the source; if it is still owed, let the source list it again"
	case invoices.CodeStaleSource:
		return "see why the source is not loaded: dunning import"
	case invoices.CodeOtherKey:
		return "if the old key belongs to the same project, name it under costplus.former_keys; if its links are given up, under costplus.abandoned_keys"
	case invoices.CodeMissing:
		return "check costplus.api_key; if the link is really gone: " + release
	case invoices.CodeMismatch:
		return "look at the link in the Cost+ dashboard, then: " + release
	case invoices.CodeNoPolicy:
		return "add the policy to config.yaml, or correct it in the source"
	case invoices.CodeBlockedByOrder:
		return "correct the invoice in the source, or: " + release
	}
	return "decide, then: " + release
}
