package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files returns the regular files that match a pattern of [filepath.Match], in
// order of name: later names are later words on the same invoices. Links are
// followed. Folders are left out, and so are files whose names begin with a dot
// or with ~$, which programs keep beside the real ones. A link that leads
// nowhere, and anything that cannot be looked at, is an error: what it may hold
// is missed by nobody otherwise.
func Files(pattern string) ([]string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; write it like inbox/*.csv", pattern, err)
	}
	var files []string
	for _, path := range found {
		if name := filepath.Base(path); strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") {
			continue
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
				continue // taken away since we looked
			}
		}
		if err != nil {
			return nil, fmt.Errorf("look at what matches %s: %w", pattern, err)
		}
		if info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	slices.Sort(files)
	return files, nil
}

// Digest returns the SHA-256 of a file in hexadecimal. It identifies what was
// read: the same digest again tells nothing new.
func Digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
