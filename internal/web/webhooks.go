package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// Limits on what callers can make us do.
const (
	largestBody  = 64 << 10         // of a call; more is not read, and the connection is closed
	mostWaiting  = 10_000           // hooks; a call beyond them is forgotten
	perSecond    = 100              // rumours; also how many may follow each other at once
	mostAtOnce   = 100              // rumours before Known is told
	rumourLasts  = 10 * time.Second // before it is given up
	shortestHook = 22               // characters: 128 random bits in base64
	longestHook  = 64               // characters
)

// WebhookOptions say where calls come in and what becomes of them.
type WebhookOptions struct {
	// Base is the path of the public webhook URL, such as /costplus. A call
	// comes to Base/HOOK, or to /HOOK if a proxy in front cuts Base off.
	Base string
	// Rumour says that something may have happened to the link with a hook,
	// and returns whether there is one. It should forget when the link was last
	// seen and do no more. It is called from one goroutine and has 10 seconds.
	Rumour func(ctx context.Context, hook string) (known bool, err error)
	// Known, if not nil, is called from the same goroutine when rumours about
	// known links were passed on: now is the time to look. Calls that come in
	// meanwhile wait and are passed on together.
	Known func(ctx context.Context)
	// Log gets what goes wrong, at most one line a minute of each kind.
	Log *zap.Logger
	// Now is the clock, for that minute.
	Now func() time.Time
}

// Webhooks receives calls from Cost+. It is an [http.Handler]; [Webhooks.Close]
// ends its goroutine.
type Webhooks struct {
	o        WebhookOptions
	base     string // starts and does not end with a slash, or is empty
	end      context.CancelFunc
	ended    chan struct{}
	pace     *rate.Limiter
	trouble  quiet
	unknown  quiet
	senses   quiet
	overflow quiet

	mu      sync.Mutex
	waiting []string        // hooks to pass on, in the order of their first call
	known   map[string]bool // the same hooks: a call for one that waits adds nothing
	idle    chan struct{}   // closed while nothing waits and nothing is under way
	wake    chan struct{}   // holds one token when something waits
	closed  bool
}

// NewWebhooks starts a receiver.
func NewWebhooks(o WebhookOptions) (*Webhooks, error) {
	switch {
	case o.Rumour == nil:
		return nil, errors.New("webhooks: nobody is there to hear a rumour")
	case o.Log == nil, o.Now == nil:
		return nil, errors.New("webhooks: a log and a clock are needed")
	}
	base := strings.TrimRight(o.Base, "/")
	if base != "" && !strings.HasPrefix(base, "/") {
		return nil, fmt.Errorf("webhooks: the base path %q must begin with a slash", o.Base)
	}
	ctx, end := context.WithCancel(context.Background())
	h := &Webhooks{
		o: o, base: base, end: end, ended: make(chan struct{}), pace: rate.NewLimiter(perSecond, perSecond),
		known: map[string]bool{}, idle: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	h.trouble.says = "a webhook was not passed on; the link is asked about at its next poll"
	h.unknown.says = "webhooks came for links that are not known; somebody guesses, or another installation uses this webhook_url"
	h.senses.says = "calls came to the webhook listener that are no webhooks; if Cost+ makes them, compare costplus.webhook_url with the path that arrives here"
	h.overflow.says = "too many webhooks wait; the links are asked about at their next poll"
	close(h.idle)
	go h.work(ctx)
	return h, nil
}

// ServeHTTP takes a call by any method and with any body, and answers 200: Cost+
// repeats what is answered otherwise, and has been heard in any case.
func (h *Webhooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if hook, ok := h.hook(r.URL.Path); ok {
		h.hear(hook)
	} else {
		h.senses.note(h.o, nil)
	}
	// The body must be taken off the connection before it can be answered; a
	// slow one is cut off by the server's time-out.
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, largestBody))
	plain(w, http.StatusOK, "ok\n")
}

// hook returns the hook in a path, if there is one of the right shape.
func (h *Webhooks) hook(path string) (hook string, ok bool) {
	if h.base != "" {
		if rest, under := strings.CutPrefix(path, h.base+"/"); under {
			path = "/" + rest
		}
	}
	hook, ok = strings.CutPrefix(path, "/")
	hook = strings.TrimSuffix(hook, "/")
	return hook, ok && isHook(hook)
}

// isHook reports whether text may be the random part of a webhook URL.
func isHook(text string) bool {
	if len(text) < shortestHook || len(text) > longestHook {
		return false
	}
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// hear lets a hook wait for the goroutine that passes it on.
func (h *Webhooks) hear(hook string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed || h.known[hook]:
		return
	case len(h.waiting) == mostWaiting:
		h.overflow.note(h.o, nil)
		return
	}
	select {
	case <-h.idle: // closed: there was nothing to do until now
		h.idle = make(chan struct{})
	default:
	}
	h.known[hook] = true
	h.waiting = append(h.waiting, hook)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// work passes rumours on until ctx ends.
func (h *Webhooks) work(ctx context.Context) {
	defer close(h.ended)
	for {
		some := h.some()
		if len(some) == 0 {
			select {
			case <-h.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		any := false
		for _, hook := range some {
			if h.pace.Wait(ctx) != nil {
				return
			}
			any = h.pass(ctx, hook) || any
		}
		if any && h.o.Known != nil {
			h.o.Known(ctx)
		}
	}
}

// some takes the hooks that wait longest. A call that comes from now on for one
// of them waits anew: it may tell of something later. Without any, all is idle.
func (h *Webhooks) some() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(h.waiting), mostAtOnce)
	some := h.waiting[:n:n]
	h.waiting = h.waiting[n:]
	for _, hook := range some {
		delete(h.known, hook)
	}
	if n == 0 {
		h.waiting = nil
		select {
		case <-h.idle:
		default:
			close(h.idle)
		}
	}
	return some
}

// pass passes on one rumour and reports whether its link is known.
func (h *Webhooks) pass(ctx context.Context, hook string) bool {
	ctx, cancel := context.WithTimeout(ctx, rumourLasts)
	defer cancel()
	known, err := h.o.Rumour(ctx, hook)
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		h.trouble.note(h.o, err)
	case err == nil && !known:
		h.unknown.note(h.o, nil)
	}
	return known && err == nil
}

// Flush waits until every call that came before has been passed on, Known has
// returned, and nothing is left to do.
func (h *Webhooks) Flush(ctx context.Context) error {
	h.mu.Lock()
	idle, n := h.idle, len(h.waiting)
	h.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-h.ended:
		return errors.New("webhooks: closed before every call was passed on")
	case <-ctx.Done():
		return fmt.Errorf("wait for %d webhooks: %w", n, ctx.Err())
	}
}

// Close forgets what waits (polling finds it), stops what is under way and
// waits for that. Calls that still come in are answered and forgotten.
func (h *Webhooks) Close() {
	h.mu.Lock()
	h.closed = true
	h.waiting, h.known = nil, map[string]bool{}
	h.mu.Unlock()
	h.end()
	<-h.ended
}

// A quiet says a thing at most once a minute, and how often it happened.
type quiet struct {
	says string

	mu    sync.Mutex
	last  time.Time
	since int // times it happened since it was last said
}

const quietFor = time.Minute

func (q *quiet) note(o WebhookOptions, cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.since++
	now := o.Now()
	if !q.last.IsZero() && now.Sub(q.last) < quietFor {
		return
	}
	fields := []zap.Field{zap.Int("times", q.since)}
	if cause != nil {
		fields = append(fields, zap.Error(cause))
	}
	q.last, q.since = now, 0
	o.Log.Warn(q.says, fields...)
}
