package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Whatever the text is, the answer is a configuration or mistakes with places,
// and no secret is told.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/right/*.yaml", "testdata/wrong/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(strings.ReplaceAll(string(text), "canary", "c4n4ry"))
		}
	}
	f.Add(Example)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "canary") {
			return // it tells by itself
		}
		lines := strings.Count(text, "\n") + 1
		c, err := Parse("config.yaml", []byte(text), environment, files)
		if err == nil {
			if c.Hash() == "" || c.Zone == nil || c.Policies.ByName["standard"] == nil || len(c.CostPlus.PaymentHosts) == 0 || c.CostPlus.APIKey.Reveal() == "" {
				t.Fatalf("an incomplete configuration: %+v", c)
			}
			for _, p := range c.Policies.ByName {
				if len(p.Steps) == 0 || len(p.Currencies) == 0 || p.Calendar == nil || p.Key.Own == "" {
					t.Fatalf("an incomplete policy: %+v", p)
				}
			}
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || c != nil || len(problems) == 0 {
			t.Fatalf("got %v and %v", c, err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.What == "" {
				t.Errorf("a mistake without a place: %+v", p)
			}
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("a secret is told:\n%v", err)
		}
		sober(t, "a fuzzed file", err)
	})
}

// A file that is no configuration is refused soon, however it is made.
func TestHugeFilesAreRefusedSoon(t *testing.T) {
	const size = maxSize - 100
	fill := func(head, body string) string {
		return head + strings.Repeat(body, (size-len(head))/len(body))
	}
	texts := map[string]string{}
	for name, text := range map[string]string{
		"one byte too many": strings.Repeat("#", maxSize+1),
		"brackets":          fill("a: ", "["),
		"braces":            fill("a: ", "{a: "),
		"pairs of brackets": fill("a: [", "[],"),
		"dashes":            fill("", "- "),
		"questions":         fill("", "? "),
		"anchors":           fill("a: ", "&a "),
		"tags":              fill("a: ", "!a "),
		"keys in a line":    fill("", "a: "),
		"lines":             fill("", "a: 1\n"),
		"a long key":        fill("", "a"),
		"quotes":            fill("a: ", `"`),
		"references":        fill("smtp: ", "${A"),
		"closed references": fill("smtp: ", "${A}"),
		"spaces":            fill("a:", " "),
		"colons":            fill("a", ":"),
		"documents":         fill("", "---\n"),
		"unknown settings":  fill("", "abcdefgh: ijkl\n"),
		"block scalar":      fill("a: |\n", "  x\n"),
	} {
		for _, every := range []int{0, 50, 1000} { // characters after which a line ends
			broken := text
			if every > 0 {
				broken = wrap(text, every)
			}
			texts[name+" "+strconv.Itoa(every)] = broken
		}
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if _, err := Parse("config.yaml", []byte(text), environment, files); err == nil {
				t.Error("it was accepted")
			} else if len(err.Error()) > 64<<20 {
				t.Errorf("%d bytes of messages", len(err.Error()))
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// wrap breaks a text into lines.
func wrap(text string, every int) string {
	var b strings.Builder
	for len(text) > every {
		b.WriteString(text[:every] + "\n  ")
		text = text[every:]
	}
	return (b.String() + text)[:min(maxSize, b.Len()+len(text))]
}
