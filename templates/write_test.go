package templates

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"dunning/internal/money"
	"dunning/invoices"
)

func TestWhatCannotBeSaidIsRefused(t *testing.T) {
	for _, c := range []struct {
		sentence string
		change   func(d *invoices.Draft)
		want     string
	}{
		{"a letter nobody wrote", func(d *invoices.Draft) { d.Template = "frim" }, `there is no letter "frim"; there are: broken_promise, expiring,`},
		{"a letter about nothing", func(d *invoices.Draft) { d.Lines = nil }, "it is about no invoice"},
		{"R11: no payment link", func(d *invoices.Draft) { d.Lines[0].URL = "" }, "invoice 2026-1001: its payment link is not an https address"},
		{"a payment link without TLS", func(d *invoices.Draft) { d.Lines[0].URL = "http://pay.example.com/1" }, "not an https address"},
		{"a payment link that is a script", func(d *invoices.Draft) { d.Lines[0].URL = "javascript:alert(1)" }, "not an https address"},
		{"a payment link with a user name", func(d *invoices.Draft) { d.Lines[0].URL = "https://bank@pay.example.com/1" }, "not an https address"},
		{"a payment link that HTML would change", func(d *invoices.Draft) { d.Lines[0].URL = "https://pay.example.com/it's" }, "not an https address"},
		{"a payment link with a line break", func(d *invoices.Draft) { d.Lines[0].URL += "\nhttps://example.org" }, "not an https address"},
		{"an endless payment link", func(d *invoices.Draft) { d.Lines[0].URL += strings.Repeat("a", 3000) }, "not an https address"},
		{"R12: nothing to pay", func(d *invoices.Draft) { d.Lines[0].Open.Minor, d.Totals[0].Minor = 0, 0 }, "nothing is open"},
		{"R12: a negative balance", func(d *invoices.Draft) { d.Lines[0].Open.Minor, d.Totals[0].Minor = -5, -5 }, "nothing is open"},
		{"R12: a total that is not the sum", func(d *invoices.Draft) { d.Totals[0].Minor++ }, "its total is EUR 1250.01, but its invoices add up to EUR 1250.00"},
		{"R12: no total", func(d *invoices.Draft) { d.Totals = nil }, "it has 0 totals, and invoices in 1 currencies"},
		{"R13: a total in another currency", func(d *invoices.Draft) { d.Totals[0].Currency = "GBP" }, "its total is GBP 1250.00, but its invoices add up to GBP 0.00"},
		{"no due date", func(d *invoices.Draft) { d.Lines[0].DueOn.Month, d.Lines[0].DueOn.Day, d.Lines[0].DueOn.Year = 0, 0, 0 }, "it has no due date"},
		{"no number", func(d *invoices.Draft) { d.Lines[0].Number = " \u200b\n" }, "it has no number"},
		{"half a number would be another number", func(d *invoices.Draft) { d.Lines[0].Number = strings.Repeat("1", 65) }, "its number is longer than 64 characters"},
		{"a number hidden in invisible text", func(d *invoices.Draft) { d.Lines[0].Number = "1" + strings.Repeat("\u200b", 9999) + "2" }, "its number is longer than 64 characters"},
		{"one invoice twice", func(d *invoices.Draft) { d.Lines, d.Totals[0].Minor = append(d.Lines, d.Lines[0]), 250000 }, "another line has the same number or payment link"},
		{"no time zone", func(d *invoices.Draft) { d.Zone = nil }, "the time zone of the customer is unknown"},
		{"no date", func(d *invoices.Draft) { d.Today.Month = 0 }, "there is no date"},
		{"a name that looks like a mistake of ours", func(d *invoices.Draft) { d.Customer = "<no value>" }, `the plain text contains "<no value>"`},
		{"too many invoices for one mail", func(d *invoices.Draft) { *d = many(5001) }, "it is about more than 5000 invoices"},
		{"a sum beyond counting", func(d *invoices.Draft) { *d = many(2); d.Lines[0].Open.Minor = math.MaxInt64 }, "the total in EUR is too large"},
	} {
		d := Samples("firm", "en")[0].Draft
		c.change(&d)
		text, err := load(t).Write(d)
		if err == nil || !strings.Contains(err.Error(), c.want) || !cmp.Equal(text, invoices.Text{}) {
			t.Errorf("%s: %v, want %q", c.sentence, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "://") || strings.Contains(err.Error(), "Example Trading")) {
			t.Errorf("%s: the error tells an address or a name (R25): %v", c.sentence, err)
		}
	}
}

