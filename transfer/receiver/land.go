package receiver

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver/intake"
	"mft.dev/mft/transfer/receiver/landing"
	"mft.dev/mft/transfer/staging"
	"mft.dev/mft/transfer/staging/publish"
)

// landPack stages the files of a pack.
func (r *receiver) landPack(ctx context.Context, files []intake.File) error {
	for i := range files {
		if err := r.landSmall(ctx, &files[i]); err != nil {
			return err
		}
	}
	return nil
}

// landSmall stages a small file whose content has its digest.
func (r *receiver) landSmall(ctx context.Context, f *intake.File) error {
	it, err := r.due(f.Index)
	if err != nil {
		return err
	}
	if len(f.Content) == 0 && it.there != nil && it.item.Size > 0 {
		return r.landSame(f.Index, it, f.Digest)
	}
	if len(f.Content) == 0 && it.kept {
		return r.landKept(ctx, f.Index, it, f.Digest)
	}
	if int64(len(f.Content)) != it.item.Size {
		return transfer.Nonsense("item %d has %d bytes, %d were announced", f.Index, len(f.Content), it.item.Size)
	}
	if !f.Fits {
		return landing.Corrupt(it.item.Path)
	}
	r.decide(f.Index, protocol.Delivered, f.Digest)
	r.in.Meter.Moved(0, it.item.Size)
	made, err := r.area.Small(ctx, it.final, &it.item, f.Content)
	if err != nil && publish.ItemLevel(err) {
		return r.giveUp(f.Index, it.item.Path, err)
	}
	if err != nil {
		return err
	}
	r.stageFile(f.Index, it, made)
	return nil
}

// landKept takes a file of an earlier attempt, which the sender has found to
// be the same.
func (r *receiver) landKept(ctx context.Context, index uint64, it *item, digest mft.Digest) error {
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
	r.stageFile(index, it, f)
	return nil
}

// stageFile stages a file that has all its content and attributes.
func (r *receiver) stageFile(index uint64, it *item, f *staging.File) {
	if r.area.Aside(it.final) {
		if f != nil {
			f.Close()
		}
		r.stage(staging.Item{Index: index, Size: it.item.Size})
		return // it is published with the directory
	}
	r.stage(staging.Item{Index: index, Size: it.item.Size, File: f.File, Entry: r.entryOf(it, f.Temp)})
}
