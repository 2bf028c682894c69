package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dunning/invoices"
)

// refusedToSend sends a letter to a server that it must not reach.
func refusedToSend(t *testing.T, p *Pool, kind invoices.Kind, about error) {
	t.Helper()
	asked := 0
	_, err := p.Send(t.Context(), composed(t, p, aLetter("secret")), commits(&asked))
	checkFault(t, err, kind, about)
	if asked != 0 {
		t.Error("commit was called")
	}
}

// TestR19_NoDowngrade plays servers, or somebody between us and the server, who
// would have us go on without TLS.
func TestR19_NoDowngrade(t *testing.T) {
	for _, row := range []struct {
		sentence   string
		script     script
		extensions []string
		kind       invoices.Kind
		about      error
	}{
		{"STARTTLS is stripped, and the login still offered", nil, []string{"AUTH PLAIN LOGIN", "SIZE 10000000"}, invoices.Halt, nil},
		{"STARTTLS is painted over, as some firewalls do", nil, []string{"XXXXXXXA", "AUTH PLAIN"}, invoices.Halt, nil},
		{"nothing is offered at all", nil, nil, invoices.Halt, nil},
		{"EHLO is refused so that we say HELO", script{"EHLO": "502 5.5.1 not implemented"}, []string{"STARTTLS"}, invoices.Halt, nil},
		{"STARTTLS is refused for good", script{"STARTTLS": "502 5.5.1 not implemented"}, []string{"STARTTLS", "AUTH PLAIN"}, invoices.Halt, nil},
		{"STARTTLS is refused as unneeded", script{"STARTTLS": "554 5.5.1 TLS already active"}, []string{"STARTTLS", "AUTH PLAIN"}, invoices.Halt, nil},
		{"STARTTLS is refused for the moment: no letter leaves, and tomorrow it may work", script{"STARTTLS": "454 4.7.0 TLS not available due to temporary reason"}, []string{"STARTTLS", "AUTH PLAIN"}, invoices.Later, invoices.ErrServer},
		{"STARTTLS is agreed to with 250", script{"STARTTLS": "250 2.0.0 ok"}, []string{"STARTTLS", "AUTH PLAIN"}, invoices.Later, invoices.ErrServer},
		{"STARTTLS is agreed to, and SMTP goes on in the clear", script{"STARTTLS": "220 go on\n250-mail.example\n250 AUTH PLAIN\n235 2.7.0 welcome"}, []string{"STARTTLS", "AUTH PLAIN"}, invoices.Later, invoices.ErrServer},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			srv := newServer(t, row.script, row.extensions...)
			o := srv.options()
			o.Security, o.Username, o.Password = StartTLS, "billing", "secret99"
			o.Timeouts.Connect = 300 * time.Millisecond
			refusedToSend(t, newPool(t, o), row.kind, row.about)
			srv.settle()
			srv.mu.Lock()
			defer srv.mu.Unlock()
			for _, command := range srv.commands {
				verb, _, _ := strings.Cut(command, " ")
				if slices.Contains([]string{"AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP"}, strings.ToUpper(verb)) {
					t.Errorf("this was said in the clear: %q", command)
				}
				if strings.Contains(command, "secret99") {
					t.Errorf("the password was: %q", command)
				}
			}
			if len(srv.ended) != 0 {
				t.Error("the letter left")
			}
		})
	}
}

