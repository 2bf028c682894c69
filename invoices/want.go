package invoices

import (
	"slices"
	"time"

	"dunning/internal/civil"
)

// A want is the letter that an invoice needs now, were all else well.
type want struct {
	step  *Step  // how it is written; nil: no letter is wanted
	name  string // its step key
	rung  int    // on the ladder; beside it: -1, or above all for a broken promise
	apart bool   // it shares its letter only with others of its template
	link  *Link  // the link it speaks of, if it speaks of one; it needs no other
	skips []Skip
	code  Code
	why   string
}

// newLink is the letter that brings a renewed link; it is no step of finance's.
var newLink = Step{Name: NewLinkTemplate, Template: NewLinkTemplate}

// want returns the letter that is due: first what follows a broken promise,
// then the ladder's, then those beside the ladder, while it is quiet.
func (v *view) want() (want, bool) {
	if !v.asked { // several lines of the board ask
		v.asked = true
		v.wish, v.wishes = v.wanted()
	}
	return v.wish, v.wishes
}

func (v *view) wanted() (want, bool) {
	if s, p := v.p.BrokenPromise, v.inv.Promise; s != nil && v.promiseBroken() {
		if name := brokenStep(s, p); v.undone(name) {
			return want{step: s, name: name, rung: len(v.p.Steps), apart: true, code: CodeBrokenPromise, why: "it was promised to be paid by " + p.On.String()}, true
		}
	}
	if l := v.climb(); l.due != nil {
		return want{step: l.due, name: l.due.Name, rung: l.rung, skips: l.skips, code: CodeStep, why: "the step " + l.due.Name + " is due"}, true
	}
	if !v.quiet() {
		return want{}, false
	}
	if l := v.owesLink(); l != nil {
		return want{step: &newLink, name: NewLinkStep(l.Gen), rung: -1, link: l, code: CodeNewLink, why: "its link was renewed"}, true
	}
	if s, at := v.expiring(); s != nil && !at.After(v.now) {
		l := v.mailed()
		return want{step: s, name: expiringStep(s.Name, l.Gen), rung: -1, apart: true, link: l, code: CodeExpiring, why: "its link expires on " + civil.Of(l.Expires.In(v.loc)).String()}, true
	}
	if s := v.p.FailedAttempt; s != nil && v.undone(failedStep(s)) {
		if l := v.mailed(); l != nil && l.State == Rejected && !v.dying(l) {
			return want{step: s, name: failedStep(s), rung: -1, apart: true, link: l, code: CodeFailedAttempt, why: "a payment was tried and failed"}, true
		}
	}
	return want{}, false
}

// level orders letters: the highest says which letter is written.
func (v *view) level() int {
	w, _ := v.want()
	return w.rung
}

// party names the letters that may be one: of the same policy, from the same
// sender, and about the same where they are beside the ladder (R14).
func (v *view) party() [4]string {
	w, _ := v.want()
	about := ""
	if w.apart {
		about = w.step.Template
	}
	return [4]string{v.p.Name, w.step.From, w.step.ReplyTo, about}
}

// first reports whether the letter of a rung would be the first one about the
// invoice in this episode.
func (v *view) first(rung int) bool {
	return rung == 0 && !slices.ContainsFunc(v.inv.Steps, func(o Outcome) bool { return o.Episode == v.inv.Episode && o.Result.went() })
}

// undone reports whether a step has no outcome in this episode.
func (v *view) undone(name string) bool {
	_, done := v.inv.outcome(name)
	return !done
}

// promiseBroken reports whether the date of a promise, and the days of grace,
// passed without the money (R18). A person's release forgives it.
func (v *view) promiseBroken() bool {
	p := v.inv.Promise
	return !p.On.IsZero() && p.Kept.IsZero() && !v.inv.kept() && !v.forgiven(p.At) && !v.now.Before(p.broken(v.p.Grace, v.loc))
}

// mailed returns the link that the customer holds, if it is the one to pay by.
func (v *view) mailed() *Link {
	if l := v.usable(); l != nil && l.Gen == v.mailedGen() {
		return l
	}
	return nil
}

// lastHour is how long before its expiry a link is not mailed in any case.
const lastHour = time.Hour

// expiring returns the next letter that speaks of the expiry of the link that
// the customer holds, and when its time comes, or came. It is mailed with less
// than min_life to go, for that is what it is about.
func (v *view) expiring() (*Step, time.Time) {
	l := v.mailed()
	if l == nil || l.Expires.IsZero() || !v.now.Add(lastHour).Before(l.Expires) {
		return nil, time.Time{}
	}
	var first *Step
	var when time.Time
	for i := range v.p.Steps {
		s := &v.p.Steps[i]
		if !s.aside() || !v.undone(expiringStep(s.Name, l.Gen)) {
			continue
		}
		at := v.before(v.day(s, nil)) // not after: it must come while the link works
		if v.passedOver(s, at) == "" && at.Before(l.Expires) && (first == nil || at.Before(when)) {
			first, when = s, at
		}
	}
	return first, when
}

// owesLink returns the renewed link that the customer has not been mailed yet.
func (v *view) owesLink() *Link {
	l := v.usable()
	if l == nil || l.Gen <= v.mailedGen() || !v.told() || v.dying(l) || !v.undone(NewLinkStep(l.Gen)) {
		return nil
	}
	return l
}
