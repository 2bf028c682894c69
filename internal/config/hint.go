package config

import (
	"slices"
	"strconv"
	"strings"
)

// hint names the word that was probably meant, or else all that there are, as
// the end of a message.
func hint(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "; did you mean " + strconv.Quote(near) + "?"
	}
	if len(known) == 0 || len(known) > 20 {
		return ""
	}
	return "; there are: " + strings.Join(known, ", ")
}

// nearest returns the known word that differs least from word, or nothing if
// all differ by more than a third of their letters.
func nearest(word string, known []string) string {
	const longest = 64 // nobody mistypes a longer one, and distance is quadratic
	if word == "" || len(word) > longest {
		return ""
	}
	best, least := "", longest
	for _, k := range known {
		d := distance(plain(word), plain(k))
		if d > 0 && len(word) < 3 {
			continue // of two letters, one is not near
		}
		if d < least && 3*d <= max(len(word), len(k), 3) {
			best, least = k, d
		}
	}
	return best
}

// plain takes away what people vary when they mean the same name.
func plain(word string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(word))
}

// distance is the number of letters to add, drop, change or swap with their
// neighbour to make a from b (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before, row, next []int
	for j := range len(t) + 1 {
		row = append(row, j)
	}
	for i := range s {
		next = append(next[:0:0], i+1)
		for j := range t {
			change := row[j]
			if s[i] != t[j] {
				change++
			}
			d := min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				d = min(d, before[j-1]+1)
			}
			next = append(next, d)
		}
		before, row = row, next
	}
	return row[len(t)]
}

// inOrder returns the words sorted, for messages that must not vary.
func inOrder(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return words
}
