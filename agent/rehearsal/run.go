package rehearsal

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/protocol/rehearsal"
)

// A Run is one of a channel that is rehearsed.
type Run struct {
	Source
	Guard func(ctx context.Context) error
	// Active returns the active member of a server group.
	Active func(ctx context.Context, group mft.AgentName) (mft.AgentName, error)
	Open   func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (Conversation, error)
}

// An Outcome is how the rehearsal of a run to one destination ended.
type Outcome struct {
	To mft.Endpoint
	// Agent is To's, or the active member of its group.
	Agent mft.AgentName
	// Refused is why a mirror would remove nothing, nil if it would.
	Refused error
	// Err is why it could not be rehearsed to its end.
	Err error
}

// At says what the run would do now at each of its destinations; see hears of each
// finding, to being the number of the destination. What arrives does not have to be
// stable for that. Errors are those of the guard; what is wrong with one destination is
// in its outcome.
func (r Run) At(ctx context.Context, see func(to int, f Finding)) ([]Outcome, error) {
	if err := r.Guard(ctx); err != nil {
		return nil, err
	}
	ch := &r.Channel
	out := make([]Outcome, len(ch.To))
	for i, to := range ch.To {
		o := Outcome{To: to, Agent: to.Agent}
		if to.Group != "" {
			o.Agent, o.Err = r.Active(ctx, to.Group)
		}
		if o.Err == nil {
			a := Asker{Open: r.Open, To: o.Agent, Question: rehearsal.Question{
				Destination: r.Watcher.Destination(to), Overwrite: ch.Overwrite, Compare: ch.Compare, Mirror: ch.Mirror,
			}}
			if ch.Mirror.On {
				a.Rules = r.Place.Select.Rules
			}
			o.Refused, o.Err = a.Run(ctx, r.Walk, func(f Finding) { see(i, f) })
		}
		out[i] = o
	}
	return out, nil
}
