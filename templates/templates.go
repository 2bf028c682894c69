// Package templates writes the letters: it turns a decided [invoices.Draft]
// into the subject, the HTML and the plain text that a customer reads.
//
// A letter is two files in the folder of its language. The plain one, such as
// en/firm.txt, defines "subject" and "message"; the HTML one, en/firm.html,
// defines "title" and "message". Around the message stands a layout that all
// languages share, layout.txt and layout.html, and phrases.tmpl of the language
// holds the words that both layouts and all letters use. Markup lives in the
// .html files alone; a phrase has none, so that both parts can say it.
//
// The letters are embedded in the program. A folder of one's own replaces
// single files of the same path, or adds letters; see [Options.Dir]. What a
// file may use is documented at [Letter] (variables and functions) and
// [Invoice].
//
// Nobody receives a letter that was not checked (R22). [Load] fills in every
// letter in every language with sample data that tries to break it, and
// reports all mistakes of all files at once, with their places. [Set.Write]
// then reads every finished letter again, as its reader will see it, and
// refuses it unless both parts show each invoice's number, open balance and
// payment link, and no other link.
//
// The letters that come with the program ask, remind and invite an answer. The
// last two say what interest and compensation the law allows, if the policy has
// it computed, and claim neither: it is part of no amount that is asked for.
// They announce no costs and no court. Who claims such things writes letters of their own, and mind that some
// countries prescribe the words (in the Netherlands article 6:96 of the Civil
// Code prescribes those of a claim to collection costs).
package templates

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"dunning/invoices"
)

// Options says which letters to load and in whose name they speak.
type Options struct {
	// Dir holds files that replace or add to the built-in ones: layout.html,
	// layout.txt, and <language>/<letter>.html, <language>/<letter>.txt and
	// <language>/phrases.tmpl. What it lacks stays as built in. Nil: none.
	Dir fs.FS
	// DirName is how messages call Dir, such as its path. Empty: "templates".
	DirName string

	Sender    Sender
	Names     []string // the letters that policies use; empty: every letter there is
	Languages []string // BCP 47 tags; empty: every language that is built in
	Default   string   // for customers whose language is none of Languages; empty: the first of Languages

	// Links are addresses that letters may mention besides the payment links,
	// such as the terms of payment. They are compared to the letter.
	Links []string
}

// A Sender is in whose name a letter speaks.
type Sender struct {
	Name    string
	Email   string   // where answers and questions go
	Phone   string   // may be empty
	Address []string // lines of the postal address; may be empty
}

// A Set holds checked letters. It never changes, and any number of goroutines
// may write with it.
type Set struct {
	sender    Sender
	links     []string
	names     []string
	languages []string
	fallback  string
	digest    string
	letters   map[key]*letter
}

// A key names one letter in one language.
type key struct{ language, name string }

// Load reads, checks and tries out every letter. Its error is [Problems]: all
// mistakes at once.
func Load(o Options) (*Set, error) {
	src, problems := gather(o.Dir, cmp.Or(o.DirName, "templates"))
	s := &Set{links: o.Links, letters: map[key]*letter{}}
	s.sender, problems = checkSender(o.Sender, problems)
	s.languages, s.fallback, problems = chooseLanguages(o, src, problems)
	s.names, problems = chooseNames(o.Names, src, problems)
	problems = append(problems, src.strays(s.names, s.languages)...)

	used := map[string]bool{}
	for _, lang := range s.languages {
		for _, name := range s.names {
			l, found := parseLetter(src, lang, name, used)
			problems = append(problems, found...)
			if l != nil {
				s.letters[key{lang, name}] = l
				problems = append(problems, s.try(src, lang, name)...)
			}
		}
	}
	s.digest = src.digest(used)
	if problems = problems.tidy(); len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

// Names returns the letters of the set, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Languages returns the languages of the set in the order they were given.
func (s *Set) Languages() []string { return slices.Clone(s.languages) }

// Digest returns the SHA-256 of all files the set was made from, hexadecimal.
// It goes into the event log: it says which wording a customer got (R25).
func (s *Set) Digest() string { return s.digest }

// Write says a draft in words. All of it is in one language: the customer's if
// the set has it, else the default. An error means that the letter must not be
// sent; it names invoices by number and never holds an address or a payment
// URL (R25).
func (s *Set) Write(d invoices.Draft) (invoices.Text, error) {
	lang := s.pick(d.Language)
	l := s.letters[key{lang, d.Template}]
	if l == nil {
		return invoices.Text{}, fmt.Errorf("there is no letter %q; there are: %s", clean(d.Template, 64), strings.Join(s.names, ", "))
	}
	view, err := s.view(lang, d)
	if err != nil {
		return invoices.Text{}, fmt.Errorf("letter %s in %s: %w", d.Template, lang, err)
	}
	text, err := l.render(view)
	if err != nil {
		return invoices.Text{}, fmt.Errorf("letter %s in %s: %w", d.Template, lang, err)
	}
	if found := newGate(view, s.links).read(text); len(found) > 0 {
		return invoices.Text{}, fmt.Errorf("letter %s in %s is not fit to be sent: %s", d.Template, lang, summary(found))
	}
	return text, nil
}

// pick returns the one language a letter is written in.
func (s *Set) pick(asked string) string {
	tag := normal(asked)
	if slices.Contains(s.languages, tag) {
		return tag
	}
	for _, lang := range s.languages {
		if base(lang) == base(tag) {
			return lang
		}
	}
	return s.fallback
}

// normal writes a language tag as the folders do: nl_BE is nl-be.
func normal(tag string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(tag)), "_", "-")
}

// base returns the language of a tag without its region: nl-be is nl.
func base(tag string) string {
	lang, _, _ := strings.Cut(normal(tag), "-")
	return lang
}

// try fills in one letter with every sample and says what went wrong, each
// thing once.
func (s *Set) try(src sources, lang, name string) Problems {
	var problems Problems
	said := map[string]bool{}
	l := s.letters[key{lang, name}]
	for _, sample := range Samples(name, lang) {
		view, err := s.view(lang, sample.Draft)
		if err != nil {
			panic("templates: sample " + sample.Title + ": " + err.Error()) // our own sample is wrong
		}
		text, err := l.render(view)
		if err != nil {
			if p := src.problem(err, "filling in "+sample.Title); !said[p.What] {
				said[p.What] = true
				if p.File == "" { // html/template knows no place for what is never closed
					in := markup
					if e, ok := errors.AsType[*excess](err); ok {
						in = e.part
					}
					file, _ := src.find(lang, name+in.file())
					p.File = src.display(file)
				}
				problems = append(problems, p)
			}
			continue
		}
		for _, f := range newGate(view, s.links).read(text) {
			if !said[f.what] {
				said[f.what] = true
				file, _ := src.find(lang, name+f.part.file())
				problems = append(problems, &Problem{File: src.display(file), What: f.String(), Fix: "seen with " + sample.Title})
			}
		}
	}
	return problems
}

// summary says in one line what is wrong with a letter, at most the first few
// things of many.
func summary(found []finding) string {
	const most = 5
	var b strings.Builder
	for i, f := range found {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(found)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// digest sums up the files that were used, by path and content.
func (src sources) digest(used map[string]bool) string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(h, "%q %d\n%s", path, len(src.files[path].text), src.files[path].text)
	}
	return hex.EncodeToString(h.Sum(nil))
}
