package templates

import (
	"errors"
	"fmt"
	"strings"
	"text/template/parse"
	"time"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// What a letter may be made of. A template is a program, and Go runs one that
// never ends, or fills the memory, as readily as any other. So its shape is
// bounded before it is run, and what it does while it runs, see [bounded].
const (
	deepest  = 40      // blocks inside of one another in one {{define}}
	repeated = 2       // {{range}} inside of one another, calls included
	heaviest = 200_000 // steps of a letter in which every list has many items
	crowd    = 25      // items, for that
)

// A scale adds up what filling in a template may cost, and reports the first
// place in it that goes too far.
type scale struct {
	src      sources
	tree     func(name string) *parse.Tree
	known    map[string]weight
	open     map[string]bool // templates that are being weighed: a call of one is a circle
	problems Problems
}

// A weight is what a template, or a part of one, weighs.
type weight struct {
	steps  int // saturates beyond heaviest
	ranges int // how many are inside of one another
}

func (a weight) and(b weight) weight {
	return weight{min(a.steps+b.steps, heaviest+1), max(a.ranges, b.ranges)}
}

// template weighs a named template with all that it calls.
func (s *scale) template(name string) weight {
	tree := s.tree(name)
	if tree == nil {
		return weight{}
	}
	if l, ok := s.known[name]; ok {
		return l
	}
	s.open[name] = true
	l := s.list(tree, tree.Root, 0).and(weight{steps: 1})
	delete(s.open, name)
	s.known[name] = l
	return l
}

func (s *scale) list(tree *parse.Tree, list *parse.ListNode, depth int) weight {
	var sum weight
	if list == nil {
		return sum
	}
	for _, node := range list.Nodes {
		before := len(s.problems)
		sum = sum.and(s.node(tree, node, depth))
		if len(s.problems) > before {
			return weight{} // one place of a list is enough
		}
		if sum.steps > heaviest {
			s.report(tree, node, "this makes the letter take too many steps", "repeat less, and call fewer templates from one another")
			return weight{}
		}
	}
	return sum
}

func (s *scale) node(tree *parse.Tree, node parse.Node, depth int) weight {
	one := weight{steps: 1}
	if depth > deepest {
		s.report(tree, node, fmt.Sprintf("this is nested more than %d deep", deepest), "put inner parts into a {{define}} of their own")
		return one
	}
	switch n := node.(type) {
	case *parse.IfNode:
		return one.and(s.branch(tree, &n.BranchNode, depth))
	case *parse.WithNode:
		return one.and(s.branch(tree, &n.BranchNode, depth))
	case *parse.RangeNode:
		inner := s.branch(tree, &n.BranchNode, depth)
		if inner.ranges++; inner.ranges > repeated {
			s.report(tree, node, fmt.Sprintf("more than %d {{range}} are inside of one another here", repeated), "repeat over one list inside of another at most")
			return one
		}
		return weight{min(1+crowd*inner.steps, heaviest+1), inner.ranges}
	case *parse.TemplateNode:
		if s.open[n.Name] {
			s.report(tree, node, fmt.Sprintf("{{template %q}} leads back to where it is called from, so it would never end", n.Name), "")
			return one
		}
		return one.and(s.template(n.Name))
	}
	return one
}

func (s *scale) branch(tree *parse.Tree, n *parse.BranchNode, depth int) weight {
	return s.list(tree, n.List, depth+1).and(s.list(tree, n.ElseList, depth+1))
}

func (s *scale) report(tree *parse.Tree, at parse.Node, what, fix string) {
	path := tree.ParseName
	p := &Problem{File: s.src.display(path), What: what, Fix: fix}
	p.Line, p.Column = place(s.src.files[path].text, at.Position())
	s.problems = append(s.problems, p)
}

// counted puts an empty text at the beginning of a template and of everything
// in it that repeats. Nothing shows it, but [bounded] hears of it, and so of
// every step, also of one that writes nothing.
func counted(tree *parse.Tree) {
	if tree == nil || tree.Root == nil {
		return
	}
	count(tree.Root)
	tick(tree.Root)
}

func tick(list *parse.ListNode) {
	list.Nodes = append([]parse.Node{&parse.TextNode{NodeType: parse.NodeText, Pos: list.Pos}}, list.Nodes...)
}

func count(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.IfNode:
			count(n.List)
			count(n.ElseList)
		case *parse.WithNode:
			count(n.List)
			count(n.ElseList)
		case *parse.RangeNode:
			count(n.List)
			count(n.ElseList)
			tick(n.List)
		}
	}
}

// The most that print, printf and println may make, and be given.
const (
	longestPrint  = 10_000 // bytes
	longestFormat = 500    // bytes
	mostPrinted   = 50     // values
)

// printing returns bounded versions of the functions that put texts together:
// a few calls of Go's own, each fed with what the last one made, fill any
// memory.
func printing() map[string]any {
	return map[string]any{
		"print":   func(args ...any) (string, error) { return brieflyPrinted(fmt.Sprint, args) },
		"println": func(args ...any) (string, error) { return brieflyPrinted(fmt.Sprintln, args) },
		"printf": func(format string, args ...any) (string, error) {
			if len(format) > longestFormat || wide(format) {
				return "", fmt.Errorf("the format is longer than %d characters, or has a width that is not written out or above 99", longestFormat)
			}
			return brieflyPrinted(func(args ...any) string { return fmt.Sprintf(format, args...) }, args)
		},
	}
}

func brieflyPrinted(print func(...any) string, args []any) (string, error) {
	if len(args) > mostPrinted {
		return "", fmt.Errorf("there are more than %d values to print", mostPrinted)
	}
	for _, arg := range args {
		switch arg.(type) {
		case string, bool, int, float64, money.Amount, civil.Date, time.Time:
		default:
			return "", errors.New("only texts, numbers, amounts, dates and times can be printed")
		}
	}
	s := print(args...)
	if len(s) > longestPrint {
		return "", fmt.Errorf("what is printed is longer than %d characters", longestPrint)
	}
	return s, nil
}

// wide reports whether a format asks for more than a line can hold.
func wide(format string) bool {
	digits := 0
	for _, c := range format {
		switch {
		case c == '*':
			return true
		case c >= '0' && c <= '9':
			if digits++; digits > 2 {
				return strings.Contains(format, "%")
			}
		default:
			digits = 0
		}
	}
	return false
}
