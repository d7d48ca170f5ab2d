// Package blake3 computes the digests of mft: BLAKE3 of 256 bits, without a key.
//
// Where the processor has AVX-512 it hashes 16 chunks of 1 KiB side by side,
// and [SumAll] fills the lanes with chunks of different contents. Elsewhere
// everything goes to the library github.com/zeebo/blake3, which is also what
// this package is tested against. For other uses of BLAKE3, such as deriving
// keys, take the library.
//
// Format: https://github.com/BLAKE3-team/BLAKE3-specs.
package blake3

import "github.com/zeebo/blake3"

// wide is whether the kernel can run.
var wide = hasKernel()

// Sum returns the digest of p.
func Sum(p []byte) [32]byte { return sum(p, wide) }

func sum(p []byte, wide bool) [32]byte {
	if !wide {
		return blake3.Sum256(p)
	}
	if len(p) <= portion {
		return sumPortion(p)
	}
	var t tree
	whole := (len(p) - 1) / portion * portion
	t.add(p[:whole])
	return t.sum(p[whole:])
}

// sumPortion returns the digest of p, which is not longer than a portion. The
// library has eight lanes, each of which is cheaper than two of the kernel.
func sumPortion(p []byte) [32]byte {
	if len(p) <= portion/2 {
		return blake3.Sum256(p)
	}
	var nodes [width]node
	n := leaves(nodes[:], [][]byte{p}, 0, 0)
	merge(nodes[:], []span{{0, n}}, root)
	return nodes[0]
}

// SumAll writes the digest of contents[i] to digests[i], for all contents. That
// of many small ones costs little more than that of a large one. digests must
// be at least as long as contents.
func SumAll(digests [][32]byte, contents [][]byte) { sumAll(digests, contents, wide) }

func sumAll(digests [][32]byte, contents [][]byte, wide bool) {
	digests = digests[:len(contents)]
	if !wide || len(contents) < 2 {
		for i, p := range contents {
			digests[i] = sum(p, wide)
		}
		return
	}
	var room struct {
		nodes [group]node
		trees [group]span
	}
	for len(contents) > 0 {
		trees, n := room.trees[:0], 0
		for _, p := range contents {
			k := chunks(p)
			if n+k > group {
				break
			}
			trees = append(trees, span{n, k})
			n += k
		}
		if len(trees) == 0 { // one that is large
			digests[0] = sum(contents[0], wide)
			digests, contents = digests[1:], contents[1:]
			continue
		}
		leaves(room.nodes[:], contents[:len(trees)], 0, root)
		merge(room.nodes[:], trees, root)
		for i, t := range trees {
			digests[i] = room.nodes[t.at]
		}
		digests, contents = digests[len(trees):], contents[len(trees):]
	}
}

// chunks returns how many leaves the tree of p has.
func chunks(p []byte) int { return max(1, (len(p)+chunkSize-1)/chunkSize) }

// A Hasher computes the digest of what is written to it. It is to be had from
// [New], takes 26 KiB, and is not safe for concurrent use.
type Hasher struct {
	library *blake3.Hasher // if the kernel cannot run; then it is all there is
	tree    tree
	buf     [portion]byte
	n       int // bytes in buf, less than a portion
}

// New returns the hash of nothing.
func New() *Hasher { return newHasher(wide) }

func newHasher(wide bool) *Hasher {
	if !wide {
		return &Hasher{library: blake3.New()}
	}
	return &Hasher{}
}

// Write adds p. It never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	if h.library != nil {
		return h.library.Write(p)
	}
	written := len(p)
	if h.n > 0 {
		k := copy(h.buf[h.n:], p)
		h.n += k
		p = p[k:]
		if h.n == portion {
			h.tree.add(h.buf[:])
			h.n = 0
		}
	}
	if len(p) > 0 {
		whole := len(p) / portion * portion
		h.tree.add(p[:whole])
		h.n = copy(h.buf[:], p[whole:])
	}
	return written, nil
}

// Sum returns the digest of what was written so far. Writing may go on.
func (h *Hasher) Sum() (d [32]byte) {
	if h.library != nil {
		h.library.Sum(d[:0])
		return d
	}
	return h.tree.sum(h.buf[:h.n])
}

// Reset makes it the hash of nothing again.
func (h *Hasher) Reset() {
	if h.library != nil {
		h.library.Reset()
		return
	}
	h.tree.n, h.tree.groups, h.n = 0, 0, 0
}
