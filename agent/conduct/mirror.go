package conduct

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/departure"
	"mft.dev/mft/agent/guard"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/transfer/sender"
)

// guard returns why a run must not begin.
func (x *Conductor) guard(ctx context.Context) error {
	if err := x.Source.At.Sound(ctx, x.place(), x.Now()); err != nil {
		return err
	}
	return guard.Ask(ctx, x.Channel, x.Launch)
}

// place is where the sources of the transfers of the channel lie.
func (x *Conductor) place() source.Place { return source.PlaceOf(x.Channel, x.Source.Root()) }

// Place fills in where the sources of the transfers of a channel that begins here lie.
func (s *Set) Place(channel string, p *source.Place) {
	if x, _ := s.get(channel); x != nil {
		at := x.place()
		p.Channel, p.Select, p.Guard = at.Channel, at.Select, at.Guard
	}
}

// Sends has an attempt keep to the bandwidth of its channel as that is now, and what it reads of a source that
// it leaves kept.
func (s *Set) Sends(t mft.Transfer, told *trail.Conversation, out sender.Outgoing) sender.Outgoing {
	x, _ := s.get(t.Channel)
	if x == nil || t.Requested {
		return out
	}
	pace := s.latest(x).times().Pace
	x.throttle.Follow(pace.Plan(x.Now()))
	if pace != nil {
		out.Throttle = x.throttle
	}
	if x.Channel.After.Moves() {
		reading := departure.NewReading(t.ID)
		told.Read, out.Took = reading.Keep, reading.Took
	}
	return out
}
