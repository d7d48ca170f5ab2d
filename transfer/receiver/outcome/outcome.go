// Package outcome is what a receive comes to: its receipt, and how that stands
// in the journal. It does no more than to write down what was counted.
package outcome

import (
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Receipt completes a receipt with what the sender sealed. first is the first
// reason for which something was not delivered.
func Receipt(r mft.Receipt, seal *mft.Seal, first mft.Reason) mft.Receipt {
	r.Code, r.Failed, r.Manifest = mft.CodeOK, r.Failed+seal.Failed, seal.Manifest
	if r.Failed > 0 {
		r.Code, r.Detail = mft.CodePartial, first.Detail
		if r.Received.Items == 0 && r.Unchanged.Items == 0 && first.Code != "" {
			r.Code = first.Code
		}
	}
	return r
}

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
