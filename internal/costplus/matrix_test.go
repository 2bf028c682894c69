package costplus

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"dunning/invoices"
)

// matrix says what every answer must come to, for making a link and for looking
// at one. It was written from the rules, not from the code.
//
//go:embed testdata/matrix.txt
var matrix string

// answers are the ten bodies of the matrix, by the name of their column.
var answers = map[string]func(http.ResponseWriter, *http.Request){
	"right":     text(fresh),
	"minimal":   text(`{"id":"` + linkID + `","payment_url":"` + payURL + `","status":"new"}`),
	"object":    text(`{"error":{"status":400,"type":"ValidationError","value":"0 is too small","property_path":"amount"}}`),
	"exception": text(`{"error":"werkzeug.exceptions.Unauthorized","message":"no access with ` + canary + `"}`),
	"message":   text(`{"message":"not now, jan@example.com"}`),
	"detail":    text(`{"detail":"gone fishing"}`),
	"html":      text("<!doctype html><title>" + canary + "</title><p>" + payURL),
	"truncated": text(fresh[:len(fresh)/2]),
	"huge": func(w http.ResponseWriter, _ *http.Request) {
		part := strings.Repeat(" ", 64<<10)
		for range 50 << 20 / len(part) {
			if _, err := w.Write([]byte(part)); err != nil {
				return
			}
		}
		_, _ = w.Write([]byte(fresh)) // nobody reads on
	},
	"dripped": func(w http.ResponseWriter, r *http.Request) {
		for i := range len(fresh) {
			if _, err := w.Write([]byte(fresh[i : i+1])); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	},
	"amount":  text(strings.Replace(fresh, "12550", "12551", 1)),
	"unknown": text(strings.Replace(fresh, `"status": "new"`, `"status": "on_hold"`, 1)),
}

func text(body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// cells are the words of the matrix.
var cells = map[string]want{
	"link":      {link: true},
	"ambiguous": {kind: invoices.Ambiguous},
	"down?":     {kind: invoices.Ambiguous, server: true},
	"later":     {kind: invoices.Later},
	"down":      {kind: invoices.Later, server: true},
	"never":     {kind: invoices.Never},
	"no_link":   {kind: invoices.Never, noLink: true},
	"halt":      {kind: invoices.Halt},
}

// TestR10_TheMatrix gives every answer of the matrix to both calls: twelve
// statuses, twelve bodies. No call takes long, none takes much memory, and no
// error tells a secret.
func TestR10_TheMatrix(t *testing.T) {
	var columns []string
	seen := 0
	for line := range strings.Lines(matrix) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || strings.HasPrefix(line, "#"):
			continue
		case f[0] == "call":
			columns = f[2:]
			continue
		case len(f) != len(columns)+2:
			t.Fatalf("the row %q has %d cells, want %d", line, len(f)-2, len(columns))
		}
		var status int
		if _, err := fmt.Sscan(f[1], &status); err != nil {
			t.Fatal(err)
		}
		for i, column := range columns {
			w, known := cells[f[i+2]]
			body := answers[column]
			if !known || body == nil {
				t.Fatalf("%q means nothing", f[i+2])
			}
			seen++
			t.Run(fmt.Sprintf("%s-%d-%s", f[0], status, column), func(t *testing.T) {
				t.Parallel()
				requests := 0
				c, _ := serve(t, func(rw http.ResponseWriter, r *http.Request) {
					requests++
					rw.Header().Set("Content-Type", "application/json")
					if status/100 == 3 {
						rw.Header().Set("Location", "https://elsewhere.example/")
					}
					rw.WriteHeader(status)
					body(rw, r)
				}, func(o *Options) { o.Timeout = 2 * time.Second })
				link, err := ask(c, f[0])
				if requests != 1 {
					t.Errorf("%d requests were made", requests)
				}
				if w.link {
					if err != nil || link.Remote != linkID || f[0] == "create" && (link.URL != payURL || link.State == invoices.Completed) {
						t.Errorf("got %+v, %v", link, err)
					}
					return
				}
				checkFault(t, err, w)
				if link != (invoices.Link{}) {
					t.Errorf("a link was told along with the error: %+v", link)
				}
			})
		}
	}
	if seen != 12*12*2 {
		t.Errorf("the matrix has %d cells", seen)
	}
}

func ask(c *Client, what string) (invoices.Link, error) {
	if what == "create" {
		return c.Create(context.Background(), anOrder())
	}
	return c.Look(context.Background(), linkID)
}

// TestMemoryIsFlat: fifty megabytes, and a megabyte that unpacks to a gigabyte,
// are not read.
func TestMemoryIsFlat(t *testing.T) {
	for name, body := range map[string]func(http.ResponseWriter, *http.Request){
		"fifty megabytes": answers["huge"],
		"an answer that says it is packed": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answers["huge"](w, r)
		},
	} {
		for _, what := range []string{"create", "look"} {
			c, _ := serve(t, body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := ask(c, what); err == nil || errors.Is(err, invoices.ErrNoLink) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			runtime.ReadMemStats(&after)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 16 { // both sides are in this process
				t.Errorf("%s, %s: %d MiB", name, what, used)
			}
		}
	}
}
