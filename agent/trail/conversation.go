package trail

import (
	"context"
	"fmt"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// maxItemEvents is how many items one attempt tells of. What ends in the
// thousands is told in sum by the receipt.
const maxItemEvents = 1000

// NoteOf returns what tells the journal of the progress of one attempt, in the
// order told.
func (t *Trail) NoteOf(id mft.TransferID) transfer.Note {
	var items atomic.Int64
	return func(kind mft.EventKind, code mft.Code, detail string) {
		if kind == mft.EventItem {
			switch n := items.Add(1); {
			case n > maxItemEvents+1:
				return
			case n > maxItemEvents:
				detail = fmt.Sprintf("%d items have been told of; more are counted only", maxItemEvents)
			}
		}
		now := t.now()
		t.Note(id, func(tx *journal.Tx) error { return t.TellAt(tx, now, id, kind, code, detail) })
	}
}

// Moving returns what NoteOf returns, for an attempt whose content moves on the
// way that is named: OverLink or ThroughExchange.
func (t *Trail) Moving(id mft.TransferID, way string) transfer.Note {
	note := t.NoteOf(id)
	return func(kind mft.EventKind, code mft.Code, detail string) {
		if kind == mft.EventMoving && detail == "" {
			detail = way
		}
		note(kind, code, detail)
	}
}

// Inner returns the conversation that is told of.
func (c *Conversation) Inner() transfer.Conversation { return c.Conversation }

// A Conversation is one in which this host offers a transfer. It writes the
// milestones into the journal as they go by.
type Conversation struct {
	transfer.Conversation
	Trail *Trail
	ID    mft.TransferID
	// Quiet says that the attempt repeats one that ended in waiting: its
	// story has been told.
	Quiet bool
	// Known says that the offer was made and told before; what the peer says to
	// it may be news.
	Known bool
	// Read, if it is set, keeps what the attempt has read, before the peer can have all of
	// it.
	Read func(tx *journal.Tx) error
}

// Send sends, with the offer on record before it leaves.
func (c *Conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	t := c.Trail
	if kind == protocol.KindOffer {
		if err := t.Write(ctx, c.ID, c.offered); err != nil {
			return err
		}
	}
	if kind == protocol.KindSeal && c.Read != nil {
		if err := t.Write(ctx, c.ID, c.Read); err != nil {
			return err
		}
	}
	err := c.Conversation.Send(ctx, kind, body)
	if err == nil && kind == protocol.KindSeal {
		now := t.now()
		t.Note(c.ID, func(tx *journal.Tx) error { return tx.SetState(c.ID, mft.StateVerifying, mft.Reason{}, now) })
	}
	return err
}

func (c *Conversation) offered(tx *journal.Tx) error {
	if err := tx.SetState(c.ID, mft.StateRunning, mft.Reason{}, c.Trail.now()); err != nil {
		return err
	}
	if err := tx.AddAttempt(c.ID); err != nil || c.Quiet || c.Known {
		return err
	}
	return c.Trail.Tell(tx, c.ID, mft.EventOffered, "", "")
}

// Receive receives, and tells when the peer accepts.
func (c *Conversation) Receive(ctx context.Context) (*protocol.Envelope, error) {
	e, err := c.Conversation.Receive(ctx)
	if err == nil && !c.Quiet {
		if d, err := e.Decision(); err == nil && d.Code.OK() {
			c.Trail.NoteOf(c.ID)(mft.EventAccepted, "", "")
		}
	}
	return e, err
}

// EndedThere begins the detail of a transfer that ended because the other end
// said so.
const EndedThere = "the other end ended it: "
