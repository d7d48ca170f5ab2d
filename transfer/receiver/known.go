package receiver

import (
	"bytes"
	"context"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// A knownSet holds what a transfer has already delivered: 48 bytes an item,
// sorted, because an interrupted transfer may have delivered a million.
type knownSet struct{ items []knownItem }

type knownItem struct {
	key    protocol.Key
	digest mft.Digest
}

func loadKnown(ctx context.Context, j *journal.Journal, id mft.TransferID) (*knownSet, error) {
	k := &knownSet{}
	err := j.Committed(ctx, id, func(key [16]byte, d mft.Digest) error {
		k.items = append(k.items, knownItem{key, d})
		return nil
	})
	slices.SortFunc(k.items, func(a, b knownItem) int { return bytes.Compare(a.key[:], b.key[:]) })
	return k, err
}

func (k *knownSet) len() int { return len(k.items) }

func (k *knownSet) get(key protocol.Key) (mft.Digest, bool) {
	i, ok := slices.BinarySearchFunc(k.items, key, func(it knownItem, key protocol.Key) int {
		return bytes.Compare(it.key[:], key[:])
	})
	if !ok {
		return mft.Digest{}, false
	}
	return k.items[i].digest, true
}
