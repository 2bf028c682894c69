package templates

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// builtin returns the text of a built-in file, with replacements.
func builtin(t *testing.T, file string, oldnew ...string) *fstest.MapFile {
	t.Helper()
	text, err := fs.ReadFile(builtIn, path.Join("letters", file))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(text), oldnew[i]) {
			t.Fatalf("%s does not contain %q", file, oldnew[i])
		}
	}
	return &fstest.MapFile{Data: []byte(strings.NewReplacer(oldnew...).Replace(string(text)))}
}

// complaints loads files of one's own that are wrong and returns the lines of
// the error.
func complaints(t *testing.T, o Options) []string {
	t.Helper()
	_, err := Load(o)
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("Load: %v, want Problems", err)
	}
	lines := strings.Split(problems.Error(), "\n")
	if len(lines) != len(problems) {
		t.Errorf("%d problems in %d lines:\n%v", len(problems), len(lines), err)
	}
	return lines
}

func TestR22_WrongLettersRefuseToStart(t *testing.T) {
	const subject = `{{define "subject"}}Final reminder: {{template "which" .}}{{end}}`
	for _, c := range []struct {
		sentence string
		file     string
		change   []string // old, new
		want     []string
	}{
		{
			"an unknown variable is shown with its place and a hint", "en/final.txt",
			[]string{subject, `{{define "subject"}}Final reminder, {{.Costumer}}{{end}}`},
			[]string{`mine/en/final.txt:1:39: a letter has no .Costumer; did you mean {{.Customer}}?`},
		},
		{
			"every unknown variable is found, also in branches no sample takes", "en/final.txt",
			[]string{subject, subject + "\n{{define \"never\"}}{{end}}", "immediately{{else}}", "immediately{{if eq .Number \"\"}}{{.Nummer}}{{end}}{{.Costs}}{{else}}"},
			[]string{
				`mine/en/final.txt:7:275: an invoice has no .Nummer; did you mean {{.Number}}?`,
				`mine/en/final.txt:7:293: an invoice has no .Costs; there are: .Compensation, .DaysLate, .Description, .DueOn, .Expires, .Interest, .Issued, .IssuedOn, .Late, .Number, .Open, .Promised, .PromisedOn, .Total, .URL, .Until, .WasPromised`,
			},
		},
		{
			"a variable of the letter inside an invoice says how to reach it", "en/final.txt",
			[]string{`{{with .First -}}`, `{{with .First -}}{{.Customer}} `},
			[]string{`mine/en/final.txt:5:30: an invoice has no .Customer; that belongs to the letter: write {{$.Customer}} if $ is the letter here`},
		},
		{
			"a variable of an invoice outside of it says how to reach it", "en/final.txt",
			[]string{subject, `{{define "subject"}}{{.Number}}{{end}}`},
			[]string{`mine/en/final.txt:1:23: a letter has no .Number; did you mean {{.Numbers}}?`},
		},
		{
			"an unknown function lists those there are", "en/final.txt",
			[]string{subject, `{{define "subject"}}{{mony .First.Open}}{{end}}`},
			[]string{`mine/en/final.txt:1: there is no function mony; there are: brief, date, days, join, money, time, did you mean money?`},
		},
		{
			"a template that is not closed", "en/final.html",
			[]string{`{{define "title"}}Final reminder{{end}}`, `{{define "title"}}Final reminder`},
			[]string{`mine/en/final.html:3: unexpected <define> in command; seen while reading the file`},
		},
		{
			"an empty subject", "en/final.txt",
			[]string{subject, `{{define "subject"}} {{end}}`},
			[]string{`mine/en/final.txt: the subject is empty; seen with one invoice`},
		},
		{
			"no subject at all", "en/final.txt",
			[]string{subject, ``},
			[]string{`mine/en/final.txt: there is no {{define "subject"}}`},
		},
		{
			"a subject of two lines", "en/final.txt",
			[]string{subject, "{{define \"subject\"}}a\nb{{end}}"},
			[]string{`mine/en/final.txt: the subject is not a single line; seen with one invoice`},
		},
		{
			"a subject that becomes too long", "en/final.txt",
			[]string{subject, "{{define \"subject\"}}{{join .Numbers}}, {{join .Totals}}{{end}}"},
			[]string{`mine/en/final.txt: the subject is longer than 200 characters: 289; seen with long names and numbers and large amounts`},
		},
		{
			"text that no letter would show", "en/final.txt",
			[]string{subject, subject + "\nDear customer"},
			[]string{`mine/en/final.txt:2:1: this stands outside of every {{define}}, so no letter shows it`},
		},
		{
			"a call of a phrase that does not exist", "en/final.txt",
			[]string{subject, `{{define "subject"}}{{template "wich" .}}{{end}}`},
			[]string{`mine/en/final.txt:1:32: there is no {{define "wich"}}`},
		},
		{
			"the wrong kind of value", "en/final.txt",
			[]string{subject, `{{define "subject"}}{{money .Today}}{{end}}`},
			[]string{`mine/en/final.txt:1:29: <.Today>: wrong type for value; expected money.Amount; got civil.Date; seen while filling in one invoice`},
		},
		{
			"HTML that shows something else than the text", "en/final.html",
			[]string{`{{template "invoices" .}}`, `{{range .Invoices}}<p>{{.Number}} {{money .Total}}</p>{{end}}`},
			[]string{
				`mine/en/final.html: the HTML has no link to pay invoice 2026-1001; seen with one invoice`,
				`mine/en/final.html: the HTML does not show, between spaces, the payment link of invoice 2026-1001; seen with one invoice`,
			},
		},
		{
			"a picture from elsewhere", "en/final.html",
			[]string{`{{template "invoices" .}}`, `{{template "invoices" .}}<img src="https://example.org/pixel.gif" width="1" height="1" alt="">`},
			[]string{`mine/en/final.html: the HTML refers to an address that is neither a payment link of this letter nor configured; seen with one invoice`},
		},
		{
			"a link that nobody configured", "en/final.txt",
			[]string{`{{template "invoices" .}}`, "{{template \"invoices\" .}}\n\nSee https://example.org/terms."},
			[]string{`mine/en/final.txt: the plain text shows an address that is neither a payment link of this letter nor configured; seen with one invoice`},
		},
		{
			"a script without its end", "en/final.html",
			[]string{`{{template "invoices" .}}`, `<script>var a = "{{.Customer}}`},
			[]string{`mine/en/final.html: a tag, an attribute, a script or a style sheet is opened and never closed; seen while filling in one invoice`},
		},
		{
			"a file that is not UTF-8", "en/final.txt",
			[]string{"Final", "F\xefnal"},
			[]string{`mine/en/final.txt:1:22: the file is not written in UTF-8; save it again in that encoding`},
		},
	} {
		o := Options{Dir: fstest.MapFS{c.file: builtin(t, c.file, c.change...)}, DirName: "mine", Sender: sender, Names: all, Languages: []string{"en"}}
		got := complaints(t, o)
		for _, want := range c.want {
			if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, want) }) {
				t.Errorf("%s:\n got %s\nwant %s", c.sentence, strings.Join(got, "\n     "), want)
			}
		}
	}
}

