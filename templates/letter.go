package templates

import (
	"bytes"
	"fmt"
	html "html/template"
	"maps"
	"slices"
	"strings"
	"sync"
	text "text/template"
	"text/template/parse"
	"unicode/utf8"

	"dunning/invoices"
)

// A letter is one letter in one language, parsed.
type letter struct {
	text *text.Template
	html *html.Template
}

// functionNames are what templates may call, for messages.
var functionNames = slices.Sorted(maps.Keys(functions("en")))

// Word, which renders mails in Outlook for Windows, knows no max-width. The
// layout puts its column between these two, because html/template drops
// comments that are written in a template.
const (
	outlookBegin html.HTML = `<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`
	outlookEnd   html.HTML = `<!--[if mso]></td></tr></table><![endif]-->`
)

// parseLetter parses the files of one letter and notes them in used. Without a
// letter there is at least one problem.
func parseLetter(src sources, lang, name string, used map[string]bool) (*letter, Problems) {
	var problems Problems
	l := &letter{
		text: text.New("").Option("missingkey=error").Funcs(functions(lang)).Funcs(printing()),
		html: html.New("").Option("missingkey=error").Funcs(functions(lang)).Funcs(printing()).Funcs(html.FuncMap{
			"outlookBegin": func() html.HTML { return outlookBegin },
			"outlookEnd":   func() html.HTML { return outlookEnd },
		}),
	}
	for _, part := range []struct {
		ext    string
		needs  []string
		parse  func(path, source string) (*parse.Tree, error)
		lookup func(name string) *parse.Tree
	}{
		{".txt", []string{"layout", "subject", "message"}, l.parseText, l.textTree},
		{".html", []string{"layout", "title", "message"}, l.parseHTML, l.htmlTree},
	} {
		own, there := src.find(lang, name+part.ext)
		if !there {
			problems = append(problems, missing(src, lang, name, own))
			continue
		}
		phrases, _ := src.find(lang, "phrases.tmpl")
		ok := true
		for _, path := range []string{"layout" + part.ext, phrases, own} {
			used[path] = true
			tree, err := part.parse(path, src.files[path].text)
			if err != nil {
				problems = append(problems, src.problem(err, "reading the file"))
				ok = false
			} else if tree != nil && !parse.IsEmptyTree(tree.Root) {
				problems = append(problems, outside(src, path, tree))
			}
		}
		if !ok {
			continue
		}
		v := vetter{src: src, tree: part.lookup, seen: map[visit]bool{}, missed: map[string]bool{}}
		for _, root := range part.needs {
			if part.lookup(root) == nil {
				v.missed[root] = true
				v.problems = append(v.problems, &Problem{File: src.display(own), What: fmt.Sprintf("there is no {{define %q}}", root)})
			}
		}
		for _, root := range part.needs {
			v.template(root, letterType)
		}
		problems = append(problems, v.problems...)
		w := scale{src: src, tree: part.lookup, known: map[string]weight{}, open: map[string]bool{}}
		for _, root := range part.needs {
			w.template(root)
		}
		problems = append(problems, w.problems...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	l.count()
	return l, nil
}

// count prepares every template of the letter for [bounded].
func (l *letter) count() {
	for _, t := range l.text.Templates() {
		counted(t.Tree)
	}
	for _, t := range l.html.Templates() {
		counted(t.Tree)
	}
}

// missing reports a letter that lacks a file in one language.
func missing(src sources, lang, name, path string) *Problem {
	p := &Problem{File: src.display(path), What: fmt.Sprintf("the letter %s is missing in %s", name, lang)}
	if there := src.spoken(name); len(there) > 0 {
		p.Fix = "it exists in " + strings.Join(there, ", ") + ": translate it, or write in fewer languages"
	} else {
		p.Fix = "a letter needs both a .txt and a .html file"
	}
	return p
}

// outside reports text outside of every define: no letter would show it.
func outside(src sources, path string, tree *parse.Tree) *Problem {
	p := &Problem{File: src.display(path), What: "this stands outside of every {{define}}, so no letter shows it"}
	for _, n := range tree.Root.Nodes {
		at := n.Position()
		if text, ok := n.(*parse.TextNode); ok {
			rest := bytes.TrimLeft(text.Text, " \t\r\n")
			if len(rest) == 0 {
				continue
			}
			at += parse.Pos(len(text.Text) - len(rest))
		}
		p.Line, p.Column = place(src.files[path].text, at)
		break
	}
	return p
}

func (l *letter) parseText(path, source string) (*parse.Tree, error) {
	t, err := l.text.New(path).Parse(source)
	if err != nil {
		return nil, err
	}
	return t.Tree, nil
}

func (l *letter) parseHTML(path, source string) (*parse.Tree, error) {
	t, err := l.html.New(path).Parse(source)
	if err != nil {
		return nil, err
	}
	return t.Tree, nil
}

func (l *letter) textTree(name string) *parse.Tree {
	if t := l.text.Lookup(name); t != nil {
		return t.Tree
	}
	return nil
}

func (l *letter) htmlTree(name string) *parse.Tree {
	if t := l.html.Lookup(name); t != nil {
		return t.Tree
	}
	return nil
}

// render fills in the three parts.
func (l *letter) render(view *Letter) (invoices.Text, error) {
	out := sheets.Get().(*bounded)
	defer sheets.Put(out)
	out.begin(subject)
	if err := l.text.ExecuteTemplate(out, "subject", view); err != nil {
		return invoices.Text{}, err
	}
	title := strings.TrimSpace(out.String())
	out.begin(plain)
	if err := l.text.ExecuteTemplate(out, "layout", view); err != nil {
		return invoices.Text{}, err
	}
	body := tidyPlain(out.String())
	out.begin(markup)
	titled := *view
	titled.Subject = title
	if err := l.html.ExecuteTemplate(out, "layout", &titled); err != nil {
		return invoices.Text{}, err
	}
	made := invoices.Text{Subject: title, Plain: body, HTML: out.String()}
	if view.More > 0 {
		made.Files = []invoices.File{view.list()}
	}
	return made, nil
}

// The bounds of one part of a letter while it is filled in.
const (
	maxBody  = 1 << 20 // bytes
	maxSteps = 1 << 20 // pieces of text, and times around a loop
)

// bounded refuses to grow beyond maxBody, and to be written to more often than
// maxSteps times; see [counted].
type bounded struct {
	bytes.Buffer
	part  part
	steps int
}

// sheets are used again: a part is finished before the next one is begun.
var sheets = sync.Pool{New: func() any { return new(bounded) }}

// begin empties the sheet for another part.
func (b *bounded) begin(p part) {
	b.Reset()
	b.part, b.steps = p, 0
}

func (b *bounded) Write(p []byte) (int, error) {
	switch b.steps++; {
	case b.Len()+len(p) > maxBody:
		return 0, &excess{b.part, fmt.Sprintf("the letter is longer than %d KiB", maxBody>>10)}
	case b.steps > maxSteps:
		return 0, &excess{b.part, fmt.Sprintf("the letter takes more than %d steps", maxSteps)}
	}
	return b.Buffer.Write(p)
}

// An excess is a part of a letter that went beyond its bounds.
type excess struct {
	part part
	what string
}

func (e *excess) Error() string { return e.what }

// lineWidth is where lines of the plain part are broken, in characters.
const lineWidth = 76

// tidyPlain removes what template actions leave behind: spaces at line ends
// and runs of empty lines. It breaks long lines at spaces; an address has none
// and stays whole.
func tidyPlain(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/16)
	empty := true // the line before
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \t\n")
		if line == "" && empty {
			continue
		}
		empty = line == ""
		for len(line) > lineWidth && utf8.RuneCountInString(line) > lineWidth {
			cut := breakAt(line)
			if cut < 0 {
				break
			}
			head, tail := line[:cut], line[cut+1:]
			if strings.Count(head, isolate) > strings.Count(head, release) { // a line end would release it
				head, tail = head+release, isolate+tail
			}
			b.WriteString(head)
			b.WriteByte('\n')
			line = tail
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// breakAt returns the last space within lineWidth, else the first one after
// it, else -1.
func breakAt(line string) int {
	end := len(line)
	n := 0
	for i := range line {
		if n > lineWidth {
			end = i
			break
		}
		n++
	}
	if cut := strings.LastIndexByte(line[:end], ' '); cut > 0 {
		return cut
	}
	if cut := strings.IndexByte(line[end:], ' '); cut >= 0 {
		return end + cut
	}
	return -1
}
