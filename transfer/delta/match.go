package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
)

// A Matcher compares a new version with the marks of the old one. It keeps its
// memory from one use to the next: 3 MiB for a file of 2 GiB, 15 MiB for one
// of a TiB, 50 MiB at most. It is used by one goroutine at a time.
type Matcher struct {
	key   *Key
	win   window
	index index
	fine  Signature // of a gap

	// Of the current use.
	sig      *Signature
	new      Range
	log      uint   // a block has 1<<log bytes
	marks    []byte // those that were waited for
	indexed  bool
	haste    int64 // bytes that may still be lost to a search without all marks
	coarse   bool  // gaps may be yielded
	patience int   // blocks to look ahead before searching
	weary    bool  // searching costs more than it can give
	join     Joiner
	yield    func(Piece, error) bool
}

// NewMatcher returns a matcher of marks that were made with the same key.
func NewMatcher(key *Key) *Matcher { return &Matcher{key: key} }

// errStop says that the loop over the pieces was left.
var errStop = errors.New("the caller wants no more pieces")

// Match yields the pieces of the first size bytes of r, in order. It waits for
// marks that have not arrived yet; an interruption of that, and what reading
// meets, are yielded as an error, and then nothing else. A file that is shorter
// than size is io.ErrUnexpectedEOF.
//
// While content stands where it stood, or moved by a little, pieces come as the
// marks do. Before it searches for content that came from far, Match waits for
// all marks.
func (m *Matcher) Match(ctx context.Context, sig *Signature, r io.ReaderAt, size int64) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		m.begin(sig, r, Range{0, size}, FineSize(sig.block) > 0, yield)
		m.finish(m.run(ctx))
	}
}

// Refine yields the pieces, copies and literals, of a gap that was found with
// the signature coarse. Marks are those of gap.Old in blocks of FineSize
// bytes; when they are of another number, an error with CodeProtocol is
// yielded. r is the new version.
func (m *Matcher) Refine(ctx context.Context, coarse *Signature, gap Piece, marks []byte, r io.ReaderAt) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		block := FineSize(coarse.block)
		if block == 0 || len(marks) != Marks(gap.Old.Length, block) {
			yield(Piece{}, refuse("fine marks", fmt.Errorf("%d bytes for %d of content", len(marks), gap.Old.Length)))
			return
		}
		m.fine.old, m.fine.block, m.fine.size, m.fine.marks = gap.Old, block, len(marks), marks
		m.begin(&m.fine, r, gap.New, false, yield)
		m.finish(m.run(ctx))
	}
}

func (m *Matcher) begin(sig *Signature, r io.ReaderAt, want Range, coarse bool, yield func(Piece, error) bool) {
	m.sig, m.new, m.coarse, m.yield = sig, want, coarse, yield
	m.log = uint(bits.TrailingZeros(uint(sig.block)))
	m.marks, m.indexed, m.weary, m.join = nil, false, false, Joiner{}
	m.patience, m.haste = m.maxPatience(), 0
	if coarse {
		m.haste = haste << m.log
	}
	m.win.open(r, want.End(), sig.block)
}

func (m *Matcher) finish(err error) {
	if err == nil {
		err = m.emit(m.join.Flush())
	}
	if err != nil && err != errStop {
		m.yield(Piece{}, err)
	}
	m.yield, m.win.r, m.sig, m.marks, m.fine.marks = nil, nil, nil, nil, nil
}

// finePatience is how many fine blocks are looked ahead: an edit of 4 KiB,
// wherever it begins, is then not searched byte by byte.
const finePatience = 3

// maxPatience is as many blocks as a gap may have, so that what lies between
// a block that differs and the next that does not is always looked at finely.
func (m *Matcher) maxPatience() int {
	if !m.coarse {
		return finePatience
	}
	return int(maxGap(m.sig.block) / int64(m.sig.block))
}

// A place is where the two versions are equal for a while.
type place struct {
	new, old, length int64
}

