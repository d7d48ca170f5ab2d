package sender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// content sends what the receiver wants, in the order in which it asked.
func (s *sender) content(ctx context.Context) error {
	p := &packer{s: s}
	moving := false
	for {
		w, ok, err := s.list.nextWant(ctx, p.flush)
		if err != nil {
			return err
		}
		if !ok {
			return p.flush()
		}
		if !moving {
			moving = true
			s.out.Note(mft.EventMoving, mft.CodeOK, "")
		}
		for i := w.First; i < w.First+w.Count; i++ {
			it, ok := s.list.item(i)
			if !ok || it.settled || it.entry.Item.Type != mft.ItemFile {
				continue
			}
			if err := s.sendFile(ctx, p, i, it, &w); err != nil {
				return err
			}
		}
	}
}

// errChanged tells that a file is not, or no longer, what was announced.
var errChanged = errors.New("it changed while it was read")

// sendFile sends the content of one file, or says why not.
func (s *sender) sendFile(ctx context.Context, p *packer, i uint64, it item, w *protocol.Want) error {
	err := it.source.Settle(ctx, it.entry.Identity, time.Now)
	switch {
	case err != nil:
		return transfer.Cause(ctx, err)
	case it.entry.Item.Size <= transfer.SmallMax:
		err = p.add(i, it, w)
	default:
		err = s.openBig(ctx, p, i, it, w)
	}
	s.book.Done(i)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errChanged):
		return s.changed(i, it)
	case ends(ctx, err):
		return err
	}
	return s.cannotSend(i, it, err)
}

// ends reports whether err is the end of the attempt and not of one file.
func ends(ctx context.Context, err error) bool {
	var lost *mft.Error
	return ctx.Err() != nil || (errors.As(err, &lost) && lost.Code == mft.CodeDisconnected)
}

// changed has a file announced again with what it is now, for a few times.
func (s *sender) changed(i uint64, it item) error {
	fresh, err := it.source.Again(it.entry)
	if err != nil {
		return s.cannotSend(i, it, err)
	}
	if it.tries+1 >= changedTries {
		if !s.out.LastTry {
			return mft.Fail(mft.CodeChanged, "read", it.entry.Item.Path, errChanged)
		}
		return s.cannotSend(i, it, mft.Fail(mft.CodeChanged, "read", it.entry.Item.Path, errChanged))
	}
	fail := protocol.ItemFail{Index: i, Again: true, Code: mft.CodeChanged, Detail: errChanged.Error()}
	if err := s.write(protocol.FrameFileFail, protocol.AppendItemFail(nil, &fail)); err != nil {
		return err
	}
	it.entry = fresh
	s.list.supersede(i, it)
	return nil
}

// cannotSend tells the receiver and the operator that an item stays behind.
func (s *sender) cannotSend(i uint64, it item, cause error) error {
	reason := mft.ReasonOf(cause)
	fail := protocol.ItemFail{Index: i, Code: reason.Code, Detail: reason.Detail}
	if err := s.write(protocol.FrameFileFail, protocol.AppendItemFail(nil, &fail)); err != nil {
		return err
	}
	s.failures.Add(reason.Code, reason.Detail)
	s.out.Note(mft.EventItem, reason.Code, fmt.Sprintf("%q was not sent: %s", it.entry.Item.Path, reason.Detail))
	s.list.done(i, protocol.Failed, mft.Digest{})
	return nil
}

// A packer collects whole small files into PACK frames. Content is read to
// where it leaves from, and its digest, before it, is filled in when all of the
// frame is hashed.
type packer struct {
	s        *sender
	frame    []byte
	packed   []packedItem
	contents [][]byte // of packed, in frame
	digests  [][32]byte
}

type packedItem struct {
	index uint64
	size  int64
	at    int        // of its digest in the frame
	known mft.Digest // of content that the peer has, and is not sent
}

// packRoom is the largest frame: one file more than packTarget.
const packRoom = packTarget + protocol.PackOverhead + transfer.SmallMax

func (p *packer) add(i uint64, it item, w *protocol.Want) error {
	if p.frame == nil {
		p.frame = make([]byte, 0, packRoom)
	}
	size := int(it.entry.Item.Size)
	start := len(protocol.AppendPackStart(p.frame, i, size)) + len(mft.Digest{})
	content, id, err := it.source.ReadItem(it.entry, p.frame[start:start+size:start+size])
	if err != nil {
		return err
	}
	if id != it.entry.Identity || len(content) != size {
		return errChanged
	}
	packed := packedItem{index: i, size: int64(size)}
	if w.Verdict == protocol.Resume && w.Offset == packed.size && w.Digest == protocol.HashOf(content) {
		packed.known, content = w.Digest, nil
		start = len(protocol.AppendPackStart(p.frame, i, 0)) + len(mft.Digest{})
	}
	packed.at = start - len(mft.Digest{})
	p.frame = p.frame[:start+len(content)]
	p.packed, p.contents = append(p.packed, packed), append(p.contents, content)
	if len(p.frame) >= packTarget {
		return p.flush()
	}
	return nil
}

// seal fills the digests in.
func (p *packer) seal() {
	p.digests = slices.Grow(p.digests[:0], len(p.packed))[:len(p.packed)]
	blake3.SumAll(p.digests, p.contents)
	for n := range p.packed {
		it := &p.packed[n]
		if it.known != (mft.Digest{}) {
			p.digests[n] = it.known
		}
		copy(p.frame[it.at:], p.digests[n][:])
	}
}

func (p *packer) flush() error {
	if len(p.packed) == 0 {
		return nil
	}
	p.seal()
	if err := p.s.write(protocol.FramePack, p.frame); err != nil {
		return err
	}
	for n, it := range p.packed {
		p.s.list.done(it.index, protocol.Delivered, p.digests[n])
		p.s.out.Meter.Moved(0, it.size)
	}
	p.frame, p.packed, p.contents = p.frame[:0], p.packed[:0], p.contents[:0]
	return nil
}
