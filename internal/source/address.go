package source

import (
	"fmt"
	"slices"
	"strings"
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
		address, what := mailbox(part)
		if what != "" {
			c.wrong(colEmail, fmt.Sprintf("%s is no e-mail address: %s", quoted(part), what),
				"write it like billing@example.com; several are separated by a semicolon; leave the cell empty if nobody knows one")
			return "", nil
		}
		if !slices.ContainsFunc(list, func(a string) bool { return strings.EqualFold(a, address) }) {
			list = append(list, address)
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

// mailbox returns an address with its domain as the DNS has it, or says what is
// wrong with it. One plain address is wanted: no name, quotes, comment or IP
// address, and a domain with a dot. The domain may be in any script, the part
// before the @ may not: few mail servers take it (RFC 6531). It refuses what the
// mailer would refuse, so that it is known before the invoice is due.
func mailbox(address string) (canonical, what string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", "it has no @"
	}
	local, domain := address[:at], address[at+1:]
	switch {
	case strings.ContainsAny(address, "<>"):
		return "", "the address alone is wanted, without a name"
	case local == "":
		return "", "nothing is before the @"
	case len(local) > longestLocal:
		return "", fmt.Sprintf("the part before the @ is longer than %d characters", longestLocal)
	case strings.HasPrefix(local, "."), strings.HasSuffix(local, "."), strings.Contains(local, ".."):
		return "", "a dot is at an end of the part before the @, or two are in a row"
	}
	for _, r := range local {
		if !isAtom(r) {
			return "", fmt.Sprintf("%s must not stand before the @", quoted(string(r)))
		}
	}
	ascii, what := asciiDomain(domain)
	if what == "" && at+1+len(ascii) > longestAddress {
		what = fmt.Sprintf("it is longer than %d characters", longestAddress)
	}
	if what != "" {
		return "", what
	}
	return local + "@" + ascii, ""
}

// isAtom reports whether r may stand unquoted before the @ (atext of RFC 5322,
// section 3.2.3, and the dot).
func isAtom(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r < 0x80 && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}
