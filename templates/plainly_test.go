package templates

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenPages returns the HTML of every letter that is kept to compare with.
func goldenPages(t testing.TB) []string {
	t.Helper()
	var pages []string
	files := os.DirFS("testdata/golden")
	names, err := fs.Glob(files, "*/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		page, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, string(page))
	}
	if len(pages) < 50 {
		t.Fatalf("there are only %d letters", len(pages))
	}
	return pages
}

// inNoOrder compares lists as sets: the parser sorts the attributes of some
// elements. Texts and links are compared in their order.
var inNoOrder = cmp.FilterPath(func(p cmp.Path) bool {
	name := p.Last().String()
	return name == ".addresses" || name == ".wrong"
}, cmp.Transformer("sorted", func(list []string) []string { return slices.Sorted(slices.Values(list)) }))

// samePage compares what two readers make of a page, if the first reads it.
func samePage(t *testing.T, source string) (plain bool) {
	t.Helper()
	got, plain := plainly(source)
	if !plain {
		return false
	}
	if diff := cmp.Diff(parsePage(source), got, cmp.AllowUnexported(page{}), inNoOrder); diff != "" {
		t.Errorf("a browser reads something else (- browser, + ours):\n%s\nin %q", diff, source)
	}
	return true
}

// TestLettersAreReadPlainly: the fast reader reads every letter of our own, and
// reads what a browser reads.
func TestLettersAreReadPlainly(t *testing.T) {
	for i, source := range goldenPages(t) {
		if !samePage(t, source) {
			t.Errorf("letter %d is not read plainly:\n%s", i, source)
		}
	}
}

// around puts markup into a small page.
func around(markup string) string {
	return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<title>x</title>\n</head>\n<body>\n" + markup + "\n</body>\n</html>\n"
}

// TestR22_WhatBrowsersGuessAtIsNotReadPlainly: where a browser moves, closes or
// drops something, the fast reader leaves the page to the parser.
func TestR22_WhatBrowsersGuessAtIsNotReadPlainly(t *testing.T) {
	for _, c := range []struct {
		sentence, source string
		plain            bool
	}{
		{"words in their places", around(`<div><p>a <strong>b<br>c</strong></p><table><tr><td>d</td></tr></table></div>`), true},
		{"a hidden part", around(`a<div style="display:none">b<p>c</p></div>d`), true},
		{"a link with references in it", around(`<a href="https://x.example/?a=1&amp;b=&#43;2">c &amp; d &nbsp;</a>`), true},
		{"a comment for Outlook", around(`<!--[if mso]><table><tr><td><![endif]-->x`), true},
		{"a comment that loads", around(`<!--[if mso]><img src="http://x"><![endif]-->x`), true},
		{"an attribute that acts", around(`<p onclick="x">x</p>`), true},
		{"no doctype: other rules", strings.TrimPrefix(around("x"), "<!DOCTYPE html>"), false},
		{"words between rows, which move before the table", around(`<table>a<tr><td>b</td></tr></table>`), false},
		{"words between cells", around(`<table><tr>a<td>b</td></tr></table>`), false},
		{"an address between rows", around(`<table><a href="https://x">y</a><tr><td>b</td></tr></table>`), false},
		{"a paragraph in a paragraph, which ends it", around(`<p style="display:none">a<p>b</p>`), false},
		{"a table in a paragraph", around(`<p style="display:none">a<table><tr><td>b</td></tr></table></p>`), false},
		{"a part of a line over paragraphs", around(`<strong><p>a</p></strong>`), false},
		{"what ends in the wrong order", around(`<b>a<em>b</b>c</em>`), false},
		{"what does not end", around(`<div style="display:none">a`), false},
		{"a page that breaks off", strings.TrimSuffix(around("a"), ">\n"), false},
		{"what does not begin", around(`a</div>b`), false},
		{"a link in a link", around(`<a href="https://x">a<span><a href="https://y">b</a></span></a>`), false},
		{"bold in bold", around(`<b>a<b>b</b></b>`), false},
		{"a page after the page", around("a") + "<p>b</p>", false},
		{"words after the page", around("a") + "b", false},
		{"words before the page", strings.Replace(around("a"), "<html", "x<html", 1), false},
		{"words in the head, which end it", strings.Replace(around("a"), "<title", "x<title", 1), false},
		{"a second body", around("a</body><body>b"), false},
		{"no head", "<!DOCTYPE html><html><body>a</body></html>", false},
		{"a title with markup in it", strings.Replace(around("a"), "<title>x", "<title>x<b>", 1), false},
		{"a tag in capitals", around(`<P>a</P>`), false},
		{"an attribute without a value", around(`<p hidden>a</p>`), false},
		{"an attribute in single quotes", around(`<p title='a'>a</p>`), false},
		{"an attribute twice", around(`<p style="color:red" style="display:none">a</p>`), false},
		{"an attribute behind a slash", around(`<p/title="a">a</p>`), false},
		{"a tag that closes itself", around(`<br/>`), false},
		{"a reference without its end", around(`<a href="https://x/?a&copy=1">b</a>`), false},
		{"an angle bracket alone", around(`a < b`), false},
		{"a comment that ends early", around(`<!--><p>a</p>-->`), false},
		{"a comment with dashes", around(`<!-- a --!> b -->`), false},
		{"a comment with a reference", around(`<!-- &#58;// -->`), false},
		{"a page that ends in the middle", strings.TrimSuffix(around("a"), "</body>\n</html>\n"), false},
		{"a declaration", around(`<![CDATA[a]]>`), false},
		{"a picture", around(`<img src="x">`), false},
		{"an unknown element", around(`<x>a</x>`), false},
		{"a zero byte", around("a\x00b"), false},
		{"a carriage return", around("a\rb"), false},
		{"a thousand elements in one another", around(strings.Repeat("<div>", 1000) + "a" + strings.Repeat("</div>", 1000)), false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if plain := samePage(t, c.source); plain != c.plain {
				t.Errorf("read plainly: %t, want %t: %q", plain, c.plain, c.source)
			}
		})
	}
}

