//go:build unix

package templates

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A spot is the folder of a test.
type spot struct {
	t   *testing.T
	dir string
}

func (p spot) file(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p spot) link(name, target string) {
	p.t.Helper()
	if err := os.Symlink(target, filepath.Join(p.dir, name)); err != nil {
		p.t.Fatal(err)
	}
}

// TestR22_OddFilesRefuseToStart: what is in the folder of letters and is no
// letter is told, and never waited for, followed or shown as it is.
func TestR22_OddFilesRefuseToStart(t *testing.T) {
	final := string(builtin(t, "en/final.txt").Data)
	for _, c := range []struct {
		sentence string
		put      func(p spot)
		want     string
	}{
		{"a pipe, which nobody writes to", func(p spot) {
			p.file("en/x", "")
			if err := syscall.Mkfifo(filepath.Join(p.dir, "en/final.txt"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "mine/en/final.txt: this is a pipe or a device, and not a file; put a file there"},
		{"a device", func(p spot) {
			p.file("en/x", "")
			p.link("en/final.txt", "/dev/zero")
		}, "mine/en/final.txt: this is a link that leads out of the folder; put the file itself there"},
		{"a link to a secret", func(p spot) {
			p.file("en/x", "")
			p.file("../secret", "hunter2")
			p.link("en/final.txt", "../../secret")
		}, "mine/en/final.txt: this is a link that leads out of the folder"},
		{"a link by way of another link", func(p spot) {
			p.file("en/x", "")
			p.link("shared", "..")
			p.link("en/final.txt", "../shared/secret")
		}, "mine/en/final.txt: this is a link that leads out of the folder"},
		{"a folder that is elsewhere", func(p spot) { p.link("en", "/") }, "mine/en: this is a link that leads out of the folder"},
		{"a link in a circle", func(p spot) {
			p.file("en/x", "")
			p.link("en/final.txt", "final.html")
			p.link("en/final.html", "final.txt")
		}, "mine/en/final.txt: this is a link that leads in a circle"},
		{"a folder in itself", func(p spot) { p.link("loop", "loop") }, "mine/loop: this is a link that leads in a circle"},
		{"a link that leads nowhere", func(p spot) { p.link("layout.txt", "gone") }, "mine/layout.txt: this is a link that leads nowhere"},
		{"a name that writes on the terminal", func(p spot) { p.file("en/\x1b[2J\nfinal.txt", "x") }, `"mine/en/\x1b[2J\nfinal.txt": no letter is made of a file of this name`},
		{"a name that reads backwards", func(p spot) { p.file("en/\u202etxt.lanif", "x") }, `"mine/en/\u202etxt.lanif": no letter is made of a file of this name`},
		{"a name that is no text", func(p spot) { p.file("en/\xff.txt", "x") }, `"mine/en/\xff.txt": the name of this file is not UTF-8; rename it`},
		{"UTF-16 with its mark", func(p spot) { p.file("en/final.txt", "\xff\xfe{\x00{\x00") }, "mine/en/final.txt:1:1: the file is not written in UTF-8; save it again in that encoding"},
		{"UTF-16 without it", func(p spot) { p.file("en/final.txt", "{\x00{\x00d\x00") }, "mine/en/final.txt:1:2: there is a NUL byte here, as in UTF-16; save the file again as UTF-8"},
		{"Latin-1", func(p spot) { p.file("en/final.txt", "{{/* d\xe9but */}}") }, "mine/en/final.txt:1:7: the file is not written in UTF-8"},
		{"a surrogate, which only UTF-16 has", func(p spot) { p.file("en/final.txt", "x\xed\xa0\x80") }, "mine/en/final.txt:1:2: the file is not written in UTF-8"},
		{"lines of an old Macintosh", func(p spot) { p.file("en/final.txt", "a\rb\r") }, "mine/en/final.txt:1:2: the line ends as on a Macintosh of the 1990s (CR); save the file with the line ends of Windows or Unix"},
		{"a colour for terminals", func(p spot) { p.file("en/final.txt", final+"\n\x1b[31m") }, "mine/en/final.txt:15:1: there is a character here that does not show: U+001B; delete it, or type the line again"},
		{"a turned reading direction", func(p spot) { p.file("en/final.txt", strings.Replace(final, "Final", "Fin\u202eal", 1)) }, "mine/en/final.txt:1:24: there is a character here that does not show: U+202E"},
		{"a byte order mark in the middle", func(p spot) { p.file("en/final.txt", "\ufeffx\ufeff") }, "mine/en/final.txt:1:2: there is a character here that does not show: U+FEFF"},
		{"a file that is too large", func(p spot) { p.file("en/final.txt", strings.Repeat("x", maxSource+1)) }, "mine/en/final.txt: the file is larger than 256 KiB"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			p := spot{t, filepath.Join(t.TempDir(), "mine")}
			if err := os.Mkdir(p.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c.put(p)
			got := complaints(t, Options{Dir: os.DirFS(p.dir), DirName: "mine", Sender: sender, Names: []string{"final"}, Languages: []string{"en"}})
			if text := strings.Join(got, "\n"); !strings.Contains(text, c.want) || strings.ContainsAny(text, "\x1b\u202e\x00") || strings.Contains(text, "hunter2") {
				t.Errorf("got  %q\nwant %q", text, c.want)
			}
		})
	}
}

// TestLinksThatStayInside: a ConfigMap of Kubernetes is a folder of links.
func TestLinksThatStayInside(t *testing.T) {
	p := spot{t, t.TempDir()}
	p.file("..2026_11_23/en/final.txt", string(builtin(t, "en/final.txt", "immediately", "at once").Data))
	p.file("..2026_11_23/layout.txt", string(builtin(t, "layout.txt").Data))
	p.link("..data", "..2026_11_23")
	p.link("en", "..data/en")
	p.link("layout.txt", "..data/layout.txt")
	s, err := Load(Options{Dir: os.DirFS(p.dir), Sender: sender, Names: []string{"final"}, Languages: []string{"en"}})
	if err != nil {
		t.Fatal(err)
	}
	if text := write(t, s, Samples("final", "en")[0].Draft); !strings.Contains(text.Plain, "at once") {
		t.Errorf("the letter behind the links is not used:\n%s", text.Plain)
	}
}

func TestAFolderOfEverythingIsNoFolderOfLetters(t *testing.T) {
	all := fstest.MapFS{}
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz") {
		for n := range 100 {
			all["en/"+strings.Repeat(string(c), n+1)+".txt"] = &fstest.MapFile{Data: []byte("x")}
		}
	}
	want := []string{"mine: reading the folder: there are more than 2000 files in it; name an existing folder, or none to use the built-in letters"}
	got := complaints(t, Options{Dir: all, DirName: "mine", Sender: sender, Names: []string{"final"}, Languages: []string{"en"}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestNamesOfLettersAreNoPaths: a policy cannot reach a file by the name of its
// letter.
func TestNamesOfLettersAreNoPaths(t *testing.T) {
	for _, name := range []string{"../final", "en/final", "/etc/passwd", "final\x00", "final.txt", ".", "", "FINAL", "final\n", `..\final`} {
		got := complaints(t, Options{Sender: sender, Names: []string{name}, Languages: []string{"en"}})
		if len(got) != 1 || !strings.Contains(got[0], "which does not exist; there are: broken_promise, ") {
			t.Errorf("%q: %q", name, got)
		}
	}
	for _, lang := range []string{"../en", "en/..", "/", "en\x00", "..", "en/../nl"} {
		got := complaints(t, Options{Sender: sender, Names: []string{"final"}, Languages: []string{lang}})
		if len(got) == 0 || strings.ContainsRune(strings.Join(got, ""), 0) {
			t.Errorf("%q: %q", lang, got)
		}
	}
}
