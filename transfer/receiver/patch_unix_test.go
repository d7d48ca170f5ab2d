//go:build unix

package receiver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
)

func TestReplacedFileTravelsAsDelta(t *testing.T) {
	const mib = 1 << 20
	large := randomBytes(1, 64*mib)
	old := large[:16*mib]
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	tests := []struct {
		name     string
		old, now []byte
		most     int64 // bytes on the wire, both ways
	}{
		// 41 KB are marks. A change of 4 KiB costs up to 4 fine blocks of 2 KiB,
		// and the marks of two coarse ones.
		{"one percent in small changes", large, scattered(large, 164, 4<<10), 41<<10 + 164*(8<<10+512) + 16<<10},
		{"a mebibyte inserted at the head", large, join(large[:5000], randomBytes(2, mib), large[5000:]), mib + 128<<10},
		{"cut out of the middle", old, join(old[:5*mib], old[8*mib+77:]), 128 << 10},
		{"cut off", old, old[:7*mib+1], 128 << 10},
		{"grown at the end", old, join(old, randomBytes(3, 100<<10)), 256 << 10},
		{"halves exchanged", old, join(old[8*mib:], old[:8*mib]), 128 << 10},
		{"touched", old, old, 128 << 10},
		{"nothing in common", old[:8*mib], randomBytes(4, 8*mib), 8*mib + 128<<10},
		{"a little of it", old[:2*mib], join(randomBytes(5, 12*mib+5), old[mib:2*mib], randomBytes(6, 99)), 12*mib + 128<<10},
		{"old one is small", old[:1000], old[:3*mib], 3*mib + 64<<10},
		{"old one is empty", nil, old[:2*mib], 2*mib + 64<<10},
		{"new one is small", old, old[:300<<10], 364 << 10},
		{"old one is far larger", large, old[:2*mib], 2*mib + 64<<10},
		{"zeros in both", join(old[:mib], make([]byte, 20*mib), old[mib:2*mib]), join(old[:mib], make([]byte, 30*mib), old[mib:2*mib]), 128 << 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.old("big", tt.old)
			f.write("big", tt.now, 0o640)
			wire := f.wire()
			res := f.deliver()
			wantSame(t, f.src, f.dst)
			if got := wire.Load(); got > tt.most {
				t.Errorf("%d bytes travelled, want at most %d", got, tt.most)
			}
			size := int64(len(tt.now))
			if got := res.sent.Received; got != (mft.Count{Items: 1, Bytes: size}) {
				t.Errorf("received %+v, want one file of %d bytes", got, size)
			}
			for name, m := range map[string]func() (mft.Count, mft.Count){"sender": f.sent.Snapshot, "receiver": f.received.Snapshot} {
				if _, moved := m(); moved.Bytes != size {
					t.Errorf("the %s counted %d bytes, want %d", name, moved.Bytes, size)
				}
			}
		})
	}
}

func TestNoDeltaWithoutComparing(t *testing.T) {
	f := newFixture(t)
	f.offer.Compare = mft.CompareNone
	old := randomBytes(1, 4<<20)
	f.old("big", old)
	f.write("big", scattered(old, 1, 100), 0o644)
	wire := f.wire()
	f.deliver()
	wantSame(t, f.src, f.dst)
	if got := wire.Load(); got < 4<<20 {
		t.Errorf("%d bytes travelled, want all of it", got)
	}
}

// TestManyDeltas: few are under way at a time, and all of them get their turn.
func TestManyDeltas(t *testing.T) {
	f := newFixture(t)
	for i := range 4*protocol.DeltaWindow + 1 {
		old := randomBytes(uint64(i), 2<<20)
		f.old(fmt.Sprintf("big%02d", i), old)
		f.write(fmt.Sprintf("big%02d", i), scattered(old, 3, 500), 0o644)
		f.write(fmt.Sprintf("small%02d", i), []byte{byte(i)}, 0o644)
	}
	wire := f.wire()
	f.deliver()
	wantSame(t, f.src, f.dst)
	if got, most := wire.Load(), int64((4*protocol.DeltaWindow+1)*(64<<10)); got > most {
		t.Errorf("%d bytes travelled, want at most %d", got, most)
	}
}

// copies returns the range of the first COPY frame, if b is whole frames and
// has one.
func copies(b []byte) (patch.Range, bool) {
	for len(b) >= 4 {
		kind, n := protocol.FrameKind(b[0]), int(binary.BigEndian.Uint32(b)&0xffffff)
		if n > len(b)-4 {
			break
		}
		if kind == protocol.FrameCopy {
			r, err := patch.ParseCopy(b[4 : 4+n])
			return r, err == nil
		}
		b = b[4+n:]
	}
	return patch.Range{}, false
}

