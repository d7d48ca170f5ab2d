package protocol

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"mft.dev/mft"
)

// manyItems is what a source tree of small files looks like.
func manyItems(n int) []mft.Item {
	items := make([]mft.Item, n)
	for i := range items {
		items[i] = mft.Item{
			Path: fmt.Sprintf("projects/2026/quarter-%d/reports/part-%03d/record-%06d.csv", i/4096, i/128, i),
			Type: mft.ItemFile, Size: int64(i * 37), Mode: 0o644, MTime: 1_790_000_000_123_456_789 + int64(i),
			UID: 1000, GID: 1000, Owner: "erp", Group: "finance",
		}
	}
	return items
}

func BenchmarkAppendItems(b *testing.B) {
	items := manyItems(1024)
	buf := AppendItems(nil, 0, items)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendItems(buf[:0], 0, items)
	}
	perItem(b, len(items))
}

func BenchmarkParseItems(b *testing.B) {
	p := AppendItems(nil, 0, manyItems(1024))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseItems(p); err != nil {
			b.Fatal(err)
		}
	}
	perItem(b, 1024)
}

func BenchmarkWalkPack(b *testing.B) {
	p := packOf(1024, 512)
	sum := 0
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		err := WalkPack(p, func(_ uint64, _ mft.Digest, content []byte) error {
			sum += len(content)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	perItem(b, 1024)
}

func packOf(n, size int) []byte {
	content := bytes.Repeat([]byte{'x'}, size)
	var p []byte
	for i := range n {
		p = AppendPackEntry(p, uint64(i), mft.Digest{}, content)
	}
	return p
}

func BenchmarkManifestAdd(b *testing.B) {
	items := manyItems(1024)
	m := NewManifest()
	b.ReportAllocs()
	for b.Loop() {
		for i := range items {
			m.Add(&items[i], Delivered, mft.Digest{})
		}
	}
	perItem(b, len(items))
}

func BenchmarkKeyOf(b *testing.B) {
	items := manyItems(1024)
	var k Key
	b.ReportAllocs()
	for b.Loop() {
		for i := range items {
			k = KeyOf(&items[i])
		}
	}
	_ = k
	perItem(b, len(items))
}

// BenchmarkFrameReader reads a mixture: a megabyte of data into a buffer of
// the caller, a pack, and many small frames.
func BenchmarkFrameReader(b *testing.B) {
	var wire bytes.Buffer
	w := NewFrameWriter(&wire)
	writeOrFail(b, w, FrameData, make([]byte, MaxData))
	writeOrFail(b, w, FramePack, packOf(1024, 512))
	for range 64 {
		writeOrFail(b, w, FrameCommitted, []byte{1, 1})
	}
	src := bytes.NewReader(wire.Bytes())
	r := NewFrameReader(src)
	into := make([]byte, MaxData)
	b.SetBytes(int64(wire.Len()))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(wire.Bytes())
		for range 66 {
			k, n, err := r.Next()
			if err != nil {
				b.Fatal(err)
			}
			if k == FrameData {
				_, err = io.ReadFull(r, into[:n])
			} else {
				_, err = r.Payload()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkFrameWriter(b *testing.B) {
	w := NewFrameWriter(io.Discard)
	content := make([]byte, MaxData)
	head := make([]byte, 40)
	b.SetBytes(MaxData)
	b.ReportAllocs()
	for b.Loop() {
		writeOrFail(b, w, FrameItems, head, content)
	}
}

func writeOrFail(tb testing.TB, w *FrameWriter, k FrameKind, parts ...[]byte) {
	if err := w.WriteFrame(k, parts...); err != nil {
		tb.Fatal(err)
	}
}

func perItem(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
}
