package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/invoices"
)

// ErrEnough ends a [Store.Walk] early, without an error.
var ErrEnough = errors.New("enough")

// A Filter says which accounts to walk over. An empty one is all of them.
type Filter struct {
	Account string // id, or a pattern as in path.Match
	Invoice string // number, or a pattern: accounts that owe, or owed, one

	due time.Time // only accounts that are due then; zero: all
}

// Walk calls yield with every account that has open business, whole, in order
// of id; those that are due in the order in which they fell due. It writes nothing and takes no lease; memory does not grow with the
// number of accounts. It ends with yield's first error; [ErrEnough] ends it
// well. A filter that names an account or invoice nobody knows is [ErrUnknown].
func (s *Store) Walk(ctx context.Context, f Filter, now time.Time, yield func(invoices.Account) error) error {
	if err := s.checked(ctx, f); err != nil {
		return err
	}
	for after := (place{}); ; {
		var ids []string
		var accounts []invoices.Account
		err := s.read(ctx, func(t *sqlx.Tx) (err error) {
			if ids, after, err = s.page(ctx, t, f, after); err != nil {
				return err
			}
			l := loader{s: s, ctx: ctx, q: t, now: now}
			accounts, err = l.accounts(f.matching(ids))
			return err
		})
		if err != nil {
			return err
		}
		for _, a := range accounts {
			if len(a.Invoices) == 0 {
				continue
			}
			if err := yield(a); errors.Is(err, ErrEnough) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if len(ids) < batch {
			return nil
		}
	}
}

// place is where a page ends.
type place struct {
	ID   string
	Next instant
}

// checked refuses a filter that is no pattern or names something unknown.
func (s *Store) checked(ctx context.Context, f Filter) error {
	for _, p := range []string{f.Account, f.Invoice} {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%q is no pattern: %w", p, err)
		}
	}
	if f.Account != "" && !isPattern(f.Account) {
		if err := s.exists(ctx, Target{Account: f.Account}); err != nil {
			return err
		}
	}
	if f.Invoice != "" && !isPattern(f.Invoice) {
		return s.exists(ctx, Target{Invoice: f.Invoice})
	}
	return nil
}

