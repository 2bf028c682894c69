package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"dunning/invoices"
)

// TestErrorsSayWhatIsWrong: whoever reads the log is told what it means and what
// to do, in the database's own words too; what the caller branches on is left
// as it is.
func TestErrorsSayWhatIsWrong(t *testing.T) {
	code := func(c string) error { return &pq.Error{Code: pqerror.Code(c), Message: "its own words"} }
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for _, tt := range []struct {
		says string
		err  error
		want string
	}{
		{"a full disk", code("53100"), "the disk of the database is full"},
		{"too many connections", code("53300"), "takes no more connections"},
		{"a standby", code("25006"), "takes no writes"},
		{"a server that starts", code("57P03"), "starting up"},
		{"a statement that took too long", code("57014"), "gave up a statement that took too long"},
		{"a wrong password", code("28P01"), "check the user and the password"},
		{"no such database", code("3D000"), "createdb"},
		{"a right that is missing", code("42501"), "give the user of database.url the right"},
		{"a connection that broke, as lib/pq says it", driver.ErrBadConn, "the connection to the database was lost"},
		{"one that was reset", reset, "the connection to the database was lost"},
		{"one that ended", io.EOF, "the connection to the database was lost"},
		{"one that ended halfway", io.ErrUnexpectedEOF, "the connection to the database was lost"},
		{"nobody there", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, "cannot be reached"},
	} {
		wrapped := fmt.Errorf("begin: %w", tt.err)
		got := plainPostgres(wrapped)
		if !strings.Contains(got.Error(), tt.want) || !errors.Is(got, tt.err) || !strings.Contains(got.Error(), wrapped.Error()) {
			t.Errorf("%s: %v", tt.says, got)
		}
	}
	for _, err := range []error{invoices.ErrStale, invoices.ErrLost, ErrUnknown, invoices.Problems{{What: "x"}}, code("23505")} {
		for name, plain := range map[string]func(error) error{"postgres": plainPostgres, "sqlite": plainSQLite} {
			if got := plain(err); got.Error() != err.Error() {
				t.Errorf("%s: %v became %v", name, err, got)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := &Store{on: dialect{plain: plainPostgres}}
	if got := s.fault(ctx, code("57014")); !errors.Is(got, context.Canceled) || strings.Contains(got.Error(), "took too long") {
		t.Errorf("a caller who gave up is told: %v", got)
	}
}

// TestSpans: a limit is read as PostgreSQL reads it.
func TestSpans(t *testing.T) {
	for text, want := range map[string]string{
		"60000": "1m0s", "5s": "5s", "5 min": "5m0s", "250ms": "250ms", "2h": "2h0m0s", "0": "0s",
		"": "", "5m": "", "-1": "", "1.5s": "", "soon": "", "99999999999": "",
	} {
		got, err := span(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q is %v, %v; want %q", text, got, err, want)
		}
	}
}
