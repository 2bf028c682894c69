package config

import (
	"fmt"
	"slices"
	"strings"

	"dunning/invoices"

	"github.com/goccy/go-yaml/ast"
)

// most is how many steps a ladder may have, and how many copies a letter.
const most = 50

// A rung is a step and where it stands in the file.
type rung struct {
	invoices.Step
	at    node // the step
	when  node
	life  node // its own expires_after
	timed bool // its day could be read
}

// A ladder is the steps of one policy and where they stand in the file.
type ladder []rung

// steps reads the ladder of a policy.
func (c *Config) steps(n node, p *invoices.Policy) ladder {
	const example = "- {name: request, when: on issue date, template: request}"
	list := n.list(example)
	all := stepNames(list)
	if n.empty() {
		n.wrong("there is no step; write at least one, like %s", example)
	}
	if len(list) > most {
		n.wrong("there are %d steps; a ladder has at most %d", len(list), most)
		return nil
	}
	var l ladder
	var earlier []string
	for _, e := range list {
		r := c.step(e, p, earlier, all)
		if slices.Contains(earlier, r.Name) {
			r.Name = ""
		}
		if r.Name != "" {
			earlier = append(earlier, r.Name)
		}
		l = append(l, r)
		p.Steps = append(p.Steps, r.Step)
	}
	return l
}

// stepNames returns the names of all steps, for messages about those that come
// later.
func stepNames(list []node) []string {
	var names []string
	for _, e := range list {
		m, ok := e.n.(*ast.MappingNode)
		if !ok {
			continue
		}
		for _, v := range m.Values {
			if s, ok := v.Value.(*ast.StringNode); ok && keyName(v) == "name" {
				names = append(names, s.Value)
			}
		}
	}
	return names
}

func (c *Config) step(n node, p *invoices.Policy, earlier, all []string) rung {
	m := n.settings("name", "when", "template", "group", "link", "requires_sent", "cc")
	m["name"].need("friendly")
	m["when"].need(whenExample)
	m["template"].need("friendly")
	r := rung{at: n, when: m["when"]}
	r.Name = m["name"].stepName(earlier)
	r.When, r.timed = m["when"].when(earlier, all)
	r.Template = c.template(m["template"])
	r.Single = m["group"].word("customer", "customer", "invoice") == "invoice"
	r.life = m["link"].settings("expires_after")["expires_after"]
	if life, ok := r.life.life(); ok {
		r.Life = &life
		r.life.is(life.String())
		r.life.longEnough(p.Link, life)
	}
	r.RequiresSent = m["requires_sent"].required(earlier, all)
	r.CC = m["cc"].copies()
	return r
}

func (n node) stepName(earlier []string) string {
	name := n.name()
	switch {
	case slices.Contains(earlier, name):
		n.wrong("there is a step %s above already; a step is known by its name for ever, so give this one another", name)
	case slices.Contains(reserved, name):
		n.wrong("%s has a meaning of its own in `when`; give the step another name", name)
	case strings.HasPrefix(name, invoices.NewLinkTemplate):
		n.wrong("names that begin with %s are those of letters about renewed links; give the step another name", invoices.NewLinkTemplate)
	default:
		return name
	}
	return name
}

// template reads the name of a letter. Without a folder of templates only those
// built in exist; with one, the letters are checked when they are loaded (R22).
func (c *Config) template(n node) string {
	name := n.name()
	switch s := n.scalar(); {
	case !s.ok || name == "":
	case name == invoices.NewLinkTemplate:
		n.wrong("new_link is the letter about a renewed link, which leaves by itself; give the step another template")
	case c.Templates.Dir == "" && !slices.Contains(builtIn, name):
		s.refuse("is not a template%s (to write letters of your own, set templates.dir)", hintAmong(s, slices.DeleteFunc(slices.Clone(builtIn), func(name string) bool { return name == invoices.NewLinkTemplate })))
	}
	return name
}

// required reads the steps that must have been sent before this one (R4).
func (n node) required(earlier, all []string) []string {
	var names []string
	for _, e := range n.list("[firm]") {
		s := e.scalar()
		e.is(s.text)
		switch {
		case !s.ok:
		case slices.Contains(names, s.text):
			s.refuse("is there twice; remove one of them")
		case slices.Contains(earlier, s.text):
			names = append(names, s.text)
		case slices.Contains(all, s.text):
			s.refuse("is not above this step, so it cannot have been sent before; name an earlier step")
		default:
			s.refuse("is not a step of this policy%s", hintAmong(s, earlier))
		}
	}
	return names
}

// copies reads who gets a copy of a letter.
func (n node) copies() []string {
	var list []string
	for _, e := range n.list("[collections@example.com]") {
		address := e.mailbox()
		switch {
		case e.blank():
			e.wrong("this address is empty; remove it, or write it like collections@example.com")
		case address == "":
		case slices.ContainsFunc(list, func(other string) bool { return strings.EqualFold(other, address) }):
			e.wrong("this address is there twice; remove one of them")
		default:
			list = append(list, address)
		}
	}
	if len(list) > most {
		n.wrong("there are %d addresses; a letter has at most %d copies", len(list), most)
	}
	return list
}

func (c *Config) templates(n node) {
	m := n.settings("dir")
	c.Templates.Dir = m["dir"].filePath(c.Dir)
}

// letters returns the names of all letters that the policies may send.
func (c *Config) letters() []string {
	names := []string{invoices.NewLinkTemplate}
	for _, p := range c.Policies.ByName {
		for _, s := range p.Steps {
			if s.Template != "" && !slices.Contains(names, s.Template) {
				names = append(names, s.Template)
			}
		}
	}
	slices.Sort(names)
	return names
}

// label names a step for a message, also one whose name is missing.
func (r rung) label(i int) string {
	if r.Name == "" {
		return fmt.Sprintf("number %d", i+1)
	}
	return r.Name
}
