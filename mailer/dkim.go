package mailer

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// A DKIMKey signs the letters of a domain, so that receivers can tell them
// from forgeries (RFC 6376, RFC 8463). Its public half is published in the DNS
// at Selector._domainkey.Domain.
type DKIMKey struct {
	Domain   string // of the From address, exactly: a key of example.com does not sign for mail.example.com
	Selector string // which of the domain's keys
	PEM      []byte // the private half: RSA of 2048 to 4096 bits or Ed25519, as PKCS #8 or PKCS #1, not encrypted
}

// String names the key without showing it.
func (k DKIMKey) String() string { return k.Selector + "._domainkey." + k.Domain }

// GoString does what String does, for %#v.
func (k DKIMKey) GoString() string { return k.String() }

// signed are the headers that a signature covers, where a letter has them.
// Headers of sealed are covered once more than they occur, so that none can be
// added unseen (RFC 6376, section 8.15).
var (
	signed = []string{
		"From", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
		"Reply-To", "References", "In-Reply-To", "Auto-Submitted",
	}
	sealed = []string{"From", "To", "Subject"}
)

// A signer is a key that was read.
type signer struct {
	domain, selector string
	algorithm        string // as a= has it
	sign             func(digest []byte) ([]byte, error)
}

// String names the key.
func (s signer) String() string { return s.selector + "._domainkey." + s.domain }

var selectorName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// readKeys reads all keys and says everything that is wrong with them.
func readKeys(keys []DKIMKey) ([]signer, error) {
	var out []signer
	var problems []error
	for _, k := range keys {
		s, err := readKey(k)
		if err == nil && slices.ContainsFunc(out, func(o signer) bool { return o.domain == s.domain && o.selector == s.selector }) {
			err = errors.New("it is given twice")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("DKIM key %s: %w", k, err))
			continue
		}
		out = append(out, s)
	}
	return out, errors.Join(problems...)
}

// readKey reads one key. Its errors are in our own words, so that nothing of
// the key can be in them.
func readKey(k DKIMKey) (signer, error) {
	domain, err := asciiDomain(k.Domain)
	if err != nil {
		return signer{}, err
	}
	s := signer{domain: domain, selector: strings.ToLower(k.Selector)}
	if !selectorName.MatchString(s.selector) || len(s.selector) > 200 {
		return s, errors.New("the selector is not part of a domain name; want one such as 2026 or billing1")
	}
	block, rest := pem.Decode(k.PEM)
	switch {
	case block == nil:
		return s, errors.New("the private key is not PEM; want -----BEGIN PRIVATE KEY-----")
	case len(bytes.TrimSpace(rest)) > 0:
		return s, errors.New("there is something behind the private key")
	case len(block.Headers) > 0 || block.Type == "ENCRYPTED PRIVATE KEY":
		return s, errors.New("the private key is encrypted; want one that is not, readable by this program alone")
	}
	var key any
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return s, errors.New("it is no private key of RSA or Ed25519")
	}
	if err != nil {
		return s, errors.New("the private key is damaged")
	}
	return s.with(key)
}

// with takes what kind of key it is.
func (s signer) with(key any) (signer, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if n := key.N.BitLen(); n < 2048 || n > 4096 {
			return s, fmt.Errorf("the RSA key has %d bits; want 2048 to 4096, which every receiver can check (RFC 8301)", n)
		}
		s.algorithm = "rsa-sha256"
		s.sign = func(digest []byte) ([]byte, error) { return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest) }
	case ed25519.PrivateKey:
		s.algorithm = "ed25519-sha256"
		s.sign = func(digest []byte) ([]byte, error) { return ed25519.Sign(key, digest), nil }
	default:
		return s, errors.New("it is no private key of RSA or Ed25519")
	}
	return s, nil
}

// signersOf returns the keys of a domain.
func signersOf(all []signer, domain string) []signer {
	var out []signer
	for _, s := range all {
		if strings.EqualFold(s.domain, domain) {
			out = append(out, s)
		}
	}
	return out
}

