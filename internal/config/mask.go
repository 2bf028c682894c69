package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Messages show the line they are about, and a secret may stand in it: written
// out, against all advice, or under a name with a typing mistake. So before
// anything is told, the values of all names that sound secret are cut out of
// the lines.
var secretive = regexp.MustCompile(`(?i)(key|pass|pwd|secret|token|credential|^url$|^uri$|^dsn$|^auth)`)

// login is what a URL or a host with a user or password in front of it has.
var login = regexp.MustCompile(`://.*@|^[^\s:@<>]+:[^\s@<>]+@|(?i)\bpass\w*=`)

// wordForm is what names look like.
var wordForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// nameless reports whether an entry is a value whose name was forgotten, which
// YAML takes for a name without a value.
func nameless(n *ast.MappingValueNode) bool {
	_, null := n.Value.(*ast.NullNode)
	return null && !wordForm.MatchString(keyName(n))
}

// A cut is a part of a line that is not shown, in characters from 0.
type cut struct{ from, length int }

// rest is the length of a cut up to the end of the line.
const rest = 1 << 30

// shown returns a line without what is cut out of it, and how many characters
// stand before a column.
func (r *reader) shown(line, column int) (text string, before int) {
	if line < 1 || line > len(r.lines) {
		return "", 0
	}
	runes, before := []rune(r.lines[line-1]), column-1
	cuts := slices.Clone(r.cuts[line])
	slices.SortFunc(cuts, func(a, b cut) int { return b.from - a.from })
	for _, c := range cuts { // from the end, so that the places of the others stay
		from := min(c.from, len(runes))
		to := min(from+c.length, len(runes))
		runes = slices.Concat(runes[:from], []rune("***"), runes[to:])
		switch {
		case before >= to:
			before += 3 - (to - from)
		case before > from:
			before = from
		}
	}
	return string(runes), before
}

// mask cuts out the scalars that may be secret. References such as ${NAME}
// stay: they are what a reader needs to see.
func (r *reader) mask(n ast.Node, name string) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			r.mask(v, name)
		}
	case *ast.MappingValueNode:
		own := keyName(n)
		if secretive.MatchString(own) && strings.Contains(own, " ") || nameless(n) { // the colon was forgotten, or the name
			r.blot(n.Key)
		}
		if secretive.MatchString(own) || !secretive.MatchString(name) {
			name = own
		}
		r.mask(n.Value, name)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			r.mask(v, name)
		}
	case *ast.AnchorNode:
		r.mask(n.Value, name)
	case *ast.TagNode:
		r.mask(n.Value, name)
	case *ast.NullNode:
	case ast.ScalarNode:
		if secret(name, scalarText(n)) {
			r.blot(n)
		}
	}
}

// scalarText returns the text of a scalar as the parser read it.
func scalarText(n ast.ScalarNode) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return n.GetToken().Value
}

// secret reports whether a value may be secret, by its name and its form.
func secret(name, value string) bool {
	switch {
	case reference.FindString(value) == value:
		return false
	case login.MatchString(value), name == "url" && strings.Contains(value, "@"):
		return true
	case name == "former_keys" || name == "abandoned_keys":
		return !fingerprintForm.MatchString(value)
	case name == "url":
		return false
	}
	return secretive.MatchString(name)
}

// blot cuts a scalar out of the lines: it alone, if it ends on its first line,
// or else all lines that it may stand on.
func (r *reader) blot(n ast.Node) {
	t := n.GetToken()
	if t == nil || t.Position == nil || t.Position.Line < 1 || t.Position.Line > len(r.lines) {
		return
	}
	first, from := t.Position.Line, max(t.Position.Column-1, 0)
	line := []rune(r.lines[first-1])
	origin := strings.Trim(t.Origin, " \n")
	_, block := n.(*ast.LiteralNode)
	if !block && !strings.Contains(origin, "\n") && strings.HasPrefix(string(line[min(from, len(line)):]), origin) {
		r.cut(first, cut{from, len([]rune(origin))})
		return
	}
	last := len(r.lines)
	switch {
	case block:
		last = blockEnd(r.lines, first)
	case t.Next != nil && t.Next.Position != nil:
		next := []rune(r.lines[t.Next.Position.Line-1])
		if last = t.Next.Position.Line; strings.TrimSpace(string(next[:min(t.Next.Position.Column-1, len(next))])) == "" {
			last--
		}
	}
	r.cut(first, cut{from, rest})
	for i := first + 1; i <= last; i++ {
		r.cut(i, cut{0, rest})
	}
}

func (r *reader) cut(line int, c cut) {
	if r.cuts == nil {
		r.cuts = map[int][]cut{}
	}
	if !slices.Contains(r.cuts[line], c) {
		r.cuts[line] = append(r.cuts[line], c)
	}
}

// blockEnd returns the last line of a block scalar that begins on a line: the
// lines after it that are indented more, or empty.
func blockEnd(lines []string, first int) int {
	last := first
	for last < len(lines) && (strings.TrimSpace(lines[last]) == "" || indent(lines[last]) > indent(lines[first-1])) {
		last++
	}
	return last
}

// indent returns the number of spaces that a line begins with.
func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

var afterSecret = regexp.MustCompile(`(?i)(?:[\w-]*(?:key|pass|pwd|secret|token|credential|auth)[\w-]*|\burl|\buri|\bdsn|://[^\s:@/]*)["']?\s*:\s*`)

// veil cuts what follows a secret name out of a line that no tree was made of,
// and all of a line that may go on with a value from above.
func (r *reader) veil(line int) {
	text := r.lines[line-1]
	switch at := afterSecret.FindStringIndex(text); {
	case at != nil:
		r.cut(line, cut{len([]rune(text[:at[1]])), rest})
	case !strings.Contains(text, ":") || secretive.MatchString(text):
		r.cut(line, cut{indent(text), rest})
	}
}
