package web

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// readyWithin is how long the dependencies have to say that they are there.
const readyWithin = 5 * time.Second

// HealthOptions say what is asked about.
type HealthOptions struct {
	// Live returns what is wrong with this process so that only a restart
	// helps; nil: whoever answers lives.
	Live func(context.Context) error
	// Ready returns what this process needs and cannot reach, one line each
	// (see [errors.Join]); nil: it needs nothing. What it says is shown to
	// whoever asks, so it must not hold secrets.
	Ready func(context.Context) error
	// Metrics serves the numbers; nil: there are none.
	Metrics http.Handler
}

// Health serves /healthz (whether the process lives), /readyz (whether it can
// work: 200, or 503 and a line for each thing that is missing) and /metrics.
func Health(o HealthOptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", ask("ok\n", o.Live))
	mux.Handle("GET /readyz", ask("ready\n", o.Ready))
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	return mux
}

// ask answers yes when nothing is wrong.
func ask(yes string, wrong func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wrong == nil {
			plain(w, http.StatusOK, yes)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if err := wrong(ctx); err != nil {
			plain(w, http.StatusServiceUnavailable, lines(err))
			return
		}
		plain(w, http.StatusOK, yes)
	})
}

// plain answers with text that no browser takes for anything else and no cache
// keeps.
func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// The text of an error that somebody did not clean may hold these: what stands
// before the @ of a URL or of a mailbox, and what follows the word password.
var (
	userinfo = regexp.MustCompile(`://\S*@`)
	mailbox  = regexp.MustCompile(`[^\s/@]+@`)
	password = regexp.MustCompile(`(?i)(password|passwd|pwd|secret|token|api_?key)\s*[=:]\s*\S+`)
)

const (
	mostLines   = 20
	longestLine = 200 // characters
)

// lines returns an error as lines fit to be shown to anybody.
func lines(err error) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(err.Error()) {
		line = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, line)
		if line == "" {
			continue
		}
		if n++; n > mostLines {
			b.WriteString("and more\n")
			break
		}
		line = userinfo.ReplaceAllString(line, "://***@")
		line = mailbox.ReplaceAllString(line, "***@")
		line = password.ReplaceAllString(line, "$1=***")
		if text := []rune(line); len(text) > longestLine {
			line = string(text[:longestLine]) + "..."
		}
		b.WriteString(line + "\n")
	}
	if b.Len() == 0 {
		return "something is wrong, and does not say what\n"
	}
	return b.String()
}
