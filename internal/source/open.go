package source

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"dunning/invoices"
)

// Limits of a file. What is longer is not a list of invoices.
const (
	lookahead     = 64 << 10 // bytes that are looked at to see what a file is
	longestRecord = 1 << 20  // bytes; a quote that is never closed swallows the rest of the file
	mostColumns   = 1000
)

// What to do in the program that most such files come from.
const (
	asCSV  = `open it in Excel and save it as "CSV UTF-8 (Comma delimited)"`
	asUTF8 = `save it as UTF-8; in Excel that is "CSV UTF-8 (Comma delimited)"`
)

// open reads up to the end of the header. It reports whether there is anything
// to read behind it.
func (t *table) open(r io.Reader) bool {
	t.bound = &bounded{r: r, left: longestRecord}
	br := bufio.NewReaderSize(t.bound, lookahead)
	start, err := br.Peek(lookahead)
	if err != nil && !errors.Is(err, io.EOF) {
		return t.stop(err)
	}
	if start, err = skip(br, start, []byte("\xef\xbb\xbf")); err != nil {
		return t.stop(err)
	}
	if what, fix := alien(start); what != "" {
		return t.refuse(t.problem(0, "", what, fix))
	}
	comma, said := t.o.Delimiter, separator(start)
	if said != 0 {
		line, _, _ := bytes.Cut(start, []byte("\n"))
		if start, err = skip(br, start, start[:min(len(line)+1, len(start))]); err != nil {
			return t.stop(err)
		}
		t.before = 1
	}
	if comma == 0 {
		comma = said
	}
	if comma == 0 {
		comma = sniff(start)
	}
	t.csv = csv.NewReader(br)
	t.csv.Comma = comma
	t.csv.FieldsPerRecord = -1
	t.csv.ReuseRecord = true
	t.csv.TrimLeadingSpace = !unicode.IsSpace(comma) // or empty cells would go with it
	header, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return t.refuse(t.problem(0, "", "the file is empty", "its first line must name the columns: "+strings.Join(required, ", ")))
	}
	if err != nil {
		t.broken(err)
		return false
	}
	t.header = slices.Clone(header)
	t.last = t.line(0)
	return t.columns(t.last)
}

// skip takes what the file starts with off the reader, if it does.
func skip(br *bufio.Reader, start, prefix []byte) ([]byte, error) {
	rest, found := bytes.CutPrefix(start, prefix)
	if !found {
		return start, nil
	}
	_, err := br.Discard(len(prefix))
	return rest, err
}

// alien says what a file is that is no CSV file in UTF-8, and what to do.
func alien(start []byte) (what, fix string) {
	has := func(prefix string) bool { return bytes.HasPrefix(start, []byte(prefix)) }
	switch {
	case has("\xff\xfe"), has("\xfe\xff"):
		return "the file is UTF-16", asUTF8
	case has("PK\x03\x04"):
		return "the file is a workbook or a ZIP archive, whatever its name says", asCSV
	case has("\xd0\xcf\x11\xe0"):
		return "the file is an old Excel workbook, whatever its name says", asCSV
	case has("%PDF-"):
		return "the file is a PDF, whatever its name says", "export the list as CSV"
	case has("\x1f\x8b"):
		return "the file is compressed", "unpack it first"
	case bytes.IndexByte(start, 0) >= 0:
		return "the file has NUL bytes in it: it is UTF-16, or no text at all", asUTF8
	case bytes.IndexByte(start, '\r') >= 0 && bytes.IndexByte(start, '\n') < 0 && len(bytes.TrimRight(start, "\r")) > bytes.IndexByte(start, '\r'):
		return "its lines end as on a Macintosh of the 1990s (CR)", "save it with the line ends of Windows or Unix"
	case len(bytes.TrimSpace(start)) == 0 && len(start) == lookahead:
		return "the file begins with nothing but white space", "export it again"
	}
	return "", ""
}

// separator returns the delimiter that Excel's own first line names, as in
// "sep=;", or 0 when there is no such line.
func separator(start []byte) rune {
	line, _, _ := bytes.Cut(start, []byte("\n"))
	line = bytes.Trim(bytes.TrimSpace(line), `"`)
	if len(line) != len("sep=;") || !bytes.EqualFold(line[:4], []byte("sep=")) {
		return 0
	}
	if strings.IndexByte(delimiters, line[4]) < 0 {
		return 0
	}
	return rune(line[4])
}

// delimiters are those that are looked for.
const delimiters = ",;\t|"

