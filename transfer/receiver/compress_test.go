package receiver

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/zframe"
	"mft.dev/mft/transfer"
)

// prose returns n bytes that compress.
func prose(seed, n int) []byte {
	var b []byte
	for i := seed; len(b) < n; i++ {
		b = fmt.Appendf(b, "2026-11-22 12:%02d:%02d order %d of customer %x was shipped\n", i/60%60, i%60, i, i*i)
	}
	return b[:n]
}

// letters makes a source of which most compresses.
func letters(f *fixture) (size int64) {
	f.write("big", prose(1, 20<<20), 0o644)
	f.write("noise", randomBytes(1, 3<<20), 0o644)
	f.write("just big", prose(2, transfer.SmallMax+1), 0o644)
	f.write("empty", nil, 0o644)
	for i := range 300 {
		f.write(fmt.Sprintf("many/%04d", i), prose(i, i*20), 0o644)
	}
	totals := int64(0)
	for _, n := range []int64{20 << 20, 3 << 20, transfer.SmallMax + 1, 300 * 299 / 2 * 20} {
		totals += n
	}
	return totals
}

// TestCompressed sends the same tree in every way, and looks at what travels.
func TestCompressed(t *testing.T) {
	deaf := func(e *protocol.Envelope) {
		if d, err := e.Decision(); err == nil { // what an end that knows no compression decides
			d.Zstd = false
			e.Body = protocol.AppendDecision(nil, &d)
		}
	}
	for name, tc := range map[string]struct {
		mode        mft.Compress
		forge       func(*protocol.Envelope)
		least, most float64 // of the content, on the wire
	}{
		"always":                              {mft.CompressAlways, nil, 0.1, 0.5},
		"never":                               {mft.CompressNever, nil, 1, 1.1},
		"auto":                                {mft.CompressAuto, nil, 0.1, 1.1},
		"always, but it would not understand": {mft.CompressAlways, deaf, 1, 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			size := letters(f)
			f.compress, f.forge = tc.mode, tc.forge
			var n atomic.Int64
			f.wrap = func(c net.Conn) net.Conn { return counter{c, &n} }
			f.deliver()
			wantSame(t, f.src, f.dst)
			if share := float64(n.Load()) / float64(size); share < tc.least || share > tc.most {
				t.Errorf("%d bytes travel for %d of content, %.2f of them, want %.2f to %.2f", n.Load(), size, share, tc.least, tc.most)
			}
			for end, m := range map[string]*transfer.Meter{"sender": &f.sent, "receiver": &f.received} {
				if totals, moved := m.Snapshot(); totals.Bytes != size || moved.Bytes != size {
					t.Errorf("the %s counts %d of %d bytes, want those of the content, %d", end, moved.Bytes, totals.Bytes, size)
				}
			}
		})
	}
}

// TestCompressedResumes cuts connections off in the middle of compressed frames.
func TestCompressedResumes(t *testing.T) {
	f := newFixture(t)
	f.write("big", prose(1, 120<<20), 0o644)
	f.write("z small", prose(2, 1000), 0o600)
	f.compress = mft.CompressAlways
	var left atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return cutter{c, &left} }
	attempts := 1
	for left.Store(9 << 20); ; left.Store(12 << 20) {
		res := f.attempt(t.Context())
		if res.sendErr == nil {
			break
		}
		if code := mft.CodeOf(res.sendErr); !code.Retryable() {
			t.Fatalf("attempt %d: %v is not retryable", attempts, res.sendErr)
		}
		if attempts++; attempts > 20 {
			t.Fatalf("no end in sight: %v / %v", res.sendErr, res.receiveErr)
		}
	}
	wantSame(t, f.src, f.dst)
	if attempts < 2 {
		t.Errorf("it took %d attempts: the cuts did not happen", attempts)
	}
}

