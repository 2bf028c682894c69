package templates

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/bidi"

	"dunning/invoices"
)

// hostileTexts are what a field of an invoice may hold when somebody means
// harm, or a program spilt something into it. The marker Q7 stands in each, and
// shows that the field is there.
var hostileTexts = []struct{ sentence, text string }{
	{"a header behind a line break", "Q7\r\nBcc: all@example.org"},
	{"a second part of a message", "Q7\r\n\r\n--boundary\r\nContent-Type: text/html\r\n\r\n<b>"},
	{"an end of the message", "Q7\r\n.\r\nMAIL FROM:<x@example.org>"},
	{"a bare line feed and a bare carriage return", "Q7\nX: 1\rY: 2"},
	{"other line ends of Unicode", "Q7\u2028X: 1\u2029Y: 2\u0085Z: 3\vV\fF"},
	{"an encoded word of a header", "Q7 =?utf-8?q?=0d=0aBcc:_x?="},
	{"a script", "Q7<script>alert(1)</script>"},
	{"an end of the title and of the style", "Q7</title></style></head><body onload=x()>"},
	{"an attribute", `Q7" onmouseover="x()' onclick='x()`},
	{"a comment that hides the rest", "Q7<!--"},
	{"a comment for Outlook", "Q7<!--[if mso]><img src=//example.org/p.gif><![endif]-->"},
	{"a picture of a tracker", `Q7<img src="https://example.org/p.gif">`},
	{"a link", `Q7<a href="https://example.org">pay here</a>`},
	{"an address that mail programs link", "Q7 https://example.org/pay ftp://x javascript://x"},
	{"an address in pieces", "Q7 https:/\u200b/example.org ht\u00adtps://example.org"},
	{"HTML that is escaped already", "Q7 &lt;b&gt; &#60;script&#62; &amp;"},
	{"half an entity", "Q7 &#x3c"},
	{"actions of a template", `Q7 {{.Sender.Email}} {{template "layout" .}} {{`},
	{"an override of the reading direction", "Q7\u202eevil\u202c \u202dx\u202c \u202ay\u202c \u202bz"},
	{"isolates that are never released", "Q7\u2066x \u2067y \u2068z"},
	{"releases of isolates that are not ours", "Q7\u2069\u2069 \u202c שלום \u2069 12"},
	{"marks of direction", "Q7\u200e\u200f\u061cx"},
	{"a name in Hebrew with a number", "Q7 שלום 12"},
	{"a name in Arabic with its digits", "Q7 شركة ١٢ (٣٤)"},
	{"a name that begins with Hebrew", "שלום Q7"},
	{"letters that are not there", "Q\u200b7\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164"},
	{"tags, a language of invisible letters", "Q7\U000e0041\U000e0042\U000e007f"},
	{"noncharacters and private letters", "Q7\ufffe\uffff\ufdd0\ue000\U0010ffff"},
	{"control characters", "Q7\x00\x01\x07\x08\x1b[31m\x7f\u009b31m"},
	{"broken UTF-8", "Q7\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80"},
	{"half a letter at the end", "Q7\xe2\x82"},
	{"ten megabytes", "Q7" + strings.Repeat("x", 10<<20)},
	{"ten megabytes of nothing", "Q7" + strings.Repeat("\u200b", 10<<20/3)},
	{"ten megabytes of spaces", "Q7" + strings.Repeat(" ", 10<<20)},
	{"five hundred accents on a letter", "Q7" + strings.Repeat("\u0301", 500)},
	{"a formula", "=HYPERLINK(\"x\",\"Q7\")"},
	{"a long text in Hebrew, which is broken into lines", "Q7 " + strings.Repeat("שלום ", 100)},
}

// outline returns the elements of a page, in order, with the names of their
// attributes: what can act in it.
func outline(t *testing.T, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			continue
		}
		line := n.Data
		if n.Type == html.ElementNode {
			for _, a := range n.Attr {
				line += " " + a.Key
			}
		}
		list = append(list, line)
	}
	return list
}