// sniff returns the delimiter that the header has most of, outside of quotes.
func sniff(start []byte) rune {
	var count [utf8.RuneSelf]int
	inQuotes, begun := false, false
	for _, c := range start {
		if c == '"' {
			inQuotes = !inQuotes
		}
		if c == '\n' && !inQuotes && begun {
			break
		}
		begun = begun || c != '\n' && c != '\r'
		if !inQuotes && c < utf8.RuneSelf {
			count[c]++
		}
	}
	best := rune(delimiters[0])
	for _, d := range delimiters {
		if count[d] > count[best] {
			best = d
		}
	}
	return best
}

// columns finds out where each column is, and tells all that is wrong with the
// header at once. It reports whether nothing is.
func (t *table) columns(line int) bool {
	var problems []*invoices.Problem
	wrong := func(column, what, fix string) { problems = append(problems, t.problem(line, column, what, fix)) }
	if len(t.header) > mostColumns {
		wrong("", fmt.Sprintf("there are %d columns", len(t.header)), fmt.Sprintf("at most %d are read; look whether the delimiter %q is right", mostColumns, t.csv.Comma))
		return t.refuse(problems...)
	}
	places := map[string][]int{}
	for i, h := range t.header {
		if !utf8.ValidString(h) {
			wrong("", fmt.Sprintf("the header %s is not UTF-8", quoted(h)), asUTF8)
		}
		if k := folded(h); k != "" {
			places[k] = append(places[k], i)
		}
	}
	t.at = map[string]int{}
	var missing []string
	for _, name := range columns {
		called := t.called(name)
		found := places[folded(called)]
		switch {
		case called == none:
		case len(found) == 1:
			t.at[name] = found[0]
		case len(found) > 1:
			t.at[name] = found[0]
			wrong(shortened(t.header[found[0]]), fmt.Sprintf("there are %d columns of this name", len(found)), "rename all but the one that holds "+name)
		case slices.Contains(required, name) || t.o.Columns[name] != "":
			missing = append(missing, name)
		}
	}
	rest := t.unread()
	if len(missing) > 0 {
		wrong("", "missing: "+t.wanted(missing, rest)+"; the file has "+t.headers(), t.missingFix(missing))
	}
	for _, h := range rest {
		// A misspelt optional column would be left out in silence.
		if name := nearest(h, t.absent()); name != "" && !slices.Contains(missing, name) {
			wrong(shortened(h), "the column is not known", fmt.Sprintf("did you mean %s? If it is something else, write %s: %q under sources.columns", name, name, none))
		}
	}
	if len(problems) > 0 {
		return t.refuse(problems...)
	}
	if len(rest) > 0 && t.o.Note != nil {
		t.o.Note(fmt.Sprintf("%s: these columns are not read: %s", t.file, listed(each(rest, quoted))))
	}
	return true
}

// called returns how the file calls a column, as far as we were told.
func (t *table) called(name string) string {
	if h := t.o.Columns[name]; h != "" {
		return h
	}
	return name
}

// unread returns the headers that no column of ours is read from.
func (t *table) unread() (rest []string) {
	used := map[string]bool{"": true}
	for _, i := range t.at {
		used[folded(t.header[i])] = true
	}
	for _, h := range t.header {
		if !used[folded(h)] {
			rest = append(rest, h)
		}
	}
	return rest
}

// absent returns the optional columns that the file does not have and nobody
// said anything about.
func (t *table) absent() (names []string) {
	for _, name := range columns {
		if _, there := t.at[name]; !there && t.o.Columns[name] == "" {
			names = append(names, name)
		}
	}
	return names
}

// wanted lists missing columns, each with the header that may be meant.
func (t *table) wanted(missing, rest []string) string {
	words := each(missing, func(name string) string {
		called := t.called(name)
		text := called
		if called != name {
			text = fmt.Sprintf("%s (for %s)", quoted(called), name)
		}
		return text + didYouMean(called, rest)
	})
	return strings.Join(words, ", ")
}

// headers shows what the first line holds.
func (t *table) headers() string {
	const most = 30
	words := each(t.header[:min(most, len(t.header))], quoted)
	text := strings.Join(words, ", ")
	if len(t.header) > most {
		text += " and more"
	}
	return text
}

// missingFix says what to do about missing columns.
func (t *table) missingFix(missing []string) string {
	if len(t.header) == 1 {
		return fmt.Sprintf("it was read with the delimiter %q; if cells are separated by something else, say so under sources.delimiter", t.csv.Comma)
	}
	if len(missing) == len(required) {
		return "the first line must name the columns; if it does in other words, say under sources.columns how each is called"
	}
	return "add them, or say under sources.columns how the file calls them"
}

func each(words []string, f func(string) string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = f(w)
	}
	return out
}
