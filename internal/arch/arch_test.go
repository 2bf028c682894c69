// Package arch checks that the packages keep their distance.
package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "dunning/"

// may lists, for each package, the packages of this module it may import. To
// add an arrow is a decision: change the picture in README.md with it.
var may = map[string]string{
	"internal/civil":    "",
	"internal/money":    "",
	"internal/period":   "internal/civil",
	"internal/calendar": "internal/civil",
	"internal/interest": "internal/civil internal/money",
	"internal/discreet": "",
	"internal/sheet":    "",
	"internal/schedule": "internal/civil",
	"internal/sandbox":  "internal/civil internal/money internal/period",
	"internal/arch":     "",
	"internal/pgtest":   "",
	"migrations":        "",
	"invoices":          "internal/civil internal/money internal/period internal/calendar internal/interest",
	"jobs":              "invoices internal/civil internal/discreet internal/money internal/schedule",
	"templates":         "invoices internal/civil internal/money internal/sheet",
	"mailer":            "invoices internal/discreet",
	"internal/store":    "invoices internal/civil internal/discreet internal/money internal/period migrations",
	"internal/costplus": "invoices internal/discreet internal/money internal/period",
	"internal/source":   "invoices internal/civil internal/money internal/sheet",
	"internal/web":      "invoices internal/money",
	"internal/metrics":  "invoices",
	"internal/config":   "invoices internal/calendar internal/civil internal/interest internal/money internal/period internal/schedule",
	"cmd/dunning":       "*",
	// Tests only.
	"internal/store/storetest": "invoices internal/civil internal/money internal/period internal/store",
	"internal/pgproxy":         "",
	"internal/simulation":      "",
}

// pure packages decide; they must not be able to see the world.
var pure = []string{"invoices", "internal/civil", "internal/money", "internal/period", "internal/calendar", "internal/interest"}

var worldly = []string{"os", "net", "net/http", "database/sql", "log", "log/slog", "math/rand", "math/rand/v2", "go.uber.org/zap"}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), "|")
		pkg := strings.TrimPrefix(path, module)
		allowed, known := may[pkg]
		if !known {
			t.Errorf("%s is new: say in arch_test.go what it may import", pkg)
		}
		for _, imp := range strings.Fields(imports) {
			dep, ours := strings.CutPrefix(imp, module)
			if ours && allowed != "*" && !slices.Contains(strings.Fields(allowed), dep) {
				t.Errorf("%s must not import %s", pkg, dep)
			}
			if slices.Contains(pure, pkg) && slices.Contains(worldly, imp) {
				t.Errorf("%s is pure and must not import %s", pkg, imp)
			}
		}
	}
}

// TestClock keeps the clock in main: everything else is told the time. SQL is
// told it too; the lease on PostgreSQL, which replicas with wrong clocks must
// agree on, reads statement_timestamp() and nothing else does.
func TestClock(t *testing.T) {
	reads := map[string]*regexp.Regexp{
		".go":  regexp.MustCompile(`\btime\.(Now|Since|Until)\b`),
		".sql": regexp.MustCompile(`(?i)\b(now\(\)|current_(timestamp|date|time)|clock_timestamp|localtime)`),
	}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../../cmd/") {
			return err
		}
		clock, ok := reads[filepath.Ext(path)]
		if !ok {
			return nil
		}
		text, err := os.ReadFile(path)
		for n, line := range strings.Split(string(text), "\n") {
			code, _, _ := strings.Cut(line, "//")
			if clock.MatchString(code) || strings.HasPrefix(path, "../store/") && reads[".sql"].MatchString(code) {
				t.Errorf("%s:%d reads a clock: %s", path, n+1, strings.TrimSpace(line))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMutantsFit: every patch that breaks the program on purpose still applies,
// so that deploy/mutate shows what it says.
func TestMutantsFit(t *testing.T) {
	patches, err := filepath.Glob("../../deploy/mutants/*.patch")
	if err != nil || len(patches) < 17 {
		t.Fatalf("%d patches: %v", len(patches), err)
	}
	for _, patch := range patches {
		name, err := filepath.Abs(patch)
		if err != nil {
			t.Fatal(err)
		}
		check := exec.Command("git", "apply", "--check", name)
		check.Dir = "../.."
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s does not fit any more: %v\n%s", filepath.Base(patch), err, out)
		}
	}
}
