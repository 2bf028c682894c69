package invoices

import "time"

// An Owed is a step whose time has come and that has no outcome yet, with the
// act that would send it or make it superfluous.
type Owed struct {
	Item
	By Act // Email or Remind
}

// Owed returns every step of an account whose time has come and that has no
// outcome. Each of them ends a run in exactly one [Class]; that is how the
// books of a run balance (R25).
func (ps *Policies) Owed(a *Account, now time.Time) []Owed {
	var owed []Owed
	for i := range a.Invoices {
		v := ps.view(a, &a.Invoices[i], now)
		if v.p == nil {
			continue
		}
		step := v.climb()
		if step.due == nil {
			continue
		}
		by := Remind
		if v.first(step.rung) {
			by = Email
		}
		item := Item{Invoice: v.inv.Number, Episode: v.inv.Episode, Step: step.due.Name}
		owed = append(owed, Owed{item, by})
		for _, s := range step.skips {
			item.Step = s.Step
			owed = append(owed, Owed{item, by})
		}
	}
	return owed
}

// Class is where a due step stands at the end of a run.
type Class string

// Classes. A step that is Left was due for a moment in which the run could not
// act any more: it was stopped, or the mail server could not be reached.
const (
	ClassSent      Class = "sent"
	ClassSkipped   Class = "skipped"
	ClassFailed    Class = "failed"
	ClassUncertain Class = "uncertain"
	ClassHeld      Class = "held"
	ClassBlocked   Class = "blocked"
	ClassLeft      Class = "left"
)

// Classes lists every class, in the order in which they are printed.
var Classes = [...]Class{ClassSent, ClassSkipped, ClassFailed, ClassUncertain, ClassHeld, ClassBlocked, ClassLeft}

// Class returns where a step of an account stands, and why.
func (ps *Policies) Class(a *Account, it Item, now time.Time) (Class, Code) {
	inv := a.Find(it.Invoice)
	if inv == nil {
		return ClassSkipped, CodePaid // settled meanwhile
	}
	if i := inv.index(it.Episode, it.Step); i >= 0 {
		switch inv.Steps[i].Result {
		case Sent:
			return ClassSent, CodeStep
		case Skipped:
			return ClassSkipped, CodeStep
		case Failed:
			return ClassFailed, CodeStepFailed
		default:
			return ClassUncertain, CodeUncertain
		}
	}
	d := ps.view(a, inv, now).decide()
	return d.Code.class(), d.Code
}

// class says how a reason not to send counts in the books.
func (c Code) class() Class {
	switch c {
	case CodePaid, CodePaidByLink, CodeStatus, CodeBeforeStart, CodeCurrency, CodeMinimum:
		return ClassSkipped
	case CodeBroken, CodeNoRecipient, CodeSuppressed, CodeNoPolicy, CodeNoDueDate, CodeBlockedByOrder, CodeMissing, CodeMismatch, CodeOtherKey, CodeRenewals, CodeLeft:
		return ClassBlocked
	case CodeUncertain:
		return ClassUncertain
	case CodeStepFailed:
		return ClassFailed
	case CodeStep, CodeNewLink, CodeExpiring, CodeFailedAttempt, CodeBrokenPromise, CodeLook:
		return ClassLeft
	}
	return ClassHeld
}

// Asked is one line of the board and whether it fitted.
type Asked struct {
	Says string
	Fits bool
}

// Explain decides for one invoice as if the account had no other, and says by
// which lines of the board.
func (ps *Policies) Explain(a *Account, inv *Invoice, now time.Time) (Decision, []Asked) {
	v := ps.view(a, inv, now)
	if v.p == nil {
		return v.unruled(), nil
	}
	var asked []Asked
	for _, line := range board {
		d, ok := line.fits(v)
		asked = append(asked, Asked{line.says, ok})
		if ok {
			return v.rested(d), asked
		}
	}
	return Decision{}, asked
}

// Blockers returns everything that keeps a letter about an invoice from leaving
// at an instant, were its step due: not only what Next would say first. A wait
// for the next step is none.
func (ps *Policies) Blockers(a *Account, inv *Invoice, now time.Time) []Decision {
	v := ps.view(a, inv, now)
	if v.p == nil {
		return []Decision{v.unruled()}
	}
	lines := []func(*view) (Decision, bool){
		broken, settled, ineligible, held, undecided, unreachable, untold, pending, untrusted, unapproved, late, stopped,
	}
	if _, wanted := v.want(); wanted {
		lines = append(lines, unlinked, impolite)
	}
	var all []Decision
	for _, fits := range lines {
		if d, ok := fits(v); ok && d.Act == Idle {
			d.Invoice = inv.Number
			all = append(all, d)
		}
	}
	return all
}
