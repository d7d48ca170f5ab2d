// Package known remembers what a transfer has delivered in earlier attempts, to
// say of an announced item that it need not come again.
package known

import (
	"bytes"
	"context"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// A Set holds what a transfer has already delivered: 48 bytes an item,
// sorted, because an interrupted transfer may have delivered a million.
type Set struct{ items []item }

type item struct {
	key    protocol.Key
	digest mft.Digest
}

// Load reads what the transfer of a ledger has delivered.
func Load(ctx context.Context, book transfer.Ledger) (*Set, error) {
	k := &Set{}
	err := book.Committed(ctx, func(key [16]byte, d mft.Digest) error {
		k.items = append(k.items, item{key, d})
		return nil
	})
	slices.SortFunc(k.items, func(a, b item) int { return bytes.Compare(a.key[:], b.key[:]) })
	return k, err
}

// Len is how many items there are.
func (k *Set) Len() int { return len(k.items) }

// Digest returns that of an item that was delivered, and whether it was.
func (k *Set) Digest(it *mft.Item) (mft.Digest, bool) {
	if len(k.items) == 0 {
		return mft.Digest{}, false
	}
	key := protocol.KeyOf(it)
	i, ok := slices.BinarySearchFunc(k.items, key, func(it item, key protocol.Key) int {
		return bytes.Compare(it.key[:], key[:])
	})
	if !ok {
		return mft.Digest{}, false
	}
	return k.items[i].digest, true
}
