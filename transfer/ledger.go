package transfer

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
)

// A Ledger is what a receive needs of the journal, for its own transfer and no
// other: ledger.Own, or something that asks one in another process. The methods
// may be used by several goroutines at once.
type Ledger interface {
	// Read returns what earlier attempts left.
	Read(ctx context.Context) (ledger.State, error)
	// Committed calls f for every item that was committed before.
	Committed(ctx context.Context, f func(key [16]byte, d mft.Digest) error) error
	// Prepare says PREPARED of a batch, and returns its number when that is
	// durable. After an error it may or may not be.
	Prepare(ctx context.Context, entries []journal.Entry) (batch int64, err error)
	// Apply makes a change, all of it or nothing, and returns when it is durable.
	// After an error it may or may not have happened.
	Apply(ctx context.Context, c ledger.Change) error
}
