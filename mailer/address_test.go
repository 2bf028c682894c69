package mailer

import (
	"net/mail"
	"strings"
	"testing"
)

func TestR22_ValidAddress(t *testing.T) {
	for _, row := range []struct{ sentence, address, want string }{
		{"a plain address", "jansen@bakkerij.example", "jansen@bakkerij.example"},
		{"what may stand before the @ without quotes", "o'neil+inv/x=1.a@b.example", "o'neil+inv/x=1.a@b.example"},
		{"a domain in capitals is lower case in the DNS; the rest is kept", "Jan@Bakkerij.EXAMPLE", "Jan@bakkerij.example"},
		{"a domain in another script is turned into ASCII", "jansen@bäckerei.example", "jansen@xn--bckerei-5wa.example"},
		{"a domain with a full-width dot is the same domain", "a@b。example", "a@b.example"},
		{"64 characters before the @", strings.Repeat("a", 64) + "@b.example", strings.Repeat("a", 64) + "@b.example"},
	} {
		got, err := canonical(row.address)
		if err != nil || got != row.want {
			t.Errorf("%s: %q, %v", row.sentence, got, err)
		}
	}
	for _, row := range []struct{ sentence, address string }{
		{"nothing", ""},
		{"no @", "jansen"},
		{"nothing before the @", "@b.example"},
		{"no domain", "a@"},
		{"a domain without a dot", "a@localhost"},
		{"a domain that ends in a dot", "a@b.example."},
		{"an empty part of the domain", "a@b..example"},
		{"an IP address", "a@192.0.2.1"},
		{"an address literal", "a@[192.0.2.1]"},
		{"a quoted part", `"a b"@c.example`},
		{"a quoted @", `"a@b"@c.example`},
		{"two @", "a@b@c.example"},
		{"two addresses", "a@b.example,c@d.example"},
		{"two addresses and a space", "a@b.example, c@d.example"},
		{"a name", "Jan <a@b.example>"},
		{"angle brackets", "<a@b.example>"},
		{"a comment", "a@b.example (Jan)"},
		{"a line break and a header", "a@b.example\r\nBcc: c@d.example"},
		{"a line break before the @", "a\r\nRCPT TO:<x@y.example>@b.example"},
		{"a bare line feed at the end", "a@b.example\n"},
		{"a space at the end", "a@b.example "},
		{"a zero byte", "a\x00@b.example"},
		{"a dot at the beginning", ".a@b.example"},
		{"a dot at the end", "a.@b.example"},
		{"two dots", "a..b@c.example"},
		{"letters beyond ASCII before the @", "jürgen@b.example"},
		{"a source route", "@x.example:a@b.example"},
		{"a percent sign is possible, an exclamation mark in the domain is not", "a%b@c!d.example"},
		{"65 characters before the @", strings.Repeat("a", 65) + "@b.example"},
		{"64 characters in a part of the domain", "a@" + strings.Repeat("b", 64) + ".example"},
		{"255 characters", "a@" + strings.Repeat("bbbbbb.", 36) + "b"},
		{"an underscore in the domain", "a@b_c.example"},
		{"bytes that are not UTF-8", "a@\xff\xfe.example"},
	} {
		if err := ValidAddress(row.address); err == nil {
			t.Errorf("%s: %q is accepted", row.sentence, row.address)
		} else if strings.Contains(err.Error(), "@b.example") {
			t.Errorf("%s: the error repeats the address: %v", row.sentence, err)
		}
	}
}

func FuzzValidAddress(f *testing.F) {
	f.Add("jansen@bakkerij.example")
	f.Add("a@xn--bckerei-5wa.example")
	f.Add("a@b.example\r\nBcc: c@d.example")
	f.Fuzz(func(t *testing.T, address string) {
		got, err := canonical(address)
		if err != nil {
			return
		}
		if strings.ContainsAny(got, "\r\n\x00 <>\"") || len(got) > 254 || strings.Count(got, "@") != 1 {
			t.Fatalf("%q gave %q", address, got)
		}
		if parsed, err := mail.ParseAddress(got); err != nil || parsed.Address != got {
			t.Fatalf("%q is not an address to net/mail: %v", got, err)
		}
		if again, err := canonical(got); err != nil || again != got {
			t.Fatalf("%q is not its own canonical form: %q, %v", got, again, err)
		}
	})
}

func TestR14_EachRecipientOnce(t *testing.T) {
	to, cc, err := unique(
		[]string{"a@b.example", "A@B.example", "c@bäckerei.example"},
		[]string{"c@xn--bckerei-5wa.example", "d@b.example", "a@b.example", "D@b.example"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(to, " ") + " | " + strings.Join(cc, " "); got != "a@b.example c@xn--bckerei-5wa.example | d@b.example" {
		t.Error(got)
	}
}
