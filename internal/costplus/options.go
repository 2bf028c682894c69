package costplus

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Modes of Cost+ (rule R26). The key alone decides which one it really is; the
// mode is what the configuration takes the key for.
const (
	Test = "test"
	Live = "live"
)

// How much Cost+ is told of the debtor.
const (
	NoCustomer   = "none"
	CustomerName = "name" // name, customer id, language and country
	FullCustomer = "full" // and the e-mail address: Cost+ may then mail the customer itself
)

// Options say where Cost+ is, who asks, and how.
type Options struct {
	// BaseURL is the address of the API without /v1/. It is https; http is
	// allowed on a loopback address only.
	BaseURL string
	// APIKey is the secret. It is sent to BaseURL and shows nowhere else.
	APIKey string
	// Mode is Test or Live.
	Mode string
	// ReturnURL and FailureURL are where the payer is sent afterwards;
	// WebhookURL is the public address of the webhook receiver, to which each
	// link's own hook is added as one more path element. Any may be empty.
	ReturnURL, FailureURL, WebhookURL string
	// PaymentHosts are the hosts, or host:port, that a payment URL may be on.
	PaymentHosts []string
	// SendCustomer is how much of the debtor is sent along: NoCustomer, also if
	// empty, CustomerName or FullCustomer.
	SendCustomer string
	// PerSecond is the most calls a second of all goroutines together, 10 if
	// zero. A tenth of a second's calls may start at once.
	PerSecond float64
	// Timeout bounds one call as a whole, without the wait for its turn; 30
	// seconds if zero.
	Timeout time.Duration
	// Now is the clock. Expiry is counted from it where an answer does not say.
	Now func() time.Time
	// OnCall, if not nil, is told of every call that had its turn: its name,
	// "ok" or the kind of its fault, and how long it took. It is called from
	// several goroutines.
	OnCall func(call, kind string, took time.Duration)
	// Warn, if not nil, is told what is odd in an answer but does not make it
	// useless, in words fit for a log. It is called from several goroutines.
	Warn func(string)
	// Transport takes the place of the network in tests; nil is the network.
	// An *http.Transport is copied, and its connections are counted. Of any
	// other an error is never taken as a proof that nothing was sent, unless it
	// comes from dialling.
	Transport http.RoundTripper
}

const (
	defaultPerSecond = 10
	mostPerSecond    = 100_000
	defaultTimeout   = 30 * time.Second
	longestTimeout   = 10 * time.Minute
	longestKey       = 1024
)

// Format keeps the API key out of every way of printing the options.
func (o Options) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "costplus.Options{BaseURL: %q, Mode: %q, APIKey: ***}", o.BaseURL, o.Mode)
}

// filled returns the options with the defaults where nothing was said.
func (o Options) filled() Options {
	if o.PerSecond == 0 {
		o.PerSecond = defaultPerSecond
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.SendCustomer == "" {
		o.SendCustomer = NoCustomer
	}
	if o.OnCall == nil {
		o.OnCall = func(string, string, time.Duration) {}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	return o
}

// check returns all that is wrong with filled options.
func (o Options) check() error {
	var wrong []error
	refuse := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := checkAPIKey(o.APIKey); err != nil {
		refuse("the API key %w", err)
	}
	if o.Mode != Test && o.Mode != Live {
		refuse("mode %q: write test or live", o.Mode)
	}
	if o.SendCustomer != NoCustomer && o.SendCustomer != CustomerName && o.SendCustomer != FullCustomer {
		refuse("send_customer %q: write none, name or full", o.SendCustomer)
	}
	if math.IsNaN(o.PerSecond) || o.PerSecond <= 0 || o.PerSecond > mostPerSecond {
		refuse("%v requests a second: it must be more than 0 and at most %d", o.PerSecond, mostPerSecond)
	}
	if o.Timeout < 0 || o.Timeout > longestTimeout {
		refuse("a time-out of %v: it must be more than 0 and at most %v", o.Timeout, longestTimeout)
	}
	if o.Now == nil {
		refuse("a clock is missing")
	}
	if o.BaseURL == "" {
		refuse("base_url is missing")
	}
	for _, a := range []struct {
		name, address string
		extended      bool // something is added behind its path
	}{
		{"base_url", o.BaseURL, true},
		{"webhook_url", o.WebhookURL, true},
		{"return_url", o.ReturnURL, false},
		{"failure_url", o.FailureURL, false},
	} {
		if _, err := checkAddress(a.address); err != nil {
			refuse("%s %w", a.name, err)
		} else if a.extended && strings.ContainsAny(a.address, "?#") {
			refuse("%s must end with its path; leave out ? and # and what follows", a.name)
		}
	}
	return errors.Join(wrong...)
}

// checkAPIKey wants what can be the user name of HTTP Basic (RFC 7617). Nothing
// of the key is in the error.
func checkAPIKey(key string) error {
	if key == "" {
		return errors.New("is empty")
	}
	if len(key) > longestKey {
		return fmt.Errorf("has %d characters; more than %d cannot be right", len(key), longestKey)
	}
	for i, b := range []byte(key) {
		if b <= ' ' || b > '~' || b == ':' {
			return fmt.Errorf("has a space, a colon or an unprintable character at place %d of %d", i+1, len(key))
		}
	}
	return nil
}

// checkAddress wants an absolute https URL, or http on loopback; an empty one
// passes. The error does not repeat it, for it may hold a password.
func checkAddress(address string) (*url.URL, error) {
	if address == "" {
		return &url.URL{}, nil
	}
	u, err := url.Parse(address)
	if err != nil || printable(address) != address || strings.Contains(address, " ") {
		return nil, errors.New("is not a URL; write it like https://api.costplus.online")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("must not hold a user name or a password")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("has no host; write it like https://api.costplus.online")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("begins with %q: write https; http is for addresses on this machine only", u.Scheme)
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