// onCopy calls f before the first COPY frame of the sender is written.
type onCopy struct {
	net.Conn
	f func(r patch.Range)
}

func (c *onCopy) Write(b []byte) (int, error) {
	if r, ok := copies(b); ok && c.f != nil {
		c.f(r)
		c.f = nil
	}
	return c.Conn.Write(b)
}

// TestOldVersionChanges: whatever happens to the old version while it is used,
// the new one arrives as it is, with the next attempt at the latest.
func TestOldVersionChanges(t *testing.T) {
	tests := []struct {
		name  string
		do    func(p string, r patch.Range) error
		fails bool
	}{
		{"removed", func(p string, _ patch.Range) error { return os.Remove(p) }, false},
		{"replaced", func(p string, _ patch.Range) error {
			if err := os.WriteFile(p+".new", randomBytes(9, 4<<20), 0o600); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}, false},
		{"emptied", func(p string, _ patch.Range) error { return os.Truncate(p, 0) }, true},
		{"overwritten", func(p string, r patch.Range) error {
			w, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer w.Close()
			_, err = w.WriteAt(randomBytes(8, int(r.Length)), r.Offset)
			return err
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			old := randomBytes(1, 20<<20)
			f.old("big", old)
			f.write("big", scattered(old, 20, 300), 0o644)
			happened := false
			f.wrap = func(c net.Conn) net.Conn {
				return &onCopy{c, func(r patch.Range) {
					happened = true
					if err := tt.do(filepath.Join(f.dst, "big"), r); err != nil {
						t.Error(err)
					}
				}}
			}
			res := f.attempt(t.Context())
			if !happened {
				t.Fatal("nothing was copied: the test tested nothing")
			}
			if tt.fails {
				if got := mft.CodeOf(res.sendErr); got != mft.CodeCorrupt {
					t.Fatalf("attempt: %v, want %s", res.sendErr, mft.CodeCorrupt)
				}
				wire := f.wire()
				f.deliver()
				if got := wire.Load(); got < 20<<20 {
					t.Errorf("%d bytes travelled, want the whole file", got)
				}
			} else if res.sendErr != nil {
				t.Fatalf("attempt: %v", res.sendErr)
			}
			if err := os.RemoveAll(filepath.Join(f.dst, "big.new")); err != nil {
				t.Fatal(err)
			}
			wantSame(t, f.src, f.dst)
		})
	}
}

// TestNewVersionChanges: the file is announced anew, and travels as a delta
// again.
func TestNewVersionChanges(t *testing.T) {
	f := newFixture(t)
	old := randomBytes(1, 20<<20)
	f.old("big", old)
	f.write("big", scattered(old, 20, 300), 0o644)
	f.wrap = func(c net.Conn) net.Conn {
		return &onCopy{c, func(patch.Range) { f.write("big", scattered(old, 40, 700), 0o600) }}
	}
	f.deliver()
	wantSame(t, f.src, f.dst)
}

func TestDeltaGoesOnAfterEveryCut(t *testing.T) {
	f := newFixture(t)
	const most = 500 << 10 // bytes before a cut
	old := randomBytes(1, 48<<20)
	now := scattered(old, 120, 4<<10)
	f.old("big", old)
	f.write("big", now, 0o644)
	var left, written atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return counter{parting{c, &left, f.over}, &written} }
	attempts := 0
	for at := int64(150); ; at = min(at*5/2, most) {
		attempts++
		left.Store(at)
		res := f.attempt(t.Context())
		if res.sendErr == nil {
			break
		}
		if code := mft.CodeOf(res.sendErr); !code.Retryable() {
			t.Fatalf("attempt %d: %v is not retryable", attempts, res.sendErr)
		}
		if attempts > 30 {
			t.Fatalf("no end in sight after %d attempts: %v / %v", attempts, res.sendErr, res.receiveErr)
		}
	}
	wantSame(t, f.src, f.dst)
	if attempts < 10 {
		t.Errorf("it took %d attempts: the cuts did not happen", attempts)
	}
	if written.Load() > int64(attempts)*most {
		t.Errorf("%d bytes were written in %d attempts, want at most %d", written.Load(), attempts, attempts*most)
	}
}

