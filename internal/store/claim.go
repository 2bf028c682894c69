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
// A claim that is never given back leaves its accounts due, so that whoever
// comes when the lease is over looks at them.
func (s *Store) Claim(ctx context.Context, q invoices.Query) ([]invoices.Account, error) {
	lease, n := newID(), max(q.Limit, 1)
	if q.Account != "" || q.Invoice != "" {
		n = 1
	}
	if any, err := s.anyDue(ctx, q); err != nil || !any {
		return nil, err
	}
	var accounts []invoices.Account
	err := s.write(ctx, func(t *tx) error {
		ids, err := t.lease(q, lease, n)
		if err != nil {
			return err
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
	if len(accounts) == 0 && n == 1 {
		return nil, s.known(ctx, q)
	}
	return accounts, nil
}

// anyDue reports whether a claim may find anything. Most find nothing, and need
// no transaction for that.
func (s *Store) anyDue(ctx context.Context, q invoices.Query) (bool, error) {
	if q.Account != "" || q.Invoice != "" {
		return true, nil
	}
	if len(q.Acts) == 0 {
		return false, nil
	}
	var in args
	asked := in.add(at(q.Now))
	acts := make([]string, len(q.Acts))
	for i, a := range q.Acts {
		acts[i] = a.String()
	}
	var n int
	err := s.db.GetContext(ctx, &n, `
		SELECT COUNT(*) FROM (
			SELECT 1 FROM accounts
			WHERE next_at <= `+asked+` AND next_act IN `+in.list(acts)+` AND claims < `+in.add(invoices.MaxClaims)+`
				AND (lease_until IS NULL OR `+s.on.leaseOver+`) LIMIT 1) AS found`, in...)
	return n > 0, s.fault(ctx, err)
}

type dueRow struct {
	ID   string
	Next instant
}

// lease takes up to n accounts and returns their ids in the order in which
// they fell due.
func (t *tx) lease(q invoices.Query, lease string, n int) ([]string, error) {
	if len(q.Acts) == 0 && q.Account == "" && q.Invoice == "" {
		return nil, nil
	}
	query, in := t.s.leaseQuery(q, lease, n, claims{0, suspicious})
	var rows []dueRow
	if err := t.SelectContext(t.ctx, &rows, query, in...); err != nil {
		return nil, err
	}
	if len(rows) == 0 && q.Account == "" && q.Invoice == "" {
		query, in := t.s.leaseQuery(q, lease, 1, claims{suspicious, invoices.MaxClaims})
		if err := t.SelectContext(t.ctx, &rows, query, in...); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(rows, func(x, y dueRow) int {
		return cmp.Or(x.Next.Compare(y.Next.Time), strings.Compare(x.ID, y.ID))
	})
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids, nil
}

// claims is a range of how often an account was claimed in vain.
type claims struct{ from, below int }

// suspicious is how often an account may be claimed in vain before it is
// claimed alone, after all others: if it breaks the worker, it breaks nobody
// else's turn, and if it was only near one that does, it is cleared soon.
const suspicious = 2

func (s *Store) leaseQuery(q invoices.Query, lease string, n int, often claims) (string, args) {
	var in args
	asked, which, wake := in.add(at(q.Now)), ``, ``
	switch {
	case q.Account != "":
		which = `id = ` + in.add(q.Account)
	case q.Invoice != "":
		which = `id = (SELECT account_id FROM invoices WHERE number = ` + in.add(q.Invoice) + `)`
	default:
		acts := make([]string, len(q.Acts))
		for i, a := range q.Acts {
			acts[i] = a.String()
		}
		which = `next_at <= ` + asked + ` AND next_act IN ` + in.list(acts) +
			` AND claims >= ` + in.add(often.from) + ` AND claims < ` + in.add(often.below)
	}
	if q.Account != "" || q.Invoice != "" { // due or not; from now on it is
		wake = `, next_act = 'look', next_at = ` + asked
	}
	limit, name := in.add(n), in.add(lease)
	until := fmt.Sprintf(s.on.leaseEnd, in.add(s.on.leaseArg(q.Now, q.Lease)))
	return `
		WITH due AS (
			SELECT id AS due_id FROM accounts
			WHERE ` + which + ` AND (lease_until IS NULL OR ` + s.on.leaseOver + `)
			ORDER BY next_at, id LIMIT ` + limit + s.on.skipLocked + `
		)
		UPDATE accounts SET claims = claims + 1, lease_id = ` + name + `, lease_until = ` + until + wake + `
		FROM due WHERE id = due_id
		RETURNING id, next_at AS next`, in
}

// known tells a name that nobody knows from an account that is taken or not
// due.
func (s *Store) known(ctx context.Context, q invoices.Query) error {
	switch {
	case q.Account != "":
		return s.exists(ctx, Target{Account: q.Account})
	case q.Invoice != "":
		return s.exists(ctx, Target{Invoice: q.Invoice})
	}
	return nil
}

// Release gives the lease back and remembers what Next said: an account with
// something to do is due at once for a job that may do it, one that waits is
// due when it says. An account that changed since a was read is due at once. It
// returns [invoices.ErrLost] when the lease is somebody else's.
func (s *Store) Release(ctx context.Context, a invoices.Account, next invoices.Decision, now time.Time) error {
	due := now
	if next.Act == invoices.Idle {
		due = next.At
	}
	c := &change{
		take: released, record: func(*sheet) error { return nil },
		row: []any{a.ID, a.Version, a.Lease, next.Act.String(), at(due), string(next.Code), next.Why, next.Person, next.Act.Sends()},
	}
	if err := s.together(ctx, c); !errors.Is(err, errUntaken) {
		return err
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
