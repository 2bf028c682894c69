// Package discreet keeps what must not be told out of texts that tell what went
// wrong (R25).
//
// A server's answer helps people to see what it did not like, and it may repeat
// anything that it was sent: an address, a name, a login. Two things are done
// about it. What must be seen by nobody is looked for in the answer, whatever
// way it is encoded ([Listen]). And the words of others, of a server or of a
// list of invoices, stand in quotes of their own in every text that is made of
// them ([Quote]), so that people who look after an invoice see them, and a log,
// which is kept elsewhere and read by others, does not ([Unquoted]).
package discreet

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Quote returns words of others between “ and ”. Nothing stays nothing.
func Quote(words string) string {
	if words == "" {
		return ""
	}
	return "“" + strings.NewReplacer("“", `"`, "”", `"`).Replace(words) + "”"
}

var quotation = regexp.MustCompile(`“[^”]*(”|$)`)

// Unquoted returns a text with “…” in place of all words that [Quote] put there,
// also where the text was cut off in the middle of them.
func Unquoted(text string) string { return quotation.ReplaceAllString(text, "“…”") }

// An Error has the text of another without the words of others in it, and wraps
// it.
type Error struct{ err error }

// Wrap returns an error for logs. Nil stays nil.
func Wrap(err error) error {
	if err == nil {
		return nil
	}
	return &Error{err}
}

func (e *Error) Error() string { return Unquoted(e.err.Error()) }
func (e *Error) Unwrap() error { return e.err }

const (
	longRun   = 8 // letters and digits in a row by which a secret is known
	longStalk = 8 // characters of base64 by which a secret is known
)

// Listen returns a function that reports whether a text repeats one of some
// secrets: as it is, or as HTTP, JSON, HTML, Go, hexadecimal and base64 write
// it, alone or as a part of something longer. Part of a secret is enough: eight
// letters and digits in a row that stand in it together. The secrets live in
// that function only, where no printing finds them.
func Listen(secrets ...string) (repeats func(text string) bool) {
	var loose, exact []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted := strconv.Quote(s)
		loose = append(loose, s, url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), quoted[1:len(quoted)-1], inJSON(s), hex.EncodeToString([]byte(s)))
		for run := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(run) >= longRun {
				loose = append(loose, run)
			}
		}
		exact = append(exact, stalks(s)...)
	}
	for i := range loose {
		loose[i] = strings.ToLower(loose[i])
	}
	return func(text string) bool {
		for _, e := range exact {
			if strings.Contains(text, e) {
				return true
			}
		}
		text = strings.ToLower(text)
		for _, l := range loose {
			if strings.Contains(text, l) {
				return true
			}
		}
		return false
	}
}

// inJSON returns a text as it stands between the quotes of JSON.
func inJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string can be written
		return s
	}
	return string(b[1 : len(b)-1])
}

// stalks returns what a secret looks like in base64, in either alphabet,
// wherever it stands in what was encoded: three bytes become four characters, so
// there are three ways, and the characters at its ends depend on its neighbours.
func stalks(s string) []string {
	var list []string
	for before := range 3 {
		bytes := append(make([]byte, before), s...)
		from, to := (8*before+5)/6, 8*len(bytes)/6
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if to-from >= longStalk {
				list = append(list, alphabet.EncodeToString(bytes)[from:to])
			}
		}
	}
	return list
}
