package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"dunning/internal/money"
	"dunning/invoices"
)

// story tells what happens, day by day.
type story struct {
	*app
	zone *time.Location

	mu   sync.Mutex
	day  string
	made map[string]int // counts for the closing balance
}

func newStory(a *app, zone *time.Location) *story {
	return &story{app: a, zone: zone, made: map[string]int{}}
}

// tell prints a line under its day.
func (s *story) tell(at time.Time, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at = at.In(s.zone)
	if day := at.Format("Monday 2 January"); day != s.day {
		s.day = day
		s.say("\n%s", day)
	}
	s.say("  %s  %s", at.Format("15:04"), printable(line))
}

func (s *story) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[what]++
}

// heard turns facts into lines of the story.
func (d *demo) heard(account string, fact invoices.Fact) {
	d.w.seen(account, fact)
	switch f := fact.(type) {
	case invoices.LinkSeen:
		d.heardLink(f)
	case invoices.LetterEnded:
		d.heardLetter(account, f)
	case invoices.Incident:
		d.story.tell(f.At, "INCIDENT "+f.Detail)
	case invoices.AddressRefused:
		d.story.tell(f.At, "the mail server knows no "+d.nameOf([]string{f.Address})+": a person must find another address")
	case invoices.Rested:
		d.story.tell(f.At, fmt.Sprintf("%s: %s failed, tried again later: %s", f.Invoice, f.Rest.Act, f.Rest.Why))
	}
}

func (d *demo) heardLink(f invoices.LinkSeen) {
	if f.At.Equal(f.Link.Since) {
		d.story.count("links " + string(f.Link.State))
		switch f.Link.State {
		case invoices.New:
			if f.Link.Gen > 1 {
				d.story.count("links renewed")
				d.story.tell(f.At, fmt.Sprintf("%s: the payment link ended unpaid, a new one is made (number %d)", f.Invoice, f.Link.Gen))
			}
		case invoices.Completed:
			d.story.tell(f.At, f.Invoice+": Cost+ says it is paid; no letter goes out any more")
		}
	}
}

func (d *demo) heardLetter(account string, f invoices.LetterEnded) {
	l, err := d.w.db.Letter(context.Background(), f.ID)
	if err != nil {
		return
	}
	var what []string
	for _, it := range l.Items {
		what = append(what, it.Invoice)
		d.story.count("step " + stepName(it.Step) + " " + string(f.Result))
	}
	d.story.count("letters " + string(f.Result))
	line := fmt.Sprintf("%-9s to %s about %s", l.Template, d.nameOf(l.To), strings.Join(what, ", "))
	if f.Result != invoices.Sent {
		line += ": " + string(f.Result)
	}
	d.story.tell(f.At, "mail "+line)
}

// stepName folds the generations of new_link into one name.
func stepName(step string) string {
	if strings.HasPrefix(step, invoices.NewLinkTemplate) {
		return invoices.NewLinkTemplate
	}
	return step
}

func (d *demo) nameOf(to []string) string {
	for _, who := range d.books.debtors {
		if slices.Contains(to, who.Address) {
			return who.Name
		}
	}
	return "a customer"
}

// balance tells how it ended. What was sent is counted at the mail server, what
// was paid at Cost+, not in our own rows.
func (d *demo) balance(ctx context.Context) error {
	made := d.story.made
	links := d.box.Pay.Links()
	renewed := made["links renewed"]
	var owed, recovered money.Amount
	owed.Currency, recovered.Currency = "EUR", "EUR"
	paid := 0
	byStep := map[string]money.Amount{}
	for _, b := range d.books.bills {
		owed.Minor += b.amount.Minor
		if b.paidAt.IsZero() {
			continue
		}
		paid++
		recovered.Minor += b.paid
		step, err := d.lastStep(ctx, b)
		if err != nil {
			return err
		}
		byStep[step] = money.Amount{Minor: byStep[step].Minor + b.paid, Currency: "EUR"}
	}
	d.say("\nClosing balance after %d days", d.o.days)
	d.say("  payment links made   %d, of which %d replaced one that had ended", len(links), renewed)
	d.say("  mails accepted       %d", len(d.box.Mail.Mails()))
	for _, step := range d.steps() {
		if n := made["step "+step+" sent"]; n > 0 {
			d.say("    %-18s %d", step, n)
		}
	}
	d.say("  invoices paid        %d of %d, %s of %s", paid, len(d.books.bills), recovered.Format("en"), owed.Format("en"))
	d.say("  money recovered by the last letter before the payment")
	for _, step := range d.steps() {
		if m, ok := byStep[step]; ok {
			d.say("    %-18s %s", step, m.Format("en"))
		}
	}
	list, err := d.w.concerns(ctx)
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, c := range list {
		kinds[c.Kind]++
	}
	d.say("  needs a person       %d", len(list))
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return cmp.Compare(kinds[b], kinds[a]) }) {
		d.say("    %-18s %d", strings.ReplaceAll(k, "_", " "), kinds[k])
	}
	return nil
}

// steps lists the rungs of the ladder, then the letter for a renewed link.
func (d *demo) steps() []string {
	var names []string
	for _, s := range d.w.cfg.Policies.ByName["standard"].Steps {
		names = append(names, s.Name)
	}
	return append(names, invoices.NewLinkTemplate)
}

// lastStep returns the last step that was sent before a bill was paid.
func (d *demo) lastStep(ctx context.Context, b *bill) (string, error) {
	acc, err := d.w.db.Lookup(ctx, b.number)
	if err != nil {
		return "", err
	}
	step := "before any letter"
	for _, o := range acc.Find(b.number).Steps {
		if o.Result == invoices.Sent && !o.At.After(b.paidAt) {
			step = stepName(o.Step)
		}
	}
	return step, nil
}
