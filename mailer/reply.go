package mailer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what a server may say in one reply. RFC 5321, section 4.5.3.1.5,
// allows 512 bytes a line; some servers are more talkative.
const (
	longestLine = 2000 // bytes
	mostLines   = 100
	longestText = 500 // bytes that are kept
)

// A reply is a server's answer to one command.
type reply struct {
	code int    // 200 to 599
	said string // what follows the code, as it came
}

// String returns the reply as it is kept with a letter.
func (r reply) String() string {
	return brief(strings.TrimSpace(fmt.Sprintf("%03d %s", r.code, printable(r.said))))
}

// class is the first digit of the code.
func (r reply) class() int { return r.code / 100 }

// enhanced is the status code of RFC 3463, as in 5.1.1, or nothing.
func (r reply) enhanced() string {
	first, _, _ := strings.Cut(printable(r.said), " ")
	if !isEnhanced(first) || int(first[0]-'0') != r.class() {
		return ""
	}
	return first
}

// readReply reads one reply (RFC 5321, section 4.2). It returns an error for
// anything that is not exactly that.
func readReply(in *bufio.Reader) (reply, error) {
	var r reply
	for n := range mostLines {
		line, err := readLine(in)
		if err != nil {
			return reply{}, err
		}
		code, last, words, ok := splitReply(line)
		switch {
		case !ok || n > 0 && code != r.code:
			return reply{}, errNonsense
		case n == 0:
			r = reply{code: code, said: words}
		case len(r.said) < longestText:
			r.said += " " + words
		}
		if last {
			return r, nil
		}
	}
	return reply{}, errChatter
}

func readLine(in *bufio.Reader) (string, error) {
	var long []byte // of a line that is longer than the buffer
	for {
		part, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return "", errDropped
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		case len(long)+len(part) > longestLine:
			return "", errChatter
		case err == nil:
			return strings.TrimRight(string(long)+string(part), "\r\n"), nil
		}
		long = append(long, part...)
	}
}

// splitReply takes a line apart: "250-text" goes on, "250 text" and "250" are
// the last.
func splitReply(line string) (code int, last bool, words string, ok bool) {
	if len(line) < 3 {
		return 0, false, "", false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, false, "", false
		}
		code = code*10 + int(c-'0')
	}
	if code < 200 || code > 599 {
		return 0, false, "", false
	}
	if len(line) == 3 {
		return code, true, "", true
	}
	return code, line[3] == ' ', line[4:], line[3] == ' ' || line[3] == '-'
}

func isEnhanced(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return false
	}
	for _, part := range parts {
		if part == "" || len(part) > 3 || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}

// printable makes one line of what a server says: what cannot be printed, and
// what turns the direction of writing, becomes a space.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// brief cuts a text to longestText bytes, between characters.
func brief(s string) string {
	if len(s) <= longestText {
		return s
	}
	cut := longestText - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

var (
	anAddress = regexp.MustCompile(`[^\s<>()\[\]",;:=]*(@|%40)[^\s<>()\[\]",;]*`)
	// aLink is whatever has :// in it, or is a path with a long random part.
	aLink = regexp.MustCompile(`(?i)[^\s<>()"]*(:(//|%2f%2f)|(/|%2f)[^\s<>()"]*[a-z0-9_-]{20})\S*`)
)

// masked hides addresses and links, for errors and logs (R25).
func masked(s string) string {
	return anAddress.ReplaceAllString(withoutLinks(s), "(address)")
}

// withoutLinks hides links. A text without what each of them has in it need not
// be searched.
func withoutLinks(s string) string {
	if !strings.ContainsAny(s, "/%") {
		return s
	}
	return aLink.ReplaceAllString(s, "(link)")
}
