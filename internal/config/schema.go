package config

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The schema for editors is not written by hand: it is what the reader does. A
// shape stands beside each node while a specimen is read, and every method that
// reads a value notes in it what it takes. A nil shape, as when a configuration
// is read for use, notes nothing.
type shape struct {
	kind   map[string]any    // of a single value
	known  map[string]*shape // settings with these names and no other
	values *shape            // settings with free names
	items  *shape            // elements of a list
	needed bool              // it must be there
}

// setting returns the shape of a setting with a known name.
func (s *shape) setting(name string) *shape {
	if s == nil {
		return nil
	}
	if s.known == nil {
		s.known = map[string]*shape{}
	}
	if s.known[name] == nil {
		s.known[name] = &shape{}
	}
	return s.known[name]
}

// value returns the shape of settings with free names.
func (s *shape) value() *shape {
	if s == nil {
		return nil
	}
	if s.values == nil {
		s.values = &shape{}
	}
	return s.values
}

// item returns the shape of the elements of a list.
func (s *shape) item() *shape {
	if s == nil {
		return nil
	}
	if s.items == nil {
		s.items = &shape{}
	}
	return s.items
}

// takes notes what a single value may be: keywords of JSON Schema and their
// values, or whole schemas.
func (s *shape) takes(parts ...any) {
	if s == nil {
		return
	}
	s.kind = map[string]any{}
	for i := 0; i < len(parts); i++ {
		switch part := parts[i].(type) {
		case map[string]any:
			maps.Copy(s.kind, part)
		case string:
			i++
			s.kind[part] = parts[i]
		}
	}
}

// must notes that the setting has to be there.
func (s *shape) must() {
	if s != nil {
		s.needed = true
	}
}

// takesWord notes a choice of words.
func (s *shape) takesWord(otherwise string, words []string) {
	s.takes(orReference("enum", words))
	if s != nil && otherwise != "" {
		s.kind["default"] = otherwise
	}
}

// takesDuration notes a number with one of some units.
func (s *shape) takesDuration(otherwise, units string) {
	s.takes("type", "string", "pattern", "^[0-9]+ +"+units+"$|"+anyReference, "default", otherwise)
}

// orReference returns a schema of some keywords, or of a reference to a
// variable or a file.
func orReference(pairs ...any) map[string]any {
	one := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		one[pairs[i].(string)] = pairs[i+1]
	}
	return map[string]any{"anyOf": []any{one, map[string]any{"type": "string", "pattern": reference}}}
}

// anyReference matches what stands for a value of any kind.
const anyReference = `\$\{[^}]+\}`

// schema returns the shape as JSON Schema. At is its path, for descriptions.
func (s *shape) schema(at string, says map[string]string) map[string]any {
	out := map[string]any{}
	switch {
	case s.known != nil:
		props, required := map[string]any{}, []string{}
		for name, p := range s.known {
			if p.needed {
				required = append(required, name)
			}
			props[name] = p.schema(strings.TrimPrefix(at+"."+name, "."), says)
		}
		out["type"], out["properties"], out["additionalProperties"] = "object", props, false
		if slices.Sort(required); len(required) > 0 {
			out["required"] = required
		}
	case s.values != nil && s.items == nil:
		out["type"], out["additionalProperties"] = "object", s.values.schema(at+".*", says)
	case s.items != nil:
		list := map[string]any{"type": "array", "items": s.items.schema(at+"[]", says)}
		if s.kind == nil && s.values == nil {
			out = list
		} else { // one or several
			out["anyOf"] = []any{list, (&shape{kind: s.kind}).schema(at, nil)}
		}
	case s.kind != nil:
		maps.Copy(out, s.kind)
	default:
		out["type"] = []string{"string", "number", "boolean"}
	}
	if text := says[at]; text != "" {
		out["description"] = text
	}
	return out
}

