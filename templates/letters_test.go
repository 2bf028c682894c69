package templates

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/civil"
	"dunning/internal/money"
	"dunning/invoices"
)

var update = flag.Bool("update", false, "rewrite the golden letters")

var sender = Sender{Name: "Example BV", Email: "finance@example.com", Phone: "+31 20 123 4567", Address: []string{"Keizersgracht 1", "1015 CJ Amsterdam"}}

var all = []string{"broken_promise", "expiring", "failed_attempt", "final", "firm", "friendly", "new_link", "request", "upcoming"}

var loadOnce = sync.OnceValues(func() (*Set, error) {
	return Load(Options{Sender: sender, Names: all, Languages: []string{"en", "nl", "de"}})
})

// load returns the built-in letters.
func load(t testing.TB) *Set {
	t.Helper()
	s, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write returns a letter that must be fit to be sent.
func write(t testing.TB, s *Set, d invoices.Draft) invoices.Text {
	t.Helper()
	text, err := s.Write(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// drafts are the letters the golden files show.
func drafts(name, lang string) map[string]invoices.Draft {
	samples := Samples(name, lang)
	one, several := samples[0].Draft, samples[1].Draft
	if name == "request" || name == "upcoming" { // letters from before the due date
		one.Lines = slices.Clone(one.Lines)
		one.Lines[0].DueOn, one.Lines[0].DaysLate = civil.Date{Year: 2026, Month: time.April, Day: 2}, -3
		one.Lines[0].IssuedOn = civil.Date{Year: 2026, Month: time.March, Day: 2}
	}
	kinds := map[string]invoices.Draft{"one": one, "several": several}
	switch name {
	case "firm", "final": // those that say what the law allows
		kinds["claims"] = samples[8].Draft
	case "broken_promise":
		kinds["promised"] = samples[10].Draft
	case "friendly":
		kinds["hundred"] = samples[9].Draft
	}
	return kinds
}

func TestGoldenLetters(t *testing.T) {
	s := load(t)
	for _, lang := range s.Languages() {
		for _, name := range s.Names() {
			for kind, d := range drafts(name, lang) {
				text := write(t, s, d)
				parts := map[string]string{"subject": text.Subject + "\n", "txt": text.Plain, "html": text.HTML}
				if len(text.Files) > 0 {
					parts["csv"] = listOf(text)
				}
				for ext, got := range parts {
					golden(t, filepath.Join("testdata", "golden", lang, name+"."+kind+"."+ext), got)
				}
			}
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
}

// everyDraft calls f with each sample of each letter in each language.
func everyDraft(t *testing.T, f func(t *testing.T, d invoices.Draft, text invoices.Text)) {
	s := load(t)
	for _, lang := range s.Languages() {
		for _, name := range s.Names() {
			for _, sample := range Samples(name, lang) {
				t.Run(lang+"/"+name+"/"+sample.Title, func(t *testing.T) { f(t, sample.Draft, write(t, s, sample.Draft)) })
			}
		}
	}
}

// amount matches whatever looks like money in the samples' currencies.
var amount = regexp.MustCompile(`(?:[A-Z]{0,2}[€£¥$]|KWD)[\x{a0}\x{202f}]?[0-9][0-9.,]*|[0-9][0-9.,]*[\x{a0}\x{202f}](?:[€£¥$]|KWD)`)

func TestR12_EveryAmountShownIsAnOpenBalanceOrATotal(t *testing.T) {
	everyDraft(t, func(t *testing.T, d invoices.Draft, _ invoices.Text) {
		for i := range d.Lines { // part paid: what was billed must appear nowhere
			d.Lines[i].Total.Minor = d.Lines[i].Open.Minor/2 + 7
		}
		text := write(t, load(t), d)
		known := map[string]bool{}
		for _, line := range d.Lines {
			known[line.Open.Format(d.Language)] = true
			for _, other := range []money.Amount{line.Promised, line.Interest, line.Compensation} {
				if other.Minor > 0 { // said to be none of what is asked for
					known[other.Format(d.Language)] = true
				}
			}
		}
		for _, total := range d.Totals {
			known[total.Format(d.Language)] = true
		}
		for part, s := range map[string]string{"subject": text.Subject, "plain": text.Plain, "html": readPage(text.HTML).text} {
			found := amount.FindAllString(s, -1)
			if len(found) == 0 {
				t.Errorf("the %s shows no amount", part)
			}
			for _, a := range found {
				if !known[strings.TrimRight(a, ".,")] {
					t.Errorf("the %s shows %q, which is nobody's open balance", part, a)
				}
			}
		}
	})
}

func TestR22_TextAndHTMLSayTheSame(t *testing.T) {
	everyDraft(t, func(t *testing.T, d invoices.Draft, text invoices.Text) {
		html := readPage(text.HTML).text
		for paragraph := range strings.SplitSeq(text.Plain, "\n\n") {
			if strings.Contains(paragraph, "://") || amount.MatchString(paragraph) && !strings.Contains(paragraph, ". ") {
				continue // the table, which the two parts lay out differently
			}
			for line := range strings.SplitSeq(paragraph, "\n") {
				if !strings.Contains(html, strings.TrimSpace(line)) {
					t.Errorf("the HTML does not say %q", line)
				}
			}
		}
	})
}

func TestR22_EverySubjectNamesInvoiceAndAmount(t *testing.T) {
	everyDraft(t, func(t *testing.T, d invoices.Draft, text invoices.Text) {
		first, total := clean(d.Lines[0].Number, maxNumber), d.Totals[0].Format(d.Language)
		if !strings.Contains(text.Subject, first) || !strings.Contains(text.Subject, total) {
			t.Errorf("subject %q lacks %s or %s", text.Subject, first, total)
		}
	})
}

func TestR11_TheLetterSaysUntilWhenTheLinkWorks(t *testing.T) {
	want := map[string]string{
		"en": "29 April 2026, 09:30 (time in Amsterdam)",
		"nl": "29 april 2026 om 09.30 uur (tijd in Amsterdam)",
		"de": "29. April 2026, 09:30 Uhr (Ortszeit Amsterdam)",
	}
	everyDraft(t, func(t *testing.T, d invoices.Draft, text invoices.Text) {
		times := strings.Count(strings.ReplaceAll(text.Plain, "\n", " "), want[d.Language])
		times += strings.Count(readPage(text.HTML).text, want[d.Language])
		links := 0
		for _, line := range d.Lines[:min(maxShown, len(d.Lines))] {
			if !line.Until.IsZero() {
				links += 2
			}
		}
		if d.Template == "expiring" && len(d.Lines) == 1 { // this letter is about it
			links *= 2
		}
		if times != links {
			t.Errorf("%q stands %d times in the two parts, want %d:\n%s", want[d.Language], times, links, text.Plain)
		}
	})
}

// tells are words that only one of the languages uses.
var tells = map[string]*regexp.Regexp{
	"en": regexp.MustCompile(`(?i)\b(the|please|invoice|overdue|due|payment|you|march|with)\b`),
	"nl": regexp.MustCompile(`(?i)\b(de|het|een|factuur|facturen|betalen|vervaldatum|maart|met|uw)\b`),
	"de": regexp.MustCompile(`(?i)\b(der|den|rechnung|rechnungen|fällig|bitte|märz|mit|sie|ihr)\b`),
}

func TestR22_OneLanguagePerMail(t *testing.T) {
	s := load(t)
	for _, lang := range s.Languages() {
		for _, name := range s.Names() {
			for _, sample := range Samples(name, lang)[:5] {
				d := sample.Draft
				d.Lines = slices.Clone(d.Lines)
				for i := range d.Lines {
					d.Lines[i].Description = ""
				}
				d.Customer = "Acme"
				text := write(t, s, d)
				read := text.Subject + "\n" + text.Plain + "\n" + readPage(text.HTML).text
				for _, a := range addresses(read) {
					read = strings.ReplaceAll(read, a, "")
				}
				for other, words := range tells {
					if found := words.FindAllString(read, -1); (len(found) > 0) != (other == lang) {
						t.Errorf("%s/%s, %s: words that are %s: %q", lang, name, sample.Title, other, found)
					}
				}
				if !strings.Contains(text.HTML, `<html lang="`+lang+`">`) {
					t.Errorf("%s/%s: the HTML does not say its language", lang, name)
				}
			}
		}
	}
}

func TestR22_TheCustomersLanguageElseTheDefault(t *testing.T) {
	s := load(t)
	for _, c := range []struct{ sentence, asked, greeting string }{
		{"a configured language is used", "nl", "Geachte"},
		{"a region falls back to its language", "nl-BE", "Geachte"},
		{"an underscore is a hyphen, capitals are small", "DE_at", "Sehr geehrte"},
		{"an unknown language gets the default", "fr", "Dear"},
		{"no language gets the default", "", "Dear"},
		{"garbage gets the default", "\x00%!-../../etc", "Dear"},
	} {
		d := Samples("firm", "en")[0].Draft
		d.Language = c.asked
		if text := write(t, s, d); !strings.Contains(text.Plain, c.greeting) || !strings.Contains(text.HTML, c.greeting) {
			t.Errorf("%s: %q is not greeted %q", c.sentence, c.asked, c.greeting)
		}
	}
}

func TestR26_TestModeSaysSo(t *testing.T) {
	everyDraft(t, func(t *testing.T, d invoices.Draft, text invoices.Text) {
		for part, s := range map[string]string{"plain": text.Plain, "html": readPage(text.HTML).text} {
			if said := strings.Contains(s, "TEST: "); said != d.Test {
				t.Errorf("%s: test mode is %t, said %t", part, d.Test, said)
			}
		}
	})
}

func TestR14_EachInvoiceHasARowAndALinkAndEachCurrencyATotal(t *testing.T) {
	everyDraft(t, func(t *testing.T, d invoices.Draft, text invoices.Text) {
		p := readPage(text.HTML)
		if rows := strings.Count(listOf(text), "\r\n"); len(d.Lines) > maxShown && rows != len(d.Lines)+1 {
			t.Errorf("the attached list has %d rows for %d invoices", rows, len(d.Lines))
		}
		for _, line := range d.Lines {
			if len(d.Lines) > maxShown && !slices.Contains(p.links, line.URL) {
				if !strings.Contains(listOf(text), `"`+line.URL+`"`) {
					t.Errorf("the link of %s is nowhere", line.Number)
				}
				continue
			}
			n := 0
			for _, link := range p.links {
				if link == line.URL {
					n++
				}
			}
			if n != 2 {
				t.Errorf("%d links to pay %s, want a button and an address", n, line.Number)
			}
			if strings.Count(text.Plain, "\n"+line.URL+"\n") != 1 {
				t.Errorf("the address to pay %s does not stand alone on one line", line.Number)
			}
		}
		totals := 0
		for _, total := range d.Totals {
			totals += strings.Count(text.Plain, total.Currency+": "+total.Format(d.Language)+"\n")
		}
		if want := len(d.Totals); len(d.Lines) > 1 && totals != want || len(d.Lines) == 1 && totals != 0 {
			t.Errorf("%d totals for %d invoices in %d currencies", totals, len(d.Lines), want)
		}
	})
}

// listOf returns the attached list of invoices; empty: there is none.
func listOf(text invoices.Text) string {
	if len(text.Files) != 1 {
		return ""
	}
	return string(text.Files[0].Body)
}

func TestLettersPromiseAndThreatenNothing(t *testing.T) {
	threats := regexp.MustCompile(`(?i)court|lawyer|attorney|legal|bailiff|collection|interest|fee|rechter|deurwaarder|incasso|rente|kosten|gericht|anwalt|inkasso|zinsen|gebühr|verzug`)
	s := load(t)
	for _, lang := range s.Languages() {
		for _, name := range s.Names() {
			for kind, d := range drafts(name, lang) {
				if kind == "claims" { // it says what the law allows, because the policy has it computed
					continue
				}
				text := write(t, s, d)
				if found := threats.FindString(text.Subject + text.Plain + readPage(text.HTML).text); found != "" {
					t.Errorf("%s/%s speaks of %q, which no policy does", lang, name, found)
				}
			}
		}
	}
}

func TestNoLetterLoadsAnything(t *testing.T) {
	loading := regexp.MustCompile(`(?i)<img|<link|src=|url\(|@import|<script|background=`)
	everyDraft(t, func(t *testing.T, _ invoices.Draft, text invoices.Text) {
		if found := loading.FindString(text.HTML); found != "" {
			t.Errorf("the HTML has %q", found)
		}
	})
}

func TestOneCentIsWrittenAsOthersWriteIt(t *testing.T) {
	d := Samples("request", "nl")[0].Draft
	d.Lines[0].Open = money.Amount{Minor: 1, Currency: "EUR"}
	d.Totals = []money.Amount{d.Lines[0].Open}
	if text := write(t, load(t), d); !strings.Contains(text.Subject, "€\u00a00,01") {
		t.Errorf("subject %q", text.Subject)
	}
}
