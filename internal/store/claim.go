package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dunning/invoices"
)

// Claim leases up to q.Limit accounts that are due, those longest due first,
// and returns them whole. An empty result means that none is due, or that
// others hold all that are. With q.Account or q.Invoice it is that account, due
// or not; [ErrUnknown] if there is none.
//
// Where none is due and accounts are to be looked at again (see [Store.Wake]),
// the next of those are.
//
// A claim that is never given back leaves its accounts due, so that whoever
// comes when the lease is over looks at them. After two such claims an account is
// claimed alone, and only with q.Alone; an empty result without it may mean that
// one waits for that.
func (s *Store) Claim(ctx context.Context, q invoices.Query) ([]invoices.Account, error) {
	if q.Account != "" || q.Invoice != "" {
		return s.claimNamed(ctx, q)
	}
	for {
		c, err := s.ahead(ctx, s.db, q)
		if err != nil {
			return nil, err
		}
		if !c.none() {
			return s.claim(ctx, q, c)
		}
		if c.waits || !c.sweep {
			return nil, nil
		}
		if again, err := s.sweep(ctx, q); err != nil || !again {
			return nil, err
		}
	}
}

// claimNamed claims the account that a query names.
func (s *Store) claimNamed(ctx context.Context, q invoices.Query) ([]invoices.Account, error) {
	accounts, err := s.claim(ctx, q, choice{})
	if err != nil || len(accounts) > 0 {
		return accounts, err
	}
	return nil, s.exist(ctx, q) // it is taken
}

// claim leases the accounts of a choice and returns them whole.
func (s *Store) claim(ctx context.Context, q invoices.Query, c choice) ([]invoices.Account, error) {
	lease := newID()
	var rows []leasedRow
	var accounts []invoices.Account
	err := s.write(ctx, func(t *tx) (err error) {
		if rows, err = t.lease(q, lease, c); err != nil {
			return err
		}
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		l := loader{s: s, ctx: ctx, q: t, now: q.Now}
		accounts, err = l.accounts(ids)
		for i := range accounts {
			accounts[i].Claims-- // this one
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.marks.move(rows)
	return accounts, nil
}

type leasedRow struct {
	ID   string
	Act  string
	Next instant
}

// lease takes the accounts of a choice, or the one that the query names, and
// returns them in the order in which they fell due.
func (t *tx) lease(q invoices.Query, lease string, c choice) ([]leasedRow, error) {
	query, in := t.s.leaseQuery(q, lease, c)
	var rows []leasedRow
	if err := t.SelectContext(t.ctx, &rows, query, in...); err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(x, y leasedRow) int {
		return cmp.Or(x.Next.Compare(y.Next.Time), strings.Compare(x.ID, y.ID))
	})
	return rows, nil
}

// leaseQuery returns the statement of a claim. Every lane is read by its own
// index, and no further than it has something to give.
func (s *Store) leaseQuery(q invoices.Query, lease string, c choice) (string, args) {
	var in args
	asked, due, wake := in.add(at(q.Now)), ``, ``
	switch {
	case q.Account != "":
		due = s.named(`id = ` + in.add(q.Account))
	case q.Invoice != "":
		due = s.named(`id = (SELECT account_id FROM invoices WHERE number = ` + in.add(q.Invoice) + `)`)
	default:
		due = s.lanes(&in, q, c)
	}
	if q.Account != "" || q.Invoice != "" { // due or not; from now on it is
		wake = `, next_act = 'look', next_at = ` + asked
	}
	name := in.add(lease)
	until := fmt.Sprintf(s.on.leaseEnd, in.add(s.on.leaseArg(q.Now, q.Lease)))
	return `
		WITH due (due_id) AS MATERIALIZED (` + due + `)
		UPDATE accounts SET claims = claims + 1, lease_id = ` + name + `, lease_until = ` + until + wake + `
		FROM due WHERE id = due_id
		RETURNING id, next_act AS act, next_at AS next`, in
}

// named is the account that a condition names, unless somebody has it.
func (s *Store) named(which string) string {
	return `SELECT id FROM accounts WHERE ` + which + ` AND (lease_until IS NULL OR ` + s.on.leaseOver + `)` + s.on.skipLocked
}

// exist tells a name that nobody knows from an account that is taken or not
// due.
func (s *Store) exist(ctx context.Context, q invoices.Query) error {
	switch {
	case q.Account != "":
		return s.exists(ctx, Target{Account: q.Account})
	case q.Invoice != "":
		return s.exists(ctx, Target{Invoice: q.Invoice})
	}
	return nil
}

// Release commits facts as [Store.End] does, gives the lease back, and remembers
// what Next said of the account with those facts: an account with something to
// do is due at once for a job that may do it, one that waits is due when it says.
// An account that changed since a was read is due at once. It returns
// [invoices.ErrLost] when the lease is somebody else's; the facts are kept.
func (s *Store) Release(ctx context.Context, a invoices.Account, next invoices.Decision, now time.Time, facts ...invoices.Fact) error {
	changes, latest := settledFacts(facts)
	steps := min(len(facts), 1)
	c := &change{
		take: released, record: func(w *sheet) error { _, err := s.fresh(&a, w).all(changes); return err },
		row: givenBack(a, next, now, steps),
	}
	if simple(&a, changes) {
		if err := s.together(ctx, c); !errors.Is(err, errUntaken) {
			return err
		}
	}
	if len(facts) > 0 {
		then, err := s.endAlone(ctx, a, changes, latest)
		if err != nil {
			return err
		}
		if then.Version == a.Version+1 { // else what was decided may not hold
			a = then
		}
		return s.Release(ctx, a, next, now)
	}
	return s.write(ctx, func(t *tx) error {
		n, err := t.alone(c)
		if err != nil || n == 1 {
			return err
		}
		n, err = t.count(`
			UPDATE accounts SET lease_id = '', lease_until = NULL, claims = 0, next_act = 'look', next_at = $3
			WHERE id = $1 AND lease_id = $2`, a.ID, a.Lease, at(now))
		if err == nil && n == 0 {
			err = invoices.ErrLost
		}
		return err
	})
}

// givenBack is the row of an account whose lease ends so many versions on.
func givenBack(a invoices.Account, next invoices.Decision, now time.Time, steps int) []any {
	due := now
	if next.Act == invoices.Idle {
		due = next.At
	}
	return []any{a.ID, a.Version, a.Lease, next.Act.String(), at(due), string(next.Code), next.Why, next.Person, next.Act.Sends(), steps}
}
