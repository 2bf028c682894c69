package mailer

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dunning/invoices"
)

// A postfix is a real Postfix with a configuration and a queue of its own. It
// demands STARTTLS and a login, knows two mailboxes and relays for nobody.
type postfix struct {
	t      *testing.T
	binary string
	dir    string
	ca     *authority
	port   int

	arrived int // letters in the mailbox of jansen that arrivedOnce has seen
}

// startPostfix starts it, with more services if there are lines for master.cf.
func startPostfix(t *testing.T, services ...string) *postfix {
	t.Helper()
	binary, err := exec.LookPath("postfix")
	if err != nil {
		binary = "/usr/sbin/postfix"
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal("this test sends letters to a real Postfix, which is not installed; as root run:\n\tapt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix")
	}
	if os.Getuid() != 0 {
		t.Fatal("this test starts a real Postfix, which only root may do; run it as root, for example in a container")
	}
	dir, err := os.MkdirTemp("", "dunning-postfix") // Unix sockets want a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &postfix{t: t, binary: binary, dir: dir, ca: newAuthority(t), port: freePort(t)}
	p.configure(serveLogins(t), services)
	p.run("start")
	t.Cleanup(func() {
		p.run("stop")
		if t.Failed() {
			log, _ := os.ReadFile(p.path("log"))
			t.Logf("Postfix says:\n%s", log)
		}
	})
	return p
}

func (p *postfix) path(name string) string { return filepath.Join(p.dir, name) }

func (p *postfix) run(command string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, "-c", p.path("etc"), command)
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/sbin:"+os.Getenv("PATH"))
	said, err := os.Create(p.path(command + ".txt")) // a pipe would stay open as long as Postfix runs
	if err != nil {
		p.t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		words, _ := os.ReadFile(said.Name())
		log, _ := os.ReadFile(p.path("log"))
		p.t.Fatalf("postfix %s: %v\n%s\n%s", command, err, words, log)
	}
}

