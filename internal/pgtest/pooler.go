package pgtest

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// poolerRuns runs PgBouncer until its input ends, which it does when the test
// process does; then it stops it and tidies up.
const poolerRuns = `
dir=$1; bin=$2
"$bin" -q "$dir/pgbouncer.ini" &
pooler=$!
read -r _
kill -INT $pooler 2>/dev/null
wait $pooler
cd / && rm -rf "$dir"`

// Pool starts PgBouncer before a server, in transaction mode and otherwise as it
// comes, but for more settings (each as in pgbouncer.ini, such as
// "default_pool_size = 2"). It returns what turns the URL of a database into one
// that leads through it. It ends with the test.
func (s *Server) Pool(tb testing.TB, settings ...string) func(string) string {
	tb.Helper()
	bin, err := pooler()
	if err != nil {
		tb.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		tb.Fatalf("a port for PgBouncer: %v", err)
	}
	who, err := unprivileged()
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := folder(who)
	if err != nil {
		tb.Fatal(err)
	}
	p := &server{dir: dir, gone: make(chan struct{}), log: &lastWords{}}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "users"), []byte(`"`+role+`" "`+s.password+`"`+"\n"), 0o644), // the folder is closed to others
		os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(s.poolerConfig(dir, port, settings)), 0o644),
	)
	if err != nil {
		tb.Fatal(err)
	}
	p.cmd = p.command(who, "/bin/sh", "-c", poolerRuns, "sh", dir, bin)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // how it ended does not matter, only that it did
	}()
	tb.Cleanup(func() {
		if err := p.stop(); err != nil {
			tb.Errorf("stop PgBouncer: %v", err)
		}
	})
	through := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			tb.Fatal(err)
		}
		u.Host = fmt.Sprint("127.0.0.1:", port)
		return u.String()
	}
	if err := p.pools(through(s.Database(tb, fmt.Sprint("pooler_", port), ""))); err != nil {
		tb.Fatal(err)
	}
	return through
}

func pooler() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const usual = "/usr/sbin/pgbouncer" // not in everybody's PATH
	if _, err := os.Stat(usual); err != nil {
		return "", errors.New("there is no PgBouncer to test with; install it (Debian and Ubuntu: apt-get install pgbouncer)")
	}
	return usual, nil
}

func (s *Server) poolerConfig(dir string, port int, settings []string) string {
	return strings.Join(append([]string{
		"[databases]",
		fmt.Sprint("* = host=127.0.0.1 port=", s.port),
		"[pgbouncer]",
		"pool_mode = transaction",
		"listen_addr = 127.0.0.1",
		fmt.Sprint("listen_port = ", port),
		"unix_socket_dir =",
		"auth_type = scram-sha-256",
		"auth_file = " + filepath.Join(dir, "users"),
	}, settings...), "\n") + "\n"
}

// pools returns when the pooler takes connections.
func (s *server) pools(url string) error {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer db.Close()
	return s.answers(db)
}
