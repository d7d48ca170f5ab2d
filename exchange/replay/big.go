package replay

import (
	"bytes"
	"errors"
	"io"

	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
)

// big sends what is wanted of a big file.
func (r *replayer) big(manifest *protocol.FrameReader, start protocol.FileStart) error {
	if start.Offset != 0 {
		return transfer.Nonsense("the manifest has item %d from %d on", start.Index, start.Offset)
	}
	it, err := r.list.await(start.Index)
	if err != nil {
		return err
	}
	f := bigFile{replayer: r, index: start.Index, item: it, from: r.basis}
	if r.basis = nil; f.from != nil && f.from.Index != start.Index {
		return transfer.Nonsense("the manifest has an old version of item %d in front of item %d", f.from.Index, start.Index)
	}
	switch {
	case !wanted(&it.want):
		f.skip = skipAll
	case it.want.Verdict == protocol.Resume && it.want.Offset > 0:
		f.skip = skipTo
		f.kept = protocol.NewFrameWriter(&f.skipped)
	default:
		if err := f.begin(0); err != nil {
			return err
		}
	}
	for {
		kind, payload, err := next(manifest)
		if err != nil {
			return err
		}
		if kind == protocol.FrameFileEnd {
			return f.end(payload)
		}
		if err := f.take(kind, payload); err != nil {
			return err
		}
	}
}

// How much of a file is left out.
type skipping uint8

const (
	skipNone skipping = iota
	skipTo            // up to where the receiver goes on
	skipAll
)

// bigFile is a big file under way.
type bigFile struct {
	*replayer
	index  uint64
	item   item
	from   *patch.Basis // nil: it copies nothing
	offset int64        // of what comes next in the manifest
	skip   skipping
	// What was left out, in case that the receiver has something else there.
	skipped bytes.Buffer
	kept    *protocol.FrameWriter
}

func (f *bigFile) begin(offset int64) error {
	f.skip = skipNone
	if f.from != nil {
		if err := f.write(protocol.FrameBasis, patch.AppendBasis(nil, f.from)); err != nil {
			return err
		}
	}
	return f.write(protocol.FrameFile, protocol.AppendFileStart(nil, &protocol.FileStart{Index: f.index, Offset: offset}))
}

// take takes one frame of the manifest within the file.
func (f *bigFile) take(kind protocol.FrameKind, payload []byte) error {
	var n int64
	var ref relay.Ref
	var err error
	switch kind {
	case protocol.FrameRef:
		ref, err = relay.ParseRef(payload)
		n = ref.Length
	case protocol.FrameHole:
		n, err = protocol.ParseHole(payload)
	case protocol.FrameCopy:
		var old patch.Range
		old, err = patch.ParseCopy(payload)
		if n = old.Length; err == nil && f.from == nil {
			err = transfer.Nonsense("the manifest does not say from what item %d is copied", f.index)
		}
	case protocol.FrameCheck:
	default:
		return transfer.Nonsense("a frame of kind %v is in the middle of item %d", kind, f.index)
	}
	if err != nil {
		return err
	}
	if n > f.item.item.Size-f.offset {
		return transfer.Nonsense("item %d is longer in the manifest than the %d bytes announced", f.index, f.item.item.Size)
	}
	f.offset += n
	switch f.skip {
	case skipAll:
		return nil
	case skipTo:
		return f.approach(kind, payload)
	}
	if kind == protocol.FrameRef {
		return f.send(ref)
	}
	return f.write(kind, payload)
}

// approach leaves a frame out, and goes on from a check point that is the
// receiver's. When there is none where it should be, the file comes whole.
func (f *bigFile) approach(kind protocol.FrameKind, payload []byte) error {
	w := &f.item.want
	if kind == protocol.FrameCheck && f.offset == w.Offset {
		if d, err := protocol.ParseCheck(payload); err != nil || d == w.Digest {
			return errors.Join(err, f.begin(w.Offset))
		}
	}
	if err := f.kept.WriteFrame(kind, payload); err != nil {
		return err
	}
	if f.offset <= w.Offset {
		return nil
	}
	return f.fromBeginning()
}

// fromBeginning sends what was left out after all.
func (f *bigFile) fromBeginning() error {
	if err := f.begin(0); err != nil {
		return err
	}
	frames := protocol.NewFrameReader(&f.skipped)
	for {
		kind, _, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		payload, err := frames.Payload()
		if err != nil {
			return err
		}
		if kind != protocol.FrameRef {
			err = f.write(kind, payload)
		} else if ref, perr := relay.ParseRef(payload); perr == nil {
			err = f.send(ref)
		}
		if err != nil {
			return err
		}
	}
}

// send sends content of the parcel.
func (f *bigFile) send(ref relay.Ref) error {
	if err := f.seek(ref); err != nil {
		return err
	}
	for left := ref.Length; left > 0; {
		p, err := f.content.Next(int(min(left, transfer.Chunk)))
		if err != nil {
			return err
		}
		if err := f.write(protocol.FrameData, p); err != nil {
			return err
		}
		left -= int64(len(p))
	}
	return nil
}

// end ends the file.
func (f *bigFile) end(payload []byte) error {
	end, err := protocol.ParseFileEnd(payload)
	if err != nil {
		return err
	}
	if end.Size != f.item.item.Size || f.offset != end.Size {
		return transfer.Nonsense("item %d has %d bytes in the manifest, %d were announced", f.index, f.offset, f.item.item.Size)
	}
	if f.skip == skipTo {
		if w := &f.item.want; w.Offset == end.Size && w.Digest == end.Digest {
			err = f.begin(end.Size)
		} else {
			err = f.fromBeginning()
		}
		if err != nil {
			return err
		}
	}
	if f.skip == skipNone {
		if err := f.write(protocol.FrameFileEnd, payload); err != nil {
			return err
		}
	}
	f.list.tell(f.index, protocol.Delivered, end.Digest)
	return nil
}
