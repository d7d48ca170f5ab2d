// Package question asks a peer one thing, in a conversation of its own on the link.
//
//	e, err := question.Question{Op: "ask for a trace", To: peer, Kind: protocol.KindTrace, …}.Ask(ctx, conv)
package question

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// A Conversation is one with a peer; *link.Conversation is one.
type Conversation interface {
	Send(ctx context.Context, kind protocol.Kind, body []byte) error
	Receive(ctx context.Context) (*protocol.Envelope, error)
	Speaks() uint8
	Close()
}

// A Question is what is asked.
type Question struct {
	Op   string // for errors
	To   mft.AgentName
	Kind protocol.Kind
	Body []byte
	// Version is that of the protocol which knows it, and Needs says what needs it.
	Version uint8
	Needs   string
}

// Ask returns the answer of the peer. Errors: mft.CodeVersion when it does not know the
// question, its own code when it refuses, those of the conversation.
func (q Question) Ask(ctx context.Context, conv Conversation) (*protocol.Envelope, error) {
	if v := conv.Speaks(); v < q.Version {
		return nil, mft.Fail(mft.CodeVersion, q.Op, string(q.To),
			fmt.Errorf("it speaks version %d of the protocol, and %s version %d: update it", v, q.Needs, q.Version))
	}
	if err := conv.Send(ctx, q.Kind, q.Body); err != nil {
		return nil, err
	}
	e, err := conv.Receive(ctx)
	if err != nil || e.Kind != protocol.KindDecision {
		return e, err
	}
	d, err := e.Decision()
	if err == nil {
		err = mft.Fail(d.Code, q.Op, string(q.To), errors.New(d.Detail))
	}
	return nil, err
}
