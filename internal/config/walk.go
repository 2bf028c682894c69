package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSize bounds a configuration; maxDepth its nesting.
const (
	maxSize  = 1 << 20
	maxDepth = 20
)

// walker reads a YAML tree and gathers every mistake instead of stopping at the
// first.
type walker struct {
	file     string
	lines    []string
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)
	problems Problems
	secrets  []string // values that must not show in a message
}

// node is one place in the tree. The zero node is one that is absent; reading
// it gives zero values.
type node struct {
	w    *walker
	n    ast.Node
	path string
}

// parse reads the text into a tree.
func (w *walker) parse(text []byte) node {
	if len(text) > maxSize {
		w.at(1, 1, "", "the file is larger than 1 MiB")
		return node{}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		w.syntax(err)
		return node{}
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		w.at(1, 1, "", "the file is empty; write one to start from with: dunning init")
		return node{}
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		w.at(position(file.Docs[1].Body).Line, 1, "", "there is a second document; a configuration is one, without --- in it")
		return node{}
	}
	root := node{w: w, n: file.Docs[0].Body}
	if !w.plain(root.n, 0) {
		return node{}
	}
	return root
}

var syntaxPlace = regexp.MustCompile(`(?s)^\[(\d+):(\d+)\] ([^\n]*)`)

// syntax tells of text that is no YAML.
func (w *walker) syntax(err error) {
	line, column, what := 1, 1, "this is not YAML"
	if m := syntaxPlace.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		column, _ = strconv.Atoi(m[2])
		what = m[3]
	} else if _, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		what = strings.SplitN(err.Error(), "\n", 2)[0]
	}
	if strings.Contains(w.line(line), "*") {
		what += `; a value that begins with * needs quotes, such as "*/5 * * * *"`
	}
	w.at(line, column, "", what)
}

// plain refuses what a configuration has no use for: anchors and aliases, which
// can make a small file huge, tags, and absurd nesting.
func (w *walker) plain(n ast.Node, depth int) bool {
	at := position(n)
	switch n := n.(type) {
	case *ast.AnchorNode:
		w.at(at.Line, at.Column, "", "a value that begins with & needs quotes; anchors are not used here")
		return false
	case *ast.AliasNode:
		w.at(at.Line, at.Column, "", `a value that begins with * needs quotes, such as "*/5 * * * *"`)
		return false
	case *ast.TagNode:
		w.at(at.Line, at.Column, "", "a value that begins with ! needs quotes; tags are not used here")
		return false
	case *ast.MappingNode:
		for _, v := range n.Values {
			if !w.plain(v, depth+1) {
				return false
			}
		}
	case *ast.MappingValueNode:
		if _, merge := n.Key.(*ast.MergeKeyNode); merge {
			w.at(at.Line, at.Column, "", "<< is not used here; write the values out")
			return false
		}
		return w.plain(n.Value, depth+1)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if !w.plain(v, depth+1) {
				return false
			}
		}
	}
	if depth > maxDepth {
		w.at(at.Line, at.Column, "", "this is nested too deeply")
		return false
	}
	return true
}

func position(n ast.Node) token.Position {
	if v, ok := n.(*ast.MappingValueNode); ok {
		n = v.Key
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && m.GetToken().Value != "{" {
		return position(m.Values[0])
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return *t.Position
	}
	return token.Position{Line: 1, Column: 1}
}

func (w *walker) line(n int) string {
	if n < 1 || n > len(w.lines) {
		return ""
	}
	return strings.TrimRight(w.lines[n-1], "\r")
}

// at notes a mistake.
func (w *walker) at(line, column int, path, what string) {
	w.problems = append(w.problems, &Problem{File: w.file, Line: line, Column: column, Path: path, What: what, Source: w.line(line)})
}

// hide takes every secret out of every message, once all of them are known.
func (w *walker) hide() {
	for _, p := range w.problems {
		for _, s := range w.secrets {
			p.What, p.Source = strings.ReplaceAll(p.What, s, "***"), strings.ReplaceAll(p.Source, s, "***")
		}
	}
}

// wrong notes a mistake at a node.
func (n node) wrong(format string, args ...any) {
	p := position(n.n)
	n.w.at(p.Line, p.Column, n.path, fmt.Sprintf(format, args...))
}

// there reports whether the node is in the file and not empty.
func (n node) there() bool {
	if n.n == nil {
		return false
	}
	_, null := n.n.(*ast.NullNode)
	return !null
}

// an entry is a key of a mapping and its value.
type entry struct {
	key   string
	place node // the key
	value node
}

// entries returns the entries of a mapping in the order of the file.
func (n node) entries() []entry {
	if !n.there() {
		return nil
	}
	var pairs []*ast.MappingValueNode
	switch m := n.n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		n.wrong("this must be a list of names and values, such as name: value")
		return nil
	}
	var list []entry
	seen := map[string]bool{}
	for _, p := range pairs {
		key := strings.Trim(p.Key.String(), `"'`)
		path := key
		if n.path != "" {
			path = n.path + "." + key
		}
		e := entry{key, node{n.w, p.Key, path}, node{n.w, p.Value, path}}
		if seen[key] {
			e.place.wrong("this name is there twice")
			continue
		}
		seen[key] = true
		list = append(list, e)
	}
	return list
}

