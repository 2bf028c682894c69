package mailer

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dunning/invoices"
)

var update = flag.Bool("update", false, "write the golden files anew")

func options() Options {
	return Options{
		Host: "smtp.example.com", Security: StartTLS,
		From: `"Example B.V." <billing@example.com>`, ReplyTo: "Boekhouding Büro <finance@example.com>",
		Now: func() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.FixedZone("CET", 3600)) },
	}
}

func TestGoldenLetters(t *testing.T) {
	for _, row := range []struct {
		name     string
		redirect string
		letter   invoices.Letter
	}{
		{name: "request", letter: aLetter("7f3a9c", "jansen@bäckerei.example")},
		{name: "test_mode", redirect: "finance@example.com", letter: invoices.Letter{
			ID: "0b1c2d", To: []string{"jansen@bakkerij.example"}, CC: []string{"boekhouding@bakkerij.example", "collections@example.com"},
			Text: invoices.Text{Subject: "Second reminder: invoice 2026-0042, £ 1,250.00 open since 1 April 2026, please pay before 15 April", Plain: "Dear Sir\n", HTML: "<p>Dear Sir</p>"},
		}},
	} {
		o := options()
		o.Redirect = row.redirect
		got := composed(t, newPool(t, o), row.letter)
		file := "testdata/" + row.name + ".eml"
		if *update {
			if err := os.WriteFile(file, got.Raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got.Raw)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		if got.Digest != digest(want) {
			t.Errorf("%s: the digest is not of the bytes", file)
		}
		if got.MessageID != row.letter.ID+"@example.com" {
			t.Errorf("%s: Message-ID %s", file, got.MessageID)
		}
	}
}

func TestR02_SameLetterSameBytes(t *testing.T) {
	a := composed(t, newPool(t, options()), aLetter("7f3a9c"))
	b := composed(t, newPool(t, options()), aLetter("7f3a9c"))
	if !bytes.Equal(a.Raw, b.Raw) || a.Digest != b.Digest || a.MessageID != b.MessageID {
		t.Error("the same letter has other bytes")
	}
	again := composed(t, newPool(t, options()), a)
	if !bytes.Equal(a.Raw, again.Raw) {
		t.Error("a composed letter has other bytes when it is composed again")
	}
}

// TestR22_HeaderInjection puts line breaks and their relatives into everything
// that becomes a header.
func TestR22_HeaderInjection(t *testing.T) {
	for _, evil := range []string{
		"\r\nBcc: victim@evil.example", "\nBcc: victim@evil.example", "\rBcc: victim@evil.example", "\r\n\r\n<b>other text</b>",
		"\x00", "\x0b", "\x85Bcc: x", "\u2028Bcc: x", "\x7f", "\xff",
	} {
		for what, spoil := range map[string]func(*invoices.Letter){
			"subject":   func(l *invoices.Letter) { l.Subject += evil },
			"recipient": func(l *invoices.Letter) { l.To[0] += evil },
			"copy":      func(l *invoices.Letter) { l.CC = []string{"a@b.example" + evil} },
			"name":      func(l *invoices.Letter) { l.To[0] = evil + l.To[0] },
			"id":        func(l *invoices.Letter) { l.ID += evil },
		} {
			for _, redirect := range []string{"", "finance@example.com"} {
				o := options()
				o.Redirect = redirect
				l := aLetter("7f3a9c")
				spoil(&l)
				_, err := newPool(t, o).Compose(l)
				if err == nil {
					t.Errorf("a letter with %q in its %s was composed", evil, what)
				} else if invoices.KindOf(err) != invoices.Never {
					t.Errorf("%s: kind %s", what, invoices.KindOf(err))
				}
			}
		}
		o := options()
		for what, spoil := range map[string]*string{"sender": &o.From, "reply address": &o.ReplyTo, "test recipient": &o.Redirect, "domain": &o.MessageIDDomain, "name": &o.HelloName} {
			before := *spoil
			*spoil += evil
			if _, err := New(o); err == nil {
				t.Errorf("%q in the %s is accepted", evil, what)
			}
			*spoil = before
		}
	}
}

func TestR22_Gate(t *testing.T) {
	for _, row := range []struct {
		sentence string
		spoil    func(*invoices.Letter)
	}{
		{"nobody gets it", func(l *invoices.Letter) { l.To = nil }},
		{"only a copy would go out", func(l *invoices.Letter) { l.To, l.CC = nil, []string{"a@b.example"} }},
		{"it has no subject", func(l *invoices.Letter) { l.Subject = " " }},
		{"it has no plain text", func(l *invoices.Letter) { l.Plain = "\n\n" }},
		{"it has no HTML", func(l *invoices.Letter) { l.HTML = "" }},
		{"a template met an unknown value", func(l *invoices.Letter) { l.Plain = "Dear <no value>," }},
		{"a template met an unknown value in HTML", func(l *invoices.Letter) { l.HTML = "Dear &lt;no value&gt;," }},
		{"a template distrusted a link", func(l *invoices.Letter) { l.HTML = `<a href="#ZgotmplZ">` }},
		{"the subject is endless", func(l *invoices.Letter) { l.Subject = strings.Repeat("x", 251) }},
		{"the subject pretends to be encoded", func(l *invoices.Letter) { l.Subject = "=?utf-8?q?=0D=0ABcc:?=" }},
		{"the text is enormous", func(l *invoices.Letter) { l.Plain = strings.Repeat("x", largest) }},
		{"the text is not UTF-8", func(l *invoices.Letter) { l.Plain = "caf\xe9" }},
		{"the text contains an escape sequence", func(l *invoices.Letter) { l.HTML = "<p>\x1b[2J</p>" }},
		{"it has no id", func(l *invoices.Letter) { l.ID = "" }},
		{"its id is no half of a Message-ID", func(l *invoices.Letter) { l.ID = "a>b" }},
	} {
		l := aLetter("7f3a9c")
		row.spoil(&l)
		if _, err := newPool(t, options()).Compose(l); invoices.KindOf(err) != invoices.Never {
			t.Errorf("%s, and it was composed: %v", row.sentence, err)
		}
	}
}

// TestR22_GateReadsTheFinishedMessage spoils a message after it was written,
// by way of the signer.
func TestR22_GateReadsTheFinishedMessage(t *testing.T) {
	replace := func(old, with string) func([]byte) ([]byte, error) {
		return func(raw []byte) ([]byte, error) {
			if !bytes.Contains(raw, []byte(old)) {
				return nil, errors.New("the message does not contain " + old)
			}
			return bytes.Replace(raw, []byte(old), []byte(with), 1), nil
		}
	}
	to := "To: <jansen@bakkerij.example>\r\n"
	for _, row := range []struct {
		sentence string
		sign     func([]byte) ([]byte, error)
		right    bool
	}{
		{"a signature in front is right", replace("Auto-Submitted", "DKIM-Signature: v=1\r\nAuto-Submitted"), true},
		{"somebody else gets it", replace(to, "To: <other@bakkerij.example>\r\n"), false},
		{"one more gets it", replace(to, "To: <jansen@bakkerij.example>, <other@bakkerij.example>\r\n"), false},
		{"nobody gets it", replace(to, ""), false},
		{"a copy appears", replace(to, to+"Cc: <other@bakkerij.example>\r\n"), false},
		{"a hidden copy appears", replace(to, to+"Bcc: <other@bakkerij.example>\r\n"), false},
		{"there are two recipients lines", replace(to, to+to), false},
		{"somebody else wrote it", replace("<billing@example.com>", "<billing@example.org>"), false},
		{"its Message-ID is another", replace("<7f3a9c@", "<7f3a9d@"), false},
		{"a line feed stands alone", replace("\r\nTo:", "\nTo:"), false},
		{"a carriage return stands alone", replace("\r\nTo:", "\rTo:"), false},
		{"two messages pretend to be one", replace("begint", "\n.\r\nMAIL FROM:<x@y.example>"), false},
		{"a byte is not ASCII", replace("begint", "\xe9"), false},
		{"a zero byte", replace("begint", "\x00"), false},
		{"a line is too long", replace("begint", strings.Repeat("x", 999)), false},
		{"its end is missing", func(raw []byte) ([]byte, error) { return bytes.TrimSuffix(raw, []byte("\r\n")), nil }, false},
		{"the signer gives up", func([]byte) ([]byte, error) { return nil, errors.New("no key") }, false},
	} {
		p := newPool(t, options())
		p.sign = row.sign
		_, err := p.Compose(aLetter("7f3a9c"))
		if (err == nil) != row.right {
			t.Errorf("%s: %v", row.sentence, err)
		}
	}
}

// TestR22_TextsArriveAsWritten reads composed letters back.
func TestR22_TextsArriveAsWritten(t *testing.T) {
	p := newPool(t, options())
	rapid.Check(t, func(t *rapid.T) {
		runes := rapid.RuneFrom([]rune("ab .=-_?\"<>,:;\n\té€ß漢字😀"))
		text := rapid.StringOfN(runes, 1, 400, -1)
		line := rapid.StringOfN(rapid.RuneFrom([]rune("ab.=_?\"<>,:;é€漢😀")), 1, 100, -1)
		l := aLetter("7f3a9c")
		l.Subject = strings.ReplaceAll("x"+line.Draw(t, "subject")+" "+line.Draw(t, "rest")+"x", "=?", "=x")
		l.Plain, l.HTML = "x"+text.Draw(t, "plain"), "x"+text.Draw(t, "html")
		l, err := p.Compose(l)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := mail.ReadMessage(bytes.NewReader(l.Raw))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
		if err != nil || subject != l.Subject {
			t.Fatalf("subject %q, %v", subject, err)
		}
		_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		parts := multipart.NewReader(msg.Body, params["boundary"])
		for _, want := range []string{l.Plain, l.HTML} {
			part, err := parts.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(part))
			if got := strings.ReplaceAll(string(body), "\r\n", "\n"); err != nil || got != want {
				t.Fatalf("%q, want %q, %v", got, want, err)
			}
		}
		if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
			t.Fatal("there is a third part")
		}
	})
}

