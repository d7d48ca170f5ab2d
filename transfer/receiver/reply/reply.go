// Package reply is what a receiver says on the control connection.
//
// It decides nothing.
package reply

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// Redeliver answers an offer of a transfer that already has its receipt.
func Redeliver(ctx context.Context, conv transfer.Conversation, r mft.Receipt) error {
	err := Decide(ctx, conv, mft.Decision{Code: mft.CodeDelivered})
	if err == nil {
		err = Hand(ctx, conv, r)
	}
	if err != nil {
		transfer.Abort(ctx, conv, err)
	}
	return err
}

// Decide sends a decision.
func Decide(ctx context.Context, conv transfer.Conversation, d mft.Decision) error {
	if err := conv.Send(ctx, protocol.KindDecision, protocol.AppendDecision(nil, &d)); err != nil {
		return fmt.Errorf("sending the decision: %w", err)
	}
	return nil
}

// Hand sends the receipt.
func Hand(ctx context.Context, conv transfer.Conversation, r mft.Receipt) error {
	if err := conv.Send(ctx, protocol.KindReceipt, protocol.AppendReceipt(nil, &r)); err != nil {
		return fmt.Errorf("sending the receipt: %w", err)
	}
	return nil
}

// Refuse tells the sender why this end cannot take part. That it could not be
// told is no news: it will ask again.
func Refuse(ctx context.Context, conv transfer.Conversation, cause error) {
	if ctx.Err() != nil { // this end could, but was interrupted
		transfer.Abort(ctx, conv, cause)
		return
	}
	reason := mft.ReasonOf(cause)
	_ = Decide(ctx, conv, mft.Decision{Code: reason.Code, Detail: reason.Detail})
}
