package trail

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// The ways in which content moves, as the details of mft.EventMoving.
const (
	OverLink        = "over the direct link"
	ThroughExchange = "through the exchange"
)

// An Offered is an offer of a peer, and how the journal learns of the message in
// which it came.
type Offered struct {
	*mft.Offer
	// Known says that the transfer has a row.
	Known bool
	// Witness records the message; its error undoes everything.
	Witness func(tx *journal.Tx) error
	// Watch has kept what the transfer delivers, if somebody wants that; nil for
	// nobody.
	Watch func(tx *journal.Tx, t mft.Transfer) error
}

// Accept makes the transfer a row that runs, with the items landing at l. The
// message is on record in the same transaction, so that a copy of it has no
// second effect.
func (t *Trail) Accept(ctx context.Context, o Offered, l journal.Landing) (mft.Transfer, error) {
	var row mft.Transfer
	err := t.Write(ctx, o.Transfer, func(tx *journal.Tx) error {
		if err := o.Witness(tx); err != nil {
			return err
		}
		if !o.Known {
			now := t.now()
			err := tx.Create(mft.Transfer{
				ID: o.Transfer, Role: mft.RoleReceive, Peer: o.Sender, Channel: o.Channel, State: mft.StatePlanned,
				Destination: o.Destination, Overwrite: o.Overwrite, Compare: o.Compare, Mirror: o.Mirror, Totals: o.Announced, Created: now, Updated: now,
			})
			if err != nil {
				return err
			}
		}
		var err error
		if row, _, err = tx.Transfer(o.Transfer); err != nil {
			return err
		}
		if err := tx.SetLanding(o.Transfer, l); err != nil {
			return err
		}
		if o.Watch != nil {
			if err := o.Watch(tx, row); err != nil {
				return err
			}
		}
		if err := tx.AddAttempt(o.Transfer); err != nil {
			return err
		}
		if err := tx.SetState(o.Transfer, mft.StateRunning, mft.Reason{}, t.now()); err != nil {
			return err
		}
		if row.State == mft.StateWaiting && row.Reason.Code != mft.CodeDisconnected {
			return nil // it tries again: the story has been told
		}
		if err := t.Tell(tx, o.Transfer, mft.EventOffered, "", ""); err != nil {
			return err
		}
		return t.Tell(tx, o.Transfer, mft.EventAccepted, "", "")
	})
	return row, err
}

// Refuse writes down that an offer was refused.
func (t *Trail) Refuse(ctx context.Context, o Offered, reason mft.Reason) error {
	return t.Write(ctx, o.Transfer, func(tx *journal.Tx) error {
		if err := o.Witness(tx); err != nil {
			return err
		}
		if o.Known {
			return t.SetState(tx, o.Transfer, mft.StateRejected, reason)
		}
		return tx.Append(mft.Event{
			Time: t.now(), Kind: mft.EventRejected, Transfer: o.Transfer, Channel: o.Channel, Peer: o.Sender,
			Code: reason.Code, Detail: reason.Detail,
		})
	})
}

// CloseDelivered ends a receive that has its receipt, and reports whether it
// has one.
func (t *Trail) CloseDelivered(ctx context.Context, id mft.TransferID) (bool, error) {
	receipt, _, ok, err := t.journal.Receipt(ctx, id)
	if err != nil || !ok {
		return false, err
	}
	return true, t.Write(ctx, id, func(tx *journal.Tx) error {
		row, ok, err := tx.Transfer(id)
		if err != nil || !ok || row.State != mft.StateDelivered {
			return err
		}
		if err := t.Tell(tx, id, mft.EventDelivered, "", ""); err != nil {
			return err
		}
		return t.Close(tx, id, receipt)
	})
}

// CloseSent ends a send whose receipt has come; signed is the message that proves
// it, totals what was to be sent.
func (t *Trail) CloseSent(ctx context.Context, id mft.TransferID, totals mft.Count, receipt mft.Receipt, signed []byte) error {
	return t.Write(ctx, id, func(tx *journal.Tx) error {
		if err := tx.SetProgress(id, totals, receipt.Received); err != nil {
			return err
		}
		if err := tx.SetUnchanged(id, receipt.Unchanged, receipt.Removed); err != nil {
			return err
		}
		if err := tx.StoreReceipt(id, receipt, signed); err != nil {
			return err
		}
		if err := t.SetState(tx, id, mft.StateDelivered, mft.Reason{}); err != nil {
			return err
		}
		return t.Close(tx, id, receipt)
	})
}
