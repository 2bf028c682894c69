package templates

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dunning/invoices"
)

func TestAnAmountIsShownOnlyAsAWhole(t *testing.T) {
	for _, c := range []struct {
		text, item string
		want       bool
	}{
		{"you owe 5,00\u00a0€ now", "5,00\u00a0€", true},
		{"you owe 25,00\u00a0€ now", "5,00\u00a0€", false},
		{"you owe 1.005,00\u00a0€ now", "005,00\u00a0€", false},
		{"you owe ¥5,000,000", "¥5,000", false},
		{"you owe ¥5,000, soon", "¥5,000", true},
		{"you owe ¥5,000.", "¥5,000", true},
		{"invoice INV-1", "INV-1", true},
		{"invoice INV-10", "INV-1", false},
		{"invoice INV-10 and INV-1", "INV-1", true},
		{"invoice XINV-1", "INV-1", false},
		{"invoice INV-1/2", "INV-1", false},
		{"(INV-1)", "INV-1", true},
		{"INV-1", "INV-1", true},
		{"-5", "5", true},
		{"", "5", false},
	} {
		if got := shows(c.text, c.item); got != c.want {
			t.Errorf("%q shows %q: %t", c.text, c.item, got)
		}
	}
}

// TestR22_TheGateReadsEveryLetter changes a good letter in one way and expects
// the gate to say so.
func TestR22_TheGateReadsEveryLetter(t *testing.T) {
	s := load(t)
	d := Samples("firm", "en")[1].Draft
	view, err := s.view("en", d)
	if err != nil {
		t.Fatal(err)
	}
	good := write(t, s, d)
	href := `href="` + strings.ReplaceAll(d.Lines[1].URL, "&", "&amp;") + `"`
	inHTML := func(old, replacement string) func(*invoices.Text) {
		return func(x *invoices.Text) { x.HTML = strings.ReplaceAll(x.HTML, old, replacement) }
	}
	body := func(markup string) func(*invoices.Text) { return inHTML("</body>", markup+"</body>") }
	inText := func(old, replacement string) func(*invoices.Text) {
		return func(x *invoices.Text) { x.Plain = strings.ReplaceAll(x.Plain, old, replacement) }
	}
	const elsewhere = "address that is neither a payment link of this letter nor configured"
	for _, c := range []struct {
		sentence string
		spoil    func(*invoices.Text)
		want     string
	}{
		{"no plain text", func(x *invoices.Text) { x.Plain = "\n" }, "the plain text is empty"},
		{"no HTML", func(x *invoices.Text) { x.HTML = "<html></html>" }, "the HTML is empty"},
		{"the text lacks a number", inText("2026-1002", "2026-1009"), "the plain text does not show the number of invoice 2026-1002"},
		{"the HTML lacks a number", inHTML("2026-1002", "2026-1009"), "the HTML does not show the number of invoice 2026-1002"},
		{"the text names another amount", inText("€0.05", "€10.05"), "the plain text does not show the open balance of invoice 2026-1002"},
		{"the HTML names another amount", inHTML("€0.05", "€10.05"), "the HTML does not show the open balance of invoice 2026-1002"},
		{"the total is wrong", inText("€1,250.05", "€1,250.06"), "the plain text does not show the total in EUR"},
		{"an address is broken", inText(d.Lines[1].URL, d.Lines[1].URL[:40]+"\n"+d.Lines[1].URL[40:]), "the plain text does not show, on a line of its own, the payment link of invoice 2026-1002"},
		{"an address shares its line", inText(d.Lines[1].URL, "> "+d.Lines[1].URL), "does not show, on a line of its own,"},
		{"a link leads to another invoice", inHTML(href, `href="`+d.Lines[0].URL+`"`), "the HTML has no link to pay invoice 2026-1002"},
		{"the amount is only in text nobody sees", inHTML("€0.05", `<span style="display:none">€0.05</span>`), "the HTML does not show the open balance of invoice 2026-1002"},
		{"a link to elsewhere", body(`<a href="https://example.org/">x</a>`), elsewhere},
		{"a link without a scheme", body(`<a href="//example.org/">x</a>`), elsewhere},
		{"a link that is a script", body(`<a href="javascript:alert(1)">x</a>`), elsewhere},
		{"a picture", body(`<img src="https://example.org/p.gif">`), elsewhere},
		{"a picture in other clothes", body(`<table BACKGROUND="p.gif"></table>`), elsewhere},
		{"a visible address", body(`<p>https://example.org/</p>`), elsewhere},
		{"an address in the text", inText("Kind regards", "Kind https://example.org regards"), elsewhere},
		{"an address in the subject", func(x *invoices.Text) { x.Subject += " https://example.org" }, elsewhere},
		{"a style that loads", body(`<p style="background:URL (x)">x</p>`), "a style loads something from elsewhere"},
		{"a style sheet that loads", body(`<style>@import "x";</style>`), "the style sheet loads something from elsewhere"},
		{"a comment for Outlook that loads", body(`<!--[if mso]><img src="https://example.org/p.gif"><![endif]-->`), "a comment with an address in it"},
		{"a script", body(`<script>x</script>`), "the HTML has a <script>, which has no place in a letter"},
		{"a form", body(`<form></form>`), "the HTML has a <form>"},
		{"an event", body(`<p OnClick="x">x</p>`), "the HTML has an attribute onclick, which acts by itself"},
		{"a refresh", body(`<meta http-equiv="Refresh" content="0">`), "which acts by itself"},
		{"a hole", body(`<p>&lt;no value&gt;</p>`), `the HTML contains "<no value>"`},
		{"a misprint of fmt", inText("Kind", "%!d(string=x)"), `the plain text contains "%!d("`},
		{"a reading direction turned", body(`<p>&#x202e;</p>`), "the HTML contains an invisible or broken character: U+202E"},
		{"a control character in the subject", func(x *invoices.Text) { x.Subject += "\x07" }, "the subject contains an invisible or broken character: U+0007"},
		{"a second header in the subject", func(x *invoices.Text) { x.Subject += "\r\nBcc: x" }, "the subject is not a single line"},
		{"a subject without end", func(x *invoices.Text) { x.Subject = strings.Repeat("x", 201) }, "the subject is longer than 200 characters: 201"},
	} {
		text := good
		c.spoil(&text)
		if cmp.Equal(text, good) {
			t.Errorf("%s: nothing was spoilt", c.sentence)
		}
		wrong := newGate(view, nil).read(text)
		if !slices.ContainsFunc(wrong, func(f finding) bool { return strings.Contains(f.String(), c.want) }) {
			t.Errorf("%s: the gate says %q, want %q", c.sentence, wrong, c.want)
		}
		if strings.Contains(fmt.Sprint(wrong), "://") {
			t.Errorf("%s: the gate tells an address (R25): %q", c.sentence, wrong)
		}
	}
	if wrong := newGate(view, nil).read(good); len(wrong) > 0 {
		t.Errorf("the gate refuses a good letter: %q", wrong)
	}
}

func TestAStyleThatHides(t *testing.T) {
	for style, want := range map[string]bool{
		"display:none": true, "color:red; DISPLAY \n:\t None !important": true, "visibility: hidden": true, "display:inline;display:none": true,
		"mso-display:none": true, "display:none-of-it": true, "display:inline-block;text-decoration:none": false, "display none": false,
		"visibility:visible;overflow:hidden": false, "display:hidden": false, "display:": false, "display": false, "": false,
	} {
		if got := hides(style); got != want {
			t.Errorf("%q hides: %t", style, got)
		}
	}
}
