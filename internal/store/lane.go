package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"dunning/invoices"
)

// The accounts that are due stand in lanes, one for each act, in the order in
// which they fell due; those that somebody has are in a lane of their own, by
// when their leases end, and so are those that were claimed in vain. Each lane
// is an index that holds nothing else (see the migration "growth"). So a claim
// reads as many rows as it takes: what other jobs may do, what others have and
// what is set aside is not in its way, however much of it there is.
//
// A claim looks first at how many it would take from the head of each lane, and
// takes those: all lanes together in one order of time, without locking more
// than it takes.
const (
	// free are those that nobody has; leased those whose lease may be over.
	free   = `lease_id = '' AND claims < 2`
	leased = `lease_id <> '' AND claims < 2`
	// vain are those that were claimed in vain as often as is suspicious, and not
	// yet so often that they are set aside ([invoices.MaxClaims]). They are
	// claimed one at a time, after all others, by who has none besides
	// ([invoices.Query].Alone): if one breaks the worker it breaks nobody else's
	// turn, and if it was only near one that does, it is cleared soon.
	vain = `claims >= 2 AND claims < 8`
)

// Names of the lanes that are not those of an act.
const (
	laneLeased = "leased"
	laneVain   = "vain"
	laneSweep  = "sweep" // nobody's: there is a sweep to carry out
)

// A choice is how many accounts to take from each lane.
type choice struct {
	lanes []lane
	marks map[string]mark // where the lanes of acts begin
	waits bool            // one that was claimed in vain waits until the caller has no other
	sweep bool            // there is a sweep to carry out
}

type lane struct {
	Name string
	N    int
}

func (c choice) none() bool { return len(c.lanes) == 0 }

// ahead returns what a claim would take. Most find nothing, and need no
// transaction for that.
func (s *Store) ahead(ctx context.Context, q sqlx.QueryerContext, asked invoices.Query) (choice, error) {
	if len(asked.Acts) == 0 {
		return choice{}, nil
	}
	for _, marks := range []map[string]mark{s.marks.of(asked), nil} {
		query, in := s.aheadQuery(asked, marks)
		var found []lane
		if err := s.lookAhead(ctx, q, &found, query, in); err != nil {
			return choice{}, s.fault(ctx, err)
		}
		c := choice{marks: marks}
		var last []lane
		for _, l := range found {
			switch l.Name {
			case laneVain:
				last = append(last, l)
			case laneSweep:
				c.sweep = true
			default:
				c.lanes = append(c.lanes, l)
			}
		}
		if !c.none() {
			return c, nil
		}
		if marks == nil {
			s.marks.forget(asked)
			if c.waits = len(last) > 0 && !asked.Alone; asked.Alone {
				c.lanes = last
			}
			return c, nil
		}
	}
	return choice{}, nil
}

// lookAhead runs the statement that is run most often of all. SQLite takes longer
// to read it than to carry it out, so its connections read it once; there are as
// many such statements as there are jobs.
func (s *Store) lookAhead(ctx context.Context, q sqlx.QueryerContext, found *[]lane, query string, in args) error {
	if q != sqlx.QueryerContext(s.db) || !s.on.oneWriter {
		return sqlx.SelectContext(ctx, q, found, query, in...)
	}
	read, ok := s.heads.Load(query)
	if !ok {
		st, err := s.db.PreparexContext(ctx, query)
		if err != nil {
			return err
		}
		if other, loaded := s.heads.LoadOrStore(query, st); loaded {
			_ = st.Close()
			st = other.(*sqlx.Stmt)
		}
		read = st
	}
	return read.(*sqlx.Stmt).SelectContext(ctx, found, in...)
}

// aheadQuery counts the accounts at the heads of the lanes that a claim would
// take, and one of those claimed in vain.
func (s *Store) aheadQuery(q invoices.Query, marks map[string]mark) (string, args) {
	var in args
	in.add(at(q.Now))
	limit := in.add(max(q.Limit, 1))
	acts := verbs(q.Acts)
	heads := make([]string, 0, len(acts)+1)
	for _, act := range acts {
		heads = append(heads, `SELECT name, next_at, id FROM (
				SELECT next_act AS name, next_at, id FROM accounts WHERE `+inLane(&in, act, marks)+`
				ORDER BY next_at, id LIMIT `+limit+`) AS lane_`+act)
	}
	list := among(acts)
	heads = append(heads, `SELECT name, next_at, id FROM (
				SELECT '`+laneLeased+`' AS name, next_at, id FROM accounts WHERE `+s.isOver(list)+`
				ORDER BY lease_until, id LIMIT `+limit+`) AS lane_`+laneLeased)
	return `
		SELECT name, COUNT(*) AS n FROM (
			SELECT name FROM (
			` + strings.Join(heads, ` UNION ALL
			`) + `) AS heads
			ORDER BY next_at, id LIMIT ` + limit + `) AS first
		GROUP BY name
		UNION ALL
		SELECT name, n FROM (SELECT '` + laneVain + `' AS name, 1 AS n FROM accounts WHERE ` + s.inVain(list) + ` LIMIT 1) AS lane_` + laneVain + s.sweeping(&in, acts), in
}

