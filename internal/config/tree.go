package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The bounds of a configuration. A sensible one has some hundred lines and five
// levels. The parser's time grows with the square of what it is given: at these
// bounds it takes a second, at a megabyte minutes.
const (
	maxSize  = 256 << 10 // bytes
	maxLines = 10_000
	maxLine  = 5000 // bytes in one line
	maxDepth = 32   // levels
	enough   = 200  // mistakes; nobody reads on
)

// A reader walks the tree of one file. It gathers every mistake instead of
// stopping at the first, and writes down what every setting came to be.
type reader struct {
	file     string
	lines    []string
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)

	problems  Problems
	cuts      map[int][]cut     // what is not shown, by line
	effective map[string]string // path → value, defaults included, secrets not
	shape     *shape            // of the whole, while the schema is made; else nil
}

// at notes a mistake at a place, once.
func (r *reader) at(line, column int, path, what string) {
	if len(r.problems) >= enough {
		return
	}
	for _, p := range r.problems {
		if p.Line == line && p.Column == column && p.Path == path && p.What == what {
			return
		}
	}
	source, before := r.shown(line, column)
	r.problems = append(r.problems, &Problem{File: r.file, Line: line, Column: column, Path: path, What: what, Source: source, before: before})
}

// tree reads the text into a tree of mappings, sequences and scalars, or notes
// why there is none.
func (r *reader) tree(text []byte) (node, bool) {
	if len(text) > maxSize {
		r.at(1, 1, "", "the file is larger than 256 KiB; this is no configuration of dunning")
		return node{}, false
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	r.lines = strings.Split(string(text), "\n")
	if !r.readable() {
		return node{}, false
	}
	file, err := parse(text)
	if err != nil {
		r.syntax(err)
		return node{}, false
	}
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case body != nil:
			p := place(d.Body)
			r.at(p.Line, p.Column, "", "a second document begins here; a configuration is one: remove the line --- above")
			return node{}, false
		default:
			body = d.Body
		}
	}
	if body == nil {
		r.at(1, 1, "", "the file is empty; write one to start from with: dunning init")
		return node{}, false
	}
	r.mask(body, "")
	return node{r: r, n: body, at: place(body), shape: r.shape}, r.simple(body, 0)
}

