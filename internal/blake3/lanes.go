package blake3

import "unsafe"

const (
	width     = 16      // lanes
	chunkSize = 1 << 10 // bytes in a leaf of a tree
	group     = 256     // leaves that are merged together
)

// Flags of a block.
const (
	chunkStart = 1 << iota
	chunkEnd
	parent
	root
)

// A node is the chaining value of a chunk or of a parent. Two that stand side
// by side are the block of their parent.
type node [32]byte

// A span says where the nodes of a tree stand that have no parent yet.
type span struct{ at, n int }

// Lanes are what the kernel works on: up to 16 chunks, or parents. Whoever
// fills them has them in a local variable: a pointer into a content that was
// stored by way of a pointer would have the content escape.
type lanes struct {
	from  [width]*byte  // the input; of no meaning if there is none
	size  [width]uint32 // bytes in it, at most chunkSize
	low   [width]uint32 // number of the chunk in its content, 0 of a parent
	high  [width]uint32 // the same, upper half
	first [width]uint32 // flags of the first block
	last  [width]uint32 // flags of the last block, which may be the first
	out   [width]node   // the results
	at    [width]int    // where each belongs
	used  int           // how many lanes have an input
}

// run hashes what is in the lanes, puts the results where they belong, and
// leaves the lanes empty.
func (l *lanes) run(nodes []node) {
	compress(l)
	for i, at := range l.at[:l.used] {
		nodes[at] = l.out[i]
	}
	clear(l.size[:])
	l.used = 0
}

// leaves hashes the chunks of contents, one after the other, into nodes, and
// returns how many there were. The first chunk of each content has the given
// number. A content of a single chunk has alone added to its flags.
func leaves(nodes []node, contents [][]byte, number uint64, alone uint32) int {
	var l lanes
	n := 0
	for _, p := range contents {
		flags := uint32(chunkEnd)
		if len(p) <= chunkSize {
			flags |= alone
		}
		for chunk := number; ; chunk++ {
			size, i := min(len(p), chunkSize), l.used
			l.from[i], l.size[i] = unsafe.SliceData(p), uint32(size)
			l.low[i], l.high[i] = uint32(chunk), uint32(chunk>>32)
			l.first[i], l.last[i] = chunkStart, flags
			l.at[i] = n
			n++
			if l.used++; l.used == width {
				l.run(nodes)
			}
			if p = p[size:]; len(p) == 0 {
				break
			}
		}
	}
	if l.used > 0 {
		l.run(nodes)
	}
	return n
}

// merge makes of each tree one node, the first of its span. It works level by
// level, pairing neighbours and passing on whoever has none; this gives the tree
// of BLAKE3, in which each left half is the largest power of two that leaves
// something for the right one. A parent that is the last of its tree has
// topmost added to its flags.
func merge(nodes []node, trees []span, topmost uint32) {
	var l lanes
	for more := true; more; {
		more = false
		for _, t := range trees {
			for k := range t.n / 2 {
				flags := uint32(parent)
				if t.n == 2 {
					flags |= topmost
				}
				i := l.used
				l.from[i], l.size[i] = unsafe.SliceData(nodes[t.at+2*k : t.at+2*k+2][0][:]), uint32(2*len(node{}))
				l.first[i], l.last[i] = flags, 0
				l.at[i] = t.at + k
				if l.used++; l.used == width {
					l.run(nodes)
				}
			}
		}
		if l.used > 0 {
			l.run(nodes)
		}
		for i := range trees {
			t := &trees[i]
			if t.n%2 == 1 {
				nodes[t.at+t.n/2] = nodes[t.at+t.n-1]
			}
			t.n = (t.n + 1) / 2
			more = more || t.n > 1
		}
	}
}
