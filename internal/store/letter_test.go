package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime/quotedprintable"
	"os"
	"testing"
)

// aMessage returns a letter of our own as mails carry it, but for its header.
func aMessage(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range []string{"txt", "html"} {
		text, err := os.ReadFile("../../templates/testdata/golden/en/firm.one." + part)
		if err != nil {
			t.Fatal(err)
		}
		w := quotedprintable.NewWriter(&b)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestLettersArePackedAndUnpacked: what is stored comes back byte for byte,
// also what earlier versions stored.
func TestLettersArePackedAndUnpacked(t *testing.T) {
	for what, raw := range map[string][]byte{
		"a letter": aMessage(t), "nothing": {}, "one byte": {'x'}, "what does not repeat": []byte("0123456789abcdef\x00\xff"),
	} {
		old, err := zip(raw)
		if err != nil {
			t.Fatal(err)
		}
		for how, packed := range map[string][]byte{"snappy": pack(raw), "gzip": old} {
			got, err := unpack(packed)
			if err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s, %s: %d bytes became %d, %v", what, how, len(raw), len(got), err)
			}
		}
	}
}

func BenchmarkPack(b *testing.B) {
	raw := aMessage(b)
	packed := pack(raw)
	b.Run("pack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			pack(raw)
		}
		b.ReportMetric(float64(len(packed))/float64(len(raw)), "of_size")
	})
	b.Run("unpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := unpack(packed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestLettersAreWhatWasWritten: bytes that are damaged are never taken for a
// letter.
func TestLettersAreWhatWasWritten(t *testing.T) {
	raw := aMessage(t)
	sum := fmt.Sprintf("%x", sha256.Sum256(raw))
	if err := same(raw, sum); err != nil {
		t.Error(err)
	}
	raw[100] ^= 1
	if err := same(raw, sum); err == nil {
		t.Error("a letter in which a bit is another was taken for it")
	}
}
