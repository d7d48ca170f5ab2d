package zframe

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

func newEncoder(t testing.TB) *Encoder {
	t.Helper()
	e, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newDecoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// prose returns n bytes that compress like text.
func prose(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	words := strings.Fields("alpha beta ledger invoice order receipt customer account total shipped returned paid pending")
	var b []byte
	for len(b) < n {
		b = append(append(b, words[r.IntN(len(words))]...), byte(' '+r.IntN(16)))
	}
	return b[:n]
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// TestFramesSurvive writes any frames, compressed or not, and reads each in one
// of the ways there are.
func TestFramesSurvive(t *testing.T) {
	enc := newEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		type frame struct {
			kind    protocol.FrameKind
			payload []byte
		}
		var pipe bytes.Buffer
		var frames []frame
		w := protocol.NewFrameWriter(&pipe)
		for i := range rapid.IntRange(1, 6).Draw(t, "frames") {
			f := frame{rapid.SampledFrom([]protocol.FrameKind{protocol.FrameData, protocol.FramePack, protocol.FrameListings}).Draw(t, "kind"), nil}
			n := rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(0, protocol.MaxData)).Draw(t, "size")
			f.payload = prose(uint64(i), n)
			if rapid.Bool().Draw(t, "noise") {
				f.payload = noise(byte(i), n)
			}
			kind, payload := f.kind, f.payload
			if rapid.Bool().Draw(t, "compressed") {
				kind, payload = protocol.FrameZstd, enc.Encode(kind, payload)
			}
			if err := w.WriteFrame(kind, payload); err != nil {
				t.Fatalf("WriteFrame(%v): %v", kind, err)
			}
			frames = append(frames, f)
		}
		src := io.Reader(&pipe)
		if rapid.Bool().Draw(t, "in halves") {
			src = iotest.HalfReader(src)
		}
		r := NewReader(protocol.NewFrameReader(src))
		for _, f := range frames {
			kind, n, err := r.Next()
			if err != nil || kind != f.kind || n != len(f.payload) {
				t.Fatalf("Next = %v, %d, %v, want %v, %d", kind, n, err, f.kind, len(f.payload))
			}
			read := rapid.IntRange(0, n).Draw(t, "read")
			head := make([]byte, read)
			if _, err := io.ReadFull(r, head); err != nil || !bytes.Equal(head, f.payload[:read]) {
				t.Fatalf("Read of %d of %d bytes: %v, or other bytes", read, n, err)
			}
			if rapid.Bool().Draw(t, "skip") {
				continue
			}
			for range 2 {
				rest, err := r.Payload()
				if err != nil || !bytes.Equal(rest, f.payload[read:]) {
					t.Fatalf("Payload after %d of %d bytes: %d bytes, %v", read, n, len(rest), err)
				}
			}
			if n, err := r.Read(head[:min(1, len(head))]); n != 0 || err != io.EOF {
				t.Fatalf("Read after the end = %d, %v, want 0, io.EOF", n, err)
			}
		}
		for range 2 {
			if _, _, err := r.Next(); err != io.EOF {
				t.Fatalf("Next at the end: %v, want io.EOF", err)
			}
		}
	})
}

