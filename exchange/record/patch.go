package record

import (
	"bytes"
	"errors"
	"io"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer/delta"
)

// This file leaves out of a parcel what the peer has in the version of a file
// that it was sent before.

// A Memory knows what the peer was sent before. It may be wrong: then the peer
// says so, and the parcel is made anew without its help.
type Memory interface {
	// Find returns the marks and the digest of the version that the peer should
	// have of an item, nil for none.
	Find(it *mft.Item) (*delta.Record, mft.Digest)
	// Useless says that a parcel that was made with the help of what is known of
	// items, perhaps of this one, was of no use to the peer.
	Useless(it *mft.Item)
}

// patches is the files that are under way as deltas.
type patches struct {
	memory Memory
	basis  map[uint64]patch.Basis
	queue  []waiting                // in the order of their indexes
	unsent map[uint64]*delta.Record // marks that follow the verdicts
}

// waiting is an item whose verdict waits until another file has ended.
type waiting struct {
	item mft.Item
	want protocol.Want
}

// patched makes a delta of a verdict on a file, if something is known of an
// earlier version. held says that the verdict has to wait.
func (r *rig) patched(it *mft.Item, w protocol.Want) (_ protocol.Want, held bool) {
	if r.patches.memory == nil || !delta.Worth(it.Size, it.Size) {
		return w, false
	}
	if len(r.patches.basis) == protocol.DeltaWindow {
		r.patches.queue = append(r.patches.queue, waiting{*it, w})
		return w, true
	}
	if r.ledger.head.generation > 0 {
		r.patches.memory.Useless(it)
		return w, false
	}
	old, digest := r.patches.memory.Find(it)
	if old == nil || !delta.Worth(old.Size, it.Size) {
		return w, false
	}
	b := patch.Basis{Index: w.First, Size: old.Size, Digest: digest}
	if w.Verdict == protocol.Resume && !r.ledger.last(protocol.KeyOf(it)).copies(&b) {
		return w, false // what there is of it copies from another version, or from none
	}
	r.patches.basis[w.First], r.patches.unsent[w.First] = b, old
	w.Verdict, w.Old, w.Seed = protocol.Delta, old.Size, old.Seed
	return w, false
}

// copies reports whether what there is of a file up to a check point copies from
// a version.
func (c *checked) copies(b *patch.Basis) bool {
	kind, payload, err := nextFrame(protocol.NewFrameReader(bytes.NewReader(c.frames)))
	if err != nil || kind != protocol.FrameBasis {
		return false
	}
	have, err := patch.ParseBasis(payload)
	return err == nil && have.Size == b.Size && have.Digest == b.Digest
}

// answer gives verdicts, and the marks that follow them.
func (r *rig) answer(wants []protocol.Want) error {
	var payload []byte
	for i := range wants {
		payload = protocol.AppendWant(payload, &wants[i])
	}
	if err := r.write(protocol.FrameWant, payload); err != nil {
		return err
	}
	for i := range wants {
		index := wants[i].First
		old := r.patches.unsent[index]
		if old == nil {
			continue
		}
		delete(r.patches.unsent, index)
		for rest := old.Marks; len(rest) > 0; {
			n := min(len(rest), protocol.MaxMarks)
			m := patch.Marks{Index: index, Bytes: rest[:n]}
			if err := r.write(protocol.FrameMarks, patch.AppendMarks(nil, &m)); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	return nil
}

// ended makes room when a file has ended, for those that wait.
func (r *rig) ended(index uint64) error {
	if _, ok := r.patches.basis[index]; !ok {
		return nil
	}
	delete(r.patches.basis, index)
	var wants []protocol.Want
	for len(r.patches.queue) > 0 && len(r.patches.basis) < protocol.DeltaWindow {
		next := r.patches.queue[0]
		r.patches.queue = r.patches.queue[1:]
		w, _ := r.patched(&next.item, next.want)
		wants = append(wants, w)
	}
	if len(wants) == 0 {
		return nil
	}
	return r.answer(wants)
}

// copied takes a range of the old version of the current file.
func (b *bigFile) copied(payload []byte) error {
	old, err := patch.ParseCopy(payload)
	if err != nil {
		return err
	}
	return b.moveOn(protocol.FrameCopy, payload, old.Length)
}

// file puts a big file into the manifest.
func (r *rig) file(index uint64, frames, end []byte) error {
	start := protocol.AppendFileStart(nil, &protocol.FileStart{Index: index})
	in := protocol.NewFrameReader(bytes.NewReader(frames))
	for begun := false; ; {
		kind, payload, err := nextFrame(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err == nil && kind == protocol.FrameBasis { // in front of the file
			b, err := patch.ParseBasis(payload)
			if err != nil {
				return err
			}
			b.Index = index
			if err := r.manifest.WriteFrame(kind, patch.AppendBasis(nil, &b)); err != nil {
				return err
			}
			continue
		}
		if !begun {
			begun = true
			if err := r.manifest.WriteFrame(protocol.FrameFile, start); err != nil {
				return err
			}
		}
		if err != nil {
			return r.manifest.WriteFrame(protocol.FrameFileEnd, end)
		}
		if err := r.manifest.WriteFrame(kind, payload); err != nil {
			return err
		}
	}
}

func nextFrame(in *protocol.FrameReader) (protocol.FrameKind, []byte, error) {
	kind, _, err := in.Next()
	if err != nil {
		return 0, nil, err
	}
	payload, err := in.Payload()
	return kind, payload, err
}
