package templates

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// scheme matches the beginning of what a mail program would make a link of.
var scheme = regexp.MustCompile(`(?i)(?:[a-z][a-z0-9+.-]*)?:/[/\\]+`)

// clean makes text from outside fit for a letter: UTF-8 on one line,
// without control characters, without characters that are invisible or turn
// the reading direction, with single spaces, at most so many characters. The
// scheme of an address is dropped, so that a customer called
// "https://example.org" cannot put a link into a letter. A domain alone stays:
// there are firms of such a name.
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
	s = strings.ReplaceAll(s, "=?", "= ?") // begins an encoded word in a header (RFC 2047)
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

// The characters that isolate a text, by the bidirectional algorithm of Unicode
// (UAX #9): what stands between them does not change the order of anything
// outside. They are in a letter only around what [isolated] put them around.
const (
	isolate = "\u2068" // first strong isolate
	release = "\u2069" // pop directional isolate
)

// isolated returns a cleaned text so that it can stand in any sentence. In a
// name in Hebrew or Arabic, and in what follows it up to the next Latin letter,
// the order of reading is another, numbers included: "שלום: 12 of 34" would
// show 34 in front of 12.
func isolated(s string) string {
	if strings.ContainsFunc(s, rightToLeft) {
		return isolate + s + release
	}
	return s
}

// rightToLeft reports whether a character is read from right to left, or is a
// digit that goes with such.
func rightToLeft(r rune) bool {
	if r < 0x590 { // before Hebrew, for speed
		return false
	}
	p, _ := bidi.LookupRune(r)
	switch p.Class() {
	case bidi.R, bidi.AL, bidi.AN:
		return true
	}
	return false
}

// unisolated takes the marks of [isolated] out of a text.
func unisolated(s string) string {
	if !strings.Contains(s, isolate) && !strings.Contains(s, release) {
		return s
	}
	return strings.NewReplacer(isolate, "", release, "").Replace(s)
}

// balanced reports whether every isolate in a text is released in its own line,
// and none stands within another.
func balanced(text string) bool {
	if !strings.Contains(text, isolate) && !strings.Contains(text, release) {
		return true
	}
	open := false
	for _, r := range text {
		switch {
		case r == '\u2068' && open, r == '\u2069' && !open, r == '\n' && open:
			return false
		case r == '\u2068', r == '\u2069':
			open = !open
		}
	}
	return !open
}
