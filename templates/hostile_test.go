package templates

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// finalSubject is how the built-in final.txt begins.
const finalSubject = `{{define "subject"}}Final reminder: {{template "which" .}}{{end}}`

// TestR22_LettersThatDoNotEndRefuseToStart: a template is a program. One that
// goes on for ever, or fills the memory, is told with its place before it runs.
func TestR22_LettersThatDoNotEndRefuseToStart(t *testing.T) {
	nest := func(open, closing string, n int) string {
		return strings.Repeat(open, n) + "x" + strings.Repeat(closing, n)
	}
	var fan strings.Builder // each calls the next twice: 2^30 calls of 31 templates
	for i := range 30 {
		fmt.Fprintf(&fan, `{{define "fan%d"}}{{template "fan%d" .}}{{template "fan%d" .}}{{end}}`, i, i+1, i+1)
	}
	fan.WriteString(`{{define "fan30"}}{{end}}`)
	doubled := `{{$x := "aaaaaaaaaaaaaaaa"}}` + strings.Repeat(`{{$x = print $x $x}}`, 40)
	in := func(text string) string { return `{{define "subject"}}` + text + `{{end}}` }
	const table = `{{template "invoices" .}}`
	const noList = "this does not repeat over a list; there are .Invoices, .Totals, .Numbers and .Sender.Address"
	for _, c := range []struct{ sentence, file, old, replacement, want string }{
		{"a template that calls itself", "en/final.html", table, table + `{{template "r" .}}{{end}}{{define "r"}}{{template "r" .}}`, `mine/en/final.html:9:76: {{template "r"}} leads back to where it is called from, so it would never end`},
		{"two that call each other", "en/final.txt", finalSubject, in(`{{template "a" .}}`) + `{{define "a"}}{{if .Test}}{{template "b" .}}{{end}}{{end}}{{define "b"}}{{template "a" .}}{{end}}`, `mine/en/final.txt:1:129: {{template "a"}} leads back`},
		{"the message that contains itself", "en/final.txt", table, `{{template "message" .}}`, `mine/en/final.txt:9:12: {{template "message"}} leads back`},
		{"the layout within the layout", "en/final.txt", table, `{{template "layout" .}}`, `mine/en/final.txt:9:12: {{template "layout"}} leads back`},
		{"templates that call the next one twice", "en/final.txt", finalSubject, in(`x{{template "fan0" .}}`) + fan.String(), "this makes the letter take too many steps; repeat less, and call fewer templates from one another"},
		{"a number as a list", "en/final.txt", finalSubject, in(`{{range 10000000000}}{{end}}x`), `mine/en/final.txt:1:29: ` + noList},
		{"a computed number as a list", "en/final.txt", finalSubject, in(`{{range (len .Invoices)}}{{end}}x`), `mine/en/final.txt:1:29: ` + noList},
		{"a number in a variable as a list", "en/final.txt", finalSubject, in(`{{$n := 10000000000}}{{range $n}}{{end}}x`), `mine/en/final.txt:1:50: ` + noList},
		{"a list that becomes a number in a branch", "en/final.txt", finalSubject, in(`{{$n := .Invoices}}{{if true}}{{$n = 10000000000}}{{end}}{{range $n}}{{end}}x`), `mine/en/final.txt:1:53: $n holds one kind of value and gets another here`},
		{"a number as the dot of another template", "en/final.txt", finalSubject, in(`x{{template "each" 10000000000}}`) + `{{define "each"}}{{range .}}{{end}}{{end}}`, noList},
		{"the letters of a name as a list", "en/final.txt", finalSubject, in(`{{range .Customer}}{{end}}x`), noList},
		{"loops in loops in loops", "en/final.txt", finalSubject, in(`x{{range .Invoices}}{{range $.Invoices}}{{range $.Invoices}}{{end}}{{end}}{{end}}`), "more than 2 {{range}} are inside of one another here"},
		{"the same by way of calls", "en/final.txt", finalSubject, in(`x{{range .Invoices}}{{template "one" $}}{{end}}`) + `{{define "one"}}{{range .Invoices}}{{template "two" $}}{{end}}{{end}}{{define "two"}}{{range .Invoices}}{{end}}{{end}}`, "more than 2 {{range}} are inside of one another here"},
		{"loops that html/template checks over and over", "en/final.html", table, table + nest(`{{range .Sender.Address}}{{with $}}`, `{{end}}{{end}}`, 15), "more than 2 {{range}} are inside of one another here"},
		{"a thousand conditions in one another", "en/final.html", table, table + nest(`{{if .Test}}`, `{{end}}`, 1000), "this is nested more than 40 deep; put inner parts into a {{define}} of their own"},
		{"a text that is doubled again and again", "en/final.txt", finalSubject, in(doubled + "x"), "what is printed is longer than 10000 characters"},
		{"a text as wide as a book", "en/final.txt", finalSubject, in(`{{printf "%999999d" 1}}`), "has a width that is not written out or above 99"},
		{"a width out of a value", "en/final.txt", finalSubject, in(`{{printf "%*d" 999999 1}}`), "has a width that is not written out or above 99"},
		{"a function that calls", "en/final.txt", finalSubject, in(`{{call .Customer}}`), `mine/en/final.txt:1:23: {{call}} has no place in a letter: nothing in a letter can be called`},
		{"a pipe into one", "en/final.txt", finalSubject, in(`{{.Customer | call}}`), `{{call}} has no place in a letter`},
		{"escapes that grow with each use", "en/final.txt", finalSubject, in(`{{$x := js .Customer}}`), `mine/en/final.txt:1:29: {{js}} has no place in a letter: a letter has no scripts`},
		{"the whole letter, printed", "en/final.txt", finalSubject, in(`{{print .}}`), "only texts, numbers, amounts, dates and times can be printed"},
		{"more text than fits a letter", "en/final.txt", table, table + strings.Repeat("{{range .Invoices}}{{range $.Invoices}}"+strings.Repeat("z", 4000)+"{{end}}{{end}}", 3), `mine/en/final.txt: the letter is longer than 1024 KiB; seen while filling in 25 invoices in five currencies`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			got := strings.Join(complaints(t, Options{
				Dir:     fstest.MapFS{c.file: builtin(t, c.file, c.old, c.replacement)},
				DirName: "mine", Sender: sender, Names: []string{"final"}, Languages: []string{"en"},
			}), "\n")
			if !strings.Contains(got, c.want) || !strings.HasPrefix(got, "mine/"+c.file) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v to say so", took)
			}
			runtime.ReadMemStats(&after)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 200 {
				t.Errorf("it took %d MiB to say so", used)
			}
		})
	}
}

