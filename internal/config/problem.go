package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Problem is one mistake in a configuration: where it is, what is wrong, and
// what to write instead. No part of it holds the value of a secret.
type Problem struct {
	File   string
	Line   int    // from 1
	Column int    // from 1, in characters
	Path   string // the setting, such as policies.standard.steps[2].when; empty: the file as a whole
	What   string // what is wrong, and what to write instead
	Source string // the line as it is written, secrets replaced by ***

	before int // characters of Source before the caret
}

// Error prints the place, the mistake, and the line with a caret under it.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", visible(p.File), p.Line, p.Column)
	if p.Path != "" {
		b.WriteString(visible(p.Path) + ": ")
	}
	b.WriteString(visible(p.What))
	if s := strings.TrimSpace(p.Source); s == "" || s == "***" {
		return b.String()
	}
	source, pad := p.excerpt()
	fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", p.Line, source, pad)
	return b.String()
}

// wide is how many characters of a line an excerpt shows.
const wide = 160

// excerpt returns the line, or the part of a long one around the column, and
// what stands before the caret below it.
func (p *Problem) excerpt() (source, pad string) {
	line := []rune(p.Source)
	at := min(max(p.before, 0), len(line))
	if len(line) > wide {
		from := max(0, min(at-wide/2, len(line)-wide))
		line, at = line[from:from+wide], at-from
	}
	for _, r := range line[:at] {
		if r == '\t' { // as wide as the one above it
			pad += "\t"
			continue
		}
		pad += " "
	}
	return visible(string(line)), pad
}

// visible returns a text with every character that a terminal may obey, or that
// shows nothing, as U+FFFD. It keeps the number of characters.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\u00a0' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// Problems is every mistake in a configuration, in the order of the file. It is
// the error that [Parse] returns.
type Problems []*Problem

// Error prints all mistakes, one after the other.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// sort puts the mistakes in the order of the file.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