// TestCompressedDelta: what is new of a changed file is compressed, too.
func TestCompressedDelta(t *testing.T) {
	f := newFixture(t)
	was := randomBytes(1, 8<<20)
	f.old("f", was)
	f.write("f", slices.Concat(was[:5<<20], prose(1, 2<<20), was[5<<20:]), 0o644)
	f.compress = mft.CompressAlways
	var n atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return counter{c, &n} }
	f.deliver()
	wantSame(t, f.src, f.dst)
	if n.Load() > 1<<20 {
		t.Errorf("%d bytes travel for 2 MiB of new text", n.Load())
	}
}

// zstd adds a compressed frame.
func (s *stream) zstd(t testing.TB, k protocol.FrameKind, payload []byte) *stream {
	t.Helper()
	enc, err := zframe.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return s.frame(protocol.FrameZstd, enc.Encode(k, payload))
}

// TestHostileCompression: what is inside of a compressed frame is held against
// what was announced like everything else.
func TestHostileCompression(t *testing.T) {
	content := prose(1, 300<<10)
	digest := protocol.HashOf(content)
	items := protocol.AppendItems(nil, 0, []mft.Item{file("a", int64(len(content)))})
	begin := protocol.AppendFileStart(nil, &protocol.FileStart{})
	end := protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: int64(len(content)), Digest: digest})
	whole := func(p []byte) *stream { return new(stream).frame(protocol.FrameZstd, p) }
	good := func() []byte {
		return bytes.Clone(new(stream).zstd(t, protocol.FrameData, content).Bytes()[4:])
	}
	other := bytes.Clone(content)
	other[len(other)/2]++
	damaged := good()
	damaged[len(damaged)/2] ^= 0xff
	bomb := bytes.Clone(new(stream).zstd(t, protocol.FrameData, make([]byte, protocol.MaxData)).Bytes()[4:])
	bomb = append([]byte{bomb[0], 10}, bomb[4:]...) // it says 10 bytes
	for name, tc := range map[string]struct {
		stream *stream
		code   mft.Code
	}{
		"data without file":    {new(stream).zstd(t, protocol.FrameData, content), mft.CodeProtocol},
		"a receiver's frame":   {new(stream).zstd(t, protocol.FrameCommitted, protocol.AppendRange(nil, &protocol.Range{Count: 1})), mft.CodeProtocol},
		"end with content due": {new(stream).zstd(t, protocol.FrameItems, items).zstd(t, protocol.FrameEnd, nil), mft.CodeProtocol},
		"too much data": {new(stream).items(0, file("a", 3)).frame(protocol.FrameFile, begin).zstd(t, protocol.FrameData, content).
			frame(protocol.FrameFileEnd, end), mft.CodeProtocol},
		"other content": {new(stream).zstd(t, protocol.FrameItems, items).frame(protocol.FrameFile, begin).zstd(t, protocol.FrameData, other).
			frame(protocol.FrameFileEnd, end), mft.CodeCorrupt},
		"seal of something else": {new(stream).zstd(t, protocol.FrameItems, items).frame(protocol.FrameFile, begin).zstd(t, protocol.FrameData, content).
			zstd(t, protocol.FrameFileEnd, end).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		"damaged":    {whole(damaged), mft.CodeProtocol},
		"no zstd":    {whole([]byte("\x04\x05hello")), mft.CodeProtocol},
		"a bomb":     {whole(bomb), mft.CodeProtocol},
		"two layers": {new(stream).zstd(t, protocol.FrameZstd, good()), mft.CodeProtocol},
		"the sender fails": {
			new(stream).zstd(t, protocol.FrameFail, protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeChanged})), mft.CodeChanged,
		},
		"cut": {whole(good()[:100]), mft.CodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.offer.Transfer = f.id
			err := receiveRaw(t, f, tc.stream.Bytes())
			if got := mft.CodeOf(err); got != tc.code {
				t.Errorf("Receive = %v, want %v", err, tc.code)
			}
			if names := slices.Collect(maps.Keys(arrived(t, f.dst))); slices.Contains(names, "a") {
				t.Errorf("a has appeared")
			}
		})
	}
}
