package delta

import "math/bits"

// maxProbes bounds the work on marks that a peer made up so that they all
// fall into one place.
const maxProbes = 32

// An index finds the blocks of an old version by their sums.
type index struct {
	filter filter
	slots  []uint32 // number of a block and 1 more, or 0
}

// A filter says of most sums that they are not in the index. The upper bits
// of a mixed sum choose a word, the lowest that are in a mark a bit of it.
type filter struct {
	bits  []uint64
	shift uint
}

// The size of a filter, in words: 4 for each block make one of 256 bits true,
// and 2^18 stay in the processor's second cache.
const (
	filterEach = 4
	filterMin  = 1 << 6
	filterMax  = 1 << 18
)

// build makes x the index of all whole blocks of which marks tell.
func (x *index) build(marks []byte, blocks int) {
	words := min(max(1<<bits.Len(uint(blocks*filterEach)), filterMin), filterMax)
	x.filter.bits = zeroed(x.filter.bits, words)
	x.filter.shift = 64 - uint(bits.Len(uint(words-1)))
	x.slots = zeroed(x.slots, 2<<bits.Len(uint(blocks)))
	for i := range blocks {
		x.insert(marks, i)
	}
}

func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// insert adds block i, unless one with the same mark is there.
func (x *index) insert(marks []byte, i int) {
	m := readMark(marks[i*MarkSize:])
	for at := range maxProbes {
		slot := &x.slots[x.place(m.sum, at)]
		if *slot == 0 {
			*slot = uint32(i) + 1
			x.filter.bits[m.sum>>(x.filter.shift-sumShift)] |= 1 << (m.sum & 63)
			return
		}
		if readMark(marks[int(*slot-1)*MarkSize:]) == m {
			return
		}
	}
}

// place returns the slot to look into at the given try.
func (x *index) place(sum uint64, try int) int {
	return int((sum>>8 + uint64(try)) & uint64(len(x.slots)-1))
}

// find returns the number of a block that has the content and the sum of
// block. hashed says that the hash of block had to be computed.
func (x *index) find(marks []byte, k *Key, sum uint64, block []byte) (i int, hashed, found bool) {
	var hash uint64
	for try := range maxProbes {
		slot := x.slots[x.place(sum, try)]
		if slot == 0 {
			break
		}
		m := readMark(marks[int(slot-1)*MarkSize:])
		if m.sum != sum {
			continue
		}
		if !hashed {
			hash, hashed = k.hash(block), true
		}
		if m.hash == hash {
			return int(slot - 1), true, true
		}
	}
	return 0, hashed, false
}
