package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestR24_LargeFilesAreReadSoon gives the parser the most of everything that a
// file within the bounds can hold, right and wrong. On a machine that does
// nothing else the slowest takes half a second; the bound is for those that do
// much else, under the race detector.
func TestR24_LargeFilesAreReadSoon(t *testing.T) {
	many := func(head string, each func(i int) string) string {
		var b strings.Builder
		b.WriteString(head)
		for i, lines := 0, strings.Count(head, "\n"); b.Len() < maxSize-maxLine && lines < maxLines-10; i++ {
			piece := each(i)
			lines += strings.Count(piece, "\n")
			b.WriteString(piece)
		}
		return b.String()
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	numbered := func(format string) func(int) string {
		return func(i int) string { return strings.ReplaceAll(format, "%d", fmt.Sprint(i)) }
	}
	for name, text := range map[string]string{
		"different names":        many("", numbered("key%d: value\n")),
		"settings in settings":   many("", numbered("key%d:\n  a: value\n")),
		"a staircase of names":   many("", func(i int) string { return strings.Repeat(" ", min(i, 700)) + "a:\n" }),
		"a text over many lines": many("a: b\n", same("  c d e f g h i j k l m n\n")),
		"one in quotes":          many("a: \"b\n", same("  c d e f g h i j k l m n\n")) + "\"\n",
		"one folded":             many("a: >\n", same("  c d e f g h i j k l m n\n")),
		"a list in brackets":     many("a: [\n", same("  1, 2, 3, 4, 5,\n")) + "]\n",
		"names in braces":        many("a: {\n", numbered("  k%d: 1,\n")) + "}\n",
		"secrets in a line":      many("a: {\n", same(strings.Repeat("key: 1, ", 600)+"\n")) + "}\n",
		"secrets over lines":     many("", numbered("key%d: \"x\n  y\"\n")),
		"a billion laughs":       many("a0: &a0 [x]\n", func(i int) string { return fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i) }),
		"aliases":                many("", numbered("b%d: *a\n")),
		"merges":                 many("a: &a {x: 1}\n", numbered("b%d:\n  <<: *a\n")),
		"policies":               many("policies:\n", numbered("  p%d: {steps: [{name: a, when: on due date, template: firm}]}\n")),
		"steps after steps": many("policies:\n  standard:\n    steps:\n      - {name: s0, when: on due date, template: firm}\n", func(i int) string {
			return fmt.Sprintf("      - {name: s%d, when: 1 day after s%d, template: firm, requires_sent: [s%d]}\n", i+1, i, i)
		}),
		"rules of stars":             many("policy_rules:\n", same("  - {when: {account: \""+strings.Repeat("*a", 900)+"\"}, policy: standard}\n")),
		"holidays":                   many("sending:\n  holidays:\n    add:\n", func(i int) string { return fmt.Sprintf("      - 20%02d-%02d-%02d\n", i/336%99, i/28%12+1, i%28+1) }),
		"references":                 many("smtp:\n  host: \"", same(strings.Repeat("${HOST}", 600)+"\n    ")) + "\"\n",
		"a right file, and comments": many(Example, same("# a comment of some length\n")),
	} {
		t.Run(name, func(t *testing.T) {
			if len(text) > maxSize || strings.Count(text, "\n") > maxLines {
				t.Fatalf("%d bytes and %d lines are refused at once", len(text), strings.Count(text, "\n"))
			}
			began := time.Now()
			_, err := Parse("config.yaml", []byte(text), environment, files)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if (err == nil) != strings.HasPrefix(name, "a right file") {
				t.Errorf("%.300v", err)
			}
			if err != nil && len(err.Error()) > 200<<10 {
				t.Errorf("%d bytes of messages", len(err.Error()))
			}
		})
	}
}

