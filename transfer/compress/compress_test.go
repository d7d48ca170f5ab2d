package compress

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/zframe"
)

func text(n int) []byte {
	return bytes.Repeat([]byte("2026-11-22 12:00:00 order 4711 was shipped to a customer\n"), n/57+1)[:n]
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// A pipe takes bytes at a rate, on a clock of its own.
type pipe struct {
	bytes.Buffer
	now  time.Time
	rate float64
	err  error
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if p.rate > 0 {
		p.now = p.now.Add(time.Duration(float64(len(b)) / p.rate * 1e9))
	}
	return p.Buffer.Write(b)
}

// clock lets each look take a moment, as if something had been compressed.
func (p *pipe) clock() time.Time {
	p.now = p.now.Add(10 * time.Microsecond)
	return p.now
}

// outer returns the kinds of the frames as they travelled.
func outer(t *testing.T, wire []byte) map[protocol.FrameKind]int {
	t.Helper()
	kinds := map[protocol.FrameKind]int{}
	r := protocol.NewFrameReader(bytes.NewReader(wire))
	for {
		k, _, err := r.Next()
		if err == io.EOF {
			return kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[k]++
	}
}

func TestWhatIsCompressed(t *testing.T) {
	long, short, random := text(100<<10), text(least-1), noise(100<<10)
	digest := make([]byte, 32)
	for name, tc := range map[string]struct {
		mode    mft.Compress
		kind    protocol.FrameKind
		payload []byte
		want    bool
	}{
		"items":               {mft.CompressAuto, protocol.FrameItems, long, true},
		"listings":            {mft.CompressAuto, protocol.FrameListings, long, true},
		"listed":              {mft.CompressAuto, protocol.FrameListed, long, true},
		"items by default":    {"", protocol.FrameItems, long, true},
		"few items":           {mft.CompressAlways, protocol.FrameItems, short, false},
		"random items":        {mft.CompressAlways, protocol.FrameItems, random, false},
		"items, never":        {mft.CompressNever, protocol.FrameItems, long, false},
		"data, always":        {mft.CompressAlways, protocol.FrameData, long, true},
		"pack, always":        {mft.CompressAlways, protocol.FramePack, long, true},
		"data, never":         {mft.CompressNever, protocol.FrameData, long, false},
		"data, nothing known": {mft.CompressAuto, protocol.FrameData, long, false},
		"little data":         {mft.CompressAlways, protocol.FrameData, short, false},
		"random data":         {mft.CompressAlways, protocol.FrameData, random, false},
		"a check":             {mft.CompressAlways, protocol.FrameCheck, digest, false},
		"the end":             {mft.CompressAlways, protocol.FrameEnd, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p pipe
			w := NewWriter(&p, tc.mode, p.clock)
			half := len(tc.payload) / 2
			if err := w.WriteFrame(tc.kind, tc.payload[:half], tc.payload[half:]); err != nil {
				t.Fatal(err)
			}
			if got := outer(t, p.Bytes())[protocol.FrameZstd] == 1; got != tc.want {
				t.Errorf("it was compressed: %t, want %t", got, tc.want)
			}
			r := zframe.NewReader(protocol.NewFrameReader(&p))
			kind, _, err := r.Next()
			if err != nil || kind != tc.kind {
				t.Fatalf("Next = %v, %v, want %v", kind, err, tc.kind)
			}
			if got, err := r.Payload(); err != nil || !bytes.Equal(got, tc.payload) {
				t.Errorf("%d bytes arrive, %v, want the %d that were sent", len(got), err, len(tc.payload))
			}
		})
	}
}

// TestAuto sends content over lines of some speed.
func TestAuto(t *testing.T) {
	for name, tc := range map[string]struct {
		rate    float64
		content []byte
		want    bool
	}{
		"text, slowly":  {20e6, text(256 << 10), true},
		"noise, slowly": {20e6, noise(256 << 10), false},
		"text at once":  {1e12, text(256 << 10), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pipe{rate: tc.rate}
			w := NewWriter(p, mft.CompressAuto, p.clock)
			for range 100 {
				if err := w.WriteFrame(protocol.FrameData, tc.content); err != nil {
					t.Fatal(err)
				}
			}
			kinds := outer(t, p.Bytes())
			if got := kinds[protocol.FrameZstd] > 50; got != tc.want {
				t.Errorf("%d of 100 frames were compressed, want most of them: %t", kinds[protocol.FrameZstd], tc.want)
			}
		})
	}
}

// TestWriterRefuses: what may not be sent plain may not be sent compressed.
func TestWriterRefuses(t *testing.T) {
	for _, mode := range []mft.Compress{mft.CompressAlways, mft.CompressNever} {
		var p pipe
		w := NewWriter(&p, mode, p.clock)
		if err := w.WriteFrame(protocol.FrameData, text(protocol.MaxData+1)); mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("%s: WriteFrame of too much data = %v, want code %s", mode, err, mft.CodeProtocol)
		}
		if p.Len() > 0 {
			t.Errorf("%s: %d bytes were written", mode, p.Len())
		}
	}
}

func TestWriterFailsForGood(t *testing.T) {
	gone := errors.New("gone")
	p := pipe{err: gone}
	w := NewWriter(&p, mft.CompressAlways, p.clock)
	if err := w.WriteFrame(protocol.FrameData, text(100<<10)); !errors.Is(err, gone) || mft.CodeOf(err) != mft.CodeDisconnected {
		t.Errorf("WriteFrame = %v, want %v and code %s", err, gone, mft.CodeDisconnected)
	}
	p.err = nil
	if err := w.WriteFrame(protocol.FrameEnd); !errors.Is(err, gone) || p.Len() > 0 {
		t.Errorf("WriteFrame afterwards = %v and %d bytes, want %v and none", err, p.Len(), gone)
	}
}

// TestPlainCostsNothing: content that is not compressed is neither copied nor
// does it allocate.
func TestPlainCostsNothing(t *testing.T) {
	content := text(256 << 10)
	w := NewWriter(io.Discard, mft.CompressAuto, func() time.Time { return time.Time{} })
	if n := testing.AllocsPerRun(20, func() { _ = w.WriteFrame(protocol.FrameData, content) }); n > 0 {
		t.Errorf("WriteFrame allocates %v times", n)
	}
}
