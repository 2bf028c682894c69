package templates

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed letters
var builtIn embed.FS

// sources are the files letters are made of, by path such as nl/firm.txt.
type sources struct {
	files map[string]source
	dir   string // how messages call the folder of one's own
}

type source struct {
	text string
	own  bool // from the folder of one's own
}

var (
	letterName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	letterFile = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9][a-z0-9_-]*\.(?:txt|html)$`)
	sharedFile = regexp.MustCompile(`^(?:layout\.(?:txt|html)|[a-z0-9-]+/phrases\.tmpl)$`)
)

// gather reads the built-in files and lays those of one's own over them.
func gather(dir fs.FS, name string) (sources, Problems) {
	src := sources{files: map[string]source{}, dir: name}
	letters, err := fs.Sub(builtIn, "letters")
	if err != nil {
		panic("templates: " + err.Error()) // the program was built without its letters
	}
	problems := src.add(letters, false)
	if dir != nil {
		problems = append(problems, src.add(dir, true)...)
	}
	return src, problems
}

// add reads every file of a letter in a folder.
func (src sources) add(dir fs.FS, own bool) Problems {
	f := folder{src: src, dir: dir, own: own}
	if err := f.visit(".", 0); err != nil {
		f.problems = append(f.problems, &Problem{File: src.dir, What: "reading the folder: " + err.Error(), Fix: "name an existing folder, or none to use the built-in letters"})
	}
	return f.problems
}

// normalPath writes the language of a path as the built-in folders do.
func normalPath(at string) string {
	if lang, file, ok := strings.Cut(at, "/"); ok {
		return normal(lang) + "/" + file
	}
	return at
}

// find returns the path of a language's file, or of the file of the language
// without its region: who writes nl-be need only write what differs from nl.
func (src sources) find(lang, file string) (string, bool) {
	for _, l := range []string{lang, base(lang)} {
		if _, ok := src.files[l+"/"+file]; ok {
			return l + "/" + file, true
		}
	}
	return lang + "/" + file, false
}

// display returns a path as its author knows it.
func (src sources) display(file string) string {
	if src.files[file].own {
		return path.Join(src.dir, file)
	}
	return file
}

// letters returns the names of all letters there are, sorted.
func (src sources) letters() []string {
	names := map[string]bool{}
	for file := range src.files {
		if letterFile.MatchString(file) {
			names[strings.TrimSuffix(path.Base(file), path.Ext(file))] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// spoken returns the languages in which a letter exists in full, sorted.
func (src sources) spoken(name string) []string {
	var langs []string
	for file := range src.files {
		lang, rest, _ := strings.Cut(file, "/")
		if _, html := src.files[lang+"/"+name+".html"]; html && rest == name+".txt" {
			langs = append(langs, lang)
		}
	}
	slices.Sort(langs)
	return langs
}

// strays finds files of one's own that look like misspelt letters: they would
// be ignored, and the built-in wording sent in silence.
func (src sources) strays(names, langs []string) Problems {
	var problems Problems
	for file, s := range src.files {
		lang, name, ok := strings.Cut(file, "/")
		name = strings.TrimSuffix(name, path.Ext(name))
		if !s.own || !ok || !slices.Contains(langs, lang) || name == "phrases" || slices.Contains(names, name) {
			continue
		}
		if near := nearest(name, names); near != "" && !slices.Contains(src.spoken(name), lang) {
			problems = append(problems, &Problem{File: src.display(file), What: "no policy uses a letter " + name, Fix: "did you mean " + near + "?"})
		}
	}
	return problems
}

// chooseNames checks the letters that policies use.
func chooseNames(asked []string, src sources, problems Problems) ([]string, Problems) {
	there := src.letters()
	if len(asked) == 0 {
		return there, problems
	}
	names := slices.Clone(asked)
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool {
		if letterName.MatchString(name) && slices.Contains(there, name) {
			return false
		}
		problems = append(problems, &Problem{
			What: fmt.Sprintf("a policy uses the letter %q, which does not exist", name),
			Fix:  "there are: " + strings.Join(there, ", ") + didYouMean(name, there),
		})
		return true
	}), problems
}

// chooseLanguages checks the languages to write in.
func chooseLanguages(o Options, src sources, problems Problems) ([]string, string, Problems) {
	known := slices.Sorted(maps.Keys(languages))
	var langs []string
	for _, asked := range o.Languages {
		lang := normal(asked)
		switch {
		case slices.Contains(langs, lang):
		case languages[base(lang)] == nil:
			problems = append(problems, &Problem{
				What: fmt.Sprintf("nothing is known of the language %q", asked),
				Fix:  "dates and amounts can be written in: " + strings.Join(known, ", "),
			})
		default:
			langs = append(langs, lang)
		}
	}
	if len(o.Languages) == 0 {
		langs = known
	}
	if o.Default == "" && len(langs) > 0 {
		return langs, langs[0], problems
	}
	fallback := normal(o.Default)
	if !slices.Contains(langs, fallback) && len(langs) > 0 {
		problems = append(problems, &Problem{
			What: fmt.Sprintf("the default language %q is none of the languages %s", o.Default, strings.Join(langs, ", ")),
			Fix:  "add it to the languages, or choose one of them",
		})
	}
	return langs, fallback, problems
}

// checkSender cleans what letters say of the sender.
func checkSender(s Sender, problems Problems) (Sender, Problems) {
	checked := Sender{Name: clean(s.Name, maxCustomer), Email: clean(s.Email, maxCustomer), Phone: clean(s.Phone, maxCountry)}
	for _, line := range s.Address {
		if line = clean(line, maxCustomer); line != "" {
			checked.Address = append(checked.Address, line)
		}
	}
	if checked.Name == "" {
		problems = append(problems, &Problem{What: "the letters have no sender", Fix: "say in whose name they are written"})
	}
	if local, domain, ok := strings.Cut(checked.Email, "@"); !ok || local == "" || domain == "" || strings.ContainsAny(checked.Email, " <>") {
		problems = append(problems, &Problem{What: "the letters have no address for answers", Fix: `give one such as "billing@example.com"`})
	}
	return checked, problems
}
