package mailer

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// ValidAddress says what is wrong with an address as a recipient of letters,
// without repeating it. It wants one plain addr-spec of RFC 5321 (no name, no
// quotes, no comment, no IP address) in a domain that has a dot, with the
// lengths of RFC 5321, section 4.5.3.1. A domain may be written in any script;
// the part before the @ must be ASCII, since few mail servers take others.
func ValidAddress(address string) error {
	_, err := canonical(address)
	return err
}

// canonical returns a valid address as mail servers want it, its domain in
// ASCII (RFC 5891).
func canonical(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", errors.New("an e-mail address has an @")
	}
	local := address[:at]
	switch {
	case local == "" || len(local) > 64:
		return "", fmt.Errorf("the part before the @ has %d characters; 1 to 64 are possible", len(local))
	case strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "", errors.New("the part before the @ has a dot at an end or two in a row")
	}
	for _, r := range local {
		if !isAtom(r) {
			return "", fmt.Errorf("the part before the @ contains %q", r)
		}
	}
	domain, err := asciiDomain(address[at+1:])
	if err != nil {
		return "", err
	}
	if n := at + 1 + len(domain); n > 254 {
		return "", fmt.Errorf("the address has %d characters; 254 are possible", n)
	}
	return local + "@" + domain, nil
}

// isAtom reports whether r may stand unquoted before the @ (atext of RFC 5322,
// section 3.2.3, and the dot).
func isAtom(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r < unicode.MaxASCII && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
}

// asciiDomain returns a domain name as it is in the DNS.
func asciiDomain(name string) (string, error) {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == unicode.ReplacementChar }) || len(name) > 253 {
		return "", errors.New("the domain is not a domain name")
	}
	domain, err := idna.Lookup.ToASCII(name)
	if err != nil || len(domain) > 253 {
		return "", errors.New("the domain is not a domain name")
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "", errors.New("the domain has no dot")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("a part of the domain has %d characters; 1 to 63 are possible", len(label))
		}
		for _, r := range label {
			if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
				return "", fmt.Errorf("the domain contains %q", r)
			}
		}
	}
	if !strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return r >= 'a' }) {
		return "", errors.New("the domain is an IP address or ends in a number")
	}
	return domain, nil
}

// parsePerson reads an address with or without a name.
func parsePerson(text string) (*mail.Address, error) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return nil, errors.New("it contains a control character")
	}
	addr, err := mail.ParseAddress(text)
	if err != nil {
		return nil, errors.New(`want an address such as billing@example.com or Example BV <billing@example.com>; a name with a comma or a dot needs quotes: "Example B.V." <billing@example.com>`)
	}
	if strings.ContainsFunc(addr.Name, unicode.IsControl) {
		return nil, errors.New("the name contains a control character")
	}
	if addr.Address, err = canonical(addr.Address); err != nil {
		return nil, err
	}
	return addr, nil
}

// unique returns the addresses as mail servers want them, each once over both
// lists (R14): upper and lower case are the same to every mailbox we know of.
func unique(to, cc []string) ([]string, []string, error) {
	seen := map[string]bool{}
	each := func(what string, list []string) ([]string, error) {
		var out []string
		for i, address := range list {
			a, err := canonical(address)
			if err != nil {
				return nil, fmt.Errorf("%s %d of %d: %w", what, i+1, len(list), err)
			}
			if key := strings.ToLower(a); !seen[key] {
				seen[key] = true
				out = append(out, a)
			}
		}
		return out, nil
	}
	to, err := each("recipient", to)
	if err != nil {
		return nil, nil, err
	}
	cc, err = each("copy recipient", cc)
	return to, cc, err
}
