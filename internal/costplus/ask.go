package costplus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dunning/invoices"
)

const (
	// largestAnswer is the most that is read of a body. A longer one is an
	// error, never a part of an answer.
	largestAnswer = 1 << 20
	// longestPause is the most that Retry-After is believed.
	longestPause = 24 * time.Hour
)

// question is one call to be made.
type question struct {
	call call
	path string // below the base, query included
	body []byte // nil: a GET
	told veil   // what is told in it and must not be repeated
}

// ask makes one call and hands the body of a 2xx answer to read. It is nil or a
// *invoices.Fault.
func (c *Client) ask(ctx context.Context, q question, read func(body []byte) *trouble) error {
	if t := c.await(ctx); t != nil {
		return c.fault(q.call, t)
	}
	start := c.now()
	t := c.exchange(ctx, q, read)
	took := c.now().Sub(start)
	if t == nil {
		c.onCall(string(q.call), "ok", took)
		return nil
	}
	f := c.fault(q.call, t)
	c.onCall(string(q.call), f.Kind.String(), took)
	return f
}

// await waits for the turn of a call.
func (c *Client) await(ctx context.Context) *trouble {
	if err := c.turn.Wait(ctx); err != nil {
		t := &trouble{met: abandoned, cause: ctx.Err()}
		if t.cause == nil { // the turn would come after the caller's deadline
			t.cause = context.DeadlineExceeded
		}
		t.detail = t.cause.Error()
		return t
	}
	return nil
}

// exchange sends the request and reads the answer.
func (c *Client) exchange(caller context.Context, q question, read func([]byte) *trouble) *trouble {
	ctx, cancel := context.WithTimeout(caller, c.timeout)
	defer cancel()
	var s sending
	req, err := c.request(s.watch(ctx), q)
	if err != nil {
		return &trouble{met: senseless, detail: c.clean(err.Error())}
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		written := !s.nothing()
		if !c.counts {
			written = !fromDialling(err)
		}
		return c.lost(caller, ctx, err, written)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer+1))
	if len(body) > largestAnswer {
		body, err = nil, errTooLarge
	}
	if !good(resp.StatusCode) { // the status is an answer, however its body ends
		return &trouble{
			met: answered, status: resp.StatusCode,
			words: c.readRefusal(q.told, resp.StatusCode, body), after: c.retryAfter(resp.Header),
		}
	}
	switch {
	case errors.Is(err, errTooLarge):
		return &trouble{met: unreadable, detail: err.Error()}
	case err != nil:
		return c.lost(caller, ctx, err, true)
	}
	if q.body == nil {
		if t := c.skewed(resp.Header); t != nil {
			return t
		}
	}
	return read(body)
}

// longestSkew is how far our clock and that of Cost+ may be apart: less than
// what makes a letter leave on another day, more than a proxy's stale date.
const longestSkew = time.Hour

// skewed compares our clock with that of Cost+ (RFC 9110, 6.6.1). A clock that
// is wrong by hours makes everything due at once; no letter leaves without a
// look at its link, so none leaves by a wrong clock. The clock of a sandbox may
// be turned by hand.
func (c *Client) skewed(h http.Header) *trouble {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil || !c.dated {
		return nil
	}
	ours := c.now()
	if ours.Sub(theirs).Abs() <= longestSkew {
		return nil
	}
	return &trouble{met: skewed, detail: fmt.Sprintf("it is %s by this machine's clock, %s by theirs", ours.UTC().Format(time.RFC3339), theirs.UTC().Format(time.RFC3339))}
}

var errTooLarge = fmt.Errorf("it is longer than %d bytes", largestAnswer)

// request builds a request that net/http does not repeat on its own: a POST
// without GetBody and without an Idempotency-Key header.
func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	method := http.MethodGet
	var body io.Reader
	if q.body != nil {
		method, body = http.MethodPost, bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+q.path, body)
	if err != nil {
		return nil, errors.New("the address cannot be asked")
	}
	req.GetBody = nil
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "dunning")
	c.authorize(req)
	return req, nil
}

// lost says how a call ended that got no whole answer. Written reports whether
// something of the request may have been written.
func (c *Client) lost(caller, ctx context.Context, err error, written bool) *trouble {
	t := &trouble{met: broken, detail: c.clean(withoutAddresses(err))}
	gone := caller.Err()
	switch {
	case gone != nil && !written:
		t.met, t.cause, t.detail = abandoned, gone, gone.Error()
	case gone != nil:
		t.met, t.cause, t.detail = interrupted, gone, gone.Error()
	case isDistrust(err) && !written:
		t.met, t.detail = distrusted, c.tidy(err.Error())
	case !written:
		t.met, t.detail = unsent, c.tidy(err.Error())
	case ctx.Err() != nil || isTimeout(err):
		t.met, t.detail = silent, fmt.Sprintf("waited %v", c.timeout)
	}
	return t
}

// isDistrust reports whether err is about the server's certificate.
func isDistrust(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

// fromDialling reports whether err arose before there was a connection.
func fromDialling(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok || isDistrust(err)
}

// withoutAddresses is the text of an error of a connection without the numbers
// of its two ends, which say nothing to people.
func withoutAddresses(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3): seconds, or a date, which is
// compared with the server's own Date where there is one, for our clock may be
// wrong.
func (c *Client) retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > int64(longestPause/time.Second) {
			return longestPause
		}
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		from = c.now()
	}
	return min(max(until.Sub(from), 0), longestPause)
}

// never is a call that is not made because it makes no sense.
func (c *Client) never(asked call, format string, args ...any) *invoices.Fault {
	return c.fault(asked, &trouble{met: senseless, detail: c.clean(fmt.Sprintf(format, args...))})
}
