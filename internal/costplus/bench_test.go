package costplus

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// The benchmarks run the client and a bare loop of net/http, which neither
// checks nor decodes anything, by turns against one server, and report how much
// of the bare loop's rate the client reaches.

func BenchmarkCreate(b *testing.B) {
	c, url := benchClient(b, 201, fresh)
	order := anOrder()
	body, f := c.linkBody(order)
	if f != nil {
		b.Fatal(f)
	}
	compare(b, func() error {
		_, err := c.Create(b.Context(), order)
		return err
	}, bareCall("POST", url+"/v1/paymentlinks/", body))
}

func BenchmarkLook(b *testing.B) {
	c, url := benchClient(b, 200, full)
	compare(b, func() error {
		_, err := c.Look(b.Context(), linkID)
		return err
	}, bareCall("GET", url+"/v1/paymentlinks/"+linkID+"/", nil))
}

func benchClient(b *testing.B, status int, body string) (*Client, string) {
	s := httptest.NewServer(answer(status, body))
	b.Cleanup(s.Close)
	c, _ := newClient(b, s.URL, func(o *Options) { o.OnCall, o.PerSecond = nil, mostPerSecond })
	return c, s.URL
}

func bareCall(method, url string, body []byte) func() error {
	t := newTransport(defaultTimeout)
	return func() error {
		req, err := http.NewRequest(method, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.SetBasicAuth(canary, "")
		resp, err := t.RoundTrip(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return err
	}
}

// compare runs rounds of both calls by turns, each round by several workers.
func compare(b *testing.B, ours, bare func() error) {
	const workers, calls = 16, 20
	round := func(call func() error) time.Duration {
		start := time.Now()
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range calls {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		return time.Since(start)
	}
	round(bare)
	round(ours)
	var took, bareTook time.Duration
	n := 0
	for b.Loop() {
		took += round(ours)
		bareTook += round(bare)
		n += workers * calls
	}
	b.ReportMetric(float64(n)/took.Seconds(), "calls/s")
	b.ReportMetric(float64(n)/bareTook.Seconds(), "bare/s")
	b.ReportMetric(bareTook.Seconds()/took.Seconds(), "of_bare")
	b.ReportMetric(0, "ns/op") // an op is a round of both
}

// BenchmarkAlone is what the client itself takes for a call, without the
// network and without net/http: writing the request and reading the answer.
func BenchmarkAlone(b *testing.B) {
	order := anOrder()
	for name, bench := range map[string]struct {
		answer canned
		call   func(*Client) error
	}{
		"create": {canned{201, fresh}, func(c *Client) error { _, err := c.Create(b.Context(), order); return err }},
		"look":   {canned{200, full}, func(c *Client) error { _, err := c.Look(b.Context(), linkID); return err }},
	} {
		b.Run(name, func(b *testing.B) {
			c, _ := newClient(b, "http://127.0.0.1", func(o *Options) {
				o.OnCall, o.PerSecond, o.Transport = nil, mostPerSecond, bench.answer
			})
			c.turn.SetLimit(rate.Inf)
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.call(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// canned answers every request the same.
type canned struct {
	status int
	body   string
}

func (a canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}
