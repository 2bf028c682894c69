package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gomail "github.com/wneessen/go-mail"
)

func beginMail(t *testing.T, o MailOptions) *MailSink {
	t.Helper()
	o.Now = func() time.Time { return monday }
	m, err := StartMailSink(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("close the sink: %v", err)
		}
	})
	return m
}

const plainMail = "From: finance@example.com\r\nTo: jan@example.com\r\nSubject: =?utf-8?q?Factuur_=E2=82=AC?=\r\n" +
	"Message-ID: <a1@example.com>\r\n\r\n.dots\r\n..stay\r\nthe end\r\n"

// talk is one conversation, command by command.
type talk struct {
	t *testing.T
	*smtp.Client
}

func dial(t *testing.T, m *MailSink) *talk {
	t.Helper()
	c, err := smtp.Dial(m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &talk{t, c}
}

// send sends a mail and returns the first error.
func (c *talk) send(to ...string) error {
	if err := c.Mail("finance@example.com"); err != nil {
		return err
	}
	for _, address := range to {
		if err := c.Rcpt(address); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(plainMail)); err != nil {
		return err
	}
	return w.Close()
}

func TestSinkKeepsMail(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mails")
	m := beginMail(t, MailOptions{Dir: dir})
	c := dial(t, m)
	if err := c.send("Jan/../O'Neill@example.com", "copy@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := c.send("jan@example.com"); err != nil {
		t.Fatalf("a second mail on one connection: %v", err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	want := []Mail{
		{
			N: 1, Time: monday, From: "finance@example.com", To: []string{"Jan/../O'Neill@example.com", "copy@example.com"},
			Subject: "Factuur €", MessageID: "<a1@example.com>", Size: len(plainMail),
			Path: filepath.Join(dir, "000001-jan_.._o_neill_example.com.eml"),
		},
		{
			N: 2, Time: monday, From: "finance@example.com", To: []string{"jan@example.com"},
			Subject: "Factuur €", MessageID: "<a1@example.com>", Size: len(plainMail),
			Path: filepath.Join(dir, "000002-jan_example.com.eml"),
		},
	}
	if diff := cmp.Diff(want, m.Mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	raw, err := os.ReadFile(want[0].Path)
	if err != nil || string(raw) != plainMail {
		t.Errorf("the file differs from what was sent: %q, %v", raw, err)
	}
	if raw, err := m.Raw(2); err != nil || string(raw) != plainMail {
		t.Errorf("raw: %q, %v", raw, err)
	}
	if text, err := m.Text(1); err != nil || text != ".dots\n..stay\nthe end\n" {
		t.Errorf("text: %q, %v", text, err)
	}
	for _, n := range []int{-1, 0, 3} {
		if _, err := m.Raw(n); !errors.Is(err, ErrNoMail) {
			t.Errorf("mail %d: %v", n, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

func TestSinkGoesOnCountingInAFolder(t *testing.T) {
	dir := t.TempDir()
	first := beginMail(t, MailOptions{Dir: dir})
	if err := dial(t, first).send("a@example.com"); err != nil {
		t.Fatal(err)
	}
	second := beginMail(t, MailOptions{Dir: dir})
	if err := dial(t, second).send("b@example.com"); err != nil {
		t.Fatal(err)
	}
	got := second.Mails()
	if len(got) != 1 || got[0].N != 2 {
		t.Errorf("mails after a restart: %v", got)
	}
	if raw, err := second.Raw(2); err != nil || string(raw) != plainMail {
		t.Errorf("raw: %v", err)
	}
	if _, err := second.Raw(1); !errors.Is(err, ErrNoMail) {
		t.Errorf("the mail of the run before: %v", err)
	}
}

// message is a mail as the worker writes them: two parts, quoted-printable.
func message(t *testing.T, to, text string) *gomail.Msg {
	t.Helper()
	msg := gomail.NewMsg()
	for _, err := range []error{msg.From("finance@example.com"), msg.To(to)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	msg.Subject("Rekening voor café")
	msg.SetBodyString(gomail.TypeTextPlain, text)
	msg.AddAlternativeString(gomail.TypeTextHTML, "<p>"+text+"</p>")
	return msg
}

func TestSinkWithARealClient(t *testing.T) {
	text := "Betaal € 121,00 via http://127.0.0.1:12345/pay/6f0f7a3e-0000-4000-8000-000000000000/ =)\n"
	for _, row := range []struct {
		why      string
		security Security
		auth     gomail.SMTPAuthType
		option   []gomail.Option
	}{
		{"STARTTLS and AUTH PLAIN", StartTLS, gomail.SMTPAuthPlain, []gomail.Option{gomail.WithTLSPolicy(gomail.TLSMandatory)}},
		{"STARTTLS and AUTH LOGIN", StartTLS, gomail.SMTPAuthLogin, []gomail.Option{gomail.WithTLSPolicy(gomail.TLSMandatory)}},
		{"implicit TLS and AUTH PLAIN", ImplicitTLS, gomail.SMTPAuthPlain, []gomail.Option{gomail.WithSSL()}},
		{"implicit TLS and AUTH LOGIN", ImplicitTLS, gomail.SMTPAuthLogin, []gomail.Option{gomail.WithSSL()}},
		{"in the clear with AUTH PLAIN", NoTLS, gomail.SMTPAuthPlainNoEnc, []gomail.Option{gomail.WithTLSPolicy(gomail.NoTLS)}},
	} {
		t.Run(row.why, func(t *testing.T) {
			m := beginMail(t, MailOptions{Security: row.security, Username: "billing", Password: "s3cret", Auth: Required})
			send := func(password string, roots *tls.Config) error {
				host, port, err := net.SplitHostPort(m.Addr())
				if err != nil {
					return err
				}
				options := append([]gomail.Option{
					gomail.WithTLSConfig(roots),
					gomail.WithSMTPAuth(row.auth), gomail.WithUsername("billing"), gomail.WithPassword(password),
				}, row.option...)
				number, err := net.LookupPort("tcp", port)
				if err != nil {
					return err
				}
				c, err := gomail.NewClient(host, append(options, gomail.WithPort(number))...)
				if err != nil {
					return err
				}
				return c.DialAndSendWithContext(deadline(t), message(t, "jan@example.com", text))
			}
			trusted := &tls.Config{RootCAs: m.CertPool(), ServerName: "127.0.0.1"}
			if err := send("s3cret", trusted); err != nil {
				t.Fatal(err)
			}
			if got, err := m.Text(1); err != nil || strings.TrimSpace(got) != strings.TrimSpace(text) {
				t.Errorf("text: %q, %v", got, err)
			}
			if got := m.Mails()[0].Subject; got != "Rekening voor café" {
				t.Errorf("subject: %q", got)
			}
			if err := send("wrong", trusted); err == nil || !strings.Contains(err.Error(), "535") {
				t.Errorf("a wrong password: %v", err)
			}
			if row.security != NoTLS {
				if err := send("s3cret", &tls.Config{ServerName: "127.0.0.1"}); err == nil {
					t.Error("a client that does not trust the certificate sent anyway")
				}
			}
			if n := len(m.Mails()); n != 1 {
				t.Errorf("%d mails; want 1", n)
			}
		})
	}
}

func TestSinkRefusesTheUnprotected(t *testing.T) {
	for _, row := range []struct {
		why  string
		opt  MailOptions
		want string
	}{
		{"mail before STARTTLS", MailOptions{Security: StartTLS}, "530"},
		{"mail without AUTH", MailOptions{Username: "u", Password: "p", Auth: Required}, "530"},
	} {
		c := dial(t, beginMail(t, row.opt))
		if err := c.send("jan@example.com"); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", row.why, err, row.want)
		}
	}
	c := dial(t, beginMail(t, MailOptions{Security: StartTLS, Username: "u", Password: "p"}))
	if offered, _ := c.Extension("AUTH"); offered {
		t.Error("AUTH is offered before STARTTLS")
	}
	if offered, _ := c.Extension("CHUNKING"); offered {
		t.Error("CHUNKING is offered")
	}
	if offered, _ := c.Extension("STARTTLS"); !offered {
		t.Error("STARTTLS is not offered")
	}
	if _, _, err := command(c, "AUTH PLAIN AHUAcA==", 235); err == nil {
		t.Error("AUTH was possible before STARTTLS")
	}
	if code, _, _ := command(c, "BDAT 4 LAST", 250); code != 502 {
		t.Errorf("BDAT: %d", code)
	}
}

func command(c *talk, line string, want int) (int, string, error) {
	if err := c.Text.PrintfLine("%s", line); err != nil {
		return 0, "", err
	}
	return c.Text.ReadResponse(want)
}

func TestSinkKeepsNoHalfMail(t *testing.T) {
	m := beginMail(t, MailOptions{})
	c := dial(t, m)
	for _, err := range []error{c.Mail("a@example.com"), c.Rcpt("b@example.com")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := command(c, "DATA", 354); err != nil {
		t.Fatal(err)
	}
	if err := c.Text.PrintfLine("Subject: half"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := dial(t, m).send("b@example.com"); err != nil { // by then the first is over
		t.Fatal(err)
	}
	if got := m.Mails(); len(got) != 1 || got[0].Subject == "half" {
		t.Errorf("mails: %v", got)
	}
}

func TestSinkTakesPipelinedCommands(t *testing.T) {
	m := beginMail(t, MailOptions{})
	c := dial(t, m)
	if err := c.Hello("client.example"); err != nil {
		t.Fatal(err)
	}
	if err := c.Text.PrintfLine("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{250, 250, 250, 354} {
		if _, _, err := c.Text.ReadResponse(want); err != nil {
			t.Fatal(err)
		}
	}
	long := "Subject: long\r\n\r\n" + strings.Repeat("x", 900) + "\r\nRSET\r\nQUIT\r\n\n.\r\nafter a bare LF a dot ends nothing\r\n.\r\nQUIT"
	if err := c.Text.PrintfLine("%s", long); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{250, 221} {
		if _, _, err := c.Text.ReadResponse(want); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Mails(); len(got) != 1 || len(got[0].To) != 2 {
		t.Errorf("mails: %v", got)
	}
}

func TestSinkDownAndUp(t *testing.T) {
	m := beginMail(t, MailOptions{})
	c := dial(t, m)
	if err := m.Down(); err != nil {
		t.Fatal(err)
	}
	if err := c.send("a@example.com"); err == nil {
		t.Error("a connection outlived the crash")
	}
	if _, err := net.Dial("tcp", m.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while down: %v", err)
	}
	if err := errors.Join(m.Up(), m.Up()); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, m).send("a@example.com"); err != nil {
		t.Errorf("up again: %v", err)
	}
}

func TestTextOfHostileMails(t *testing.T) {
	m := beginMail(t, MailOptions{})
	deep := strings.Repeat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 50)
	for _, row := range []struct{ why, raw string }{
		{"no header", "\r\n"},
		{"garbage", "\x00\xff\xfe"},
		{"a multipart without a boundary", "Content-Type: multipart/mixed\r\n\r\nx"},
		{"a content type that is none", "Content-Type: ;;;\r\n\r\nx"},
		{"only HTML", "Content-Type: text/html\r\n\r\n<p>x</p>"},
		{"base64 that is none", "Content-Transfer-Encoding: base64\r\n\r\n***"},
		{"mails in mails", deep},
	} {
		n, err := m.keep(Mail{From: "a@example.com", To: []string{"b@example.com"}}, []byte(row.raw))
		if err != nil {
			t.Fatalf("%s: %v", row.why, err)
		}
		if text, err := m.Text(n); row.why != "no header" && err == nil {
			t.Errorf("%s has the text %q", row.why, text)
		}
	}
}

func TestMailsOverHTTP(t *testing.T) {
	w := begin(t, Options{Mail: MailOptions{Security: StartTLS}})
	if _, err := w.Mail.keep(Mail{From: "a@example.com", To: []string{"b@example.com"}}, []byte(plainMail)); err != nil {
		t.Fatal(err)
	}
	list := w.get("/sandbox/mails")
	if !strings.Contains(list.body, `"message_id": "\u003ca1@example.com\u003e"`) || !strings.Contains(list.body, `"b@example.com"`) {
		t.Errorf("list: %s", list.body)
	}
	if r := w.get("/sandbox/mails/1"); r.body != plainMail || r.header.Get("Content-Type") != "message/rfc822" {
		t.Errorf("one mail: %q", r.body)
	}
	for _, path := range []string{"/sandbox/mails/2", "/sandbox/mails/x", "/sandbox/mails/..%2f..%2fetc"} {
		if r := w.get(path); r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := w.get("/sandbox/cert.pem"); !strings.HasPrefix(r.body, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("certificate: %q", r.body)
	}
}
