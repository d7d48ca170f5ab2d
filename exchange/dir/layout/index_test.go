package layout

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzIndex reads what strangers wrote: whatever is taken for an index is written
// the same way, and each of its blocks is somewhere.
func FuzzIndex(f *testing.F) {
	low, high := Layer{1, someToken}, Layer{2, strings.Repeat("f", TokenSize)}
	for _, x := range []Index{
		{1, 1, 1, []Part{{0, low}}},
		{40_000, 8 << 20, 1, []Part{{0, high}, {7, low}, {39_999, high}}},
	} {
		f.Add([]byte(x.String()))
	}
	layer := low.String()
	for _, s := range []string{
		"", "\n", "1 1 1", "1 1 1\n", "1 1 1\n1 " + layer, "2 1 1\n0 " + layer + "\n0 " + layer, "2 1 1\n0 " + layer + "\n2 " + layer,
		"1 1 2\n0 " + layer, "0 1 1\n0 " + layer, "01 1 1\n0 " + layer, "50001 1 1\n0 " + layer, "1 268435457 1\n0 " + layer,
		"1 1 1\n0 ../" + layer, "1 1 1\n0 " + layer + " \n", "1 99999999999999999999 1\n0 " + layer, "-1 1 1\n0 " + layer,
	} {
		if _, ok := ParseIndex([]byte(s)); ok {
			f.Errorf("%q was taken for an index", s)
		}
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		x, ok := ParseIndex(content)
		if !ok {
			return
		}
		if got := strings.TrimSuffix(string(content), "\n") + "\n"; got != x.String() {
			t.Errorf("%q was read as %q", content, x)
		}
		if x.Total() < 1 || x.Total() > MaxBlocks*MaxBlock || len(content) > MaxIndex {
			t.Errorf("%q has %d bytes", content, x.Total())
		}
		for _, p := range x.Parts {
			if x.Layer(p.First) != p.Layer {
				t.Errorf("%q: block %d is in %v", content, p.First, x.Layer(p.First))
			}
		}
		if x.Layer(x.Blocks-1) != x.Parts[len(x.Parts)-1].Layer {
			t.Errorf("%q: the last block is in %v", content, x.Layer(x.Blocks-1))
		}
	})
}

// TestLargestIndex has each block in another layer than the one before.
func TestLargestIndex(t *testing.T) {
	x := Index{Blocks: MaxBlocks, Size: MaxBlock, Last: MaxBlock}
	for i := range int64(MaxBlocks) {
		x.Parts = append(x.Parts, Part{i, Layer{1 + i, fmt.Sprintf("%032x", i)}})
	}
	text := x.String()
	got, ok := ParseIndex([]byte(text))
	if !ok || len(text) > MaxIndex || got.Total() != MaxBlocks*MaxBlock || got.Layer(40_000) != x.Parts[40_000].Layer {
		t.Errorf("an index of %d bytes, and %d may have: %v", len(text), MaxIndex, ok)
	}
}
