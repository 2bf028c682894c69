package mailer

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dunning/invoices"
)

// A sink is Postfix's smtp-sink: a mail server that fails on request, written
// by people who know how mail servers fail.
type sink struct {
	port int
	dir  string
}

func startSink(t *testing.T, flags ...string) *sink {
	t.Helper()
	binary, err := exec.LookPath("smtp-sink")
	if err != nil {
		binary = "/usr/sbin/smtp-sink"
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal("this test needs smtp-sink, which comes with Postfix; as root run:\n\tapt-get install -y --no-install-recommends postfix")
	}
	s := &sink{port: freePort(t)}
	if s.dir, err = os.MkdirTemp("", "dunning-sink"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	if err := os.Chmod(s.dir, 0o777); err != nil { // it runs as nobody
		t.Fatal(err)
	}
	args := append([]string{"-d", s.dir + "/letter."}, flags...)
	if os.Getuid() == 0 {
		args = append(args, "-u", "nobody")
	}
	cmd := exec.Command(binary, append(args, fmt.Sprintf("127.0.0.1:%d", s.port), "100")...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("smtp-sink says:\n%s", &said)
		}
	})
	waitForPort(t, s.port, true)
	return s
}

// waitForPort waits until somebody listens on a port of this machine, or
// nobody.
func waitForPort(t *testing.T, port int, somebody bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) == somebody {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("somebody listens on port %d: %t: %v", port, err == nil, err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (s *sink) options() Options {
	o := options()
	o.Host, o.Port, o.Security, o.HelloName = "127.0.0.1", s.port, None, "worker.example.com"
	return o
}

// letters returns what was taken, without the lines that smtp-sink adds.
func (s *sink) letters(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(s.dir + "/letter.*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := max(bytes.Index(text, []byte("\nAuto-Submitted: ")), 0) + 1 // our first header
		out = append(out, strings.ReplaceAll(strings.TrimSuffix(string(text[at:]), "\n"), "\n", "\r\n"))
	}
	return out
}

// TestR19_SMTPSink fails each command in the four ways that smtp-sink has: -f
// refuses for good, -r for now, -q hangs up, -Q says 421 and hangs up.
func TestR19_SMTPSink(t *testing.T) {
	for _, row := range []struct {
		command                    string
		refused, put, gone, leaves ending
		sentence                   string
	}{
		{"CONNECT", down, down, down, down, "a server that does not want anybody is out of order"},
		{"EHLO", sent, down, down, down, "a server without EHLO is good enough on this machine, if it knows HELO"},
		{"MAIL", halted, postponed, postponed, postponed, "a refused sender meets every letter"},
		{"RCPT", rejected, postponed, postponed, postponed, "5.3.0 is not about the mailbox: the address is kept"},
		{"DATA", rejected, postponed, postponed, postponed, "this letter is not wanted"},
		{".", rejected, postponed, doubtful, postponed, "only without any answer is there doubt"},
		{"RSET", sent, sent, sent, sent, "RSET concerns no letter"},
		{"QUIT", sent, sent, sent, sent, "QUIT concerns no letter"},
	} {
		for flag, want := range map[string]ending{"-f": row.refused, "-r": row.put, "-q": row.gone, "-Q": row.leaves} {
			t.Run(strings.Trim(row.command, ".")+flag, func(t *testing.T) {
				s := startSink(t, flag, row.command)
				p := newPool(t, s.options())
				l := composed(t, p, longLetter("the-letter"))
				asked := 0
				_, err := p.Send(t.Context(), l, commits(&asked))
				p.Close()
				if !want.sent {
					checkFault(t, err, want.kind, want.about)
				} else if got := s.letters(t); err != nil || len(got) != 1 || got[0] != string(l.Raw) {
					t.Errorf("%d letters arrived, the first is as it was sent: %t: %v", len(got), len(got) > 0 && got[0] == string(l.Raw), err)
				}
				if dot := row.command == "." || want.sent; (asked == 1) != dot {
					t.Errorf("commit was called %d times", asked)
				}
				if t.Failed() {
					t.Log("because " + row.sentence)
				}
			})
		}
	}
}

// TestR19_SinkRefusesTheText: -A refuses with 550 in the middle of the text and
// reads no further.
func TestR19_SinkRefusesTheText(t *testing.T) {
	s := startSink(t, "-A", "0", "-T", "8000")
	p := newPool(t, s.options())
	p.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil { // so that the text does not fit into the kernel
			err = conn.(*net.TCPConn).SetWriteBuffer(8 << 10)
		}
		return conn, err
	}
	l := aLetter("long")
	l.Plain += strings.Repeat("een lange regel van een zeer lange brief, die in geen buffer past\n", 25_000)
	asked := 0
	_, err := p.Send(t.Context(), composed(t, p, l), commits(&asked))
	checkFault(t, err, invoices.Never, nil)
	if asked != 0 {
		t.Error("commit was called")
	}
}

// TestSinkOfEveryKind: a server that knows little gets the letter all the same.
func TestSinkOfEveryKind(t *testing.T) {
	for sentence, flags := range map[string][]string{
		"it knows no ESMTP": {"-e"}, "it hides behind a firewall of old": {"-P"}, "it takes commands one by one": {"-p"},
		"it has no status codes": {"-E"}, "it takes its time": {"-W", "DATA:1"},
	} {
		s := startSink(t, flags...)
		p := newPool(t, s.options())
		l := composed(t, p, longLetter("the-letter"))
		_, err := p.Send(t.Context(), l, yes)
		if got := s.letters(t); err != nil || len(got) != 1 || got[0] != string(l.Raw) {
			t.Errorf("%s: %d letters arrived: %v", sentence, len(got), err)
		}
	}
}
