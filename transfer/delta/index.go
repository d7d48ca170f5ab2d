package delta

import "math/bits"

// maxProbes bounds the work on marks that a peer made up so that they all
// fall into one place.
const maxProbes = 32

// An index finds the blocks of an old version by their sums.
type index struct {
	filter filter
	slots  []uint32 // number of a block and 1 more, or 0
	blocks int      // that are in it: the first ones
}

// filterLog makes a filter of 1 MiB, which stays in the processor's second
// cache and lets one sum of 256 pass when there are 2^15 blocks.
const filterLog = 17

// A filter says of most sums that they are not in the index. The upper bits
// of a mixed sum choose a word, and the next ones a bit of it.
type filter struct {
	bits [1 << filterLog]uint64
	few  []uint64 // the sums that were added, up to the first that are many
}

func (f *filter) word(sum uint64) *uint64 {
	return &f.bits[sum<<sumShift>>(64-filterLog)]
}

func (f *filter) add(sum uint64) {
	*f.word(sum) |= 1 << (sum >> (58 - filterLog - sumShift) & 63)
	if !f.many() {
		f.few = append(f.few, sum)
	}
}

func (f *filter) many() bool { return len(f.few) > len(f.bits)/64 }

// clear takes all sums away. When there are few it only touches these: an
// index of fine blocks has some dozens.
func (f *filter) clear() {
	if f.many() {
		clear(f.bits[:])
	}
	for _, sum := range f.few {
		*f.word(sum) = 0
	}
	f.few = f.few[:0]
}

// open makes x an empty index with room for so many blocks.
func (x *index) open(blocks int) {
	x.filter.clear()
	n := 2 << bits.Len(uint(blocks))
	if cap(x.slots) < n {
		x.slots = make([]uint32, n)
	}
	x.slots, x.blocks = x.slots[:n], 0
	clear(x.slots)
}

// extend adds the blocks of which marks tell and that are not in x yet, up to
// the first so many.
func (x *index) extend(marks []byte, blocks int) {
	for ; x.blocks < blocks; x.blocks++ {
		x.insert(marks, x.blocks)
	}
}

// insert adds block i, unless one with the same mark is there.
func (x *index) insert(marks []byte, i int) {
	m := readMark(marks[i*MarkSize:])
	for at := range maxProbes {
		slot := &x.slots[x.place(m.sum, at)]
		if *slot == 0 {
			*slot = uint32(i) + 1
			x.filter.add(m.sum)
			return
		}
		if readMark(marks[int(*slot-1)*MarkSize:]) == m {
			return
		}
	}
}

// place returns the slot to look into at the given try.
func (x *index) place(sum uint64, try int) int {
	return int((sum + uint64(try)) & uint64(len(x.slots)-1))
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