// specimen has at least one element of every list and one name in every mapping
// with free names, so that reading it meets everything there is to read. What
// it says matters as little as the mistakes in it.
const specimen = `
costplus: {mode: test, payment_hosts: [x], former_keys: [x], abandoned_keys: [x]}
mail: {languages: [en], dkim: [{domain: example.com}], bank: {EUR: [x]}}
sending: {days: [mon], holidays: {add: [2026-12-24], remove: [2026-12-25], countries: {be: {add: [2026-12-24], remove: [2026-12-25]}}}, blackout: [2026-12-24]}
sources: [{name: erp, columns: {number: x}}]
policies:
  standard:
    currencies: [EUR]
    min_amount: {EUR: "5.00"}
    interest: {rates: {2026-01-01: 1}, compensation: {EUR: "1.00"}}
    steps: [{name: a, when: on issue date, requires_sent: [a], above: {EUR: "1.00"}, repeat: {every: 1 day}, cc: [x], attach: [x], link: {expires_after: P30D}}]
    on_failed_attempt: {template: x, cc: [x], attach: [x]}
    broken_promise: {template: x, cc: [x], attach: [x]}
policy_rules: [{when: {above: {EUR: "1.00"}}, policy: standard}]
`

// Schema returns the JSON Schema (draft 7) of a configuration, for editors: names,
// kinds of values, bounds, words to choose from, and what config.example.yaml
// says of each. The reader knows more than a schema can say; dunning check
// finds what an editor does not.
func Schema() []byte {
	root := &shape{}
	r := &reader{
		file: "specimen", effective: map[string]string{}, shape: root,
		env:      func(string) (string, bool) { return "x", true },
		readFile: func(string) ([]byte, error) { return []byte("x"), nil },
	}
	c := &Config{}
	if tree, ok := r.tree([]byte(specimen)); ok {
		c.read(tree)
	}
	out := root.schema("", sayings(Example))
	out["$schema"], out["title"] = "http://json-schema.org/draft-07/schema#", "config.yaml of dunning"
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // maps, lists and texts only
	}
	return append(text, '\n')
}

var (
	keyLine  = regexp.MustCompile(`^( *)(- )?(?:# )?([a-z_]+):(?: |$)`)
	saysLine = regexp.MustCompile(`^ *# ?(.*)$`)
	rowLine  = regexp.MustCompile(`^ {2}([a-z_]+) {2,}(\S.*)$`)
	moreLine = regexp.MustCompile(`^ {6,}(\S.*)$`)
)

// sayings returns what the comments of the example say, by path: the comment
// above a setting is about it, and a table in one about the settings of its
// elements.
func sayings(example string) map[string]string {
	says := map[string]string{}
	var path []string
	var comment []string
	for line := range strings.Lines(example) {
		line = strings.TrimRight(line, "\n")
		if m := keyLine.FindStringSubmatch(line); m != nil {
			depth := len(m[1]) / 2
			if m[2] != "" { // the first setting of an element
				depth++
			}
			path = append(slices.Clip(path[:min(depth, len(path))]), m[3])
			if depth < len(path) {
				about(says, template(path), comment)
			}
			comment = nil
			continue
		}
		m := saysLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			comment = nil
		case strings.TrimSpace(m[1]) == "":
			comment = nil
		default:
			comment = append(comment, m[1])
		}
	}
	return says
}

// template writes a path as shapes do: any policy, any element.
func template(path []string) string {
	out := strings.Join(path, ".")
	out = strings.Replace(out, "policies.standard", "policies.*", 1)
	out = strings.Replace(out, "policies.gentle", "policies.*", 1)
	return strings.Replace(out, "sources.", "sources[].", 1)
}

// about keeps what a comment says of a path, unless something is known of it.
func about(says map[string]string, at string, comment []string) {
	var text []string
	row := ""
	for _, line := range comment {
		if m := rowLine.FindStringSubmatch(line); m != nil {
			row = at + "[]." + m[1]
			if at == "policy_rules" {
				row = at + "[].when." + m[1]
			}
			says[row] = m[2]
			continue
		}
		if m := moreLine.FindStringSubmatch(line); m != nil && row != "" {
			says[row] += " " + m[1]
			continue
		}
		row = ""
		text = append(text, strings.TrimSpace(line))
	}
	if says[at] == "" {
		says[at] = strings.Join(text, " ")
	}
}
