package mailer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"slices"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// A session is a conversation with the mail server, past its login.
type session struct {
	wire       *wire
	in         *bufio.Reader
	out        *bufio.Writer
	pipelining bool // RFC 2920
	size       bool // RFC 1870

	said []exchanged // about the present letter; see [invoices.Fault]

	fresh bool // it carried nothing yet
	sound bool // nothing is outstanding: it may carry another letter, or say QUIT

	expiry *time.Timer // while idle
}

// open connects, agrees on TLS and logs in. Its error is a *stop.
func (p *Pool) open(ctx context.Context) (*session, *stop) {
	soon, cancel := context.WithTimeout(ctx, p.o.Timeouts.Connect)
	conn, err := p.dial(soon, "tcp", p.host)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			err = stopped(ctx)
		}
		return nil, &stop{at: Connect, err: err}
	}
	w := newWire(conn, p.o.Timeouts.Connect)
	unwatch := w.watch(ctx)
	s, end := p.greet(w)
	if !unwatch() && end == nil {
		end = &stop{at: Hello, err: stopped(ctx)}
	}
	if end != nil {
		end.err = w.explain(end.err)
		w.cut(end.err)
		return nil, end
	}
	w.rest()
	return s, nil
}

// greet does all that comes before the first letter. On an error the wire is
// of no more use.
func (p *Pool) greet(w *wire) (*session, *stop) {
	var conn net.Conn = w
	if p.o.Security == TLS {
		secured := tls.Client(w, p.tls)
		if err := secured.Handshake(); err != nil {
			return nil, &stop{at: Connect, err: err}
		}
		conn = secured
	}
	t := p.o.Timeouts
	w.phase(t.Greeting)
	client, err := smtp.NewClient(conn, p.o.Host)
	if err != nil {
		return nil, &stop{at: Greeting, err: err}
	}
	var hello refusedHello
	client.ErrorHandlerRegistry.RegisterHandler(p.o.Host, "ehlo", &hello)
	w.phase(t.Greeting)
	if err := client.Hello(p.helloName(w)); err != nil {
		return nil, &stop{at: Hello, err: err}
	}
	if hello.err != nil && !hello.unknown() {
		return nil, &stop{at: Hello, err: hello.err}
	}
	if p.o.Security == StartTLS {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return nil, &stop{at: Secure, err: errNoTLS}
		}
		w.phase(t.Connect)
		if err := client.StartTLS(p.tls); err != nil {
			if hello.err != nil { // the second one, under TLS
				return nil, &stop{at: Hello, err: err}
			}
			return nil, &stop{at: Secure, err: err}
		}
	}
	if p.o.Username != "" {
		w.phase(t.Greeting)
		offered, _ := client.Extension("AUTH")
		if err := client.Auth(&login{host: p.o.Host, username: p.o.Username, password: p.o.Password, offered: offered}); err != nil {
			return nil, &stop{at: Login, err: err}
		}
	}
	s := &session{wire: w, in: client.Text.Reader.R, out: client.Text.Writer.W, fresh: true, sound: true}
	s.pipelining, _ = client.Extension("PIPELINING")
	s.size, _ = client.Extension("SIZE")
	return s, nil
}

// refusedHello keeps what was wrong with the answer to EHLO. Go-mail's client
// says HELO after any failure, and does not tell: a server that is busy for a
// moment would then pass for one that has no STARTTLS and no login.
type refusedHello struct{ err error }

// HandleError is called by go-mail's client.
func (h *refusedHello) HandleError(_, _ string, _ *textproto.Conn, err error) error {
	h.err = err
	return err
}

// unknown reports whether the server does not know EHLO, for which RFC 5321,
// section 3.2, has HELO.
func (h *refusedHello) unknown() bool {
	said, replied := errors.AsType[*textproto.Error](h.err)
	return replied && said.Code/100 == 5
}

// helloName is how we introduce ourselves: a name, or the address we connect
// from as an address literal (RFC 5321, section 4.1.3).
func (p *Pool) helloName(w *wire) string {
	if p.o.HelloName != "" {
		return p.o.HelloName
	}
	tcp, ok := w.LocalAddr().(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	default:
		return "[IPv6:" + tcp.IP.String() + "]"
	}
}

// explain returns what was wrong with the opening. A reply of the server, which
// go-mail's client returns as an error, is a refusal; where the connection
// broke, the reason may be ours.
func (w *wire) explain(err error) error {
	said, replied := errors.AsType[*textproto.Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case replied && said.Code >= 200 && said.Code <= 599:
		return refusal{reply: reply{code: said.Code, said: said.Msg}}
	case untrusted || errors.Is(err, errNoTLS) || errors.Is(err, errNoLogin):
		return err
	case errors.Is(err, io.EOF):
		err = errDropped
	}
	return w.cause(err)
}

// A login speaks whichever of PLAIN and LOGIN the server offers. It is used
// once, over TLS or to this machine itself; New sees to that.
type login struct {
	host, username, password string
	offered                  bool // by the last EHLO; go-mail's client also remembers the one before TLS
	smtp.Auth
}

// Start chooses the mechanism.
func (l *login) Start(server *smtp.ServerInfo) (mechanism string, first []byte, err error) {
	switch {
	case !l.offered:
		return "", nil, errNoLogin
	case slices.Contains(server.Auth, "PLAIN"):
		l.Auth = smtp.PlainAuth("", l.username, l.password, l.host, true)
	case slices.Contains(server.Auth, "LOGIN"):
		l.Auth = smtp.LoginAuth(l.username, l.password, l.host, true)
	default:
		return "", nil, errNoLogin
	}
	return l.Auth.Start(server)
}
