package costplus

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dunning/internal/discreet"
	"dunning/invoices"
)

// longestMessage is the most characters of an error's text.
const longestMessage = 300

// A Refusal is what Cost+ said when it answered a call with an error. It is
// found in an error of this package with [errors.As]. Its texts are short: no
// control characters, no links, no e-mail addresses, nothing that is secret. The
// names of customers may be in them, so logs leave them out (see
// [discreet.Unquoted]).
type Refusal struct {
	Status   int    // of HTTP
	Property string // the field of the request it is about (property_path), or empty; the name of a field and nothing else
	Value    string // Cost+'s own words; empty if there were none
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("status %d", r.Status)
	for _, part := range []string{r.Property, discreet.Quote(r.Value)} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// trouble is how a call went wrong, before it is judged.
type trouble struct {
	met    outcome
	status int           // for answered
	words  *Refusal      // for answered
	detail string        // our own words; must hold nothing of the answer that was not cleaned
	after  time.Duration // Retry-After
	cause  error         // the caller's context error, or nil
}

// problem is the error inside a fault. It keeps no error of net/http, whose
// texts hold addresses, so nothing can print one by unwrapping.
type problem struct {
	text string
	is   []error
}

func (p *problem) Error() string   { return p.text }
func (p *problem) Unwrap() []error { return p.is }

// fault judges trouble by the table.
func (c *Client) fault(asked call, t *trouble) *invoices.Fault {
	v := classify(asked, t.met, t.status)
	p := &problem{}
	says := v.says
	if t.met == answered {
		says = fmt.Sprintf("%s (%d)", says, t.status)
	}
	parts := []string{doing[asked], says}
	if t.words != nil {
		p.is = append(p.is, t.words)
		parts = append(parts, t.words.Property, discreet.Quote(t.words.Value))
	}
	parts = append(parts, t.detail)
	for _, err := range []error{v.about, t.cause} {
		if err != nil {
			p.is = append(p.is, err)
		}
	}
	p.text = message(c.hideKey(joined(parts)), v.advice)
	return &invoices.Fault{Kind: v.kind, After: t.after, Err: p}
}

// joined puts the parts that are not empty behind one another.
func joined(parts []string) string {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return strings.Join(parts, ": ")
}

// message says what happened and what to do about it. What to do is never cut.
func message(happened, advice string) string {
	if advice == "" {
		return cut(happened, longestMessage)
	}
	advice = "; " + advice
	return cut(happened, longestMessage-len(advice)) + advice
}