// packed is a payload that says what it likes of the content in it.
func packed(t testing.TB, kind protocol.FrameKind, says uint64, content []byte, options ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, append(options, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(content, wire.AppendUint([]byte{byte(kind)}, says))
}

func TestDecodeRefuses(t *testing.T) {
	bomb := make([]byte, 64<<20)
	text := prose(1, 100<<10)
	good := packed(t, protocol.FrameData, uint64(len(text)), text)
	damaged := bytes.Clone(good)
	damaged[len(damaged)/2] ^= 0x55
	streamed := func(n, window int) []byte { // without its size in the header
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		for off := 0; off < n; off += 64 << 10 {
			_, _ = w.Write(bomb[:64<<10])
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, tc := range map[string]struct {
		p     []byte
		words string
	}{
		"nothing":                  {nil, "kind:"},
		"no length":                {[]byte{4}, "length:"},
		"a length in two forms":    {append([]byte{4, 0x80, 0}, good[4:]...), "length:"},
		"no content":               {[]byte{4, 5}, "content:"},
		"no kind":                  {packed(t, 0, 5, []byte("hello")), "kind: 0 is none"},
		"an unknown kind":          {packed(t, 99, 5, []byte("hello")), "kind: 99 is none"},
		"a compressed frame":       {packed(t, protocol.FrameZstd, uint64(len(good)), good), "another compressed frame"},
		"more than a frame":        {packed(t, protocol.FramePack, protocol.MaxFrame+1, bomb[:protocol.MaxFrame+1]), "length:"},
		"more than data":           {packed(t, protocol.FrameData, protocol.MaxData+1, bomb[:protocol.MaxData+1]), "length: 1048577 bytes of data"},
		"a check that is none":     {packed(t, protocol.FrameCheck, 31, bomb[:31]), "length: 31 bytes of check"},
		"one byte more":            {packed(t, protocol.FrameData, 99, text[:100]), "more than the 99 bytes of data"},
		"one byte less":            {packed(t, protocol.FrameData, 101, text[:100]), "100 bytes of data, not the 101"},
		"a bomb":                   {packed(t, protocol.FrameData, 10, bomb, zstd.WithWindowSize(window)), "more than the 10 bytes"},
		"a bomb of the whole size": {packed(t, protocol.FramePack, protocol.MaxFrame, bomb, zstd.WithWindowSize(window)), "more than the 1114112 bytes"},
		"a bomb without a size":    {append([]byte{4, 10}, streamed(len(bomb), 64<<10)...), "more than the 10 bytes"},
		"many small bombs":         {append([]byte{4, 10}, bytes.Repeat(packed(t, 4, 0, []byte("hello"))[2:], 50)...), "more than the 10 bytes"},
		"a large window":           {append([]byte{4, 10}, streamed(16<<20, 8<<20)...), "window"},
		"damaged":                  {damaged, "content:"},
		"cut":                      {good[:len(good)-1], "content:"},
		"plain":                    {append([]byte{4, 5}, "hello"...), "content:"},
		"trailing":                 {append(bytes.Clone(good), 'x'), "content:"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder(t)
			kind, p, err := d.Decode(tc.p)
			if mft.CodeOf(err) != mft.CodeProtocol || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("Decode = %v, %d bytes, %v, want code %s and %q", kind, len(p), err, mft.CodeProtocol, tc.words)
			}
			if cap(d.buf) > protocol.MaxFrame+protocol.MaxFrame/4 {
				t.Errorf("%d bytes were set aside", cap(d.buf))
			}
			if _, p, err := d.Decode(good); err != nil || !bytes.Equal(p, text) {
				t.Errorf("Decode of a good frame afterwards: %d bytes, %v", len(p), err)
			}
		})
	}
}

// TestReaderFailsForGood: after what cannot be read there is no next frame.
func TestReaderFailsForGood(t *testing.T) {
	for name, stream := range map[string]string{
		"malformed": "\x10\x00\x00\x05\x04\x05abc\x0a\x00\x00\x00",
		"cut":       "\x10\x00\x00\x05\x04\x05",
		"unknown":   "\x63\x00\x00\x00\x0a\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(protocol.NewFrameReader(strings.NewReader(stream)))
			_, _, err := r.Next()
			if err == nil || errors.Is(err, io.EOF) {
				t.Fatalf("Next = %v, want an error that is not the end", err)
			}
			if _, _, again := r.Next(); again != err {
				t.Errorf("Next again = %v, want %v", again, err)
			}
			if _, again := r.Payload(); again != err {
				t.Errorf("Payload = %v, want %v", again, err)
			}
			if _, again := r.Read(make([]byte, 1)); again != err {
				t.Errorf("Read = %v, want %v", again, err)
			}
		})
	}
}

// FuzzDecode: what is taken has the announced kind and length, and survives
// being compressed again.
func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 300, 5000} {
		f.Add(bytes.Clone(newEncoder(f).Encode(protocol.FrameData, prose(1, n))))
		f.Add(bytes.Clone(newEncoder(f).Encode(protocol.FramePack, noise(1, n))))
	}
	f.Add(packed(f, protocol.FrameData, 10, make([]byte, 1<<20)))
	f.Add([]byte{4, 5, 'h', 'e', 'l', 'l', 'o'})
	enc, dec := newEncoder(f), newDecoder(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		kind, content, err := dec.Decode(p)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeProtocol {
				t.Fatalf("Decode(%x): %v, want code %s", p, err, mft.CodeProtocol)
			}
			return
		}
		if err := kind.Fits(len(content)); err != nil || len(content) > protocol.MaxFrame {
			t.Fatalf("Decode(%x) = %d bytes of %v: %v", p, len(content), kind, err)
		}
		want := bytes.Clone(content)
		again, content, err := dec.Decode(enc.Encode(kind, want))
		if err != nil || again != kind || !bytes.Equal(content, want) {
			t.Fatalf("Decode(Encode(%v, %x)) = %v, %x, %v", kind, want, again, content, err)
		}
	})
}

// TestAllocations: a connection that has begun allocates next to nothing for a
// frame. The race detector lets pools lose things.
func TestAllocations(t *testing.T) {
	enc, dec, text := newEncoder(t), newDecoder(t), prose(1, 256<<10)
	p := bytes.Clone(enc.Encode(protocol.FrameData, text))
	if _, _, err := dec.Decode(p); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() { enc.Encode(protocol.FrameData, text) }); n > 4 {
		t.Errorf("Encode allocates %v times", n)
	}
	if n := testing.AllocsPerRun(20, func() { _, _, _ = dec.Decode(p) }); n > 4 {
		t.Errorf("Decode allocates %v times", n)
	}
}

func benchmarkContents() map[string][]byte {
	return map[string][]byte{"text": prose(1, 256<<10), "noise": noise(1, 256<<10)}
}

func BenchmarkEncode(b *testing.B) {
	for name, content := range benchmarkContents() {
		b.Run(name, func(b *testing.B) {
			enc, n := newEncoder(b), 0
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				n = len(enc.Encode(protocol.FrameData, content))
			}
			b.ReportMetric(float64(n)/float64(len(content)), "ratio")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, content := range benchmarkContents() {
		b.Run(name, func(b *testing.B) {
			p, dec := newEncoder(b).Encode(protocol.FrameData, content), newDecoder(b)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := dec.Decode(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
