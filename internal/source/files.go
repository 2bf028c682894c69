package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"dunning/invoices"
)

// largestFile bounds a file, in bytes: some ten million invoices.
const largestFile = 1 << 30

// Files returns the regular files that match a pattern of [filepath.Match], in
// order of name: later names are later words on the same invoices. Links are
// followed. Folders are left out, and so are files whose names begin with a dot
// or with ~$, which programs keep beside the real ones. A link that leads
// nowhere, a pipe or a device, and anything that cannot be looked at, is an
// error: what it may hold is missed by nobody otherwise.
func Files(pattern string) ([]string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; write it like inbox/*.csv", shownPath(pattern), err)
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
			return nil, fmt.Errorf("look at what matches %s: %w", shownPath(pattern), said(path, err))
		}
		switch mode := info.Mode(); {
		case mode.IsRegular():
			files = append(files, path)
		case !mode.IsDir():
			return nil, irregular(path)
		}
	}
	slices.Sort(files)
	return files, nil
}

// Digest returns the SHA-256 of a regular file in hexadecimal. It identifies
// what was read: the same digest again tells nothing new. A file that grows
// while it is read is refused: it is not finished.
func Digest(file string) (string, error) {
	f, size, err := open(file)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, size+1))
	switch {
	case err != nil:
		return "", said(file, err)
	case n != size:
		return "", changed(file)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ReadFile returns the rows of a CSV file as [Read] does. The file is opened
// when the sequence is read. If what was read is not what [Digest] returned for
// it, because somebody wrote to it since, the last thing in the sequence is an
// error, and nothing of the file is to be believed.
func ReadFile(file, digest string, o Options) iter.Seq2[invoices.Row, error] {
	return func(yield func(invoices.Row, error) bool) {
		f, size, err := open(file)
		if err != nil {
			yield(invoices.Row{}, err)
			return
		}
		defer f.Close() // it was only read
		h := sha256.New()
		r := io.TeeReader(io.LimitReader(f, size+1), h)
		for row, err := range Read(filepath.Base(file), r, o) {
			if !yield(row, err) {
				return
			}
		}
		if _, err := io.Copy(io.Discard, r); err != nil { // what the last row left
			yield(invoices.Row{}, said(file, err))
			return
		}
		if hex.EncodeToString(h.Sum(nil)) != digest {
			yield(invoices.Row{}, changed(file))
		}
	}
}

// open opens a regular file for reading, and returns its size. A pipe is not
// waited for.
func open(file string) (*os.File, int64, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, said(file, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = said(file, err)
	case !info.Mode().IsRegular():
		err = irregular(file)
	case info.Size() > largestFile:
		err = fmt.Errorf("%s is larger than %d MiB, which is no list of invoices", shownPath(file), largestFile>>20)
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

func irregular(file string) error {
	return fmt.Errorf("%s is not a regular file but a folder, a pipe or a device, which may have no end; save what it gives to a file first", shownPath(file))
}

func changed(file string) error {
	return fmt.Errorf("%s was written to while it was read, so it may be half of a list; let what writes it choose another name and rename the file when it is whole", shownPath(file))
}

// said returns an error of the file system with the path as [shownPath] has it.
func said(file string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: shownPath(file), Err: e.Err}
	}
	return fmt.Errorf("%s: %w", shownPath(file), err)
}

// shownPath returns a path for a message: what could do something to a
// terminal, or be taken for another name, is spelt out.
func shownPath(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}
