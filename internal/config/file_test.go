//go:build unix

package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadFileEnds: a path in a configuration, or of one, may lead anywhere.
func TestReadFileEnds(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("right"), []byte("workers: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("large"), bytes.Repeat([]byte("#"), 2*LargestFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("right", at("linked")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", at("loop")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		sentence, path string
		size           int // -1: an error
	}{
		{"a file", at("right"), len("workers: 1\n")},
		{"a link, as Kubernetes mounts secrets", at("linked"), len("workers: 1\n")},
		{"a large file is cut where Parse refuses it", at("large"), LargestFile + 1},
		{"a device without an end", "/dev/zero", LargestFile + 1},
		{"a device without a beginning", "/dev/null", 0},
		{"a pipe into which nobody writes", at("pipe"), 0},
		{"a folder", dir, -1},
		{"a link in a circle", at("loop"), -1},
		{"nothing", at("gone"), -1},
		{"a name with a NUL", "a\x00b", -1},
	} {
		text, err := ReadFile(row.path)
		if (err != nil) != (row.size < 0) || err == nil && len(text) != row.size {
			t.Errorf("%s: %d bytes, %v, want %d", row.sentence, len(text), err, row.size)
		}
	}
}

// TestReadFileReadsALivePipe: a secret may come out of another program.
func TestReadFileReadsALivePipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_RDWR, 0) // a pipe with a writer; this end does not wait for the other
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("s", 100_000) // more than a pipe holds
	done := make(chan error, 1)
	go func() {
		_, err := w.WriteString(want)
		done <- err
		w.Close()
	}()
	text, err := ReadFile(pipe)
	if err != nil || string(text) != want {
		t.Errorf("%d bytes, %v, want %d", len(text), err, len(want))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestR24_HugeAnswersToReferences: what a reference names is bounded too.
func TestR24_HugeAnswersToReferences(t *testing.T) {
	_, err := Parse("config.yaml", []byte(`costplus: {api_key: "${file:/dev/zero}"}`), environment, ReadFile)
	if err == nil || !strings.Contains(err.Error(), `the file "/dev/zero" is longer than 2000 characters; no secret is`) || len(err.Error()) > 20_000 {
		t.Errorf("%.500v", err)
	}
}
