package templates

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A page is what a mail program makes of an HTML part.
type page struct {
	text      string   // what can be read, every run of white space as one space
	links     []string // where a click leads
	addresses []string // everything the page refers to, links included, in no order
	wrong     []string // what has no place in a letter, in no order
}

// inline elements do not begin a new line or cell; their text joins the text
// around them.
var inline = map[atom.Atom]bool{
	atom.A: true, atom.Abbr: true, atom.B: true, atom.Code: true, atom.Em: true, atom.Font: true, atom.I: true,
	atom.S: true, atom.Small: true, atom.Span: true, atom.Strong: true, atom.Sub: true, atom.Sup: true, atom.U: true,
}

// unwelcome elements act, load or ask; letters do none of that.
var unwelcome = map[atom.Atom]bool{
	atom.Applet: true, atom.Audio: true, atom.Base: true, atom.Embed: true, atom.Form: true, atom.Frame: true,
	atom.Frameset: true, atom.Iframe: true, atom.Input: true, atom.Link: true, atom.Math: true, atom.Object: true,
	atom.Script: true, atom.Svg: true, atom.Textarea: true, atom.Video: true,
}

var (
	// loads matches style sheets that fetch something.
	loads = regexp.MustCompile(`url\s*\(|@import|expression\s*\(`)
	// refers matches attribute values that name something elsewhere.
	refers = regexp.MustCompile(`(?i)^\s*(?:[a-z][a-z0-9+.-]*:|//|\\\\)|://`)
)

// referring attributes name an address whatever it looks like.
var referring = []string{"action", "background", "cite", "data", "formaction", "href", "longdesc", "ping", "poster", "src", "srcset", "xlink:href"}

// readPage reads HTML as browsers do.
func readPage(source string) page {
	if p, ok := plainly(source); ok {
		return p
	}
	return parsePage(source)
}

// parsePage reads HTML of any shape.
func parsePage(source string) page {
	var p page
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		p.wrong = append(p.wrong, "the HTML cannot be read: "+err.Error())
		return p
	}
	var text strings.Builder
	p.walk(root, &text)
	p.text = oneSpaced(text.String())
	return p
}

// oneSpaced makes every run of white space one space. A no-break space stays.
func oneSpaced(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	spaced := false
	for i := range len(s) { // white space is ASCII, and so within no other character
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n', '\f':
			spaced = b.Len() > 0
		default:
			if spaced {
				b.WriteByte(' ')
				spaced = false
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (p *page) walk(n *html.Node, text *strings.Builder) {
	switch n.Type {
	case html.TextNode:
		text.WriteString(n.Data)
	case html.CommentNode: // a conditional comment is a page of its own
		p.remark(n.Data)
	case html.ElementNode:
		p.element(n, text)
		return
	}
	for c := range n.ChildNodes() {
		p.walk(c, text)
	}
}

func (p *page) element(n *html.Node, text *strings.Builder) {
	if unwelcome[n.DataAtom] {
		p.complain("the HTML has a <" + n.Data + ">, which has no place in a letter")
	}
	visible := n.DataAtom != atom.Head
	for _, a := range n.Attr {
		if p.attribute(n.DataAtom, a.Key, a.Val) {
			visible = false
		}
	}
	if n.DataAtom == atom.Style {
		if n.FirstChild != nil {
			p.sheet(n.FirstChild.Data)
		}
		return
	}
	into := text
	if !visible {
		into = &strings.Builder{}
	}
	if !inline[n.DataAtom] {
		into.WriteByte('\n')
	}
	for c := range n.ChildNodes() {
		p.walk(c, into)
	}
	if !inline[n.DataAtom] {
		into.WriteByte('\n')
	}
}

// remark notes what a comment says.
func (p *page) remark(text string) {
	if strings.Contains(text, "://") || fetches(text) {
		p.complain("the HTML has a comment with an address in it")
	}
}

// sheet notes what a style sheet does.
func (p *page) sheet(text string) {
	if fetches(text) {
		p.complain("the style sheet loads something from elsewhere")
	}
}

// attribute notes what an attribute of an element does, and reports whether it
// hides the element.
func (p *page) attribute(of atom.Atom, name, value string) (hide bool) {
	switch key := strings.ToLower(name); {
	case strings.HasPrefix(key, "on"), key == "http-equiv" && strings.EqualFold(value, "refresh"):
		p.complain("the HTML has an attribute " + key + ", which acts by itself")
	case key == "style":
		if fetches(value) {
			p.complain("a style loads something from elsewhere")
		}
	case key == "href" && of == atom.A:
		p.links = append(p.links, value)
		p.addresses = append(p.addresses, value)
	case slices.Contains(referring, key), strings.ContainsAny(value, `:/\`) && refers.MatchString(value) && !strings.HasPrefix(key, "xmlns"):
		p.addresses = append(p.addresses, value)
	}
	return name == "hidden" || name == "style" && hides(value)
}

// fetches reports whether a style loads something. Regular expressions are
// slow, so what each of them needs is looked for first.
func fetches(style string) bool {
	if !strings.ContainsAny(style, "(@") {
		return false
	}
	style = strings.ToLower(style)
	return (strings.Contains(style, "url") || strings.Contains(style, "@import") || strings.Contains(style, "expression")) && loads.MatchString(style)
}

// hides reports whether a style makes its element invisible.
func hides(style string) bool {
	style = strings.ToLower(style)
	return states(style, "display", "none") || states(style, "visibility", "hidden")
}

// states reports whether a style gives a property a value that begins so.
func states(style, property, value string) bool {
	for {
		_, rest, found := strings.Cut(style, property)
		if !found {
			return false
		}
		style = rest
		rest, given := strings.CutPrefix(strings.TrimLeft(rest, blank), ":")
		if given && strings.HasPrefix(strings.TrimLeft(rest, blank), value) {
			return true
		}
	}
}

// complain notes what is wrong once.
func (p *page) complain(what string) {
	if !slices.Contains(p.wrong, what) {
		p.wrong = append(p.wrong, what)
	}
}
