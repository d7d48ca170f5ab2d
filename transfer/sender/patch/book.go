// Package patch sends a file as what is new in it: the receiver has an old
// version, and gets literal content, and ranges of the old version to be
// copied.
//
//	book := patch.NewBook()
//	err := book.Want(&want)   // a verdict Delta; and Marks, Fine as they arrive
//	p := book.Find(index)     // when it is the file's turn
//	digest, err := p.Send(ctx, file, line)
//	book.Done(index)          // however it ended
//
// The Book's methods never wait, so that whoever reads the connection always
// goes on reading: the receiver may be stuck until it does. The package sends
// neither the beginning nor the end of a file.
package patch

import (
	"sync"

	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
)

// A Book holds what the receiver has said of its old versions. It is safe for
// concurrent use.
type Book struct {
	mu      sync.Mutex
	patches map[uint64]*Patch // wanted, and not yet Done
	asked   []question        // ASKs that are not answered, in order
}

// A question is answered with so many bytes of marks, or with none.
type question struct {
	answer chan<- []byte
	size   int
}

// NewBook returns an empty book.
func NewBook() *Book { return &Book{patches: make(map[uint64]*Patch)} }

// A Patch is one file that is wanted as a delta.
type Patch struct {
	book  *Book
	index uint64
	seed  delta.Seed
	old   *delta.Signature
}

// Want takes note of a verdict Delta. The error has CodeProtocol.
func (b *Book) Want(w *protocol.Want) error {
	sig, err := delta.NewSignature(w.Old)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.patches) == protocol.DeltaWindow {
		return transfer.Nonsense("more than %d files are to come as deltas at once", protocol.DeltaWindow)
	}
	b.patches[w.First] = &Patch{book: b, index: w.First, seed: w.Seed, old: sig}
	return nil
}

// Marks takes the payload of a MARKS frame. Those of a file that has ended are
// passed over: they were under way.
func (b *Book) Marks(payload []byte) error {
	m, err := patch.ParseMarks(payload)
	if err != nil {
		return err
	}
	b.mu.Lock()
	p := b.patches[m.Index]
	b.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.old.Add(m.Bytes)
}

// Fine takes the payload of a FINE frame: the answer to the oldest ASK.
func (b *Book) Fine(payload []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asked) == 0 {
		return transfer.Nonsense("an answer came, and nothing was asked")
	}
	q := b.asked[0]
	b.asked = b.asked[1:]
	if len(payload) != 0 && len(payload) != q.size {
		return transfer.Nonsense("an answer has %d bytes of marks instead of %d", len(payload), q.size)
	}
	q.answer <- append([]byte(nil), payload...) // it has room for one, and gets one
	return nil
}

// Find returns the patch of an item, or nil.
func (b *Book) Find(index uint64) *Patch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.patches[index]
}

// Done forgets an item. It is called before the receiver is told that the
// file has ended, for then another may come.
func (b *Book) Done(index uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.patches, index)
}

// ask returns where the answer to the next ASK will arrive, of size bytes or
// empty; or nil if too many are not answered. The ASK must be sent, and no
// other before it.
func (b *Book) ask(size int) <-chan []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asked) == protocol.AskWindow {
		return nil
	}
	answer := make(chan []byte, 1)
	b.asked = append(b.asked, question{answer, size})
	return answer
}