// lanes selects the accounts of a choice, and locks them.
func (s *Store) lanes(in *args, q invoices.Query, c choice) string {
	acts := verbs(q.Acts)
	parts := make([]string, len(c.lanes))
	for i, l := range c.lanes {
		where, order := ``, `next_at, id`
		switch l.Name {
		case laneLeased:
			where, order = s.isOver(among(acts)), `lease_until, id`
		case laneVain:
			where = s.inVain(among(acts))
		default:
			where = inLane(in, l.Name, c.marks)
		}
		parts[i] = `SELECT id FROM (
				SELECT id FROM accounts WHERE ` + where + `
				ORDER BY ` + order + ` LIMIT ` + in.add(l.N) + s.on.skipLocked + `) AS lane_` + l.Name
	}
	return strings.Join(parts, ` UNION ALL
			`)
}

// inLane is the condition for the accounts of an act's lane; $1 is the time.
func inLane(in *args, act string, marks map[string]mark) string {
	where := `next_act = '` + act + `' AND next_at <= $1 AND ` + free
	if m, ok := marks[act]; ok {
		where += ` AND (next_at, id) >= (` + in.add(at(m.at)) + `, ` + in.add(m.id) + `)`
	}
	return where
}

// isDue says of the few accounts of a lane that they are due, in a way that no
// database mistakes for an advice to look for them among all that are.
const isDue = `CASE WHEN next_at <= $1 THEN TRUE ELSE FALSE END`

// isOver is the condition for accounts that somebody had.
func (s *Store) isOver(acts string) string {
	return leased + ` AND ` + s.on.leaseOver + ` AND ` + isDue + ` AND next_act IN ` + acts
}

// inVain is the condition for accounts that were claimed in vain.
func (s *Store) inVain(acts string) string {
	return vain + ` AND ` + isDue + ` AND next_act IN ` + acts + ` AND (lease_until IS NULL OR ` + s.on.leaseOver + `)`
}

// among is a list of acts, whose names are words of ours. They are written out
// because a database may plan anew for every argument that an index depends on.
func among(acts []string) string { return `('` + strings.Join(acts, `', '`) + `')` }

// verbs returns the names of acts, each once.
func verbs(acts []invoices.Act) []string {
	names := make([]string, len(acts))
	for i, a := range acts {
		names[i] = a.String()
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A mark is the first place of a lane at which accounts were found last.
//
// On PostgreSQL an account that leaves a lane leaves a dead entry in the index,
// which goes when no transaction can see the account there any more. As long as
// one is open that began before, which may be a report that runs for hours, all
// that a lane held since then is read by every claim again. Reading begins at
// the mark instead.
//
// It is a hint, and this process's own. Accounts before it are there when
// somebody with another clock, an import or a person put them there, or when a
// claim failed; so every so often, and whenever nothing is found behind it, a
// claim reads from the beginning.
type mark struct {
	at time.Time
	id string
}

// marks are those of the lanes.
type marks struct {
	mu     sync.Mutex
	off    bool // the database leaves nothing behind
	lanes  map[string]mark
	claims int       // since one began at the beginning
	whole  time.Time // when that was, by the business clock
}

// How many claims, and how long by the business clock, begin at the marks before
// one begins at the beginning.
const (
	markedClaims = 64
	markedTime   = 15 * time.Second
)

// of returns where a claim begins; nil: at the beginning.
func (m *marks) of(q invoices.Query) map[string]mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := make(map[string]mark, len(q.Acts))
	for _, act := range verbs(q.Acts) {
		if at, ok := m.lanes[act]; ok {
			from[act] = at
		}
	}
	if len(from) == 0 {
		return nil
	}
	m.claims++
	if age := q.Now.Sub(m.whole); m.claims > markedClaims || age > markedTime || age < 0 {
		m.claims, m.whole = 0, q.Now
		return nil
	}
	return from
}

// forget notes that lanes are empty: there is nothing that a claim would have to
// read again.
func (m *marks) forget(q invoices.Query) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, act := range verbs(q.Acts) {
		delete(m.lanes, act)
	}
}

// move notes which accounts were taken, in the order in which they fell due.
func (m *marks) move(rows []leasedRow) {
	if m.off {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	moved := make(map[string]mark)
	for _, r := range rows {
		if _, known := moved[r.Act]; !known {
			moved[r.Act] = mark{r.Next.Time, r.ID}
		}
	}
	for act, to := range moved {
		if m.lanes == nil {
			m.lanes = map[string]mark{}
		}
		m.lanes[act] = to
	}
}
