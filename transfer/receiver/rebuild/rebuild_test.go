package rebuild

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer/delta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told collects the frames that a shelf writes.
type told struct {
	mu    sync.Mutex
	marks map[uint64][]byte
	fine  [][]byte
	kept  []func() error // gathered
	more  chan struct{}
}

func newTold() *told { return &told{marks: map[uint64][]byte{}, more: make(chan struct{}, 1000)} }

func (w *told) Gather(kind protocol.FrameKind, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	payload = bytes.Clone(payload)
	w.kept = append(w.kept, func() error { return w.take(kind, payload) })
	return nil
}

// Write is told what was gathered first, which nobody sees before.
func (w *told) Write(kind protocol.FrameKind, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, take := range w.kept {
		if err := take(); err != nil {
			return err
		}
	}
	w.kept = nil
	return w.take(kind, payload)
}

func (w *told) take(kind protocol.FrameKind, payload []byte) error {
	if kind == protocol.FrameFine {
		w.fine = append(w.fine, bytes.Clone(payload))
	} else {
		m, err := patch.ParseMarks(payload)
		if err != nil {
			return err
		}
		w.marks[m.Index] = append(w.marks[m.Index], m.Bytes...)
	}
	w.more <- struct{}{}
	return nil
}

// until waits until what was told fulfils f.
func (w *told) until(t *testing.T, f func() bool) {
	t.Helper()
	for {
		w.mu.Lock()
		done := f()
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.more:
		case <-t.Context().Done():
			t.Fatal("what was waited for did not come")
		}
	}
}

func open(t *testing.T, content []byte) *os.File {
	t.Helper()
	p := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// running returns a shelf that runs until the end of the test.
func running(t *testing.T, w *told) *Shelf {
	s := New(w)
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		run.Wait()
		s.Close()
	})
	return s
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}

func TestMarksAndAnswers(t *testing.T) {
	old := content(5<<20 + 3)
	size := int64(len(old))
	w := newTold()
	s := running(t, w)
	var keys [2]*delta.Key
	for i := range keys {
		keys[i] = delta.NewKey(s.Put(uint64(i), NewOld(open(t, old), size, nil)))
	}
	s.Release()
	block := delta.BlockSize(size)
	w.until(t, func() bool { return len(w.marks[1]) == delta.Marks(size, block) })
	for i, key := range keys {
		if want := key.AppendMarks(nil, block, old); !bytes.Equal(w.marks[uint64(i)], want) {
			t.Errorf("the marks of item %d are not those of its content", i)
		}
	}
	big := content(64 << 20) // large enough for fine blocks
	key := delta.NewKey(s.Put(7, NewOld(open(t, big), int64(len(big)), nil)))
	s.Release()
	r := patch.Range{Offset: 4096, Length: 1 << 20}
	for range 3 {
		if err := s.Ask(patch.Ask{Index: 7, Range: r}); err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, func() bool { return len(w.fine) == 3 })
	want := key.AppendMarks(nil, delta.FineSize(delta.BlockSize(int64(len(big)))), big[r.Offset:r.Offset+r.Length])
	for i, got := range w.fine {
		if !bytes.Equal(got, want) {
			t.Errorf("answer %d is not the marks of the range", i)
		}
	}
}

// TestRemembered: marks that are known are sent as they are, under their seed;
// those that are not of a file of this size are not used.
func TestRemembered(t *testing.T) {
	const size = 256 << 20 // its marks take more than a frame
	whole := bytes.Repeat([]byte("0123456789"), delta.Marks(size, delta.BlockSize(size))/delta.MarkSize)
	seed := delta.Seed{7}
	for _, tt := range []struct {
		name   string
		record *delta.Record
		used   bool
	}{
		{"of the file", &delta.Record{Seed: seed, Size: size, Marks: whole}, true},
		{"of another size", &delta.Record{Seed: seed, Size: size - 1, Marks: whole}, false},
		{"too few", &delta.Record{Seed: seed, Size: size, Marks: whole[delta.MarkSize:]}, false},
		{"none", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTold()
			s := running(t, w)
			v := NewOld(open(t, nil), size, tt.record) // nothing can be read
			got := s.Put(3, v)
			s.Release()
			w.until(t, func() bool { return len(w.marks[3]) == len(whole) })
			if v.Remembered != tt.used || (got == seed) != tt.used || bytes.Equal(w.marks[3], whole) != tt.used {
				t.Errorf("the marks were used: %v, want %v", v.Remembered, tt.used)
			}
		})
	}
}

