package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mark is the file in which this machine remembers the last event that it knows
// to have been stored. It is apart from the database, so that a database which
// was set back to an earlier state is noticed (see [jobs.Guard]).
type mark string

const markText = "# dunning: the last thing this machine stored. Keep this file; see database.mark.\n"

// Load returns the event; empty: there is no mark yet.
func (m mark) Load() (string, error) {
	text, err := os.ReadFile(string(m))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("database.mark: %w", err)
	}
	event := strings.TrimSpace(strings.TrimPrefix(string(text), markText))
	if len(event) != 36 || strings.ContainsAny(event, " \n#") {
		return "", fmt.Errorf("database.mark: %s does not hold what dunning wrote; if the database is the right one, remove the file", string(m))
	}
	return event, nil
}

// Save replaces the mark as a whole: a crash leaves the old one or the new one,
// and either is true.
func (m mark) Save(event string) error {
	f, err := os.CreateTemp(filepath.Dir(string(m)), ".dunning-mark-*")
	if err != nil {
		return fmt.Errorf("database.mark: %w; let it name a file that the worker may write", err)
	}
	_, err = f.WriteString(markText + event + "\n")
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), string(m))
	}
	if err != nil {
		return fmt.Errorf("database.mark: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
