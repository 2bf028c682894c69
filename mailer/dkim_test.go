package mailer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"dunning/invoices"
)

// The keys of these tests; making one of RSA takes long.
var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err)
		}
		return key
	})
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func pkcs1(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func pkcs8(key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// dns is what the world knows of the keys.
type dns map[string]string

func published() dns {
	rsaPublic, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		panic(err)
	}
	encode := base64.StdEncoding.EncodeToString
	return dns{
		"r1._domainkey.example.com": "v=DKIM1; k=rsa; p=" + encode(rsaPublic),
		"e1._domainkey.example.com": "v=DKIM1; k=ed25519; p=" + encode(ed25519Key().Public().(ed25519.PublicKey)),
		"r1._domainkey.example.org": "v=DKIM1; k=rsa; p=" + encode(rsaPublic),
	}
}

func (d dns) lookup(name string) ([]string, error) {
	record, ok := d[strings.TrimSuffix(name, ".")]
	if !ok {
		return nil, fmt.Errorf("no record %s", name)
	}
	return []string{record}, nil
}

// verified returns who signed a message, by go-msgauth, or what is wrong with
// a signature.
func verified(message []byte) ([]string, error) {
	results, err := dkim.VerifyWithOptions(bytes.NewReader(message), &dkim.VerifyOptions{LookupTXT: published().lookup})
	if err != nil {
		return nil, err
	}
	var domains []string
	for _, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
		domains = append(domains, r.Domain)
	}
	return domains, nil
}

