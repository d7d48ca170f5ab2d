// Package admission decides about offers of peers before anything is touched:
// whether one may proceed and where its items land, and what is said to one
// that may not. What decides is pure; a [Door] counts what is under way and
// [Answer] says what was decided.
//
// The package refuses what neither a grant nor this host's own request allows,
// and a second offer of a transfer for another place than the first.
package admission

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
)

const (
	// BusyDelay is how long a sender is asked to wait when as many transfers
	// come in as may.
	BusyDelay = 2 * time.Second
	// PausedDelay is how long it is asked to wait when its transfer is
	// paused.
	PausedDelay = 5 * time.Second
	// UpdateDelay is how long it is asked to wait when this agent is about to
	// be updated.
	UpdateDelay = 10 * time.Second
	// BlockedDelay is how long it is asked to wait while a block marker is there.
	BlockedDelay = 5 * time.Second
)

// Ended answers the offer of a transfer that is over here, or paused.
func Ended(t mft.Transfer) mft.Decision {
	d := mft.Decision{Code: t.Reason.Code, Detail: t.Reason.Detail}
	switch {
	case t.State == mft.StatePaused:
		d = mft.Decision{Code: mft.CodePaused, Detail: "paused on the receiving host", RetryIn: PausedDelay}
	case t.State == mft.StateCancelled && d.Code == mft.CodeElsewhere:
		// Not over there.
	case t.State == mft.StateCancelled:
		d.Code = mft.CodeCancelled
	case d.Code.OK() || d.Code.Retryable():
		// Over is over, whatever the reason would allow elsewhere.
		d.Code = mft.CodeBadState
	}
	return d
}

// Held answers whoever wants something of an agent that is about to be updated.
func Held() mft.Decision {
	return mft.Decision{Code: mft.CodePendingUpdate, RetryIn: UpdateDelay}
}

// Refusal refuses with the code of err.
func Refusal(err error) mft.Decision {
	r := mft.ReasonOf(err)
	d := mft.Decision{Code: r.Code, Detail: r.Detail}
	if r.Code == mft.CodeBlocked {
		d.RetryIn = BlockedDelay
	}
	if errors.Is(err, context.Canceled) {
		d = mft.Decision{Code: mft.CodeMaintenance, RetryIn: BusyDelay}
	}
	return d
}

// Belongs makes sure that who offers a transfer that is known here is its other
// end: nobody else has a say in it. The error is mft.CodeNotAllowed.
func Belongs(o *mft.Offer, row mft.Transfer, known bool) error {
	if known && (row.Role != mft.RoleReceive || row.Peer != o.Sender) {
		return mft.Fail(mft.CodeNotAllowed, "offer", o.Transfer.String(), errors.New("this host knows another transfer by this id"))
	}
	return nil
}

// A Case is an offer and what this host knows that bears on it.
type Case struct {
	// Offer is the offer. Decide sets its Overwrite and Compare when this host
	// asked for the transfer: then the requester's word counts. A canary overwrites
	// nothing.
	Offer *mft.Offer
	// Row is the transfer if it is known here, a receive from the same peer
	// that has not ended; else nil.
	Row *mft.Transfer
	// First is where the items of an earlier offer of it landed, nil for a
	// first offer.
	First *journal.Landing
	// Grants are those of the peer.
	Grants []mft.Grant
}

// Decide returns where the items of an admitted offer land. Errors:
// mft.CodeNotAllowed, mft.CodeBadPath.
func Decide(c Case) (journal.Landing, error) {
	o := c.Offer
	refuse := func(subject, why string) (journal.Landing, error) {
		return journal.Landing{}, mft.Fail(mft.CodeNotAllowed, "offer", subject, errors.New(why))
	}
	var landing journal.Landing
	err := canary(o)
	switch {
	case err != nil:
	case o.Requested != (c.Row != nil && c.Row.Requested):
		return refuse(o.Transfer.String(), "this host has not asked for it")
	case o.Requested:
		if o.Mirror.On {
			return refuse(o.Transfer.String(), "this host has not asked for anything to be removed")
		}
		o.Overwrite, o.Compare = c.Row.Overwrite, c.Row.Compare
		landing, err = transfer.LandingFor(c.Row.Destination)
	default:
		landing, err = transfer.Admit(o, c.Grants)
	}
	if err != nil || c.First == nil {
		return landing, err
	}
	// What was staged is below the root of the first attempt.
	if place(*c.First) != place(landing) {
		return refuse(o.Destination, "the destination is not that of the first offer of this transfer")
	}
	first := *c.First
	first.AllowSetID, first.AllowRootSetID, first.Versions = landing.AllowSetID, landing.AllowRootSetID, landing.Versions
	return first, nil
}

func place(l journal.Landing) string { return path.Join(l.Root, l.Dir, l.Name) }

// canary refuses an offer that is half of a canary: what is removed when it was
// delivered has a name that nothing else has, and what has that name is removed.
func canary(o *mft.Offer) error {
	is := o.Overwrite == mft.OverwriteCanary
	if is != mft.IsCanary(o.Destination, o.Transfer) || is && (!o.Single || o.Requested || o.Mirror.On || strings.HasSuffix(o.Destination, "/")) {
		return mft.Fail(mft.CodeBadPath, "offer", o.Destination, errors.New("that name and the policy of a canary belong together, and to a single file"))
	}
	if is {
		o.Overwrite = mft.OverwriteNever
	}
	return nil
}
