package invoices

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Alarm is something about the installation as a whole that a person must
// hear of: mistakes that would concern many customers at once. At most one of a
// kind and key is open.
type Alarm struct {
	Kind   AlarmKind
	Key    string // what makes it this one and no other, such as a job or a source
	Detail string // what happened, what it means, in a sentence
	At     time.Time
	Stops  bool // no letter leaves until a person closes it
}

// AlarmKind names what is wrong with the installation.
type AlarmKind string

// Kinds of alarms.
const (
	AlarmPause    AlarmKind = "paused"            // a person stopped all letters (R18)
	AlarmStorm    AlarmKind = "needs_approval"    // a run planned far more letters than usual (R7)
	AlarmSource   AlarmKind = "source"            // a load failed, or looks wrong (R8)
	AlarmSilence  AlarmKind = "silence"           // letters are due and none was sent for a day
	AlarmRefused  AlarmKind = "letters_refused"   // the mail server refuses letter after letter at the dot
	AlarmBounces  AlarmKind = "addresses_refused" // mailbox after mailbox does not exist
	AlarmMail     AlarmKind = "mail_server"       // the login or the certificate of the mail server is refused (R19)
	AlarmKey      AlarmKind = "api_key"           // Cost+ refuses the key, or knows none of our links (R19)
	AlarmRestored AlarmKind = "restored"          // the database is older than what this machine remembers
	AlarmClock    AlarmKind = "clock"             // the clock disagrees with the books, or with another clock
	AlarmPanic    AlarmKind = "panic"             // handling an account broke off inside
	AlarmConfig   AlarmKind = "configuration"     // config.yaml was edited and is not right: the one before still holds (R24)
)

// A Plan is the letters that one run would send, for a person to approve (R7).
type Plan struct {
	ID      string // made from what it holds: the same letters have the same id
	Job     string
	At      time.Time
	Letters int
	Items   []Item // without generations: a link may be renewed between plan and letter
	Usual   int    // so many letters would have needed no approval

	Texts map[string]string // what each letter says, a digest by its id; nil: not laid down
}

// Announced is a letter of a plan.
type Announced struct {
	ID       string
	Account  string
	Template string
	Items    []Item
	Text     string // a digest of what it says, but for its payment links
}

// NewPlan returns the plan that sends some letters, each given by its items.
func NewPlan(job string, letters [][]Item, usual int, at time.Time) Plan {
	p := Plan{Job: job, At: at, Letters: len(letters), Usual: usual}
	for _, items := range letters {
		for _, it := range items {
			it.Gen = 0
			p.Items = append(p.Items, it)
		}
	}
	slices.SortFunc(p.Items, func(x, y Item) int { return strings.Compare(x.key(), y.key()) })
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", job)
	for _, it := range p.Items {
		fmt.Fprintln(h, it.key())
	}
	p.ID = hex.EncodeToString(h.Sum(nil))[:10]
	return p
}

func (it Item) key() string {
	return fmt.Sprintf("%q %d %q %d %s", it.Invoice, it.Episode, it.Step, it.Amount.Minor, it.Amount.Currency)
}

// Covers returns a function that reports whether every item of a letter is in
// one of the plans, with the same amount: what changed since is not covered.
func Covers(plans ...Plan) func([]Item) bool {
	known := map[[16]byte]bool{}
	name := func(it Item) [16]byte {
		sum := sha256.Sum256([]byte(it.key()))
		return [16]byte(sum[:16])
	}
	for _, p := range plans {
		for _, it := range p.Items {
			known[name(it)] = true
		}
	}
	return func(items []Item) bool {
		if len(known) == 0 {
			return false
		}
		return !slices.ContainsFunc(items, func(it Item) bool { return !known[name(it)] })
	}
}

// MaxClaims is how often an account may be claimed without being given back or
// brought forward before it is left alone: handling it breaks the worker.
const MaxClaims = 8
