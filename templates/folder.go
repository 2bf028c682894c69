package templates

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a folder of letters.
const (
	maxSource  = 256 << 10 // bytes of a file
	maxSources = 16 << 20  // bytes of all files
	maxFiles   = 2000
	maxLinks   = 20 // followed for one file
)

// A folder is read into sources. Nothing but regular files in it is opened: a
// pipe would be waited for, and what a link finds elsewhere is no letter.
type folder struct {
	src      sources
	dir      fs.FS
	own      bool
	files    int
	size     int
	problems Problems
}

// wrong notes a problem of a file.
func (f *folder) wrong(at string, p Problem) {
	if f.own {
		at = path.Join(f.src.dir, at)
	}
	p.File = printable(at)
	f.problems = append(f.problems, &p)
}

// visit reads what is in a folder, and in the folders in it. Links are
// followed as long as they stay inside: that is how Kubernetes mounts files.
func (f *folder) visit(at string, depth int) error {
	entries, err := fs.ReadDir(f.dir, at)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := path.Join(at, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if f.files++; f.files > maxFiles {
			return fmt.Errorf("there are more than %d files in it", maxFiles)
		}
		if !fs.ValidPath(name) {
			f.wrong(name, Problem{What: "the name of this file is not UTF-8", Fix: "rename it"})
			continue
		}
		mode, err := f.mode(name)
		switch {
		case err != nil:
			f.wrong(name, Problem{What: err.Error(), Fix: "put the file itself there"})
		case mode.IsDir() && depth == 0:
			if err := f.visit(name, depth+1); err != nil {
				return err
			}
		case !mode.IsDir():
			f.file(name, mode)
		}
	}
	return nil
}

var (
	errOutside = errors.New("this is a link that leads out of the folder")
	errCircle  = errors.New("this is a link that leads in a circle")
)

// mode returns what a path leads to.
func (f *folder) mode(name string) (fs.FileMode, error) {
	var mode fs.FileMode
	at, links := ".", 0
	for rest := strings.Split(name, "/"); len(rest) > 0; {
		next := path.Join(at, rest[0])
		if next == ".." || strings.HasPrefix(next, "../") {
			return 0, errOutside
		}
		rest = rest[1:]
		info, err := fs.Lstat(f.dir, next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return 0, errors.New("this is a link that leads nowhere")
		case err != nil:
			return 0, errors.New("it cannot be looked at: " + reason(err))
		}
		if mode = info.Mode(); mode&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return 0, errCircle
		}
		target, err := fs.ReadLink(f.dir, next)
		if err != nil || path.IsAbs(target) || strings.ContainsAny(target, `\:`) {
			return 0, errOutside
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return mode, nil
}

// reason returns an error of the file system without the path, which its place
// says.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// file reads one file, if a letter may be made of one of its name.
func (f *folder) file(at string, mode fs.FileMode) {
	file := normalPath(at)
	if !letterFile.MatchString(file) && !sharedFile.MatchString(file) {
		if !strings.HasPrefix(path.Base(at), "README") && !strings.HasSuffix(at, "~") {
			f.wrong(at, Problem{
				What: "no letter is made of a file of this name",
				Fix:  "the files are layout.html, layout.txt, <language>/phrases.tmpl, <language>/<letter>.html and <language>/<letter>.txt",
			})
		}
		return
	}
	if !mode.IsRegular() {
		f.wrong(at, Problem{What: "this is a pipe or a device, and not a file", Fix: "put a file there"})
		return
	}
	text, err := f.read(at)
	if err != nil {
		f.wrong(at, Problem{What: err.Error()})
		return
	}
	if p := unreadable(text); p != nil {
		f.wrong(at, *p)
		return
	}
	f.src.files[file] = source{text: text, own: f.own}
}

// read returns a file as UTF-8 with plain line ends, as editors on every
// system may have written it.
func (f *folder) read(at string) (string, error) {
	opened, err := f.dir.Open(at)
	if err != nil {
		return "", errors.New("it cannot be read: " + reason(err))
	}
	defer opened.Close() // it was only read
	text, err := io.ReadAll(io.LimitReader(opened, maxSource+1))
	f.size += len(text)
	switch {
	case err != nil:
		return "", errors.New("it cannot be read: " + reason(err))
	case len(text) > maxSource:
		return "", fmt.Errorf("the file is larger than %d KiB", maxSource>>10)
	case f.size > maxSources:
		return "", fmt.Errorf("all files together are larger than %d MiB", maxSources>>20)
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(text), "\uFEFF"), "\r\n", "\n"), nil
}

// unreadable says what is in a text that no author means to write, or nil. The
// gate would find it in the letter, but could not say where it comes from.
func unreadable(text string) *Problem {
	for at, r := range text {
		p := &Problem{}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[at:], "\uFFFD"):
			p.What, p.Fix = "the file is not written in UTF-8", "save it again in that encoding"
		case r == 0:
			p.What, p.Fix = "there is a NUL byte here, as in UTF-16", "save the file again as UTF-8"
		case r == '\r':
			p.What, p.Fix = "the line ends as on a Macintosh of the 1990s (CR)", "save the file with the line ends of Windows or Unix"
		case r != '\n' && r != '\t' && r != '\u00AD' && invisible(r):
			p.What, p.Fix = fmt.Sprintf("there is a character here that does not show: %U", r), "delete it, or type the line again"
		default:
			continue
		}
		p.Line = 1 + strings.Count(text[:at], "\n")
		p.Column = at - strings.LastIndexByte(text[:at], '\n')
		return p
	}
	return nil
}

// printable returns a path for a message: what could do something to a
// terminal, or be taken for another name, is spelt out.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}
