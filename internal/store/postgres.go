package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"dunning/internal/discreet"
)

// A way leads to a PostgreSQL server, directly or through a pooler such as
// PgBouncer.
//
// A pooler in transaction mode gives every transaction whatever connection is
// free. So nothing here may outlive a transaction: binary parameters keep lib/pq
// from preparing statements; locks are those of transactions; and the time that
// a statement may take, which a direct connection is opened with, is said at the
// beginning of every transaction (see [Store.meet]). PgBouncer needs no settings
// for it: pool_mode = transaction, and at least two connections for the
// database, of which [Store.Migrate] needs both.
type way struct {
	url    url.URL
	limit  time.Duration // how long a statement may take; 0: for ever
	idle   time.Duration // how long a transaction may wait for its next statement; 0: for ever
	keys   bool          // statements are to find rows by key, whatever the planner takes the tables for
	pooled bool          // what a connection is opened with does not reach the server

	repeats func(text string) bool // whether it holds the password
}

// wayTo reads the address of a server. Errors do not show it.
func wayTo(raw string) (*way, error) {
	u, err := url.Parse(raw)
	if err != nil { // the error quotes the password
		return nil, errors.New("database.url is no valid URL (it is not shown, for it may hold a password); write postgres://user:password@host/database?sslmode=verify-full, with %40 for an @ in the password, %2F for a / and so on")
	}
	q := u.Query()
	for name, value := range map[string]string{limitName: "60s", idleName: "5min", "connect_timeout": "10", "application_name": "dunning"} {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	q.Set("binary_parameters", "yes")
	w := &way{}
	for name, to := range map[string]*time.Duration{limitName: &w.limit, idleName: &w.idle} {
		if *to, err = span(q.Get(name)); err != nil {
			return nil, fmt.Errorf("database.url: %s: %w", name, err)
		}
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	w.url = *u
	password, _ := u.User.Password()
	w.repeats = discreet.Listen(password, q.Get("password"))
	return w, nil
}

// withheld is an error whose text repeats the password, as that of a server may.
type withheld struct{ err error }

func (w *withheld) Error() string {
	return "the database failed, in words that repeat the password and are not shown; check database.url"
}
func (w *withheld) Unwrap() error { return w.err }

// plain says in plain words what is wrong, and never the password.
func (w *way) plain(err error) error {
	if err = plainPostgres(err); w.repeats(err.Error()) {
		return &withheld{err}
	}
	return err
}

// Settings of PostgreSQL that bound what a statement takes of others: by its own
// time, and by that of a client that fell silent in the middle of a transaction,
// whose rows would stay locked until the network is found dead, hours later.
const (
	limitName = "statement_timeout"
	idleName  = "idle_in_transaction_session_timeout"
)

// keepalive has the server find out within two minutes that a client is gone
// without a word, instead of two hours.
var keepalive = map[string]string{"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}

var spans = regexp.MustCompile(`^([0-9]{1,9}) *(ms|s|min|h|)$`)

// span reads a span of time as PostgreSQL's settings have it.
func span(text string) (time.Duration, error) {
	m := spans.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, fmt.Errorf("%q is no span of time; write milliseconds, such as 60000, or 60s", text)
	}
	n, err := strconv.Atoi(m[1])
	unit := map[string]time.Duration{"": time.Millisecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour}[m[2]]
	return time.Duration(n) * unit, err
}

// dsn returns what connections are opened with.
func (w *way) dsn() string {
	u := w.url
	if !w.pooled {
		q := u.Query()
		q.Set(limitName, strconv.FormatInt(w.limit.Milliseconds(), 10))
		q.Set(idleName, strconv.FormatInt(w.idle.Milliseconds(), 10))
		for name, value := range keepalive {
			if !q.Has(name) {
				q.Set(name, value)
			}
		}
		if w.keys {
			q.Set("plan_cache_mode", "force_generic_plan") // it cannot get better
			q.Set("enable_bitmapscan", "off")
			for _, name := range detours {
				q.Set(name, "off")
			}
		}
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// slow returns the same way for statements that may take as long as they need.
func (w *way) slow() *way {
	s := *w
	s.limit = 0
	return &s
}

// keyed returns the same way for statements that find rows by key.
func (w *way) keyed() *way {
	k := *w
	k.keys = true
	return &k
}

// dial prepares connections.
func (w *way) dial() (*sqlx.DB, error) {
	c, err := pq.NewConnector(w.dsn())
	if err != nil { // the error may quote the password
		return nil, errors.New("database.url is not understood (it is not shown, for it may hold a password); write postgres://user:password@host/database?sslmode=verify-full; known values of sslmode are disable, require, verify-ca and verify-full")
	}
	c.Dialer(dialer{limit: w.limit + w.limit/4})
	return sqlx.NewDb(sql.OpenDB(c), "postgres"), nil
}

// meet finds out whether what a connection is opened with reaches the server: a
// pooler refuses it, or throws it away if it was told to. If it does not, every
// transaction says how long its statements may take. Those outside of
// transactions only read; of them the caller is free when the limit is over (see
// [dialer]), if not the server.
func (s *Store) meet(ctx context.Context) error {
	w := s.on.way
	err := s.Ping(ctx)
	if err != nil && strings.Contains(err.Error(), "unsupported startup parameter") {
		if err := s.again(); err != nil {
			return err
		}
		err = s.Ping(ctx)
	}
	if err != nil {
		return err
	}
	var have int64
	err = s.db.GetContext(ctx, &have, `SELECT CAST(setting AS BIGINT) FROM pg_settings WHERE name = $1`, limitName)
	if err != nil {
		return s.fault(ctx, err)
	}
	if have != w.limit.Milliseconds() {
		w.pooled = true
		s.on.limit = fmt.Sprintf(`SET LOCAL %s = %d; SET LOCAL %s = %d`, limitName, w.limit.Milliseconds(), idleName, w.idle.Milliseconds())
	}
	return nil
}

// again dials anew, as through a pooler.
func (s *Store) again() error {
	s.on.way.pooled = true
	db, err := s.on.way.dial()
	if err != nil {
		return err
	}
	_ = s.db.Close() // it never had a connection
	s.use(db)
	return nil
}

// A dialer makes connections that do not wait for ever: a network that swallows
// everything, or a server that stands still, is given up a little later than the
// server would have given up the statement. Otherwise it is the operating system
// that gives up, after a quarter of an hour, and a context does not help, for
// lib/pq only asks the server to stop.
type dialer struct {
	net.Dialer
	limit time.Duration // 0: for ever
}

// DialTimeout is for lib/pq, which does not call it.
func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	d.Timeout = timeout
	return d.DialContext(context.Background(), network, address)
}

// Dial makes a connection.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext makes a connection.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil || d.limit <= 0 {
		return c, err
	}
	return &impatient{c, d.limit}, nil
}

// impatient is a connection that hangs up when it must wait too long.
type impatient struct {
	net.Conn
	limit time.Duration
}

func (c *impatient) Read(p []byte) (int, error)  { return c.within(c.Conn.Read, "read", p) }
func (c *impatient) Write(p []byte) (int, error) { return c.within(c.Conn.Write, "write", p) }

func (c *impatient) within(do func([]byte) (int, error), what string, p []byte) (int, error) {
	timer := time.AfterFunc(c.limit, func() { _ = c.Close() }) // whoever waits is told by that
	n, err := do(p)
	if !timer.Stop() && err != nil { // lib/pq knows a broken connection by this type
		err = &net.OpError{Op: what, Net: "tcp", Err: fmt.Errorf("no answer within %v", c.limit)}
	}
	return n, err
}