// TestR24_WhatIsNotUsedIsRefused: of YAML a configuration needs names, values
// and lists. The rest makes a file read otherwise than it looks.
func TestR24_WhatIsNotUsedIsRefused(t *testing.T) {
	for _, row := range []struct{ sentence, text, want string }{
		{"an anchor", "a: &x 1", "c.yaml:1:4: & begins an anchor"},
		{"an alias", "a: *x", "* begins an alias"},
		{"a merge", "a: {<<: {b: 1}}", "<< is not used here"},
		{"a tag that makes another type", "a: !!int 1", "! begins a tag"},
		{"a tag of a program", "a: !!python/object/apply:os.system [x]", "! begins a tag"},
		{"a name in two parts", "? a\n: b", "? begins a key"},
		{"a second document", "a: 1\n---\nb: 2", "a second document begins here"},
		{"a directive", "%TAG ! tag:x,2026:\n---\na: 1", "c.yaml:"},
		{"a list instead of names", "- a\n- b", "this must be settings with names, not a list"},
		{"a single word", "hello", "this must be settings with names, not a single value"},
		{"nothing", "", "the file is empty"},
		{"nothing but comments", "# a\n# b\n", "the file is empty"},
		{"a name that is a list", "[a, b]: c", "c.yaml:1:"},
		{"a name that is empty", "\"\": c", "there is no setting of this name"},
		{"the same name twice", "workers: 1\nworkers: 2", "this is set twice, here and in line 1"},
		{"UTF-16", "\xff\xfea\x00:\x00", "this line is not UTF-8"},
		{"UTF-16 without a mark", "a\x00:\x00 \x001\x00", "there is a character here that does not show, U+0000"},
		{"a surrogate", "a: \xed\xa0\x80", "this line is not UTF-8"},
		{"a byte order mark in the middle", "a: \ufeff1", "c.yaml:1:4: there is a character here that does not show, U+FEFF"},
		{"a turned reading direction", "workers: \u202e21", "c.yaml:1:10: there is a character here that does not show, U+202E"},
		{"an isolate", "workers: 1 # \u2066", "U+2066"},
		{"a zero-width space in a name", "work\u200bers: 1", "c.yaml:1:5: there is a character here that does not show, U+200B"},
		{"a tag in a value", "mail: {from: x\U000e0041}", "U+E0041"},
		{"a control of eight bits", "a: \u009b31m", "U+009B"},
		{"the same as an escape in a value", `timezone: "Europe\u202e/Amsterdam"`, "timezone: there is a character in this value that does not show; leave it out"},
		{"an escape that ends a line", `timezone: "UTC\nx"`, "timezone: there is a line break or another control character in this value"},
		{"an escape in a name", `"work\e[31mers": 1`, "there is no setting of this name"},
	} {
		_, err := Parse("c.yaml", []byte(row.text), environment, files)
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.sentence, err, row.want)
		}
		sober(t, row.sentence, err)
	}
}

// sober checks that a message is fit for a terminal.
func sober(t *testing.T, sentence string, err error) {
	t.Helper()
	for _, r := range fmt.Sprint(err) {
		if r != '\n' && r != '\t' && unwelcome(r) {
			t.Errorf("%s: a message has %U in it: %q", sentence, r, err)
			return
		}
	}
}

// TestR24_MessagesDoNothingToATerminal: names, paths and lines are repeated so
// that they are seen, and not obeyed.
func TestR24_MessagesDoNothingToATerminal(t *testing.T) {
	for sentence, text := range map[string]string{
		"a name":               `"\e]0;owned\a": 1`,
		"a name with a bell":   `"smtp\x07": {}`,
		"a name with lines":    `"a\nb\r\u2028\u0085c": 1`,
		"a name that turns":    `"\u202etimezone": 1`,
		"a name in a section":  `smtp: {"\e[2J\u202e": 1}`,
		"a name of a policy":   `policies: {"\e[2J": {}}`,
		"a value":              `timezone: "\e[2J"`,
		"a word":               `costplus: {mode: "te\u202est"}`,
		"a policy in a rule":   `policy_rules: [{when: {account: "\e[1m"}, policy: "\u009b1m"}]`,
		"a file for a secret":  `costplus: {api_key: "${file:\e[2J\u202e}"}`,
		"a variable":           `costplus: {api_key: "${\e[2J}"}`,
		"a cron line":          `jobs: {import: "\e[2J * * * *"}`,
		"a date":               `sending: {start_from: "2026\e[2J"}`,
		"a currency":           `policies: {standard: {currencies: ["\e[2J"]}}`,
		"an amount":            `policies: {standard: {min_amount: {EUR: "\e[2J"}}}`,
		"a period":             `policies: {standard: {link: {expires_after: "P\e[2J"}}}`,
		"a column of a source": `sources: [{name: a, csv: "a", columns: {"\e[2J": "\u202e"}}]`,
		"an address":           `mail: {from: "\e[2J <a@b.example>"}`,
		"a host":               `smtp: {host: "a\e[2J.example"}`,
	} {
		_, err := Parse("\x1b[31mconfig\u202e.yaml", []byte(text+"\n"), environment, files)
		if err == nil {
			t.Fatalf("%s is accepted", sentence)
		}
		sober(t, sentence, err)
	}
}
