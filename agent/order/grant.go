package order

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Grant makes a row of what a peer asks for, if the grants allow it, or finds the
// one that an earlier copy of the request made. Ended says with what code one is
// refused that is over, or paused. Errors: those of source.Grant, that code, and
// mft.CodeNotAllowed when the id stands for something else.
func (b *Book) Grant(ctx context.Context, r *mft.Request, grants []mft.Grant, ended func(mft.Transfer) mft.Decision) (mft.Transfer, error) {
	t, known, err := b.Journal.Transfer(ctx, r.Transfer)
	if err != nil {
		return t, err
	}
	if known {
		return t, repeated(t, r, ended)
	}
	found, err := b.Find(ctx, r, grants)
	if err != nil {
		return t, err
	}
	now := b.Now()
	fresh := mft.Transfer{
		ID: r.Transfer, Role: mft.RoleSend, Peer: r.Requester, State: mft.StatePlanned, Sources: []string{found},
		Overwrite: r.Overwrite, Compare: r.Compare, Compress: r.Compress, Preserve: r.Preserve, Requested: true, Created: now, Updated: now,
	}
	err = b.Journal.Update(ctx, func(tx *journal.Tx) error {
		var err error
		// Two copies of a request may come at once.
		if t, known, err = tx.Transfer(r.Transfer); err != nil || known {
			return err
		}
		return b.Trail.Create(tx, fresh, mft.EventRequested, "by "+string(r.Requester)+": "+r.Path)
	})
	switch {
	case err != nil:
		return fresh, err
	case known:
		return t, repeated(t, r, ended)
	}
	fresh.State = mft.StateQueued
	return fresh, nil
}

// repeated judges a request whose id this host knows: nil for a copy of the one
// that t was made of, while t has not ended.
func repeated(t mft.Transfer, r *mft.Request, ended func(mft.Transfer) mft.Decision) error {
	switch {
	case t.Role != mft.RoleSend || t.Peer != r.Requester || !t.Requested:
		return mft.Fail(mft.CodeNotAllowed, "request", r.Transfer.String(), errors.New("this host knows another transfer by this id"))
	case t.State.Terminal() || t.State == mft.StatePaused:
		d := ended(t)
		return mft.Fail(d.Code, "request", r.Path, fmt.Errorf("it is %s: %s", t.State, d.Detail))
	}
	return nil
}
