package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"dunning/invoices"
)

// send writes one letter and gives it to the mail server. The intent, with the
// exact bytes, is committed after the last byte of the body and before the
// final dot; so everything before the dot is safe to repeat, and only a dot
// without an answer leaves a doubt.
func (r *run) send(a invoices.Account, d invoices.Decision) (invoices.Account, []invoices.Fact, error) {
	w := r.w
	draft, err := w.draft(&a, d, w.Now())
	if err != nil {
		return a, facts(r.blocked(&a, d.Items[0].Invoice, d.Act, err)), nil
	}
	if !r.announced(&a, d, draft) {
		return a, nil, errUnapproved
	}
	text, err := w.Texts.Write(draft)
	if err != nil { // a wrong letter is never sent (R22)
		return a, facts(r.blocked(&a, d.Items[0].Invoice, d.Act, err)), nil
	}
	for _, file := range d.Attach {
		f, err := w.attach(file)
		if err != nil {
			return a, facts(r.blocked(&a, d.Items[0].Invoice, d.Act, err)), nil
		}
		text.Files = append(text.Files, f)
	}
	l := invoices.Letter{
		ID: w.letterID(d.Items), Try: 1, Account: a.ID, Template: d.Template, Language: draft.Language, Single: d.Single,
		Items: d.Items, From: d.From, ReplyTo: d.ReplyTo, To: []string{a.Email}, CC: copies(&a, d), State: invoices.Sending, Text: text,
		Thread: thread(a.Find(d.Items[0].Invoice)),
	}
	for _, old := range a.Letters {
		if old.ID == l.ID {
			l.Try = old.Try + 1
		}
	}
	l, err = w.Post.Compose(l)
	if err != nil {
		return a, facts(r.blocked(&a, d.Items[0].Invoice, d.Act, err)), nil
	}
	return r.carry(a, d, l, d.Skips)
}

// sendAgain sends a letter in doubt once more: the same bytes, the same
// Message-ID, so that a mailbox that has it already can tell.
func (r *run) sendAgain(a invoices.Account, d invoices.Decision) (invoices.Account, []invoices.Fact, error) {
	l, err := r.w.Ledger.Letter(r.hard, d.Letter)
	if err != nil {
		return a, nil, err
	}
	l.State, l.Try, l.Dialogue = invoices.Sending, d.Try+1, ""
	return r.carry(a, d, l, nil)
}

// carry gives a composed letter to the mail server and tells what became of it.
func (r *run) carry(a invoices.Account, d invoices.Decision, l invoices.Letter, skips []invoices.Skip) (invoices.Account, []invoices.Fact, error) {
	if !r.started(l.Items) {
		if r.budget.any { // others, that were approved, may go on
			return a, nil, errUnapproved
		}
		return a, nil, errClosed
	}
	patience := r.w.Patience
	if patience == 0 {
		patience = 10*time.Minute + 30*time.Second // the dot's own limit, and time to note the answer
	}
	begun := false
	reply, err := r.w.Post.Send(r.hard, l, func(context.Context) error {
		l.At = r.w.Now()
		next, err := r.begin(a, invoices.LetterStarted{Letter: l, Skips: skips, Patience: patience})
		if err != nil {
			return err
		}
		// If we die from here on, the letter stays "sending" in its row, and
		// whoever claims the account next notes the doubt.
		a, begun = next, true
		return nil
	})
	r.posted(err)
	if !begun {
		return r.notSent(a, d, l, err)
	}
	end := invoices.LetterEnded{ID: l.ID, Try: l.Try, Result: invoices.Sent, At: r.w.Now(), Why: reply}
	if err == nil {
		return a, facts(end), nil
	}
	end.Why = err.Error()
	if f, ok := errors.AsType[*invoices.Fault](err); ok {
		end.Dialogue = f.Dialogue
	}
	var rests []invoices.Fact
	switch invoices.KindOf(err) {
	case invoices.Later:
		end.Result = invoices.Delayed
		rests = r.restItems(&a, d, l.Items, err)
		if len(rests) == 0 { // tried for days
			end.Result = invoices.Failed
		}
	case invoices.Never:
		end.Result = invoices.Failed
		r.refused(err)
	case invoices.Halt:
		end.Result = invoices.Delayed
		_ = r.stop(invoices.AlarmMail, err)
	default:
		end.Result = r.inDoubt(&a, l.ID, l.Try)
	}
	return a, append(facts(end), rests...), nil
}

// notSent tells of a letter that surely did not leave: its dot was never
// written, and there is no intent.
func (r *run) notSent(a invoices.Account, d invoices.Decision, l invoices.Letter, err error) (invoices.Account, []invoices.Fact, error) {
	f, fault := errors.AsType[*invoices.Fault](err)
	switch {
	case err == nil:
		panic("mailer: sent a letter without asking to")
	case !fault: // the ledger's own error: ErrStale, or the database is gone
		return a, nil, err
	case f.Kind == invoices.Halt:
		return a, nil, r.stop(invoices.AlarmMail, err)
	case errors.Is(err, invoices.ErrServer):
		return a, nil, errClosed
	case errors.Is(err, invoices.ErrNoMailbox):
		return a, facts(invoices.AddressRefused{Address: a.Email, Why: err.Error(), At: r.w.Now()}), nil
	case f.Kind == invoices.Never:
		return a, facts(r.blocked(&a, l.Items[0].Invoice, d.Act, err)), nil
	}
	rests := r.restItems(&a, d, l.Items, err)
	if len(rests) == 0 {
		return a, facts(r.blocked(&a, l.Items[0].Invoice, d.Act, fmt.Errorf("given up after three days: %w", err))), nil
	}
	return a, rests, nil
}

// restItems lets every invoice of a letter rest, or returns nothing when one
// of them was tried for days.
func (r *run) restItems(a *invoices.Account, d invoices.Decision, items []invoices.Item, err error) []invoices.Fact {
	var facts []invoices.Fact
	for _, it := range items {
		f := r.resting(a, it.Invoice, d.Act, err, time.Time{})
		if f.Rest.Tries > maxTries {
			return nil
		}
		facts = append(facts, f)
	}
	return facts
}

// thread returns the id of the first letter that was sent about an invoice.
func thread(inv *invoices.Invoice) string {
	for _, o := range inv.Steps {
		if o.Result == invoices.Sent && o.Letter != "" {
			return o.Letter
		}
	}
	return ""
}

// copies returns who else gets the letter: the customer's own further
// addresses and those of the steps it carries, each once (R14).
func copies(a *invoices.Account, d invoices.Decision) []string {
	cc := slices.Concat(a.CC, d.CC)
	slices.Sort(cc)
	return slices.DeleteFunc(slices.Compact(cc), func(addr string) bool { return addr == a.Email })
}

// letterID names a letter by what it says and where it was written, so that
// the same letter always has the same name and cannot exist twice.
func (w *Worker) letterID(items []invoices.Item) string {
	names := make([]string, len(items))
	for i, it := range items {
		names[i] = fmt.Sprintf("%q %d %q", it.Invoice, it.Episode, it.Step)
	}
	slices.Sort(names)
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", w.Salt)
	for _, n := range names {
		fmt.Fprintf(h, "%s\n", n)
	}
	return hex.EncodeToString(h.Sum(nil))[:26]
}
