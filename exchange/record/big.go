package record

import (
	"io"

	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
)

// begin begins with a big file, or goes on with the one that was interrupted.
// A file that fails in its middle leaves frames in the manifest that lead
// nowhere: those of a file are written when it has ended.
func (r *rig) begin(start protocol.FileStart) error {
	if r.big != nil {
		return transfer.Nonsense("item %d began within another", start.Index)
	}
	a, err := r.due(start.Index)
	if err != nil {
		return err
	}
	b := &bigFile{index: start.Index, key: a.key, size: a.size, offset: start.Offset, noted: start.Offset}
	if start.Offset > 0 {
		h := r.ledger.last(a.key)
		if h == nil || h.offset != start.Offset {
			return transfer.Nonsense("item %d resumes at %d, which was not offered", start.Index, start.Offset)
		}
		b.whole = h.frames
	}
	b.fresh = protocol.NewFrameWriter(&b.frames)
	r.big = b
	if basis, ok := r.patches.basis[start.Index]; ok && start.Offset == 0 {
		return b.fresh.WriteFrame(protocol.FrameBasis, patch.AppendBasis(nil, &basis))
	}
	return nil
}

// data takes size bytes of content.
func (r *rig) data(frames io.Reader, size int) error {
	b := r.big
	if b == nil {
		return transfer.Nonsense("content came outside of a file")
	}
	if int64(size) > b.size-b.offset {
		return transfer.Nonsense("item %d is longer than the %d bytes announced", b.index, b.size)
	}
	ref := relay.Ref{Position: r.parcel.Position(), Length: int64(size)}
	for size > 0 {
		p := r.content[:min(size, len(r.content))]
		if _, err := io.ReadFull(frames, p); err != nil {
			return transfer.Disconnected("read from", err)
		}
		if _, err := r.parcel.Write(p); err != nil {
			return err
		}
		size -= len(p)
	}
	b.offset += ref.Length
	if ref.Length == 0 {
		return nil
	}
	if b.run.Length > 0 && b.run.Position+b.run.Length == ref.Position {
		b.run.Length += ref.Length
		return nil
	}
	if err := b.flush(); err != nil {
		return err
	}
	b.run = ref
	return nil
}

// flush writes the reference to content that lies in one piece.
func (b *bigFile) flush() error {
	if b.run.Length == 0 {
		return nil
	}
	err := b.fresh.WriteFrame(protocol.FrameRef, relay.AppendRef(nil, b.run))
	b.run = relay.Ref{}
	return err
}

func (r *rig) hearBig(kind protocol.FrameKind, payload []byte) error {
	b := r.big
	if b == nil {
		return transfer.Nonsense("a frame of kind %v came outside of a file", kind)
	}
	if err := b.flush(); err != nil {
		return err
	}
	switch kind {
	case protocol.FrameHole:
		n, err := protocol.ParseHole(payload)
		if err != nil {
			return err
		}
		return b.moveOn(kind, payload, n)
	case protocol.FrameCopy:
		return b.copied(payload)
	case protocol.FrameCheck:
		return r.check(payload)
	}
	return r.endBig(payload)
}

// moveOn takes n bytes that are not in the parcel.
func (b *bigFile) moveOn(kind protocol.FrameKind, payload []byte, n int64) error {
	if n > b.size-b.offset {
		return transfer.Nonsense("item %d is longer than the %d bytes announced", b.index, b.size)
	}
	b.offset += n
	return b.fresh.WriteFrame(kind, payload)
}

// check notes how far the file has come.
func (r *rig) check(payload []byte) error {
	b := r.big
	digest, err := protocol.ParseCheck(payload)
	if err != nil {
		return err
	}
	if err := b.fresh.WriteFrame(protocol.FrameCheck, payload); err != nil {
		return err
	}
	h := checked{key: b.key, offset: b.offset, digest: digest, end: r.parcel.Position(), from: b.noted, frames: b.frames.Bytes()}
	if err := r.ledger.half(&h); err != nil {
		return err
	}
	r.parcel.Cut()
	b.whole = append(b.whole, b.frames.Bytes()...)
	b.frames.Reset()
	b.noted = b.offset
	return r.mark()
}

// endBig notes that the file is whole, and puts it into the manifest.
func (r *rig) endBig(payload []byte) error {
	b := r.big
	r.big = nil
	end, err := protocol.ParseFileEnd(payload)
	if err != nil {
		return err
	}
	if end.Size != b.size || b.offset != b.size {
		return transfer.Nonsense("item %d has %d bytes, %d were announced", b.index, b.offset, b.size)
	}
	frames := append(b.whole, b.frames.Bytes()...)
	if err := r.ledger.whole(b.key, end.Digest, r.parcel.Position(), nil, frames); err != nil {
		return err
	}
	r.parcel.Cut()
	if err := r.file(b.index, frames, payload); err != nil {
		return err
	}
	if err := r.ended(b.index); err != nil {
		return err
	}
	return r.write(protocol.FrameCommitted, protocol.AppendRange(nil, &protocol.Range{First: b.index, Count: 1}))
}
