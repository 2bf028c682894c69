package invoices

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"dunning/internal/calendar"
	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/period"
)

// A view is one invoice of one account at one instant, with what several lines
// of the board need computed once.
type view struct {
	p     *Policy // nil: one is asked for that is not configured
	a     *Account
	inv   *Invoice
	now   time.Time
	loc   *time.Location
	cal   *calendar.Calendar
	today civil.Date
	older civil.Date // when the invoice gets another policy for its age; no date: never

	climbed bool
	ladder  ladder
	asked   bool
	wish    want
	wishes  bool

	ready Decision // the letter this invoice is ready for
}

func (ps *Policies) view(a *Account, inv *Invoice, now time.Time) *view {
	v := &view{a: a, inv: inv, now: now}
	if v.p, v.older = ps.choose(a, inv, now); v.p != nil {
		v.loc, v.cal = v.p.zone(a), v.p.calendar(a)
		v.today = civil.Of(now.In(v.loc))
	}
	return v
}

// The board: what the rows say, and what Next says of it. The first line that
// fits wins. The window binds only letters; links are made and looked at by
// day and night.
var board = [...]struct {
	says string
	fits func(*view) (Decision, bool)
}{
	{"handling it breaks the worker", broken},
	{"a link was not looked at for a while", unseen},
	{"nothing is owed", settled},
	{"it is not to be collected", ineligible},
	{"a person said to wait", held},
	{"a person must decide about a letter", undecided},
	{"there is nobody to write to", unreachable},
	{"the books are not up to date", untold},
	{"a payment is under way", pending},
	{"a link cannot be trusted", untrusted},
	{"a letter is due that a person must approve of", unapproved},
	{"a step is due, but very late", late},
	{"its link ended unpaid and no step is near", ended},
	{"a step is near and there is no link for it", unlinked},
	{"no step is due", early},
	{"a step is due, but now is no polite time", impolite},
	{"a step is due, but all letters are stopped", stopped},
	{"a step is due", due},
}

// decide decides for one invoice as if the account had no other.
func (v *view) decide() Decision {
	if v.p == nil {
		return v.unruled()
	}
	for _, line := range board {
		if d, ok := line.fits(v); ok {
			return v.rested(d)
		}
	}
	panic("invoices: no line of the board fits") // due always does
}

// unruled: nothing is done by a policy that nobody wrote.
func (v *view) unruled() Decision {
	name := v.inv.Policy
	if name == "" {
		name = v.a.Policy
	}
	return Decision{Invoice: v.inv.Number, Code: CodeNoPolicy, Person: true, Why: "the policy " + name + " is not in the configuration"}
}

// rested keeps an act that failed from being tried again too soon, and lets
// every wait end no later than the next look at a link.
func (v *view) rested(d Decision) Decision {
	d.Invoice = v.inv.Number
	if r := v.inv.Rest; d.Act != Idle && r.active(d.Act, v.now) {
		d = Decision{Invoice: v.inv.Number, At: r.Until, Code: CodeResting, Why: r.Why}
		if r.Until.IsZero() {
			d.Code, d.Person = CodeBlockedByOrder, true
		}
	}
	if d.Act == Idle {
		if look := v.nextLook(); look.After(v.now) && (d.At.IsZero() || look.Before(d.At)) {
			d.At = look
		}
		if !v.older.IsZero() {
			if turn := v.older.Start(v.loc); d.At.IsZero() || turn.Before(d.At) {
				d.At = turn
			}
		}
	}
	return d
}

// ours reports whether a link was made with a key whose links we can look at.
func (v *view) ours(l *Link) bool { return v.p.Key.Knows(l.Key) }

// lookAt returns when a link is to be looked at next, or the zero time for one
// that is final or made with another key. A payment under way is looked at
// often, a link that ended rarely: a slow bank may still complete it. Otherwise
// it is the rarer the longer nothing has happened to the link, for people pay
// soon after a letter or not for long: after an eighth of that time, within the
// bounds of the policy. It depends on the last look alone, so that asking twice
// changes nothing; and it is a little different for every link and look, so that
// a million links that were made in one run do not stay together.
func (v *view) lookAt(l *Link) time.Time {
	if !l.Made() || l.final() || !v.ours(l) {
		return time.Time{}
	}
	every := v.p.Link.Poll
	if quiet := l.Seen.Sub(v.stirred(l)); v.p.Link.PollMax > every && !l.Seen.IsZero() {
		every = min(max(every, quiet/8), v.p.Link.PollMax)
		every -= every / 100 * spread(l)
	}
	switch {
	case l.State == Trying:
		every = min(every, 5*time.Minute)
	case l.usedUp():
		every = max(every, 24*time.Hour)
	}
	at := l.Seen.Add(every)
	if l.Seen.Before(l.Expires) && l.Expires.Before(at) {
		at = l.Expires
	}
	return at
}

