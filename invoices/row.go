package invoices

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// A Row is one line of a source: an invoice and the customer who owes it, as
// the books say now. Rows are checked before they get here.
type Row struct {
	Line int // where it stands in the source, for messages

	Number      string
	Status      Status // empty: open
	Total       money.Amount
	Paid        int64 // minor units
	Credited    int64 // minor units
	IssuedOn    civil.Date
	DueOn       civil.Date
	Description string
	Policy      string   // of this invoice alone
	Tags        []string // sorted, each once

	Customer Debtor
}

// A Debtor is what a source says of a customer.
type Debtor struct {
	ID       string
	Name     string
	Email    string
	CC       []string
	Language string
	Country  string
	Zone     string // IANA name
	Policy   string
}

// A Load is one reading of one source. It takes effect as a whole or not at all.
type Load struct {
	Source string // the configured name
	File   string // what was read, for the books
	Digest string // of what was read; the same digest again only proves freshness
	At     time.Time
	AsOf   time.Time             // how old what was read is, such as when the file was written; zero: At
	Full   bool                  // the load lists every open invoice: what it leaves out has vanished
	Rows   iter.Seq2[Row, error] // an error is a *Problem, and more may follow it
}

// A Report says what a load did, or would do.
type Report struct {
	Source    string
	File      string
	Rows      int
	Added     int
	Changed   int
	Unchanged int
	Episodes  int      // invoices that began a new episode
	Vanished  []string // invoices that a full load left out: reported, never deleted
}

// A Problem is one thing wrong with what was read, and where.
type Problem struct {
	File   string
	Line   int    // from 1; 0: the file as a whole
	Column string // the column's name as the file writes it; empty: the line as a whole
	What   string // what is wrong, quoting what was read
	Plain  bool   // What quotes nothing of it, and may be logged
	Fix    string // what to do about it
}

// Error says all of it in one line.
func (p *Problem) Error() string {
	if p.Fix == "" {
		return shown(p.place() + ": " + p.What)
	}
	return shown(p.place() + ": " + p.What + "; " + p.Fix)
}

func (p *Problem) place() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, p.Line)
	}
	if p.Column != "" {
		place += ": " + p.Column
	}
	return place
}

// shown makes what a source repeats of a file visible, so that no terminal
// obeys it.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\u00a0' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// Problems is everything wrong with a load.
type Problems []*Problem

// Error says how much is wrong and where the first of it stands, and not what
// stands there, which may be a customer's name or address: it ends up in logs
// (R25).
func (ps Problems) Error() string {
	if len(ps) == 0 {
		return "nothing is wrong"
	}
	first, more := *ps[0], ""
	if !first.Plain {
		first.What = "what stands there cannot be taken in, and is shown by: dunning import --dry-run"
	}
	if len(ps) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(ps)-1)
	}
	return first.Error() + more
}

// Told returns all that is wrong, a line each, quoting what was read: for the
// person who has the file.
func (ps Problems) Told() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// A Suspicion is a load that is well formed and yet looks wrong as a whole: far
// fewer rows than the last one, or far more (R8). Nothing of it was taken in.
type Suspicion struct {
	Source string
	ID     string // names the load for a person who says that it is right
	What   string
}

func (s *Suspicion) Error() string {
	return s.What + "; nothing of it was taken in; if it is right: dunning approve " + s.ID
}

// fewRows is by how many rows two loads may always differ: a small business
// may well double its unpaid invoices in a morning.
const fewRows = 10

// Doubtful returns what looks wrong when a full load has so many rows and the
// one before had so many; empty: nothing (R8).
func Doubtful(before, rows int) string {
	switch {
	case before == 0 || max(before-rows, rows-before) < fewRows:
		return ""
	case rows*2 < before:
		return fmt.Sprintf("it has %d rows, the load before had %d: less than half", rows, before)
	case rows >= before*2:
		return fmt.Sprintf("it has %d rows, the load before had %d: twice as many or more", rows, before)
	}
	return ""
}

// Change is what a new row did to an invoice.
type Change string

// Changes.
const (
	Added     Change = "added"
	Unchanged Change = "unchanged"
	Changed   Change = "changed"
)

// Revise returns what an invoice becomes when a source tells of it anew, and
// what changed. Old is nil for an invoice never seen. Now is the instant and
// today the date in the account's zone.
//
// A payment, a new amount and an earlier due date keep the episode: what was
// sent stays sent, and the rest of the ladder is counted from the new dates
// (R12, R23). Extending an overdue invoice past today, or reopening one that
// was not collectible, begins the next episode.
func Revise(old *Invoice, row Row, now time.Time, today civil.Date) (Invoice, Change) {
	next := Invoice{
		Number: row.Number, Status: row.Status, Total: row.Total, Paid: row.Paid, Credited: row.Credited,
		IssuedOn: row.IssuedOn, DueOn: row.DueOn, Description: row.Description, Episode: 1,
		Policy: row.Policy, Tags: row.Tags,
	}
	if next.Status == "" {
		next.Status = Open
	}
	if old == nil {
		if next.IssuedOn.IsZero() {
			next.IssuedOn = today
		}
		return next, Added
	}
	if next.IssuedOn.IsZero() {
		next.IssuedOn = old.IssuedOn
	}
	next.Episode, next.Moved, next.Released = old.Episode, old.Moved, old.Released
	next.Hold, next.Links, next.Steps = old.Hold, old.Links, old.Steps
	next.Source, next.Known, next.Doubt = old.Source, old.Known, old.Doubt
	next.Promise, next.Approved = old.Promise, old.Approved
	if p := &next.Promise; !p.On.IsZero() && p.Kept.IsZero() && next.kept() {
		p.Kept = now
	}
	if same(old, &next) {
		next.Rest = old.Rest
		return next, Unchanged
	}
	reopened := !old.collectible() && next.collectible()
	extended := !old.DueOn.IsZero() && old.DueOn.Before(today) && next.DueOn.After(today)
	if reopened || extended {
		next.Episode++
		next.Moved = time.Time{}
		if extended {
			next.Moved = now
		}
	}
	return next, Changed
}

// same reports whether two readings of an invoice say the same.
func same(a, b *Invoice) bool {
	return a.Status == b.Status && a.Total == b.Total && a.Paid == b.Paid && a.Credited == b.Credited &&
		a.IssuedOn == b.IssuedOn && a.DueOn == b.DueOn && a.Description == b.Description && !a.Vanished &&
		a.Policy == b.Policy && slices.Equal(a.Tags, b.Tags)
}

// collectible reports whether the books say that something is owed.
func (inv *Invoice) collectible() bool { return inv.Status == Open && inv.Open().Minor > 0 }
