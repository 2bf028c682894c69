package mailer

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/wneessen/go-mail"
)

// A drain is a mail server's backend that takes everything and keeps nothing.
type drain struct{}

func (drain) NewSession(*smtp.Conn) (smtp.Session, error) { return drain{}, nil }
func (drain) Mail(string, *smtp.MailOptions) error        { return nil }
func (drain) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (drain) Data(r io.Reader) error                      { _, err := io.Copy(io.Discard, r); return err }
func (drain) Reset()                                      {}
func (drain) Logout() error                               { return nil }

// A distant listener's connections are far away: what comes in is seen after
// so long.
type distant struct {
	net.Listener
	trip time.Duration
}

func (d distant) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	return distantConn{conn, d.trip}, err
}

type distantConn struct {
	net.Conn
	trip time.Duration
}

func (c distantConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.trip > 0 {
		<-time.After(c.trip)
	}
	return n, err
}

func drainOptions(b *testing.B, trip time.Duration) Options {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := smtp.NewServer(drain{})
	srv.ErrorLog = log.New(io.Discard, "", 0)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(distant{l, trip}) })
	b.Cleanup(func() { _ = srv.Close(); serving.Wait() })
	o := options()
	o.Host, o.Port, o.Security = "127.0.0.1", l.Addr().(*net.TCPAddr).Port, None
	return o
}

// BenchmarkSend carries letters over one and over eight connections, to a
// server on this machine and to one whose answers take 10 ms, in turns with
// go-mail's own loop over as many connections that it uses again. It reports
// our rate as a multiple of go-mail's. Both build every message anew.
func BenchmarkSend(b *testing.B) {
	for _, trip := range []time.Duration{0, 10 * time.Millisecond} {
		for _, connections := range []int{1, 8} {
			b.Run(fmt.Sprintf("trip=%s/connections=%d", trip, connections), func(b *testing.B) {
				benchmarkSend(b, trip, connections)
			})
		}
	}
}

func benchmarkSend(b *testing.B, trip time.Duration, connections int) {
	o := drainOptions(b, trip)
	o.Connections = connections
	p, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	bare := newBare(b, o)
	b.ResetTimer()

	const batch = 400
	var ours, theirs time.Duration
	for done := 0; done < b.N; done += batch {
		n := min(batch, b.N-done)
		ours += spread(b, connections, n, func(_, i int) error {
			l, err := p.Compose(aLetter(fmt.Sprintf("letter-%d", i)))
			if err != nil {
				return err
			}
			_, err = p.Send(b.Context(), l, yes)
			return err
		})
		b.StopTimer()
		theirs += spread(b, connections, n, bare)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)/ours.Seconds(), "letters/s")
	b.ReportMetric(float64(theirs)/float64(ours), "x-bare-go-mail")
}

// newBare returns the loop to compare with: one message on one of go-mail's
// connections.
func newBare(b *testing.B, o Options) func(connection, i int) error {
	b.Helper()
	client, err := mail.NewClient(o.Host, mail.WithPort(o.Port), mail.WithTLSPolicy(mail.NoTLS), mail.WithTLSConfig(&tls.Config{ServerName: o.Host, MinVersion: tls.VersionTLS12}),
		mail.WithoutNoop(), mail.WithoutRset(), mail.WithHELO("worker.example.com"))
	if err != nil {
		b.Fatal(err)
	}
	var connections []func(*mail.Msg) error
	for range o.Connections {
		c, err := client.DialToSMTPClientWithContext(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		connections = append(connections, func(m *mail.Msg) error { return client.SendWithSMTPClient(c, m) })
	}
	return func(connection, _ int) error {
		l := aLetter("x")
		m := mail.NewMsg()
		if err := m.FromFormat("Example B.V.", "billing@example.com"); err != nil {
			return err
		}
		if err := m.ReplyTo("finance@example.com"); err != nil {
			return err
		}
		if err := m.To(l.To...); err != nil {
			return err
		}
		m.SetGenHeader("Auto-Submitted", "auto-generated")
		m.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
		m.Subject(l.Subject)
		m.SetBodyString(mail.TypeTextPlain, l.Plain)
		m.AddAlternativeString(mail.TypeTextHTML, l.HTML)
		return connections[connection](m)
	}
}

// spread calls do n times from several goroutines and returns how long that
// took.
func spread(b *testing.B, goroutines, n int, do func(goroutine, i int) error) time.Duration {
	b.Helper()
	begun := time.Now()
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := g; i < n; i += goroutines {
				if err := do(g, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}
