package source

import "hash/maphash"

// An index finds out whether a text came before, without keeping the text. Two
// texts are taken for one if they agree in 128 bits of two hashes, of which
// nobody outside knows the seeds: with a million texts the odds are one in
// 10^26.
type index[V any] struct {
	seeds [2]maphash.Seed
	seen  map[[2]uint64]V
}

func newIndex[V any]() *index[V] {
	return &index[V]{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, seen: map[[2]uint64]V{}}
}

// put keeps a value for a text, unless there is one already, which it returns.
func (x *index[V]) put(text string, value V) (first V, known bool) {
	key := [2]uint64{maphash.String(x.seeds[0], text), maphash.String(x.seeds[1], text)}
	if first, known = x.seen[key]; !known {
		x.seen[key] = value
	}
	return first, known
}
