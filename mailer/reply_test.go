package mailer

import (
	"bufio"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReadReply(t *testing.T) {
	for _, row := range []struct {
		sentence, said string
		want           string // as kept; empty: an error
		enhanced       string
	}{
		{"one line", "250 2.1.5 ok\r\n", "250 2.1.5 ok", "2.1.5"},
		{"a code alone", "250\r\n", "250", ""},
		{"lines that end in LF alone", "250 ok\n", "250 ok", ""},
		{"several lines become one", "550-5.1.1 no\r\n550 5.1.1 such user\r\n", "550 5.1.1 no 5.1.1 such user", "5.1.1"},
		{"an empty first line", "250-\r\n250 ok\r\n", "250 ok", ""},
		{"a status of another class is not one", "550 2.1.5 odd\r\n", "550 2.1.5 odd", ""},
		{"a version number is not a status", "250 1.2.3.4 ok\r\n", "250 1.2.3.4 ok", ""},
		{"two codes", "250-ok\r\n251 ok\r\n", "", ""},
		{"no code", "ok\r\n", "", ""},
		{"a code of two digits", "25 ok\r\n", "", ""},
		{"a code of four digits", "2500 ok\r\n", "", ""},
		{"a code that is impossible", "999 ok\r\n", "", ""},
		{"a preliminary code, which SMTP has none of", "150 wait\r\n", "", ""},
		{"a sign", "+25 ok\r\n", "", ""},
		{"nothing", "", "", ""},
		{"an empty line", "\r\n", "", ""},
		{"half a line", "250 ok", "", ""},
		{"half a reply", "250-ok\r\n", "", ""},
		{"an endless line", "250 " + strings.Repeat("x", longestLine) + "\r\n", "", ""},
		{"endless lines", strings.Repeat("250-x\r\n", mostLines) + "250 x\r\n", "", ""},
	} {
		r, err := readReply(bufio.NewReaderSize(strings.NewReader(row.said), 64))
		if row.want == "" {
			if err == nil {
				t.Errorf("%s: read as %q", row.sentence, r)
			}
			continue
		}
		if err != nil || r.String() != row.want || r.enhanced() != row.enhanced {
			t.Errorf("%s: %q, status %q, %v", row.sentence, r, r.enhanced(), err)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	f.Add("250-a\r\n250 2.0.0 b\r\n")
	f.Add("550 5.1.1 <a@b.example>: https://x.example/\x1b[2J\xff\r\n")
	f.Add("200 ://")
	f.Fuzz(func(t *testing.T, said string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(said)))
		if err != nil {
			return
		}
		text := r.String()
		if len(text) > longestText || !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Fatalf("kept as %q", text)
		}
		for _, phase := range []Phase{Greeting, Secure, Login, Mail, Rcpt, Data, Dot} {
			if v := judge(phase, refusal{reply: r}); v.what == nil {
				t.Fatalf("no verdict on %q at %s", text, phase)
			}
		}
		if shown := masked(refusal{reply: r, whom: "recipient"}.Error()); strings.ContainsAny(shown, "@") || strings.Contains(shown, "://") {
			t.Fatalf("shown as %q", shown)
		}
	})
}

func TestR25_Masked(t *testing.T) {
	for said, want := range map[string]string{
		"550 5.1.1 <jan.o'neil+x@bakkerij.example>: unknown": "550 5.1.1 <(address)>: unknown",
		"see https://help.example/?p=1&to=a@b.example now":   "see (link) now",
		"no such user:jan@b.example;a@c.example":             "no such user:(address);(address)",
		"RCPT TO=jan@[192.0.2.1] refused":                    "RCPT TO=(address)[192.0.2.1] refused",
		"nothing to hide":                                    "nothing to hide",
	} {
		if got := masked(said); got != want {
			t.Errorf("%q is shown as %q, want %q", said, got, want)
		}
	}
}
