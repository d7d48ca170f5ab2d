package blake3

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"
)

// A way is one of the two that digests are computed in.
type way struct {
	name string
	wide bool
}

// ways returns those that can be gone here.
func ways() []way {
	all := []way{{"library", false}}
	if hasKernel() {
		all = append(all, way{"kernel", true})
	}
	return all
}

// pattern returns the input of the published test vectors.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i % 251)
	}
	return p
}

// noise returns bytes that look like nothing else.
func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(p)
	return p
}

// hash writes content in pieces of the given size.
func hash(content []byte, wide bool, piece int) [32]byte {
	h := newHasher(wide)
	for len(content) > 0 {
		k := min(piece, len(content))
		_, _ = h.Write(content[:k])
		content = content[k:]
	}
	return h.Sum()
}

// TestPublished holds the package to the vectors that come with the
// specification of BLAKE3.
func TestPublished(t *testing.T) {
	for _, v := range []struct {
		length int
		digest string
	}{
		{0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
		{1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
		{1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
		{1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
		{1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
		{3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
		{8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"},
		{16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
		{31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
		{102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
	} {
		for _, w := range ways() {
			t.Run(fmt.Sprintf("%d/%s", v.length, w.name), func(t *testing.T) {
				p := pattern(v.length)
				if got := sum(p, w.wide); hex.EncodeToString(got[:]) != v.digest {
					t.Errorf("sum = %x, want %s", got, v.digest)
				}
				if got := hash(p, w.wide, 777); hex.EncodeToString(got[:]) != v.digest {
					t.Errorf("Hasher.Sum = %x, want %s", got, v.digest)
				}
				two := make([][32]byte, 2)
				sumAll(two, [][]byte{p, p}, w.wide)
				if hex.EncodeToString(two[0][:]) != v.digest || two[1] != two[0] {
					t.Errorf("sumAll = %x, want %s twice", two, v.digest)
				}
			})
		}
	}
}

// lengths are those at which something ends: a block, a chunk, what the
// lanes take, a group, two groups, a subtree.
func lengths() []int {
	all := []int{0, 1, 2, 3 * portion / 2}
	for _, n := range []int{
		64, 128, 960, chunkSize, 2 * chunkSize, 3 * chunkSize, 7 * chunkSize, portion / 2, portion, portion + chunkSize, 2 * portion, 3 * portion,
		group * chunkSize, group*chunkSize + portion, 2 * group * chunkSize, 3 * group * chunkSize, 4 * group * chunkSize, 5*group*chunkSize + portion,
	} {
		all = append(all, n-1, n, n+1)
	}
	return all
}

func TestSum(t *testing.T) {
	all := noise(6 * group * chunkSize)
	for _, w := range ways() {
		for _, n := range lengths() {
			p := all[n%67:][:n] // seldom aligned
			want := [32]byte(blake3.Sum256(p))
			if got := sum(p, w.wide); got != want {
				t.Errorf("%s: sum of %d bytes = %x, want %x", w.name, n, got, want)
			}
			for _, piece := range []int{chunkSize, portion - 1, portion + 1, group * chunkSize, 1 << 30} {
				if got := hash(p, w.wide, piece); got != want {
					t.Errorf("%s: %d bytes in pieces of %d = %x, want %x", w.name, n, piece, got, want)
				}
			}
		}
	}
}

func TestSumAll(t *testing.T) {
	all := noise(1<<20 + 100)
	same := func(n, length int) (out [][]byte) {
		for i := range n {
			out = append(out, all[i:i+length])
		}
		return out
	}
	each := func() (out [][]byte) { // every length of a chunk, and of two
		for n := range 2*chunkSize + 2 {
			out = append(out, all[n%5:][:n])
		}
		return out
	}
	of := func(lengths ...int) (out [][]byte) {
		for _, n := range lengths {
			out = append(out, all[:n])
		}
		return out
	}
	for _, test := range []struct {
		name     string
		contents [][]byte
	}{
		{"none", nil},
		{"an empty one", [][]byte{nil}},
		{"empty ones", same(40, 0)},
		{"one small", same(1, 100)},
		{"two small", same(2, 100)},
		{"as many as lanes", same(width, 4096)},
		{"one more than lanes", same(width+1, 1024)},
		{"as many as a group", same(group, 1)},
		{"one more than a group", same(group+1, 1)},
		{"of a group each", same(3, group*chunkSize)},
		{"one that just does not fit", of(1, group*chunkSize, 1)},
		{"of all kinds", of(0, 1, 63, 64, 65, 1023, 1024, 1025, 4096, 16<<10, 1<<20+1, 0, 5000, 1<<20, 7)},
		{"large ones", of(1<<20, 1<<20+1)},
		{"every small length", each()},
	} {
		for _, w := range ways() {
			t.Run(test.name+"/"+w.name, func(t *testing.T) {
				digests := make([][32]byte, len(test.contents)+1)
				sumAll(digests, test.contents, w.wide)
				for i, p := range test.contents {
					if want := [32]byte(blake3.Sum256(p)); digests[i] != want {
						t.Fatalf("digest %d, of %d bytes, = %x, want %x", i, len(p), digests[i], want)
					}
				}
				if digests[len(test.contents)] != [32]byte{} {
					t.Error("wrote more digests than there are contents")
				}
			})
		}
	}
}

// TestHasher takes the digest wherever it likes while writing.
func TestHasher(t *testing.T) {
	all := noise(3 * group * chunkSize)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			h := newHasher(w.wide)
			rapid.Check(t, func(t *rapid.T) {
				h.Reset()
				n := 0
				for range rapid.IntRange(1, 8).Draw(t, "writes") {
					end := rapid.OneOf(
						rapid.Just(min(n+1, len(all))), rapid.Just(min((n/chunkSize+1)*chunkSize, len(all))),
						rapid.Just(min((n/portion+1)*portion, len(all))), rapid.IntRange(n, len(all)),
					).Draw(t, "end")
					k, err := h.Write(all[n:end])
					if k != end-n || err != nil {
						t.Fatalf("Write of %d bytes = %d, %v", end-n, k, err)
					}
					n = end
					for range rapid.IntRange(0, 2).Draw(t, "sums") {
						if got, want := h.Sum(), [32]byte(blake3.Sum256(all[:n])); got != want {
							t.Fatalf("Sum after %d bytes = %x, want %x", n, got, want)
						}
					}
				}
				if got, want := h.Sum(), [32]byte(blake3.Sum256(all[:n])); got != want {
					t.Fatalf("Sum of %d bytes = %x, want %x", n, got, want)
				}
			})
		})
	}
}

// FuzzSum splits what it is given, after many copies of it, into contents.
func FuzzSum(f *testing.F) {
	f.Add([]byte("a content"), uint16(3), uint8(2))
	f.Add([]byte{}, uint16(0), uint8(0))
	f.Add(pattern(chunkSize), uint16(16), uint8(5))
	f.Add(pattern(300), uint16(1500), uint8(255))
	f.Fuzz(func(t *testing.T, p []byte, times uint16, cuts uint8) {
		p = bytes.Repeat(p, min(int(times), 1<<20/(len(p)+1)))
		want := [32]byte(blake3.Sum256(p))
		contents := [][]byte{p}
		for i := range int(cuts) {
			contents = append(contents, p[:len(p)*i/int(cuts)])
		}
		for _, w := range ways() {
			if got := sum(p, w.wide); got != want {
				t.Errorf("%s: sum of %d bytes = %x, want %x", w.name, len(p), got, want)
			}
			if got := hash(p, w.wide, 1+97*int(cuts)); got != want {
				t.Errorf("%s: Hasher.Sum of %d bytes = %x, want %x", w.name, len(p), got, want)
			}
			digests := make([][32]byte, len(contents))
			sumAll(digests, contents, w.wide)
			for i, c := range contents {
				if want := [32]byte(blake3.Sum256(c)); digests[i] != want {
					t.Errorf("%s: sumAll of %d bytes = %x, want %x", w.name, len(c), digests[i], want)
				}
			}
		}
	})
}

// TestAllocations also sees a content escape: then room, which is on the
// stack, would be allocated.
func TestAllocations(t *testing.T) {
	big := noise(1<<20 + 1)
	h := New()
	for name, f := range map[string]func(){
		"Sum":       func() { var room [3000]byte; Sum(room[:]) },
		"large Sum": func() { Sum(big) },
		"SumAll": func() {
			var room [3000]byte
			var digests [3][32]byte
			SumAll(digests[:], [][]byte{room[:], big, room[:100]})
		},
		"Hasher": func() {
			var room [3000]byte
			h.Reset()
			_, _ = h.Write(room[:])
			_, _ = h.Write(big)
			h.Sum()
		},
	} {
		if n := testing.AllocsPerRun(10, f); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