func TestR26_TestModeMailsOnlyTheTestRecipient(t *testing.T) {
	srv := newServer(t, nil, "PIPELINING")
	o := srv.options()
	live := newPool(t, o)
	o.Redirect = "Finance@example.com"
	test := newPool(t, o)

	l := aLetter("x", "jansen@bakkerij.example", "piet@bakkerij.example")
	l.CC = []string{"collections@example.com"}
	l = composed(t, test, l)
	if _, err := test.Send(t.Context(), l, yes); err != nil {
		t.Fatal(err)
	}
	if srv.count("RCPT") != 1 || srv.count("RCPT TO:<Finance@example.com>") != 1 {
		t.Error("somebody else was named as a recipient")
	}
	for _, want := range []string{
		"\r\nTo: <Finance@example.com>\r\n", "\r\nSubject: =?UTF-8?q?TEST:_Rekening", "X-Dunning-Original-To: <jansen@bakkerij.example>,\r\n <piet@bakkerij.example>\r\n",
		"X-Dunning-Original-Cc: <collections@example.com>\r\n",
	} {
		if !strings.Contains(string(l.Raw), want) {
			t.Errorf("%q is missing in\n%s", want, l.Raw)
		}
	}
	if strings.Contains(string(l.Raw), "\r\nCc:") || strings.Join(l.To, " ") != "Finance@example.com" || l.CC != nil {
		t.Errorf("the copy is still a recipient: %v %v", l.To, l.CC)
	}
	if again := composed(t, test, l); strings.Contains(again.Subject, "TEST: TEST: ") {
		t.Error("the subject is marked twice")
	}

	_, err := test.Send(t.Context(), composed(t, live, aLetter("y")), yes)
	checkFault(t, err, invoices.Never, nil)
	if srv.count("RCPT") != 1 {
		t.Error("a letter composed for a customer was sent in test mode")
	}
}

