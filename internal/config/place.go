package config

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Where things are: web addresses, hosts, mailboxes and files.

// onThisMachine reports whether a host is the machine itself.
func onThisMachine(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

var hostForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// isHost reports whether a text is a host name or an IP address.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return len(text) <= 253 && hostForm.MatchString(strings.ToLower(text))
}

// isPort reports whether a text is the number of a port, and not one with
// decoration.
func isPort(text string) bool {
	v, err := strconv.ParseUint(text, 10, 16)
	return err == nil && strconv.FormatUint(v, 10) == text
}

// host reads the name or the IP address of a machine.
func (n node) host() string {
	s := n.scalar()
	n.is(s.text)
	if s.ok && !isHost(s.text) {
		if host, port, err := net.SplitHostPort(s.text); err == nil && isHost(host) && isPort(port) {
			s.refuse("has a port in it; write the host alone, and the port as port: %s", shownPort(s, port))
		} else {
			s.refuse("is not a host; write its name or IP address, like smtp.example.com")
		}
		return ""
	}
	return s.text
}

// shownPort is the port for a message, unless a reference stands for it.
func shownPort(s scalar, port string) string {
	if s.text != s.written {
		return "587"
	}
	return port
}

// payHost reads a host that payment links may be on, with a port if it is not
// the usual one.
func (n node) payHost() string {
	s := n.scalar()
	if !s.ok {
		return ""
	}
	host := s.text
	if h, port, err := net.SplitHostPort(s.text); err == nil && isPort(port) {
		host = h
	}
	switch {
	case strings.Contains(s.text, "://") || strings.Contains(s.text, "/"):
		s.refuse("is more than a host; leave out https:// and what follows the host, as in api.costplus.online")
	case strings.ContainsAny(s.text, "*?"):
		s.refuse("has a placeholder in it; write every host out, as in api.costplus.online")
	case !isHost(host):
		if ascii, err := idna.Lookup.ToASCII(host); err == nil && isHost(ascii) && s.text == s.written {
			s.refuse("must be written as browsers send it: %s", ascii)
		} else {
			s.refuse("is not a host; write it like api.costplus.online")
		}
	default:
		n.is(strings.ToLower(s.text))
		return strings.ToLower(s.text)
	}
	return ""
}

// address reads the address of a web page or service: https, or http on this
// machine. An extended one gets something added behind its path. The empty text
// is no address.
func (n node) address(otherwise string, extended bool) string {
	s := n.scalar()
	if !s.ok || s.text == "" {
		n.is(otherwise)
		return otherwise
	}
	n.is(s.text)
	u, err := url.Parse(s.text)
	switch {
	case err != nil || u.Opaque != "" || u.Scheme != "" && !isHost(u.Hostname()) || strings.Contains(s.text, " "):
		s.refuse("is not an address; write it like https://example.com/thanks")
	case u.Scheme == "":
		s.refuse("does not begin with https://; write it like https://example.com/thanks")
	case u.User != nil:
		s.wrong("there is a user name or a password in this address; leave it out")
	case u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())):
		s.refuse("is not safe; write https:// (http:// is for addresses on this machine only)")
	case extended && strings.ContainsAny(s.text, "?#"):
		s.refuse("must end with its path; leave out ? and # and what follows")
	default:
		return s.text
	}
	return otherwise
}

// listener reads an address to listen on: 127.0.0.1:8080. The empty text is
// none.
func (n node) listener(thisMachineOnly bool) string {
	s := n.scalar()
	n.is(s.text)
	if !s.ok || s.text == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(s.text)
	switch {
	case err != nil || !isPort(port) || host != "" && !isHost(host):
		s.refuse("is not an address to listen on; write it like 127.0.0.1:8080")
	case thisMachineOnly && !onThisMachine(host):
		s.refuse("can be reached from other machines, and these pages ask for no password; write it like 127.0.0.1:%s", shownPort(s, port))
	default:
		return s.text
	}
	return ""
}

var mailboxForm = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*$`)

// isMailbox reports whether a text is an address that mail can be sent to from
// elsewhere: RFC 5321 without its rarities (quoted local parts, IP addresses,
// domains of one word).
func isMailbox(text string) bool {
	at := strings.LastIndexByte(text, '@')
	if at < 1 || at > 64 || len(text) > 254 || !mailboxForm.MatchString(text[:at]) {
		return false
	}
	domain, err := idna.Lookup.ToASCII(text[at+1:])
	if err != nil {
		return false
	}
	dot := strings.LastIndexByte(domain, '.')
	_, err = netip.ParseAddr(domain)
	return dot > 0 && err != nil && hostForm.MatchString(strings.ToLower(domain)) && len(domain)-dot > 2
}

// mailbox reads a bare mail address. The empty text is none.
func (n node) mailbox() string {
	n.shape.takes("type", "string")
	s := n.scalar()
	n.is(s.text)
	if s.text == "" || isMailbox(s.text) {
		return s.text
	}
	if a, err := mail.ParseAddress(s.text); err == nil && isMailbox(a.Address) && s.text == s.written {
		s.refuse("has a name in it; write the address alone: %s", a.Address)
		return ""
	}
	s.refuse("is not a mail address; write it like finance@example.com")
	return ""
}

// sender reads a mail address with or without the name of its owner. The empty
// text is none.
func (n node) sender() string {
	n.shape.takes("type", "string")
	s := n.scalar()
	n.is(s.text)
	if s.text == "" {
		return ""
	}
	a, err := mail.ParseAddress(s.text)
	switch open := strings.LastIndexByte(s.text, '<'); {
	case err == nil && isMailbox(a.Address):
		return s.text
	case open > 0 && strings.HasSuffix(s.text, ">") && isMailbox(s.text[open+1:len(s.text)-1]):
		s.refuse(`has a character in the name that needs quotes; write it like '"Example, Inc." <billing@example.com>'`)
	default:
		s.refuse(`is not a mail address; write it like "Example BV <billing@example.com>"`)
	}
	return ""
}

// filePath reads the place of a file. It is taken from the folder of the
// configuration, unless it begins at the root.
func (n node) filePath(dir string) string {
	s := n.scalar()
	n.is(s.text)
	if !s.ok || s.text == "" || filepath.IsAbs(s.text) {
		return s.text
	}
	return filepath.Join(dir, s.text)
}
