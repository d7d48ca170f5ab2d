package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// writer writes frames into memory.
type writer struct {
	bytes.Buffer
	frames *protocol.FrameWriter
}

func newWriter() *writer {
	w := &writer{}
	w.frames = protocol.NewFrameWriter(&w.Buffer)
	return w
}

func (w *writer) frame(t testing.TB, k protocol.FrameKind, payload []byte) {
	t.Helper()
	if err := w.frames.WriteFrame(k, payload); err != nil {
		t.Fatal(err)
	}
}

// packOf is a pack of files whose content is their number, of which the wrong
// ones have another digest.
func packOf(from, n uint64, wrong ...uint64) (payload []byte) {
	for i := from; i < from+n; i++ {
		content := fmt.Appendf(nil, "%0*d", 1+i*7%5000, i)
		digest := protocol.HashOf(content)
		for _, w := range wrong {
			if w == i {
				digest[31] ^= 1
			}
		}
		payload = protocol.AppendPackEntry(payload, i, digest, content)
	}
	return payload
}

// start runs an intake of what r has until the test ends.
func start(t testing.TB, r io.Reader) (*Intake, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in := New(protocol.NewFrameReader(r))
	var running sync.WaitGroup
	running.Go(func() { in.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return in, ctx
}

// TestNextIsInOrder: whatever is sent, Next returns the frames in their order,
// and content of big files is left to whoever asks for it.
func TestNextIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type sent struct {
			kind    protocol.FrameKind
			payload []byte
			in      bool // a file is under way
		}
		w := newWriter()
		var all []sent
		in := false
		for range rapid.IntRange(0, 30).Draw(t, "frames") {
			kinds := []protocol.FrameKind{protocol.FrameItems, protocol.FrameAlive, protocol.FramePack, protocol.FrameFile, protocol.FrameFileFail}
			if in {
				kinds = append(kinds, protocol.FrameData, protocol.FrameData, protocol.FrameCopy, protocol.FrameFileEnd)
			}
			s := sent{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
			switch n := rapid.IntRange(0, 300).Draw(t, "size"); s.kind {
			case protocol.FrameAlive:
			case protocol.FramePack:
				s.payload = packOf(uint64(len(all)), uint64(n%20))
			case protocol.FrameData:
				s.payload = bytes.Repeat([]byte{byte(n)}, n*300)
			case protocol.FrameFile:
				s.payload = protocol.AppendFileStart(nil, &protocol.FileStart{Index: uint64(n)})
				in = true
			case protocol.FrameFileEnd:
				s.payload = protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: int64(n)})
				in = false
			case protocol.FrameCopy:
				s.payload = []byte{byte(n), 1}
			default:
				s.payload = bytes.Repeat([]byte{byte(n)}, 1+n)
			}
			s.in = in
			if err := w.frames.WriteFrame(s.kind, s.payload); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		if err := w.frames.WriteFrame(protocol.FrameEnd); err != nil {
			t.Fatal(err)
		}
		i := New(protocol.NewFrameReader(&w.Buffer))
		var running sync.WaitGroup
		running.Go(func() { i.Run(context.Background()) })
		defer running.Wait()
		whole := false
		for n, want := range all {
			f, err := i.Next(context.Background(), whole)
			if err != nil || f.Kind != want.kind || f.Size != len(want.payload) {
				t.Fatalf("frame %d is %+v, %v; want kind %v of %d bytes", n, f, err, want.kind, len(want.payload))
			}
			got := f.Payload
			if f.Kind == protocol.FrameData {
				got = make([]byte, f.Size)
				if _, err := io.ReadFull(i.Content(), got); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want.payload) {
				t.Fatalf("frame %d of kind %v has another payload", n, f.Kind)
			}
			whole = want.in
		}
		// The end of a file that is under way is for the caller to refuse.
		if f, err := i.Next(context.Background(), whole); err != nil || f.Kind != protocol.FrameEnd {
			t.Fatalf("after all frames there is %+v, %v", f, err)
		}
		if whole {
			i.Next(canceled(), false) // so that Run does not wait for it
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestPacksAreVerified(t *testing.T) {
	w := newWriter()
	w.frame(t, protocol.FramePack, packOf(0, 40, 3, 39))
	w.frame(t, protocol.FramePack, packOf(40, 1, 40))
	w.frame(t, protocol.FramePack, nil)
	in, ctx := start(t, w)
	seen := uint64(0)
	for range 3 {
		f, err := in.Next(ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range f.Files {
			want := seen != 3 && seen != 39 && seen != 40
			if file.Index != seen || file.Fits != want || (protocol.HashOf(file.Content) == file.Digest) != want {
				t.Errorf("file %d has index %d and Fits %v, want %v", seen, file.Index, file.Fits, want)
			}
			seen++
		}
	}
	if seen != 41 {
		t.Errorf("%d files came, want 41", seen)
	}
}

// TestWhatEndsIt: what was sent before comes out first.
func TestWhatEndsIt(t *testing.T) {
	for _, tt := range []struct {
		name string
		tail []byte
		code mft.Code
	}{
		{"the peer closes", nil, mft.CodeDisconnected},
		{"half a header", []byte{1, 0}, mft.CodeDisconnected},
		{"half a payload", []byte{byte(protocol.FrameItems), 0, 1, 0, 7}, mft.CodeDisconnected},
		{"an unknown kind", []byte{99, 0, 0, 0}, mft.CodeProtocol},
		{"a pack that ends early", []byte{byte(protocol.FramePack), 0, 0, 2, 1, 9}, mft.CodeProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter()
			w.frame(t, protocol.FramePack, packOf(0, 3))
			w.frame(t, protocol.FrameAlive, nil)
			w.Write(tt.tail)
			in, ctx := start(t, w)
			for _, want := range []protocol.FrameKind{protocol.FramePack, protocol.FrameAlive} {
				if f, err := in.Next(ctx, false); err != nil || f.Kind != want {
					t.Fatalf("Next = %+v, %v, want a frame of kind %v", f, err, want)
				}
			}
			if _, err := in.Next(ctx, false); mft.CodeOf(err) != tt.code {
				t.Errorf("Next = %v, want %v", err, tt.code)
			}
		})
	}
}

// counter counts the frames that were begun.
type counter struct{ begun int }

func (c *counter) Read(p []byte) (int, error) {
	if len(p) < 4 {
		return 0, errors.New("a read of less than a header")
	}
	c.begun++
	return copy(p, []byte{byte(protocol.FrameAlive), 0, 0, 0}), nil
}

// TestAheadIsBounded: who lands nothing is sent no more than a few frames, and
// the end of the attempt ends the waiting.
func TestAheadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		c := &counter{}
		in := New(protocol.NewFrameReader(c))
		var running sync.WaitGroup
		running.Go(func() { in.Run(ctx) })
		for n := range 5 {
			if _, err := in.Next(ctx, false); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if c.begun > n+1+Ahead {
				t.Fatalf("%d frames were begun while frame %d is landed, want %d", c.begun, n, n+1+Ahead)
			}
		}
		over := errors.New("over")
		cancel(over)
		running.Wait()
		for range Ahead + 1 {
			if _, err := in.Next(ctx, false); err != nil {
				if !errors.Is(err, over) {
					t.Errorf("Next = %v, want %v", err, over)
				}
				return
			}
		}
		t.Error("Next goes on after the end")
	})
}

