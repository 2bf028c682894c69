package source

import (
	"regexp"
	"strings"
)

// holes are what Go's programs and templates write where a value was missing.
// No letter with one in it is sent, so no row with one is taken: better its line
// is told now than a letter refused when it is due.
var holes = []string{"<no value>", "&lt;no value&gt;", "ZgotmplZ"}

var misprint = regexp.MustCompile(`%![A-Za-z]?\(`)

// hole returns what stands for a missing value in a text, or nothing.
func hole(s string) string {
	for _, h := range holes {
		if strings.Contains(s, h) {
			return h
		}
	}
	if strings.Contains(s, "%!") {
		return misprint.FindString(s)
	}
	return ""
}