// TestR22_NoFieldBecomesMoreThanText writes every letter with everything in
// every field that comes from outside. The letter says it or is refused, but it
// never gets another part, element, header, address or order of reading.
func TestR22_NoFieldBecomesMoreThanText(t *testing.T) {
	fields := []struct {
		name string
		set  func(d *invoices.Draft, text string)
		must bool // appears in every letter
	}{
		{"customer", func(d *invoices.Draft, text string) { d.Customer = text }, true},
		{"country", func(d *invoices.Draft, text string) { d.Country = text }, false},
		{"number", func(d *invoices.Draft, text string) { d.Lines[0].Number = text }, true},
		{"description", func(d *invoices.Draft, text string) { d.Lines[0].Description = text }, true},
	}
	s := load(t)
	written := 0
	for _, field := range fields {
		for _, hostile := range hostileTexts {
			t.Run(field.name+"/"+hostile.sentence, func(t *testing.T) {
				d, plain := Samples("firm", "en")[0].Draft, Samples("firm", "en")[0].Draft
				d.Lines, plain.Lines = slices.Clone(d.Lines), slices.Clone(plain.Lines)
				field.set(&d, hostile.text)
				field.set(&plain, "Q7")
				text, err := s.Write(d)
				if err != nil {
					if field.name != "number" || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\r\n\x1b") {
						t.Errorf("the letter is refused: %.600v", err)
					}
					return
				}
				written++
				harmless(t, text, write(t, s, plain))
				if field.must && !strings.Contains(text.Plain, "Q7") {
					t.Errorf("the field is not in the letter:\n%s", text.Plain)
				}
			})
		}
	}
	if written < 3*len(hostileTexts) {
		t.Errorf("only %d letters were written", written)
	}
}

// harmless compares a letter with one that says the same with a tame word.
func harmless(t *testing.T, text, tame invoices.Text) {
	t.Helper()
	if strings.ContainsAny(text.Subject, "\r\n") || utf8.RuneCountInString(text.Subject) > maxSubject || strings.Contains(text.Subject, "=?") {
		t.Errorf("the subject is %q", text.Subject)
	}
	if want, have := outline(t, tame.HTML), outline(t, text.HTML); !slices.Equal(want, have) {
		t.Errorf("the HTML has other elements: %q, want %q", have, want)
	}
	if n, want := strings.Count(text.Plain, "://"), strings.Count(tame.Plain, "://"); n != want {
		t.Errorf("%d addresses in the plain text, want %d:\n%s", n, want, text.Plain)
	}
	if n := len(text.Plain) - len(tame.Plain); n > 8*maxDescription {
		t.Errorf("the plain text is %d bytes longer", n)
	}
	for part, s := range map[string]string{"subject": text.Subject, "plain text": text.Plain, "HTML": text.HTML} {
		if !utf8.ValidString(s) || !balanced(s) {
			t.Errorf("the %s is broken, or a reading direction goes on: %q", part, s)
		}
		for _, r := range unisolated(s) {
			if r != '\n' && invisible(r) {
				t.Errorf("the %s has %U in it", part, r)
			}
		}
	}
	// Every line that the author wrote is still there as it was.
	lines := strings.Split(text.Plain, "\n")
	for line := range strings.SplitSeq(tame.Plain, "\n") {
		if !strings.Contains(line, "Q7") && !slices.Contains(lines, line) && utf8.RuneCountInString(line) < 40 {
			t.Errorf("the line %q is gone from\n%s", line, text.Plain)
		}
	}
}