// TestNothingIsReadBesideAFile: while a file is under way, only its content is
// read by Next, and reading ahead begins again behind it.
func TestNothingIsReadBesideAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter()
		w.frame(t, protocol.FrameFile, []byte{0, 0})
		w.frame(t, protocol.FrameData, make([]byte, 100<<10))
		w.frame(t, protocol.FrameFileEnd, make([]byte, 33))
		w.frame(t, protocol.FrameAlive, nil)
		w.frame(t, protocol.FrameEnd, nil)
		in, ctx := start(t, w)
		if _, err := in.Next(ctx, false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.Len() < 60<<10 {
			t.Fatalf("%d bytes are left after the FILE frame: its content has been taken", w.Len())
		}
		for _, want := range []protocol.FrameKind{protocol.FrameData, protocol.FrameFileEnd} {
			if f, err := in.Next(ctx, true); err != nil || f.Kind != want {
				t.Fatalf("Next = %+v, %v, want a frame of kind %v", f, err, want)
			}
		}
		for _, want := range []protocol.FrameKind{protocol.FrameAlive, protocol.FrameEnd} {
			if f, err := in.Next(ctx, false); err != nil || f.Kind != want {
				t.Fatalf("Next = %+v, %v, want a frame of kind %v", f, err, want)
			}
		}
	})
}

// BenchmarkNext takes in packs of 64 files of 4 KiB from memory.
func BenchmarkNext(b *testing.B) {
	content := make([]byte, 4096)
	var payload []byte
	for i := range uint64(64) {
		payload = protocol.AppendPackEntry(payload, i, protocol.HashOf(content), content)
	}
	w := newWriter()
	w.frame(b, protocol.FramePack, payload)
	in, ctx := start(b, &endless{frame: w.Bytes()})
	b.SetBytes(int64(w.Len()))
	b.ReportAllocs()
	for b.Loop() {
		f, err := in.Next(ctx, false)
		if err != nil || len(f.Files) != 64 || !f.Files[63].Fits {
			b.Fatalf("Next = %d files, %v", len(f.Files), err)
		}
	}
}

// endless repeats a frame.
type endless struct {
	frame []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.frame[e.at:])
	e.at = (e.at + n) % len(e.frame)
	return n, nil
}
