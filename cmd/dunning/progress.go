package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"dunning/invoices"
)

// progress shows on a terminal how a job gets on, once it takes longer than a
// second. It returns what ends it.
func (a *app) progress(name string, w *works) (stop func()) {
	if a.json || !terminal(a.stderr) {
		return func() {}
	}
	var mu sync.Mutex
	letters, links := 0, 0
	before := w.worker.Seen
	w.worker.Seen = func(account string, f invoices.Fact) {
		before(account, f)
		mu.Lock()
		defer mu.Unlock()
		switch f.(type) {
		case invoices.LetterEnded:
			letters++
		case invoices.LinkSeen:
			links++
		}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		shown := 0
		for {
			select {
			case <-done:
				if shown > 0 {
					fmt.Fprintf(a.stderr, "\r%s\r", strings.Repeat(" ", shown))
				}
				return
			case <-tick.C:
				mu.Lock()
				line := fmt.Sprintf("%s: %d letters, %d links seen …", name, letters, links)
				mu.Unlock()
				fmt.Fprintf(a.stderr, "\r%s", line)
				shown = len(line)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		w.worker.Seen = before
	}
}
