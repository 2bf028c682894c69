package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/internal/money"
	"dunning/invoices"
)

// memory is how long a letter counts for pacing: a week, and days to spare for
// zones, holidays and policies with larger gaps.
const memory = 15 * 24 * time.Hour

// needed is the condition for the invoices that a decision depends on: those
// that are owed, those with a link that is not final, and those with a step
// that somebody must settle. It asks about one invoice at a time, by key: of an
// EXISTS PostgreSQL may make a list of all links that are watched, when its
// statistics are old.
const needed = `(i.status = 'open' AND i.total - i.paid - i.credited > 0
	OR (SELECT 1 FROM links w WHERE w.invoice = i.number AND w.watched LIMIT 1) IS NOT NULL
	OR (SELECT 1 FROM steps u WHERE u.invoice = i.number AND u.result IN ('sending', 'uncertain', 'failed', 'resend') LIMIT 1) IS NOT NULL)`

// A loader reads accounts whole, in a number of statements that does not
// depend on how many accounts or invoices there are, as long as one statement
// can ask for them all.
type loader struct {
	s    *Store
	ctx  context.Context
	q    sqlx.QueryerContext
	now  time.Time
	also string // an invoice to load in any case

	at map[string]int // where an account is, by id
	in map[string]int // which account an invoice is of, by number
}