// stirred returns when something last happened to a link: it changed, or was
// mailed.
func (v *view) stirred(l *Link) time.Time {
	last := l.Since
	for i := range v.inv.Steps {
		if o := &v.inv.Steps[i]; o.Gen == l.Gen && o.Result == Sent && o.At.After(last) {
			last = o.At
		}
	}
	return last
}

// spread returns 0 to 15, by a link and when it was looked at.
func spread(l *Link) time.Duration {
	h := fnv.New32a()
	fmt.Fprint(h, l.Ref, l.Seen.Unix())
	return time.Duration(h.Sum32() % 16)
}

// nextLook returns when the first of the invoice's links is to be looked at.
func (v *view) nextLook() time.Time {
	var first time.Time
	for i := range v.inv.Links {
		if at := v.lookAt(&v.inv.Links[i]); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// broken: an account that broke the worker again and again is left alone, so
// that the others are served.
func broken(v *view) (Decision, bool) {
	if v.a.Claims < MaxClaims {
		return Decision{}, false
	}
	return Decision{Code: CodeBroken, Person: true, Why: fmt.Sprintf("handling this customer broke off %d times in a row; see the log", v.a.Claims)}, true
}

// unseen: any link of any generation that is not final is looked at, also when
// the invoice is paid or void: that is how a double payment is found.
func unseen(v *view) (Decision, bool) {
	for i := range v.inv.Links {
		l := &v.inv.Links[i]
		if at := v.lookAt(l); !at.IsZero() && !at.After(v.now) {
			return Decision{Act: Check, Gen: l.Gen, Code: CodeLook, Why: "time to look at the link"}, true
		}
	}
	return Decision{}, false
}

// unbooked returns a completed link whose payment the books do not show yet.
func (v *view) unbooked() *Link {
	for i := range v.inv.Links {
		if l := &v.inv.Links[i]; l.State == Completed && !v.inv.booked(l) {
			return l
		}
	}
	return nil
}

// settled: paid means silence (R3).
func settled(v *view) (Decision, bool) {
	switch inv := v.inv; {
	case inv.Status == Void, inv.Status == Credited:
		return Decision{Code: CodeStatus, Why: string(inv.Status)}, true
	case inv.Status == Paid, inv.Status == Open && inv.Open().Minor <= 0:
		return Decision{Code: CodePaid, Why: "paid"}, true
	case v.unbooked() != nil:
		return Decision{Code: CodePaidByLink, Person: true, Why: "paid by link, not yet booked"}, true
	}
	return Decision{}, false
}

// ineligible: only what is listed is collected (R6, R12, R20).
func ineligible(v *view) (Decision, bool) {
	inv, open := v.inv, v.inv.Open()
	switch {
	case inv.Status != Open:
		return Decision{Code: CodeStatus, Why: "its status is " + string(inv.Status)}, true
	case inv.DueOn.IsZero():
		return Decision{Code: CodeNoDueDate, Person: true, Why: "it has no due date"}, true
	case inv.DueOn.Before(v.p.StartFrom):
		return Decision{Code: CodeBeforeStart, Why: "due before " + v.p.StartFrom.String() + ", when collecting starts"}, true
	case !v.p.collects(open):
		return Decision{Code: CodeCurrency, Why: "the policy does not collect " + open.Currency}, true
	case open.Minor < v.p.MinAmount[open.Currency]:
		return Decision{Code: CodeMinimum, Why: "the open balance is below the minimum"}, true
	}
	return Decision{}, false
}

// held: a person's word binds until its end, or until it is taken back (R18).
func held(v *view) (Decision, bool) {
	for _, h := range []Hold{v.inv.Hold, v.a.Hold} {
		if h.Active(v.now) {
			return Decision{Code: CodeHold, At: h.Until, Why: "on hold: " + h.Reason}, true
		}
	}
	p := v.inv.Promise
	if p.On.IsZero() || !p.Kept.IsZero() || v.inv.kept() || v.forgiven(p.At) {
		return Decision{}, false
	}
	if end := p.broken(v.p.Grace, v.loc); v.now.Before(end) {
		promised := money.Amount{Minor: p.Amount, Currency: v.inv.Total.Currency}
		return Decision{Code: CodeHold, At: end, Why: "promised to pay " + promised.String() + " by " + p.On.String()}, true
	}
	return Decision{}, false
}

// undecided: a letter that may have left, or that was refused, waits for a
// person (R2, R19).
func undecided(v *view) (Decision, bool) {
	for _, o := range v.inv.Steps {
		if o.Episode != v.inv.Episode {
			continue
		}
		switch o.Result {
		case Uncertain:
			return Decision{Code: CodeUncertain, Person: true, Why: "it is not known whether the letter " + o.Step + " arrived"}, true
		case Failed:
			return Decision{Code: CodeStepFailed, Person: true, Why: "the letter " + o.Step + " was refused"}, true
		case Sending:
			return Decision{Code: CodeUncertain, Why: "the letter " + o.Step + " is on its way, and what becomes of it is not noted yet"}, true
		case Resend:
			return Decision{Code: CodeUncertain, Why: "the letter " + o.Step + " is sent again when letters may leave"}, true
		}
	}
	return Decision{}, false
}

// unreachable: without a recipient no step is spent (R19, R20).
func unreachable(v *view) (Decision, bool) {
	switch v.a.Email {
	case "":
		return Decision{Code: CodeNoRecipient, Person: true, Why: "the customer has no e-mail address"}, true
	case v.a.Suppressed:
		return Decision{Code: CodeSuppressed, Person: true, Why: "the customer's e-mail address does not exist"}, true
	}
	return Decision{}, false
}

// untold: no dunning on old data (R8).
func untold(v *view) (Decision, bool) {
	if v.inv.Doubt != "" {
		return Decision{Code: CodeStaleSource, Person: true, Why: "the source " + v.inv.Source + " is not believed: " + v.inv.Doubt}, true
	}
	if v.inv.Vanished {
		return Decision{Code: CodeVanished, Person: true, Why: "the last full load of " + v.inv.Source + " does not mention it"}, true
	}
	age := v.p.MaxSourceAge[v.inv.Source]
	if age > 0 && v.now.Sub(v.inv.Known) > age {
		return Decision{Code: CodeStaleSource, Person: true, Why: "the source " + v.inv.Source + " was not read for too long"}, true
	}
	return Decision{}, false
}

// pending: money on its way is not dunned (R9).
func pending(v *view) (Decision, bool) {
	for i := range v.inv.Links {
		l := &v.inv.Links[i]
		if l.State != Trying || !v.ours(l) || v.forgiven(l.Since) {
			continue
		}
		end := v.cal.AddWorkdays(civil.Of(l.Since.In(v.loc)), v.p.PendingMax).AddDays(1).Start(v.loc)
		if v.now.Before(end) {
			return Decision{Code: CodePending, At: end, Why: "a payment is under way"}, true
		}
		return Decision{Code: CodePending, Person: true, Why: fmt.Sprintf("a payment is under way for more than %d working days", v.p.PendingMax)}, true
	}
	return Decision{}, false
}

// forgiven reports whether a person said "go on" after something happened.
func (v *view) forgiven(since time.Time) bool { return v.inv.Released.After(since) }

// untrusted: a link the provider does not know, or tells otherwise of, is
// never replaced by ourselves (R10, R26): somebody may be able to pay it.
func untrusted(v *view) (Decision, bool) {
	for i := range v.inv.Links {
		l := &v.inv.Links[i]
		if !l.Made() || v.forgiven(l.Since) {
			continue
		}
		if !v.ours(l) {
			if l.State == Completed || l.usedUp() || v.p.Key.forgotten(l.Key) {
				continue
			}
			return Decision{Code: CodeOtherKey, Person: true, Why: "its link was made with another API key"}, true
		}
		switch l.State {
		case New, Trying, Rejected, Completed, Expired, Lost:
		case Missing:
			return Decision{Code: CodeMissing, Person: true, Why: "Cost+ does not know its link any more; was the API key changed?"}, true
		case Mismatch:
			return Decision{Code: CodeMismatch, Person: true, Why: "Cost+ tells another amount for its link"}, true
		default:
			return Decision{Code: CodeMismatch, Person: true, Why: "Cost+ reports an unknown state of its link: " + string(l.State)}, true
		}
	}
	return Decision{}, false
}

// late: a step that is very late needs a person (R5), until the next one falls
// due. It is not late for the
// time in which it was on hold, or waited for a step that it requires.
func late(v *view) (Decision, bool) {
	step := v.climb()
	if step.due == nil || v.p.MaxLateness == 0 {
		return Decision{}, false
	}
	since := step.at
	waited := []time.Time{v.inv.Released, v.inv.Hold.Until, v.a.Hold.Until}
	if p := v.inv.Promise; !p.On.IsZero() {
		waited = append(waited, p.broken(v.p.Grace, v.loc))
	}
	for _, ok := range v.inv.Approved {
		if ok.Episode == v.inv.Episode && ok.Step == step.due.Name {
			waited = append(waited, ok.At)
		}
	}
	for _, name := range step.due.RequiresSent {
		if o, ok := v.inv.outcome(name); ok {
			waited = append(waited, o.At)
		}
	}
	for _, t := range waited {
		if t.After(since) && !t.After(v.now) {
			since = t
		}
	}
	if days := v.today.DaysSince(civil.Of(since.In(v.loc))); days > v.p.MaxLateness {
		return Decision{Code: CodeStaleStep, Person: true, At: v.climb().next, Why: fmt.Sprintf("the step %s is %d days late", step.due.Name, days)}, true
	}
	return Decision{}, false
}

// usable returns the newest link that can be paid and asks for what is owed.
func (v *view) usable() *Link {
	open := v.inv.Open()
	for i := len(v.inv.Links) - 1; i >= 0; i-- {
		if l := &v.inv.Links[i]; l.payable() && l.Amount == open && v.ours(l) {
			return l
		}
	}
	return nil
}

// dying reports whether a link has too little life left to be mailed (R11).
func (v *view) dying(l *Link) bool {
	return !l.Expires.IsZero() && v.p.Link.MinLife.AddTo(v.now).After(l.Expires)
}

// obtain returns the act that gets a link: a first one, or one in place of one
// that ended unpaid, as often as the policy allows (R10).
func (v *view) obtain(life *period.Period, why string) Decision {
	ended, same := 0, false
	var last time.Time
	for i := range v.inv.Links {
		l := &v.inv.Links[i]
		if !l.usedUp() || !v.ours(l) {
			continue
		}
		if !v.forgiven(l.Since) {
			ended++
		}
		if l.Amount == v.inv.Open() {
			same, last = true, l.Since
		}
	}
	if life == nil {
		life = &v.p.Link.Life
	}
	switch {
	case !same:
		return Decision{Act: MakeLink, Life: life, Code: CodeLook, Why: why}
	case v.p.Link.OnExpiry == Leave && !v.forgiven(last):
		return Decision{Code: CodeLeft, Person: true, Why: "its link ended unpaid, and the policy makes no other"}
	case ended > v.p.Link.MaxRenewals:
		return Decision{Code: CodeRenewals, Person: true, Why: fmt.Sprintf("its link was renewed %d times", ended-1)}
	}
	return Decision{Act: RenewLink, Life: life, Code: CodeLook, Why: why}
}

// mailedGen returns the newest link generation that the customer was mailed.
func (v *view) mailedGen() int {
	gen := 0
	for _, o := range v.inv.Steps {
		if o.Result.went() {
			gen = max(gen, o.Gen)
		}
	}
	return gen
}

// quiet reports whether the ladder says nothing now or within the days that
// must lie between two letters: else its letter carries whatever there is to say.
func (v *view) quiet() bool {
	step := v.climb()
	return step.due == nil && (step.soon == nil || step.next.After(v.today.AddDays(v.p.MinGap).At(23, 59, v.loc)))
}

// told reports whether the customer holds a link that ended unpaid and that
// the policy wants replaced by mail, with no step near that would carry it.
func (v *view) told() bool {
	if v.p.Link.OnExpiry != MailNew || !v.quiet() {
		return false
	}
	l := v.inv.Link(v.mailedGen())
	return l != nil && l.usedUp() && v.ours(l)
}

// ended: a link that ended unpaid is renewed, once GET said so (R10).
func ended(v *view) (Decision, bool) {
	if v.usable() != nil || !v.told() {
		return Decision{}, false
	}
	if l := v.inv.Link(v.mailedGen()); l.Amount != v.inv.Open() {
		return Decision{}, false // the next step makes one for the new amount
	}
	return v.obtain(nil, "its link ended unpaid"), true
}

// unlinked: no link, no mail (R11).
func unlinked(v *view) (Decision, bool) {
	w, due := v.want()
	s := w.step
	if due && w.link != nil {
		return Decision{}, false // it speaks of a link that there is
	}
	if step := v.climb(); !due && step.soon != nil && !v.p.Link.Lead.AddTo(v.now.In(v.loc)).Before(step.next) {
		s = step.soon
	}
	if s == nil {
		return Decision{}, false
	}
	l := v.usable()
	if l == nil {
		return v.obtain(s.Life, "the step "+s.Name+" needs a link"), true
	}
	if due && v.dying(l) {
		d := Decision{Code: CodeLinkDying, Why: "its link expires too soon to be mailed; a new one is made when Cost+ says it has"}
		if l.Expires.After(v.now) {
			d.At = l.Expires
		}
		return d, true
	}
	return Decision{}, false
}

// early: nothing to say yet.
func early(v *view) (Decision, bool) {
	if _, due := v.want(); due {
		return Decision{}, false
	}
	d := Decision{Code: CodeFinished, Why: "the ladder is finished"}
	if step := v.climb(); step.soon != nil {
		d = Decision{Code: CodeWaiting, At: step.next, Why: "next step: " + step.soon.Name}
		if make := v.p.Link.Lead.SubFrom(step.next.In(v.loc)); make.After(v.now) {
			d.At = make
		}
	}
	// Where its time has come, a step of the ladder is near and says it all.
	if s, at := v.expiring(); s != nil && at.After(v.now) && (d.At.IsZero() || at.Before(d.At)) {
		d.Code, d.At, d.Why = CodeWaiting, at, "next letter: "+s.Name
	}
	return d, true
}

// unapproved: big debtors, and steps that finance wants to see first, wait for
// a person's yes to this step and this amount (R21).
func unapproved(v *view) (Decision, bool) {
	w, due := v.want()
	open := v.inv.Open()
	if !due || !w.step.asks(open) {
		return Decision{}, false
	}
	for _, ok := range v.inv.Approved {
		if ok.Episode == v.inv.Episode && ok.Step == w.name && ok.Amount == open {
			return Decision{}, false
		}
	}
	return Decision{Code: CodeApproval, Person: true, At: v.climb().next, Why: fmt.Sprintf("the letter %s about %s waits for a person's approval", w.name, open)}, true
}

// asks reports whether a letter about so much needs a person's approval.
func (s *Step) asks(open money.Amount) bool {
	limit, ok := s.Above[open.Currency]
	return s.Approval || ok && open.Minor > limit
}

// impolite: outside the window, or too soon after the last letter (R15, R17).
func impolite(v *view) (Decision, bool) {
	w, _ := v.want()
	at := v.polite(w.step.Single)
	if !at.After(v.now) {
		return Decision{}, false
	}
	return Decision{Code: CodePolite, At: at, Why: "a letter is due and waits for a polite time"}, true
}

// stopped: a person, or an alarm, keeps every letter from leaving.
func stopped(v *view) (Decision, bool) {
	if v.a.Stopped == "" {
		return Decision{}, false
	}
	return Decision{Code: CodeStopped, Person: true, Why: "all letters are stopped: " + v.a.Stopped}, true
}

// due: everything is as it must be. [Policies.Next] verifies the link once more
// and puts the letter together.
func due(v *view) (Decision, bool) {
	w, _ := v.want()
	d := Decision{
		Act: Remind, Template: w.step.Template, Single: w.step.Single, Skips: w.skips, Code: w.code, Why: w.why,
		From: w.step.From, ReplyTo: w.step.ReplyTo, CC: w.step.CC,
		Items: []Item{{Invoice: v.inv.Number, Episode: v.inv.Episode, Step: w.name, Gen: v.usable().Gen, Amount: v.inv.Open()}},
	}
	if v.first(w.rung) {
		d.Act = Email
	}
	for _, file := range w.step.Attach {
		a := Attachment{File: file}
		if strings.Contains(file, "{number}") {
			a.Invoice = v.inv.Number
		}
		d.Attach = append(d.Attach, a)
	}
	return d, true
}

// unverified: right before a letter every link that may be paid was looked at
// within the last minute (R3). One that has just expired may be, too: a slow
// bank method may complete it late.
func (v *view) unverified() (Decision, bool) {
	for i := range v.inv.Links {
		l := &v.inv.Links[i]
		if l.Made() && !l.final() && v.ours(l) && v.now.Sub(l.Seen) > Fresh {
			return v.rested(Decision{Act: Check, Gen: l.Gen, Code: CodeLook, Why: "make sure it is unpaid"}), true
		}
	}
	return Decision{}, false
}
