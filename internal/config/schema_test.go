package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schemaFile = "../../config.schema.json"

// TestSchemaIsWhatTheReaderDoes: the file that editors use is made anew.
func TestSchemaIsWhatTheReaderDoes(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(Schema())); diff != "" {
		t.Errorf("config.schema.json (-file +reader; go test ./internal/config -update rewrites it):\n%s", diff)
	}
}

// TestSchemaSuitsTheFixtures: what is right is right in an editor, too, and a
// good part of what is wrong is found there.
func TestSchemaSuitsTheFixtures(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text []byte) error {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			return err
		}
		return schema.Validate(v)
	}
	if err := check([]byte(Example)); err != nil {
		t.Errorf("the example: %v", err)
	}
	right, _ := filepath.Glob("testdata/right/*.yaml")
	ladders, _ := filepath.Glob("../../docs/ladders/*.yaml")
	for _, file := range append(right, ladders...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	wrong, _ := filepath.Glob("testdata/wrong/*.yaml")
	found := 0
	for _, file := range wrong {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if check(text) != nil {
			found++
		}
	}
	if len(right) < 4 || found*3 < len(wrong) {
		t.Errorf("an editor finds %d of %d mistakes; %d right files", found, len(wrong), len(right))
	}
	t.Logf("an editor finds %d of %d wrong configurations", found, len(wrong))
}

// TestEverySettingIsDescribed: the comments of the example reach the editor.
func TestEverySettingIsDescribed(t *testing.T) {
	text := string(Schema())
	for _, says := range []string{
		"Days between two letters to one customer", "A letter that may or may not have left", "The first letters that a new installation sends",
		"required: a person says yes to each letter", "known by it for ever", "so many days past due, or more",
	} {
		if !strings.Contains(text, says) {
			t.Errorf("the schema does not say %q", says)
		}
	}
}
