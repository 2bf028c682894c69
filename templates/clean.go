package templates

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// scheme matches the beginning of what a mail program would make a link of.
var scheme = regexp.MustCompile(`(?i)(?:[a-z][a-z0-9+.-]*)?:/[/\\]+`)

// clean makes text from outside fit for a letter: UTF-8 on one line,
// without control characters, without characters that are invisible or turn
// the reading direction, with single spaces, at most so many characters. The
// scheme of an address is dropped, so that a customer called
// "https://example.org" cannot put a link into a letter.
func clean(s string, most int) string {
	if len(s) > 8*most { // more than can be shown, whatever it is made of
		end := 8 * most
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case invisible(r):
			continue
		case r == utf8.RuneError: // not UTF-8: show that something is missing
			r = '?'
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	s = b.String()
	for strings.ContainsRune(s, ':') && scheme.MatchString(s) {
		s = strings.Join(strings.Fields(scheme.ReplaceAllString(s, "")), " ")
	}
	if runes := []rune(s); len(runes) > most {
		s = strings.TrimRight(string(runes[:most-1]), " ") + "…"
	}
	return s
}

// invisible reports whether a character shows nothing by itself and may make a
// text read differently from what it is: controls, direction marks and
// overrides, zero-width characters, blank fillers, and what is no character.
func invisible(r rune) bool {
	if r < 0x300 { // Latin, for speed
		return r < ' ' || r >= 0x7F && r < 0xA0 || r == '\u00AD'
	}
	switch r {
	case '\u034F', '\u115F', '\u1160', '\u17B4', '\u17B5', '\u3164', '\uFFA0', '\u2800':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Noncharacter_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
}
