package templates

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"dunning/internal/sheet"
	"dunning/invoices"
)

// A gate reads a finished letter as its reader will see it, and says what is
// wrong with it. It knows nothing of how the letter was made.
type gate struct {
	view    *Letter
	allowed map[string]bool // addresses the letter may show or lead to
}

// maxSubject is the longest subject, in characters.
const maxSubject = 200

// misprint matches what fmt leaves in a text when something is amiss.
var misprint = regexp.MustCompile(`%![A-Za-z]?\(`)

// leftover returns what the template packages or fmt left in a text when
// something was amiss, or nothing.
func leftover(text string) string {
	for _, hole := range []string{"<no value>", "ZgotmplZ"} {
		if strings.Contains(text, hole) {
			return hole
		}
	}
	if strings.Contains(text, "%!") { // regular expressions are slow, and this is rare
		return misprint.FindString(text)
	}
	return ""
}

// blank is white space as HTML and mail programs know it.
const blank = " \t\r\n\f"

// addresses returns what mail programs turn into links: a scheme, "://" and
// everything up to the next space.
func addresses(text string) []string {
	var found []string
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			return found
		}
		end := len(text)
		if n := strings.IndexAny(text[i:], blank); n >= 0 {
			end = i + n
		}
		start := 1 + strings.LastIndexFunc(text[:i], func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '.' || r == '-')
		})
		for start < i && text[start]&0xC0 == 0x80 { // the rest of the character before
			start++
		}
		found = append(found, text[start:end])
		text = text[end:]
	}
}

func newGate(view *Letter, links []string) gate {
	g := gate{view: view, allowed: map[string]bool{}}
	for _, link := range links {
		g.allowed[link] = true
	}
	for _, inv := range view.Invoices {
		g.allowed[inv.URL] = true
	}
	return g
}

// A finding is one thing wrong with a finished letter.
type finding struct {
	part  part
	what  string
	about string // the number or currency it was found with; may be empty
}

func (f finding) String() string { return strings.TrimSpace(f.what + " " + f.about) }

// A part of a letter, as messages call it.
type part string

const (
	subject part = "subject"
	plain   part = "plain text"
	markup  part = "HTML"
)

// file returns the kind of file that says the part.
func (p part) file() string {
	if p == markup {
		return ".html"
	}
	return ".txt"
}

// read returns everything wrong with a letter, without any address.
func (g gate) read(t invoices.Text) []finding {
	found := g.subject(t.Subject)

	lines := strings.Split(t.Plain, "\n")
	found = append(found, g.body(plain, strings.Join(lines, " "))...)
	if !balanced(t.Plain) {
		found = append(found, finding{plain, "in the plain text a name is isolated across lines", ""})
	}
	for _, inv := range g.view.Invoices {
		if !slices.Contains(lines, inv.URL) {
			found = append(found, finding{plain, "the plain text does not show, on a line of its own, the payment link of invoice", inv.Number})
		}
	}

	p := readPage(t.HTML)
	found = append(found, g.body(markup, p.text)...)
	for _, what := range p.wrong {
		found = append(found, finding{markup, what, ""})
	}
	shown := addresses(p.text)
	for _, inv := range g.view.Invoices {
		if !slices.Contains(p.links, inv.URL) {
			found = append(found, finding{markup, "the HTML has no link to pay invoice", inv.Number})
		}
		if !slices.Contains(shown, inv.URL) {
			found = append(found, finding{markup, "the HTML does not show, between spaces, the payment link of invoice", inv.Number})
		}
	}
	found = append(found, g.list(t.Files)...)
	for _, to := range p.addresses {
		if !g.allowed[to] && to != "mailto:"+g.view.Sender.Email {
			found = append(found, finding{markup, "the HTML refers to an address that is neither a payment link of this letter nor configured", ""})
			break
		}
	}
	return found
}

