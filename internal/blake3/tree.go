package blake3

import (
	"math/bits"
)

// portion is what a tree takes at a time: a chunk for each lane.
const portion = width * chunkSize

// A tree is a content as far as it is known. Nodes are merged only when it is
// certain that something follows, because the topmost is marked.
type tree struct {
	open   [group]node // leaves after the last whole group; it may be whole itself
	n      int         // how many
	groups uint64      // how many were merged
	stack  [48]node    // element i is in use when bit i of groups is: the node of 2^i groups
}

// add takes p, the length of which is a multiple of a portion.
func (t *tree) add(p []byte) {
	for len(p) > 0 {
		if t.n == group {
			t.condense()
		}
		size := min(len(p), (group-t.n)*chunkSize)
		t.n += leaves(t.open[t.n:], [][]byte{p[:size]}, t.groups*group+uint64(t.n), 0)
		p = p[size:]
	}
}

// condense merges a whole group, after which something follows.
func (t *tree) condense() {
	merge(t.open[:], []span{{0, t.n}}, 0)
	n, level := t.open[0], 0
	for ; t.groups>>level&1 == 1; level++ {
		n = parentOf(&t.stack[level], &n, 0)
	}
	t.stack[level] = n
	t.groups++
	t.n = 0
}

// sum returns the digest of what was added and of rest, which is a portion at
// most. Afterwards, more may be added only if rest is part of it.
func (t *tree) sum(rest []byte) node {
	if t.groups == 0 && t.n == 0 {
		return sumPortion(rest)
	}
	if t.n == group && len(rest) > 0 {
		t.condense()
	}
	var nodes [group + width]node
	n := copy(nodes[:], t.open[:t.n])
	if len(rest) > 0 {
		n += leaves(nodes[n:], [][]byte{rest}, t.groups*group+uint64(n), 0)
	}
	var topmost uint32
	if t.groups == 0 {
		topmost = root
	}
	merge(nodes[:], []span{{0, n}}, topmost)
	for left := t.groups; left != 0; {
		level := bits.TrailingZeros64(left)
		if left &= left - 1; left == 0 {
			topmost = root
		}
		nodes[0] = parentOf(&t.stack[level], &nodes[0], topmost)
	}
	return nodes[0]
}

func parentOf(left, right *node, topmost uint32) node {
	nodes := [2]node{*left, *right}
	merge(nodes[:], []span{{0, 2}}, topmost)
	return nodes[0]
}