// TestCopied: a marker is told of marks while they are made.
func TestCopied(t *testing.T) {
	old := content(3 << 20)
	w := newTold()
	s := running(t, w)
	v := NewOld(open(t, old), int64(len(old)), nil)
	key := delta.NewKey(s.Put(1, v))
	m := v.Marker(int64(len(old)))
	v.Copied(m, delta.Range{Length: 1 << 20}) // none is known
	m.Write(old[:1<<20])
	s.Release()
	block := delta.BlockSize(int64(len(old)))
	w.until(t, func() bool { return len(w.marks[1]) == delta.Marks(int64(len(old)), block) })
	v.Copied(m, delta.Range{Offset: 1 << 20, Length: 2 << 20})
	m.Write(make([]byte, 2<<20)) // is not looked at
	if r := m.Record(); r == nil || !bytes.Equal(r.Marks, key.AppendMarks(nil, block, old)) {
		t.Error("the marks are not those of the old version")
	}
}

// TestUnreadable: an old version that has become shorter than it was has marks
// all the same, and questions about what is gone have answers.
func TestUnreadable(t *testing.T) {
	const size = 64 << 20
	w := newTold()
	s := running(t, w)
	s.Put(1, NewOld(open(t, content(2<<20)), size, nil))
	s.Release()
	w.until(t, func() bool { return len(w.marks[1]) == delta.Marks(size, delta.BlockSize(size)) })
	if got := w.marks[1][len(w.marks[1])-1000:]; !bytes.Equal(got, make([]byte, 1000)) {
		t.Error("what cannot be read has marks")
	}
	if err := s.Ask(patch.Ask{Index: 1, Range: patch.Range{Offset: 32 << 20, Length: 5}}); err != nil {
		t.Fatal(err)
	}
	w.until(t, func() bool { return len(w.fine) == 1 })
	if len(w.fine[0]) != 0 {
		t.Error("what cannot be read was answered with marks")
	}
}

func TestAskIsBounded(t *testing.T) {
	const size = 64 << 20
	s := New(newTold()) // nobody answers
	defer s.Close()
	s.Put(1, NewOld(open(t, nil), size, nil))
	ask := patch.Ask{Index: 1, Range: patch.Range{Length: 1}}
	for i := range protocol.AskWindow {
		if err := s.Ask(ask); err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
	}
	if err := s.Ask(ask); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("one question too many: %v, want %s", err, mft.CodeProtocol)
	}
	removed(t, s, 1)
	if s.Remove(1) != nil {
		t.Error("what was removed is there")
	}
	if err := s.Ask(ask); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("a question about what was removed: %v, want %s", err, mft.CodeProtocol)
	}
}

// removed removes what is there.
func removed(t *testing.T, s *Shelf, index uint64) {
	t.Helper()
	v := s.Remove(index)
	if v == nil {
		t.Fatalf("there is no old version of item %d", index)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestRoom(t *testing.T) {
	s := New(newTold())
	defer s.Close()
	for i := range uint64(protocol.DeltaWindow) {
		if !s.Room() {
			t.Fatalf("no room for number %d", i)
		}
		s.Put(i, NewOld(open(t, nil), 1<<20, nil))
	}
	if s.Room() {
		t.Error("there is room without end")
	}
	removed(t, s, 2)
	if !s.Room() {
		t.Error("no room after one was removed")
	}
}

func TestRunEndsWithItsConnection(t *testing.T) {
	broken := errors.New("broken pipe")
	s := New(brokenLine{broken})
	defer s.Close()
	s.Put(1, NewOld(open(t, content(2<<20)), 2<<20, nil))
	s.Release()
	if err := s.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Run = %v, want %v", err, broken)
	}
}

// brokenLine takes nothing.
type brokenLine struct{ err error }

func (l brokenLine) Write(protocol.FrameKind, []byte) error  { return l.err }
func (l brokenLine) Gather(protocol.FrameKind, []byte) error { return l.err }
