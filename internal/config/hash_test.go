package config

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A span is where a scalar stands in a text, in bytes.
type span struct {
	from, to int
	path     string
}

// scalarsOf finds the values in a YAML text.
func scalarsOf(t *testing.T, text string) []span {
	t.Helper()
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(text, "\n")
	starts := []int{0}
	for _, l := range lines {
		starts = append(starts, starts[len(starts)-1]+len(l))
	}
	var spans []span
	var walk func(ast.Node, string)
	walk = func(n ast.Node, path string) {
		switch n := n.(type) {
		case *ast.MappingNode:
			for _, v := range n.Values {
				walk(v.Value, path+"."+keyName(v))
			}
		case *ast.SequenceNode:
			for _, v := range n.Values {
				walk(v, path+"[]")
			}
		case *ast.NullNode:
		case ast.ScalarNode:
			tok := n.GetToken()
			from := starts[tok.Position.Line-1]
			for range tok.Position.Column - 1 {
				_, size := utf8.DecodeRuneInString(text[from:])
				from += size
			}
			origin := strings.Trim(tok.Origin, " \n")
			if !strings.HasPrefix(text[from:], origin) {
				t.Fatalf("%s does not stand at %d:%d", origin, tok.Position.Line, tok.Position.Column)
			}
			spans = append(spans, span{from, from + len(origin), strings.TrimPrefix(path, ".")})
		}
	}
	walk(file.Docs[0].Body, "")
	return spans
}

// others are values that may stand in place of one that is there.
var others = map[string][]string{
	"test": {"live"}, "live": {"test"}, "EUR": {"SEK"}, "standard": {"gentle"}, "gentle": {"standard"},
}

var lastNumber = regexp.MustCompile(`\d+`)

// another returns values that differ from a text and may be as right as it.
func another(text string) []string {
	plain := strings.Trim(text, `"'`)
	list := append([]string{}, others[plain]...)
	for _, w := range [][]string{
		{"none", "name", "full"},
		{"starttls", "tls", "none"},
		{"en", "nl", "de"},
		{"hold", "resend"},
		{"ask", "send"},
		{"latest", "next"},
		{"changes", "full"},
		{"mail", "next_step", "leave"},
		{"invoice", "customer"},
		weekdays,
		builtIn,
		dateForms,
		{".", ","},
		{"Europe/Amsterdam", "Europe/Berlin"},
		{"on issue date", "1 day after issue date"},
		{"nl", "de"},
	} {
		for _, v := range w {
			if v == plain {
				list = append(list, w...)
			}
		}
	}
	if m := lastNumber.FindStringIndex(plain); m != nil {
		for _, digit := range []string{"1", "2", "4", "6", "29", "10", "2027"} {
			list = append(list, `"`+plain[:m[0]]+digit+plain[m[1]:]+`"`)
		}
	}
	list = append(list, `"`+strings.Replace(plain, "e", "a", 1)+`"`, `"`+plain+`x"`, `"x`+plain+`"`, `"`+plain+`/x"`, "x@example.com", "127.0.0.1:8081", "[]")
	return list
}

// Everything that the file says is in the hash, except secrets.
func TestHashChangesWithEveryValue(t *testing.T) {
	was := mustParse(t, Example).Hash()
	secret := map[string]bool{"database.url": true, "smtp.password": true}
	changed, free := 0, 0
	for _, place := range scalarsOf(t, Example) {
		old := Example[place.from:place.to]
		tried := false
		for _, v := range another(old) {
			if strings.Trim(v, `"`) == strings.Trim(old, `"`) {
				continue
			}
			c, err := Parse("/etc/dunning/config.yaml", []byte(Example[:place.from]+v+Example[place.to:]), environment, files)
			if err != nil {
				continue
			}
			tried = true
			if (c.Hash() == was) != secret[place.path] {
				t.Errorf("%s: %s in place of %s: changed the hash: %v", place.path, v, old, c.Hash() != was)
			}
		}
		if tried {
			changed++
		} else {
			free++
			t.Logf("%s: found nothing to put in place of %s", place.path, old)
		}
	}
	if changed < 5*free {
		t.Errorf("changed %d values and could not change %d", changed, free)
	}
}

func TestHashChangesWithTheKey(t *testing.T) {
	was := mustParse(t, Example)
	other := func(name string) (string, bool) {
		if name == "COSTPLUS_API_KEY" {
			return "another-key", true
		}
		return environment(name)
	}
	c, err := Parse("/etc/dunning/config.yaml", []byte(Example), other, files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Hash() == was.Hash() {
		t.Error("links of another key are not ours (R26), and the hash is the same")
	}
	if len(was.Hash()) != 64 {
		t.Errorf("got %s", was.Hash())
	}
}

func TestHashIgnoresWhatSaysNothing(t *testing.T) {
	was := mustParse(t, Example).Hash()
	for _, is := range []struct{ sentence, old, new string }{
		{"a comment is added", "database:", "# more\ndatabase:"},
		{"a default is left out", "  max_per_run: 5000\n", ""},
		{"two weeks are fourteen days", "max_lateness: 14 days", "max_lateness: 2 weeks"},
		{"six hundred seconds are ten minutes", "timeout: 10 minutes", "timeout: 600 seconds"},
		{"other quotes", `window: "08:00-17:00"`, `window: '08:00-17:00'`},
		{"another order of days", "[mon, tue, wed, thu, fri]\n  # Public", "[fri, tue, wed, thu, mon]\n  # Public"},
		{"a word that is the default is left out", "  on_uncertain: hold\n", ""},
		{"another order of settings", "{be: {}, de: {add: [2026-12-31], remove: []}}", "{de: {remove: [], add: [2026-12-31]}, be: {}}"},
	} {
		text := strings.Replace(Example, is.old, is.new, 1)
		if text == Example {
			t.Fatalf("%s: the example has no %q", is.sentence, is.old)
		}
		c, err := Parse("/etc/dunning/config.yaml", []byte(text), environment, files)
		switch {
		case err != nil:
			t.Errorf("%s: %v", is.sentence, err)
		case c.Hash() != was:
			t.Errorf("%s: the hash changed", is.sentence)
		}
	}
	// The folder in which the file lies decides nothing.
	c, err := Parse("/elsewhere/config.yaml", []byte(Example), environment, files)
	if err != nil || c.Hash() != was {
		t.Errorf("moving the file changed the hash: %v", err)
	}
}
