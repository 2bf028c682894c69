package source

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// Limits of addresses (RFC 5321, section 4.5.3.1), and of how many there are.
const (
	longestLocal   = 64
	longestAddress = 254
	longestDomain  = 253
	longestLabel   = 63
	mostAddresses  = 10
)

// addresses reads the cell with the e-mail addresses: one, or several with a
// comma or a semicolon between them, of which the first gets the letters and
// the others get copies. An address that is there twice counts once (R14). The
// cell may be empty: the invoice then waits for an address (R20).
func (c *cells) addresses() (to string, cc []string) {
	text := c.word(colEmail, mostAddresses*(longestAddress+1))
	if text == "" {
		return "", nil
	}
	var list []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if what := flaw(part); what != "" {
			c.wrong(colEmail, fmt.Sprintf("%s is no e-mail address: %s", quoted(part), what),
				"write it like billing@example.com; several are separated by a semicolon; leave the cell empty if nobody knows one")
			return "", nil
		}
		if !slices.ContainsFunc(list, func(a string) bool { return strings.EqualFold(a, part) }) {
			list = append(list, part)
		}
	}
	switch n := len(list); {
	case n == 0:
		c.wrong(colEmail, fmt.Sprintf("there is no address in %s", quoted(text)), "write it like billing@example.com, or leave the cell empty if nobody knows one")
		return "", nil
	case n > mostAddresses:
		c.wrong(colEmail, fmt.Sprintf("there are %d addresses", n), fmt.Sprintf("at most %d are taken", mostAddresses))
		return "", nil
	}
	return list[0], list[1:]
}

// flaw says what is wrong with an address, or nothing. One plain address is
// wanted: no name, quotes, comment or IP address, and a domain with a dot. The
// domain may be in any script, the part before the @ may not: few mail servers
// take it. It refuses what the mailer would refuse, so that it is known before
// the invoice is due.
func flaw(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "it has no @"
	}
	local, domain := address[:at], address[at+1:]
	switch {
	case strings.ContainsAny(address, "<>"):
		return "the address alone is wanted, without a name"
	case local == "":
		return "nothing is before the @"
	case len(local) > longestLocal:
		return fmt.Sprintf("the part before the @ is longer than %d characters", longestLocal)
	case strings.HasPrefix(local, "."), strings.HasSuffix(local, "."), strings.Contains(local, ".."):
		return "a dot is at an end of the part before the @, or two are in a row"
	}
	for _, r := range local {
		if !isAtom(r) {
			return fmt.Sprintf("%s must not stand before the @", quoted(string(r)))
		}
	}
	ascii, what := asciiDomain(domain)
	if what == "" && at+1+len(ascii) > longestAddress {
		what = fmt.Sprintf("it is longer than %d characters", longestAddress)
	}
	return what
}

// isAtom reports whether r may stand unquoted before the @ (atext of RFC 5322,
// section 3.2.3, and the dot).
func isAtom(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r < 0x80 && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}

// asciiDomain returns a domain as the DNS has it, or says what is wrong with it.
func asciiDomain(name string) (domain, what string) {
	const noDomain = "what is behind the @ is no domain"
	if name == "" {
		return "", "nothing is behind the @"
	}
	if len(name) > 4*longestDomain || strings.ContainsAny(name, "[]() \t\ufffd") {
		return "", noDomain
	}
	domain, err := idna.Lookup.ToASCII(name)
	if err != nil || len(domain) > longestDomain {
		return "", noDomain
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "", "the domain has no dot"
	}
	for _, label := range labels {
		if label == "" {
			return "", "a dot is at an end of the domain, or two are in a row"
		}
		if len(label) > longestLabel || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) {
			return "", noDomain
		}
	}
	if !strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return r >= 'a' }) {
		return "", "the domain is an IP address, or ends in a number"
	}
	return domain, ""
}
