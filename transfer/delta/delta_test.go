package delta

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"mft.dev/mft"
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
	old := noise(8, 4<<20)
	new := slices.Concat(noise(9, eager+5<<20+333), old, noise(10, 3<<20))
	d := exchange(t, old, new, 16<<10)
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

// TestWhileArriving: matching an unmoved content keeps step with its marks.
func TestWhileArriving(t *testing.T) {
	const block = 16 << 10
	old := noise(1, 64*block)
	new := bytes.Clone(old)
	new[10*block]++
	key := testKey()
	marks := key.AppendMarks(nil, block, old)
	sig := newSignature(Range{0, int64(len(old))}, block)
	if err := sig.Add(marks[:12*MarkSize]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var kinds []Kind
	var last error
	for p, err := range NewMatcher(key).Match(ctx, sig, bytes.NewReader(new), int64(len(new))) {
		if last = err; err == nil {
			kinds = append(kinds, p.Kind)
		}
		if len(kinds) == 2 {
			cancel() // no more marks will come
		}
	}
	if want := []Kind{Copy, Gap}; !slices.Equal(kinds, want) || !errors.Is(last, context.Canceled) {
		t.Errorf("Match with 12 marks of 64: %v and %v, want %v and %v", kinds, last, want, context.Canceled)
	}

	sig = newSignature(Range{0, int64(len(old))}, block)
	done := make(chan error)
	go func() {
		for p := marks; len(p) > 0; p = p[min(7, len(p)):] {
			if err := sig.Add(p[:min(7, len(p))]); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	kinds = nil
	for p, err := range NewMatcher(key).Match(context.Background(), sig, bytes.NewReader(new), int64(len(new))) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, p.Kind)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := []Kind{Copy, Gap, Copy}; !slices.Equal(kinds, want) || !sig.Complete() {
		t.Errorf("Match while marks arrive: %v, want %v", kinds, want)
	}
}

func TestMatchErrors(t *testing.T) {
	old := noise(1, 1<<20)
	key := testKey()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		r    io.ReaderAt
		want error
	}{
		"shorter than announced": {bytes.NewReader(old[:1000]), io.ErrUnexpectedEOF},
		"unreadable":             {readerAt{iotest.ErrReader(boom)}, boom},
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := NewSignature(int64(len(old)))
			if err != nil {
				t.Fatal(err)
			}
			if err := sig.Add(key.AppendMarks(nil, BlockSize(1<<20), old)); err != nil {
				t.Fatal(err)
			}
			var got error
			for _, got = range NewMatcher(key).Match(context.Background(), sig, tc.r, 1<<20) {
			}
			if !errors.Is(got, tc.want) {
				t.Errorf("Match: error %v, want %v", got, tc.want)
			}
		})
	}
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }

