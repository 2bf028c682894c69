package source

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// The rule for domains. A domain in ASCII is taken as it is. One in another
// script, in letters or as the DNS has it (xn--…), is kept as the DNS has it,
// so that nobody who reads a list takes it for another, and the same mailbox is
// the same text. It is refused if it can only have been made to be mistaken:
//
//   - a label with letters of several scripts, unless they are written together
//     as Japanese, Chinese and Korean are, with Latin or without (the highly
//     restrictive level of UTS #39, section 5.2);
//   - a label of nothing but Cyrillic letters that look like Latin ones, before
//     an ASCII top-level domain;
//   - a label with symbols in it, which RFC 5892 does not allow.

// asciiDomain returns a domain as the DNS has it, in small letters, or says what
// is wrong with it.
func asciiDomain(name string) (domain, what string) {
	const noDomain = "what is behind the @ is no domain"
	if name == "" {
		return "", "nothing is behind the @"
	}
	if len(name) > 4*longestDomain || strings.ContainsAny(name, "[]() \t\ufffd") {
		return "", noDomain
	}
	domain, err := idna.Lookup.ToASCII(name)
	if err != nil || len(domain) > longestDomain {
		return "", noDomain
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "", "the domain has no dot"
	}
	for _, label := range labels {
		if label == "" {
			return "", "a dot is at an end of the domain, or two are in a row"
		}
		if len(label) > longestLabel || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) {
			return "", noDomain
		}
	}
	top := labels[len(labels)-1]
	if !strings.ContainsFunc(top, func(r rune) bool { return r >= 'a' }) {
		return "", "the domain is an IP address, or ends in a number"
	}
	for _, label := range labels {
		if what := deceptive(label, !strings.HasPrefix(top, "xn--")); what != "" {
			return "", what
		}
	}
	return domain, ""
}

// together are scripts that are written in one word.
var together = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// likeLatin are Cyrillic letters that most fonts show as Latin ones.
const likeLatin = "асԁеһіјӏорԛѕԝху"

// deceptive says what is wrong with a label that means to be taken for another.
func deceptive(label string, underASCII bool) (what string) {
	if !strings.HasPrefix(label, "xn--") {
		return ""
	}
	letters, err := idna.Lookup.ToUnicode(label)
	if err != nil || letters == label {
		return quoted(label) + " is no name of a domain"
	}
	var scripts []string
	likely := true
	for _, r := range letters {
		if unicode.IsSymbol(r) || !unicode.IsPrint(r) {
			return fmt.Sprintf("%s (%s) has the symbol %s in it", quoted(letters), label, quoted(string(r)))
		}
		if s := script(r); s != "" && !slices.Contains(scripts, s) {
			scripts = append(scripts, s)
		}
		likely = likely && (strings.ContainsRune(likeLatin, r) || r == '-' || '0' <= r && r <= '9')
	}
	switch {
	case len(scripts) > 1 && !slices.ContainsFunc(together, func(set []string) bool {
		return !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(set, s) })
	}):
		slices.Sort(scripts)
		return fmt.Sprintf("%s (%s) mixes letters that look alike, of the scripts %s", quoted(letters), label, strings.Join(scripts, " and "))
	case likely && underASCII:
		return fmt.Sprintf("%s (%s) is written in Cyrillic letters that look like Latin ones", quoted(letters), label)
	}
	return ""
}

// script returns the name of the script that a character belongs to; nothing
// for digits, signs and accents, which several share.
func script(r rune) string {
	if r < 0x80 {
		if 'a' <= r && r <= 'z' {
			return "Latin"
		}
		return ""
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			if name == "Common" || name == "Inherited" {
				return ""
			}
			return name
		}
	}
	return ""
}
