package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"

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
	if l.Raw, err = unpack(row.Raw); err == nil {
		err = same(l.Raw, l.Digest)
	}
	if err != nil {
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

// pack compresses the bytes of a letter into a Snappy block: a third larger than
// gzip would make it, in a sixth of the time, which is most of what storing a
// letter costs the worker.
func pack(raw []byte) []byte { return s2.EncodeSnappy(nil, raw) }

// gzipped begins what earlier versions stored; a Snappy block that begins so
// would hold 31 bytes.
var gzipped = []byte{0x1f, 0x8b, 0x08}

// largest is the size of the largest letter that is read back; whatever is
// larger was not stored by this program.
const largest = 64 << 20

func unpack(packed []byte) ([]byte, error) {
	if bytes.HasPrefix(packed, gzipped) {
		return unzip(packed)
	}
	n, err := s2.DecodedLen(packed)
	if err == nil && n > largest {
		err = errLarge
	}
	if err != nil {
		return nil, err
	}
	return s2.Decode(nil, packed)
}

var errLarge = fmt.Errorf("more than %d bytes", largest)

func zip(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func unzip(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err == nil && len(raw) > largest {
		err = errLarge
	}
	return raw, err
}

// same checks that bytes are those whose digest was stored.
func same(raw []byte, digest string) error {
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != digest {
		return errors.New("they are not those that were written")
	}
	return nil
}