func TestRefuses(t *testing.T) {
	const big = 1 << 30
	refine := func(marks int) error {
		sig, err := NewSignature(big)
		if err != nil {
			return err
		}
		gap := Piece{Gap, Range{0, 4096}, Range{0, 4096}}
		for _, err = range NewMatcher(testKey()).Refine(context.Background(), sig, gap, make([]byte, marks), bytes.NewReader(make([]byte, 4096))) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	add := func(size int64, n int) error {
		sig, err := NewSignature(size)
		if err != nil {
			return err
		}
		return sig.Add(make([]byte, n))
	}
	for name, tc := range map[string]struct {
		err  error
		want mft.Code
	}{
		"negative size":       {add(-1, 0), mft.CodeProtocol},
		"size beyond limit":   {add(MaxSize+1, 0), mft.CodeProtocol},
		"largest size":        {add(MaxSize, 0), mft.CodeOK},
		"all marks":           {add(4097, 3*MarkSize), mft.CodeOK},
		"one byte too many":   {add(4097, 3*MarkSize+1), mft.CodeProtocol},
		"copy":                {CheckCopy(Range{10, 20}, 30), mft.CodeOK},
		"copy of nothing":     {CheckCopy(Range{10, 0}, 30), mft.CodeProtocol},
		"copy before":         {CheckCopy(Range{-1, 20}, 30), mft.CodeProtocol},
		"copy beyond":         {CheckCopy(Range{10, 21}, 30), mft.CodeProtocol},
		"copy far beyond":     {CheckCopy(Range{1<<63 - 1, 1<<63 - 1}, 30), mft.CodeProtocol},
		"ask":                 {CheckAsk(Range{5, 1 << 20}, big), mft.CodeOK},
		"ask too much":        {CheckAsk(Range{5, 1<<20 + 1}, big), mft.CodeProtocol},
		"ask beyond":          {CheckAsk(Range{big - 5, 6}, big), mft.CodeProtocol},
		"ask of a small file": {CheckAsk(Range{0, 6}, 1<<20), mft.CodeProtocol},
		"fine marks":          {refine(2 * MarkSize), mft.CodeOK},
		"too few fine marks":  {refine(2*MarkSize - 1), mft.CodeProtocol},
		"too many fine marks": {refine(3 * MarkSize), mft.CodeProtocol},
	} {
		if got := mft.CodeOf(tc.err); got != tc.want {
			t.Errorf("%s: %v has code %s, want %s", name, tc.err, got, tc.want)
		}
	}
}

// TestProtocolConstants: what both ends compute must never change unseen.
func TestProtocolConstants(t *testing.T) {
	for size, want := range map[int64]int{
		0: 2 << 10, 1 << 20: 2 << 10, 2 << 20: 2 << 10, 2<<20 + 1: 4 << 10, 32 << 20: 8 << 10, 32<<20 + 1: 16 << 10,
		256 << 20: 32 << 10, 1 << 30: 64 << 10, 2 << 30: 64 << 10, 2<<30 + 1: 128 << 10, 1 << 40: 2 << 20, MaxSize: 8 << 20,
	} {
		if got := BlockSize(size); got != want {
			t.Errorf("BlockSize(%d) = %d, want %d", size, got, want)
		}
		if n := Marks(size, want); n > 1<<21*MarkSize {
			t.Errorf("Marks(%d, %d) = %d, more than 2^21 marks", size, want, n)
		}
	}
	for block, want := range map[int]int{2 << 10: 0, 8 << 10: 0, 16 << 10: 2 << 10, 512 << 10: 2 << 10, 1 << 20: 4 << 10, 8 << 20: 4 << 10} {
		if got := FineSize(block); got != want {
			t.Errorf("FineSize(%d) = %d, want %d", block, got, want)
		}
	}
	content := make([]byte, 70_000)
	for i := range content {
		content[i] = byte(i * i >> 8)
	}
	for _, tc := range []struct {
		from, to int
		want     string
	}{
		{0, 0, ""},
		{0, 1, "0000000000e74bc031bd"},
		{0, 2048, "29e2856f07b9a3eebd49"},
		{1, 2049, "d5424efc57d3f89e67dc"},
		{0, 65536, "fcfbf63b212789c71930"},
		{100, 69_999, "6b9889d7bdbd94cfcb7da4505a5fbafa490bdfdb"},
	} {
		got := hex.EncodeToString(testKey().AppendMarks(nil, 64<<10, content[tc.from:tc.to]))
		if got != tc.want {
			t.Errorf("marks of [%d:%d] = %s, want %s", tc.from, tc.to, got, tc.want)
		}
	}
}

// TestHash compares with the definition.
func TestHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := NewKey(Seed{rapid.Byte().Draw(t, "seed")})
		p := noise(rapid.Byte().Draw(t, "content"), rapid.IntRange(0, 10_000).Draw(t, "length"))
		if rapid.Bool().Draw(t, "ones") {
			p = bytes.Repeat([]byte{0xff}, len(p))
		}
		if got, want := k.hash(p), slowHash(k, p); got != want {
			t.Fatalf("hash of %d bytes = %x, want %x", len(p), got, want)
		}
		m := k.mark(p)
		if want := (mark{slowSum(p).mixed() >> sumShift, slowHash(k, p)}); m != want {
			t.Fatalf("mark of %d bytes = %x, want %x", len(p), m, want)
		}
		if got := readMark(k.AppendMarks(nil, 1<<20, append(p, 1))); got != k.mark(append(p, 1)) {
			t.Fatalf("readMark = %x", got)
		}
	})
}

