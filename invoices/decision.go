package invoices

import (
	"fmt"
	"time"

	"dunning/internal/period"
)

// Act is the kind of thing to do. Jobs are told which acts they may perform.
type Act int

// Acts.
const (
	Idle      Act = iota // nothing before Decision.At
	Check                // ask the provider about a link
	MakeLink             // ask the provider for a link
	RenewLink            // ask the provider for a link in place of one that ended unpaid
	Email                // send the first letter of an invoice
	Remind               // send any later letter
	Again                // send an uncertain letter once more, as a person decided
	Withdraw             // end a letter that was to be sent again but must not be any more
	Doubt                // a letter was left half sent: note it for a person
)

var acts = [...]string{"look", "check", "make_link", "renew_link", "email", "remind", "again", "withdraw", "doubt"}

// String returns the word stored for the act; Idle is "look": look again.
func (a Act) String() string { return acts[a] }

// ParseAct returns the act of a stored word.
func ParseAct(s string) (Act, error) {
	for i, word := range acts {
		if word == s {
			return Act(i), nil
		}
	}
	return Idle, fmt.Errorf("%q is no act", s)
}

// Sends reports whether the act gives a letter to the mail server.
func (a Act) Sends() bool { return a == Email || a == Remind || a == Again }

// kin returns the act whose failures also keep a from being tried: making and
// renewing fail alike, and so do all letters.
func (a Act) kin() Act {
	switch a {
	case RenewLink:
		return MakeLink
	case Remind, Again:
		return Email
	}
	return a
}

// A Decision is what to do with an account now, and why.
type Decision struct {
	Act     Act
	Invoice string         // for Check, MakeLink and RenewLink; for Idle the one whose reason is given
	Gen     int            // for Check: which link
	Life    *period.Period // for MakeLink and RenewLink: how long the link is to work

	Template string       // for Email and Remind
	Single   bool         // for Email and Remind: the letter stays its own
	Items    []Item       // for Email and Remind
	From     string       // for Email and Remind; empty: the installation's
	ReplyTo  string       // for Email and Remind; empty: the installation's
	CC       []string     // for Email and Remind: besides the customer's own
	Attach   []Attachment // for Email and Remind
	Skips    []Skip       // steps that the letter makes superfluous

	Letter string // for Again, Withdraw and Doubt
	Try    int    // for Again, Withdraw and Doubt: the last try made

	At     time.Time // for Idle: look again then; zero: when something changes
	Code   Code      // the reason in one word, for counting
	Why    string    // the reason in a sentence, for people
	Person bool      // nothing more happens until a person acts
}

// An Attachment is a file that goes with a letter.
type Attachment struct {
	File    string // as the configuration names it; {number} stands for the invoice's number
	Invoice string // whose number; empty: nobody's
}

// Code is the reason of a decision in one word. Finance and metrics count by it.
type Code string

// Codes of decisions that do nothing. Waiting is no fault; the others say why
// a step does not go out.
const (
	CodeNothing        Code = "nothing"          // no invoice
	CodeWaiting        Code = "waiting"          // nothing is due yet
	CodeFinished       Code = "ladder_finished"  // no step is left
	CodePaid           Code = "paid"             // nothing is owed
	CodePaidByLink     Code = "paid_by_link"     // a link was paid, the books do not say so yet (R3)
	CodeStatus         Code = "status"           // draft, void, credited, disputed or a word nobody knows (R20)
	CodeNoDueDate      Code = "no_due_date"      // R20
	CodeBeforeStart    Code = "before_start"     // due before start_from (R6)
	CodeCurrency       Code = "currency"         // the policy does not collect it
	CodeMinimum        Code = "below_minimum"    // R12
	CodeHold           Code = "hold"             // a person said so (R18)
	CodeNoRecipient    Code = "no_recipient"     // R20
	CodeSuppressed     Code = "suppressed"       // the address does not exist (R19)
	CodeStaleSource    Code = "stale_source"     // R8
	CodeVanished       Code = "vanished"         // the last full load did not mention it
	CodeStepFailed     Code = "step_failed"      // refused for good
	CodeUncertain      Code = "uncertain"        // may have left (R2)
	CodeStaleStep      Code = "stale_step"       // later than max_lateness (R5)
	CodePending        Code = "payment_pending"  // R9
	CodeMissing        Code = "link_missing"     // the provider does not know a link (R10)
	CodeMismatch       Code = "link_mismatch"    // the provider tells another amount
	CodeOtherKey       Code = "other_key"        // a link made with another key may still be paid (R26)
	CodeRenewals       Code = "renewals_used_up" // R10
	CodeLeft           Code = "link_left"        // on_expiry: leave, and a step needs a link
	CodeLinkDying      Code = "link_unavailable" // too short a life to be mailed, too live to be replaced (R10, R11)
	CodeResting        Code = "resting"          // an act failed and is tried again later
	CodeBlockedByOrder Code = "refused"          // an act failed for good until data or configuration change
	CodeStopped        Code = "stopped"          // a person, or an alarm, stopped all letters
	CodeBroken         Code = "broken"           // handling the account broke off again and again
	CodeApproval       Code = "needs_approval"   // a person says yes first: to far more letters than usual (R7), or to this one (R21)
	CodePolite         Code = "pacing"           // outside the window, or too soon after the last letter (R15, R17)
	CodeNoPolicy       Code = "no_policy"
	CodeStep           Code = "step_due"
	CodeNewLink        Code = "new_link"
	CodeExpiring       Code = "link_expiring"  // a letter before the link expires
	CodeFailedAttempt  Code = "failed_attempt" // a letter after payments failed
	CodeBrokenPromise  Code = "broken_promise" // a letter after a promise was not kept (R18)
	CodeLook           Code = "look"
)

// Withdrawn returns what becomes of a letter that is not sent again: skipped, or
// in doubt as before when a person is to decide.
func (d Decision) Withdrawn() Result {
	if d.Person {
		return Uncertain
	}
	return Skipped
}
