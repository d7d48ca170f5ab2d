package rehearsal

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/rehearsal"
	"mft.dev/mft/transfer"
)

// A Keeper answers what is at destinations of this host. Its methods may be called
// concurrently.
type Keeper struct {
	// Grants returns what a peer may do here.
	Grants func(peer mft.AgentName) []mft.Grant
	// Look is scene.At for what a peer may write below root, with the rights of who would
	// write it. The question is also given in its wire form.
	Look func(ctx context.Context, peer mft.AgentName, root, top string, q *rehearsal.Question, wire []byte) ([]rehearsal.Answer, error)
}

// Answer answers the question that opened a conversation. Errors: those of
// transfer.Admit, protocol.CheckPath and confine; the peer has not been told of them.
func (k Keeper) Answer(ctx context.Context, conv Conversation, e *protocol.Envelope) error {
	q, err := rehearsal.Parse(e.Body)
	if err != nil {
		return err
	}
	at, err := transfer.Admit(&mft.Offer{
		Transfer: e.Transfer, Sender: e.Sender, Destination: q.Destination, Overwrite: q.Overwrite, Mirror: q.Mirror, Rules: q.Rules,
	}, k.Grants(e.Sender))
	if err != nil {
		return err
	}
	answers, err := k.Look(ctx, e.Sender, at.Root, at.Dir, &q, e.Body)
	if err != nil {
		return err
	}
	return conv.Send(ctx, protocol.KindRehearsed, rehearsal.AppendAnswers(nil, answers))
}