// parse calls the parser, which is not proof against all that is no YAML.
func parse(text []byte) (file *ast.File, err error) {
	defer func() {
		if v := recover(); v != nil {
			file, err = nil, errors.New("this cannot be read as YAML")
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// readable refuses what is no text, and what is nested so deeply that the
// parser, which calls itself for every level, would not come back.
func (r *reader) readable() bool {
	open := 0
	if len(r.lines) > maxLines {
		r.at(maxLines, 1, "", fmt.Sprintf("the file has more than %d lines; this is no configuration of dunning", maxLines))
		return false
	}
	for i, line := range r.lines {
		if !utf8.ValidString(line) {
			r.lines[i] = strings.ToValidUTF8(line, "\ufffd")
			r.at(i+1, 1, "", "this line is not UTF-8; save the file as UTF-8")
			return false
		}
		if len(line) > maxLine {
			r.at(i+1, 1, "", fmt.Sprintf("this line is longer than %d characters; no setting is", maxLine))
			return false
		}
		for column, c := range line {
			if unwelcome(c) {
				r.lines[i] = ""
				r.at(i+1, 1+utf8.RuneCountInString(line[:column]), "", fmt.Sprintf("there is a character here that does not show, %U; type the line again", c))
				return false
			}
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			}
		}
		if open > maxDepth || crowded(line) {
			r.at(i+1, 1, "", "this is nested too deeply; no setting is")
			return false
		}
	}
	return true
}

// unwelcome reports whether a character has no place in a configuration: one
// that does not show could make a setting read otherwise than it is. No-break
// spaces, joiners and marks of direction may belong to the name of a firm.
func unwelcome(c rune) bool {
	if c < 0x7f {
		return c < ' ' && c != '\t'
	}
	return !unicode.IsPrint(c) && !strings.ContainsRune("\u00a0\u200c\u200d\u200e\u200f", c)
}

// crowded reports whether a line opens too many levels by itself: - - - x, or
// a run of anchors, tags and keys without values.
func crowded(line string) bool {
	n := 0
	for f := range strings.FieldsSeq(line) {
		if !strings.ContainsRune("-?&!:*", rune(f[0])) && !strings.HasSuffix(f, ":") {
			n = 0
			continue
		}
		if n++; n > maxDepth {
			return true
		}
	}
	return false
}

// simple refuses what a configuration has no use for: anchors and aliases, by
// which a small file becomes a huge tree, tags, and deep nesting.
func (r *reader) simple(n ast.Node, depth int) bool {
	refuse := func(what string) bool {
		p := place(n)
		r.at(p.Line, p.Column, "", what)
		return false
	}
	if depth > maxDepth {
		return refuse("this is nested too deeply; no setting is")
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		return refuse("& begins an anchor, which is not used here; if the value begins with &, put it in quotes")
	case *ast.AliasNode:
		return refuse(`* begins an alias, which is not used here; a value that begins with * needs quotes, such as "*/5 * * * *"`)
	case *ast.TagNode:
		return refuse("! begins a tag, which is not used here; if the value begins with !, put it in quotes")
	case *ast.DirectiveNode:
		return refuse("% begins a directive, which is not used here; remove the line")
	case *ast.MappingNode:
		for _, v := range n.Values {
			if !r.simple(v, depth+1) {
				return false
			}
		}
	case *ast.MappingValueNode:
		switch n.Key.(type) {
		case *ast.MergeKeyNode:
			return refuse("<< is not used here; write the settings out")
		case *ast.MappingKeyNode:
			return refuse("? begins a key, which is not used here; write it like name: value")
		}
		return r.simple(n.Value, depth+1)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if !r.simple(v, depth+1) {
				return false
			}
		}
	case *ast.StringNode:
		if what := swallowed(n.GetToken()); what != "" {
			return refuse(what)
		}
	}
	return true
}

// swallowed says what a value without quotes took in that was meant to stand by
// itself, because a comma or a colon was forgotten.
func swallowed(t *token.Token) string {
	origin := strings.Trim(t.Origin, " \n")
	switch {
	case t.Type != token.StringType:
		return ""
	case strings.Contains(origin, ": "):
		return "a comma is missing in this value, before the next setting; if the colon belongs to the value, put it in quotes"
	case strings.Contains(origin, "\n"):
		return "this value goes on in the next line; is a colon missing there?"
	}
	return ""
}

// syntax notes that the text is no YAML, once and at its place. The parser's
// words are for those who know YAML; the mistakes that people make get better
// ones.
func (r *reader) syntax(err error) {
	line, column, said := 1, 1, ""
	if bad, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		said = bad.Message // Error would print the file, secrets included
		if t := bad.Token; t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	line, column, what := r.misread(min(max(line, 1), len(r.lines)), column, said)
	r.veil(line)
	r.at(line, column, "", what)
}

// misread says what is wrong with text that is no YAML, and where it most
// probably is: the parser notices some mistakes only later.
func (r *reader) misread(line, column int, said string) (int, int, string) {
	text := r.lines[line-1]
	if strings.HasPrefix(strings.TrimLeft(text, " "), "\t") {
		return line, indent(text) + 1, "this line is indented with a tab; YAML takes spaces only"
	}
	for i, l := range r.lines[:line] {
		if at := strings.LastIndexByte(l, '"'); at >= 0 && strings.Count(l, `"`)%2 == 1 && !strings.HasPrefix(strings.TrimSpace(l), "#") {
			return i + 1, utf8.RuneCountInString(l[:at]) + 1, "a quote stands here without another one in the same line; close it, or remove it"
		}
	}
	_, value, _ := strings.Cut(strings.TrimSpace(text), ": ")
	value = strings.TrimSpace(value)
	switch {
	case strings.Contains(said, "single-quoted"):
		return line, column, "a quote is opened here and never closed"
	case strings.HasPrefix(value, "*") || strings.Contains(text, ": *"):
		return line, column, `a value that begins with * needs quotes, such as "*/5 * * * *"`
	case strings.ContainsAny(text, "{[") && strings.Contains(text, "${"):
		return line, column, `between { and } a value such as ${NAME} needs quotes: "${NAME}"`
	case value != "" && strings.ContainsRune("@`%", rune(value[0])):
		return line, column, fmt.Sprintf("a value that begins with %c needs quotes", value[0])
	case strings.Contains(said, "must be specified"):
		return line, column, "a { or [ is not closed here or before, or a comma is missing"
	case line < len(r.lines) && value != "" && indent(r.lines[line]) > indent(text):
		return line + 1, indent(r.lines[line]) + 1, "this line is indented more than the one above, which has a value already; let both begin in the same column"
	case strings.HasPrefix(strings.TrimSpace(text), "- "):
		return line, column, "this element of a list does not begin in the same column as those above"
	case !strings.Contains(text, ":") && value == "":
		return line, column, "a colon is missing in this line, behind the name; write it like name: value"
	}
	return line, column, "this is not YAML; look at the indentation, the colons and the quotes here and in the line above"
}

// place returns where a node begins.
func place(n ast.Node) token.Position {
	switch m := n.(type) {
	case *ast.MappingValueNode:
		return place(m.Key)
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return place(m.Values[0])
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return *t.Position
	}
	return token.Position{Line: 1, Column: 1}
}
