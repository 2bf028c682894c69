package store

import (
	"fmt"
	"io/fs"
	"os"
)

// A file is the one that SQLite has open, and where it was found. When somebody
// removes it or puts another in its place, as to restore a backup under a
// running program, SQLite does not notice: it goes on with the file that has no
// name any more, and everything it stores from then on is lost at the end. A
// "sent" that is lost is a second letter. So before every COMMIT the file is
// looked for where it was, and so is the log beside it, which holds what was
// stored last.
type file struct {
	path   string
	info   fs.FileInfo
	logged bool // there is a log as long as SQLite has the file open
}

// fileAt returns the file at a path.
func fileAt(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the database file: %w", err)
	}
	return &file{path: path, info: info}, nil
}

// check returns an error when the file is no longer where it was. There is
// nothing to check when there is no file.
func (f *file) check() error {
	if f == nil {
		return nil
	}
	info, err := os.Stat(f.path)
	if err == nil && !os.SameFile(info, f.info) {
		err = fmt.Errorf("%s is another file now", f.path)
	}
	if err == nil && f.logged {
		_, err = os.Stat(f.path + "-wal")
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("the database file, or the log beside it, was removed or replaced while this program had it open: %w; nothing is stored any more, and what was stored last may be missing there. Stop the program, see that the right file is there and nothing named -wal or -shm of another, and start it again", err)
}