func slowHash(k *Key, p []byte) uint64 {
	word := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
	mod := word(prime)
	acc := word(uint64(len(p)))
	chain := func(v *big.Int) {
		acc.Mul(acc, word(k.point)).Add(acc, v).Mod(acc, mod)
	}
	for len(p)%stripe != 0 {
		p = append(p[:len(p):len(p)], 0)
	}
	for ; len(p) > 0; p = p[stripe:] {
		total := new(big.Int)
		for i := 0; i < stripe/8; i += 2 {
			x := word(binary.LittleEndian.Uint64(p[8*i:]) + k.words[i])
			total.Add(total, x.Mul(x, word(binary.LittleEndian.Uint64(p[8*i+8:])+k.words[i+1])))
		}
		chain(word(new(big.Int).And(total, word(1<<64-1)).Uint64()))
		chain(word(new(big.Int).And(total.Rsh(total, 64), word(1<<64-1)).Uint64()))
	}
	acc.Mul(acc, word(k.mul)).Add(acc, word(k.add)).Mod(acc, mod)
	return acc.Uint64() & (1<<hashBits - 1)
}

func slowSum(p []byte) (s sum) {
	for i, x := range p {
		s.a += uint64(x)
		s.b += uint64(len(p)-i) * uint64(x)
	}
	return s
}

func TestSumOfLargest(t *testing.T) {
	p := bytes.Repeat([]byte{0xff}, 8<<20)
	var s sum
	s.write(p)
	if want := slowSum(p); s != want {
		t.Errorf("sum of 8 MiB of 0xff = %v, want %v", s, want)
	}
}

func TestRoll(t *testing.T) {
	p := slices.Concat(bytes.Repeat([]byte{0xff}, 5000), noise(1, 5000))
	none := &index{}
	none.build(nil, 0)
	for _, log := range []uint{0, 1, 7, 11} {
		n := 1 << log
		var s sum
		s.write(p[:n])
		for at := 1; at+n <= len(p); at++ {
			if steps, hit := s.roll(p[at-1:at], p[at-1+n:at+n], log, &none.filter); steps != 1 || hit {
				t.Fatalf("roll: %d steps, hit %v", steps, hit)
			}
			if want := slowSum(p[at : at+n]); s != want {
				t.Fatalf("block of %d rolled to %d: %v, want %v", n, at, s, want)
			}
		}
	}
}

// TestDifferentSeeds: a pair of blocks that collides with one seed does not
// with another.
func TestDifferentSeeds(t *testing.T) {
	p := noise(1, 4096)
	if a, b := NewKey(Seed{1}).hash(p), NewKey(Seed{2}).hash(p); a == b {
		t.Errorf("hashes under two seeds are both %x", a)
	}
	seen := map[uint64]int{}
	k := testKey()
	for i := range 8 * len(p) { // every block that differs in one bit
		p[i/8] ^= 1 << (i % 8)
		h := k.hash(p)
		if j, twice := seen[h]; twice {
			t.Errorf("bits %d and %d: both make the hash %x", i, j, h)
		}
		seen[h] = i
		p[i/8] ^= 1 << (i % 8)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	old := noise(1, 1<<20)
	new := bytes.Clone(old)
	new[77_777]++
	key := testKey()
	marks := key.AppendMarks(nil, 2<<10, old)
	if n := testing.AllocsPerRun(10, func() { marks = key.AppendMarks(marks[:0], 2<<10, old) }); n != 0 {
		t.Errorf("AppendMarks allocates %v times", n)
	}
	coarse := newSignature(Range{0, 1 << 20}, 16<<10)
	gap := Piece{Gap, Range{0, 1 << 20}, Range{0, 1 << 20}}
	m, r := NewMatcher(key), bytes.NewReader(new)
	if n := testing.AllocsPerRun(10, func() {
		for _, err := range m.Refine(context.Background(), coarse, gap, marks, r) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n > 2 { // the loop
		t.Errorf("Refine allocates %v times", n)
	}
}
