package source

import (
	"net/mail"
	"strings"
	"testing"

	"dunning/internal/sheet"

	"golang.org/x/net/idna"
)

// FuzzAddress: an address that is taken is one plain mailbox in ASCII, the same
// in every reader of addresses, and taken again it stays what it is.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"jan@bakkerij.example", "a@BÜCHER.example", "a@xn--bcher-kva.example", "a@p\u0430ypal.com", "a@xn--80ak6aa92e.com", "a@почта.рф",
		"a@b@c.example", `"a b"@c.example`, "a@[192.0.2.1]", "a(b)@c.example", "Team: a@x.example;", "Jan <a@x.example>", "a@x.example.", "a@ｘ。example",
		"jän@x.example", "a@x\u200d.example", "a@\u05d0\u05d1.example", "a@1\u05d0.example", "a@i❤.example", "a@xn--.example", "=x@y.example", "a@" + strings.Repeat("b.", 120) + "example",
		strings.Repeat("a", 65) + "@x.example", "a\r\nBcc: x@y.example", "a@x.123", "a@ﬀ.example", "a@faß.example", "a@ソニーの株.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, what := mailbox(text)
		if (got == "") == (what == "") {
			t.Fatalf("%q: the address %q and the objection %q", text, got, what)
		}
		if what != "" {
			if strings.ContainsFunc(what, sheet.Harmful) || strings.ContainsAny(what, "\r\n") || len(what) > 1000 {
				t.Errorf("%q: the objection is %q", text, what)
			}
			return
		}
		local, domain, _ := strings.Cut(got, "@")
		for _, r := range got {
			if r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>()[]:;,\"`, r) {
				t.Errorf("%q became %q with %q in it", text, got, r)
			}
		}
		if !strings.HasPrefix(text, local+"@") || strings.Contains(domain, "@") || len(local) > 64 || len(got) > 254 || domain != strings.ToLower(domain) || !strings.Contains(domain, ".") {
			t.Errorf("%q became %q", text, got)
		}
		if again, what := mailbox(got); again != got || what != "" {
			t.Errorf("%q became %q, and that %q (%s)", text, got, again, what)
		}
		if a, err := mail.ParseAddress(got); err != nil || a.Address != got || a.Name != "" {
			t.Errorf("%q became %q, which others read as %v, %v", text, got, a, err)
		}
		if shown, err := idna.Lookup.ToUnicode(domain); err != nil {
			t.Errorf("%q became %q, whose domain is %q: %v", text, got, shown, err)
		}
	})
}

// FuzzAddressCell: of whatever is in the cell come an address and at most nine
// others, all different, or one objection.
func FuzzAddressCell(f *testing.F) {
	for _, s := range []string{"a@x.example, b@y.example", "a@x.example;b@y.example;", ";", "", "a@x.example;A@X.EXAMPLE", "Team: a@x.example, b@x.example;", `"a,b"@x.example`, strings.Repeat("a@x.example;", 11)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		if strings.ContainsAny(cell, "\r\n\"\x00") || len(cell) > 1000 {
			return // FuzzRead tries those
		}
		rows, problems := readText(hostileHeader+"\n"+hostileLine(colEmail, cell), Options{})
		if len(rows)+len(problems) != 1 {
			t.Fatalf("%q: %d rows, %q", cell, len(rows), problems)
		}
		if len(rows) == 0 {
			return
		}
		d, seen := rows[0].Customer, map[string]bool{}
		if strings.TrimSpace(cell) != "" && d.Email == "" || d.Email == "" && len(d.CC) > 0 || len(d.CC) >= mostAddresses {
			t.Errorf("%q became %q with copies to %q", cell, d.Email, d.CC)
		}
		for _, a := range append([]string{d.Email}, d.CC...) {
			if seen[strings.ToLower(a)] || a != "" && strings.Count(a, "@") != 1 {
				t.Errorf("%q became %q with copies to %q", cell, d.Email, d.CC)
			}
			seen[strings.ToLower(a)] = true
		}
	})
}
