package source

import "hash/maphash"

// An index finds out whether a text came before, without keeping the text. Two
// texts are taken for one if they agree in 96 bits of two hashes, of which
// nobody outside knows the seeds: with a million texts the odds are one in
// 10^17.
//
// Values lie one behind the other in pages that never move, and a table with
// room for all finds them: that is half of what a map takes, and nothing in it
// has to be looked through for garbage.
type index[V any] struct {
	seeds [2]maphash.Seed
	n     uint32
	pages [][]entry[V]
	slots []uint32 // which entry, from 1; 0: none
}

// An entry is in slots at the first place, from its key on, that was free.
type entry[V any] struct {
	key   [3]uint32
	value V
}

const (
	pageSize   = 4096
	firstSlots = 1024
)

func newIndex[V any]() *index[V] {
	return &index[V]{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, slots: make([]uint32, firstSlots)}
}

// put keeps a value for a text, unless there is one already, which it returns.
func (x *index[V]) put(text string, value V) (first V, known bool) {
	long, short := maphash.String(x.seeds[0], text), maphash.String(x.seeds[1], text)
	key := [3]uint32{uint32(long), uint32(long >> 32), uint32(short)}
	place := x.place(key)
	if i := x.slots[place]; i != 0 {
		return x.entry(i).value, true
	}
	if x.n%pageSize == 0 {
		x.pages = append(x.pages, make([]entry[V], 0, pageSize))
	}
	last := &x.pages[len(x.pages)-1]
	*last = append(*last, entry[V]{key, value})
	x.n++
	x.slots[place] = x.n
	if uint64(x.n)*4 > uint64(len(x.slots))*3 {
		x.widen()
	}
	return first, false
}

// place returns where in slots a key is, or would be.
func (x *index[V]) place(key [3]uint32) uint32 {
	mask := uint32(len(x.slots) - 1)
	for at := key[0] & mask; ; at = (at + 1) & mask {
		if i := x.slots[at]; i == 0 || x.entry(i).key == key {
			return at
		}
	}
}

func (x *index[V]) entry(i uint32) *entry[V] { return &x.pages[(i-1)/pageSize][(i-1)%pageSize] }

// widen doubles the slots.
func (x *index[V]) widen() {
	x.slots = make([]uint32, 2*len(x.slots))
	for i := uint32(1); i <= x.n; i++ {
		x.slots[x.place(x.entry(i).key)] = i
	}
}
