package config

import (
	"net/url"
	"regexp"
	"strings"
)

// reference is ${NAME} or ${file:PATH}.
var reference = regexp.MustCompile(`\$\{([^{}]*)\}`)

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand puts in what the references of a value stand for. That is done in
// single values after parsing, so that a secret can never become a setting, and
// once: what is put in is not read again.
func (n node) expand(raw string) (string, bool) {
	return n.expandWith(raw, func(_ int, v string) string { return v })
}

// expandAddress is expand for a URL that holds a password: what stands for the
// user or the password is escaped as RFC 3986 asks, so that it may be written
// as it is.
func (n node) expandAddress(raw string) (string, bool) {
	begin := strings.Index(raw, "://")
	end := strings.LastIndexByte(reference.ReplaceAllStringFunc(raw, func(ref string) string { return strings.Repeat("x", len(ref)) }), '@')
	return n.expandWith(raw, func(at int, v string) string {
		if begin >= 0 && at > begin && at < end {
			return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		return v
	})
}

func (n node) expandWith(raw string, treat func(at int, value string) string) (string, bool) {
	if strings.Contains(reference.ReplaceAllString(raw, ""), "${") {
		n.wrong("a ${ is not closed; write it like ${NAME} or ${file:PATH}")
		return "", false
	}
	var b strings.Builder
	from, good := 0, true
	for _, m := range reference.FindAllStringSubmatchIndex(raw, -1) {
		value, ok := n.resolve(raw[m[2]:m[3]])
		b.WriteString(raw[from:m[0]])
		b.WriteString(treat(m[0], value))
		from, good = m[1], good && ok
	}
	b.WriteString(raw[from:])
	return b.String(), good
}

// resolve returns what the inside of a reference stands for. Its value is in no
// message.
func (n node) resolve(inside string) (string, bool) {
	path, isFile := strings.CutPrefix(inside, "file:")
	if isFile {
		return n.content(strings.TrimSpace(path))
	}
	if !variableForm.MatchString(inside) {
		n.wrong("${%s} is no reference; write ${NAME} for a variable of the environment, or ${file:PATH}", outline(inside))
		return "", false
	}
	value, set := n.r.env(inside)
	switch {
	case !set:
		n.wrong("the environment has no %s; set it before you start dunning, or write ${file:PATH}", inside)
		return "", false
	case value == "":
		n.wrong("the variable %s of the environment is empty; set it before you start dunning", inside)
		return "", false
	}
	return value, true
}

// content returns what is in a file, without line breaks at its end.
func (n node) content(path string) (string, bool) {
	if path == "" {
		n.wrong("${file:} names no file; write it like ${file:secrets/api_key}")
		return "", false
	}
	b, err := n.r.readFile(path)
	if err != nil {
		n.wrong("the file %q cannot be read; a path is taken from the folder of this configuration", path)
		return "", false
	}
	text := strings.TrimRight(string(b), "\r\n")
	switch {
	case text == "":
		n.wrong("the file %q is empty", path)
		return "", false
	case len(text) > longest:
		n.wrong("the file %q is longer than %d characters; no secret is", path, longest)
		return "", false
	}
	return text, true
}