// run goes through the new version: as long as block follows block it is
// copied, and then looked for where it goes on.
func (m *Matcher) run(ctx context.Context) error {
	at := place{new: m.new.Offset, old: m.sig.old.Offset}
	for at.new < m.new.End() {
		n, err := m.same(ctx, at.new, at.old)
		if err != nil {
			return err
		}
		if n == 0 {
			next, err := m.resume(ctx, at.new, at.old)
			if err != nil {
				return err
			}
			if err := m.missing(at, next); err != nil {
				return err
			}
			at, n = next, next.length
			if n == 0 {
				return nil
			}
		}
		if err := m.pass(Piece{Copy, Range{at.new, n}, Range{at.old, n}}); err != nil {
			return err
		}
		at.new, at.old = at.new+n, at.old+n
	}
	return nil
}

// same returns the length of the block of the old version that begins at
// old if the new one has the same content at pos, else 0.
func (m *Matcher) same(ctx context.Context, pos, old int64) (int64, error) {
	n := min(int64(m.sig.block), m.sig.old.End()-old)
	if n <= 0 || n > m.new.End()-pos {
		return 0, nil
	}
	want, err := m.mark(ctx, int((old-m.sig.old.Offset)>>m.log))
	if err != nil {
		return 0, err
	}
	p, err := m.win.at(ctx, pos, int(n), int(n))
	if err != nil || m.key.hash(p) != want.hash {
		return 0, err
	}
	return n, nil
}

// mark returns the mark of block i, once it has arrived.
func (m *Matcher) mark(ctx context.Context, i int) (mark, error) {
	if n := (i + 1) * MarkSize; len(m.marks) < n {
		var err error
		if m.marks, err = m.sig.wait(ctx, n); err != nil {
			return mark{}, err
		}
	}
	return readMark(m.marks[i*MarkSize:]), nil
}

// resume returns where the versions are equal again, when at pos and old they
// no longer are. Nowhere is the end of the new version, with length 0. Blocks
// that follow in both versions are looked at first. When that was of no use,
// less is looked at the next time.
func (m *Matcher) resume(ctx context.Context, pos, old int64) (place, error) {
	for k := int64(1); k <= int64(m.patience); k++ {
		x := place{new: pos + k<<m.log, old: old + k<<m.log}
		if x.new >= m.new.End() || x.old >= m.sig.old.End() {
			break
		}
		var err error
		if x.length, err = m.same(ctx, x.new, x.old); err != nil {
			return place{}, err
		}
		if x.length > 0 {
			m.patience = m.maxPatience()
			return x, nil
		}
	}
	m.patience = max(m.patience/2, 1)
	return m.search(ctx, pos, old)
}

// missing passes on what was not found between two places: at the end of one,
// and at the beginning of the next. It is to be refined with what lies between
// them in the old version, or with what follows the first when there is no
// next or it does not stand behind. Of what is too large for a gap, only the
// ends are one.
func (m *Matcher) missing(from, to place) error {
	lost := Range{from.new, to.new - from.new}
	if lost.Length == 0 {
		return nil
	}
	edge, limit := int64(m.sig.block), maxGap(m.sig.block)
	end := to.old
	if to.length == 0 || to.old < from.old {
		end = min(from.old+lost.Length+edge, m.sig.old.End())
	}
	if lost.Length <= limit+edge {
		return m.gap(lost, Range{from.old, min(end-from.old, limit)})
	}
	if err := m.gap(Range{lost.Offset, edge}, Range{from.old, min(end-from.old, edge)}); err != nil {
		return err
	}
	lost = Range{lost.Offset + edge, lost.Length - edge}
	if to.length == 0 {
		return m.pass(Piece{Kind: Literal, New: lost})
	}
	lost.Length -= edge
	if err := m.pass(Piece{Kind: Literal, New: lost}); err != nil {
		return err
	}
	back := min(edge, to.old-m.sig.old.Offset)
	return m.gap(Range{lost.End(), edge}, Range{to.old - back, back})
}

// gap passes on a gap, or a literal where there is nothing to ask for.
func (m *Matcher) gap(lost, old Range) error {
	if !m.coarse || old.Length <= 0 {
		return m.pass(Piece{Kind: Literal, New: lost})
	}
	return m.pass(Piece{Gap, lost, old})
}

func (m *Matcher) pass(p Piece) error { return m.emit(m.join.Join(p)) }

func (m *Matcher) emit(p Piece) error {
	if p.New.Length > 0 && !m.yield(p, nil) {
		return errStop
	}
	return nil
}
