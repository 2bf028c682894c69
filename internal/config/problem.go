package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one mistake in a configuration, and where it is.
type Problem struct {
	File   string
	Line   int    // from 1
	Column int    // from 1
	Path   string // where in the structure, such as policies.standard.steps[2].when
	What   string // what is wrong and what to write instead
	Source string // the line as written
}

// Error prints the place, the mistake, and the line with a caret under it.
func (p *Problem) Error() string {
	text := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		text += p.Path + ": "
	}
	text += p.What
	if p.Source == "" {
		return text
	}
	gutter := fmt.Sprintf("%5d | ", p.Line)
	before := []rune(p.Source)
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(before[:min(max(p.Column-1, 0), len(before))]))
	return fmt.Sprintf("%s\n%s%s\n%s| %s^", text, gutter, p.Source, strings.Repeat(" ", len(gutter)-2), pad)
}

// Problems is every mistake in a configuration, in the order of the file.
type Problems []*Problem

func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// meant returns a hint when a word is nearly one of those that are known.
func meant(word string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < at && d < len(k) {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// oneOf lists words for a message.
func oneOf(words []string) string { return strings.Join(words, ", ") }

// distance is the number of letters to add, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
