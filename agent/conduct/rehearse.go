package conduct

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/rehearsal"
)

// Rehearse says what a run of a channel that begins here would do now, and does none of it;
// see rehearsal.Run. The error is CodeNotFound for a channel that does not begin here.
func (s *Set) Rehearse(ctx context.Context, channel string, see func(to int, f rehearsal.Finding)) ([]rehearsal.Outcome, error) {
	x, _ := s.get(channel)
	if x == nil {
		return nil, noSuch("rehearse channel", channel)
	}
	return rehearsal.Run{
		Source: rehearsal.Source{Channel: x.Channel, Watcher: x.Source, Place: x.place(), At: x.Source.At},
		Guard:  x.guard, Active: s.groups.Active,
		Open: func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (rehearsal.Conversation, error) {
			return s.host.Ask(ctx, peer, id)
		},
	}.At(ctx, see)
}