// TestR22_NamesDoNotReorderTheTextAroundThem reads lines as the bidirectional
// algorithm of Unicode shows them.
func TestR22_NamesDoNotReorderTheTextAroundThem(t *testing.T) {
	for _, name := range []string{"שלום", "שלום 99", "(שלום)", "شركة ٩٩", "99 שלום", "א-1"} {
		line := "Invoice " + isolated(clean(name, 100)) + ": 12 of 34 EUR"
		if got := shown(t, line); !strings.HasPrefix(got, "Invoice ") || !strings.HasSuffix(got, ": 12 of 34 EUR") {
			t.Errorf("%q is shown as %q", line, got)
		}
	}
	d := Samples("firm", "en")[0].Draft
	d.Customer, d.Lines[0].Number, d.Lines[0].Description = "שלום 12", "א-1", strings.Repeat("שלום ", 30)
	text := write(t, load(t), d)
	for part, both := range map[string][2]string{
		"subject":                   {text.Subject, "invoice " + isolate + "א-1" + release + " for "},
		"plain text":                {text.Plain, "Dear " + isolate + "שלום 12" + release + ","},
		"HTML":                      {text.HTML, "Dear " + isolate + "שלום 12" + release + ","},
		"end of a broken line":      {text.Plain, "שלום" + release + "\n" + isolate + "שלום"},
		"last line of a long field": {text.Plain, release + "\nInvoice date:"},
	} {
		if !strings.Contains(both[0], both[1]) {
			t.Errorf("the %s does not isolate: no %q in %q", part, both[1], both[0])
		}
	}
	// That is not so by itself:
	if got := shown(t, "Invoice שלום: 12 – 34 EUR"); strings.HasSuffix(got, ": 12 – 34 EUR") {
		t.Errorf("the names need no isolation: %q", got)
	}
	for _, name := range []string{"Acme", "Żółć", "株式会社", "Ελλάς 12", "Δ-12", "кофе", "12"} {
		if isolated(name) != name {
			t.Errorf("%q is isolated, and it is read from left to right", name)
		}
	}
}

// shown returns a line in the order in which it is seen, without the marks.
func shown(t *testing.T, line string) string {
	t.Helper()
	var p bidi.Paragraph
	if _, err := p.SetString(line, bidi.DefaultDirection(bidi.LeftToRight)); err != nil {
		t.Fatal(err)
	}
	order, err := p.Order()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range order.NumRuns() {
		run := order.Run(i)
		if run.Direction() == bidi.RightToLeft {
			b.WriteString(bidi.ReverseString(run.String()))
			continue
		}
		b.WriteString(run.String())
	}
	return unisolated(b.String())
}

// TestR22_LettersOfDifferentCustomersShareNothing writes letters of many
// customers at once with one set, each with marks of its own.
func TestR22_LettersOfDifferentCustomersShareNothing(t *testing.T) {
	s := load(t)
	mark := func(i int) string { return "mark" + strings.Repeat("a", i) + "z" }
	draft := func(i int) invoices.Draft {
		d := Samples("firm", []string{"en", "nl", "de"}[i%3])[i%2].Draft
		d.Customer = mark(i) + " BV"
		d.Lines = slices.Clone(d.Lines)
		for n := range d.Lines {
			d.Lines[n].Number = mark(i) + "-" + string(rune('1'+n))
			d.Lines[n].Description = mark(i)
			d.Lines[n].URL = "https://pay.example.com/" + mark(i) + "/" + string(rune('1'+n))
		}
		return d
	}
	const customers = 24
	texts := make(chan [2]string)
	for i := range customers {
		go func() {
			text, err := s.Write(draft(i))
			if err != nil {
				text.Plain = err.Error()
			}
			texts <- [2]string{mark(i), text.Subject + text.Plain + text.HTML}
		}()
	}
	for range customers {
		got := <-texts
		if strings.Count(got[1], got[0]) < 5 {
			t.Errorf("the letter of %s does not speak of it: %.300s", got[0], got[1])
		}
		for i := range customers {
			if other := mark(i); other != got[0] && strings.Contains(got[1], other) {
				t.Errorf("the letter of %s speaks of %s", got[0], other)
			}
		}
	}
}
