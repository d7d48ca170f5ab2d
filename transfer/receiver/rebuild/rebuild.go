// Package rebuild is what a receiver does with the old versions of files that
// travel as deltas: it sends their marks, answers what the sender asks about
// them, and gives out what is to be copied.
//
//	shelf := rebuild.New(line)
//	go shelf.Run(ctx)
//	seed := shelf.Put(index, old)        // for the verdict Delta
//	shelf.Release()                      // that has been sent
//	err := shelf.Ask(ask)                // an ASK frame
//	n, err := shelf.Old(index).ReadAt(p, at)
//	marker := shelf.Old(index).Marker(n) // of what is made of it
//	shelf.Remove(index)                  // the file has landed, or never will
//
// An old version may change or shrink at any time, for consumers work with it.
// Nothing here minds: what cannot be read has marks that fit nothing, marks that
// are remembered may be those of another content, and what was copied wrongly is
// found out by the digest of the whole, which is for the package's user to
// check.
package rebuild

import (
	"context"
	"crypto/rand"
	"os"
	"sync"

	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
)

// readSize is how much of an old version is read at a time, unless a block is
// larger; flushMarks how many bytes of marks are worth a frame.
const (
	readSize   = 256 << 10
	flushMarks = 1 << 10
	// sendMarks is how many bytes of marks go into a frame that are known
	// before: whole ones.
	sendMarks = 16 << 10 / delta.MarkSize * delta.MarkSize
	// maxKnown bounds the marks in bytes that are kept of an old version while
	// it is read.
	maxKnown = 4 << 20
)

// An Old is the open old version of a file that is coming.
type Old struct {
	// Size is that which the sender was told.
	Size int64
	// Remembered says that its marks were known before.
	Remembered bool
	file       *os.File
	index      uint64
	seed       delta.Seed
	block      int

	mu    sync.Mutex
	marks []byte // those that are known, from the first on; never changed, only added to
	full  bool   // no more are kept
}

// NewOld returns the first size bytes of a file as an old version. record is what is
// remembered of it, or nil.
func NewOld(file *os.File, size int64, record *delta.Record) *Old {
	v := &Old{Size: size, file: file, block: delta.BlockSize(size)}
	if record != nil && record.Size == size && record.Whole() {
		v.Remembered, v.seed, v.marks = true, record.Seed, record.Marks
	} else {
		_, _ = rand.Read(v.seed[:]) // it never fails
	}
	return v
}

// Close closes the file. What is reading it at the moment is let finish, or
// fails.
func (v *Old) Close() error { return v.file.Close() }

// ReadAt reads what stands there now, like [os.File.ReadAt].
func (v *Old) ReadAt(p []byte, at int64) (int, error) { return v.file.ReadAt(p, at) }

// Marker returns the marker of a new version of size bytes.
func (v *Old) Marker(size int64) *delta.Marker {
	return delta.NewMarker(delta.NewKey(v.seed), v.seed, size)
}

// Copied tells a marker of the new version that a range of this one follows, and
// so what its marks are.
func (v *Old) Copied(m *delta.Marker, r delta.Range) {
	if m.Block() == v.block {
		m.Copied(r, v.known())
	}
}

// known returns the marks that are known.
func (v *Old) known() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.marks
}

// learn adds marks to those that are known, if that is not too much to keep.
func (v *Old) learn(marks []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full = v.full || len(v.marks)+len(marks) > maxKnown; !v.full {
		v.marks = append(v.marks, marks...)
	}
}

// A Line takes frames to the sender, who must read whatever happens: see
// docs/design/002-speed.md. Gather may keep one back until the next Write.
type Line interface {
	Write(kind protocol.FrameKind, payload []byte) error
	Gather(kind protocol.FrameKind, payload []byte) error
}

// A Shelf holds the old versions of the files that are coming as deltas. Its
// methods may be called by several goroutines, but for Run, which is one of
// its own.
type Shelf struct {
	line Line

	mu     sync.Mutex
	open   map[uint64]*Old
	put    []*Old      // not yet released
	unsent []*Old      // whose marks are not all sent, in the order of Put
	asks   []patch.Ask // not answered
	wake   chan struct{}

	// Owned by Run.
	key    *delta.Key
	keyed  uint64 // the item whose key it is
	marked int64  // how far the marks of unsent[0] are sent
	buf    []byte
	frame  []byte
}

// New returns an empty shelf.
func New(line Line) *Shelf {
	return &Shelf{line: line, open: make(map[uint64]*Old), wake: make(chan struct{}, 1)}
}

// Room reports whether there is room for one more.
func (s *Shelf) Room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) < protocol.DeltaWindow
}

// Put takes the old version of an item over. The seed goes into the verdict;
// marks follow by themselves.
func (s *Shelf) Put(index uint64, v *Old) [16]byte {
	v.index = index
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[index] = v
	s.put = append(s.put, v)
	return v.seed
}

// Lend takes the old version of an item over whose sender knows its marks.
func (s *Shelf) Lend(index uint64, v *Old) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[index] = v
}

