package store

import (
	"bytes"
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

// TestLettersArePackedAndUnpacked: what is stored comes back byte for byte.
func TestLettersArePackedAndUnpacked(t *testing.T) {
	for what, raw := range map[string][]byte{
		"a letter": aMessage(t), "nothing": {}, "one byte": {'x'}, "what does not repeat": []byte("0123456789abcdef\x00\xff"),
	} {
		packed, err := pack(raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(packed)
		if err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: %d bytes became %d, %v", what, len(raw), len(got), err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	raw := aMessage(b)
	packed, err := pack(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("pack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pack(raw); err != nil {
				b.Fatal(err)
			}
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
