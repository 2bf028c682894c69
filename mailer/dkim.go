package mailer

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
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
	key              crypto.Signer
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
		s.key = key
	case ed25519.PrivateKey:
		s.key = key
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
// message. A domain without a key is an error, for a letter that is not signed
// would look like a forgery.
func signMessage(keys []signer, message []byte) ([]byte, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return nil, errors.New("it is not a message")
	}
	from, err := msg.Header.AddressList("From")
	if err != nil || len(from) != 1 {
		return nil, errors.New("it is not from one sender")
	}
	domain := from[0].Address[strings.LastIndexByte(from[0].Address, '@')+1:]
	use := signersOf(keys, domain)
	if len(use) == 0 {
		return nil, fmt.Errorf("there is no DKIM key for the sender's domain %s", domain)
	}
	var out []byte
	for _, s := range use {
		signature, err := s.sign(message, covered(msg.Header))
		if err != nil {
			return nil, fmt.Errorf("DKIM key %s: it does not sign", s)
		}
		out = append(out, signature...)
	}
	return append(out, message...), nil
}

// covered returns the names of the fields that a signature covers, each as
// often as the message has it, and those of sealed once more.
func covered(header mail.Header) (names []string) {
	for _, name := range signed {
		for range header[textproto.CanonicalMIMEHeaderKey(name)] {
			names = append(names, name)
		}
		if slices.Contains(sealed, name) {
			names = append(names, name)
		}
	}
	return names
}

// sign returns the header field with the signature of a message.
func (s signer) sign(message []byte, fields []string) (string, error) {
	w, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: s.domain, Selector: s.selector, Signer: s.key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: fields,
	})
	if err != nil {
		return "", err
	}
	_, err = w.Write(message)
	if err := errors.Join(err, w.Close()); err != nil {
		return "", err
	}
	return w.Signature(), nil
}
