package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"sync"

	"dunning/invoices"
)

// letterRow is a row of letters, without the bytes.
type letterRow struct {
	ID                                 string
	Try                                int
	Account, Template, Language, State string
	Single                             bool
	Items                              items
	To, CC                             words
	At                                 instant
	Reply, Subject, Dialogue           string
	Message, Digest                    string
}

const letterColumns = `id, try, account_id AS account, template, language, state, single, items,
	recipients AS "to", cc, at, reply, dialogue, subject, message_id AS message, digest`

func (r *letterRow) letter() invoices.Letter {
	return invoices.Letter{
		ID: r.ID, Try: r.Try, Account: r.Account, Template: r.Template, Language: r.Language, Single: r.Single,
		Items: r.Items, To: r.To, CC: r.CC, State: invoices.Result(r.State), At: r.At.Time, Reply: r.Reply, Dialogue: r.Dialogue,
		Text: invoices.Text{Subject: r.Subject}, MessageID: r.Message, Digest: r.Digest,
	}
}

// Letter returns a stored letter with its exact bytes, or [ErrUnknown].
func (s *Store) Letter(ctx context.Context, id string) (invoices.Letter, error) {
	var row struct {
		letterRow
		Raw []byte
	}
	err := s.db.GetContext(ctx, &row, `SELECT `+letterColumns+`, raw FROM letters WHERE id = $1`, id)
	if isNone(err) {
		return invoices.Letter{}, fmt.Errorf("letter %q: %w", id, ErrUnknown)
	}
	if err != nil {
		return invoices.Letter{}, fmt.Errorf("letter %q: %w", id, s.fault(ctx, err))
	}
	l := row.letter()
	if l.Raw, err = unpack(row.Raw); err != nil {
		return invoices.Letter{}, fmt.Errorf("letter %q: its stored bytes are damaged: %w", id, err)
	}
	return l, nil
}

// Letters returns every letter about an invoice, oldest first, without their
// bytes.
func (s *Store) Letters(ctx context.Context, number string) ([]invoices.Letter, error) {
	var rows []letterRow
	err := s.db.SelectContext(ctx, &rows, `
		SELECT `+letterColumns+` FROM letters
		WHERE account_id = (SELECT account_id FROM invoices WHERE number = $1) ORDER BY at, id`, number)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	var letters []invoices.Letter
	for _, r := range rows {
		for _, it := range r.Items {
			if it.Invoice == number {
				letters = append(letters, r.letter())
				break
			}
		}
	}
	return letters, nil
}

var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

// pack compresses the bytes of a letter.
func pack(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(raw) / 2)
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&b)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// largest is the size of the largest letter that is read back; whatever is
// larger was not stored by this program.
const largest = 64 << 20

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err == nil && len(raw) > largest {
		err = fmt.Errorf("more than %d bytes", largest)
	}
	return raw, err
}
