package delta

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// noise returns n bytes that no test meets by chance.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func testKey() *Key { return NewKey(Seed{1, 2, 3}) }

// A delivery is what an exchange came to.
type delivery struct {
	content              []byte
	pieces               []Piece
	literal, marks, gaps int
}

// exchange delivers new over old, as the two ends would, with coarse blocks of
// block bytes, and fails t when a piece breaks the rules.
func exchange(t rapid.TB, old, new []byte, block int) delivery {
	t.Helper()
	key, ctx := testKey(), context.Background()
	sig := newSignature(Range{0, int64(len(old))}, block)
	marks := key.AppendMarks(nil, block, old)
	if err := sig.Add(marks); err != nil {
		t.Fatal(err)
	}
	d := delivery{marks: len(marks)}
	var join Joiner
	take := func(p Piece) {
		if p.New.Length == 0 {
			return
		}
		if p.New.Offset != int64(len(d.content)) {
			t.Fatalf("piece %+v follows %d bytes", p, len(d.content))
		}
		if n := len(d.pieces); n > 0 && p.Kind == Literal && d.pieces[n-1].Kind == Literal {
			t.Fatalf("literal %+v follows %+v", p, d.pieces[n-1])
		}
		d.pieces = append(d.pieces, p)
		switch p.Kind {
		case Literal:
			d.literal += int(p.New.Length)
			d.content = append(d.content, new[p.New.Offset:p.New.End()]...)
		case Copy:
			if err := CheckCopy(p.Old, int64(len(old))); err != nil || p.Old.Length != p.New.Length {
				t.Fatalf("piece %+v: %v", p, err)
			}
			d.content = append(d.content, old[p.Old.Offset:p.Old.End()]...)
		default:
			t.Fatalf("piece %+v after Refine", p)
		}
	}
	fine := NewMatcher(key)
	r := bytes.NewReader(new)
	for p, err := range NewMatcher(key).Match(ctx, sig, r, int64(len(new))) {
		if err != nil {
			t.Fatalf("Match: %v", err)
		}
		if p.Kind != Gap {
			take(join.Join(p))
			continue
		}
		if err := CheckCopy(p.Old, int64(len(old))); err != nil || p.Old.Length > maxGap(block) {
			t.Fatalf("gap %+v: %v", p, err)
		}
		marks := key.AppendMarks(nil, FineSize(block), old[p.Old.Offset:p.Old.End()])
		d.marks += len(marks)
		d.gaps++
		for q, err := range fine.Refine(ctx, sig, p, marks, r) {
			if err != nil {
				t.Fatalf("Refine(%+v): %v", p, err)
			}
			take(join.Join(q))
		}
	}
	take(join.Flush())
	if !bytes.Equal(d.content, new) {
		t.Fatalf("the pieces make another content than the new version, %d bytes of %d", len(d.content), len(new))
	}
	return d
}

// splice returns b with what stands at [from,to) replaced.
func splice(b []byte, from, to int, with []byte) []byte {
	return slices.Concat(b[:from], with, b[to:])
}

func TestExchange(t *testing.T) {
	const kib = 1 << 10
	old := noise(1, 1<<20)
	twice := noise(11, 2<<20)
	zeros := make([]byte, 1<<20)
	edited := bytes.Clone(old)
	for i := 0; i < len(edited); i += 100 * kib {
		copy(edited[i:], noise(byte(i>>10)+7, 2*kib))
	}
	for name, tc := range map[string]struct {
		old, new []byte
		literal  int // at most
	}{
		"both empty":            {nil, nil, 0},
		"empty before":          {nil, old, len(old)},
		"empty after":           {old, nil, 0},
		"tiny, the same":        {old[:5], old[:5], 0},
		"tiny, another":         {old[:5], old[5:10], 5},
		"one byte more":         {old[:5], old[:6], 1},
		"identical":             {old, old, 0},
		"identical, odd length": {old[:len(old)-77], old[:len(old)-77], 0},
		"another":               {old, noise(2, 1<<20), 1 << 20},
		"one byte replaced":     {old, splice(old, 300_000, 300_001, []byte{^old[300_000]}), 2 * kib},
		"one byte inserted":     {old, splice(old, 300_000, 300_000, []byte{9}), 2*kib + 1},
		"one byte removed":      {old, splice(old, 300_000, 300_001, nil), 2 * kib},
		"inserted at the head":  {old, splice(old, 0, 0, noise(3, 99_999)), 99_999},
		"inserted near it":      {old, splice(old, 5000, 5000, noise(3, 99_999)), 99_999 + 2*kib},
		"removed at the head":   {old, old[99_999:], 2 * kib},
		"removed near the end":  {old, splice(old, 900_000, 1_000_000, nil), 4 * kib},
		"appended":              {old, append(bytes.Clone(old), 1, 2, 3), 3},
		"appended, odd length":  {old[:len(old)-77], old, 77},
		"cut off":               {old, old[:777_777], 2 * kib},
		"scattered edits":       {old, edited, 11 * 2 * kib},
		"halves swapped":        {old, slices.Concat(old[400_000:], old[:400_000]), 2 * kib},
		"twice":                 {old, slices.Concat(old, old), 0},
		"much replaced":         {twice, splice(twice, 110_001, 1_790_001, noise(4, 1_680_000)), 1_680_000 + 4*kib},
		"zeros":                 {zeros, zeros[:999_999], 2 * kib},
		"zeros, more of them":   {zeros, make([]byte, 3<<20), 0},
		"zeros for content":     {old, splice(old, 200_000, 500_000, make([]byte, 300_000)), 304 * kib},
		"content among zeros":   {zeros, splice(zeros, 400*kib, 401*kib, old[:kib]), 2 * kib},
	} {
		t.Run(name, func(t *testing.T) {
			if d := exchange(t, tc.old, tc.new, 16*kib); d.literal > tc.literal {
				t.Errorf("%d literal bytes, want %d at most; pieces %+v", d.literal, tc.literal, d.pieces)
			}
		})
	}
}

