package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// How Cost+ delivers webhooks.
const (
	firstPatience = 4 * time.Second  // for an answer to the first delivery
	laterPatience = 10 * time.Second // to every later one
	retryGap      = 2 * time.Minute
	mostRetries   = 10
)

var errNotLoopback = errors.New("the sandbox delivers to loopback addresses only")

// A Delivery is one try to deliver a webhook.
type Delivery struct {
	Time   time.Time `json:"time"`
	Order  string    `json:"order_id"`
	Try    int       `json:"try"`              // counts from 1
	Status int       `json:"status,omitempty"` // answered; 0: there was no answer
	Error  string    `json:"error,omitempty"`
}

// A dispatcher delivers webhooks, each in its own time: they overtake each
// other, and a slow receiver may get one twice.
type dispatcher struct {
	ctx    context.Context // ends all deliveries
	clock  *clock
	client *http.Client
	gap    time.Duration
	limit  int

	mu       sync.Mutex
	underWay int
	idle     chan struct{} // closed when underWay falls to 0
	log      []Delivery
}

// newDispatcher delivers until ctx ends. The scale stretches the gap between
// tries; 0 means 1, the gap of the real service.
func newDispatcher(ctx context.Context, c *clock, client *http.Client, scale float64, limit int) *dispatcher {
	if scale == 0 {
		scale = 1
	}
	return &dispatcher{ctx: ctx, clock: c, client: client, gap: time.Duration(float64(retryGap) * scale), limit: limit}
}

// send begins the delivery of a status change.
func (d *dispatcher) send(url, project, order string) {
	body, err := json.Marshal(map[string]string{"event": "status_changed", "project_id": project, "order_id": order})
	if err != nil {
		panic(fmt.Sprintf("sandbox: an event cannot be written as JSON: %v", err))
	}
	d.mu.Lock()
	if d.underWay++; d.underWay == 1 {
		d.idle = make(chan struct{})
	}
	d.mu.Unlock()
	go func() {
		defer d.done()
		d.deliver(url, order, body)
	}()
}

func (d *dispatcher) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.underWay--; d.underWay == 0 {
		close(d.idle)
	}
}

// deliver tries until the receiver says 2xx or the tries are used up.
func (d *dispatcher) deliver(url, order string, body []byte) {
	patience := firstPatience
	for try := 1; try <= 1+mostRetries; try++ {
		if try > 1 && !d.pause() {
			return
		}
		status, err := d.post(url, body, patience)
		if d.ctx.Err() != nil {
			return
		}
		d.note(Delivery{Time: d.clock.now(), Order: order, Try: try, Status: status}, err)
		if status/100 == 2 || errors.Is(err, errNotLoopback) {
			return
		}
		patience = laterPatience
	}
}

func (d *dispatcher) pause() bool {
	timer := time.NewTimer(d.gap)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.ctx.Done():
		return false
	}
}

func (d *dispatcher) post(url string, body []byte, patience time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", jsonKind)
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (d *dispatcher) note(delivery Delivery, err error) {
	if err != nil {
		delivery.Error = err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = keepLast(append(d.log, delivery), d.limit)
}

func (d *dispatcher) deliveries() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Delivery{}, newest(d.log, d.limit)...)
}

// flush waits until nothing is under way.
func (d *dispatcher) flush(ctx context.Context) error {
	for {
		d.mu.Lock()
		n, idle := d.underWay, d.idle
		d.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d webhooks: %w", n, ctx.Err())
		}
	}
}

// close waits for the deliveries to notice that ctx ended.
func (d *dispatcher) close(ctx context.Context) error {
	err := d.flush(ctx)
	d.client.CloseIdleConnections()
	return err
}

// clientOf is an HTTP client on a network; nil is loopback.
func clientOf(n Network) *http.Client {
	c := loopbackClient()
	if n != nil {
		c.Transport = &http.Transport{DialContext: n.Dial, MaxIdleConnsPerHost: 4}
	}
	return c
}

// loopbackClient is an HTTP client that connects to loopback addresses only,
// whatever a name may resolve to, uses no proxy and follows no redirect.
func loopbackClient() *http.Client {
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !isLoopback(host) {
			return errNotLoopback
		}
		return nil
	}}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// isLoopback reports whether a host is a literal loopback address.
func isLoopback(host string) bool { return net.ParseIP(host).IsLoopback() }
