//go:build unix

package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dunning/invoices"
)

// inbox makes a folder with files of a name and a text.
func inbox(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestR08_OddFilesAreToldAndNotWaitedFor: what matches the pattern and is no
// file is an error, so that nobody believes it was read; and reading it ends.
func TestR08_OddFilesAreToldAndNotWaitedFor(t *testing.T) {
	for _, row := range []struct {
		sentence string
		put      func(dir string) error
		want     string
	}{
		{"a pipe, into which nobody writes", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "a.csv"), 0o600) }, "a.csv is not a regular file but a folder, a pipe or a device"},
		{"a device without an end", func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, "a.csv")) }, "a.csv is not a regular file"},
		{"a link to a pipe", func(dir string) error {
			if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
				return err
			}
			return os.Symlink("pipe", filepath.Join(dir, "a.csv"))
		}, "a.csv is not a regular file"},
		{"a link in a circle", func(dir string) error {
			if err := os.Symlink("a.csv", filepath.Join(dir, "b.csv")); err != nil {
				return err
			}
			return os.Symlink("b.csv", filepath.Join(dir, "a.csv"))
		}, "a.csv: too many levels of symbolic links"},
		{"a link that leads nowhere", func(dir string) error { return os.Symlink("gone", filepath.Join(dir, "a.csv")) }, "a.csv: no such file or directory"},
		{"a name that writes on the terminal", func(dir string) error {
			return os.Symlink("gone", filepath.Join(dir, "\x1b[2J\n\u202ea.csv"))
		}, `\x1b[2J\n\u202ea.csv": no such file or directory`},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			dir := inbox(t, map[string]string{"z.csv": header})
			if err := row.put(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Files(filepath.Join(dir, "*.csv"))
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.ContainsAny(err.Error(), "\x1b\n\u202e") {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}

// TestR08_DigestAndReadFileTakeRegularFilesOnly: a path may also be given by
// hand, or change its kind between two looks.
func TestR08_DigestAndReadFileTakeRegularFilesOnly(t *testing.T) {
	dir := inbox(t, map[string]string{"right.csv": header + line(1, "EUR", "1.00")})
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, largestFile+1); err != nil { // it takes no place on the disk
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		pipe:                        "is not a regular file",
		dir:                         "is not a regular file",
		"/dev/zero":                 "is not a regular file",
		large:                       "is larger than 1024 MiB",
		filepath.Join(dir, "gone"):  "no such file or directory",
		filepath.Join(dir, "a\x1b"): `a\x1b": no such file or directory`,
	} {
		if _, err := Digest(file); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("Digest of %q: %v, want %q", file, err, want)
		}
		if row, err := first(ReadFile(file, "", Options{})); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("ReadFile of %q: %v, %v, want %q", file, row, err, want)
		}
	}
}

func TestUnreadableFilesSaySo(t *testing.T) {
	dir := inbox(t, map[string]string{"a.csv": header})
	path := filepath.Join(dir, "a.csv", "b.csv") // a file is no folder; works for root too, who may read everything
	if _, err := Digest(path); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("Digest: %v", err)
	}
}

// TestR08_AFileThatChangesWhileItIsReadIsRefused: the rows and the digest that
// the books keep must be of one and the same list.
func TestR08_AFileThatChangesWhileItIsReadIsRefused(t *testing.T) {
	whole := header
	for i := range 5000 {
		whole += line(i+1, "EUR", "1.00")
	}
	for _, row := range []struct {
		sentence string
		meddle   func(path string) error // after the first row
		rows     int                     // of those that come before it is noticed; -1: any
		want     string
	}{
		{"nobody touches it", func(string) error { return nil }, 5000, ""},
		{"lines are added", func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			if _, err := f.WriteString(line(5001, "EUR", "1.00") + line(5002, "EUR", "1.00")); err != nil {
				return err
			}
			return f.Close()
		}, -1, "was written to while it was read"},
		{"it is cut off", func(path string) error { return os.Truncate(path, int64(len(whole)-200)) }, -1, "was written to while it was read"},
		{"an amount in it changes", func(path string) error {
			return os.WriteFile(path, []byte(whole[:len(whole)-len("1.00,2026-04-01")]+"9.00,2026-04-01"), 0o600)
		}, 5000, "was written to while it was read"},
		{"another takes its place, and what is read stays what it was", func(path string) error {
			if err := os.WriteFile(path+".new", []byte(header), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, 5000, ""},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			path := filepath.Join(inbox(t, map[string]string{"list.csv": whole}), "list.csv")
			digest, err := Digest(path)
			if err != nil {
				t.Fatal(err)
			}
			rows, last := 0, ""
			for _, err := range ReadFile(path, digest, Options{}) {
				if last = ""; err != nil {
					last = err.Error()
					continue
				}
				if rows++; rows == 1 {
					if err := row.meddle(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !strings.Contains(last, row.want) || row.want == "" && last != "" || row.rows >= 0 && rows != row.rows {
				t.Errorf("%d rows, and at the end %q, want %d and %q", rows, last, row.rows, row.want)
			}
		})
	}
}

// TestReadFileIsReadWithItsDigest: two readings agree with the digest, also of
// a file whose end no row needs.
func TestReadFileIsReadWithItsDigest(t *testing.T) {
	for _, text := range []string{"", header, header + "\n\n\n,,,,,,\n", "\xef\xbb\xbf" + header + line(1, "EUR", "1.00") + "\n"} {
		path := filepath.Join(inbox(t, map[string]string{"list.csv": text}), "list.csv")
		digest, err := Digest(path)
		if sum := sha256.Sum256([]byte(text)); err != nil || digest != hex.EncodeToString(sum[:]) {
			t.Fatalf("%q has the digest %s, %v", text, digest, err)
		}
		for _, err := range ReadFile(path, digest, Options{}) {
			if err != nil && !strings.HasPrefix(err.Error(), "list.csv: the file is empty") {
				t.Errorf("%q: %v", text, err)
			}
		}
		if _, err := last(ReadFile(path, strings.Repeat("0", 64), Options{})); err == nil || !strings.Contains(fmt.Sprint(err), "was written to") {
			t.Errorf("%q is taken for another file: %v", text, err)
		}
	}
}

// last returns the last thing in a sequence.
func last(rows func(func(invoices.Row, error) bool)) (row invoices.Row, err error) {
	for row, err = range rows {
	}
	return row, err
}

// TestR25_NamesOfFilesAreShownSafely: problems name their file.
func TestR25_NamesOfFilesAreShownSafely(t *testing.T) {
	for name, want := range map[string]string{
		"list.csv":             "list.csv:2: total: ",
		"a\x1b]0;x\x07\n.csv":  `"a\x1b]0;x\a\n.csv":2: total: `,
		"\u202evsc.csv":        `"\u202evsc.csv":2: total: `,
		"Rechnungen März.csv":  "Rechnungen März.csv:2: total: ",
		"not text \xff\xfe.cs": `"not text \xff\xfe.cs":2: total: `,
	} {
		_, err := first(Read(name, strings.NewReader(header+line(1, "EUR", "x")), Options{}))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