// signMessage puts a signature of every key of the From domain in front of a
// message. The same message always gets the same signature: its time is that
// of the Date header, and both algorithms are deterministic. A domain without
// a key is an error, for a letter that is not signed would look like a
// forgery.
func signMessage(keys []signer, message []byte) ([]byte, error) {
	head, body, whole := bytes.Cut(message, []byte("\r\n\r\n"))
	msg, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil || !whole {
		return nil, errors.New("it is not a message")
	}
	from, err := msg.Header.AddressList("From")
	if err != nil || len(from) != 1 {
		return nil, errors.New("it is not from one sender")
	}
	domain := from[0].Address[strings.LastIndexByte(from[0].Address, '@')+1:]
	at, err := msg.Header.Date()
	if err != nil {
		return nil, errors.New("it has no date")
	}
	use := signersOf(keys, domain)
	if len(use) == 0 {
		return nil, fmt.Errorf("there is no DKIM key for the sender's domain %s", domain)
	}
	names, text := chosen(fields(head))
	bodySum := sha256.Sum256(relaxedBody(body))
	var out []byte
	for _, s := range use {
		header := fmt.Sprintf("DKIM-Signature: v=1; a=%s; c=relaxed/relaxed; d=%s;\r\n s=%s; t=%d;\r\n h=%s;\r\n bh=%s;\r\n b=",
			s.algorithm, s.domain, s.selector, at.Unix(), strings.Join(names, ":"), base64.StdEncoding.EncodeToString(bodySum[:]))
		digest := sha256.Sum256([]byte(text + relaxedHeader(header)))
		signature, err := s.sign(digest[:])
		if err != nil {
			return nil, fmt.Errorf("DKIM key %s: it does not sign", s)
		}
		out = append(out, header...)
		out = append(out, folded(base64.StdEncoding.EncodeToString(signature))...)
	}
	return append(out, message...), nil
}

// fields takes a header apart into its fields, folded as they are.
func fields(head []byte) []string {
	var out []string
	for _, line := range strings.Split(string(head), "\r\n") {
		if n := len(out); n > 0 && strings.HasPrefix(line, " ") || n > 0 && strings.HasPrefix(line, "\t") {
			out[n-1] += "\r\n" + line
			continue
		}
		out = append(out, line)
	}
	return out
}

// chosen returns the names of the fields that are signed, as h= has them, and
// the canonical text of those fields. Of several fields with a name the last
// comes first (RFC 6376, section 5.4.2).
func chosen(fields []string) (names []string, text string) {
	for _, name := range signed {
		for _, field := range slices.Backward(fields) {
			if is, _, _ := strings.Cut(field, ":"); strings.EqualFold(is, name) {
				names = append(names, name)
				text += relaxedHeader(field) + "\r\n"
			}
		}
		if slices.Contains(sealed, name) {
			names = append(names, name)
		}
	}
	return names, text
}

// relaxedHeader is a field in the relaxed canonical form (RFC 6376, section
// 3.4.2), without its line end.
func relaxedHeader(field string) string {
	name, value, _ := strings.Cut(field, ":")
	return strings.ToLower(strings.TrimSpace(name)) + ":" + strings.Join(strings.FieldsFunc(value, isSpace), " ")
}

// relaxedBody is a body in the relaxed canonical form (RFC 6376, section
// 3.4.4): runs of white space are one space, there is none at the end of a
// line, and no empty line at the end of the body.
func relaxedBody(body []byte) []byte {
	out := make([]byte, 0, len(body)+2)
	end := 0 // of the last line that is not empty
	for line := range strings.SplitSeq(string(body), "\r\n") {
		space := false
		for _, c := range []byte(line) {
			if c == ' ' || c == '\t' {
				space = true
				continue
			}
			if space {
				out = append(out, ' ')
			}
			out, space = append(out, c), false
		}
		if len(out) > 0 && out[len(out)-1] != '\n' {
			end = len(out) + 2
		}
		out = append(out, "\r\n"...)
	}
	return out[:end]
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// folded breaks a signature into lines of a header.
func folded(signature string) string {
	var lines []string
	for chunk := range slices.Chunk([]byte(signature), 72) {
		lines = append(lines, string(chunk))
	}
	return strings.Join(lines, "\r\n ") + "\r\n"
}
