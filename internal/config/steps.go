package config

import (
	"crypto/sha256"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"dunning/invoices"

	"github.com/goccy/go-yaml/ast"
)

// most is how many steps a ladder may have, and how many copies a letter.
const most = 50

// A rung is a step and where it stands in the file.
type rung struct {
	invoices.Step
	at    node // the step
	named node // its name
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
	taken := map[string]bool{}
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
		for _, r := range c.step(e, p, earlier, all) {
			if taken[r.Name] {
				r.named.wrong("there is a step %s above already; a step is known by its name for ever, so give this one another", r.Name)
				r.Name = ""
			}
			p.Steps = append(p.Steps, r.Step)
			if r.When.Anchor == invoices.OnExpiry { // beside the ladder
				taken[r.Name] = r.Name != ""
				r.beside(len(l) == 0, p)
				continue
			}
			if r.Name != "" {
				taken[r.Name], earlier = true, append(earlier, r.Name)
			}
			l = append(l, r)
		}
	}
	return l
}

// beside notes what makes no sense for a letter about a link that expires.
func (r rung) beside(first bool, p *invoices.Policy) {
	switch {
	case first:
		r.when.wrong("this letter is about a link that was mailed before, and no step above mails one; put it below the first step")
	case r.Single:
		r.at.wrong("a letter before link expiry is never the first of an invoice; leave out group")
	case r.Life != nil:
		r.life.wrong("a letter before link expiry brings no other link; leave this out")
	case lasting(p.Link.Life) <= time.Duration(-r.When.Days)*24*time.Hour:
		r.when.wrong("a link works for %s only, so this time never comes; write fewer days, or a longer expires_after", say(lasting(p.Link.Life)))
	}
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

// step reads one step, and the ones that repeat it.
func (c *Config) step(n node, p *invoices.Policy, earlier, all []string) []rung {
	m := n.settings("name", "when", "template", "group", "link", "requires_sent", "approval", "above", "repeat",
		"from", "reply_to", "cc", "attach")
	m["name"].need("friendly")
	m["when"].need(whenExample)
	m["template"].need("friendly")
	r := rung{at: n, named: m["name"], when: m["when"]}
	r.Name = m["name"].stepName()
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
	r.Approval = m["approval"].word("none", "none", "required") == "required"
	r.Above = m["above"].amounts(p.Currencies)
	if r.Approval && m["above"].there() {
		m["above"].wrong("with approval: required every letter of this step needs a person's yes; leave one of the two out")
	}
	c.manners(m, &r.Step)
	return append([]rung{r}, r.repeated(m["repeat"])...)
}

// manners reads who writes a letter, who gets a copy, and what goes with it.
func (c *Config) manners(m map[string]node, s *invoices.Step) {
	s.From, s.ReplyTo = m["from"].sender(), m["reply_to"].sender()
	s.CC = m["cc"].copies()
	s.Attach = c.attachments(m["attach"])
	if s.From == "" || len(c.Mail.DKIM) == 0 {
		return
	}
	_, domain, _ := strings.Cut(Mail{From: s.From}.FromAddress(), "@")
	if !slices.ContainsFunc(c.Mail.DKIM, func(k DKIMKey) bool { return strings.EqualFold(k.Domain, domain) }) {
		m["from"].wrong("letters are signed, and mail.dkim has no key for %s; add one, or write from another address", domain)
	}
}

// repeated returns the steps that say the same again, each so long after the
// one before, which must really have been sent: there is no end to reminding
// but the one that finance writes (R15).
func (r rung) repeated(n node) []rung {
	if !n.there() {
		return nil
	}
	m := n.settings("every", "max")
	m["every"].need("14 days")
	m["max"].need("3")
	every, working, ok := m["every"].gap()
	times := m["max"].integer(1, 20, 1)
	switch {
	case r.When.Anchor == invoices.OnExpiry:
		n.wrong("a letter before link expiry comes with every link anyway; leave repeat out")
		return nil
	case r.Single:
		n.wrong("the letter of one invoice (group: invoice) is not repeated; write further steps, or leave group out")
		return nil
	case !ok || r.Name == "" || !r.timed:
		return nil
	}
	var again []rung
	before := r.Name
	for i := range times {
		next := r
		next.Name = fmt.Sprintf("%s-%d", r.Name, i+2)
		next.When = invoices.When{Anchor: invoices.AfterStep, Step: before, Days: every, Working: working}
		next.RequiresSent = []string{before}
		again, before = append(again, next), next.Name
	}
	return again
}

// gap reads a number of days or working days between two letters.
func (n node) gap() (days int, working, ok bool) {
	n.shape.takes("type", "string", "pattern", gapForm.String())
	s := n.scalar()
	n.is(s.text)
	if !s.ok {
		return 0, false, false
	}
	m := gapForm.FindStringSubmatch(strings.Join(strings.Fields(s.text), " "))
	if m == nil {
		s.unclear("14 days")
		return 0, false, false
	}
	days, _ = strconv.Atoi(m[1]) // three digits
	if m[2] == "week" {
		days *= 7
	}
	if days == 0 {
		s.refuse("is no time at all, and two letters never leave on one day; write at least 1 day")
		return 0, false, false
	}
	return days, m[2] == "working day", true
}

var gapForm = regexp.MustCompile(`^([0-9]{1,3}) (working day|day|week)s?$`)

// LargestFile is how many bytes may be attached from one file.
const LargestFile = 5 << 20

// attachments reads which files go with a letter. Those that do not depend on
// the invoice are looked into at once; their content is part of what the
// configuration says.
func (c *Config) attachments(n node) []string {
	var files []string
	for _, e := range n.list(`[terms.pdf, "invoices/{number}.pdf"]`) {
		s := e.scalar()
		e.is(s.text)
		folder, name := path.Split(s.text)
		switch {
		case !s.ok:
		case s.text != s.written, name == "":
			s.refuse("is no file; write its path from the folder of this configuration, like terms.pdf")
		case slices.Contains(files, s.text):
			s.refuse("is there twice; remove one of them")
		case strings.ContainsAny(folder, "{}"), strings.ContainsAny(strings.ReplaceAll(name, "{number}", ""), "{}"):
			s.refuse("has { or } in it; only {number} stands for something, in the name of the file: invoices/{number}.pdf")
		case strings.Contains(name, "{number}"):
			files = append(files, s.text)
		default:
			switch b, err := n.r.readFile(s.text); {
			case err != nil:
				s.refuse("cannot be read; write the path of a file, from the folder of this configuration")
			case len(b) > LargestFile:
				s.refuse("has more than 5 MB; many mail servers would refuse the letter")
			default:
				e.is(fmt.Sprintf("%s %x", s.text, sha256.Sum256(b)))
				files = append(files, s.text)
			}
		}
	}
	if len(files) > 10 {
		n.wrong("there are %d files; a letter carries at most 10", len(files))
	}
	return files
}

// besides reads a letter beside the ladder.
func (c *Config) besides(n node, name string) *invoices.Step {
	if !n.there() {
		return nil
	}
	m := n.settings("template", "from", "reply_to", "cc", "attach")
	m["template"].need(name)
	s := invoices.Step{Name: name, Template: c.template(m["template"])}
	c.manners(m, &s)
	return &s
}

// Names of letters beside the ladder.
const (
	failedAttempt = "failed_attempt"
	brokenPromise = "broken_promise"
)

func (n node) stepName() string {
	name := n.name()
	switch {
	case slices.Contains(reserved, name):
		n.wrong("%s has a meaning of its own in `when`; give the step another name", name)
	case name == failedAttempt || name == brokenPromise:
		n.wrong("%s is the name of a letter beside the ladder; give the step another name", name)
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
		steps := slices.Clone(p.Steps)
		for _, s := range []*invoices.Step{p.FailedAttempt, p.BrokenPromise} {
			if s != nil {
				steps = append(steps, *s)
			}
		}
		for _, s := range steps {
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
