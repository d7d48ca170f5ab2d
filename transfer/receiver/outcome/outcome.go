// Package outcome is how a receive that is delivered stands in the journal.
//
// It decides nothing: the receipt says it all.
package outcome

import (
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Journal writes that a transfer is delivered with this receipt.
func Journal(tx *journal.Tx, receipt *mft.Receipt) error {
	id := receipt.Transfer
	// The message that carries it is signed when it is sent, which may be
	// more than once: the sender keeps the one that it got.
	if err := tx.StoreReceipt(id, *receipt, nil); err != nil {
		return err
	}
	totals := receipt.Received
	totals.Items += receipt.Unchanged.Items
	totals.Bytes += receipt.Unchanged.Bytes
	if err := tx.SetProgress(id, totals, receipt.Received); err != nil {
		return err
	}
	if err := tx.SetUnchanged(id, receipt.Unchanged, receipt.Removed); err != nil {
		return err
	}
	reason := mft.Reason{}
	if !receipt.Code.OK() {
		reason = mft.Reason{Code: receipt.Code, Detail: receipt.Detail}
	}
	return tx.SetState(id, mft.StateDelivered, reason, time.Now())
}
