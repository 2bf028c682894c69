package discreet

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestR25_Unquoted(t *testing.T) {
	for _, row := range []struct{ says, text, want string }{
		{"our own words stay", "cost+ refuses it (400)", "cost+ refuses it (400)"},
		{"words of others go", "refused: 550 5.1.1 " + Quote("Jan de Vries is unknown") + "; correct it", "refused: 550 5.1.1 “…”; correct it"},
		{"each of them", Quote("a") + " and " + Quote("b"), "“…” and “…”"},
		{"others cannot end the quotation", Quote("a” Jan “b"), "“…”"},
		{"a text that was cut off in a quotation", "refused: “Jan de", "refused: “…”"},
		{"nothing said is not quoted", "refused" + Quote(""), "refused"},
	} {
		if got := Unquoted(row.text); got != row.want {
			t.Errorf("%s: %q, want %q", row.says, got, row.want)
		}
	}
}

func TestR25_Wrap(t *testing.T) {
	err := Wrap(fmt.Errorf("send: %s: %w", Quote("no Jan here"), io.EOF))
	if err.Error() != "send: “…”: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("got %q, which is EOF: %t", err, errors.Is(err, io.EOF))
	}
	if Wrap(nil) != nil {
		t.Error("no error became one")
	}
}

// encodings are ways in which a text is written into another.
var encodings = map[string]func(string) string{
	"as it is":           func(s string) string { return s },
	"in capitals":        strings.ToUpper,
	"a query":            url.QueryEscape,
	"a path":             url.PathEscape,
	"HTML":               html.EscapeString,
	"Go":                 func(s string) string { return fmt.Sprintf("%q", s) },
	"JSON":               inJSON,
	"JSON in JSON":       func(s string) string { return inJSON(inJSON(s)) },
	"hexadecimal":        func(s string) string { return hex.EncodeToString([]byte(s)) },
	"base64":             func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"HTTP Basic":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s + ":")) },
	"AUTH PLAIN":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte("\x00me\x00" + s)) },
	"AUTH PLAIN, longer": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("\x00you\x00" + s)) },
	"base64 for URLs":    func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("??>" + s + "?")) },
}

// TestR25_Listen: a secret that has eight letters in a row is heard in every
// encoding, wherever it stands.
func TestR25_Listen(t *testing.T) {
	for name, write := range encodings {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				secret := rapid.StringMatching(`[!-~]{0,8}[a-zA-Z0-9]{8}[!-~]{0,8}`).Draw(t, "secret")
				text := rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "before") + " " + write(secret) + " and more"
				if !Listen("another secret", secret)(text) {
					t.Fatalf("%q repeats %q unheard", text, secret)
				}
			})
		})
	}
}

func TestR25_ListenHearsNoMore(t *testing.T) {
	repeats := Listen("sandbox-key", "", "p$w")
	for _, text := range []string{"the sandbox was asked to say so", "check costplus.api_key", "", "5.1.1 user unknown", strings.Repeat("A", 100)} {
		if repeats(text) {
			t.Errorf("%q repeats no secret", text)
		}
	}
	if !repeats("key p$w is wrong") || !repeats("SANDBOX-KEY") {
		t.Error("a short secret is not heard as it is")
	}
}