// TestInPlace: content that is repeated is copied from the same offset when
// it is there too.
func TestInPlace(t *testing.T) {
	const block = 16 << 10
	page := noise(5, block)
	old := bytes.Repeat(page, 200)
	new := bytes.Clone(old)
	copy(new[block+5:], noise(6, 100*block)) // more than is looked ahead
	for _, p := range exchange(t, old, new, block).pieces {
		if p.Kind == Copy && p.Old.Offset != p.New.Offset {
			t.Errorf("piece %+v is not copied in place", p)
		}
	}
}

// TestFarApart goes beyond what is searched at all offsets.
func TestFarApart(t *testing.T) {
	const block = 2 << 10
	old := noise(8, 4<<20)
	new := slices.Concat(noise(9, (eager+100)*block+333), old, noise(10, 3<<20))
	d := exchange(t, old, new, block)
	if want := len(new) - len(old); d.literal != want {
		t.Errorf("%d literal bytes, want %d", d.literal, want)
	}
}

func TestExchangeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := drawContent(t)
		new := bytes.Clone(old)
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			new = drawEdit(t, new)
		}
		exchange(t, old, new, rapid.SampledFrom([]int{2 << 10, 8 << 10, 16 << 10, 32 << 10}).Draw(t, "block"))
	})
}

func drawContent(t *rapid.T) []byte {
	var b []byte
	for range rapid.IntRange(0, 5).Draw(t, "parts") {
		n := rapid.IntRange(0, 60_000).Draw(t, "length")
		switch rapid.IntRange(0, 3).Draw(t, "part") {
		case 0:
			b = append(b, make([]byte, n)...)
		case 1:
			unit := rapid.SliceOfN(rapid.Byte(), 1, 10).Draw(t, "unit")
			b = append(b, bytes.Repeat(unit, n/len(unit))...)
		default:
			b = append(b, noise(rapid.Byte().Draw(t, "noise"), n)...)
		}
	}
	return b
}

func drawEdit(t *rapid.T, b []byte) []byte {
	from := rapid.IntRange(0, len(b)).Draw(t, "from")
	to := min(len(b), from+rapid.IntRange(0, 50_000).Draw(t, "span"))
	switch rapid.IntRange(0, 5).Draw(t, "edit") {
	case 0:
		return splice(b, from, from, noise(rapid.Byte().Draw(t, "inserted"), to-from))
	case 1:
		return splice(b, from, to, nil)
	case 2:
		return splice(b, from, to, noise(rapid.Byte().Draw(t, "replaced"), to-from))
	case 3:
		return splice(b, from, to, make([]byte, to-from))
	case 4:
		where := rapid.IntRange(0, len(b)).Draw(t, "to")
		return splice(b, where, where, bytes.Clone(b[from:to]))
	}
	moved := bytes.Clone(b[from:to])
	b = splice(b, from, to, nil)
	where := rapid.IntRange(0, len(b)).Draw(t, "to")
	return splice(b, where, where, moved)
}

func TestWorth(t *testing.T) {
	tests := []struct {
		name      string
		old, size int64
		want      bool
	}{
		{"both large enough", 1 << 20, 1 << 20, true},
		{"small old one", 1<<20 - 1, 1 << 30, false},
		{"small new one", 1 << 30, 1<<20 - 1, false},
		{"much smaller new one", 17 << 20, 1 << 20, false},
		{"much larger new one", 1 << 20, 1 << 50, true},
		{"more than can be compared", MaxSize + 1, 1 << 50, false},
	}
	for _, tt := range tests {
		if got := Worth(tt.old, tt.size); got != tt.want {
			t.Errorf("%s: Worth(%d, %d) = %v, want %v", tt.name, tt.old, tt.size, got, tt.want)
		}
	}
}
