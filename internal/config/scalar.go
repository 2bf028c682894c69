package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// A scalar is the text of a setting, after ${NAME} and ${file:PATH} were put
// in. Whatever a reference stands for may be secret, so messages show the text
// as it is written.
type scalar struct {
	node
	text    string
	written string // before references were put in
	ok      bool   // false: absent, or a mistake was noted already
}

// longest is more characters than any setting has.
const longest = 2000

// scalar reads a single value.
func (n node) scalar() scalar {
	if !n.there() {
		return scalar{node: n}
	}
	v, single := n.n.(ast.ScalarNode)
	if !single {
		n.wrong("this must be a single value, %s", found(n.n))
		return scalar{node: n}
	}
	raw := scalarText(v)
	if v, block := n.n.(*ast.LiteralNode); block {
		raw = strings.TrimSpace(v.Value.Value)
	}
	text, ok := n.expand(raw)
	switch {
	case !ok:
		return scalar{node: n}
	case len(text) > longest:
		n.wrong("this is longer than %d characters; no setting is", longest)
		return scalar{node: n}
	case strings.ContainsFunc(text, unicode.IsControl):
		n.wrong("there is a line break or another control character in this value; write it on one line")
		return scalar{node: n}
	case strings.ContainsFunc(raw, unwelcome): // written as an escape; what is written out was refused before
		n.wrong("there is a character in this value that does not show; leave it out")
		return scalar{node: n}
	}
	return scalar{n, text, raw, true}
}

// quoted returns the value for a message: as it is written, not what
// references stand for, and no more than fits a line.
func (s scalar) quoted() string {
	text := s.written
	if at := suspicious.FindStringIndex(text); at != nil {
		text = text[:at[0]] + "***"
	}
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "..."
	}
	return strconv.Quote(text)
}

// suspicious is a value that swallowed another setting, maybe a secret one.
var suspicious = regexp.MustCompile(`(?i)[\w-]*(key|pass|pwd|secret|token|credential)[\w-]*\W|://.*@`)

// refuse notes that the value is not what the setting takes.
func (s scalar) refuse(format string, args ...any) {
	s.wrong("%s %s", s.quoted(), fmt.Sprintf(format, args...))
}

// reject notes what another package said about the value. If a reference is in
// it, the words are left out, for they may repeat what it stands for.
func (s scalar) reject(err error, example string) {
	if s.text != s.written || suspicious.MatchString(s.text) {
		s.refuse("stands for something that does not fit here; write it like %s", example)
		return
	}
	s.wrong("%v", err)
}

// text reads a value that may be anything.
func (n node) text() string {
	n.shape.takes("type", "string")
	s := n.scalar()
	n.is(s.text)
	return s.text
}

// integer reads a whole number from low to high.
func (n node) integer(low, high, otherwise int) int {
	n.shape.takes(orReference("type", "integer", "minimum", low, "maximum", high), "default", otherwise)
	v := otherwise
	if s := n.scalar(); s.ok {
		given, err := strconv.Atoi(s.text)
		if err != nil || given < low || given > high {
			s.refuse("is not a whole number from %d to %d", low, high)
		} else {
			v = given
		}
	}
	n.is(strconv.Itoa(v))
	return v
}

// rate reads a number that may have a decimal point. It is never money.
func (n node) rate(low, high, otherwise float64) float64 {
	n.shape.takes(orReference("type", "number", "minimum", low, "maximum", high), "default", otherwise)
	v := otherwise
	if s := n.scalar(); s.ok {
		given, err := strconv.ParseFloat(s.text, 64)
		if err != nil || given < low || given > high || given != given {
			s.refuse("is not a number from %g to %g", low, high)
		} else {
			v = given
		}
	}
	n.is(strconv.FormatFloat(v, 'g', -1, 64))
	return v
}

// word reads one of some words.
func (n node) word(otherwise string, words ...string) string {
	n.shape.takesWord(otherwise, words)
	v := otherwise
	if s := n.scalar(); s.ok {
		if slices.Contains(words, s.text) {
			v = s.text
		} else {
			s.refuse("is not known here; write %s%s", alternatives(words), didYouMean(s, words))
		}
	}
	n.is(v)
	return v
}

// didYouMean names the word that a value is close to, unless saying so would
// tell what a reference stands for.
func didYouMean(s scalar, words []string) string {
	if near := nearest(s.text, words); near != "" && s.text == s.written {
		return "; did you mean " + strconv.Quote(near) + "?"
	}
	return ""
}

// alternatives lists words as a choice.
func alternatives(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// name reads the name that people give to something. It is written out, because
// messages repeat it.
func (n node) name() string {
	n.shape.takes("type", "string", "pattern", nameForm.String())
	s := n.scalar()
	if s.text != s.written {
		s.refuse("stands for something else, and a name does not; write the name itself")
		return ""
	}
	if s.ok && !nameForm.MatchString(s.text) {
		s.refuse("is not a name; use small letters, digits, - and _, a letter first, at most 40 in all")
		return ""
	}
	n.is(s.text)
	return s.text
}
