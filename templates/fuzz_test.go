package templates

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"
)

// FuzzTemplate: whatever an author writes into a file, the letters are refused
// with places, soon, or every letter made of them is fit to be sent.
func FuzzTemplate(f *testing.F) {
	for _, file := range []string{"final.txt", "final.html"} {
		text, err := builtIn.ReadFile("letters/en/" + file)
		if err != nil {
			f.Fatal(err)
		}
		html := strings.HasSuffix(file, ".html")
		f.Add(string(text), html)
		for _, old := range []string{`{{template "invoices" .}}`, "{{end}}", "<p", "Final"} {
			for _, replacement := range []string{
				"", "{{", "{{range .Invoices}}{{.URL}}\n{{end}}", `{{template "message" .}}`, "{{range 9999999999}}{{end}}", "{{.Customer}}{{.First.Description}}",
				`<a href="{{.First.URL}}">{{money .First.Open}} {{.First.Number}} {{.First.URL}}</a>`, "<script>{{.Customer}}</script>", "<!-- {{.Customer}} -->", "\x00", "\u202e",
				`{{define "x"}}{{template "x"}}{{end}}`, `{{block "b" .}}{{end}}`, `{{$x := 1}}{{$x = "a"}}`, `{{printf "%99d" 1}}`, `{{with $x := .Invoices}}{{len $x}}{{end}}`, "{{/* c */}}", "{{break}}", `<style>a{b:{{.Customer}}}</style>`,
			} {
				f.Add(strings.Replace(string(text), old, replacement, 1), html)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string, html bool) {
		file := "en/final.txt"
		if html {
			file = "en/final.html"
		}
		began := time.Now()
		s, err := Load(Options{Dir: fstest.MapFS{file: {Data: []byte(text)}}, DirName: "mine", Sender: sender, Names: []string{"final"}, Languages: []string{"en"}})
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if err == nil {
			for _, sample := range Samples("final", "en")[:3] {
				letter := write(t, s, sample.Draft)
				if strings.ContainsAny(letter.Subject, "\r\n") || !strings.Contains(letter.Plain, sample.Draft.Lines[0].URL) || strings.Contains(strings.ToLower(letter.HTML), "<script") {
					t.Errorf("a letter that is not fit to be sent: %+v", letter)
				}
			}
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("%v is no list of problems", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.File != "mine/"+file && !strings.HasPrefix(p.File, "en/") && !strings.HasPrefix(p.File, "layout.") || p.What == "" || p.Line < 0 || p.Column < 0 || p.File == "mine/"+file && p.Line > lines {
				t.Errorf("of %d lines: %+v", lines, p)
			}
			message := p.Error()
			if len(message) > 2000+len(text) || !utf8.ValidString(message) || strings.ContainsFunc(message, func(r rune) bool { return r != '\u00ad' && invisible(r) }) {
				t.Errorf("the message is %q", message)
			}
		}
	})
}