// configure writes the whole configuration. Mailboxes belong to nobody, which
// is user 65534 everywhere.
func (p *postfix) configure(logins int, services []string) {
	p.t.Helper()
	for _, dir := range []string{"etc", "queue", "data", "mail"} {
		if err := os.Mkdir(p.path(dir), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	cert, key := p.ca.files(p.ca.issue("127.0.0.1", time.Hour), p.path("etc"))
	main := map[string]string{
		"compatibility_level": "3.6", "queue_directory": p.path("queue"), "data_directory": p.path("data"),
		"maillog_file": p.path("log"), "maillog_file_prefixes": p.dir,
		"myhostname": "mail.example", "mydestination": "", "alias_maps": "", "inet_protocols": "ipv4", "inet_interfaces": "127.0.0.1",
		"virtual_mailbox_domains": "bakkerij.example", "virtual_mailbox_base": p.path("mail"), "virtual_mailbox_maps": "texthash:" + p.path("etc/mailboxes"),
		"virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534",
		"smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key, "smtpd_tls_auth_only": "yes",
		"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": fmt.Sprintf("inet:127.0.0.1:%d", logins),
		"smtpd_relay_restrictions": "reject_unauth_destination", "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
		"message_size_limit": "100000",
	}
	var text strings.Builder
	for name, value := range main {
		fmt.Fprintf(&text, "%s = %s\n", name, value)
	}
	p.file("etc/main.cf", text.String())
	p.file("etc/mailboxes", "jansen@bakkerij.example jansen/\npiet@bakkerij.example piet/\n")
	p.file("etc/master.cf", fmt.Sprintf(`127.0.0.1:%d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
`, p.port)+strings.Join(services, ""))
	if err := os.Chown(p.path("mail"), 65534, 65534); err != nil {
		p.t.Fatal(err)
	}
	for _, dir := range []string{p.dir, p.path("mail")} {
		if err := os.Chmod(dir, 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	p.own("data")
}

// own gives a folder to Postfix's own user.
func (p *postfix) own(name string) {
	p.t.Helper()
	if out, err := exec.Command("chown", "postfix", p.path(name)).CombinedOutput(); err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
}

func (p *postfix) file(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// mailbox waits for n letters in a mailbox and returns them. Postfix delivers
// in its own time, and nothing but the folder tells when.
func (p *postfix) mailbox(user string, n int) []string {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		names, err := filepath.Glob(p.path("mail/" + user + "/new/*"))
		if err != nil {
			p.t.Fatal(err)
		}
		if len(names) >= n {
			var letters []string
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil {
					p.t.Fatal(err)
				}
				letters = append(letters, string(text))
			}
			return letters
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%d of %d letters arrived for %s", len(names), n, user)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (p *postfix) options() Options {
	o := options()
	o.Host, o.Port, o.RootCAs = "127.0.0.1", p.port, p.ca.pool
	o.Username, o.Password = "billing", "correct horse"
	o.Connections, o.HelloName = 2, "worker.example.com"
	return o
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serveLogins answers Postfix's questions about logins, in the protocol of
// Dovecot's auth service, so that no further package is needed. It returns its
// port.
func serveLogins(t *testing.T) int { return serveLines(t, answerLogins) }

// serveLines serves every connection with a function, until the test ends. It
// returns its port.
func serveLines(t *testing.T, answer func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			serving.Go(func() { answer(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

func answerLogins(conn net.Conn) {
	fmt.Fprint(conn, "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00112233445566778899aabbccddeeff\nDONE\n")
	right := base64.StdEncoding.EncodeToString([]byte("\x00billing\x00correct horse"))
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		switch {
		case words[0] != "AUTH" || len(words) < 3:
		case words[len(words)-1] == "resp="+right:
			fmt.Fprintf(conn, "OK\t%s\tuser=billing\n", words[1])
		default:
			fmt.Fprintf(conn, "FAIL\t%s\tuser=billing\n", words[1])
		}
	}
}

func TestPostfix(t *testing.T) {
	server := startPostfix(t)

	t.Run("letters arrive as they were composed", func(t *testing.T) {
		opened := 0
		o := server.options()
		o.Connections, o.OnOutcome = 1, func(o Outcome) { opened += o.Opened }
		p := newPool(t, o)
		if err := p.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for i := range 5 {
			l := aLetter(fmt.Sprintf("letter-%d", i))
			l.CC = []string{"piet@bakkerij.example"}
			l.Plain += strings.Repeat("Een lange regel, met € en ß, die gevouwen wordt. ", 20*i)
			l = composed(t, p, l)
			reply, err := p.Send(t.Context(), l, yes)
			if err != nil || !strings.HasPrefix(reply, "250 2.0.0 Ok: queued as ") {
				t.Fatalf("%q, %v", reply, err)
			}
			want[strings.ReplaceAll(string(l.Raw), "\r\n", "\n")] = true
		}
		if opened != 1 {
			t.Errorf("%d connections for 5 letters", opened)
		}
		for _, user := range []string{"jansen", "piet"} {
			got := server.mailbox(user, len(want))
			for _, letter := range got {
				// Postfix puts its own headers in front and touches nothing else.
				at := strings.Index(letter, "\nAuto-Submitted: ")
				if !want[letter[at+1:]] {
					t.Errorf("this arrived for %s and was not sent:\n%s", user, letter)
				}
				if !strings.Contains(letter[:at+1], "Return-Path: <billing@example.com>\n") {
					t.Errorf("the envelope's sender is another:\n%s", letter)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d letters for %s", len(got), user)
			}
		}
	})

	t.Run("a commit that fails leaves nothing", func(t *testing.T) {
		p := newPool(t, server.options())
		l := aLetter("withdrawn")
		l.Subject = "this letter was withdrawn"
		no := errors.New("paid meanwhile")
		if _, err := p.Send(t.Context(), composed(t, p, l), func(context.Context) error { return no }); !errors.Is(err, no) {
			t.Fatal(err)
		}
		// The next letter to arrive shows that Postfix had its time.
		if _, err := p.Send(t.Context(), composed(t, p, aLetter("next")), yes); err != nil {
			t.Fatal(err)
		}
		for _, letter := range server.mailbox("jansen", 6) {
			if strings.Contains(letter, "withdrawn") {
				t.Errorf("it arrived:\n%s", letter)
			}
		}
	})

	for _, row := range []struct {
		sentence string
		to       string
		spoil    func(*Options, *invoices.Letter)
		kind     invoices.Kind
		about    error
	}{
		{"an unknown mailbox", "nobody@bakkerij.example", nil, invoices.Never, invoices.ErrNoMailbox},
		{"somebody to whom it does not relay", "jansen@elsewhere.example", nil, invoices.Halt, nil},
		{"a wrong password", "jansen@bakkerij.example", func(o *Options, _ *invoices.Letter) { o.Password = "wrong horse" }, invoices.Halt, nil},
		{"no login", "jansen@bakkerij.example", func(o *Options, _ *invoices.Letter) { o.Username, o.Password = "", "" }, invoices.Never, nil},
		{"an authority that we do not trust", "jansen@bakkerij.example", func(o *Options, _ *invoices.Letter) { o.RootCAs = newAuthority(t).pool }, invoices.Halt, nil},
		{"no TLS", "jansen@bakkerij.example", func(o *Options, _ *invoices.Letter) {
			o.Security, o.Username, o.Password = None, "", ""
		}, invoices.Halt, nil},
		{"a letter that is too large", "jansen@bakkerij.example", func(_ *Options, l *invoices.Letter) { l.Plain = strings.Repeat("word ", 25_000) }, invoices.Never, nil},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			o, l := server.options(), aLetter("refused", row.to)
			if row.spoil != nil {
				row.spoil(&o, &l)
			}
			p := newPool(t, o)
			asked := 0
			_, err := p.Send(t.Context(), composed(t, p, l), commits(&asked))
			checkFault(t, err, row.kind, row.about)
			if asked != 0 {
				t.Error("commit was called")
			}
		})
	}
}
