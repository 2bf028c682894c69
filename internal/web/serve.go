package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of a server. Whoever calls has little to say and little to be told,
// and none may keep a connection for long.
const (
	headerWithin   = 5 * time.Second  // to send the header
	requestWithin  = 10 * time.Second // to send header and body: Cost+ itself gives up after 10
	answerWithin   = 30 * time.Second // from the end of the header to the end of the answer
	idleFor        = time.Minute      // between two requests
	stopWithin     = 10 * time.Second // for requests under way when we stop
	largestHeader  = 16 << 10         // bytes
	mostConnection = 256              // open at once; others wait to be accepted
)

// Serve listens on an address such as 127.0.0.1:8080 and answers with h until
// ctx ends; then it finishes what is under way, for at most 10 seconds, and
// returns nil. Any other end is an error. When Serve returns nobody listens.
func Serve(ctx context.Context, addr string, h http.Handler) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; free the port, or choose another address in the section web", addr, err)
	}
	return ServeOn(ctx, l, h)
}

// reticent lets a handler that panics say only of what type its panic was: the
// server logs it with the stack, and it may quote what was sent (R25).
func reticent(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				panic(fmt.Sprintf("%T", v))
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// ServeOn is [Serve] on a listener that is there already, which it closes.
func ServeOn(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           reticent(h),
		ReadHeaderTimeout: headerWithin,
		ReadTimeout:       requestWithin,
		WriteTimeout:      answerWithin,
		IdleTimeout:       idleFor,
		MaxHeaderBytes:    largestHeader,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(netutil.LimitListener(l, mostConnection)) }()
	select {
	case err := <-failed:
		_ = server.Close()
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := server.Shutdown(patience)
	if err != nil {
		err = errors.Join(fmt.Errorf("serve on %s: requests under way were cut off: %w", l.Addr(), err), server.Close())
	}
	<-failed
	return err
}
