package delta

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestMarker: however a content is cut into pieces, and whatever of it is a
// copy, its marks are those of AppendMarks.
func TestMarker(t *testing.T) {
	key := testKey()
	all := noise(7, 3<<20)
	rapid.Check(t, func(t *rapid.T) {
		var content []byte
		old := all[:rapid.IntRange(0, len(all)).Draw(t, "old")]
		known := key.AppendMarks(nil, fineBlock, old)
		known = known[:rapid.IntRange(0, len(known)/MarkSize).Draw(t, "known")*MarkSize]
		type part struct {
			p      []byte
			copied Range
		}
		var parts []part
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			n := rapid.IntRange(1, 60_000).Draw(t, "bytes")
			at := rapid.IntRange(0, len(all)-n).Draw(t, "at")
			if rapid.Bool().Draw(t, "aligned") {
				at = at / fineBlock * fineBlock
				at = min(at+len(content)%fineBlock, len(all)-n)
			}
			x := part{p: all[at : at+n]}
			if at+n <= len(old) && rapid.Bool().Draw(t, "copied") {
				x.copied = Range{int64(at), int64(n)}
			}
			parts, content = append(parts, x), append(content, x.p...)
		}
		m := NewMarker(key, Seed{1}, int64(len(content)))
		for _, x := range parts {
			if x.copied.Length > 0 {
				m.Copied(x.copied, known)
			}
			for p := x.p; len(p) > 0; {
				n := rapid.IntRange(1, len(p)).Draw(t, "piece")
				if len(content) > 0 && m.Record() != nil {
					t.Fatal("there is a record before all has gone by")
				}
				m.Write(p[:n])
				p = p[n:]
			}
		}
		r := m.Record()
		if r == nil || r.Seed != (Seed{1}) || r.Size != int64(len(content)) {
			t.Fatalf("the record is %+v", r)
		}
		if !bytes.Equal(r.Marks, key.AppendMarks(nil, fineBlock, content)) {
			t.Error("the marks differ from those of AppendMarks")
		}
	})
}

// TestMarkerPassesOver: blocks that are blocks of the old version are not
// looked at, and all others are.
func TestMarkerPassesOver(t *testing.T) {
	const block = fineBlock
	key := testKey()
	marks := bytes.Repeat([]byte{0xab}, 10*MarkSize) // not those of any content
	for _, tt := range []struct {
		name   string
		before int
		old    Range
		known  int
		want   []int // blocks with the marks above
	}{
		{"at the same offset", 0, Range{0, 3 * block}, 10, []int{0, 1, 2}},
		{"moved by a block", block, Range{0, 2 * block}, 10, []int{1, 2}},
		{"from the middle of a block", 5, Range{5, 3*block - 5}, 10, []int{1, 2}},
		{"to the middle of a block", 0, Range{0, 2*block + 9}, 10, []int{0, 1}},
		{"moved by a byte", 1, Range{0, 3*block - 1}, 10, nil},
		{"less than a block", 0, Range{0, block - 1}, 10, nil},
		{"not all are known", 0, Range{0, 3 * block}, 2, []int{0, 1}},
		{"none are known", 0, Range{0, 3 * block}, 0, nil},
		{"beyond what is known", 0, Range{5 * block, 3 * block}, 5, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content := noise(3, 4*block)
			m := NewMarker(key, Seed{}, int64(len(content)))
			m.Write(content[:tt.before])
			m.Copied(tt.old, marks[:tt.known*MarkSize])
			m.Write(content[tt.before:])
			r := m.Record()
			if r == nil {
				t.Fatal("no record")
			}
			for i := range 4 {
				got := r.Marks[i*MarkSize : (i+1)*MarkSize]
				want := key.AppendMarks(nil, block, content[i*block:(i+1)*block])
				if slices.Contains(tt.want, i) {
					want = marks[:MarkSize]
				}
				if !bytes.Equal(got, want) {
					t.Errorf("block %d has the mark %x, want %x", i, got, want)
				}
			}
		})
	}
}

func TestRecordWhole(t *testing.T) {
	for _, tt := range []struct {
		size  int64
		marks int
		want  bool
	}{
		{0, 0, true},
		{1, MarkSize, true},
		{1, 0, false},
		{fineBlock, MarkSize, true},
		{fineBlock + 1, MarkSize, false},
		{-1, 0, false},
		{MaxSize + 1, 0, false},
		{1, MarkSize + 1, false},
	} {
		t.Run(fmt.Sprintf("%d of %d", tt.marks, tt.size), func(t *testing.T) {
			r := Record{Size: tt.size, Marks: make([]byte, tt.marks)}
			if got := r.Whole(); got != tt.want {
				t.Errorf("Whole = %v, want %v", got, tt.want)
			}
		})
	}
}
