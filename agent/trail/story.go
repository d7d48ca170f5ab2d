package trail

import (
	"context"
	"errors"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// SetState moves a transfer to a state and tells of it.
func (t *Trail) SetState(tx *journal.Tx, id mft.TransferID, s mft.State, r mft.Reason) error {
	if err := tx.SetState(id, s, r, t.now()); err != nil {
		return err
	}
	if t.Ended != nil && s.Terminal() {
		row, ok, err := tx.Transfer(id)
		if ok && err == nil {
			err = t.Ended(tx, row)
		}
		if err != nil {
			return err
		}
	}
	kind, ok := eventOf(s)
	if !ok {
		return nil
	}
	return t.Tell(tx, id, kind, r.Code, r.Detail)
}

// Block has transfers wait, each for its reason, but those of which pending says
// that they need not any more.
func (t *Trail) Block(ctx context.Context, why map[mft.TransferID]mft.Reason, pending func(mft.Transfer) bool) error {
	return t.journal.Update(ctx, func(tx *journal.Tx) error {
		for id, reason := range why {
			if row, ok, err := tx.Transfer(id); err != nil || !ok || !pending(row) {
				continue // changed under way, or the journal fails, which Update knows
			}
			if err := t.SetState(tx, id, mft.StateWaiting, reason); err != nil {
				t.log.Debug("a transfer cannot wait", "transfer", id, "err", err)
			}
		}
		return nil
	})
}

// Tell appends an event of a transfer.
func (t *Trail) Tell(tx *journal.Tx, id mft.TransferID, kind mft.EventKind, code mft.Code, detail string) error {
	return t.TellAt(tx, t.now(), id, kind, code, detail)
}

// TellAt is Tell for something that happened at another time.
func (t *Trail) TellAt(
	tx *journal.Tx, at time.Time, id mft.TransferID, kind mft.EventKind, code mft.Code, detail string,
) error {
	row, ok, err := tx.Transfer(id)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("an event of a transfer that is not there")
	}
	return tx.Append(mft.Event{
		Time: at, Kind: kind, Transfer: id, Channel: row.Channel, Peer: row.Peer, Code: code, Detail: detail,
	})
}

// eventOf returns the event that tells of a state. That a transfer is queued
// again or runs is told by what happens to it.
func eventOf(s mft.State) (kind mft.EventKind, ok bool) {
	switch s {
	case mft.StateWaiting:
		return mft.EventWaiting, true
	case mft.StatePaused:
		return mft.EventPaused, true
	case mft.StateDelivered:
		return mft.EventDelivered, true
	case mft.StateDone:
		return mft.EventDone, true
	case mft.StateRejected:
		return mft.EventRejected, true
	case mft.StateFailed:
		return mft.EventFailed, true
	case mft.StateCancelled:
		return mft.EventCancelled, true
	}
	return "", false
}

// Create makes a row, planned and then queued, that tells how it came to be.
func (t *Trail) Create(tx *journal.Tx, row mft.Transfer, kind mft.EventKind, detail string) error {
	if err := tx.Create(row); err != nil {
		return err
	}
	if kind != mft.EventPlanned {
		if err := t.Tell(tx, row.ID, kind, "", detail); err != nil {
			return err
		}
		detail = ""
	}
	if err := t.Tell(tx, row.ID, mft.EventPlanned, "", detail); err != nil {
		return err
	}
	return tx.SetState(row.ID, mft.StateQueued, mft.Reason{}, t.now())
}

// Close ends a delivered transfer: done, or failed if the receipt does not
// vouch for all of it.
func (t *Trail) Close(tx *journal.Tx, id mft.TransferID, r mft.Receipt) error {
	if r.Code.OK() {
		return t.SetState(tx, id, mft.StateDone, mft.Reason{})
	}
	return t.SetState(tx, id, mft.StateFailed, mft.Reason{Code: r.Code, Detail: r.Detail})
}
