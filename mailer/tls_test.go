package mailer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"dunning/invoices"
)

// An authority signs certificates for tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	a.key, a.cert = a.sign(template, template, nil)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

// issue makes a certificate for a machine, good for so long from now.
func (a *authority) issue(host string, life time.Duration) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key, cert := a.sign(template, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// files writes a certificate and its key for a server that is not Go.
func (a *authority) files(c tls.Certificate, dir string) (cert, key string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return cert, key
}

// A library is the go-smtp server with one user, as a second opinion on what
// we say.
type library struct {
	mechanisms []string
	strangers  bool   // may send without a login
	newest     uint16 // TLS version; 0: whichever
	mu         sync.Mutex
	letters    []string
	logins     []string
}

func (b *library) NewSession(*smtp.Conn) (smtp.Session, error) { return &librarySession{b: b}, nil }

type librarySession struct {
	b      *library
	logged bool
}

func (s *librarySession) AuthMechanisms() []string { return s.b.mechanisms }

func (s *librarySession) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "billing" || password != "correct horse" {
			return smtp.ErrAuthFailed
		}
		s.logged = true
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		s.b.logins = append(s.b.logins, mechanism)
		return nil
	}
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// loginServer is the server's side of AUTH LOGIN.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

func (s *librarySession) Mail(string, *smtp.MailOptions) error {
	if !s.logged && !s.b.strangers {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *librarySession) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *librarySession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.letters = append(s.b.letters, string(text))
	return nil
}

func (s *librarySession) Reset()        {}
func (s *librarySession) Logout() error { return nil }

// serve starts the library with a certificate.
func (b *library) serve(t *testing.T, security Security, cert tls.Certificate) Options {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(b)
	srv.Domain, srv.ErrorLog = "mail.example", log.New(io.Discard, "", 0)
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: b.newest}
	o := options()
	o.Host, o.Port, o.Security = "127.0.0.1", l.Addr().(*net.TCPAddr).Port, security
	o.Username, o.Password = "billing", "correct horse"
	if security == TLS {
		l = tls.NewListener(l, srv.TLSConfig)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() { _ = srv.Close(); serving.Wait() })
	return o
}

func TestTLSAndLogin(t *testing.T) {
	ca := newAuthority(t)
	for _, security := range []Security{StartTLS, TLS} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			t.Run(string(security)+"/"+mechanism, func(t *testing.T) {
				b := &library{mechanisms: []string{mechanism}}
				o := b.serve(t, security, ca.issue("127.0.0.1", time.Hour))
				o.RootCAs = ca.pool
				p := newPool(t, o)
				if err := p.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				var want []string
				for i := range 3 {
					l := composed(t, p, aLetter(fmt.Sprintf("letter-%d", i)))
					if _, err := p.Send(t.Context(), l, yes); err != nil {
						t.Fatal(err)
					}
					want = append(want, string(l.Raw))
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				if strings.Join(b.letters, "") != strings.Join(want, "") {
					t.Error("the bytes received are not those stored")
				}
				if strings.Join(b.logins, " ") != mechanism+" "+mechanism { // Check and the pool's one connection
					t.Errorf("logins: %v", b.logins)
				}
			})
		}
	}
}

func TestR19_WrongLoginHalts(t *testing.T) {
	ca := newAuthority(t)
	for _, mechanisms := range [][]string{{"PLAIN"}, {"LOGIN"}, {"CRAM-MD5"}, nil} {
		b := &library{mechanisms: mechanisms}
		o := b.serve(t, StartTLS, ca.issue("127.0.0.1", time.Hour))
		o.RootCAs, o.Password = ca.pool, "wrong horse"
		p := newPool(t, o)
		checkFault(t, p.Check(t.Context()), invoices.Halt, nil)
		asked := 0
		_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), commits(&asked))
		checkFault(t, err, invoices.Halt, nil)
		if asked != 0 || len(b.letters) != 0 || strings.Contains(err.Error(), "horse") {
			t.Errorf("commit was called %d times: %v", asked, err)
		}
	}
}

// TestTLSIsNotSpoken connects with TLS to a port that does not speak it.
func TestTLSIsNotSpoken(t *testing.T) {
	srv := newServer(t, nil)
	o := srv.options()
	o.Security = TLS
	err := newPool(t, o).Check(t.Context())
	checkFault(t, err, invoices.Later, invoices.ErrServer)
	if !strings.Contains(err.Error(), "does not look like a TLS handshake") {
		t.Errorf("the reason is not told: %v", err)
	}
}
