package receiver

import (
	"context"
	"errors"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging"
)

// landSmall verifies the content of a small file and stages it.
func (r *receiver) landSmall(ctx context.Context, index uint64, digest mft.Digest, content []byte) error {
	it, err := r.due(index)
	if err != nil {
		return err
	}
	if int64(len(content)) != it.item.Size {
		return transfer.Nonsense("item %d has %d bytes, %d were announced", index, len(content), it.item.Size)
	}
	if protocol.HashOf(content) != digest {
		return corrupt(it.item.Path)
	}
	r.decide(index, protocol.Delivered, digest)
	it.digest = digest
	r.in.Meter.Moved(0, it.item.Size)

	key := protocol.KeyOf(&it.item)
	f, err := r.fill(ctx, &it, key, content)
	if err != nil && staging.ItemLevel(err) {
		return r.giveUp(index, it.item.Path, err)
	}
	if err != nil {
		return err
	}
	r.stage(staging.Item{Index: index, Made: true, File: f.File, Entry: r.entryOf(&it, key, f.Temp)})
	return nil
}

// fill makes a small file under its temporary name.
func (r *receiver) fill(ctx context.Context, it *item, key protocol.Key, content []byte) (*staging.File, error) {
	f, err := r.area.File(ctx, it.final, key)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err != nil {
		err = mft.Fail(confine.CodeFor(err), "write", it.final, err)
	} else {
		err = r.area.Finish(f, &it.item)
	}
	if err != nil {
		f.Close()
		r.area.Drop(ctx, f.Temp, key, false)
		return nil, err
	}
	return f, nil
}

func corrupt(path string) error {
	return mft.Fail(mft.CodeCorrupt, "receive", path, errors.New("the content does not have the digest that was sent with it"))
}
