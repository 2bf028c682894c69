package templates

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Problem is one thing wrong with the letters, and where.
type Problem struct {
	File   string // as its author knows it; empty: no file is to blame
	Line   int    // from 1; 0: the file as a whole
	Column int    // from 1, in bytes; 0: the line as a whole
	What   string // what is wrong
	Fix    string // what to do about it, or where it was seen; may be empty
}

func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		for _, n := range []int{p.Line, p.Column} {
			if n > 0 {
				fmt.Fprintf(&b, ":%d", n)
			}
		}
		b.WriteString(": ")
	}
	b.WriteString(p.What)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems is everything wrong with the letters, in order of file and line.
type Problems []*Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// tidy sorts problems by place and keeps one for each: a variable that does
// not exist is found by reading and again by filling in, and a mistake in the
// layout is found with every letter.
func (ps Problems) tidy() Problems {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(ps, func(a, b *Problem) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && (a.Line > 0 || a.What == b.What)
	})
}

// problem turns an error of the template packages, which begins with the place
// it is about, into a Problem. Doing is what was tried.
func (src sources) problem(err error, doing string) *Problem {
	what := strings.TrimPrefix(err.Error(), "html/")
	what = strings.TrimSpace(strings.TrimPrefix(what, "template:"))
	p := &Problem{What: what, Fix: "seen while " + doing}
	if strings.Contains(what, "ends in a non-text context") {
		p.What = "a tag, an attribute, a script or a style sheet is opened and never closed"
	}
	for path := range src.files {
		rest, ok := strings.CutPrefix(what, path+":")
		if !ok {
			continue
		}
		p.File = src.display(path)
		p.Line, rest = leadingNumber(rest)
		if column, after := leadingNumber(rest); after != rest {
			p.Column, rest = column+1, after // they count columns from 0
		}
		if _, at, ok := strings.Cut(rest, " at <"); ok && strings.Contains(rest, "executing ") {
			rest = "<" + at
		}
		p.What = strings.TrimSpace(rest)
		if missing, ok := quoted(p.What, "function ", " not defined"); ok {
			p.What = fmt.Sprintf("there is no function %s", missing)
			p.Fix = "there are: " + strings.Join(functionNames, ", ") + didYouMean(missing, functionNames)
		}
		break
	}
	return p
}

// leadingNumber reads "12: rest"; without a number it returns its argument.
func leadingNumber(s string) (n int, rest string) {
	digits, rest, ok := strings.Cut(s, ":")
	if n, err := strconv.Atoi(digits); ok && err == nil {
		return n, rest
	}
	return 0, s
}

// quoted returns the quoted word between two texts.
func quoted(s, before, after string) (string, bool) {
	_, s, ok := strings.Cut(s, before+`"`)
	if !ok {
		return "", false
	}
	word, _, ok := strings.Cut(s, `"`+after)
	return word, ok
}

// didYouMean returns a question about the most similar of the names there are,
// or nothing when none is similar.
func didYouMean(name string, names []string) string {
	if n := nearest(name, names); n != "" {
		return ", did you mean " + n + "?"
	}
	return ""
}

// nearest returns the most similar of some names, or nothing.
func nearest(name string, names []string) string {
	best, distance := "", 1+max(1, min(3, len(name)/3))
	for _, n := range names {
		if d := edits(strings.ToLower(name), strings.ToLower(n)); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// edits counts the insertions, deletions, replacements and swaps of neighbours
// that make a into b.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			swap := 1
			if a[i-1] == b[j-1] {
				swap = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+swap)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
