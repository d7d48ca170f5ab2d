package delta

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"mft.dev/mft"
)

// FuzzMarks matches against whatever a peer says its marks are. The pieces
// must cover the new version and stay within the old one.
func FuzzMarks(f *testing.F) {
	key := testKey()
	content := append(noise(1, 40_000), make([]byte, 40_000)...)
	f.Add(key.AppendMarks(nil, 16<<10, content), uint32(len(content)), []byte("xyz"))
	f.Add(key.AppendMarks(nil, 16<<10, make([]byte, 90_000)), uint32(90_000), []byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 50*MarkSize), uint32(800_000), []byte{0})
	f.Add([]byte{}, uint32(0), content[:100])
	f.Fuzz(func(t *testing.T, marks []byte, size uint32, head []byte) {
		size %= 1 << 20
		sig := newSignature(Range{0, int64(size)}, 16<<10)
		if err := sig.Add(marks); err != nil {
			if code := mft.CodeOf(err); code != mft.CodeProtocol {
				t.Fatalf("Add: error %v has code %s", err, code)
			}
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if !sig.Complete() {
			cancel()
		}
		new := append(head[:len(head):len(head)], content...)
		pos := int64(0)
		check := func(p Piece) {
			if p.New.Offset != pos || p.New.Length <= 0 {
				t.Fatalf("piece %+v follows %d bytes", p, pos)
			}
			pos += p.New.Length
			if p.Kind != Literal {
				if err := CheckCopy(p.Old, int64(size)); err != nil {
					t.Fatalf("piece %+v: %v", p, err)
				}
			}
			if p.Kind == Copy && p.Old.Length != p.New.Length {
				t.Fatalf("piece %+v", p)
			}
		}
		fine := NewMatcher(key)
		for p, err := range NewMatcher(key).Match(ctx, sig, bytes.NewReader(new), int64(len(new))) {
			if err != nil {
				if ctx.Err() == nil {
					t.Fatal(err)
				}
				return
			}
			if p.Kind != Gap {
				check(p)
				continue
			}
			n := Marks(p.Old.Length, FineSize(16<<10))
			answer := bytes.Repeat(append([]byte{1}, marks...), n)[:n]
			for q, err := range fine.Refine(ctx, sig, p, answer, bytes.NewReader(new)) {
				if err != nil {
					t.Fatal(err)
				}
				check(q)
			}
		}
		if pos != int64(len(new)) {
			t.Fatalf("the pieces end at %d of %d", pos, len(new))
		}
	})
}

// FuzzRanges checks what a peer asks for, or wants copied.
func FuzzRanges(f *testing.F) {
	f.Add(int64(0), int64(1), int64(1))
	f.Add(int64(5), int64(1<<20), int64(1<<30))
	f.Add(int64(1<<62), int64(1<<62), int64(1<<40))
	f.Add(int64(-1), int64(2), int64(1<<40))
	f.Fuzz(func(t *testing.T, offset, length, size int64) {
		r := Range{offset, length}
		inside := offset >= 0 && length > 0 && uint64(offset)+uint64(length) <= uint64(max(size, 0))
		if err := CheckCopy(r, size); (err == nil) != inside || err != nil && mft.CodeOf(err) != mft.CodeProtocol {
			t.Fatalf("CheckCopy(%+v, %d) = %v", r, size, err)
		}
		if size < 0 || size > MaxSize || CheckAsk(r, size) != nil {
			return
		}
		if n := Marks(length, FineSize(BlockSize(size))); !inside || n > 256<<10 {
			t.Fatalf("CheckAsk(%+v, %d) took what has %d bytes of marks", r, size, n)
		}
	})
}

// FuzzMark reads any mark, and writes it again.
func FuzzMark(f *testing.F) {
	f.Add([]byte("0123456789"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) < MarkSize {
			return
		}
		m := readMark(p)
		again := binary.LittleEndian.AppendUint64(nil, m.sum|m.hash<<40)
		again = binary.LittleEndian.AppendUint16(again, uint16(m.hash>>24))
		if m.sum>>40 != 0 || m.hash>>40 != 0 || !bytes.Equal(again, p[:MarkSize]) {
			t.Fatalf("readMark(%x) = %x", p[:MarkSize], m)
		}
	})
}
