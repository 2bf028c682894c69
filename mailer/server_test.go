package mailer

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dunning/invoices"
)

// What a scripted server can do instead of answering.
const (
	drops = "(drops)" // closes the connection
	hangs = "(hangs)" // says nothing more, until the client gives up
)

// A script says what a mail server does, by command: GREETING, EHLO, MAIL,
// RCPT, RCPT <address>, DATA, TEXT (while it is read), DOT, RSET, QUIT; SECOND
// MAIL and so on for the second on a connection. What it does not mention goes
// well. "\n" in an answer is a line end.
type script map[string]string

// A scriptedServer is a mail server that misbehaves on request. It accepts a
// letter only when it has read the final dot and says 2xx to it.
type scriptedServer struct {
	t        *testing.T
	listener net.Listener
	serving  sync.WaitGroup

	mu          sync.Mutex
	ending      *sync.Cond // a connection has ended
	script      script
	extensions  []string
	connections int
	open        map[net.Conn]bool
	commands    []string
	accepted    []string        // texts, dots undone
	ended       map[string]bool // texts whose dot was read, accepted or not
	dots        chan struct{}   // one for each final dot that was read
	arrivals    chan struct{}   // one for each connection
}

func newServer(t *testing.T, s script, extensions ...string) *scriptedServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &scriptedServer{t: t, listener: l, script: s, extensions: extensions, open: map[net.Conn]bool{}, ended: map[string]bool{}, dots: make(chan struct{}, 1000), arrivals: make(chan struct{}, 1000)}
	srv.ending = sync.NewCond(&srv.mu)
	srv.serving.Go(srv.accept)
	t.Cleanup(func() {
		_ = l.Close()
		srv.dropAll()
		srv.serving.Wait()
	})
	return srv
}

func (srv *scriptedServer) accept() {
	for {
		conn, err := srv.listener.Accept()
		if err != nil {
			return
		}
		srv.mu.Lock()
		srv.connections++
		srv.open[conn] = true
		s := srv.script
		srv.mu.Unlock()
		srv.arrivals <- struct{}{}
		srv.serving.Go(func() {
			peer := &peer{srv: srv, conn: conn, in: bufio.NewReader(conn), script: s, said: map[string]int{}}
			peer.serve()
			_ = conn.Close()
			srv.mu.Lock()
			delete(srv.open, conn)
			srv.ending.Broadcast()
			srv.mu.Unlock()
		})
	}
}

// dropAll closes every open connection, as a server that restarts.
func (srv *scriptedServer) dropAll() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for conn := range srv.open {
		_ = conn.Close()
	}
}

// settle waits until the server has seen the end of every connection.
func (srv *scriptedServer) settle() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for len(srv.open) > 0 {
		srv.ending.Wait()
	}
}

func (srv *scriptedServer) count(command string) int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	n := 0
	for _, c := range srv.commands {
		if strings.HasPrefix(c, command) {
			n++
		}
	}
	return n
}

func (srv *scriptedServer) letters() []string {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return slices.Clone(srv.accepted)
}

func (srv *scriptedServer) opened() int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.connections
}

func (srv *scriptedServer) options() Options {
	_, port, _ := net.SplitHostPort(srv.listener.Addr().String())
	n, _ := strconv.Atoi(port)
	return Options{
		Host: "127.0.0.1", Port: n, Security: None, From: `"Example B.V." <billing@example.com>`,
		Now: func() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) },
	}
}

type peer struct {
	srv    *scriptedServer
	conn   net.Conn
	in     *bufio.Reader
	script script
	said   map[string]int
}

// act returns what the script says of a command: SECOND MAIL is the second on
// a connection, MAIL is every one that has no line of its own.
func (p *peer) act(command string) (string, bool) {
	p.said[command]++
	if p.said[command] == 2 {
		if act, ok := p.script["SECOND "+command]; ok {
			return act, true
		}
	}
	act, ok := p.script[command]
	return act, ok
}

