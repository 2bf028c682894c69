package pgtest

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// programs are the folders in which distributions keep the server, which they
// leave out of PATH.
var programs = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin"}

// supervise runs the server until its input ends, which it does when the test
// process does, however that ends; then it stops the server and tidies up. Its
// input is orders: crash ends the server as pg_ctl -m immediate does, start
// starts it again. It answers each on descriptor 3.
const supervise = `
dir=$1; bin=$2; shift 2
"$bin/postgres" "$@" 3>&- &
server=$!
while read -r order; do
	case $order in
	crash) kill -QUIT $server; wait $server ;;
	start) "$bin/postgres" "$@" 3>&- & server=$! ;;
	esac
	echo done >&3
done
kill -INT $server 2>/dev/null
wait $server
cd / && rm -rf "$dir"`

// A server is a PostgreSQL of our own.
type server struct {
	dir     string
	port    int // 0: the usual one
	cmd     *exec.Cmd
	orders  io.WriteCloser
	replies *bufio.Reader
	gone    chan struct{}
	log     *lastWords
}

// start starts a server with more settings than the usual, each as in
// postgresql.conf.
func start(settings ...string) (*server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := folder(who)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, gone: make(chan struct{}), log: &lastWords{}}
	if err := s.run(bin, who, settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// find returns the folder of the newest server programs.
func find() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	var found []string
	for _, pattern := range programs {
		dirs, _ := filepath.Glob(pattern) // the patterns are valid
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
				found = append(found, dir)
			}
		}
	}
	if len(found) == 0 {
		return "", errors.New("no server programs were found; install them (Debian and Ubuntu: apt-get install postgresql), or set " + variable + " to the URL of a superuser of a running server")
	}
	slices.SortFunc(found, func(a, b string) int { return release(b) - release(a) })
	return found[0], nil
}

// release returns the number in a folder's name.
func release(dir string) int {
	n, _ := strconv.Atoi(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, dir))
	return n
}

// unprivileged returns whom to run the server as: nobody else, unless we are
// root, as whom it refuses to run.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody; run the tests as another user")
}

// folder makes a folder for the data and the socket, whose path must be short.
func folder(who *syscall.Credential) (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "dunning-pg-")
	if err != nil || who == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(who.Uid), int(who.Gid))
}

func (s *server) command(who *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	return cmd
}

func (s *server) run(bin string, who *syscall.Credential, settings []string) error {
	data := filepath.Join(s.dir, "data")
	out, err := s.command(who, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	args := []string{"-c", supervise, "sh", s.dir, bin, "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=200"}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.cmd = s.command(who, "/bin/sh", args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if s.orders, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	answers, mouth, err := os.Pipe()
	if err != nil {
		return err
	}
	s.replies, s.cmd.ExtraFiles = bufio.NewReader(answers), []*os.File{mouth}
	if err := errors.Join(s.cmd.Start(), mouth.Close()); err != nil {
		return errors.Join(err, answers.Close())
	}
	go func() {
		defer close(s.gone)
		_ = s.cmd.Wait() // how it ended does not matter, only that it did
	}()
	return nil
}

func (s *server) url() string {
	q := url.Values{"host": {s.dir}, "user": {"postgres"}, "sslmode": {"disable"}}
	if s.port != 0 {
		q.Set("port", strconv.Itoa(s.port))
	}
	return "postgres:///postgres?" + q.Encode()
}

// ready returns when the server takes connections.
func (s *server) ready() error {
	db, err := sql.Open("postgres", s.url())
	if err != nil {
		return err
	}
	defer db.Close()
	return s.answers(db)
}

// answers returns when a database answers.
func (s *server) answers(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.gone:
			return fmt.Errorf("it ended: %w\n%s", err, s.log)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w\n%s", err, s.log)
		}
	}
}

// order has the supervisor do something, and returns when it is done.
func (s *server) order(what string) error {
	if _, err := io.WriteString(s.orders, what+"\n"); err != nil {
		return err
	}
	_, err := s.replies.ReadString('\n')
	return err
}

// stop ends the server and removes its folder.
func (s *server) stop() error {
	if err := s.orders.Close(); err != nil {
		return err
	}
	select {
	case <-s.gone:
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("it does not end"), syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL), os.RemoveAll(s.dir))
	}
}

// lastWords keeps the last part of what the server says.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if n := len(w.text) - 4096; n > 0 {
		w.text = bytes.Clone(w.text[n:])
	}
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
