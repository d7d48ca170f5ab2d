package layout

import (
	"bytes"
	"cmp"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Sizes are the limits of an object.
const (
	MaxBlock  = 256 << 20 // bytes
	MaxBlocks = 50_000
)

// MaxLayers is how many layers an object can have: four hexadecimal digits.
const MaxLayers = 1<<16 - 1

// Block returns the name of the file with a block.
func Block(block int) string { return fmt.Sprintf("%05d", block) }

// A Layer is the name of a directory with blocks of an object:
//
//	s-NUMBER-TOKEN
//
// The number is hexadecimal and begins with 1; a block in a higher layer takes the
// place of one with the same number below it. The token is that of the writer.
type Layer struct {
	Number int64
	Token  string
}

// Below orders layers.
func (l Layer) Below(m Layer) int {
	return cmp.Or(cmp.Compare(l.Number, m.Number), strings.Compare(l.Token, m.Token))
}

func (l Layer) String() string { return fmt.Sprintf("s-%04x-%s", l.Number, l.Token) }

// ParseLayer reads a name, which for a reader is the word of a stranger.
func ParseLayer(s string) (l Layer, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 3 || f[0] != "s" || !isHex(f[1], 4) || !isHex(f[2], TokenSize) {
		return Layer{}, false
	}
	l = Layer{number(f[1]), f[2]}
	return l, l.Number > 0
}

// An Index says of which blocks a published object is made. In its file it is
// text, a line for the numbers in decimal and one for each part:
//
//	BLOCKS SIZE LAST
//	FIRST LAYER
type Index struct {
	Blocks, Size, Last int64 // how many there are, the bytes of each, and of the last
	Parts              []Part
}

// A Part is the blocks from the first one to that of the next part.
type Part struct {
	First int64
	Layer Layer
}

// MaxIndex is the most bytes of an index: each block from another layer.
const MaxIndex = (MaxBlocks + 1) * (len("50000 s-ffff-\n") + TokenSize)

// String returns the text of the file.
func (x Index) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d\n", x.Blocks, x.Size, x.Last)
	for _, p := range x.Parts {
		fmt.Fprintf(&b, "%d %v\n", p.First, p.Layer)
	}
	return b.String()
}

// Total is the size of the object.
func (x Index) Total() int64 { return (x.Blocks-1)*x.Size + x.Last }

// Layer returns where a block is.
func (x Index) Layer(block int64) Layer {
	after := sort.Search(len(x.Parts), func(i int) bool { return x.Parts[i].First > block })
	return x.Parts[after-1].Layer
}

// ParseIndex reads an index, which for a reader is the word of a stranger.
func ParseIndex(content []byte) (x Index, ok bool) {
	for i, line := range bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n")) {
		f := strings.Split(string(line), " ")
		if i == 0 {
			ok = len(f) == 3 && decimals(f, &x.Blocks, &x.Size, &x.Last) && x.Blocks <= MaxBlocks &&
				x.Size <= MaxBlock && 1 <= x.Last && x.Last <= x.Size
		} else {
			var p Part
			ok = len(f) == 2 && decimals(f, &p.First) && p.First < x.Blocks &&
				(i == 1) == (p.First == 0) && (i == 1 || p.First > x.Parts[i-2].First)
			if ok {
				p.Layer, ok = ParseLayer(f[1])
			}
			x.Parts = append(x.Parts, p)
		}
		if !ok {
			return Index{}, false
		}
	}
	return x, len(x.Parts) > 0
}

// decimals reads the first numbers of a line, which are not negative.
func decimals(f []string, to ...*int64) bool {
	for i, n := range to {
		v, err := strconv.ParseInt(f[i], 10, 32)
		if err != nil || v < 0 || strconv.FormatInt(v, 10) != f[i] {
			return false
		}
		*n = v
	}
	return true
}
