package costplus

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"dunning/internal/discreet"
)

// Client asks Cost+. It may be used by several goroutines at once; they share
// its connections and its rate. It retries nothing. All its errors are
// *invoices.Fault.
type Client struct {
	base        string // without a slash at the end
	loopback    bool   // the API is on this machine
	dated       bool   // its clock is believed
	fingerprint string
	returnURL   string
	failureURL  string
	webhookURL  string
	hosts       []payHost
	disclosure  disclosure

	transport http.RoundTripper
	counts    bool // transport tells about its connections
	timeout   time.Duration
	turn      *rate.Limiter
	now       func() time.Time
	onCall    func(call, kind string, took time.Duration)
	warn      func(string)

	// The key lives in these two functions only, where no printing of the
	// client finds it.
	authorize func(*http.Request)
	hideKey   func(string) string
}

// New makes a client. It opens no connection. Its error lists all that is wrong
// with the options.
func New(o Options) (*Client, error) {
	o = o.filled()
	hosts, err := readPayHosts(o.PaymentHosts)
	if err = errors.Join(o.check(), err); err != nil {
		return nil, fmt.Errorf("cost+ client: %w", err)
	}
	base, err := checkAddress(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("cost+ client: base_url %w", err)
	}
	c := &Client{
		base:        strings.TrimRight(o.BaseURL, "/"),
		loopback:    isLoopback(base.Hostname()),
		dated:       !isLoopback(base.Hostname()),
		fingerprint: fingerprint(o.Mode, o.APIKey),
		returnURL:   o.ReturnURL,
		failureURL:  o.FailureURL,
		webhookURL:  strings.TrimRight(o.WebhookURL, "/"),
		hosts:       hosts,
		disclosure:  disclosure(o.SendCustomer),
		timeout:     o.Timeout,
		turn:        rate.NewLimiter(rate.Limit(o.PerSecond), int(math.Ceil(o.PerSecond/10))),
		now:         o.Now,
		onCall:      o.OnCall,
		warn:        o.Warn,
	}
	c.useKey(o.APIKey)
	c.useTransport(o.Transport)
	return c, nil
}

func (c *Client) useKey(key string) {
	c.authorize = func(r *http.Request) { r.SetBasicAuth(key, "") }
	probe := http.Request{Header: http.Header{}}
	c.authorize(&probe)
	_, encoded, _ := strings.Cut(probe.Header.Get("Authorization"), " ")
	stars := strings.NewReplacer(key, "***", url.QueryEscape(key), "***", encoded, "***")
	repeats := discreet.Listen(key)
	c.hideKey = func(text string) string {
		if text = stars.Replace(text); repeats(text) {
			return "(it repeats the API key, and is withheld)"
		}
		return text
	}
}

func (c *Client) useTransport(given http.RoundTripper) {
	switch t := given.(type) {
	case nil:
		c.transport, c.counts = counted(newTransport(c.timeout)), true
	case *http.Transport:
		c.transport, c.counts = counted(t.Clone()), true
	default:
		c.transport = given
	}
}

// Fingerprint names the API key without giving it away, such as test:1a2b3c4d.
// It is stored with every link, so that a link made with another key is neither
// polled nor mailed (rule R26).
func (c *Client) Fingerprint() string { return c.fingerprint }

// Format prints the fingerprint, whatever way the client is printed.
func (c Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "Cost+ client %s", c.fingerprint) }

// Close closes the connections that no call is using. Calls that come later
// open new ones.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// fingerprint hashes the key under a prefix of its own, so that the same key
// hashed anywhere else shows another value.
func fingerprint(mode, key string) string {
	sum := sha256.Sum256([]byte("dunning cost+ api key\n" + key))
	return mode + ":" + hex.EncodeToString(sum[:])[:8]
}
