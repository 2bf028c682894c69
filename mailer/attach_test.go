package mailer

import (
	"bytes"
	"strings"
	"testing"

	"dunning/invoices"
)

// carrying returns a letter with files.
func carrying(files ...invoices.File) invoices.Letter {
	l := aLetter("7f3a9c")
	l.Files = files
	return l
}

var (
	terms = invoices.File{Name: "terms.pdf", Type: "application/pdf", Body: []byte("%PDF-1.4\r\n.\r\n\x00\xff")}
	table = invoices.File{Name: "facturen-2026-03-02.csv", Type: "text/csv; charset=utf-8", Body: bytes.Repeat([]byte("\"é\",\"1.00\"\r\n"), 4000)}
)

func TestWhatIsAttachedArrives(t *testing.T) {
	p := newPool(t, options())
	a, b := composed(t, p, carrying(terms, table)), composed(t, p, carrying(terms, table))
	if !bytes.Equal(a.Raw, b.Raw) {
		t.Error("the same letter has other bytes")
	}
	if n := bytes.Count(a.Raw, []byte(boundary("7f3a9c")+"-0")); n != 5 {
		t.Errorf("the outer boundary stands %d times, want once announced and around three parts", n)
	}
	if err := checkBytes(a.Raw); err != nil {
		t.Error(err)
	}
	text := invoices.File{Name: "x.txt", Type: "text/plain", Body: []byte("boundary=0123456789012345678901234567890123456789\r\nnot one\r\n")}
	l := carrying(text)
	l.Plain += "boundary=0123456789012345678901234567890123456789\n"
	composed(t, p, l) // what looks like a boundary in a text or a file is none
}

func TestR22_WhatMayNotBeAttached(t *testing.T) {
	p := newPool(t, options())
	for _, row := range []struct {
		sentence string
		files    []invoices.File
		want     string
	}{
		{"a name with a line break", []invoices.File{{Name: "a.pdf\r\nBcc: x@y.example", Type: "application/pdf", Body: []byte("x")}}, "whose name"},
		{"a name with a quote", []invoices.File{{Name: `a".pdf`, Type: "application/pdf", Body: []byte("x")}}, "whose name"},
		{"a path", []invoices.File{{Name: "../a.pdf", Type: "application/pdf", Body: []byte("x")}}, "whose name"},
		{"a turned name", []invoices.File{{Name: "fdp\u202egnp.exe", Type: "application/pdf", Body: []byte("x")}}, "whose name"},
		{"no name", []invoices.File{{Type: "application/pdf", Body: []byte("x")}}, "whose name"},
		{"one name twice", []invoices.File{terms, {Name: "Terms.PDF", Type: "application/pdf", Body: []byte("x")}}, "two files"},
		{"no media type", []invoices.File{{Name: "a.pdf", Type: "pdf", Body: []byte("x")}}, "no media type"},
		{"a media type with a header behind it", []invoices.File{{Name: "a.pdf", Type: "application/pdf\r\nX: y", Body: []byte("x")}}, "no media type"},
		{"nothing in it", []invoices.File{{Name: "a.pdf", Type: "application/pdf"}}, "nothing in it"},
		{"too much", []invoices.File{{Name: "a.pdf", Type: "application/pdf", Body: make([]byte, mostAttached+1)}}, "bytes are attached"},
	} {
		_, err := p.Compose(carrying(row.files...))
		if invoices.KindOf(err) != invoices.Never || err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.sentence, err)
		}
	}
	spoil := map[string]func([]byte) ([]byte, error){
		"another byte in it": func(raw []byte) ([]byte, error) {
			return bytes.Replace(raw, []byte("JVBERi"), []byte("JVBERj"), 1), nil
		},
		"another name": func(raw []byte) ([]byte, error) {
			return bytes.ReplaceAll(raw, []byte("terms.pdf"), []byte("other.pdf")), nil
		},
		"a file less than there was": func(raw []byte) ([]byte, error) {
			i := bytes.LastIndex(raw, []byte("--"+boundary("7f3a9c")+"-0\r\n"))
			end := []byte("--" + boundary("7f3a9c") + "-0--\r\n")
			return append(raw[:i:i], end...), nil
		},
	}
	for sentence, sign := range spoil {
		p := newPool(t, options())
		p.sign = sign
		if _, err := p.Compose(carrying(terms)); err == nil {
			t.Errorf("%s, and the gate let it pass", sentence)
		}
	}
}

func TestEachStepHasItsSender(t *testing.T) {
	p := newPool(t, options())
	l := aLetter("7f3a9c")
	l.From, l.ReplyTo = `"Legal & Co" <legal@example.com>`, "court@example.com"
	raw := string(composed(t, p, l).Raw)
	for _, want := range []string{"From: \"Legal & Co\" <legal@example.com>\r\n", "Reply-To: <court@example.com>\r\n"} {
		if !strings.Contains(raw, want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, from := range []string{"Legal", "a@example.com, b@example.com", "x\r\nBcc: y@example.com"} {
		l.From = from
		if _, err := p.Compose(l); invoices.KindOf(err) != invoices.Never || err == nil {
			t.Errorf("%q wrote a letter", from)
		}
	}
	signed := newPool(t, signing())
	l.From = "legal@elsewhere.example"
	if _, err := signed.Compose(l); err == nil || !strings.Contains(err.Error(), "no DKIM key") {
		t.Errorf("a letter of a domain without a key was composed: %v", err)
	}
}
