package mailer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"dunning/invoices"
)

// largest bounds a composed message, in bytes. Letters have some twenty
// thousand without what is attached; servers commonly take ten million.
const largest = 10 << 20

// mostAttached is how many bytes may be attached in all; they travel as
// base64, which takes a third more.
const mostAttached = 7 << 20

// checkFiles looks at what is to be attached, before it is.
func checkFiles(files []invoices.File) error {
	names, size := map[string]bool{}, 0
	for _, f := range files {
		size += len(f.Body)
		media, _, err := mime.ParseMediaType(f.Type)
		switch {
		case f.Name == "" || len(f.Name) > 100 || strings.ContainsFunc(f.Name, func(r rune) bool {
			return r < ' ' || r > '~' || strings.ContainsRune(`/\":;<>|*?`, r)
		}):
			return errors.New("a file is attached whose name no mail may carry; use letters, digits, spaces and .-_ only")
		case names[strings.ToLower(f.Name)]:
			return fmt.Errorf("two files are attached by the name %s", f.Name)
		case err != nil || !strings.Contains(media, "/") || strings.ContainsAny(f.Type, "\r\n"):
			return fmt.Errorf("the file %s is attached as something that is no media type", f.Name)
		case len(f.Body) == 0:
			return fmt.Errorf("the file %s is attached, and there is nothing in it", f.Name)
		}
		names[strings.ToLower(f.Name)] = true
	}
	if size > mostAttached {
		return fmt.Errorf("%d bytes are attached; %d are possible", size, mostAttached)
	}
	return nil
}

// leftovers are what Go's template packages leave in a text when something is
// amiss.
var leftovers = []string{"<no value>", "&lt;no value&gt;", "ZgotmplZ"}

// checkText reads a letter's words before they are put into MIME (R22).
func checkText(t invoices.Text) error {
	for _, part := range []struct{ name, text, allowed string }{
		{"subject", t.Subject, ""},
		{"plain text", t.Plain, "\r\n\t"},
		{"HTML", t.HTML, "\r\n\t"},
	} {
		if strings.TrimSpace(part.text) == "" {
			return fmt.Errorf("its %s is empty", part.name)
		}
		if !utf8.ValidString(part.text) {
			return fmt.Errorf("its %s is not UTF-8", part.name)
		}
		for _, r := range part.text {
			if r >= ' ' && r <= '~' {
				continue
			}
			if (unicode.IsControl(r) || r == '\u2028' || r == '\u2029') && !strings.ContainsRune(part.allowed, r) {
				return fmt.Errorf("its %s contains the control character %U", part.name, r)
			}
		}
		for _, left := range leftovers {
			if strings.Contains(part.text, left) {
				return fmt.Errorf("its %s contains %q: the template met a value it does not know", part.name, left)
			}
		}
	}
	if n := utf8.RuneCountInString(t.Subject); n > 250 {
		return fmt.Errorf("its subject has %d characters; 250 are possible", n)
	}
	if strings.Contains(t.Subject, "=?") {
		return errors.New(`its subject contains "=?", which mail programs take for an encoding`)
	}
	return nil
}

// headers are the names a message may have, each once; only signatures may be
// several.
var headers = []string{
	"References", "Auto-Submitted", "Cc", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Reply-To", "Subject", "To",
	"X-Auto-Response-Suppress", "X-Dunning-Original-Cc", "X-Dunning-Original-To", "Dkim-Signature",
}

// checkMessage reads the finished bytes as a mail server would, knowing
// nothing of how they were made: the right recipients and no other, no header
// that we did not write, nothing that could end the text early.
func (p *Pool) checkMessage(l invoices.Letter, from *mail.Address) error {
	if err := checkBytes(l.Raw); err != nil {
		return err
	}
	msg, err := mail.ReadMessage(bytes.NewReader(l.Raw))
	if err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	for name, values := range msg.Header {
		if !slices.Contains(headers, name) {
			return fmt.Errorf("it has a header %q that it should not have", name)
		}
		if len(values) != 1 && name != "Dkim-Signature" {
			return fmt.Errorf("it has %d headers %s", len(values), name)
		}
	}
	for _, want := range []struct {
		header string
		people []string
	}{{"From", []string{from.Address}}, {"To", l.To}, {"Cc", l.CC}} {
		list, err := msg.Header.AddressList(want.header)
		if err != nil && !errors.Is(err, mail.ErrHeaderNotPresent) {
			return fmt.Errorf("read its %s back: not a list of addresses", want.header)
		}
		var got []string
		for _, a := range list {
			got = append(got, a.Address)
		}
		if !slices.Equal(got, want.people) {
			return fmt.Errorf("its %s header does not name exactly the %d intended", want.header, len(want.people))
		}
	}
	if msg.Header.Get("Message-Id") != "<"+l.MessageID+">" {
		return errors.New("its Message-ID is not the one of the letter")
	}
	if len(l.Files) == 0 {
		return nil
	}
	return checkAttached(msg, l.Files)
}

// checkAttached reads what is attached back: those files, in that order, byte
// for byte, and no other.
func checkAttached(msg *mail.Message, files []invoices.File) error {
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		return errors.New("it does not hold what is attached")
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for i := -1; ; i++ {
		part, err := parts.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && i == len(files):
			return nil
		case err != nil:
			return errors.New("its parts cannot be read back")
		case i < 0 && strings.HasPrefix(part.Header.Get("Content-Type"), "multipart/alternative;"):
			continue
		case i < 0 || i >= len(files) || part.FileName() != files[i].Name:
			return errors.New("it has other parts than it should have")
		}
		body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
		if err != nil || !bytes.Equal(body, files[i].Body) {
			return fmt.Errorf("the file %s is not attached as it is", files[i].Name)
		}
	}
}

// checkBytes checks that a message is safe on the wire: ASCII lines that end
// in CRLF and in nothing else, none longer than 998 characters (RFC 5322,
// section 2.1.1). A bare CR or LF is how one message is made to look like two.
func checkBytes(raw []byte) error {
	if len(raw) > largest {
		return fmt.Errorf("it has %d bytes; %d are possible", len(raw), largest)
	}
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		return errors.New("its last line does not end")
	}
	if bytes.IndexByte(raw, 0) >= 0 {
		return errors.New("it contains the byte 0x00")
	}
	for line := range bytes.Lines(raw) {
		text, whole := bytes.CutSuffix(line, []byte("\r\n"))
		switch {
		case bytes.IndexByte(text, '\r') >= 0:
			return errors.New("it contains a carriage return without a line feed")
		case !whole:
			return errors.New("it contains a line feed without a carriage return")
		case len(text) > 998:
			return fmt.Errorf("it has a line of %d characters; 998 are possible", len(text))
		}
	}
	for _, c := range raw {
		if c > '~'+1 {
			return fmt.Errorf("it contains the byte %#02x", c)
		}
	}
	return nil
}
