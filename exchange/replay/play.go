package replay

import (
	"errors"
	"io"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
)

// packTarget is the content in bytes at which a PACK frame is sent.
const packTarget = 512 << 10

// play sends what the manifest says and the receiver wants, up to the end.
func (r *replayer) play(manifest *protocol.FrameReader) error {
	for {
		kind, payload, err := next(manifest)
		if err != nil {
			return err
		}
		switch kind {
		case protocol.FrameItems:
			first, items, err := protocol.ParseItems(payload)
			if err != nil {
				return err
			}
			if err := r.list.announce(first, items); err != nil {
				return err
			}
			if err := r.write(kind, payload); err != nil {
				return err
			}
		case protocol.FrameListed, protocol.FrameLinked:
			r.list.listed(payload)
			fallthrough
		case protocol.FrameScanned, protocol.FrameWalked:
			if err := r.write(kind, payload); err != nil {
				return err
			}
		case protocol.FrameRefs:
			if err := r.small(payload); err != nil {
				return err
			}
		case protocol.FrameBasis:
			basis, err := patch.ParseBasis(payload)
			if err != nil {
				return err
			}
			r.basis = &basis
		case protocol.FrameFile:
			start, err := protocol.ParseFileStart(payload)
			if err != nil {
				return err
			}
			if err := r.big(manifest, start); err != nil {
				return err
			}
		case protocol.FrameFileFail:
			if err := r.fail(payload); err != nil {
				return err
			}
		case protocol.FrameEnd:
			return nil
		default:
			return transfer.Nonsense("a frame of kind %v is in the manifest", kind)
		}
	}
}

// next reads the next frame of the manifest.
func next(manifest *protocol.FrameReader) (protocol.FrameKind, []byte, error) {
	kind, _, err := manifest.Next()
	var payload []byte
	if err == nil {
		payload, err = manifest.Payload()
	}
	switch {
	case err == nil:
		return kind, payload, nil
	case errors.Is(err, io.EOF):
		return 0, nil, transfer.Nonsense("the manifest breaks off")
	}
	var coded *mft.Error
	if errors.As(err, &coded) && coded.Code != mft.CodeDisconnected {
		return 0, nil, err
	}
	// What the decompressor or a fetch says is inside.
	return 0, nil, mft.Fail(codeWithin(err), "read manifest", "", err)
}

// codeWithin is the code of what made reading the manifest fail: of the fetch,
// or CORRUPT when it could not be unpacked.
func codeWithin(err error) mft.Code {
	var coded *mft.Error
	for errors.As(err, &coded) {
		if coded.Code != mft.CodeDisconnected || coded.Err == nil {
			return coded.Code
		}
		err = coded.Err
	}
	return mft.CodeCorrupt
}

// small sends what is wanted of a run of small files.
func (r *replayer) small(payload []byte) error {
	return errors.Join(relay.WalkSmall(payload, r.smallFile), r.flush())
}

func (r *replayer) smallFile(s relay.Small) error {
	it, err := r.list.await(s.Index)
	if err != nil {
		return err
	}
	if s.Ref.Length != it.item.Size {
		return transfer.Nonsense("item %d has %d bytes in the manifest, %d were announced", s.Index, s.Ref.Length, it.item.Size)
	}
	r.list.tell(s.Index, protocol.Delivered, s.Digest)
	if !wanted(&it.want) {
		return nil
	}
	content := r.buf[:0]
	if has := it.want.Verdict == protocol.Resume && it.want.Digest == s.Digest && it.want.Offset == it.item.Size; !has {
		if err := r.seek(s.Ref); err != nil {
			return err
		}
		content = r.buf[:s.Ref.Length]
		if _, err := io.ReadFull(r.content, content); err != nil {
			return err
		}
	}
	r.pack = protocol.AppendPackEntry(r.pack, s.Index, s.Digest, content)
	if len(r.pack) >= packTarget {
		return r.flush()
	}
	return nil
}

// flush sends the small files that have been collected.
func (r *replayer) flush() error {
	if len(r.pack) == 0 {
		return nil
	}
	err := r.write(protocol.FramePack, r.pack)
	r.pack = r.pack[:0]
	return err
}

// seek has content be read from a place in the parcel. Where one piece follows
// the other, more of the same is fetched ahead.
func (r *replayer) seek(ref relay.Ref) error {
	if ref.Position > r.contentEnd-ref.Length {
		return transfer.Nonsense("the manifest has content at %d to %d, of %d bytes", ref.Position, ref.Position+ref.Length, r.contentEnd)
	}
	if ref.Length == 0 {
		return r.content.Range(ref.Position, ref.Position)
	}
	to := ref.Position + ref.Length
	if ref.Position == r.behind {
		to = r.contentEnd
	}
	r.behind = ref.Position + ref.Length
	return r.content.Range(ref.Position, to)
}

// fail passes on that the sender could not send an item.
func (r *replayer) fail(payload []byte) error {
	f, err := protocol.ParseItemFail(payload)
	if err != nil {
		return err
	}
	it, err := r.list.await(f.Index)
	if err != nil {
		return err
	}
	o := protocol.Failed
	if f.Again {
		o = protocol.Superseded
	}
	r.list.tell(f.Index, o, mft.Digest{})
	if !wanted(&it.want) {
		return nil
	}
	return r.write(protocol.FrameFileFail, payload)
}
