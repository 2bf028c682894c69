package mailer

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/wneessen/go-mail"

	"dunning/invoices"
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
		m, err := bareMessage(aLetter("x"))
		if err != nil {
			return err
		}
		return connections[connection](m)
	}
}

// bareMessage makes a message of go-mail as its documentation shows it.
func bareMessage(l invoices.Letter) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.FromFormat("Example B.V.", "billing@example.com"); err != nil {
		return nil, err
	}
	if err := m.ReplyTo("finance@example.com"); err != nil {
		return nil, err
	}
	if err := m.To(l.To...); err != nil {
		return nil, err
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	m.Subject(l.Subject)
	m.SetBodyString(mail.TypeTextPlain, l.Plain)
	m.AddAlternativeString(mail.TypeTextHTML, l.HTML)
	return m, nil
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

// row is a piece of a letter as the templates write it.
const row = `<tr>
<td class="text rule" width="100%" align="left" valign="top" style="padding:16px 16px 0 0;border-top:1px solid #d9dce1;color:#1c2026;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:24px;word-break:break-word"><strong>Rekening 2026-0042</strong>
<div class="quiet" style="color:#59606b;font-size:14px;line-height:20px">Januari<br>Vervaldatum: 1 april 2026 (14 dagen te laat)</div></td>
<td class="text rule" align="right" valign="top" style="padding:16px 0 0;white-space:nowrap"><strong>€ 120,00</strong></td>
</tr>
`

// BenchmarkCompose puts a letter of the usual size into MIME and checks it, and
// has go-mail alone write the same.
func BenchmarkCompose(b *testing.B) {
	o := options()
	o.Host, o.Security = "127.0.0.1", None
	p, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	l := aLetter("letter-1")
	l.Plain = strings.Repeat("Geachte heer Jansen, volgens onze administratie is nog € 120,00 open.\n", 12)
	l.HTML = strings.Repeat(row, 10)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Compose(l); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m, err := bareMessage(l)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := m.WriteTo(&bytes.Buffer{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("envelope", func(b *testing.B) {
		done, err := p.Compose(l)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			e, err := p.envelope(done)
			if err != nil {
				b.Fatal(err)
			}
			_ = stuffed(e.raw)
		}
	})
}
