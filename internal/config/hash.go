package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// hash digests what every setting came to be. Values are quoted, so that none
// can look like two.
func (r *reader) hash() string {
	h := sha256.New()
	h.Write([]byte("dunning configuration 1\n"))
	for _, path := range slices.Sorted(maps.Keys(r.effective)) {
		fmt.Fprintf(h, "%q = %q\n", path, r.effective[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fingerprint names an API key without giving it away, as it is stored with
// every link that was made with it (R26): test:1a2b3c4d.
func fingerprint(mode, key string) string {
	sum := sha256.Sum256([]byte("dunning key\n" + key))
	return mode + ":" + hex.EncodeToString(sum[:4])
}
