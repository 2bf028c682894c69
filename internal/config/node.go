package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A node is one setting: there, or absent and standing for its default. A
// setting without a value ("port:" and nothing behind it) is absent too.
type node struct {
	r     *reader
	n     ast.Node // nil: absent
	path  string
	at    token.Position // of its value; for an absent one, of the key or of what it is missing in
	shape *shape
	mute  bool // what it stands in is no mapping: it is absent, and that was told
}

// wrong notes a mistake at the node.
func (n node) wrong(format string, args ...any) {
	n.r.at(n.at.Line, n.at.Column, n.path, fmt.Sprintf(format, args...))
}

// there reports whether the setting has a value.
func (n node) there() bool { return n.n != nil }

// blank reports whether the setting has no value or the empty text.
func (n node) blank() bool {
	s, ok := n.n.(*ast.StringNode)
	return !n.there() || ok && s.Value == ""
}

// is writes down what the setting came to be; see [Config.Hash].
func (n node) is(value string) { n.r.effective[n.path] = value }

// child returns a node below this one.
func (n node) child(value ast.Node, at token.Position, path string) node {
	if _, null := value.(*ast.NullNode); null || value == nil {
		return node{r: n.r, path: path, at: at}
	}
	return node{r: n.r, n: value, path: path, at: place(value)}
}

// under returns the path of a setting below this one.
func (n node) under(name string) string {
	if n.path == "" {
		return name
	}
	return n.path + "." + name
}

// An entry is a name in a mapping and its value.
type entry struct {
	name  string
	key   node // the name itself, as a place for mistakes
	value node
}

// entries returns what a mapping with free names holds, in the order of the
// file. A name that is there twice counts once, and is a mistake.
func (n node) entries() []entry {
	list := n.pairs()
	for i := range list {
		list[i].value.shape = n.shape.value()
	}
	return list
}

// pairs returns what a mapping holds.
func (n node) pairs() []entry {
	if !n.there() {
		return nil
	}
	m, ok := n.n.(*ast.MappingNode)
	if !ok {
		n.wrong("this must be settings with names, %s; write them like name: value", found(n.n))
		return nil
	}
	var list []entry
	line := map[string]int{}
	for _, v := range m.Values {
		name := keyName(v)
		at := place(v)
		path := n.under(outline(name))
		if nameless(v) && !wordForm.MatchString(outline(name)) {
			path = n.under("***")
		}
		e := entry{name, node{r: n.r, path: path, at: at}, n.child(v.Value, at, path)}
		if first, twice := line[name]; twice {
			e.key.wrong("this is set twice, here and in line %d; remove one of them", first)
			continue
		}
		line[name] = at.Line
		list = append(list, e)
	}
	return list
}

// keyName returns the name of an entry as a text.
func keyName(v *ast.MappingValueNode) string {
	switch k := v.Key.(type) {
	case *ast.StringNode:
		return k.Value
	case ast.ScalarNode:
		return k.GetToken().Value
	}
	return v.Key.String()
}

// outline cuts a name that no setting has to what may be repeated in a message:
// where a colon was forgotten, the rest may be a value.
func outline(name string) string {
	word, _, _ := strings.Cut(name, " ")
	if len(word) > 40 {
		word = strings.ToValidUTF8(word[:40], "") + "..."
	}
	return word
}

// settings returns the values of a mapping that may hold the known names. Any
// other name is a mistake. All known names are in the answer, those that the
// file lacks as absent.
func (n node) settings(known ...string) map[string]node {
	m := make(map[string]node, len(known))
	_, mapping := n.n.(*ast.MappingNode)
	for _, k := range known {
		m[k] = node{r: n.r, path: n.under(k), at: n.at, shape: n.shape.setting(k), mute: n.mute || n.there() && !mapping}
	}
	for _, e := range n.pairs() {
		if _, ok := m[e.name]; !ok {
			near := nearest(e.name, inOrder(known))
			if slices.ContainsFunc(known, secretive.MatchString) && (near == "" || secretive.MatchString(near)) { // it may be the secret
				n.r.mask(e.value.n, "secret")
			}
			e.key.wrong("there is no setting of this name%s", hint(e.name, inOrder(known)))
			continue
		}
		e.value.shape = n.shape.setting(e.name)
		m[e.name] = e.value
	}
	return m
}

// need notes a mistake if the setting has no value, or an empty one. The example says what to
// write.
func (n node) need(example string) {
	n.shape.must()
	if n.blank() && !n.mute {
		n.wrong("this is missing; write it like %s", example)
	}
}

// list returns the elements of a sequence.
func (n node) list(example string) []node {
	if !n.there() {
		return nil
	}
	s, ok := n.n.(*ast.SequenceNode)
	if !ok {
		n.wrong("this must be a list, %s; write it like %s", found(n.n), example)
		return nil
	}
	list := make([]node, 0, len(s.Values))
	for i, v := range s.Values {
		e := n.child(v, place(v), n.path+"["+strconv.Itoa(i)+"]")
		e.shape = n.shape.item()
		if !e.there() {
			e.wrong("this element is empty; remove it, or write it like %s", example)
			continue
		}
		list = append(list, e)
	}
	return list
}

// empty reports whether the setting is a list without elements.
func (n node) empty() bool {
	s, ok := n.n.(*ast.SequenceNode)
	return ok && len(s.Values) == 0
}

// found names what is there instead, in words for people.
func found(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "not settings with names"
	case *ast.SequenceNode:
		return "not a list"
	}
	return "not a single value"
}
