package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// However a configuration is printed, its secrets are not in it.
func TestSecretsAreNotPrinted(t *testing.T) {
	c := right(t, "factory")
	asJSON, err := json.Marshal([]any{c.Database, c.CostPlus, c.SMTP})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal([]any{c.Database, c.CostPlus, c.SMTP})
	if err != nil {
		t.Fatal(err)
	}
	prints := map[string]string{"JSON": string(asJSON), "YAML": string(asYAML), "hash": c.Hash()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		prints["value "+verb] = fmt.Sprintf(verb, *c)
		prints["secret "+verb] = fmt.Sprintf(verb, c.CostPlus.APIKey)
		prints["pointer "+verb] = fmt.Sprintf(verb, &c.SMTP.Password)
	}
	for how, text := range prints {
		for _, secret := range []string{"canary", fmt.Sprintf("%x", "canary"), fmt.Sprintf("%X", "canary"), "db%3Fpass"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows a secret: %s", how, text)
			}
		}
	}
	if got := fmt.Sprintf("%v %#v %v", c.CostPlus.APIKey, c.CostPlus.APIKey, Secret{}); got != "*** *** " {
		t.Errorf("a secret prints as %q", got)
	}
	if !strings.Contains(string(asJSON), `"***"`) || !strings.Contains(string(asYAML), "***") {
		t.Errorf("secrets are left out instead of hidden:\n%s\n%s", asJSON, asYAML)
	}
}

// Every setting in turn is made to stand for a secret: whatever is then wrong
// with it, no message repeats what a reference stands for, and no line shows
// what is written out under a name that sounds secret.
func TestSecretsAreInNoMessage(t *testing.T) {
	for _, name := range []string{"smallest", "demo", "factory"} {
		text := readRight(t, name)
		told := 0
		for _, place := range scalarsOf(t, text) {
			for _, value := range []string{`"${SMTP_PASSWORD}"`, `"${file:key.txt}"`, `"x${DB_PASSWORD}y"`, `"${LINES}"`, `"${file:long.txt}"`} {
				_, err := Parse("config.yaml", []byte(text[:place.from]+value+text[place.to:]), environment, files)
				if err == nil {
					continue
				}
				told++
				if strings.Contains(err.Error(), "canary") {
					t.Errorf("%s in place of %s: a secret is told:\n%v", value, text[place.from:place.to], err)
				}
			}
		}
		if told == 0 {
			t.Errorf("%s: nothing was ever wrong", name)
		}
	}
}

func TestReferences(t *testing.T) {
	for _, is := range []struct {
		sentence, value string
		want            string // of the password; empty: a mistake
	}{
		{"a variable is put in", `"${SMTP_PASSWORD}"`, canaries["SMTP_PASSWORD"]},
		{"a file is put in, without the line break at its end", `"${file:key.txt}"`, "canary-file-key"},
		{"a reference may be a part of the value", `"a${SMTP_PASSWORD}b"`, "a" + canaries["SMTP_PASSWORD"] + "b"},
		{"two are put in side by side", `"${COSTPLUS_API_KEY}${file:key.txt}"`, "canary-api-keycanary-file-key"},
		{"a dollar alone means itself", `"a$b"`, "a$b"},
		{"a name without braces means itself", `"$SMTP_PASSWORD"`, "$SMTP_PASSWORD"},
		{"an empty file is a mistake", `"${file:empty.txt}"`, ""},
		{"a file that is not there is a mistake", `"${file:none.txt}"`, ""},
		{"a file without a name is a mistake", `"${file:}"`, ""},
		{"a huge file is a mistake", `"${file:long.txt}"`, ""},
		{"an empty variable is a mistake", `"${EMPTY}"`, ""},
		{"a variable that is not set is a mistake", `"${NONE}"`, ""},
		{"a variable with a line break is a mistake", `"${LINES}"`, ""},
		{"a default, as in shells, is a mistake", `"${SMTP_PASSWORD:-secret}"`, ""},
		{"no name is a mistake", `"${}"`, ""},
		{"an open brace is a mistake", `"${SMTP_PASSWORD"`, ""},
	} {
		text := strings.Replace(readRight(t, "smallest"), "smtp: {host: localhost}", "smtp: {host: localhost, username: u, password: "+is.value+"}", 1)
		c, err := Parse("config.yaml", []byte(text), environment, files)
		switch {
		case err != nil && is.want != "":
			t.Errorf("%s: %v", is.sentence, err)
		case err == nil && c.SMTP.Password.Reveal() != is.want:
			t.Errorf("%s: got %q", is.sentence, c.SMTP.Password.Reveal())
		case err != nil && !strings.Contains(err.Error(), "smtp.password: "):
			t.Errorf("%s: the message does not name the setting: %v", is.sentence, err)
		}
	}
}

// What a reference stands for never becomes structure.
func TestReferencesAreNoYAML(t *testing.T) {
	env := func(string) (string, bool) { return `x", host: "evil.example.com`, true }
	text := strings.Replace(readRight(t, "smallest"), "smtp: {host: localhost}", `smtp: {host: localhost, username: u, password: "${P}"}`, 1)
	text = strings.Replace(text, "${COSTPLUS_API_KEY}", "key", 1)
	c, err := Parse("config.yaml", []byte(text), env, files)
	if err != nil {
		t.Fatal(err)
	}
	if c.SMTP.Host != "localhost" || c.SMTP.Password.Reveal() != `x", host: "evil.example.com` {
		t.Errorf("the password became structure: host %s", c.SMTP.Host)
	}
}
