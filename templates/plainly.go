package templates

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A kind of element says what it may stand in, and what may stand in it.
type kind uint16

const (
	root   kind = 1 << iota // outside of every element
	whole                   // html
	about                   // head: nothing in it is shown
	flow                    // paragraphs, tables and words
	line                    // words
	inText                  // a part of a line
	grid                    // table: rows
	row                     // cells
	empty                   // nothing, and it has no end
	raw                     // text without markup, which is not shown
)

// shapes are the elements that [plainly] reads.
var shapes = map[string]struct {
	is, within kind
	atom       atom.Atom
}{
	"html": {whole, root, atom.Html}, "head": {about, whole, atom.Head}, "body": {flow, whole, atom.Body},
	"meta": {empty, about, atom.Meta}, "title": {raw, about, atom.Title}, "style": {raw, about, atom.Style},
	"div": {flow, flow, atom.Div}, "p": {line, flow, atom.P}, "h1": {line, flow, atom.H1}, "h2": {line, flow, atom.H2},
	"table": {grid, flow, atom.Table}, "tr": {row, grid, atom.Tr}, "td": {flow, row, atom.Td},
	"br": {empty, flow | line | inText, atom.Br}, "a": {inText, flow | line | inText, atom.A},
	"b": {inText, flow | line | inText, atom.B}, "strong": {inText, flow | line | inText, atom.Strong},
	"em": {inText, flow | line | inText, atom.Em}, "span": {inText, flow | line | inText, atom.Span},
}

// skeleton are the elements that a page has once each, in this order.
var skeleton = []string{"html", "head", "body"}

// A level is an element that is open.
type level struct {
	name   string
	is     kind
	hidden bool // nothing in it is shown
}

// deepestPage is how many elements may be open at once.
const deepestPage = 100

// A reader reads a page from its beginning to its end.
type reader struct {
	page
	text strings.Builder
	rest string // what is not read yet
	open []level
	had  int // of the skeleton
	keys []string
}

// plainly reads HTML as [readPage] does, in a quarter of the time, if it is
// written as letters are: every element is among a few, stands where it may
// stand, and ends before what it stands in ends; every tag and every attribute
// is written in one way. In such a page browsers have nothing to guess, and it
// means what it says. Of any other it reports false, and nothing about it.
func plainly(source string) (page, bool) {
	rest, ok := strings.CutPrefix(source, "<!DOCTYPE html>")
	if !ok || strings.IndexByte(rest, '\r') >= 0 || strings.IndexByte(rest, 0) >= 0 {
		return page{}, false
	}
	r := reader{rest: rest, open: append(make([]level, 0, 16), level{is: root})}
	r.text.Grow(len(rest) / 4)
	for r.rest != "" {
		if !r.next() {
			return page{}, false
		}
	}
	r.page.text = oneSpaced(r.text.String())
	return r.page, len(r.open) == 1 && r.had == len(skeleton)
}

// next reads one piece of the page, and reports false if it is not plain.
func (r *reader) next() bool {
	switch {
	case r.rest[0] != '<':
		return r.words()
	case strings.HasPrefix(r.rest, "</"):
		return r.end()
	case strings.HasPrefix(r.rest, "<!--"):
		return r.comment()
	}
	return r.begin()
}

func (r *reader) top() level { return r.open[len(r.open)-1] }

func (r *reader) words() bool {
	n := strings.IndexByte(r.rest, '<')
	if n < 0 {
		n = len(r.rest)
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	in := r.top()
	if in.is&(flow|line|inText) == 0 {
		return strings.Trim(text, blank) == ""
	}
	if !in.hidden {
		r.text.WriteString(html.UnescapeString(text))
	}
	return true
}

// comment reads a comment that has no -- in it, about which rules differ.
func (r *reader) comment() bool {
	text, rest, _ := strings.Cut(r.rest[len("<!--"):], "--")
	if !strings.HasPrefix(rest, ">") || strings.HasPrefix(text, ">") || strings.Contains(text, "&") || r.top().is&(root|whole|about) != 0 {
		return false
	}
	r.remark(text)
	r.rest = rest[1:]
	return true
}

func (r *reader) end() bool {
	name, rest, ended := strings.Cut(r.rest[len("</"):], ">")
	in := r.top()
	if !ended || name != in.name {
		return false
	}
	r.rest, r.open = rest, r.open[:len(r.open)-1]
	r.edge(in)
	return true
}

// edge separates what stands in an element from what stands beside it.
func (r *reader) edge(l level) {
	if !l.hidden && l.is != inText {
		r.text.WriteByte('\n')
	}
}

func (r *reader) begin() bool {
	name := leading(r.rest[1:], func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' })
	shape, known := shapes[name]
	in := r.top()
	switch {
	case !known, shape.within&in.is == 0, len(r.open) > deepestPage:
		return false
	case shape.is == inText && slices.ContainsFunc(r.open, func(l level) bool { return l.is == inText && l.name == name }):
		return false
	case shape.within&(root|whole) != 0:
		if r.had == len(skeleton) || name != skeleton[r.had] {
			return false
		}
		r.had++
	}
	r.rest = r.rest[1+len(name):]
	made := level{name, shape.is, in.hidden || shape.is == about}
	hides, ok := r.attributes(shape.atom)
	if !ok {
		return false
	}
	made.hidden = made.hidden || hides
	switch shape.is {
	case raw:
		return r.unmarked(shape.atom, name)
	case empty:
		r.edge(made)
	default:
		r.open = append(r.open, made)
	}
	r.edge(made)
	return true
}

// attributes reads the attributes of an element and the end of its tag, and
// reports whether they hide it, and whether they are plain.
func (r *reader) attributes(of atom.Atom) (hide, plain bool) {
	r.keys = r.keys[:0]
	for !strings.HasPrefix(r.rest, ">") {
		rest, spaced := strings.CutPrefix(r.rest, " ")
		key := leading(rest, func(c byte) bool { return c >= 'a' && c <= 'z' || c == '-' })
		rest, quoted := strings.CutPrefix(rest[len(key):], `="`)
		value, rest, closed := strings.Cut(rest, `"`)
		if !spaced || key == "" || !quoted || !closed || slices.Contains(r.keys, key) || !plainReferences(value) {
			return false, false
		}
		r.keys = append(r.keys, key)
		hide = r.attribute(of, key, html.UnescapeString(value)) || hide
		r.rest = rest
	}
	r.rest = r.rest[1:]
	return hide, true
}

// plainReferences reports whether the characters of an attribute that are
// written as references are written in a way that texts share.
func plainReferences(value string) bool {
	for {
		_, rest, found := strings.Cut(value, "&")
		if !found {
			return true
		}
		if !strings.HasPrefix(rest, "amp;") && !strings.HasPrefix(rest, "#") {
			return false
		}
		value = rest
	}
}

// unmarked reads the text of an element of the head, and its end.
func (r *reader) unmarked(is atom.Atom, name string) bool {
	text, rest, _ := strings.Cut(r.rest, "</")
	rest, ends := strings.CutPrefix(rest, name+">")
	if !ends || strings.Contains(text, "<") {
		return false
	}
	if is == atom.Style {
		r.sheet(text)
	}
	r.rest = rest
	return true
}

// leading returns the beginning of a text that is made of certain bytes.
func leading(text string, of func(byte) bool) string {
	n := 0
	for n < len(text) && of(text[n]) {
		n++
	}
	return text[:n]
}