func TestR22_AllMistakesOfAllFilesAtOnce(t *testing.T) {
	o := Options{
		Dir: fstest.MapFS{
			"en/firm.txt":   builtin(t, "en/firm.txt", "{{if .Overdue}}", "{{if .Overdu}}", `{{define "subject"}}`, `{{define "subject"}}{{.Overdu}}`),
			"de/firm.html":  builtin(t, "de/firm.html", `{{define "title"}}`, `{{define "titel"}}`),
			"nl/frim.txt":   builtin(t, "nl/firm.txt"),
			"nl/firm.htm":   builtin(t, "nl/firm.html"),
			"README.md":     {Data: []byte("not a letter")},
			".git/config":   {Data: []byte("not a letter")},
			"en/later.txt":  {Data: []byte("in preparation {{")},
			"fr/final.txt":  {Data: []byte("in preparation {{")},
			"en/.firm.swp":  {Data: []byte{0xff}},
			"nl/firm.html~": {Data: []byte{0xff}},
		},
		DirName: "letters",
		Sender:  Sender{Name: "\x00 "}, Names: []string{"firm", "fimr", "final"}, Languages: []string{"en", "nl", "de", "xx"}, Default: "fr",
	}
	want := []string{
		`the letters have no sender; say in whose name they are written`,
		`the letters have no address for answers; give one such as "billing@example.com"`,
		`nothing is known of the language "xx"; dates and amounts can be written in: de, en, nl`,
		`the default language "fr" is none of the languages en, nl, de; add it to the languages, or choose one of them`,
		`a policy uses the letter "fimr", which does not exist; there are: broken_promise, expiring, failed_attempt, final, firm, friendly, frim, later, new_link, request, upcoming, did you mean firm?`,
		`letters/de/firm.html: there is no {{define "title"}}`,
		`letters/en/firm.txt:1:23: a letter has no .Overdu; did you mean {{.Overdue}}?`,
		`letters/en/firm.txt:4:124: a letter has no .Overdu; did you mean {{.Overdue}}?`,
		`letters/nl/firm.htm: no letter is made of a file of this name; the files are layout.html, layout.txt, <language>/phrases.tmpl, <language>/<letter>.html and <language>/<letter>.txt`,
		`letters/nl/frim.txt: no policy uses a letter frim; did you mean firm?`,
	}
	got := slices.DeleteFunc(complaints(t, o), func(line string) bool { return strings.HasPrefix(line, "letters/en/firm.txt:1:3") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestR22_AMissingTranslationSaysWhereTheLetterExists(t *testing.T) {
	o := Options{
		Dir:    fstest.MapFS{"en/thanks.txt": builtin(t, "en/firm.txt"), "en/thanks.html": builtin(t, "en/firm.html"), "nl/thanks.txt": builtin(t, "nl/firm.txt")},
		Sender: sender, Names: []string{"thanks"}, Languages: []string{"en", "nl", "de"},
	}
	want := []string{
		"de/thanks.html: the letter thanks is missing in de; it exists in en: translate it, or write in fewer languages",
		"de/thanks.txt: the letter thanks is missing in de; it exists in en: translate it, or write in fewer languages",
		"nl/thanks.html: the letter thanks is missing in nl; it exists in en: translate it, or write in fewer languages",
	}
	if diff := cmp.Diff(want, complaints(t, o)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestAFolderThatDoesNotExistIsAProblem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	got := complaints(t, Options{Dir: os.DirFS(dir), DirName: "nowhere", Sender: sender})
	if len(got) != 1 || !strings.HasPrefix(got[0], "nowhere: reading the folder: ") {
		t.Errorf("problems: %q", got)
	}
}

func TestFilesOfOnesOwnReplaceTheSameNameOnly(t *testing.T) {
	own := fstest.MapFS{
		// As an editor on Windows saves it: with a byte order mark and CRLF.
		"en/final.txt":       {Data: []byte("\ufeff" + strings.ReplaceAll(string(builtin(t, "en/final.txt", "This is our final reminder", "We write for the last time").Data), "\n", "\r\n"))},
		"nl-be/phrases.tmpl": builtin(t, "nl/phrases.tmpl", "Geachte heer, mevrouw,", "Geachte,"),
		"en/thanks.txt":      builtin(t, "en/new_link.txt", "Your new payment link", "Thank you"),
		"en/thanks.html":     builtin(t, "en/new_link.html"),
	}
	s, err := Load(Options{Dir: own, Sender: sender, Names: []string{"final", "firm"}, Languages: []string{"en", "nl-BE", "nl"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sentence, name, lang, want string }{
		{"the replaced text is used", "final", "en", "We write for the last time"},
		{"its HTML stays as built in", "final", "en", "This is our final reminder"},
		{"other letters stay as built in", "firm", "en", "is still outstanding"},
		{"a region needs only what differs", "firm", "nl_BE", "Geachte,"},
		{"the rest it has from its language", "firm", "nl_BE", "Volgens onze administratie"},
		{"the language itself is not touched by its regions", "firm", "nl", "Geachte heer, mevrouw,"},
	} {
		d := Samples(c.name, c.lang)[0].Draft
		text := write(t, s, d)
		if !strings.Contains(text.Plain+text.HTML, c.want) || strings.Contains(text.Plain+text.HTML, "\r") {
			t.Errorf("%s: no %q in\n%s", c.sentence, c.want, text.Plain)
		}
	}
	if diff := cmp.Diff([]string{"en", "nl-be", "nl"}, s.Languages()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"final", "firm"}, s.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestR25_TheDigestNamesTheWording(t *testing.T) {
	digest := func(own fstest.MapFS) string {
		o := Options{Sender: sender, Names: []string{"final"}, Languages: []string{"en"}}
		if own != nil {
			o.Dir = own
		}
		s, err := Load(o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Digest()
	}
	plain := digest(nil)
	if len(plain) != 64 || plain != digest(nil) {
		t.Errorf("digest %q is not a stable SHA-256", plain)
	}
	if plain == digest(fstest.MapFS{"en/final.txt": builtin(t, "en/final.txt", "immediately", "now")}) {
		t.Error("another wording has the same digest")
	}
	if plain == digest(fstest.MapFS{"layout.html": builtin(t, "layout.html", "#0b57d0", "#0b57d1")}) {
		t.Error("another layout has the same digest")
	}
	if plain != digest(fstest.MapFS{"en/unused.txt": {Data: []byte("x")}}) {
		t.Error("a file that no letter uses changes the digest")
	}
}

func TestConfiguredLinksMayStandInLetters(t *testing.T) {
	const terms = "https://example.com/terms"
	own := fstest.MapFS{
		"en/final.txt":  builtin(t, "en/final.txt", `{{template "invoices" .}}`, "{{template \"invoices\" .}}\n\nOur terms: "+terms+"."),
		"en/final.html": builtin(t, "en/final.html", `{{template "invoices" .}}`, `{{template "invoices" .}}<p><a href="`+terms+`">Our terms</a></p>`),
	}
	o := Options{Dir: own, Sender: sender, Names: []string{"final"}, Languages: []string{"en"}}
	if got := complaints(t, o); len(got) != 2 {
		t.Errorf("problems without the link configured: %q", got)
	}
	o.Links = []string{terms}
	if _, err := Load(o); err != nil {
		t.Error(err)
	}
}