// list checks that what the letter does not show stands in the attached table,
// and that nothing else is attached.
func (g gate) list(files []invoices.File) []finding {
	if g.view.More == 0 && len(files) == 0 {
		return nil
	}
	if g.view.More == 0 || len(files) != 1 {
		return []finding{{markup, "the letter has attachments that it should not have, or lacks its list of invoices", ""}}
	}
	w := languages[base(g.view.Language)]
	table := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(files[0].Body, []byte("\ufeff"))))
	table.Comma = rune(w.delimiter())
	rows, err := table.ReadAll()
	if err != nil || len(rows) != g.view.Count+1 {
		return []finding{{markup, "the attached list does not have a row for each invoice", ""}}
	}
	var found []finding
	for i, inv := range g.view.all {
		row := rows[i+1]
		if row[0] != sheet.Cell(unisolated(inv.Number)) || row[6] != w.decimal(inv.Open) || row[7] != inv.Open.Currency || row[8] != inv.URL {
			found = append(found, finding{markup, "the attached list does not show what is open of invoice", inv.Number})
		}
	}
	return found
}

func (g gate) subject(s string) []finding {
	var found []finding
	if strings.TrimSpace(s) == "" {
		found = append(found, finding{subject, "the subject is empty", ""})
	}
	if strings.ContainsAny(s, "\r\n") {
		found = append(found, finding{subject, "the subject is not a single line", ""})
	}
	if n := utf8.RuneCountInString(s); n > maxSubject {
		found = append(found, finding{subject, fmt.Sprintf("the subject is longer than %d characters:", maxSubject), strconv.Itoa(n)})
	}
	return append(found, g.words(subject, s)...)
}

// body checks what a body must show. Text is what can be read of it, with
// every run of white space as one space.
func (g gate) body(p part, text string) []finding {
	if strings.TrimSpace(text) == "" {
		return []finding{{p, fmt.Sprintf("the %s is empty", p), ""}}
	}
	found := g.words(p, text)
	text = unisolated(text)
	lacks := func(what, item, about string) {
		if !shows(text, unisolated(item)) {
			found = append(found, finding{p, fmt.Sprintf("the %s does not show the %s", p, what), about})
		}
	}
	for _, inv := range g.view.Invoices {
		lacks("number of invoice", inv.Number, inv.Number)
		lacks("open balance of invoice", inv.Open.Format(g.view.Language), inv.Number)
	}
	if g.view.Several {
		for _, total := range g.view.Totals {
			lacks("total in", total.Format(g.view.Language), total.Currency)
		}
	}
	return found
}

// words checks what no part may contain.
func (g gate) words(p part, text string) []finding {
	var found []finding
	if hole := leftover(text); hole != "" {
		found = append(found, finding{p, fmt.Sprintf("the %s contains %q", p, hole), ""})
	}
	if !balanced(text) {
		found = append(found, finding{p, fmt.Sprintf("in the %s the reading direction of a name goes beyond it", p), ""})
	}
	for _, r := range unisolated(text) {
		if r >= ' ' && r <= '~' {
			continue
		}
		if r != '\n' && r != '\u00AD' && (invisible(r) || r == utf8.RuneError) { // a soft hyphen is an author's tool
			found = append(found, finding{p, fmt.Sprintf("the %s contains an invisible or broken character:", p), fmt.Sprintf("%U", r)})
			break
		}
	}
	for _, link := range addresses(text) {
		if !g.allowed[link] && !g.allowed[strings.TrimRight(link, ".,;:!?)")] {
			found = append(found, finding{p, fmt.Sprintf("the %s shows an address that is neither a payment link of this letter nor configured", p), ""})
			break
		}
	}
	return found
}

// shows reports whether a text contains a number or an amount as a whole: "5,00
// €" is not shown by "25,00 €", nor INV-1 by INV-10.
func shows(text, item string) bool {
	for at := 0; ; at++ {
		i := strings.Index(text[at:], item)
		if i < 0 {
			return false
		}
		at += i
		before, after := text[:at], text[at+len(item):]
		last, size := utf8.DecodeLastRuneInString(before)
		second, _ := utf8.DecodeLastRuneInString(before[:len(before)-size])
		first, size := utf8.DecodeRuneInString(after)
		next, _ := utf8.DecodeRuneInString(after[size:])
		if !continues(last, second) && !continues(first, next) {
			return true
		}
	}
}

// continues reports whether the character beside an item, and the one beyond
// it, belong to the same word or number: a letter or digit, or a sign that
// joins one.
func continues(beside, beyond rune) bool {
	if strings.ContainsRune(".,-/_'’", beside) {
		beside = beyond
	}
	return unicode.IsLetter(beside) || unicode.IsDigit(beside)
}