// TestR22_LoopsAreCountedWhileTheyRun: what samples do not show, such as a
// letter about very many invoices, ends as well.
func TestR22_LoopsAreCountedWhileTheyRun(t *testing.T) {
	silent := `{{range .Numbers}}{{range $.Numbers}}{{if eq . "x"}}x{{end}}{{end}}{{end}}`
	for _, file := range []string{"en/final.txt", "en/final.html"} {
		s, err := Load(Options{
			Dir:    fstest.MapFS{file: builtin(t, file, `{{template "invoices" .}}`, silent+`{{template "invoices" .}}`)},
			Sender: sender, Names: []string{"final"}, Languages: []string{"en"},
		})
		if err != nil {
			t.Fatal(err)
		}
		d := many(1200)
		d.Template = "final"
		if _, err := s.Write(d); err == nil || !strings.Contains(err.Error(), "more than 1048576 steps") {
			t.Errorf("%s: a letter of 1,200 × 1,200 loops: %v", file, err)
		}
		d = many(100)
		d.Template = "final"
		if _, err := s.Write(d); err != nil {
			t.Errorf("%s: a letter of 100 × 100 loops: %v", file, err)
		}
	}
}

// TestWhatLettersMayUse: the bounds leave room for what authors do.
func TestWhatLettersMayUse(t *testing.T) {
	for sentence, text := range map[string]string{
		"a list within a list":             `{{range .Totals}}{{$c := .Currency}}{{range $.Invoices}}{{if eq .Open.Currency $c}}{{end}}{{end}}{{end}}`,
		"all but the first":                `{{range slice .Invoices 1}}{{.Number}}{{end}}`,
		"counted items":                    `{{range $i, $x := .Invoices}}{{if $i}}, {{end}}{{$x.Number}}{{end}}`,
		"a list in a variable":             `{{$all := .Numbers}}{{range $all}}{{.}}{{end}}`,
		"a list in a with":                 `{{with .Sender.Address}}{{range .}}{{.}}{{end}}{{end}}`,
		"a list as the dot of another":     `{{template "each" .Totals}}`,
		"printing":                         `{{printf "%s has %d (%5.2f)" .Customer (len .Invoices) 1.5}}{{print .Today}}{{println 1}}`,
		"a flag that changes":              `{{$late := false}}{{range .Invoices}}{{if .Late}}{{$late = true}}{{end}}{{end}}`,
		"an else branch, break, continue":  `{{range .Invoices}}{{if .Late}}{{break}}{{else}}{{continue}}{{end}}{{else}}none{{end}}`,
		"a template called in two places":  `{{template "each" .Totals}}{{template "each" .Totals}}`,
		"a text that a condition decides":  `{{$w := "soon"}}{{if .Overdue}}{{$w = "now"}}{{end}}{{$w}}`,
		"comparisons and and, or, not, ge": `{{if and (gt (len .Invoices) 1) (not .Test) (or .Several .Test)}}x{{end}}`,
	} {
		_, err := Load(Options{
			Dir: fstest.MapFS{"en/final.txt": builtin(t, "en/final.txt", `{{template "invoices" .}}`,
				`{{template "invoices" .}}`+text, finalSubject, finalSubject+`{{define "each"}}{{range .}}{{money .}}{{end}}{{end}}`)},
			Sender: sender, Names: []string{"final"}, Languages: []string{"en"},
		})
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}
