package pgtest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// A Server is a PostgreSQL of one test's own, which may be crashed and started
// again under whoever uses it. It is reachable by TCP on the loopback, with a
// password, and through a Unix socket.
type Server struct {
	*server
	port     int
	password string
}

// role is who connects to a Server by TCP: nobody special, but the owner of
// the databases it is given.
const role = "dunning"

// Start starts a server for one test, with more settings than the usual if need
// be (each as in postgresql.conf, such as "max_connections=10"). It ends with
// the test. It needs server programs also where DUNNING_TEST_POSTGRES names a
// running server, for that one is not ours to crash.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatalf("a port for PostgreSQL: %v", err)
	}
	in, err := start(append([]string{"listen_addresses=127.0.0.1", fmt.Sprint("port=", port)}, settings...)...)
	if err != nil {
		tb.Fatalf("a PostgreSQL of one's own: %v", err)
	}
	in.port = port
	tb.Cleanup(func() {
		if err := in.stop(); err != nil {
			tb.Errorf("stop the server: %v", err)
		}
	})
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	s := &Server{server: in, port: port, password: hex.EncodeToString(b[:])}
	if err := in.ready(); err != nil {
		tb.Fatalf("start PostgreSQL: %v", err)
	}
	s.Execute(tb, `CREATE ROLE `+role+` LOGIN PASSWORD '`+s.password+`'`)
	return s
}

// Password is the password of the role that the URLs of [Server.Database] are
// for, so that a test can look for it where it must not be.
func (s *Server) Password() string { return s.password }

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Database makes a database, a copy of another one or empty, and returns a URL
// to reach it by TCP. It goes with the server.
func (s *Server) Database(tb testing.TB, name, template string) string {
	tb.Helper()
	if template == "" {
		template = "template0"
	}
	s.Execute(tb, `CREATE DATABASE `+name+` OWNER `+role+` TEMPLATE `+template+` ENCODING 'UTF8'`)
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, s.password), Host: fmt.Sprint("127.0.0.1:", s.port),
		Path: "/" + name, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Execute runs one statement as superuser.
func (s *Server) Execute(tb testing.TB, statement string) {
	tb.Helper()
	if err := execute(s.url(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// Crash ends the server at once, as pg_ctl stop -m immediate does: whatever is
// not in the log on disk is lost. It returns when the server is gone.
func (s *Server) Crash() error { return s.order("crash") }

// Restart starts a server again that was crashed. It returns at once; the
// server recovers first, and refuses connections meanwhile.
func (s *Server) Restart() error { return s.order("start") }

// Demote makes the server a standby when it is next restarted: it answers, and
// takes no writes. Promote undoes it.
func (s *Server) Demote() error { return os.WriteFile(s.standby(), nil, 0o644) }

// Promote makes the server an ordinary one when it is next restarted.
func (s *Server) Promote() error { return os.Remove(s.standby()) }

func (s *Server) standby() string { return filepath.Join(s.dir, "data", "standby.signal") }

// Ready returns when the server takes connections.
func (s *Server) Ready() error { return s.ready() }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
