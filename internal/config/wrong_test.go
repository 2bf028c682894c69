package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the messages in testdata/wrong anew")

// Each file in testdata/wrong holds a mistake that people make, and a few many.
// The .txt beside it is what they are told.
func TestR24_WrongConfigurations(t *testing.T) {
	names, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(names) < 40 {
		t.Fatalf("%d wrong configurations found: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse("config.yaml", text, environment, files)
			var problems Problems
			if c != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("it was accepted: %v, %v", c, err)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "canary") {
				t.Errorf("a secret is told:\n%s", got)
			}
			if many := strings.HasPrefix(filepath.Base(name), "many_"); !many && len(problems) != 1 {
				t.Errorf("one mistake is told as %d", len(problems))
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}
