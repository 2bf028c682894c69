package templates

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
)

// A vetter follows a template from its beginning through everything it calls,
// knowing what the dot is, and reports each variable that does not exist.
// Filling in samples would find only the first of them, and none in a branch
// that no sample takes.
type vetter struct {
	src      sources
	tree     func(name string) *parse.Tree
	seen     map[visit]bool
	missed   map[string]bool // templates already reported as missing
	problems Problems
}

// A visit is one template with one type of dot.
type visit struct {
	template string
	dot      reflect.Type
}

// scope is the type of each variable that is known; a dot without a type is
// not checked.
type scope struct {
	tree *parse.Tree
	dot  reflect.Type
	vars map[string]reflect.Type
}

var (
	letterType  = reflect.TypeFor[*Letter]()
	invoiceType = reflect.TypeFor[Invoice]()
)

// template vets a named template called with a type of dot.
func (v *vetter) template(name string, dot reflect.Type) {
	tree := v.tree(name)
	if tree == nil || v.seen[visit{name, dot}] {
		return
	}
	v.seen[visit{name, dot}] = true
	v.list(tree.Root, scope{tree, dot, map[string]reflect.Type{"$": dot}})
}

func (v *vetter) list(list *parse.ListNode, s scope) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			v.pipe(n.Pipe, s)
		case *parse.IfNode:
			inner := s.enter()
			v.pipe(n.Pipe, inner)
			v.list(n.List, inner)
			v.list(n.ElseList, inner)
		case *parse.WithNode:
			inner := s.enter()
			t := v.pipe(n.Pipe, inner)
			v.list(n.ElseList, inner)
			inner.dot = t
			v.list(n.List, inner)
		case *parse.RangeNode:
			v.rangeOver(n, s.enter())
		case *parse.TemplateNode:
			var t reflect.Type
			if n.Pipe != nil {
				t = v.pipe(n.Pipe, s)
			}
			if v.tree(n.Name) == nil && !v.missed[n.Name] {
				v.report(s, n, fmt.Sprintf("there is no {{define %q}}", n.Name), "")
			}
			v.template(n.Name, t)
		}
	}
}

// rangeOver gives the dot and the last declared variable the type of the
// elements.
func (v *vetter) rangeOver(n *parse.RangeNode, s scope) {
	t := v.pipe(n.Pipe, s)
	v.list(n.ElseList, s)
	var element reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		element = t.Elem()
	}
	for i, decl := range n.Pipe.Decl {
		s.vars[decl.Ident[0]] = nil
		if i == len(n.Pipe.Decl)-1 {
			s.vars[decl.Ident[0]] = element
		}
	}
	s.dot = element
	v.list(n.List, s)
}

// pipe vets every operand of a pipeline and returns the type of its value,
// where that is plain to see.
func (v *vetter) pipe(p *parse.PipeNode, s scope) reflect.Type {
	if p == nil {
		return nil
	}
	var t reflect.Type
	for _, cmd := range p.Cmds {
		t = nil
		for _, arg := range cmd.Args {
			t = v.operand(arg, s)
		}
		if len(cmd.Args) > 1 {
			t = nil // what a function returns
		}
	}
	for _, decl := range p.Decl {
		s.vars[decl.Ident[0]] = t
	}
	return t
}

func (v *vetter) operand(arg parse.Node, s scope) reflect.Type {
	switch n := arg.(type) {
	case *parse.DotNode:
		return s.dot
	case *parse.FieldNode:
		return v.fields(n, s, s.dot, n.Ident)
	case *parse.VariableNode:
		return v.fields(n, s, s.vars[n.Ident[0]], n.Ident[1:])
	case *parse.PipeNode:
		return v.pipe(n, s)
	case *parse.ChainNode:
		return v.fields(n, s, v.operand(n.Node, s), n.Field)
	}
	return nil
}

// fields follows .A.B.C from a type.
func (v *vetter) fields(at parse.Node, s scope, t reflect.Type, names []string) reflect.Type {
	for _, name := range names {
		if t == nil {
			return nil
		}
		next, ok := member(t, name)
		if !ok {
			v.report(s, at, fmt.Sprintf("%s has no .%s", called(t), name), hint(t, name))
			return nil
		}
		t = next
	}
	return t
}

// member returns the type of a field or method that templates can reach.
func member(t reflect.Type, name string) (reflect.Type, bool) {
	if m, ok := t.MethodByName(name); ok {
		return m.Type.Out(0), true
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, t.Kind() == reflect.Interface || t.Kind() == reflect.Map
	}
	f, ok := t.FieldByName(name)
	return f.Type, ok && f.IsExported()
}

// members lists what templates can reach of a type.
func members(t reflect.Type) []string {
	var names []string
	for m := range t.Methods() {
		names = append(names, m.Name)
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			if f.IsExported() {
				names = append(names, f.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// hint says what was probably meant by a name that a type lacks.
func hint(t reflect.Type, name string) string {
	if near := nearest(name, members(t)); near != "" {
		return "did you mean {{." + near + "}}?"
	}
	if _, ok := member(letterType, name); ok {
		return "that belongs to the letter: write {{$." + name + "}} if $ is the letter here"
	}
	if _, ok := member(invoiceType, name); ok {
		return "that belongs to an invoice: write {{range .Invoices}}{{." + name + "}}{{end}}, or {{.First." + name + "}}"
	}
	return "there are: ." + strings.Join(members(t), ", .")
}

// called names a type for authors of letters.
func called(t reflect.Type) string {
	switch t {
	case letterType:
		return "a letter"
	case invoiceType:
		return "an invoice"
	}
	if t.Name() != "" {
		return "a value of type " + t.Name()
	}
	return "this value"
}

func (v *vetter) report(s scope, at parse.Node, what, fix string) {
	path := s.tree.ParseName
	p := &Problem{File: v.src.display(path), What: what, Fix: fix}
	p.Line, p.Column = place(v.src.files[path].text, at.Position())
	v.problems = append(v.problems, p)
}

// place returns line and column, from 1, of an offset.
func place(text string, at parse.Pos) (line, column int) {
	before := text[:min(int(at), len(text))]
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}

// enter opens a block: variables declared in it end with it.
func (s scope) enter() scope {
	s.vars = maps.Clone(s.vars)
	return s
}