// object returns the values of a mapping by name. A name that is not known is a
// mistake.
func (n node) object(known ...string) map[string]node {
	m := map[string]node{}
	for _, e := range n.entries() {
		if !slices.Contains(known, e.key) {
			e.place.wrong("there is no setting of this name%s", hint(e.key, known))
			continue
		}
		m[e.key] = e.value
	}
	for _, k := range known {
		if _, ok := m[k]; !ok {
			path := k
			if n.path != "" {
				path = n.path + "." + k
			}
			m[k] = node{w: n.w, path: path}
		}
	}
	return m
}

func hint(word string, known []string) string {
	if h := meant(word, known); h != "" {
		return h
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return "; there are: " + oneOf(known)
}

// require notes the absence of settings at the place of their parent.
func (n node) require(m map[string]node, names ...string) {
	for _, k := range names {
		if !m[k].there() {
			if n.n == nil {
				n.w.at(1, 1, strings.TrimPrefix(n.path+"."+k, "."), "this setting is missing")
				continue
			}
			n.wrong("the setting %s is missing", k)
		}
	}
}

// list returns the elements of a sequence.
func (n node) list() []node {
	if !n.there() {
		return nil
	}
	s, ok := n.n.(*ast.SequenceNode)
	if !ok {
		n.wrong("this must be a list, such as [a, b]")
		return nil
	}
	out := make([]node, len(s.Values))
	for i, v := range s.Values {
		out[i] = node{n.w, v, fmt.Sprintf("%s[%d]", n.path, i)}
	}
	return out
}

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// text returns a scalar as text, with ${NAME} and ${file:PATH} put in.
func (n node) text() string {
	if !n.there() {
		return ""
	}
	var raw string
	switch s := n.n.(type) {
	case *ast.StringNode:
		raw = s.Value
	case *ast.LiteralNode:
		raw = s.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		raw = s.GetToken().Value
	default:
		n.wrong("this must be a single value")
		return ""
	}
	return reference.ReplaceAllStringFunc(raw, func(ref string) string { return n.resolve(ref[2 : len(ref)-1]) })
}

// resolve returns what a reference stands for: a secret, as far as anybody
// knows.
func (n node) resolve(name string) string {
	value, ok := "", false
	if path, isFile := strings.CutPrefix(name, "file:"); isFile {
		b, err := n.w.readFile(path)
		if err != nil {
			n.wrong("the file of ${%s} cannot be read", name)
			return ""
		}
		value, ok = strings.TrimRight(string(b), "\r\n"), true
	} else if value, ok = n.w.env(name); !ok {
		n.wrong("the environment has no %s; set it, or write ${file:PATH}", name)
		return ""
	}
	if len(value) >= 4 {
		n.w.secrets = append(n.w.secrets, value)
	}
	return value
}

// secret reads a value that is never shown.
func (n node) secret() Secret {
	s := Secret{n.text()}
	if len(s.value) >= 4 {
		n.w.secrets = append(n.w.secrets, s.value)
	}
	return s
}

// databaseURL reads an address of which only the password is secret.
func (n node) databaseURL() Secret {
	s := Secret{n.text()}
	if _, rest, ok := strings.Cut(s.value, "://"); ok {
		if user, _, ok := strings.Cut(rest, "@"); ok {
			if _, password, ok := strings.Cut(user, ":"); ok && len(password) >= 4 {
				n.w.secrets = append(n.w.secrets, password)
			}
		}
	}
	return s
}

func (n node) integer(low, high, otherwise int) int {
	if !n.there() {
		return otherwise
	}
	v, err := strconv.Atoi(n.text())
	if err != nil || v < low || v > high {
		n.wrong("%q is no whole number from %d to %d", n.text(), low, high)
		return otherwise
	}
	return v
}

// number reads a rate; it never is money.
func (n node) number(low, high, otherwise float64) float64 {
	if !n.there() {
		return otherwise
	}
	v, err := strconv.ParseFloat(n.text(), 64)
	if err != nil || !(v >= low && v <= high) {
		n.wrong("%q is no number from %g to %g", n.text(), low, high)
		return otherwise
	}
	return v
}

// word reads one of some words.
func (n node) word(otherwise string, words ...string) string {
	if !n.there() {
		return otherwise
	}
	s := n.text()
	if !slices.Contains(words, s) {
		n.wrong("%q is none of: %s%s", s, oneOf(words), meant(s, words))
		return otherwise
	}
	return s
}

// texts reads a list of texts; a single one is a list of one.
func (n node) texts() []string {
	if !n.there() {
		return nil
	}
	if _, ok := n.n.(*ast.SequenceNode); !ok {
		return []string{n.text()}
	}
	var out []string
	for _, e := range n.list() {
		out = append(out, e.text())
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
