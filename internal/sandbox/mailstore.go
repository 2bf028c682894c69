package sandbox

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrNoMail says that there is no mail with this number.
var ErrNoMail = errors.New("there is no such mail")

// A Mail is one mail that was accepted.
type Mail struct {
	N         int       `json:"n"` // counts from 1, on through restarts over the same folder
	Time      time.Time `json:"time"`
	From      string    `json:"from"` // of the envelope
	To        []string  `json:"to"`   // of the envelope: who really gets it
	Subject   string    `json:"subject"`
	MessageID string    `json:"message_id"` // with its angle brackets, as in the header
	Size      int       `json:"size"`       // bytes
	Path      string    `json:"path,omitempty"`

	// Unanswered says that the client was not told: the mail is kept, but the
	// connection was dropped, by a fault, before 250 was written.
	Unanswered bool `json:"unanswered,omitempty"`
}

type kept struct {
	Mail
	raw []byte // if there is no folder
}

// Mails lists the accepted mails, oldest first.
func (m *MailSink) Mails() []Mail { return m.mailsAfter(0) }

// mailsAfter lists the mails with a higher number, oldest first.
func (m *MailSink) mailsAfter(n int) []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []Mail{}
	for _, k := range m.mails[min(max(n-m.before, 0), len(m.mails)):] {
		list = append(list, k.Mail)
	}
	return list
}

// Raw returns the exact bytes of a mail, or [ErrNoMail].
func (m *MailSink) Raw(n int) ([]byte, error) {
	m.mu.Lock()
	index := n - m.before - 1
	if index < 0 || index >= len(m.mails) {
		m.mu.Unlock()
		return nil, ErrNoMail
	}
	k := m.mails[index]
	m.mu.Unlock()
	if k.Path == "" {
		return k.raw, nil
	}
	return os.ReadFile(k.Path)
}

// Text returns the decoded text/plain part of a mail, with LF line ends. The
// error is [ErrNoMail], or says what is wrong with the mail.
func (m *MailSink) Text(n int) (string, error) {
	raw, err := m.Raw(n)
	if err != nil {
		return "", err
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("mail %d: %w", n, err)
	}
	text, found, err := plainPart(textproto.MIMEHeader(msg.Header), msg.Body, 0)
	if err == nil && !found {
		err = errors.New("it has no text/plain part")
	}
	if err != nil {
		return "", fmt.Errorf("mail %d: %w", n, err)
	}
	return strings.ReplaceAll(text, "\r\n", "\n"), nil
}

// deepest bounds the nesting of a hostile mail.
const deepest = 8

// plainPart finds the first text/plain part.
func plainPart(header textproto.MIMEHeader, body io.Reader, depth int) (text string, found bool, err error) {
	kind, params := "text/plain", map[string]string{}
	if declared := header.Get("Content-Type"); declared != "" {
		if kind, params, err = mime.ParseMediaType(declared); err != nil {
			return "", false, err
		}
	}
	if kind == "text/plain" && !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
		text, err = decodePart(header.Get("Content-Transfer-Encoding"), body)
		return text, err == nil, err
	}
	if !strings.HasPrefix(kind, "multipart/") || depth == deepest {
		return "", false, nil
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		if text, found, err = plainPart(part.Header, part, depth+1); found || err != nil {
			return text, found, err
		}
	}
}

func decodePart(encoding string, body io.Reader) (string, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	return string(text), err
}

// keep stores a message with what is known from its envelope (at least one
// recipient) and returns its number. The file is complete under its
// name, or absent.
func (m *MailSink) keep(envelope Mail, raw []byte) (int, error) {
	k := kept{Mail: envelope}
	k.Size = len(raw)
	if msg, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		k.MessageID = msg.Header.Get("Message-Id")
		k.Subject = msg.Header.Get("Subject")
		if decoded, err := new(mime.WordDecoder).DecodeHeader(k.Subject); err == nil {
			k.Subject = decoded
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k.N, k.Time = m.before+len(m.mails)+1, m.now()
	if m.dir == "" {
		k.raw = raw
	} else {
		k.Path = filepath.Join(m.dir, fmt.Sprintf("%06d-%s.eml", k.N, safeName(k.To[0])))
		draft := filepath.Join(m.dir, fmt.Sprintf(".%06d.part", k.N))
		if err := os.WriteFile(draft, raw, 0o600); err != nil {
			return 0, err
		}
		if err := os.Rename(draft, k.Path); err != nil {
			return 0, err
		}
	}
	m.mails = append(m.mails, k)
	return k.N, nil
}

// safeName makes a recipient fit for a file name anywhere.
func safeName(address string) string {
	const most = 60
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '_'
	}, address)
	return name[:min(len(name), most)]
}

// lastNumber returns the highest number of a mail in a folder, or 0.
func lastNumber(dir string) (int, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("mail sink: read the folder: %w", err)
	}
	last := 0
	for _, f := range files {
		number, _, found := strings.Cut(f.Name(), "-")
		if n, err := strconv.Atoi(number); found && err == nil && strings.HasSuffix(f.Name(), ".eml") {
			last = max(last, n)
		}
	}
	return last, nil
}
