package delta

import (
	"context"
	"fmt"
	"sync"
)

// A Signature takes the marks of an old version as they arrive, and gives
// them to a Matcher. One goroutine may add while one other matches.
type Signature struct {
	old   Range
	block int
	size  int           // of all marks, in bytes
	more  chan struct{} // holds a token when marks may have come since the last look

	mu    sync.Mutex
	marks []byte // what has come; never changed, only added to
}

// NewSignature returns the signature of an old version of size bytes, of which
// nothing has arrived yet. The error has CodeProtocol: size is what the peer
// said, and beyond MaxSize. At most 20 MiB are kept, and no more than arrives.
func NewSignature(size int64) (*Signature, error) {
	if size < 0 || size > MaxSize {
		return nil, refuse("size", fmt.Errorf("%d bytes are not between 0 and %d", size, int64(MaxSize)))
	}
	return newSignature(Range{0, size}, BlockSize(size)), nil
}

func newSignature(old Range, block int) *Signature {
	return &Signature{old: old, block: block, size: Marks(old.Length, block), more: make(chan struct{}, 1)}
}

// Size returns the size of the old version in bytes.
func (s *Signature) Size() int64 { return s.old.Length }

// Add takes the next marks, which may be cut off anywhere. It never waits.
// The error has CodeProtocol: these are more than belong to the file.
func (s *Signature) Add(marks []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(marks) > s.size-len(s.marks) {
		return refuse("marks", fmt.Errorf("%d bytes after %d are more than %d", len(marks), len(s.marks), s.size))
	}
	s.marks = append(s.marks, marks...)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return nil
}

// Complete reports whether all marks have arrived.
func (s *Signature) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.marks) == s.size
}

// wait returns all that has arrived, once that is n bytes.
func (s *Signature) wait(ctx context.Context, n int) ([]byte, error) {
	for {
		s.mu.Lock()
		marks := s.marks
		s.mu.Unlock()
		if len(marks) >= n {
			return marks, nil
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
