package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shownLength is how many characters of a cell a message repeats.
const shownLength = 60

// quoted shows what was read: in quotes, not too long, and with every character
// that could do something to a terminal or hide from a reader spelt out.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for n := 0; s != ""; n++ {
		if n == shownLength {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case !unicode.IsPrint(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	b.WriteByte('"')
	return b.String()
}

// folded returns a header as it is compared: without regard to case, spaces,
// underscores and hyphens.
func folded(header string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '\ufeff' || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, header)
}

// didYouMean returns a question about the word that is most like one that is
// not known, or nothing when none is.
func didYouMean(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return " (did you mean " + shortened(best) + "?)"
	}
	return ""
}

// nearest returns the known word that is most like another, in at most two
// letters, or one if it is short; else nothing.
func nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		a, b := folded(word), folded(k)
		if len(a) > 4*shownLength {
			return ""
		}
		most := 2
		if min(len(a), len(b)) < 7 {
			most = 1
		}
		if d := edits(a, b); d <= most && d < least {
			best, least = k, d
		}
	}
	return best
}

// edits counts the bytes to add, drop, change or swap with a neighbour that make
// a into b (optimal string alignment).
func edits(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// listed returns words for a message, sorted and not too many.
func listed(words []string) string {
	words = slices.Sorted(slices.Values(words))
	const most = 20
	if len(words) > most {
		return strings.Join(words[:most], ", ") + " and more"
	}
	return strings.Join(words, ", ")
}

// shortened returns a header for the place of a message.
func shortened(header string) string {
	if strings.ContainsFunc(header, func(r rune) bool { return !unicode.IsPrint(r) }) || len(header) > shownLength {
		return quoted(header)
	}
	return header
}
