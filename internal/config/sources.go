package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sources reads where unpaid invoices come from.
func (c *Config) sources(n node) {
	lines := map[string]int{}
	for _, e := range n.list(`- {name: erp, csv: "inbox/*.csv", max_age: 26 hours}`) {
		s := c.source(e)
		if first, twice := lines[s.Name]; twice && s.Name != "" {
			e.wrong("there is a source %s in line %d already; give this one another name", s.Name, first)
			continue
		}
		lines[s.Name] = e.at.Line
		c.Sources = append(c.Sources, s)
	}
}

func (c *Config) source(n node) Source {
	m := n.settings("name", "csv", "max_age", "load", "columns", "delimiter", "decimal", "dates")
	m["name"].need("erp")
	m["csv"].need(`"inbox/*.csv"`)
	s := Source{
		Name:      m["name"].name(),
		CSV:       m["csv"].filePath(c.Dir),
		MaxAge:    m["max_age"].duration(time.Minute, 366*24*time.Hour, 0),
		Full:      m["load"].word("changes", "changes", "full") == "full",
		Columns:   m["columns"].columns(),
		Delimiter: m["delimiter"].delimiter(),
		Decimal:   m["decimal"].word(".", ".", ","),
		Dates:     m["dates"].dateForm(),
	}
	if _, err := filepath.Match(s.CSV, ""); err != nil {
		m["csv"].wrong("a [ is not closed in this pattern; write it like inbox/*.csv")
	}
	return s
}

// columns reads how the headers of a file are called: our name → theirs.
func (n node) columns() map[string]string {
	headers := map[string]string{}
	ours := map[string]string{}
	m := n.settings(columns...)
	for _, name := range columns {
		s := m[name].scalar()
		m[name].is(s.text)
		switch {
		case !s.ok:
		case strings.TrimSpace(s.text) == "":
			s.wrong("the header is empty; write the name of the column in the file, or leave %s out", name)
		case ours[s.text] != "":
			s.refuse("is the header of %s already; one column cannot be both", ours[s.text])
		default:
			headers[name], ours[s.text] = s.text, name
		}
	}
	return headers
}

// delimiter reads what stands between the columns; zero is to find it out.
func (n node) delimiter() rune {
	s := n.scalar()
	n.is(s.text)
	if !s.ok || s.text == "" {
		return 0
	}
	named := map[string]rune{"tab": '\t', "comma": ',', "semicolon": ';', "pipe": '|', ",": ',', ";": ';', "|": '|'}
	d, known := named[s.text]
	if !known {
		s.refuse(`is not known here; write ",", ";", "|" or tab, or leave it out`)
	}
	return d
}

// dateForms are the ways in which a source may write dates.
var dateForms = []string{"YYYY-MM-DD", "DD-MM-YYYY", "DD/MM/YYYY", "DD.MM.YYYY"}

func (n node) dateForm() string {
	v := dateForms[0]
	if s := n.scalar(); s.ok {
		if slices.Contains(dateForms, s.text) {
			v = s.text
		} else if up := strings.ToUpper(s.text); slices.Contains(dateForms, up) && s.text == s.written {
			s.refuse("must be written in capitals: %s", up)
		} else {
			s.refuse("is not known here; write %s", alternatives(dateForms))
		}
	}
	n.is(v)
	return v
}