// TestR19_WhomWeDoNotTrust: a server that cannot show who it is, or speaks a
// TLS that can be broken, gets neither the login nor a letter.
func TestR19_WhomWeDoNotTrust(t *testing.T) {
	ca := newAuthority(t)
	for _, security := range []Security{StartTLS, TLS} {
		for _, row := range []struct {
			sentence string
			cert     tls.Certificate
			newest   uint16
		}{
			{"it signed its certificate itself", selfSigned(t), 0},
			{"its certificate is of an authority that we do not know", newAuthority(t).issue("127.0.0.1", time.Hour), 0},
			{"its certificate is another machine's", ca.issue("mail.example", time.Hour), 0},
			{"its certificate is for a name that ends like its own", ca.issue("7.0.0.1", time.Hour), 0},
			{"its certificate has expired", ca.issue("127.0.0.1", -time.Minute), 0},
			{"it speaks TLS 1.1 at best", ca.issue("127.0.0.1", time.Hour), tls.VersionTLS11},
			{"it speaks TLS 1.0 at best", ca.issue("127.0.0.1", time.Hour), tls.VersionTLS10},
		} {
			t.Run(string(security)+"/"+row.sentence, func(t *testing.T) {
				b := &library{mechanisms: []string{"PLAIN", "LOGIN"}, strangers: true, newest: row.newest}
				o := b.serve(t, security, row.cert)
				o.RootCAs = ca.pool
				p := newPool(t, o)
				refusedToSend(t, p, invoices.Halt, nil)
				checkFault(t, p.Check(t.Context()), invoices.Halt, nil)
				b.mu.Lock()
				defer b.mu.Unlock()
				if len(b.logins) != 0 || len(b.letters) != 0 {
					t.Errorf("logins %q, %d letters", b.logins, len(b.letters))
				}
			})
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	key, cert := a.sign(template, template, nil)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// TestR19_WhatWasSaidBeforeTLS: nothing that was said in the clear counts under
// TLS (RFC 3207, sections 4.2 and 6). Somebody on the way says it for the
// server, before the answer to STARTTLS and behind it.
func TestR19_WhatWasSaidBeforeTLS(t *testing.T) {
	ca := newAuthority(t)
	for _, row := range []struct {
		sentence string
		hello    string // to the EHLO in the clear
		behind   string // the 220, in the same packet
		later    string // when the client's first bytes of TLS have come
		under    string // to the EHLO under TLS, by the server itself
		kind     invoices.Kind
		about    error
	}{
		{"a login that the server does not offer", "250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", "", "", "250 x\r\n", invoices.Halt, nil},
		{"an answer to EHLO", "250-x\r\n250 STARTTLS\r\n", "250-x\r\n250 AUTH PLAIN\r\n", "", "250 x\r\n", invoices.Halt, nil},
		{"answers to all that we shall say", "250-x\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "250-x\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 ok\r\n250 sent\r\n", "", "250 x\r\n", invoices.Halt, nil},
		{"an answer in the middle of the handshake", "250-x\r\n250 STARTTLS\r\n", "", "250-x\r\n250 AUTH PLAIN\r\n", "250 x\r\n", invoices.Later, invoices.ErrServer},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var heard []string
			var serving sync.WaitGroup
			serving.Go(func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				in := bufio.NewReader(conn)
				fmt.Fprint(conn, "220 hello\r\n")
				_, _ = in.ReadString('\n')
				fmt.Fprint(conn, row.hello)
				_, _ = in.ReadString('\n')
				fmt.Fprint(conn, "220 go on\r\n"+row.behind)
				_, _ = in.Peek(1)
				fmt.Fprint(conn, row.later)
				secured := tls.Server(&ahead{Conn: conn, in: in}, &tls.Config{Certificates: []tls.Certificate{ca.issue("127.0.0.1", time.Hour)}})
				lines := bufio.NewScanner(secured)
				for lines.Scan() {
					heard = append(heard, lines.Text())
					if !strings.HasPrefix(lines.Text(), "EHLO") {
						return
					}
					fmt.Fprint(secured, row.under)
				}
			})
			o := options()
			o.Host, o.Port, o.RootCAs = "127.0.0.1", l.Addr().(*net.TCPAddr).Port, ca.pool
			o.Username, o.Password = "billing", "secret99"
			o.Timeouts = Timeouts{Connect: time.Second, Greeting: time.Second}
			refusedToSend(t, newPool(t, o), row.kind, row.about)
			_ = l.Close()
			serving.Wait()
			for _, line := range heard {
				if !strings.HasPrefix(line, "EHLO") && line != "QUIT" {
					t.Errorf("what was said before TLS was believed: %q", line)
				}
			}
		})
	}
}

// TestR19_TLSThatIsGoodEnough: the same servers with nothing wrong are served.
func TestR19_TLSThatIsGoodEnough(t *testing.T) {
	ca := newAuthority(t)
	for _, security := range []Security{StartTLS, TLS} {
		for _, newest := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			b := &library{mechanisms: []string{"PLAIN"}, newest: newest}
			o := b.serve(t, security, ca.issue("127.0.0.1", time.Hour))
			o.RootCAs = ca.pool
			p := newPool(t, o)
			if _, err := p.Send(context.Background(), composed(t, p, aLetter("x")), yes); err != nil {
				t.Errorf("%s, TLS %#x: %v", security, newest, err)
			}
		}
	}
}