func TestHostilePatches(t *testing.T) {
	size := int64(2 << 20)
	old := randomBytes(1, int(size))
	digest := protocol.HashOf(old)
	ask := func(i uint64, offset, length int64) []byte {
		return patch.AppendAsk(nil, &patch.Ask{Index: i, Range: patch.Range{Offset: offset, Length: length}})
	}
	cp := func(offset, length int64) []byte {
		return patch.AppendCopy(nil, &patch.Range{Offset: offset, Length: length})
	}
	begin := func() *stream {
		start := protocol.AppendFileStart(nil, &protocol.FileStart{})
		return new(stream).items(0, file("big", size), file("new", size)).frame(protocol.FrameFile, start)
	}
	end := func(d mft.Digest) []byte {
		return protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: size, Digest: d})
	}
	other := protocol.AppendFileStart(nil, &protocol.FileStart{Index: 1})
	tests := []struct {
		name   string
		stream *stream
		code   mft.Code
	}{
		{"copy outside of a file", new(stream).items(0, file("big", size)).frame(protocol.FrameCopy, cp(0, 5)), mft.CodeProtocol},
		{"copy of nothing", begin().frame(protocol.FrameCopy, cp(0, 0)), mft.CodeProtocol},
		{"copy beyond the end", begin().frame(protocol.FrameCopy, cp(size-1, 2)), mft.CodeProtocol},
		{"copy from beyond the end", begin().frame(protocol.FrameCopy, cp(1<<62, 1<<62)), mft.CodeProtocol},
		{"copy of too much", begin().frame(protocol.FrameCopy, cp(0, size)).frame(protocol.FrameCopy, cp(0, 1)).frame(protocol.FrameFileEnd, end(digest)), mft.CodeProtocol},
		{"copy where there is no old version", new(stream).items(0, file("big", size), file("new", size)).frame(protocol.FrameFile, other).frame(protocol.FrameCopy, cp(0, 5)), mft.CodeProtocol},
		{"copy of something else", begin().frame(protocol.FrameCopy, cp(0, size)).frame(protocol.FrameFileEnd, end(mft.Digest{1})), mft.CodeCorrupt},
		{"copy with a wrong check", begin().frame(protocol.FrameCopy, cp(0, size)).frame(protocol.FrameCheck, make([]byte, 32)).frame(protocol.FrameFileEnd, end(digest)), mft.CodeCorrupt},
		{"ask of nothing", begin().frame(protocol.FrameAsk, ask(0, 0, 0)), mft.CodeProtocol},
		{"ask of too much", begin().frame(protocol.FrameAsk, ask(0, 0, 1<<40)), mft.CodeProtocol},
		{"ask beyond the end", begin().frame(protocol.FrameAsk, ask(0, size, 1)), mft.CodeProtocol},
		{"ask where there is no old version", begin().frame(protocol.FrameAsk, ask(1, 0, 1)), mft.CodeProtocol},
		{"ask about what is not there", begin().frame(protocol.FrameAsk, ask(1<<40, 0, 1)), mft.CodeProtocol},
		{"ask after the end", begin().frame(protocol.FrameCopy, cp(0, size)).frame(protocol.FrameFileEnd, end(digest)).frame(protocol.FrameAsk, ask(0, 0, 1)), mft.CodeProtocol},
		{"marks from a sender", begin().frame(protocol.FrameMarks, []byte{0, 1}), mft.CodeProtocol},
		{"end before the turn has come", waiting(size).frame(protocol.FrameEnd, nil), mft.CodeProtocol},
		{"content before the turn has come", waiting(size).frame(protocol.FrameFile, protocol.AppendFileStart(nil, &protocol.FileStart{Index: protocol.DeltaWindow})), mft.CodeProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.old("big", old)
			for i := range protocol.DeltaWindow + 1 {
				f.old(fmt.Sprintf("more%d", i), old)
			}
			err := receiveRaw(t, f, tt.stream.Bytes())
			if got := mft.CodeOf(err); got != tt.code {
				t.Errorf("Run = %v, want %v", err, tt.code)
			}
			if got, err := os.ReadFile(filepath.Join(f.dst, "big")); err != nil || !bytes.Equal(got, old) {
				t.Errorf("the old version has gone or changed: %v", err)
			}
		})
	}
}

// waiting announces one file more than may come as deltas at once.
func waiting(size int64) *stream {
	var items []mft.Item
	for i := range protocol.DeltaWindow + 1 {
		items = append(items, file(fmt.Sprintf("more%d", i), size))
	}
	return new(stream).items(0, items...)
}
