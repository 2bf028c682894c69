// Package storetest is what every database must do for the store: one suite,
// run on each. A test that proves a rule of the worker's behaviour begins with
// its number.
package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/internal/store"
	"dunning/invoices"
)

// Run runs the suite on databases that fresh makes: it returns the URL of an
// empty one.
func Run(t *testing.T, fresh func(testing.TB) string) {
	for _, group := range [][]check{starts, claims, links, letters, agreement, imports, people, ladder, books, guards, crowds} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) { c.run(&bench{T: t, fresh: fresh, now: monday}) })
		}
	}
}

type check struct {
	name string
	run  func(*bench)
}

// monday is when most tests begin.
var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// A bench is one test with one database and a clock that is turned by hand.
type bench struct {
	*testing.T
	fresh func(testing.TB) string
	url   string
	db    *store.Store
	now   time.Time
	loads int
}

var ctx = context.Background()

// open opens the test's database, which is made the first time.
func (b *bench) open() *store.Store {
	b.Helper()
	if b.url == "" {
		b.url = b.fresh(b)
	}
	s, err := store.Open(ctx, store.Options{URL: b.url, Actor: "worker-1", Config: "cfg", Migrate: true, Leases: store.ByCaller})
	b.must(err)
	b.Cleanup(func() { b.must(s.Close()) })
	if b.db == nil {
		b.db = s
	}
	return s
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// wait lets time pass.
func (b *bench) wait(d time.Duration) { b.now = b.now.Add(d) }

// row is an invoice of an account as the books tell it: 120.00 EUR, issued on
// 2 March, due on 1 April.
func row(account, number string) invoices.Row {
	return invoices.Row{
		Number: number, Total: money.Amount{Minor: 12000, Currency: "EUR"}, Description: "work",
		IssuedOn: civil.Date{Year: 2026, Month: 3, Day: 2}, DueOn: civil.Date{Year: 2026, Month: 4, Day: 1},
		Customer: invoices.Debtor{ID: account, Name: "The " + account, Email: account + "@example.com", CC: []string{"cc@example.com"}, Zone: "Europe/Amsterdam", Language: "nl", Country: "NL"},
	}
}

func all(rows ...invoices.Row) iter.Seq2[invoices.Row, error] {
	return func(yield func(invoices.Row, error) bool) {
		for i, r := range rows {
			if r.Line = i + 2; !yield(r, nil) {
				return
			}
		}
	}
}

// load returns a load that was never read before.
func (b *bench) load(rows ...invoices.Row) invoices.Load {
	b.loads++
	return invoices.Load{Source: "erp", File: "books.csv", Digest: fmt.Sprint("digest ", b.loads), At: b.now, Rows: all(rows...)}
}

// tell imports rows.
func (b *bench) tell(rows ...invoices.Row) invoices.Report {
	b.Helper()
	report, err := b.db.Import(ctx, b.load(rows...), time.UTC, false)
	b.must(err)
	return report
}

// query claims whatever is due for any act.
func (b *bench) query() invoices.Query {
	return invoices.Query{Now: b.now, Lease: time.Minute, Limit: 100, Acts: []invoices.Act{invoices.Idle, invoices.Email, invoices.MakeLink}}
}

// claim claims the only account that is due.
func (b *bench) claim() invoices.Account {
	b.Helper()
	list, err := b.db.Claim(ctx, b.query())
	b.must(err)
	if len(list) != 1 {
		b.Fatalf("%d accounts are due, want 1", len(list))
	}
	return list[0]
}

// debtor opens a database with one account that owes some invoices, and claims
// it.
func (b *bench) debtor(numbers ...string) invoices.Account {
	b.Helper()
	b.open()
	var rows []invoices.Row
	for _, n := range numbers {
		rows = append(rows, row("acme", n))
	}
	b.tell(rows...)
	return b.claim()
}

func (b *bench) begin(a invoices.Account, in invoices.Intent) invoices.Account {
	b.Helper()
	a, err := b.db.Begin(ctx, a, in)
	b.must(err)
	return a
}

func (b *bench) end(a invoices.Account, facts ...invoices.Fact) invoices.Account {
	b.Helper()
	a, err := b.db.End(ctx, a, facts...)
	b.must(err)
	return a
}

func (b *bench) release(a invoices.Account, d invoices.Decision) {
	b.Helper()
	b.must(b.db.Release(ctx, a, d, b.now))
}

// lookup reads an account as the database has it.
func (b *bench) lookup(number string) (invoices.Account, *invoices.Invoice) {
	b.Helper()
	a, err := b.db.Lookup(ctx, number)
	b.must(err)
	return a, a.Find(number)
}

// kinds returns the kinds of the events of an invoice or account, in order.
func (b *bench) kinds(of string) []string {
	b.Helper()
	events, err := b.db.Events(ctx, of, 1000)
	b.must(err)
	kinds := make([]string, len(events))
	for i, e := range events {
		kinds[i] = e.Kind
	}
	return kinds
}

// want compares in plain words.
func want[T any](b *bench, what string, got, want T) {
	b.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// sameAccount compares accounts; the order of letters and steps reached at one
// instant is of no matter.
func sameAccount(b *bench, what string, got, want invoices.Account) {
	b.Helper()
	options := cmp.Options{
		cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(invoices.Account{}, "Claims"), // counts the claim under way as soon as it is read again
		cmp.Comparer(func(x, y *time.Location) bool { return x.String() == y.String() }),
		cmpopts.SortSlices(func(x, y invoices.Outcome) bool { return fmt.Sprint(x.Episode, x.Step) < fmt.Sprint(y.Episode, y.Step) }),
		cmpopts.SortSlices(func(x, y invoices.Letter) bool { return x.ID < y.ID }),
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		b.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// wanted returns the intent to ask for a link.
func (b *bench) wanted(inv *invoices.Invoice, gen int, minor int64) invoices.LinkWanted {
	return invoices.LinkWanted{Invoice: inv.Number, At: b.now, Link: invoices.Link{
		Gen: gen, Ref: fmt.Sprintf("%s-L%d", inv.Number, gen), Hook: fmt.Sprintf("hook-%s-%d", inv.Number, gen),
		Amount: money.Amount{Minor: minor, Currency: "EUR"}, State: invoices.Wanted, Key: "test:1a2b", Since: b.now,
	}}
}

// seen returns the fact that a link is in a state.
func (b *bench) seen(number string, l invoices.Link, state invoices.LinkState) invoices.LinkSeen {
	if l.State != state {
		l.Since = b.now
	}
	l.State, l.Seen = state, b.now
	if l.Remote == "" {
		l.Remote, l.URL = "remote-"+l.Ref, "https://pay.example/"+l.Ref
		l.Expires = b.now.AddDate(0, 0, 45)
	}
	return invoices.LinkSeen{Invoice: number, Link: l, At: b.now}
}

// linked makes a link for an invoice and returns the account with it.
func (b *bench) linked(a invoices.Account, number string, gen int) invoices.Account {
	b.Helper()
	inv := a.Find(number)
	a = b.begin(a, b.wanted(inv, gen, inv.Open().Minor))
	return b.end(a, b.seen(number, *a.Find(number).Link(gen), invoices.New))
}

func digest(raw []byte) string { return fmt.Sprintf("%x", sha256.Sum256(raw)) }

// started returns the intent to send a letter about a step of some invoices.
func (b *bench) started(a invoices.Account, id, step string, numbers ...string) invoices.LetterStarted {
	l := invoices.Letter{
		ID: id, Try: 1, Account: a.ID, Template: step, Language: "nl", To: []string{a.Email}, CC: a.CC, State: invoices.Sending, At: b.now,
		MessageID: id + "@example.com", Raw: []byte("Subject: x\r\n\r\n.\r\n\x00\xff" + id),
	}
	l.Digest = digest(l.Raw)
	l.Subject, l.Plain = "About "+step, "words"
	for _, n := range numbers {
		inv := a.Find(n)
		l.Items = append(l.Items, invoices.Item{Invoice: n, Episode: inv.Episode, Step: step, Gen: 1, Amount: inv.Open()})
	}
	return invoices.LetterStarted{Letter: l, Patience: 10 * time.Minute}
}

func (b *bench) ended(l invoices.LetterStarted, r invoices.Result, why string) invoices.LetterEnded {
	return invoices.LetterEnded{ID: l.Letter.ID, Try: l.Letter.Try, Result: r, At: b.now, Why: why}
}

// result returns what became of a step.
func result(inv *invoices.Invoice, step string) invoices.Result {
	i := slices.IndexFunc(inv.Steps, func(o invoices.Outcome) bool { return o.Step == step && o.Episode == inv.Episode })
	if i < 0 {
		return ""
	}
	return inv.Steps[i].Result
}
