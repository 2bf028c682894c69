package config

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// ReadFile reads a configuration, or what ${file:PATH} names: the readFile of
// [Parse]. Unlike [os.ReadFile] it ends whatever the path leads to. Of a device
// or a large file it reads no more than a letter may carry and one byte, which
// [Parse] refuses, and at a pipe into which nobody writes it does not wait. A pipe with a writer, as <(decrypt config.yaml) is one, is read to its
// end.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("read %q: it is a folder", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, LargestFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	return text, nil
}