// scribble writes the inside of a page: elements mostly where they may stand,
// and mostly ended, with words, comments and attributes in all places.
func scribble(r *rand.Rand) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	names := slices.Concat(slices.Sorted(maps.Keys(shapes)), []string{"li", "th", "tbody", "pre", "form", "font", "svg", "button", "option"})
	attributes := []string{``, ``, ``, ` style="color:red"`, ` style="display:none"`, ` hidden=""`, ` href="https://x.example/?a&amp;b"`, ` src="y"`, ` onclick="z"`, ` title="&#43;&amp;lt;"`, ` style="background:url(x)"`}
	var b strings.Builder
	open := []string{"body"}
	for range 3 + r.IntN(30) {
		top := open[len(open)-1]
		switch n := r.IntN(20); {
		case n < 9:
			name := pick(names...)
			for tries := 0; tries < 60 && shapes[name].within&shapes[top].is == 0; tries++ {
				name = pick(names...)
			}
			b.WriteString("<" + name + pick(attributes...) + ">")
			if shapes[name].is != empty {
				open = append(open, name)
			}
		case n < 14 && len(open) > 1:
			b.WriteString("</" + top + ">")
			open = open[:len(open)-1]
		case n == 14 && r.IntN(10) == 0:
			b.WriteString("</" + pick(names...) + ">")
		case n == 15:
			b.WriteString(pick("<!--x-->", "<!--[if mso]><td>url(x)<![endif]-->", "<!-- :// -->", "<!--->", "<!--&amp;-->"))
		case shapes[top].is&(grid|row) != 0 && r.IntN(20) > 0:
			b.WriteString(pick("", " ", "\n"))
		default:
			b.WriteString(pick(" ", "\n", "words", "more words ", "&amp;", "&nbsp;x", "&lt;p&gt;", "a&b", "é"))
		}
	}
	for i := len(open) - 1; i > 0 && r.IntN(50) > 0; i-- {
		b.WriteString("</" + open[i] + ">")
	}
	return b.String()
}

// TestPlainPagesAreReadAsBrowsersReadThem tries many pages that nobody wrote.
func TestPlainPagesAreReadAsBrowsersReadThem(t *testing.T) {
	const tries = 20_000
	r := rand.New(rand.NewPCG(5321, 6376))
	plain := 0
	for range tries {
		if samePage(t, around(scribble(r))) {
			plain++
		}
		if t.Failed() {
			return
		}
	}
	if plain < tries/4 || plain > tries*9/10 {
		t.Errorf("of %d pages %d are plain: the test shows little", tries, plain)
	}
}

// FuzzPlainly: what is read plainly is read as a browser reads it.
func FuzzPlainly(f *testing.F) {
	f.Add(goldenPages(f)[0])
	for _, markup := range []string{
		`<div><p>a <strong>b<br>c</strong></p><table><tr><td>d</td></tr></table></div>`, `a<div style="display:none">b<p>c</p></div>d`,
		`<a href="https://x.example/?a=1&amp;b=&#43;2">c &amp; d &nbsp;&notit; &#x80;</a>`, `<!--[if mso]><img src="http://x"><![endif]-->x`,
		`<p onclick="x" class="hidden">x<span><em>y</em></span></p>`, `<h1>a</h1><h2 hidden="">b</h2>c<table><tr><td><table></table></td><td></td></tr></table>`,
		`<table><!--x--><tr> <!--y--> </tr></table><b>a<span>b</span></b>`,
	} {
		f.Add(around(markup))
	}
	f.Fuzz(func(t *testing.T, source string) {
		samePage(t, source)
		samePage(t, around(source))
	})
}

func BenchmarkReadPage(b *testing.B) {
	source := goldenPages(b)[0]
	for name, read := range map[string]func(string) page{"plainly": readPage, "parsed": parsePage} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read(source)
			}
		})
	}
}
