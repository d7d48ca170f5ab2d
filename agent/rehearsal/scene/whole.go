package scene

import (
	"context"
	"errors"

	"mft.dev/mft"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/trigger/selection"
)

// A Thing is something at the source.
type Thing struct {
	mft.Item
	// Stays says that it does not move, and that nothing is removed in its place. Only its
	// path counts then.
	Stays bool
	// Err is why it cannot be read; it stays.
	Err error
}

// A Viewer does what [Whole] does, with the rights of whose files they are.
type Viewer interface {
	Whole(ctx context.Context, channel string, m mft.Mirror, p source.Place, visit func(Thing) error) error
}

// Whole calls visit for everything that a mirror of a channel would send, in the order of
// scan.Source, and stops at the first error of visit. Errors are those of source.Open, too.
func Whole(ctx context.Context, channel string, m mft.Mirror, p source.Place, visit func(Thing) error) error {
	content, err := source.Open(mft.Transfer{Channel: channel, Mirror: m}, p)
	if err != nil {
		return err
	}
	defer content.Close()
	for _, from := range content.Sources {
		for e, err := range from.Items(ctx) {
			t := Thing{Item: e.Item, Stays: errors.Is(err, selection.ErrKept)}
			switch {
			case err != nil && e.Item.Path == "":
				return err
			case errors.Is(err, selection.ErrOut):
				continue
			case !t.Stays:
				t.Err = err
			}
			if err := visit(t); err != nil {
				return err
			}
		}
	}
	return nil
}
