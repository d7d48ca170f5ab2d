// Package outcome says what the transfers of a run of a channel came to.
package outcome

import (
	"context"
	"fmt"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Tally returns how many transfers have not ended, came to nothing and are done.
func Tally(states map[mft.State]int64) (open, ended, done int64) {
	for state, n := range states {
		switch {
		case !state.Terminal():
			open += n
		case state == mft.StateDone:
			done += n
		default:
			ended += n
		}
	}
	return open, ended, done
}

// Lost returns the transfers of a run that came to nothing, of which there are no more
// than so many, but those of which others took the place.
func Lost(ctx context.Context, j *journal.Journal, run string, most int64) ([]mft.Transfer, error) {
	if most == 0 {
		return nil, nil
	}
	list, err := j.Transfers(ctx, journal.Filter{Run: run, States: []mft.State{mft.StateFailed, mft.StateRejected, mft.StateCancelled}})
	return slices.DeleteFunc(list, func(t mft.Transfer) bool { return t.Reason.Code == mft.CodeFailedOver }), err
}

// Why says why a run failed of which these transfers, at least one, came to nothing and so
// many are done.
func Why(lost []mft.Transfer, done int64) mft.Reason {
	n := int64(len(lost))
	return mft.Reason{
		Code:   lost[0].Reason.Code,
		Detail: fmt.Sprintf("%d of %d transfers came to nothing, the first because: %s", n, n+done, lost[0].Reason.Detail),
	}
}