// does performs the script's act for a command, or the usual answer. It
// reports false when the conversation is over.
func (p *peer) does(command, usual string) (said string, goesOn bool) {
	act, scripted := p.act(command)
	if !scripted {
		act = usual
	}
	return p.do(act)
}

func (p *peer) do(act string) (said string, goesOn bool) {
	switch act {
	case drops:
		return "", false
	case hangs:
		_, _ = p.in.WriteTo(devNull{})
		return "", false
	}
	act, over := strings.CutSuffix(act, drops)
	_, err := p.conn.Write([]byte(strings.ReplaceAll(act, "\n", "\r\n") + "\r\n"))
	return act, err == nil && !over
}

type devNull struct{}

func (devNull) Write(b []byte) (int, error) { return len(b), nil }

func (p *peer) serve() {
	if _, ok := p.does("GREETING", "220 mail.example ready"); !ok {
		return
	}
	begun, waits := false, false // MAIL was accepted, RCPT was
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		p.srv.mu.Lock()
		p.srv.commands = append(p.srv.commands, line)
		p.srv.mu.Unlock()
		verb, rest, _ := strings.Cut(line, " ")
		usual := "250 2.0.0 ok"
		switch verb {
		case "EHLO":
			usual = "250 " + strings.Join(append([]string{"mail.example"}, p.srv.extensions...), "\n250 ")
			usual = strings.Replace(usual, "250 ", "250-", strings.Count(usual, "250 ")-1)
		case "MAIL":
			waits = false
		case "RCPT":
			if !begun {
				usual = "503 5.5.1 need MAIL"
			}
			to := strings.TrimPrefix(rest, "TO:")
			if _, named := p.script["RCPT "+to]; named {
				verb = "RCPT " + to
			}
		case "DATA":
			usual = "354 go on"
			if !waits {
				usual = "503 5.5.1 no valid recipients"
			}
		case "QUIT":
			usual = "221 bye"
		}
		said, ok := p.does(verb, usual)
		switch {
		case !ok || verb == "QUIT":
			return
		case verb == "MAIL":
			begun = strings.HasPrefix(said, "2")
		case strings.HasPrefix(verb, "RCPT"):
			waits = waits || strings.HasPrefix(said, "2")
		case verb == "DATA" && strings.HasPrefix(said, "354"):
			if !p.text() {
				return
			}
		}
	}
}

// text reads a letter's text up to the dot.
func (p *peer) text() bool {
	if p.script["TEXT"] == drops {
		_, _ = p.in.ReadString('\n')
		return false
	}
	var text bytes.Buffer
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	p.srv.mu.Lock()
	p.srv.ended[text.String()] = true
	p.srv.mu.Unlock()
	p.srv.dots <- struct{}{}
	act, scripted := p.act("DOT")
	if !scripted {
		act = "250 2.0.0 queued as 4711"
	}
	if strings.HasPrefix(act, "2") {
		p.srv.mu.Lock()
		p.srv.accepted = append(p.srv.accepted, text.String())
		p.srv.mu.Unlock()
	}
	_, ok := p.do(act)
	return ok
}

func newPool(t *testing.T, o Options) *Pool {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// aLetter is a letter with lines that begin with dots.
func aLetter(id string, to ...string) invoices.Letter {
	if len(to) == 0 {
		to = []string{"jansen@bakkerij.example"}
	}
	return invoices.Letter{
		ID: id, To: to,
		Text: invoices.Text{
			Subject: "Rekening 2026-0042: nog € 120,00",
			Plain:   "Geachte heer Jansen,\n\n.\n..\n.begint met een punt\nBetaal: https://pay.example/0042\n.\n",
			HTML:    "<p>Geachte heer Jansen,</p>\n.\n<p>nog € 120,00</p>\n",
		},
	}
}

func composed(t *testing.T, p *Pool, l invoices.Letter) invoices.Letter {
	t.Helper()
	l, err := p.Compose(l)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func yes(context.Context) error { return nil }

// commits counts how often it was called.
func commits(n *int) func(context.Context) error {
	return func(context.Context) error { *n++; return nil }
}