func TestR26_RefusedTestRecipientBlamesNobody(t *testing.T) {
	srv := newServer(t, script{"RCPT": "550 5.1.1 unknown"})
	o := srv.options()
	o.Redirect = "finance@example.com"
	p := newPool(t, o)
	_, err := p.Send(t.Context(), composed(t, p, aLetter("x")), yes)
	checkFault(t, err, invoices.Halt, nil)
}

func TestR02_BytesAreCheckedBeforeTheyAreSent(t *testing.T) {
	srv := newServer(t, nil)
	p := newPool(t, srv.options())
	for _, row := range []struct {
		sentence string
		spoil    func(*invoices.Letter)
	}{
		{"its bytes changed in the database", func(l *invoices.Letter) { l.Raw = bytes.Replace(l.Raw, []byte("120"), []byte("129"), 1) }},
		{"it was never composed", func(l *invoices.Letter) { l.Raw, l.Digest = nil, "" }},
		{"it holds two messages", func(l *invoices.Letter) {
			l.Raw = append(l.Raw, "\n.\nMAIL\r\n"...)
			l.Digest = digest(l.Raw)
		}},
		{"nobody gets it", func(l *invoices.Letter) { l.To = nil }},
		{"its recipient is none", func(l *invoices.Letter) { l.To = []string{"a@b.example>\r\nRCPT TO:<c@d.example"} }},
	} {
		l := composed(t, p, aLetter("x"))
		row.spoil(&l)
		_, err := p.Send(t.Context(), l, yes)
		if err == nil {
			t.Errorf("%s, and it was sent", row.sentence)
			continue
		}
		checkFault(t, err, invoices.Never, nil)
	}
	if srv.opened() != 0 {
		t.Error("a connection was opened for a letter that cannot be sent")
	}
}

// TestThread: every letter after the first refers to it, by the Message-ID that
// follows from its id.
func TestThread(t *testing.T) {
	p := newPool(t, newServer(t, nil).options())
	l := aLetter("x")
	if strings.Contains(string(composed(t, p, l).Raw), "References:") {
		t.Error("the first letter refers to nothing")
	}
	l.Thread = "first-letter"
	if raw := string(composed(t, p, l).Raw); !strings.Contains(raw, "\r\nReferences: <first-letter@") {
		t.Errorf("no reference in\n%s", raw)
	}
	l.Thread = "x>\r\nBcc: <a"
	if _, err := p.Compose(l); err == nil {
		t.Error("a thread must not inject headers")
	}
}
