package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"dunning/invoices"
)

// Announce returns a letter as a plan tells of it, were it to leave at an
// instant. The digest is of all that it says but for its payment links, which
// may not be made yet, and of who gets it. It says the date and how late an
// invoice is, so it holds for one day.
func (w *Worker) Announce(a invoices.Account, d invoices.Decision, at time.Time) (invoices.Announced, error) {
	out := invoices.Announced{ID: w.letterID(d.Items), Account: a.ID, Template: d.Template, Items: d.Items}
	draft, err := w.draft(&a, d, at)
	if err != nil {
		return out, err
	}
	out.Text, err = w.digest(&a, d, draft)
	return out, err
}

// digest digests what a letter says but for its payment links.
func (w *Worker) digest(a *invoices.Account, d invoices.Decision, draft invoices.Draft) (string, error) {
	lines := make([]invoices.Line, len(draft.Lines))
	copy(lines, draft.Lines)
	for i := range lines {
		lines[i].URL, lines[i].Until = fmt.Sprintf("https://localhost/%d", i), time.Time{}
	}
	draft.Lines = lines
	text, err := w.Texts.Write(draft)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %q %q %v\n", a.Email, copies(a, d), d.From, d.ReplyTo, text.Subject, text.HTML, text.Plain, d.Attach)
	for _, f := range text.Files {
		fmt.Fprintf(h, "%q %x\n", f.Name, sha256.Sum256(f.Body))
	}
	return hex.EncodeToString(h.Sum(nil))[:26], nil
}