// Release has the marks of what was put sent, now that the sender knows the
// verdicts.
func (s *Shelf) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.put) == 0 {
		return
	}
	s.unsent, s.put = append(s.unsent, s.put...), nil
	s.awaken()
}

// awaken has Run look for something to do.
func (s *Shelf) awaken() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Old returns the old version of an item, or nil.
func (s *Shelf) Old(index uint64) *Old {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[index]
}

// Ask queues a question of the sender. It never waits. The error has
// CodeProtocol.
func (s *Shelf) Ask(a patch.Ask) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.open[a.Index]
	if v == nil {
		return transfer.Nonsense("a question about item %d, which does not come as a delta", a.Index)
	}
	if err := delta.CheckAsk(delta.Range(a.Range), v.Size); err != nil {
		return err
	}
	if len(s.asks) == protocol.AskWindow {
		return transfer.Nonsense("more than %d questions at once", protocol.AskWindow)
	}
	s.asks = append(s.asks, a)
	s.awaken()
	return nil
}

// Remove takes the old version of an item away, for the caller to close, or nil
// if it has none here. Questions about it get an empty answer.
func (s *Shelf) Remove(index uint64) *Old {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.open[index]
	delete(s.open, index)
	return v
}

// Close closes everything. Run must have returned.
func (s *Shelf) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for index, v := range s.open {
		delete(s.open, index)
		v.file.Close()
	}
}

// Run sends marks and answers until ctx ends, which is no error.
func (s *Shelf) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		worked, err := s.step()
		if err != nil && ctx.Err() == nil {
			return err
		}
		if worked {
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
	return nil
}

// step does what is to be done next: answers come before marks, for a file is
// waiting for them that is under way.
func (s *Shelf) step() (worked bool, err error) {
	s.mu.Lock()
	if len(s.asks) > 0 {
		a := s.asks[0]
		v := s.open[a.Index]
		s.mu.Unlock()
		err := s.answer(v, delta.Range(a.Range))
		// Not before: the sender may send the next one when it has the answer.
		return true, err
	}
	for len(s.unsent) > 0 && s.open[s.unsent[0].index] != s.unsent[0] {
		s.drop()
	}
	if len(s.unsent) == 0 {
		s.mu.Unlock()
		return false, nil
	}
	v := s.unsent[0]
	s.mu.Unlock()
	return true, s.mark(v)
}

// drop takes the first off those whose marks are to be sent. The caller holds
// mu.
func (s *Shelf) drop() { s.unsent, s.marked = s.unsent[1:], 0 }

// answer sends the fine marks of a range of v, or nothing in their place.
func (s *Shelf) answer(v *Old, r delta.Range) error {
	frame := s.frame[:0]
	if v != nil {
		size := delta.FineSize(v.block)
		for at := r.Offset; at < r.End(); at += readSize {
			p := s.room(int(min(r.End()-at, readSize)))
			if _, err := v.file.ReadAt(p, at); err != nil {
				frame = frame[:0]
				break
			}
			frame = s.keyOf(v).AppendMarks(frame, size, p)
		}
	}
	s.frame = frame
	s.mu.Lock()
	s.asks = s.asks[1:]
	more := len(s.asks) > 0
	s.mu.Unlock()
	if more { // the next answer follows at once
		return s.line.Gather(protocol.FrameFine, frame)
	}
	return s.line.Write(protocol.FrameFine, frame)
}

// mark sends the next frame of marks of v.
func (s *Shelf) mark(v *Old) error {
	s.frame = patch.AppendMarks(s.frame[:0], &patch.Marks{Index: v.index})
	if v.Remembered {
		from := delta.Marks(s.marked, v.block)
		to := min(from+sendMarks, len(v.marks))
		s.frame = append(s.frame, v.marks[from:to]...)
		s.marked = min(int64(to/delta.MarkSize)*int64(v.block), v.Size)
	} else {
		s.read(v)
	}
	if s.marked == v.Size {
		s.mu.Lock()
		s.drop()
		s.mu.Unlock()
	}
	return s.line.Write(protocol.FrameMarks, s.frame)
}

// read makes the marks of the next frame.
func (s *Shelf) read(v *Old) {
	head := len(s.frame)
	for s.marked < v.Size && len(s.frame)-head < flushMarks {
		p := s.room(int(min(v.Size-s.marked, int64(max(readSize, v.block)))))
		if n, _ := v.file.ReadAt(p, s.marked); n == len(p) {
			s.frame = s.keyOf(v).AppendMarks(s.frame, v.block, p)
		} else {
			s.frame = append(s.frame, make([]byte, delta.Marks(int64(len(p)), v.block))...)
		}
		s.marked += int64(len(p))
	}
	v.learn(s.frame[head:])
}

func (s *Shelf) room(n int) []byte {
	if cap(s.buf) < n {
		s.buf = make([]byte, max(n, readSize))
	}
	return s.buf[:n]
}

// keyOf derives the key of v unless it is the last one that was needed.
func (s *Shelf) keyOf(v *Old) *delta.Key {
	if s.key == nil || s.keyed != v.index {
		s.key, s.keyed = delta.NewKey(v.seed), v.index
	}
	return s.key
}
