package rehearsal

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/rehearsal/scene"
	"mft.dev/mft/agent/source"
)

// A Source is what a channel sends from.
type Source struct {
	Channel mft.Channel
	Watcher *arrival.Watcher
	Place   source.Place
	At      scene.Viewer
}

// Walk is a [Walk] of what a run of the channel would send.
func (s Source) Walk(ctx context.Context, visit func(Thing) error) error {
	if s.Channel.Mirror.On {
		return s.At.Whole(ctx, s.Channel.Name, s.Channel.Mirror, s.Place, visit)
	}
	return s.Watcher.Explain(ctx, "", func(f arrival.Explained) error {
		switch {
		case f.Err == nil && !f.Choice.Moves:
			return nil
		case f.Path == "":
			return f.Err // the source itself
		}
		return visit(Thing{Item: mft.Item{Path: f.Path, Type: mft.ItemFile, Size: f.Size, MTime: f.MTime.UnixNano()}, Err: f.Err})
	})
}
