package mailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	stdmail "net/mail"
	"regexp"
	"strings"

	"github.com/wneessen/go-mail"

	"dunning/invoices"
)

// testMark begins the subject of every letter in test mode. The templates use
// the same word, and it is written once.
const testMark = "TEST: "

// Headers that say whom a letter in test mode was meant for.
const (
	meantTo mail.Header = "X-Dunning-Original-To"
	meantCC mail.Header = "X-Dunning-Original-Cc"
)

// letterID is what can be the left half of a Message-ID.
var letterID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]+){0,8}$`)

// Compose returns l with its exact bytes, their digest, its Message-ID, and
// its recipients as they are used: in ASCII and each once (R14). The bytes are
// a function of the letter and of the clock's second. Nothing that fails the
// checks of this package is returned (R22); the error is a fault of kind
// Never.
//
// In test mode the letter goes to the test recipient instead, says so in its
// subject, and names the original recipients in headers of its own (R26).
func (p *Pool) Compose(l invoices.Letter) (invoices.Letter, error) {
	composed, err := p.compose(l)
	if err != nil {
		return l, &invoices.Fault{Kind: invoices.Never, Err: fmt.Errorf("compose the letter: %w", err)}
	}
	return composed, nil
}

func (p *Pool) compose(l invoices.Letter) (invoices.Letter, error) {
	for _, id := range []string{l.ID, l.Thread} {
		if len(id) > 100 || id != "" && !letterID.MatchString(id) || l.ID == "" {
			return l, errors.New("its id cannot be part of a Message-ID")
		}
	}
	var err error
	if l.To, l.CC, err = unique(l.To, l.CC); err != nil {
		return l, err
	}
	if len(l.To) == 0 {
		return l, errors.New("it has no recipient")
	}
	meant := l
	if p.redirect != "" {
		l.To, l.CC = []string{p.redirect}, nil
		if !strings.HasPrefix(l.Subject, testMark) {
			l.Subject = testMark + l.Subject
		}
	}
	if err := errors.Join(checkText(l.Text), checkFiles(l.Files)); err != nil {
		return l, err
	}
	from, replyTo, err := p.senders(l)
	if err != nil {
		return l, err
	}
	l.MessageID = l.ID + "@" + p.o.MessageIDDomain
	if l.Raw, err = p.write(l, meant, from, replyTo); err != nil {
		return l, err
	}
	if p.sign != nil {
		if l.Raw, err = p.sign(l.Raw); err != nil {
			return l, fmt.Errorf("sign it: %w", err)
		}
	}
	if err := p.checkMessage(l, from); err != nil {
		return l, err
	}
	l.Digest = digest(l.Raw)
	return l, nil
}

// senders returns who writes a letter and where answers go. In the envelope
// stands the installation's own sender, so that bounces come to one place.
func (p *Pool) senders(l invoices.Letter) (from, replyTo *stdmail.Address, err error) {
	from, replyTo = p.from, p.replyTo
	if l.From != "" {
		if from, err = parsePerson(l.From); err != nil {
			return nil, nil, fmt.Errorf("its sender: %w", err)
		}
	}
	if l.ReplyTo != "" {
		if replyTo, err = parsePerson(l.ReplyTo); err != nil {
			return nil, nil, fmt.Errorf("its reply address: %w", err)
		}
	}
	return from, replyTo, nil
}

// write puts a letter into MIME: plain text and HTML as alternatives, and what
// is attached beside them.
func (p *Pool) write(l, meant invoices.Letter, from, replyTo *stdmail.Address) ([]byte, error) {
	options := []mail.MsgOption{mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP)}
	if len(l.Files) == 0 {
		options = append(options, mail.WithBoundary(boundary(l.ID)))
	}
	msg := mail.NewMsg(options...)
	msg.FromMailAddress(from)
	msg.ToMailAddress(people(l.To)...)
	if len(l.CC) > 0 {
		msg.CcMailAddress(people(l.CC)...)
	}
	if replyTo != nil {
		msg.ReplyToMailAddress(replyTo)
	}
	if p.redirect != "" {
		msg.SetGenHeader(meantTo, bracketed(meant.To))
		if len(meant.CC) > 0 {
			msg.SetGenHeader(meantCC, bracketed(meant.CC))
		}
	}
	msg.Subject(l.Subject)
	msg.SetMessageIDWithValue(l.MessageID)
	msg.SetDateWithValue(p.o.Now())
	if l.Thread != "" {
		msg.SetGenHeader(mail.HeaderReferences, "<"+l.Thread+"@"+p.o.MessageIDDomain+">")
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation notes in answer
	msg.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	msg.SetBodyString(mail.TypeTextPlain, l.Plain)
	msg.AddAlternativeString(mail.TypeTextHTML, l.HTML)

	size := (len(l.Plain)+len(l.HTML))*5/4 + 2048
	for _, f := range l.Files {
		size += len(f.Body) * 7 / 5
		err := msg.AttachReader(f.Name, bytes.NewReader(f.Body), mail.WithFileContentType(mail.ContentType(f.Type)), mail.WithFileEncoding(mail.EncodingB64))
		if err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	b.Grow(size)
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, err
	}
	if len(l.Files) == 0 {
		return b.Bytes(), nil
	}
	return settled(b.Bytes(), l.ID)
}

// drawn matches a boundary where it is announced. In the text of a letter it
// cannot stand, because there = is written as =3D, nor in what is attached.
var drawn = regexp.MustCompile(`boundary="?([0-9a-f]{32,70})"?\r\n`)

// settled puts boundaries that depend on the letter's id alone in place of
// those that go-mail draws at random: with several parts inside of each other
// it would use one that it is given for all of them.
func settled(raw []byte, id string) ([]byte, error) {
	found := drawn.FindAllSubmatch(raw, -1)
	if len(found) != 2 {
		return nil, fmt.Errorf("it has %d parts that hold others, and should have two", len(found))
	}
	for i, m := range found {
		raw = bytes.ReplaceAll(raw, m[1], []byte(fmt.Sprintf("%s-%d", boundary(id), i)))
	}
	return raw, nil
}

// boundary separates the parts of a letter. It depends on the letter's id
// alone, which nobody outside can guess, so no text can contain it.
func boundary(id string) string {
	return "dunning-" + digest([]byte("boundary of " + id))[:32]
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func people(addresses []string) []*stdmail.Address {
	out := make([]*stdmail.Address, len(addresses))
	for i, a := range addresses {
		out[i] = &stdmail.Address{Address: a}
	}
	return out
}

func bracketed(addresses []string) string {
	return "<" + strings.Join(addresses, ">, <") + ">"
}
