package costplus

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	longestWords    = 140 // characters quoted of what Cost+ says
	longestProperty = 60
	longestCleaned  = 4096 // bytes looked at
)

// readRefusal finds the words in the body of an error. Cost+ and the services
// in front of it use at least four forms:
//
//	{"error": {"status": 400, "type": …, "value": …, "property_path": …}}
//	{"error": "werkzeug.exceptions.Unauthorized", "message": …}
//	{"message": …} or {"detail": …}
//	a page of HTML, or plain text
func (c *Client) readRefusal(told veil, status int, body []byte) *Refusal {
	property, value := errorWords(body)
	if !fieldForm.MatchString(property) {
		property = ""
	}
	return &Refusal{
		Status:   status,
		Property: cut(c.clean(told.over(property)), longestProperty),
		Value:    cut(c.clean(told.over(value)), longestWords),
	}
}

// fieldForm is the name of a field of a request, such as customer.email_address
// or orders[0].amount.
var fieldForm = regexp.MustCompile(`^[a-z_]+(\[[0-9]+\])?([./][a-z_]+(\[[0-9]+\])?)*$`)

// A veil covers what we told Cost+ ourselves, and must not be read in what it
// says back, with stars. The zero veil covers nothing.
type veil struct{ texts []string }

// veiled returns a veil over texts. Those of fewer than four characters are not
// known by themselves from other words.
func veiled(texts ...string) veil {
	return veil{slices.DeleteFunc(texts, func(t string) bool { return utf8.RuneCountInString(t) < 4 })}
}

// over returns what Cost+ says with stars. Most answers say nothing, so what
// finds the texts is made only when there is something to be covered.
func (v veil) over(text string) string {
	if text == "" || len(v.texts) == 0 {
		return text
	}
	any := make([]string, len(v.texts))
	for i, t := range v.texts {
		any[i] = regexp.QuoteMeta(t)
	}
	return regexp.MustCompile(`(?i)`+strings.Join(any, "|")).ReplaceAllString(text, "***")
}

func errorWords(body []byte) (property, value string) {
	o, err := readObject(body)
	if err != nil {
		return "", pageWords(body)
	}
	var plain string
	if detail, err := readObject(o["error"]); err == nil {
		return detail.word("property_path"), first(detail.word("value"), detail.word("message"), detail.word("type"))
	} else if json.Unmarshal(o["error"], &plain) != nil {
		plain = ""
	}
	return "", first(o.word("message"), o.word("detail"), plain)
}

var titleOf = regexp.MustCompile(`(?is)<title[^>]*>([^<]*)`)

// pageWords returns the title of a page of HTML, or plain text as it is.
func pageWords(body []byte) string {
	if title := titleOf.FindSubmatch(body); title != nil {
		return html.UnescapeString(string(title[1]))
	}
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") {
		return "a page without a title"
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return "" // broken JSON says nothing to people
	}
	return text
}

func first(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}

var (
	// someLink is whatever has a // in it, begins with www., or is a path with
	// a long random part, with all that sticks to it.
	someLink    = regexp.MustCompile(`(?i)[^\s"'<>]*(//|\\/\\/|\bwww\.|(/|%2f)[^\s"'<>]*[a-z0-9_-]{20})[^\s"'<>]*`)
	someAddress = regexp.MustCompile(`(?i)[^\s<>(),;]*(@|%40)[^\s<>(),;]*`)
)

// clean makes words of Cost+ fit for a log: one line of printable characters,
// without the API key, links, e-mail addresses, and whatever has the name of a
// payment host in it.
func (c *Client) clean(text string) string {
	if text == "" {
		return ""
	}
	text = c.tidy(text)
	for _, h := range c.hosts {
		if len(text) >= len(h.name) {
			text = h.mentions.ReplaceAllString(text, "(link)")
		}
	}
	return text
}

// tidy is clean, but leaves names of hosts: for errors from before a connection
// was made, of which Cost+ has written nothing.
func (c *Client) tidy(text string) string {
	text = c.hideKey(text) // first, so that no cut leaves a part of it
	text = printable(text[:min(len(text), longestCleaned)])
	if strings.ContainsAny(text, "/%.") { // without one of them it holds no link, and regular expressions are slow
		text = someLink.ReplaceAllString(text, "(link)")
	}
	if strings.ContainsAny(text, "@%") {
		text = someAddress.ReplaceAllString(text, "(address)")
	}
	return text
}

// printable returns text on one line: whatever is not a printable character,
// be it a control, a line end or an order to write from right to left, becomes
// a space, and spaces are never doubled.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// cut shortens text to at most most characters.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:max(most-1, 0)])) + "…"
}
