package marker

import (
	"context"
	"errors"
	"time"

	"mft.dev/mft"
)

// A Deed is what an order has done to a marker.
type Deed uint8

// The deeds. All but Look change something.
const (
	Look   Deed = iota + 1 // is it there, or was it taken by Taker, if that is set
	Taken                  // was it taken by Taker
	Place                  // with the mode 0644 and the owner of the process
	Remove                 //
	Take                   // by Taker
	Drop                   // what Taker has taken
	Try                    // see Tree.Try
)

// An Order is one deed to one marker, in a form that goes to other processes.
type Order struct {
	Deed  Deed
	Path  string
	Taker string // who takes triggers, see Tree.Take
	Now   int64  // of Place, in nanoseconds since 1970
}

// A Hand carries out orders: a Tree in this process, or another process.
type Hand interface {
	// Do reports what Look, Taken and Take find.
	Do(ctx context.Context, o Order) (bool, error)
}

// Do is that of Hand.
func (t Tree) Do(_ context.Context, o Order) (is bool, err error) {
	switch o.Deed {
	case Look:
		if is, err = t.Look(o.Path); err == nil && !is && o.Taker != "" {
			is, err = t.Taken(o.Path, o.Taker)
		}
		return is, err
	case Taken:
		return t.Taken(o.Path, o.Taker)
	case Place:
		return false, t.Place(o.Path, time.Unix(0, o.Now), Attributes{Mode: 0o644, UID: -1, GID: -1})
	case Remove:
		return false, t.Remove(o.Path)
	case Take:
		return t.Take(o.Path, o.Taker)
	case Drop:
		return false, t.Drop(o.Path, o.Taker)
	case Try:
		return false, t.Try(o.Path)
	}
	return false, mft.Fail(mft.CodeInternal, "use marker", o.Path, errors.New("there is no such deed"))
}