// many returns a draft of so many invoices of one euro.
func many(n int) invoices.Draft {
	d := Samples("firm", "en")[0].Draft
	d.Lines = nil
	for i := range n {
		d.Lines = append(d.Lines, sampleLine(i+1, 100, "EUR", 14))
	}
	d.Totals = []money.Amount{{Minor: int64(100 * n), Currency: "EUR"}}
	return d
}

func TestALetterOfAHundredInvoicesIsWritten(t *testing.T) {
	text := write(t, load(t), many(100))
	if !strings.Contains(text.Subject, "and 97 more, €100.00 in total") && !strings.Contains(text.Subject, "and 96 more, €100.00 in total") {
		t.Errorf("subject %q", text.Subject)
	}
}

func TestDemonstrationsMayPayOnThisMachine(t *testing.T) {
	for _, u := range []string{"http://127.0.0.1:8081/pay/1", "http://localhost/pay/1", "http://[::1]:80/pay/1"} {
		d := Samples("firm", "en")[0].Draft
		d.Lines[0].URL = u
		write(t, load(t), d)
	}
}

func TestR22_NamesCannotBecomeMarkupHeadersOrLinks(t *testing.T) {
	d := Samples("request", "en")[0].Draft
	d.Customer = "Evil</td><script>x</script>\r\nBcc: all@example.org\u202e {{.Sender.Email}} https://example.org/"
	d.Lines[0].Number = "A\r\nSubject: hello\x00\x1b[31m"
	d.Lines[0].Description = "hxxp ftp:////https://https://example.org \\\\ http:\\\\example.org \u2066left\u2069"
	text := write(t, load(t), d)
	if strings.ContainsAny(text.Subject, "\r\n\x00\x1b") || !strings.Contains(text.Subject, "A Subject: hello[31m") {
		t.Errorf("subject %q", text.Subject)
	}
	if strings.Contains(text.HTML, "<script") || !strings.Contains(text.HTML, "&lt;script&gt;") {
		t.Error("the HTML is not escaped")
	}
	for _, s := range []string{text.Subject, text.Plain, text.HTML} {
		for _, r := range s {
			if r != '\n' && invisible(r) {
				t.Errorf("%U came through", r)
			}
		}
	}
	if !strings.Contains(text.Plain, "{{.Sender.Email}}") {
		t.Error("a name was taken for a template")
	}
	if n := strings.Count(text.Plain, "://"); n != 1 {
		t.Errorf("%d addresses in the text, want the payment link alone:\n%s", n, text.Plain)
	}
}

func TestTheZoneOfALinkIsMeant(t *testing.T) {
	at := time.Date(2026, time.April, 1, 12, 34, 59, 0, time.UTC)
	for _, c := range []struct {
		sentence, lang string
		zone           *time.Location
		want           string
	}{
		{"a city in words of the reader", "de", time.FixedZone("Europe/Vienna", 7200), "1. April 2026, 14:34 Uhr (Ortszeit Wien)"},
		{"a city with a space", "en", time.FixedZone("America/Argentina/Buenos_Aires", -10800), "1 April 2026, 09:34 (time in Buenos Aires)"},
		{"a zone that is no place", "nl", time.FixedZone("Etc/GMT+5", -18000), "1 april 2026 om 07.34 uur (UTC-05:00)"},
		{"UTC", "en", time.UTC, "1 April 2026, 12:34 (UTC)"},
		{"the date changes with the zone", "en", time.FixedZone("Pacific/Kiritimati", 14*3600), "2 April 2026, 02:34 (time in Kiritimati)"},
	} {
		d := Samples("firm", c.lang)[0].Draft
		d.Zone, d.Lines[0].Until = c.zone, at
		if text := strings.ReplaceAll(write(t, load(t), d).Plain, "\n", " "); !strings.Contains(text, c.want) {
			t.Errorf("%s: no %q in %s", c.sentence, c.want, text)
		}
	}
}

func TestPlainTextBreaksAtSpacesAndNeverInAnAddress(t *testing.T) {
	d := Samples("firm", "en")[0].Draft
	d.Lines[0].URL = "https://pay.example.com/" + strings.Repeat("a", 1500)
	for line := range strings.Lines(write(t, load(t), d).Plain) {
		if n := utf8.RuneCountInString(line); n > lineWidth+1 && strings.Contains(line, " ") {
			t.Errorf("a line of %d characters: %q", n, line)
		}
	}
}