// accounts returns the accounts with some ids, in their order.
func (l *loader) accounts(ids []string) ([]invoices.Account, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	l.at, l.in = make(map[string]int, len(ids)), map[string]int{}
	for i, id := range ids {
		l.at[id] = i
	}
	if err := byKey(l.ctx, l.q, l.s.on.byKey); err != nil {
		return nil, err
	}
	list := make([]invoices.Account, len(ids))
	for _, part := range []func([]string, []invoices.Account) error{l.debtors, l.debts, l.links, l.steps, l.letters} {
		if err := part(ids, list); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(list, func(a invoices.Account) bool { return a.ID == "" }), nil
}

// byKey has what follows in a transaction read by key, or no longer so.
func byKey(ctx context.Context, q sqlx.QueryerContext, statement string) error {
	if statement == "" {
		return nil
	}
	rows, err := q.QueryxContext(ctx, statement)
	if err != nil {
		return err
	}
	return rows.Close()
}

func (l *loader) debtors(ids []string, list []invoices.Account) error {
	for some := range slices.Chunk(ids, l.s.on.keys) {
		var in args
		var rows []struct {
			ID, Name, Email, Language, Zone, Country, Policy, Suppressed string
			CC                                                           words
			Contacts                                                     instants
			Version                                                      int64
			Claims                                                       int
			Lease, Reason, By, Stopped                                   string
			Until                                                        instant
		}
		err := sqlx.SelectContext(l.ctx, l.q, &rows, `
			SELECT a.id, a.name, a.email, a.cc, a.language, a.zone, a.country, a.policy, a.suppressed,
				a.contacts, a.version, a.lease_id AS lease, a.claims,
				COALESCE(h.reason, '') AS reason, COALESCE(h.placed_by, '') AS by, h.ends_at AS until,
				COALESCE((SELECT detail FROM alarms WHERE stops AND closed_at IS NULL ORDER BY raised_at, id LIMIT 1), '') AS stopped
			FROM accounts a LEFT JOIN holds h ON h.account_id = a.id AND h.lifted_at IS NULL
			WHERE a.id IN `+in.list(some), in...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			list[l.at[r.ID]] = invoices.Account{
				ID: r.ID, Name: r.Name, Email: r.Email, CC: r.CC, Language: r.Language, Zone: l.s.zone(r.Zone),
				Country: r.Country, Policy: r.Policy, Suppressed: r.Suppressed, Version: r.Version, Lease: r.Lease,
				Stopped: r.Stopped, Claims: r.Claims, Contacts: r.Contacts,
				Hold: invoices.Hold{Reason: r.Reason, By: r.By, Until: r.Until.Time},
			}
		}
	}
	return nil
}

// promiseRow is the last promise about an invoice, from promises p.
type promiseRow struct {
	PromiseAmount int64   `db:"p_amount"`
	PromiseOpen   int64   `db:"p_open"`
	PromiseBy     string  `db:"p_by"`
	PromiseOn     day     `db:"p_on"`
	PromiseMade   instant `db:"p_made"`
	PromiseKept   instant `db:"p_kept"`
}

const promiseColumns = `COALESCE(p.amount, 0) AS p_amount, COALESCE(p.open, 0) AS p_open, COALESCE(p.made_by, '') AS p_by,
	p.due_on AS p_on, p.made_at AS p_made, p.kept_at AS p_kept`

func (r *promiseRow) promise() invoices.Promise {
	return invoices.Promise{
		Amount: r.PromiseAmount, Open: r.PromiseOpen, By: r.PromiseBy, On: r.PromiseOn.Date, At: r.PromiseMade.Time, Kept: r.PromiseKept.Time,
	}
}

// zone returns the zone with a name that the import has checked; nil, the
// policy's own, when this machine does not know it any more.
func (s *Store) zone(name string) *time.Location {
	if name == "" {
		return nil
	}
	if known, ok := s.zones.Load(name); ok {
		return known.(*time.Location)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	known, _ := s.zones.LoadOrStore(name, loc)
	return known.(*time.Location)
}

func (l *loader) debts(ids []string, list []invoices.Account) error {
	for some := range slices.Chunk(ids, l.s.on.keys) {
		var in args
		var rows []struct {
			Number, Account, Source, Status, Currency string
			Total, Paid, Credited                     int64
			Issued, Due                               day
			Description, Policy                       string
			Tags                                      words
			Approved                                  approvals
			Known, Moved, Released                    instant
			Doubt                                     string
			Vanished                                  bool
			Episode                                   int
			Act, Why                                  string
			RestUntil                                 instant `db:"rest_until"`
			Tries                                     int
			Reason, By                                string
			Until                                     instant
			promiseRow
		}
		err := sqlx.SelectContext(l.ctx, l.q, &rows, `
			SELECT i.number, i.account_id AS account, i.source, i.status, i.currency, i.total, i.paid, i.credited,
				i.issued_on AS issued, i.due_on AS due, i.description, i.policy, i.tags, i.approved, s.loaded_at AS known, s.doubt, i.vanished,
				i.episode, i.moved_at AS moved, i.released_at AS released,
				i.rest_act AS act, i.rest_until, i.rest_tries AS tries, i.rest_why AS why,
				COALESCE(h.reason, '') AS reason, COALESCE(h.placed_by, '') AS by, h.ends_at AS until,
				`+promiseColumns+`
			FROM invoices i
			JOIN sources s ON s.name = i.source
			LEFT JOIN holds h ON h.invoice = i.number AND h.lifted_at IS NULL
			LEFT JOIN promises p ON p.invoice = i.number AND p.ended_at IS NULL
			WHERE i.account_id IN `+in.list(some)+` AND (i.number = `+in.add(l.also)+` OR `+needed+`)`, in...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			act, err := invoices.ParseAct(r.Act)
			if err != nil {
				return err
			}
			a := &list[l.at[r.Account]]
			l.in[r.Number] = l.at[r.Account]
			a.Invoices = append(a.Invoices, invoices.Invoice{
				Number: r.Number, Status: invoices.Status(r.Status), Total: money.Amount{Minor: r.Total, Currency: r.Currency},
				Paid: r.Paid, Credited: r.Credited, IssuedOn: r.Issued.Date, DueOn: r.Due.Date, Description: r.Description,
				Policy: r.Policy, Tags: r.Tags, Promise: r.promise(), Approved: r.Approved,
				Source: r.Source, Known: r.Known.Time, Doubt: r.Doubt, Vanished: r.Vanished,
				Episode: r.Episode, Moved: r.Moved.Time, Released: r.Released.Time,
				Hold: invoices.Hold{Reason: r.Reason, By: r.By, Until: r.Until.Time},
				Rest: invoices.Rest{Act: act, Until: r.RestUntil.Time, Tries: r.Tries, Why: r.Why},
			})
		}
	}
	for i := range list {
		slices.SortFunc(list[i].Invoices, func(x, y invoices.Invoice) int {
			return cmp.Or(x.DueOn.Compare(y.DueOn), cmp.Compare(x.Number, y.Number))
		})
	}
	return nil
}

// numbers returns the numbers of all invoices that were loaded.
func (l *loader) numbers(list []invoices.Account) []string {
	numbers := make([]string, 0, len(l.in))
	for i := range list {
		for j := range list[i].Invoices {
			numbers = append(numbers, list[i].Invoices[j].Number)
		}
	}
	return numbers
}

// find returns the invoice with a number.
func (l *loader) find(list []invoices.Account, number string) *invoices.Invoice {
	return list[l.in[number]].Find(number)
}

// linkRow is a row of links.
type linkRow struct {
	Invoice                    string
	Gen                        int
	Ref, Hook                  string
	Amount                     int64
	Currency                   string
	State, Reason, Remote, URL string
	Key                        string
	Attempts                   int
	Expires, Since, Seen       instant
	Booked                     int64
}

const linkColumns = `invoice, gen, ref, COALESCE(hook, '') AS hook, amount, currency, state, reason,
	remote_id AS remote, url, key_fingerprint AS key, attempts, expires_at AS expires, since, seen_at AS seen, booked`

func (r *linkRow) link() invoices.Link {
	return invoices.Link{
		Gen: r.Gen, Ref: r.Ref, Hook: r.Hook, Amount: money.Amount{Minor: r.Amount, Currency: r.Currency},
		State: invoices.LinkState(r.State), Reason: r.Reason, Remote: r.Remote, URL: r.URL, Key: r.Key, Attempts: r.Attempts,
		Expires: r.Expires.Time, Since: r.Since.Time, Seen: r.Seen.Time, Booked: r.Booked,
	}
}

func (l *loader) links(_ []string, list []invoices.Account) error {
	for some := range slices.Chunk(l.numbers(list), l.s.on.keys) {
		var in args
		var rows []linkRow
		err := sqlx.SelectContext(l.ctx, l.q, &rows, `
			SELECT `+linkColumns+` FROM links WHERE invoice IN `+in.list(some)+` ORDER BY invoice, gen`, in...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			inv := l.find(list, r.Invoice)
			inv.Links = append(inv.Links, r.link())
		}
	}
	return nil
}

func (l *loader) steps(_ []string, list []invoices.Account) error {
	for some := range slices.Chunk(l.numbers(list), l.s.on.keys) {
		var in args
		var rows []struct {
			Invoice, Step, Result, Letter string
			Episode, Gen                  int
			At                            instant
			Why                           string
		}
		err := sqlx.SelectContext(l.ctx, l.q, &rows, `
			SELECT invoice, episode, step, result, COALESCE(letter_id, '') AS letter, gen, at, why
			FROM steps WHERE invoice IN `+in.list(some)+` ORDER BY at, step`, in...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			inv := l.find(list, r.Invoice)
			inv.Steps = append(inv.Steps, invoices.Outcome{
				Episode: r.Episode, Step: r.Step, Result: invoices.Result(r.Result), Letter: r.Letter, Gen: r.Gen, At: r.At.Time, Why: r.Why,
			})
		}
	}
	return nil
}

func (l *loader) letters(ids []string, list []invoices.Account) error {
	for some := range slices.Chunk(ids, l.s.on.keys) {
		var in args
		var rows []letterRow
		err := sqlx.SelectContext(l.ctx, l.q, &rows, `
			SELECT `+letterColumns+` FROM letters WHERE account_id IN `+in.list(some)+`
				AND (state IN ('sending', 'uncertain', 'resend', 'delayed') OR at >= `+in.add(at(l.now.Add(-memory)))+`)
			ORDER BY at, id`, in...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			a := &list[l.at[r.Account]]
			a.Letters = append(a.Letters, r.letter())
		}
	}
	return nil
}
