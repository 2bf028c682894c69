package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func environment(name string) (string, bool) {
	v, ok := map[string]string{"COSTPLUS_API_KEY": "canary-api-key", "SMTP_PASSWORD": "canary-smtp-password", "DB_PASSWORD": "canary-db-password"}[name]
	return v, ok
}

func TestExample(t *testing.T) {
	top, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(top) != Example {
		t.Error("example.yaml is not config.example.yaml; run go generate ./internal/config")
	}
	c, err := Parse("config.yaml", top, environment, os.ReadFile)
	if err != nil {
		t.Fatalf("the example has mistakes:\n%v", err)
	}
	if c.CostPlus.APIKey.Reveal() != "canary-api-key" || len(c.Jobs) != 6 || len(c.Policies.ByName["standard"].Steps) != 5 || c.Policies.ByName["standard"].MinAmount["EUR"] != 500 {
		t.Errorf("the example says %+v", c)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestR24_WrongConfigurations: every mistake gets a message with its place and
// what to write instead, and no message shows a secret.
func TestR24_WrongConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse("config.yaml", text, environment, os.ReadFile)
		if err == nil {
			t.Errorf("%s: no mistake was found", file)
			continue
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: a secret shows:\n%v", file, err)
		}
		golden := strings.TrimSuffix(file, ".yaml") + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, _ := os.ReadFile(golden)
		if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestRightConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/right/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, text, environment, os.ReadFile); err != nil {
			t.Errorf("%s:\n%v", file, err)
		}
	}
}

func TestR25_SecretsAreNeverPrinted(t *testing.T) {
	c, err := Parse("config.yaml", []byte(Example), environment, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(c.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(c.CostPlus), fmt.Sprintf("%+v %#v", c.SMTP, c.SMTP), fmt.Sprintf("%s %v", c.Database.URL, c.CostPlus.APIKey), string(j)} {
		if strings.Contains(text, "canary") {
			t.Errorf("a secret shows: %s", text)
		}
	}
	literal := strings.Replace(Example, "${COSTPLUS_API_KEY}", "canary-in-the-file", 1) + "\nfrobnicate: {key: canary-in-the-file}\n"
	if _, err := Parse("config.yaml", []byte(literal), environment, os.ReadFile); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret written into the file shows: %v", err)
	}
}

func TestHashFollowsTheFile(t *testing.T) {
	hash := func(text string) string {
		c, err := Parse("config.yaml", []byte(text), environment, os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		return c.Hash()
	}
	was := hash(Example)
	if again := hash(Example); again != was {
		t.Error("the same file has another hash")
	}
	if hash(strings.Replace(Example, "7 days after due", "8 days after due", 1)) == was {
		t.Error("the hash must change with the ladder")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Example)
	for _, file := range []string{"testdata/right/small.yaml", "testdata/wrong/many_at_once.yaml", "testdata/wrong/cron_unquoted.yaml", "testdata/wrong/anchor.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("config.yaml", []byte(text), environment, func(string) ([]byte, error) { return nil, os.ErrNotExist })
		if (c == nil) == (err == nil) {
			t.Errorf("a configuration and an error, or neither: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("a secret shows: %v", err)
		}
	})
}
