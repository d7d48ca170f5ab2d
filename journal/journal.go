package journal

import (
	"context"
	"errors"
	"time"

	"mft.dev/mft"
)

var errUnwritten = errors.New("being written")

// A Journal is an open journal. Its methods may be called concurrently.
type Journal struct{}

// Open opens the journal at path, makes it (mode 0600, in a directory that
// exists) when there is none, and brings an older schema up to date. It holds
// an exclusive lock on path+".lock" until Close; the error is CodeRunning when
// another process has it, CodeJournal when the file cannot be used or was
// written by a newer mft.
func Open(ctx context.Context, path string) (*Journal, error) { return nil, errUnwritten }

// Close closes the journal and gives up its lock.
func (j *Journal) Close() error { return errUnwritten }

// Update runs f once in a transaction that is durable when Update returns
// nil.
func (j *Journal) Update(ctx context.Context, f func(*Tx) error) error { return errUnwritten }

// Transfer returns a transfer and whether there is one of this id.
func (j *Journal) Transfer(ctx context.Context, id mft.TransferID) (mft.Transfer, bool, error) {
	return mft.Transfer{}, false, errUnwritten
}

// Transfers returns the transfers that f chooses.
func (j *Journal) Transfers(ctx context.Context, f Filter) ([]mft.Transfer, error) {
	return nil, errUnwritten
}

// Events returns up to limit events with Seq > after, oldest first.
func (j *Journal) Events(ctx context.Context, after int64, limit int) ([]mft.Event, error) {
	return nil, errUnwritten
}

// TransferEvents returns all events of one transfer, oldest first.
func (j *Journal) TransferEvents(ctx context.Context, id mft.TransferID) ([]mft.Event, error) {
	return nil, errUnwritten
}

// Landing returns what SetLanding stored and whether there is any.
func (j *Journal) Landing(ctx context.Context, id mft.TransferID) (Landing, bool, error) {
	return Landing{}, false, errUnwritten
}

// Staging returns the staging directories of a transfer.
func (j *Journal) Staging(ctx context.Context, id mft.TransferID) ([]string, error) {
	return nil, errUnwritten
}

// Prepared returns the batches that are PREPARED, in the order of Prepare.
func (j *Journal) Prepared(ctx context.Context, id mft.TransferID) ([]Batch, error) {
	return nil, errUnwritten
}

// Committed calls f for every committed item, in the order of their batches.
func (j *Journal) Committed(ctx context.Context, id mft.TransferID, f func(key [16]byte, d mft.Digest) error) error {
	return errUnwritten
}

// Partials returns the partial files of a transfer.
func (j *Journal) Partials(ctx context.Context, id mft.TransferID) ([]Partial, error) {
	return nil, errUnwritten
}

// Receipt returns the receipt of a transfer with the signed envelope it came
// in, and whether there is one.
func (j *Journal) Receipt(ctx context.Context, id mft.TransferID) (r mft.Receipt, envelope []byte, ok bool, err error) {
	return mft.Receipt{}, nil, false, errUnwritten
}

// Sent returns what a channel sent last from path, and whether it did.
func (j *Journal) Sent(ctx context.Context, channel, path string) (Sent, bool, error) {
	return Sent{}, false, errUnwritten
}

// Wait blocks until an event with Seq > after is committed, ctx is done, or
// the journal is closed.
func (j *Journal) Wait(ctx context.Context, after int64) error { return errUnwritten }

// Stats describes the journal.
func (j *Journal) Stats(ctx context.Context) (Stats, error) { return Stats{}, errUnwritten }

// A Tx is what the function given to Update writes through.
type Tx struct{}

// Create adds a transfer.
func (tx *Tx) Create(t mft.Transfer) error { return errUnwritten }

// Transfer returns a transfer, as this transaction sees it.
func (tx *Tx) Transfer(id mft.TransferID) (mft.Transfer, bool, error) {
	return mft.Transfer{}, false, errUnwritten
}

// SetState moves a transfer to state s.
func (tx *Tx) SetState(id mft.TransferID, s mft.State, r mft.Reason, at time.Time) error {
	return errUnwritten
}

// SetProgress stores how much there is and how much is committed.
func (tx *Tx) SetProgress(id mft.TransferID, totals, moved mft.Count) error { return errUnwritten }

// AddAttempt counts one more offer to the peer.
func (tx *Tx) AddAttempt(id mft.TransferID) error { return errUnwritten }

// Append adds an event. The journal gives it its Seq.
func (tx *Tx) Append(e mft.Event) error { return errUnwritten }

// NextSequence returns the next sequence for messages to recipient.
func (tx *Tx) NextSequence(recipient mft.AgentName, now time.Time) (uint64, error) {
	return 0, errUnwritten
}

// Witness records that a message of sender with this sequence was seen.
func (tx *Tx) Witness(sender mft.AgentName, sequence uint64) error { return errUnwritten }

// SetLanding stores where a receive puts its items.
func (tx *Tx) SetLanding(id mft.TransferID, l Landing) error { return errUnwritten }

// AddStaging records a staging directory, relative to Landing.Root.
func (tx *Tx) AddStaging(id mft.TransferID, dir string) error { return errUnwritten }

// Prepare records a batch as PREPARED.
func (tx *Tx) Prepare(id mft.TransferID, entries []Entry) (batch int64, err error) {
	return 0, errUnwritten
}

// Commit makes a PREPARED batch COMMITTED.
func (tx *Tx) Commit(id mft.TransferID, batch int64) error { return errUnwritten }

// Drop forgets a PREPARED batch whose temps were thrown away.
func (tx *Tx) Drop(id mft.TransferID, batch int64) error { return errUnwritten }

// SavePartial records how far a file has come.
func (tx *Tx) SavePartial(id mft.TransferID, p Partial) error { return errUnwritten }

// DropPartial forgets a partial file.
func (tx *Tx) DropPartial(id mft.TransferID, key [16]byte) error { return errUnwritten }

// StoreReceipt stores the receipt of a transfer and its signed envelope.
func (tx *Tx) StoreReceipt(id mft.TransferID, r mft.Receipt, envelope []byte) error {
	return errUnwritten
}

// ClearStaging forgets the staging directories and partials of a transfer.
func (tx *Tx) ClearStaging(id mft.TransferID) error { return errUnwritten }

// MarkSent remembers what a channel sent.
func (tx *Tx) MarkSent(channel string, s Sent) error { return errUnwritten }

// Forget drops terminal transfers older than before.
func (tx *Tx) Forget(before time.Time, keep int) (int, error) { return 0, errUnwritten }
