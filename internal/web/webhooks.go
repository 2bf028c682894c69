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
	largestBody  = 64 << 10         // bytes of a call; more is not read, and the connection is closed
	mostWaiting  = 10_000           // hooks; a call beyond them is forgotten
	mostAtOnce   = 100              // rumours before Known is told
	perSecond    = 100              // rumours, so that a flood of calls is no flood of queries
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
	// meanwhile wait, and are passed on together.
	Known func(ctx context.Context)
	// Log gets what goes wrong, at most one line a minute of each kind.
	Log *zap.Logger
	// Now is the clock, for that minute.
	Now func() time.Time
}

// Webhooks receives calls from Cost+. It is an [http.Handler]; [Webhooks.Close]
// ends its goroutine.
type Webhooks struct {
	o     WebhookOptions
	base  string // starts and does not end with a slash, or is empty
	end   context.CancelFunc
	ended chan struct{}
	pace  *rate.Limiter

	failed, unknown, odd, flood *murmur

	mu      sync.Mutex
	waiting []string        // hooks to pass on, in the order of their first call
	listed  map[string]bool // the same hooks: a call for one that waits adds nothing
	idle    chan struct{}   // closed while nothing waits and nothing is under way
	wake    chan struct{}   // holds one token when something may wait
	closed  bool
}

// NewWebhooks starts a receiver.
func NewWebhooks(o WebhookOptions) (*Webhooks, error) {
	base := strings.TrimRight(o.Base, "/")
	switch {
	case o.Rumour == nil:
		return nil, errors.New("webhooks: nobody is there to hear a rumour")
	case o.Log == nil || o.Now == nil:
		return nil, errors.New("webhooks: a log and a clock are needed")
	case base != "" && !strings.HasPrefix(base, "/"):
		return nil, fmt.Errorf("webhooks: the base path %q must begin with a slash", o.Base)
	}
	ctx, end := context.WithCancel(context.Background())
	says := func(text string) *murmur { return &murmur{text: text, log: o.Log, now: o.Now} }
	h := &Webhooks{
		o: o, base: base, end: end, ended: make(chan struct{}), pace: rate.NewLimiter(perSecond, perSecond),
		failed:  says("a webhook was not passed on; its link is asked about at its next poll"),
		unknown: says("a webhook came for a link that is not known; somebody guesses, or another installation uses the same webhook_url"),
		odd:     says("a call came in that is no webhook of a link; if Cost+ makes such calls, compare costplus.webhook_url with the address it calls"),
		flood:   says("too many webhooks wait and one was forgotten; its link is asked about at its next poll"),
		listed:  map[string]bool{}, idle: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	close(h.idle)
	go h.work(ctx)
	return h, nil
}

// ServeHTTP takes a call by any method and with any body, and answers 200: what
// is answered otherwise Cost+ repeats, though it has been heard.
func (h *Webhooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if hook, ok := h.hook(r.URL.Path); ok {
		h.hear(hook)
	} else {
		h.odd.note()
	}
	// The body is taken off the connection before it is answered; one that is
	// slow to come is cut off by the server's time-out.
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, largestBody))
	plain(w, http.StatusOK, "ok\n")
}

// hook returns the hook in a path, if there is one of the right shape.
func (h *Webhooks) hook(path string) (hook string, ok bool) {
	hook, ok = strings.CutPrefix(path, h.base+"/")
	if !ok {
		hook, ok = strings.CutPrefix(path, "/")
	}
	hook = strings.TrimSuffix(hook, "/")
	return hook, ok && wellFormed(hook)
}

// wellFormed reports whether text may be the random part of a webhook URL.
func wellFormed(text string) bool {
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
	case h.closed || h.listed[hook]:
		return
	case len(h.waiting) >= mostWaiting:
		h.flood.note()
		return
	}
	if h.quiet() {
		h.idle = make(chan struct{})
	}
	h.listed[hook] = true
	h.waiting = append(h.waiting, hook)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// quiet reports whether there is nothing to do; h.mu is held.
func (h *Webhooks) quiet() bool {
	select {
	case <-h.idle:
		return true
	default:
		return false
	}
}

// work passes rumours on until ctx ends.
func (h *Webhooks) work(ctx context.Context) {
	defer close(h.ended)
	for ctx.Err() == nil {
		some := h.some()
		if len(some) == 0 {
			select {
			case <-h.wake:
			case <-ctx.Done():
			}
			continue
		}
		anyKnown := false
		for _, hook := range some {
			if h.pace.Wait(ctx) != nil {
				return
			}
			anyKnown = h.pass(ctx, hook) || anyKnown
		}
		if anyKnown && h.o.Known != nil {
			h.o.Known(ctx)
		}
	}
}

// some takes the hooks that wait longest. A call that comes from now on for one
// of them waits anew: it may tell of something later. When none waits, what
// was under way is done too.
func (h *Webhooks) some() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(h.waiting), mostAtOnce)
	some := h.waiting[:n:n]
	h.waiting = h.waiting[n:]
	for _, hook := range some {
		delete(h.listed, hook)
	}
	if n == 0 {
		h.waiting = nil
		if !h.quiet() {
			close(h.idle)
		}
	}
	return some
}

// pass passes on one rumour and reports whether its link is known.
func (h *Webhooks) pass(ctx context.Context, hook string) bool {
	bounded, cancel := context.WithTimeout(ctx, rumourLasts)
	defer cancel()
	known, err := h.o.Rumour(bounded, hook)
	switch {
	case err == nil && !known:
		h.unknown.note()
	case err != nil && ctx.Err() == nil: // not because we are closing
		h.failed.note(zap.Error(err))
	}
	return known && err == nil
}

// Flush waits until every call that came in before has been passed on, Known
// has returned, and nothing is left to do.
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
	h.mu.Unlock()
	h.end()
	<-h.ended
}
