package costplus

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// longestPaymentURL is the most characters a payment URL may have; it goes into
// mails and QR codes.
const longestPaymentURL = 2048

// payHost is one host on which customers may be asked to pay.
type payHost struct {
	name     string // lower case; an IPv6 address without brackets
	port     string // empty: the usual port of the scheme
	mentions *regexp.Regexp
}

var hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// readPayHosts reads the list of the configuration.
func readPayHosts(list []string) ([]payHost, error) {
	if len(list) == 0 {
		return nil, errors.New("payment_hosts is empty, so no payment link could be mailed; write it like [api.costplus.online]")
	}
	hosts := make([]payHost, 0, len(list))
	for _, text := range list {
		h, ok := readPayHost(text)
		if !ok {
			return nil, fmt.Errorf("payment host %q: write a host such as api.costplus.online, or host:port, with nothing before or after it", text)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func readPayHost(text string) (payHost, bool) {
	lower := strings.ToLower(text)
	u := url.URL{Host: lower}
	name, port := u.Hostname(), u.Port()
	want := name
	if strings.Contains(name, ":") {
		if ip, err := netip.ParseAddr(name); err != nil || ip.Zone() != "" {
			return payHost{}, false
		}
		want = "[" + name + "]"
	} else if !hostForm.MatchString(name) {
		return payHost{}, false
	}
	if port != "" {
		want += ":" + port
	}
	if want != lower || len(name) > 253 || !goodPort(port) {
		return payHost{}, false
	}
	word := `[^\s"'<>]*`
	return payHost{name, port, regexp.MustCompile(`(?i)` + word + regexp.QuoteMeta(name) + word)}, true
}

// goodPort reports whether a port is one, or empty.
func goodPort(port string) bool {
	return port == "" || len(port) <= 5 && strings.Trim(port, "0123456789") == "" && port[0] != '0'
}

// urlForm is what a payment URL may consist of: printable ASCII without the
// characters that RFC 3986 leaves out (among them the backslash, which browsers
// read as a slash and url.Parse does not), and an authority that is a host and
// perhaps a port: no user, no escapes. Every % begins an escape.
var urlForm = regexp.MustCompile(`^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?([/?#]([!#$&-;=?-Z_a-z~]|%[0-9A-Fa-f]{2})*)?$`)

// hiddenControl is an escape that decodes to a control character or a backslash.
var hiddenControl = regexp.MustCompile(`(?i)%([01][0-9a-f]|7f|5c)`)

// checkPaymentURL accepts a URL to which customers may be sent: absolute https
// on a listed host, port included; http only while the API itself is on
// loopback, and then on loopback too. Its error names the host and nothing more
// of the URL, which is as good as money to whoever reads it.
func (c *Client) checkPaymentURL(text string) error {
	switch {
	case text == "":
		return errors.New("payment_url is missing")
	case len(text) > longestPaymentURL:
		return fmt.Errorf("payment_url has %d characters, more than %d", len(text), longestPaymentURL)
	case !urlForm.MatchString(text), strings.Contains(text, "%") && hiddenControl.MatchString(text):
		return errors.New("payment_url is not a plain absolute https URL")
	}
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" {
		return errors.New("payment_url is not a plain absolute https URL")
	}
	name, port := strings.ToLower(u.Hostname()), u.Port()
	if u.Scheme != "https" && (!c.loopback || !isLoopback(name)) {
		return fmt.Errorf("payment_url on host %s is not https", cut(name, 100))
	}
	for _, h := range c.hosts {
		if h.name == name && samePort(u.Scheme, h.port, port) {
			return nil
		}
	}
	return fmt.Errorf("payment_url is on host %s, which is not in costplus.payment_hosts", cut(u.Host, 100))
}

// samePort compares two ports, either of which may be the usual one, unsaid.
func samePort(scheme, a, b string) bool {
	usual := "443"
	if scheme == "http" {
		usual = "80"
	}
	if a == "" {
		a = usual
	}
	if b == "" {
		b = usual
	}
	return a == b
}