func isPattern(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// page returns the ids of the next accounts that the filter may match, and where
// they end.
func (s *Store) page(ctx context.Context, t *sqlx.Tx, f Filter, after place) (ids []string, last place, err error) {
	switch {
	case isPattern(f.Invoice):
		ids, err = s.pageOwing(ctx, t, f, after.ID)
	case !f.due.IsZero() && f.Account == "" && f.Invoice == "":
		return s.pageDue(ctx, t, f.due, after)
	default:
		ids, err = s.pageAll(ctx, t, f, after.ID)
	}
	if len(ids) > 0 {
		after.ID = ids[len(ids)-1]
	}
	return ids, after, err
}

func (s *Store) pageAll(ctx context.Context, t *sqlx.Tx, f Filter, after string) (ids []string, err error) {
	var in args
	where := `id > ` + in.add(after)
	if f.Account != "" && !isPattern(f.Account) {
		where += ` AND id = ` + in.add(f.Account)
	}
	if f.Invoice != "" {
		where += ` AND id = (SELECT account_id FROM invoices WHERE number = ` + in.add(f.Invoice) + `)`
	}
	err = t.SelectContext(ctx, &ids, `SELECT id FROM accounts WHERE `+where+` ORDER BY id LIMIT `+in.add(batch), in...)
	return ids, err
}

// pageDue returns the next accounts that are due, by the index of those: of ten
// million accounts a thousand may be.
func (s *Store) pageDue(ctx context.Context, t *sqlx.Tx, due time.Time, after place) (ids []string, last place, err error) {
	var in args
	where := `next_at <= ` + in.add(at(due))
	if after.ID != "" {
		where += ` AND (next_at, id) > (` + in.add(after.Next) + `, ` + in.add(after.ID) + `)`
	}
	var rows []place
	err = t.SelectContext(ctx, &rows, `SELECT id, next_at AS next FROM accounts WHERE `+where+` ORDER BY next_at, id LIMIT `+in.add(batch), in...)
	for _, r := range rows {
		ids, after = append(ids, r.ID), r
	}
	return ids, after, err
}

// pageOwing returns the ids of the next accounts with an invoice that matches
// a pattern. The database compares what stands before the first special
// character; the rest is compared here.
func (s *Store) pageOwing(ctx context.Context, t *sqlx.Tx, f Filter, after string) (ids []string, err error) {
	prefix := f.Invoice[:strings.IndexAny(f.Invoice, `*?[\`)]
	var number string
	var id string
	rows, err := t.QueryxContext(ctx, `
		SELECT account_id, number FROM invoices
		WHERE account_id > $1 AND substr(number, 1, $2) = $3 ORDER BY account_id`, after, len([]rune(prefix)), prefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() && len(ids) < batch {
		if err := rows.Scan(&id, &number); err != nil {
			return nil, err
		}
		ok, _ := path.Match(f.Invoice, number) // the pattern was checked
		if ok && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	return ids, rows.Err()
}

// matching returns the ids that match the filter's account.
func (f Filter) matching(ids []string) []string {
	if !isPattern(f.Account) {
		return ids
	}
	var out []string
	for _, id := range ids {
		if ok, _ := path.Match(f.Account, id); ok {
			out = append(out, id)
		}
	}
	return out
}

// Lookup returns the account that an invoice is of, whole, with that invoice
// even when nothing about it is open, and with every letter it was ever sent;
// or [ErrUnknown]. It writes nothing.
func (s *Store) Lookup(ctx context.Context, number string) (invoices.Account, error) {
	var a invoices.Account
	err := s.read(ctx, func(t *sqlx.Tx) error {
		var id string
		err := t.GetContext(ctx, &id, `SELECT account_id FROM invoices WHERE number = $1`, number)
		if isNone(err) {
			return fmt.Errorf("invoice %q: %w", number, ErrUnknown)
		}
		if err != nil {
			return err
		}
		l := loader{s: s, ctx: ctx, q: t, also: number}
		list, err := l.accounts([]string{id})
		if err == nil {
			a = list[0]
		}
		return err
	})
	return a, err
}

// Zones returns the time zones in use, each once: nil, the installation's own,
// for customers without one, and after it those of customers in order of name.
// A name that this machine does not know any more counts as none, as it does
// when letters are decided upon.
func (s *Store) Zones(ctx context.Context) ([]*time.Location, error) {
	var names []string
	err := s.read(ctx, func(t *sqlx.Tx) error {
		return t.SelectContext(ctx, &names, `SELECT DISTINCT zone FROM accounts`)
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names) // databases differ in how they order text
	var zones []*time.Location
	for _, name := range names {
		if zone := s.zone(name); zone != nil {
			zones = append(zones, zone)
		} else if len(zones) == 0 || zones[0] != nil {
			zones = slices.Insert(zones, 0, nil)
		}
	}
	return zones, nil
}

// An Incident is something about money that a person must hear of.
type Incident struct {
	Invoice string
	Kind    invoices.IncidentKind
	Key     string
	Detail  string
	At      time.Time
}

// Incidents returns the open incidents, oldest first.
func (s *Store) Incidents(ctx context.Context) ([]Incident, error) {
	var rows []struct {
		Invoice, Kind, Key, Detail string
		At                         instant
	}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT invoice, kind, key, detail, raised_at AS at FROM incidents WHERE closed_at IS NULL ORDER BY raised_at, id`)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	list := make([]Incident, len(rows))
	for i, r := range rows {
		list[i] = Incident{r.Invoice, invoices.IncidentKind(r.Kind), r.Key, r.Detail, r.At.Time}
	}
	return list, nil
}
