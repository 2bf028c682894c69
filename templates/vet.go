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
	before := len(v.problems)
	t := v.pipe(n.Pipe, s)
	v.list(n.ElseList, s)
	var element reflect.Type
	switch {
	case t != nil && t.Kind() == reflect.Slice:
		element = t.Elem()
	case len(v.problems) == before: // else what it is was told to be wrong
		v.report(s, n, "this does not repeat over a list", "there are .Invoices, .Totals, .Numbers and .Sender.Address")
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
		var types []reflect.Type
		for _, arg := range cmd.Args {
			types = append(types, v.operand(arg, s))
		}
		t = v.result(cmd, types, s)
	}
	for _, decl := range p.Decl {
		name := decl.Ident[0]
		if was := s.vars[name]; p.IsAssign && was != t && len(p.Decl) == 1 {
			v.report(s, decl, fmt.Sprintf("%s holds one kind of value and gets another here", name), "use a variable of another name")
		}
		s.vars[name] = t
	}
	return t
}

// returned is what functions return, where it is always the same.
var returned = map[string]reflect.Type{
	"len": reflect.TypeFor[int](), "not": reflect.TypeFor[bool](),
	"eq": reflect.TypeFor[bool](), "ne": reflect.TypeFor[bool](), "lt": reflect.TypeFor[bool](),
	"le": reflect.TypeFor[bool](), "gt": reflect.TypeFor[bool](), "ge": reflect.TypeFor[bool](),
	"print": reflect.TypeFor[string](), "printf": reflect.TypeFor[string](), "println": reflect.TypeFor[string](),
	"money": reflect.TypeFor[string](), "date": reflect.TypeFor[string](), "time": reflect.TypeFor[string](),
	"days": reflect.TypeFor[string](), "join": reflect.TypeFor[string](), "brief": reflect.TypeFor[string](),
}

// unwanted are functions of Go's templates that letters have no use for.
var unwanted = map[string]string{
	"call":     "nothing in a letter can be called",
	"html":     "what is written into HTML is escaped by itself",
	"js":       "a letter has no scripts",
	"urlquery": "a payment link is mailed as it is",
}

// result returns the type of a command's value, where that is plain to see.
func (v *vetter) result(cmd *parse.CommandNode, types []reflect.Type, s scope) reflect.Type {
	f, isFunction := cmd.Args[0].(*parse.IdentifierNode)
	if !isFunction {
		if len(cmd.Args) > 1 {
			return nil // what a method returns
		}
		return types[0]
	}
	if why := unwanted[f.Ident]; why != "" {
		v.report(s, f, "{{"+f.Ident+"}} has no place in a letter: "+why, "")
	}
	if f.Ident == "slice" && len(types) > 1 {
		return types[1]
	}
	return returned[f.Ident]
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
	case *parse.StringNode:
		return reflect.TypeFor[string]()
	case *parse.BoolNode:
		return reflect.TypeFor[bool]()
	case *parse.NumberNode:
		if n.IsInt {
			return reflect.TypeFor[int]()
		}
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
	if there := members(t); len(there) > 0 {
		return "there are: ." + strings.Join(there, ", .")
	}
	return ""
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
