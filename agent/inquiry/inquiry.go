// Package inquiry answers what peers ask beside transfers: for markers of this host, what
// a run would find here, and where a file is.
package inquiry

import (
	"context"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/admission"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/foreman"
	"mft.dev/mft/agent/rehearsal"
	"mft.dev/mft/agent/trace"
	"mft.dev/mft/link"
	"mft.dev/mft/protocol"
)

// A Desk answers. Every field must be set; its methods may be called concurrently.
type Desk struct {
	// Witness records that a message was seen; a second time is mft.CodeReplayed.
	Witness func(ctx context.Context, e *protocol.Envelope) error
	// Grants returns what a peer may do here.
	Grants  func(peer mft.AgentName) []mft.Grant
	Foreman *foreman.Foreman
	Tracer  *trace.Tracer
	Now     func() time.Time
}

// Takes reports whether a conversation that begins with this kind is for a Desk.
func Takes(k protocol.Kind) bool {
	return k == protocol.KindMarkers || k == protocol.KindRehearse || k == protocol.KindTrace
}

// Answer answers the question that opened a conversation, or says why not. The error is
// for this end.
func (d *Desk) Answer(ctx context.Context, conv *link.Conversation, e *protocol.Envelope) error {
	err := d.Witness(ctx, e)
	switch {
	case err != nil:
	case e.Kind == protocol.KindMarkers:
		return farend.Keeper{Grants: d.Grants, Now: d.Now, Hand: d.Foreman.Hand}.Answer(ctx, conv, e)
	case e.Kind == protocol.KindRehearse:
		err = rehearsal.Keeper{Grants: d.Grants, Look: d.Foreman.Scene}.Answer(ctx, conv, e)
	default:
		err = d.Tracer.Answer(ctx, conv, e)
	}
	if err == nil {
		return nil
	}
	return admission.Answer(ctx, conv, admission.Refusal(err))
}
