package receiver

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver/landing"
	"mft.dev/mft/transfer/staging"
)

// landSmall verifies the content of a small file and stages it.
func (r *receiver) landSmall(ctx context.Context, index uint64, digest mft.Digest, content []byte) error {
	it, err := r.due(index)
	if err != nil {
		return err
	}
	if len(content) == 0 && it.there != nil && it.item.Size > 0 {
		return r.landSame(index, &it, digest)
	}
	if len(content) == 0 && it.kept {
		return r.landKept(ctx, index, it, digest)
	}
	if int64(len(content)) != it.item.Size {
		return transfer.Nonsense("item %d has %d bytes, %d were announced", index, len(content), it.item.Size)
	}
	if protocol.HashOf(content) != digest {
		return landing.Corrupt(it.item.Path)
	}
	r.decide(index, protocol.Delivered, digest)
	it.digest = digest
	r.in.Meter.Moved(0, it.item.Size)

	key := protocol.KeyOf(&it.item)
	f, err := r.area.Small(ctx, it.final, key, &it.item, content)
	if err != nil && staging.ItemLevel(err) {
		return r.giveUp(index, it.item.Path, err)
	}
	if err != nil {
		return err
	}
	r.stageFile(index, &it, key, f)
	return nil
}

// landKept takes a file of an earlier attempt, which the sender has found to
// be the same.
func (r *receiver) landKept(ctx context.Context, index uint64, it item, digest mft.Digest) error {
	if digest != it.digest {
		return transfer.Nonsense("item %d is said to be there already, with another digest", index)
	}
	f, err := r.area.Reuse(it.final)
	if err == nil {
		if err = r.area.Finish(f, &it.item); err != nil {
			f.Close()
		}
	}
	if err != nil {
		return err
	}
	r.decide(index, protocol.Delivered, digest)
	r.in.Meter.Moved(0, it.item.Size)
	r.stageFile(index, &it, protocol.KeyOf(&it.item), f)
	return nil
}

// stageFile stages a file that has all its content and attributes.
func (r *receiver) stageFile(index uint64, it *item, key protocol.Key, f *staging.File) {
	if r.area.Aside(it.final) {
		if f != nil {
			f.Close()
		}
		r.stage(staging.Item{Index: index, Entry: journal.Entry{Final: it.final, Size: it.item.Size, Type: it.item.Type}})
		return // it is published with the directory
	}
	r.stage(staging.Item{Index: index, Made: true, File: f.File, Entry: r.entryOf(it, key, f.Temp)})
}
