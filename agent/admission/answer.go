package admission

import (
	"context"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// answerTimeout is how long telling a peer of a decision may take.
const answerTimeout = 10 * time.Second

// Answer sends a decision that is not for package transfer/receiver to send.
// When ctx has ended, what was decided may only be a consequence of that: the
// conversation is aborted and the cause returned.
func Answer(ctx context.Context, conv transfer.Conversation, d mft.Decision) error {
	if err := context.Cause(ctx); err != nil {
		transfer.Abort(ctx, conv, err)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := conv.Send(ctx, protocol.KindDecision, protocol.AppendDecision(nil, &d)); err != nil {
		return fmt.Errorf("sending a decision: %w", err)
	}
	return nil
}