// byPython verifies a message with Debian's dkimpy, a verifier of other
// descent, and returns its verdict on each signature.
func byPython(t *testing.T, message []byte) string {
	t.Helper()
	records, err := json.Marshal(published())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", `
import dkim, json, sys
records = {k.encode(): v.encode() for k, v in json.loads(sys.argv[1]).items()}
message = sys.stdin.buffer.read()
lookup = lambda name, timeout=5: records[name.rstrip(b".")]
signatures = message.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
print(*[dkim.DKIM(message).verify(idx=i, dnsfunc=lookup) for i in range(signatures)])
`, string(records))
	cmd.Stdin = bytes.NewReader(message)
	var said, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &wrong
	if err := cmd.Run(); err != nil {
		t.Fatalf("this test asks dkimpy, which may not be installed; as root run:\n\tapt-get install -y --no-install-recommends python3-dkim\n%v: %s", err, &wrong)
	}
	return strings.TrimSpace(said.String())
}

// signing are options with a key of each kind.
func signing() Options {
	o := options()
	o.DKIM = []DKIMKey{
		{Domain: "example.com", Selector: "r1", PEM: pkcs1(rsaKey())},
		{Domain: "Example.COM", Selector: "E1", PEM: pkcs8(ed25519Key())},
		{Domain: "example.org", Selector: "r1", PEM: pkcs8(rsaKey())},
	}
	return o
}

// fullLetter has every header that a letter can have.
func fullLetter() invoices.Letter {
	l := aLetter("7f3a9c", "jansen@bäckerei.example")
	l.CC, l.Thread = []string{"boekhouding@bakkerij.example"}, "0b1c2d"
	l.HTML += "trailing space \n\ttab\t \n\n\n\n"
	return l
}

func TestDKIM_TwoVerifiersAgree(t *testing.T) {
	for _, row := range []struct {
		sentence string
		spoil    func(*Options)
		domains  string
		python   string
		files    []invoices.File
	}{
		{"an RSA and an Ed25519 key of the sender's domain both sign", nil, "example.com example.com", "True True", nil},
		{"with files", nil, "example.com example.com", "True True", []invoices.File{terms, table}},
		{"another sender, another key, as PKCS #8", func(o *Options) { o.From = "Billing <billing@EXAMPLE.org>" }, "example.org", "True", nil},
		{"one key of RSA", func(o *Options) { o.DKIM = o.DKIM[:1] }, "example.com", "True", nil},
		{"one key of Ed25519", func(o *Options) { o.DKIM = o.DKIM[1:2] }, "example.com", "True", nil},
		{"in test mode", func(o *Options) { o.Redirect = "finance@example.com" }, "example.com example.com", "True True", nil},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			o := signing()
			if row.spoil != nil {
				row.spoil(&o)
			}
			full := fullLetter()
			full.Files = row.files
			l := composed(t, newPool(t, o), full)
			domains, err := verified(l.Raw)
			if err != nil || strings.Join(domains, " ") != row.domains {
				t.Errorf("go-msgauth: %v, %v", domains, err)
			}
			if got := byPython(t, l.Raw); got != row.python {
				t.Errorf("dkimpy: %s", got)
			}
			if l.Digest != digest(l.Raw) {
				t.Error("the digest is not of the signed bytes")
			}
		})
	}
}

// TestDKIM_WhatIsCovered changes a signed letter on its way.
func TestDKIM_WhatIsCovered(t *testing.T) {
	raw := string(composed(t, newPool(t, signing()), fullLetter()).Raw)
	change := func(old, with string) string {
		if !strings.Contains(raw, old) {
			t.Fatalf("the letter does not contain %q:\n%s", old, raw)
		}
		return strings.Replace(raw, old, with, 1)
	}
	for _, row := range []struct {
		sentence string
		raw      string
		holds    bool
	}{
		{"nothing changed", raw, true},
		{"relays put headers in front", "Received: from a by b\r\nReturn-Path: <x@y.example>\r\n" + raw, true},
		{"white space comes to a line's end", change("begint met een punt\r\n", "begint met een punt \t\r\n"), true},
		{"empty lines come behind it", raw + "\r\n\r\n", true},
		{"a header is folded anew", change("Auto-Submitted: auto", "Auto-Submitted:\r\n\t auto"), true},
		{"a header that is not covered changes", change("Suppress: All", "Suppress: None"), true},
		{"the text changes", change("Geachte", "Beste"), false},
		{"a line is added to the text", raw + "Betaal hier\r\n", false},
		{"the sender changes", change("<billing@example.com>", "<billing@example.net>"), false},
		{"the sender's name changes", change(`"Example B.V."`, `"Example N.V."`), false},
		{"the recipient changes", change("To: <jansen@", "To: <pietersen@"), false},
		{"the copy changes", change("Cc: <boek", "Cc: <kook"), false},
		{"the subject changes", change("Subject: =?", "Subject: Dringend =?"), false},
		{"the date changes", change("Date: Mon, 02 Mar", "Date: Tue, 03 Mar"), false},
		{"the Message-ID changes", change("Message-ID: <7f", "Message-ID: <8f"), false},
		{"the MIME version changes", change("MIME-Version: 1.0", "MIME-Version: 1.1"), false},
		{"the kind of content changes", change("multipart/alternative;", "multipart/mixed;"), false},
		{"the reply address changes", change("<finance@example.com>", "<finance@evil.example>"), false},
		{"the thread changes", change("References: <0b", "References: <1b"), false},
		{"it is no longer automatic", change("Auto-Submitted: auto-generated", "Auto-Submitted: no"), false},
		{"a second sender comes in front", "From: evil@evil.example\r\n" + raw, false},
		{"a second subject comes in front", "Subject: evil\r\n" + raw, false},
		{"a second recipient comes in front", "To: evil@evil.example\r\n" + raw, false},
	} {
		if _, err := verified([]byte(row.raw)); (err == nil) != row.holds {
			t.Errorf("%s: %v", row.sentence, err)
		}
	}
}

// TestDKIM_AnyText signs messages of every shape, and has another program's
// canonical forms tell whether ours are right.
func TestDKIM_AnyText(t *testing.T) {
	keys, err := readKeys(signing().DKIM[1:2])
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{"", " ", "\t", " \t ", "\r\n ", "\r\n\t"})
		word := rapid.SampledFrom([]string{"a", "b:c", "=?x?=", ";", "<d@e.example>"})
		var b strings.Builder
		b.WriteString("From: \"x\"  <billing@example.com>\r\nDate: Mon, 02 Mar 2026 08:00:00 +0100\r\nSubject:")
		for range rapid.IntRange(0, 5).Draw(t, "words") {
			b.WriteString(space.Draw(t, "space") + word.Draw(t, "word"))
		}
		b.WriteString("\r\nCc: first\r\nCc: second\r\nX-Other : y\r\nReply-To:" + space.Draw(t, "before") + "z" + "\r\n\r\n")
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			b.WriteString(rapid.StringOfN(rapid.RuneFrom([]rune("a .\t")), 0, 6, -1).Draw(t, "line") + "\r\n")
		}
		signed, err := signMessage(keys, []byte(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if domains, err := verified(signed); err != nil || len(domains) != 1 {
			t.Fatalf("%v, %v:\n%q", domains, err, signed)
		}
	})
}

// TestDKIM_HeadersThatAreCovered: of all headers a letter may ever have, these
// are covered, and three of them may not be added to.
func TestDKIM_HeadersThatAreCovered(t *testing.T) {
	keys, err := readKeys(signing().DKIM[1:2])
	if err != nil {
		t.Fatal(err)
	}
	message := "From: billing@example.com\r\nDate: Mon, 02 Mar 2026 08:00:00 +0100\r\nX-Unknown: x\r\n"
	for _, name := range []string{"To", "Cc", "Subject", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Reply-To", "References", "In-Reply-To", "Auto-Submitted"} {
		message += name + ": x\r\n"
	}
	signedMessage, err := signMessage(keys, []byte(message+"\r\n"))
	message = string(signedMessage)
	want := "h=From:From:To:To:Cc:Subject:Subject:Date:Message-ID:MIME-Version:Content-Type:Content-Transfer-Encoding:Reply-To:References:In-Reply-To:Auto-Submitted;"
	if err != nil || !strings.Contains(strings.Join(strings.Fields(message), ""), want) {
		t.Errorf("%v\n%s", err, message)
	}
	if domains, err := verified([]byte(message)); err != nil || len(domains) != 1 {
		t.Errorf("%v, %v", domains, err)
	}
}

func TestDKIM_NoKeyForTheSender(t *testing.T) {
	for sentence, from := range map[string]string{
		"another domain":                           "billing@example.net",
		"a part of a domain with a key":            "billing@mail.example.com",
		"a domain that ends like one with a key":   "billing@notexample.com",
		"a domain in another script, without keys": "billing@bäckerei.example",
	} {
		o := signing()
		o.From = from
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "none for the sender's domain") {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	p := newPool(t, signing())
	p.from.Address = "billing@example.net"
	if _, err := p.Compose(aLetter("x")); invoices.KindOf(err) != invoices.Never || !strings.Contains(err.Error(), "no DKIM key") {
		t.Errorf("a letter was composed without a signature: %v", err)
	}
	for sentence, message := range map[string]string{
		"no end of the header": "From: a@example.com\r\n",
		"no sender":            "Date: Mon, 02 Mar 2026 08:00:00 +0100\r\n\r\n",
		"two senders":          "From: a@example.com, b@example.org\r\nDate: Mon, 02 Mar 2026 08:00:00 +0100\r\n\r\n",
	} {
		keys, _ := readKeys(signing().DKIM)
		if signed, err := signMessage(keys, []byte(message)); err == nil {
			t.Errorf("%s: signed as %q", sentence, signed)
		}
	}
}

// TestDKIM_BadKeys: what is wrong is said with the key's name and with nothing
// of the key.
func TestDKIM_BadKeys(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := string(pkcs8(ed25519Key()))
	curveDER, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		sentence string
		key      DKIMKey
		says     string
	}{
		{"no domain", DKIMKey{"", "s", []byte(good)}, "domain"},
		{"a domain that is none", DKIMKey{"example", "s", []byte(good)}, "no dot"},
		{"no selector", DKIMKey{"example.com", "", []byte(good)}, "selector"},
		{"a selector that breaks the header", DKIMKey{"example.com", "s; d=evil.example", []byte(good)}, "selector"},
		{"a selector with a line break", DKIMKey{"example.com", "s\r\nBcc: x", []byte(good)}, "selector"},
		{"no key", DKIMKey{"example.com", "s", nil}, "not PEM"},
		{"a name of a file instead of a key", DKIMKey{"example.com", "s", []byte("hunter2/key.pem")}, "not PEM"},
		{"half a key", DKIMKey{"example.com", "s", []byte(good[:60])}, "not PEM"},
		{"two keys", DKIMKey{"example.com", "s", []byte(good + good)}, "behind"},
		{"a key with a byte changed", DKIMKey{"example.com", "s", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hunter2hunter2")})}, "damaged"},
		{"a public key", DKIMKey{"example.com", "s", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("hunter2")})}, "no private key"},
		{"an encrypted key", DKIMKey{"example.com", "s", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("hunter2")})}, "encrypted"},
		{"an encrypted key of the old kind", DKIMKey{"example.com", "s", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES"}, Bytes: []byte("hunter2")})}, "encrypted"},
		{"a key of another kind", DKIMKey{"example.com", "s", pkcs8(curve)}, "RSA or Ed25519"},
		{"a key of another kind in another form", DKIMKey{"example.com", "s", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: curveDER})}, "RSA or Ed25519"},
		{"an RSA key that is too short", DKIMKey{"example.com", "s", pkcs1(newRSA(1024))}, "1024 bits"},
	} {
		o := options()
		o.DKIM = []DKIMKey{row.key}
		_, err := New(o)
		if err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), "DKIM key ") {
			t.Errorf("%s: %v", row.sentence, err)
			continue
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v", o, o, row.key)} {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "MC4CAQ") || strings.Contains(text, "BEGIN PRIVATE KEY-----\n") {
				t.Errorf("%s: the key is shown: %s", row.sentence, text)
			}
		}
	}
	o := signing()
	o.DKIM = append(o.DKIM, o.DKIM[0], DKIMKey{Domain: "example.net", Selector: "x"})
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "r1._domainkey.example.com: it is given twice") || !strings.Contains(err.Error(), "x._domainkey.example.net") {
		t.Errorf("not all mistakes are told at once: %v", err)
	}
}

// TestDKIM_Published asks a DNS that has forgotten keys, or has others.
func TestDKIM_Published(t *testing.T) {
	none := newPool(t, options())
	if err := none.CheckDKIM(t.Context(), nil); err != nil {
		t.Errorf("letters are not signed, and yet: %v", err)
	}
	p := newPool(t, signing())
	for _, row := range []struct {
		sentence string
		spoil    func(dns)
		says     []string // empty: all is well
	}{
		{"both keys are published", func(dns) {}, nil},
		{"one key is not published", func(d dns) { delete(d, "e1._domainkey.example.com") }, []string{"e1._domainkey.example.com"}},
		{"one key is another's", func(d dns) {
			der, err := x509.MarshalPKIXPublicKey(newRSA(2048).Public())
			if err != nil {
				t.Fatal(err)
			}
			d["r1._domainkey.example.com"] = "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
		}, []string{"r1._domainkey.example.com"}},
		{"a key was revoked", func(d dns) { d["r1._domainkey.example.com"] = "v=DKIM1; k=rsa; p=" }, []string{"r1._domainkey.example.com"}},
		{"nothing is published", func(d dns) { clear(d) }, []string{"r1._domainkey.example.com", "e1._domainkey.example.com"}},
	} {
		d := published()
		row.spoil(d)
		err := p.CheckDKIM(t.Context(), func(_ context.Context, name string) ([]string, error) { return d.lookup(name) })
		if (err == nil) != (len(row.says) == 0) {
			t.Errorf("%s: %v", row.sentence, err)
		}
		for _, key := range []string{"r1._domainkey.example.com", "e1._domainkey.example.com"} {
			if err != nil && strings.Contains(err.Error(), "DKIM key "+key) != slices.Contains(row.says, key) {
				t.Errorf("%s: %v", row.sentence, err)
			}
		}
	}
}
