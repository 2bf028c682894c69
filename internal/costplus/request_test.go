package costplus

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dunning/invoices"
)

func TestDisclosure(t *testing.T) {
	all := invoices.Customer{ID: "C-7", Name: "Jan de Vries", Email: "jan@example.com", Language: "nl-NL", Country: "nl"}
	with := func(change func(*invoices.Customer)) invoices.Customer {
		c := all
		change(&c)
		return c
	}
	tests := []struct {
		says string
		tell disclosure
		of   invoices.Customer
		want *customer
	}{
		{"nothing by default", "", all, nil},
		{"nothing", NoCustomer, all, nil},
		{"everything but the address", CustomerName, all, &customer{ID: "C-7", FirstName: "Jan", LastName: "de Vries", Locale: "nl-NL", Country: "NL"}},
		{"everything", FullCustomer, all, &customer{ID: "C-7", FirstName: "Jan", LastName: "de Vries", Locale: "nl-NL", Country: "NL", Email: "jan@example.com"}},
		{"a language Cost+ has no pattern for is left out", CustomerName, with(func(c *invoices.Customer) { c.Language = "zh-Hant-TW" }), &customer{ID: "C-7", FirstName: "Jan", LastName: "de Vries", Country: "NL"}},
		{"a country by name is left out", CustomerName, with(func(c *invoices.Customer) { c.Country = "Nederland" }), &customer{ID: "C-7", FirstName: "Jan", LastName: "de Vries", Locale: "nl-NL"}},
		{"an address that is none is left out", FullCustomer, with(func(c *invoices.Customer) { c.Email = "Jan <jan@example.com>" }), &customer{ID: "C-7", FirstName: "Jan", LastName: "de Vries", Locale: "nl-NL", Country: "NL"}},
		{"a name without letters is left out", CustomerName, with(func(c *invoices.Customer) { c.Name = " - -\x00" }), &customer{ID: "C-7", Locale: "nl-NL", Country: "NL"}},
		{"a name without end is left out", CustomerName, with(func(c *invoices.Customer) { c.Name = strings.Repeat("x", longestName+1) }), &customer{ID: "C-7", Locale: "nl-NL", Country: "NL"}},
		{"nothing left is no object", FullCustomer, invoices.Customer{Language: "?", Country: "?", Email: "?"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.tell.of(tt.of)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSplitName(t *testing.T) {
	for name, want := range map[string][2]string{
		"Jan de Vries":                  {"Jan", "de Vries"},
		"Vries, Jan de":                 {"Jan de", "Vries"},
		"  Jan \t de  Vries ":           {"Jan", "de Vries"},
		"Ahold":                         {"", "Ahold"},
		"Example Trading BV":            {"Example", "Trading BV"},
		"Jansen, Pietersen, Klaassen":   {"Jansen", "Pietersen, Klaassen"},
		"Müller, ":                      {"", "Müller"},
		"":                              {"", ""},
		"O'Neill Seán":                  {"O'Neill", "Seán"},
		"李 小龍":                          {"李", "小龍"},
		"Jan\r\nBcc: other@example.com": {"Jan", "Bcc: other@example.com"},
	} {
		if first, last := splitName(name); first != want[0] || last != want[1] {
			t.Errorf("%q: got %q and %q", name, first, last)
		}
	}
}
