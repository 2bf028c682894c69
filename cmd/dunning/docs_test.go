package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zapcore"

	"dunning/internal/sandbox"
)

var update = flag.Bool("update", false, "rewrite what the documents show")

// TestFinanceWalkthrough runs every command of docs/finance.md, in order, and
// compares every answer with what stands there. Comments in it turn the clock
// and edit files as a reader would.
func TestFinanceWalkthrough(t *testing.T) {
	play(t, "../../docs/finance.md")
}

// TestLadders simulates docs/ladders/*.yaml and compares with the calendars
// beside them.
func TestLadders(t *testing.T) {
	t.Setenv("COSTPLUS_API_KEY", "key")
	t.Setenv("SMTP_PASSWORD", "password")
	files, err := filepath.Glob("../../docs/ladders/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d ladders: %v", len(files), err)
	}
	for _, file := range files {
		r := reader{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
		got := r.command("dunning --config " + file + " simulate --sample --issued 2026-09-01 --due 2026-10-01 --days 120")
		golden := strings.TrimSuffix(file, ".yaml") + ".txt"
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
			t.Errorf("%s (-want +got; -update rewrites it):\n%s", golden, diff)
		}
	}
}

// A reader does what a document says.
type reader struct {
	t    *testing.T
	dir  string
	now  time.Time
	plan string // the last plan that waited for approval
	box  *sandbox.Sandbox
}

// play reads a document.
func play(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COSTPLUS_API_KEY", sandbox.DefaultKey)
	t.Setenv("SMTP_PASSWORD", "password")
	r := &reader{t: t, dir: t.TempDir()}
	r.box, err = sandbox.Start(sandbox.Options{Now: func() time.Time { return r.now }, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = r.box.Close(ctx) // it is over
	})
	t.Chdir(r.dir)
	got := r.document(string(text))
	if *update {
		if err := os.WriteFile(filepath.Join(start, "../..", "docs", filepath.Base(name)), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("%s shows something else than the program does (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

// start is the folder of the tests.
var start, _ = os.Getwd()

// document returns the text with every answer as the program gives it.
func (r *reader) document(text string) string {
	var out strings.Builder
	block, file, body := "", "", ""
	for line := range strings.Lines(text) {
		switch plain := strings.TrimRight(line, "\n"); {
		case block == "" && strings.HasPrefix(plain, "```"):
			kind, name, _ := strings.Cut(strings.TrimPrefix(plain, "```"), " ")
			block, file, body = kind+" ", name, ""
			out.WriteString(line)
		case block != "" && plain == "```":
			if file != "" {
				r.write(file, body)
			}
			block = ""
			out.WriteString(line)
		case block == "console ":
			if command, ok := strings.CutPrefix(plain, "$ "); ok {
				out.WriteString(line + r.command(command))
			}
		case block != "":
			body += line
			out.WriteString(line)
		default:
			if strings.HasPrefix(plain, "<!-- ") {
				r.direct(strings.TrimSuffix(strings.TrimPrefix(plain, "<!-- "), " -->"))
			}
			out.WriteString(line)
		}
	}
	return out.String()
}

// direct does what a comment says.
func (r *reader) direct(what string) {
	r.t.Helper()
	verb, rest, _ := strings.Cut(what, " ")
	switch verb {
	case "now":
		zone, err := time.LoadLocation("Europe/Amsterdam")
		if err != nil {
			r.t.Fatal(err)
		}
		if r.now, err = time.ParseInLocation("2006-01-02 15:04", rest, zone); err != nil {
			r.t.Fatal(err)
		}
	case "edit":
		name, change, _ := strings.Cut(rest, ": ")
		old, with, ok := strings.Cut(change, " => ")
		text := r.read(name)
		if !ok || !strings.Contains(text, old) {
			r.t.Fatalf("%s: there is no %q in %s", what, old, name)
		}
		r.write(name, strings.Replace(text, old, with, 1))
	case "copy":
		from, to, _ := strings.Cut(rest, " ")
		r.write(to, r.read(from))
	default:
		r.t.Fatalf("nobody knows what this comment says: %s", what)
	}
}

func (r *reader) read(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// write writes a file of the document, with the sandbox in place of the world.
func (r *reader) write(name, text string) {
	host, port, _ := strings.Cut(r.box.Mail.Addr(), ":")
	text = strings.ReplaceAll(text, fmt.Sprintf("  base_url: %q\n  payment_hosts: [%q]\n", r.box.URL(), strings.TrimPrefix(r.box.URL(), "http://")), "")
	text = strings.Replace(text, "  api_key: ${COSTPLUS_API_KEY}\n", fmt.Sprintf("  api_key: ${COSTPLUS_API_KEY}\n  base_url: %q\n  payment_hosts: [%q]\n", r.box.URL(), strings.TrimPrefix(r.box.URL(), "http://")), 1)
	text = strings.Replace(text, `smtp: {host: smtp.example.com, username: billing, password: "${SMTP_PASSWORD}"}`, fmt.Sprintf("smtp: {host: %s, port: %s, security: none}", host, port), 1)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chtimes(name, r.now, r.now); err != nil {
		r.t.Fatal(err)
	}
}

var (
	planID     = regexp.MustCompile(`\b[0-9a-f]{10}\b`)
	stamps     = regexp.MustCompile(`\b[0-9a-f]{16}\b`)
	workers    = regexp.MustCompile(`worker \S+/[0-9]+`)
	queued     = regexp.MustCompile(`queued as [0-9]+`) // in whatever order letters came
	passingIDs = regexp.MustCompile(`test:[0-9a-f]{8}|live:[0-9a-f]{8}|127\.0\.0\.1:[0-9]+`)
)

// command runs one line and returns what it prints, and its exit code if that
// is not 0.
func (r *reader) command(line string) string {
	r.t.Helper()
	args := words(line)
	if len(args) < 2 || args[0] != "dunning" {
		r.t.Fatalf("this is no command of dunning: %s", line)
	}
	for i := range args {
		if args[i] == "PLAN" {
			args[i] = r.plan
		}
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, now: func() time.Time { return r.now }, level: zapcore.ErrorLevel}
	code := a.execute(context.Background(), args[1:])
	if id := planID.FindString(stdout.String()); id != "" {
		r.plan = id
	}
	out := stdout.String() + stderr.String()
	out = strings.ReplaceAll(planID.ReplaceAllString(out, "PLAN"), r.dir+"/", "")
	out = stamps.ReplaceAllString(out, "CONFIG")
	out = workers.ReplaceAllString(out, "worker")
	out = queued.ReplaceAllString(out, "queued as 4XF2K1")
	out = passingIDs.ReplaceAllStringFunc(out, func(id string) string {
		if strings.HasPrefix(id, "127") {
			return "HOST"
		}
		return id[:5] + "1a2b3c4d"
	})
	if code != 0 {
		out += fmt.Sprintf("[exit code %d]\n", code)
	}
	return aligned(out)
}

// aligned sets tables as a terminal shows them.
func aligned(text string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Flush()
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

// words splits a command line at spaces, but not inside of double quotes.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quoted, begun := false, false
	for _, c := range line {
		switch {
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if begun {
		out = append(out, word.String())
	}
	return out
}