func TestManyMayWriteAtOnce(t *testing.T) {
	s := load(t)
	want := write(t, s, Samples("final", "de")[1].Draft)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 10 {
				if got, err := s.Write(Samples("final", "de")[1].Draft); err != nil || !cmp.Equal(got, want) {
					t.Errorf("%v: another letter", err)
				}
			}
		})
	}
	wait.Wait()
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "Acme", "a\r\nb", "\u202eevil", "https://https://x", ":///://", "\xff\xfe", "http:\\\\x", strings.Repeat("x", 100), "a:/ /b", "\u00a0 x", "=?utf-8?q?x?=", "==??", "=\u200b?"} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 1 + int(uint(most)%300)
		got := clean(s, most)
		if n := utf8.RuneCountInString(got); n > most {
			t.Errorf("%d characters, at most %d", n, most)
		}
		if !utf8.ValidString(got) || strings.Contains(got, "://") || strings.Contains(got, "=?") || strings.ContainsAny(got, "\r\n") || strings.TrimSpace(got) != got {
			t.Errorf("%q", got)
		}
		for _, r := range got {
			if invisible(r) {
				t.Errorf("%U in %q", r, got)
			}
		}
		if again := clean(got, most); again != got {
			t.Errorf("cleaned again: %q, before: %q", again, got)
		}
	})
}

// FuzzWrite: whatever the fields hold, a letter is either refused or shows
// what it must and nothing that it must not.
func FuzzWrite(f *testing.F) {
	f.Add("Acme", "INV-1", "Chairs", "NL", int64(100), "EUR", "/1?a=b&c=d", "en", byte(0))
	f.Add("<b>", "1", "<no value>", "%!s(", int64(math.MaxInt64), "JPY", "/'\"", "nl", byte(7))
	f.Add("\u202e", "€1.00", "https://x ZgotmplZ", "", int64(1), "KWD", "/%zz", "de-AT", byte(3))
	f.Add("a\r\nb", "", "", "\x00", int64(-1), "???", "", "", byte(255))
	f.Add("שלום 12", "א-1 3", strings.Repeat("שלום ", 60), "", int64(5), "EUR", "/", "de", byte(4))
	f.Fuzz(func(t *testing.T, customer, number, description, country string, minor int64, currency, path, lang string, pick byte) {
		name := all[int(pick)%len(all)]
		d := Samples(name, lang)[int(pick)%2].Draft
		d.Customer, d.Country = customer, country
		d.Lines = slices.Clone(d.Lines)
		line := &d.Lines[0]
		line.Number, line.Description, line.URL = number, description, "https://pay.example.com"+path
		line.Open = money.Amount{Minor: minor, Currency: currency}
		d.Totals = sums(d.Lines)
		text, err := load(t).Write(d)
		if err != nil {
			return
		}
		if strings.ContainsAny(text.Subject, "\r\n") || text.Subject == "" || utf8.RuneCountInString(text.Subject) > maxSubject {
			t.Errorf("subject %q", text.Subject)
		}
		if !slices.Contains(strings.Split(text.Plain, "\n"), line.URL) {
			t.Errorf("the address %q does not stand alone in\n%s", line.URL, text.Plain)
		}
		if n := strings.Count(text.Plain, "://"); n != len(d.Lines) {
			t.Errorf("%d addresses for %d invoices in\n%s", n, len(d.Lines), text.Plain)
		}
		if n := strings.Count(strings.ToLower(text.HTML), "<a "); n != 2*len(d.Lines) {
			t.Errorf("%d links for %d invoices in\n%s", n, len(d.Lines), text.HTML)
		}
		for _, r := range unisolated(text.Subject + text.Plain + text.HTML) {
			if r != '\n' && invisible(r) {
				t.Errorf("%U came through", r)
			}
		}
		for part, s := range map[string]string{"subject": text.Subject, "plain text": text.Plain, "HTML": text.HTML} {
			if !balanced(s) {
				t.Errorf("in the %s a reading direction goes on: %q", part, s)
			}
		}
	})
}

// BenchmarkWrite writes letters, and fills in the same templates with nothing
// before, between or after.
func BenchmarkWrite(b *testing.B) {
	s := load(b)
	for _, sample := range Samples("firm", "nl")[:2] {
		b.Run(sample.Title, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Write(sample.Draft); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(sample.Title+", bare", func(b *testing.B) {
			view, err := s.view("nl", sample.Draft)
			if err != nil {
				b.Fatal(err)
			}
			l := s.letters[key{"nl", "firm"}]
			b.ReportAllocs()
			for b.Loop() {
				var subject, plain, markup bytes.Buffer
				if err := errors.Join(
					l.text.ExecuteTemplate(&subject, "subject", view),
					l.text.ExecuteTemplate(&plain, "layout", view),
					l.html.ExecuteTemplate(&markup, "layout", view),
				); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
