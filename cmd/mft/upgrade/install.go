package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/handover"
)

// An update may be killed anywhere, and is taken up by the next one. What counts
// is on disk and with the agent: a whole binary always stands in its place, one
// that is staged stays as long as the agent may still run it, and the agent says
// which version it is about to try. So the next update first finds out what the one
// before has left: it goes on with a trial of its own version, and waits for the
// end of that of another.

// How long things may take at most. The agent has shorter times of its own.
const (
	patience = 5 * time.Minute
	// pause is how long is waited between two questions.
	pause = 100 * time.Millisecond
	// lull is how long nobody may answer while one process takes the place of
	// another, in pauses.
	lull = 50
	// parting is the time for a last question.
	parting = 10 * time.Second
)

// Install makes f the version of this host. After an error the version that was
// there runs on, unless the error says otherwise.
func (u *Updater) Install(ctx context.Context, f *Found) error {
	unlock, err := u.Place.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	state, err := u.settled(ctx, f)
	if err != nil {
		return err
	}
	if underWay(state) != "" {
		u.Note("version %s is being tried already", f.Version)
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := u.await(ctx, f, true); err == nil {
			return u.accept(ctx, f)
		} else if ctx.Err() != nil {
			return err
		}
		u.Note("that has come to nothing")
		if state, err = u.settled(ctx, f); err != nil {
			return err
		}
	}
	switch {
	case state.Executable != u.Place.Binary:
		return u.another(state)
	case f.choice.Current && state.Version == f.Version:
		return u.Place.Discard() // what an interrupted update may have left
	case f.choice.Current:
		u.Note("the binary is of version %s already, and the agent still of %s", f.Version, state.Version)
	default:
		if err := u.stage(ctx, f); err != nil {
			return err
		}
	}
	u.did("staged")
	return u.try(ctx, f)
}

// try has the agent try f, and makes it the version of this host if it comes up.
func (u *Updater) try(ctx context.Context, f *Found) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	u.Note("the agent finishes what it does, and tries version %s", f.Version)
	if err := u.order(ctx, f); err != nil {
		return u.giveUp(ctx, err)
	}
	u.did("ordered")
	if err := u.await(ctx, f, true); err != nil {
		return u.giveUp(ctx, err)
	}
	return u.accept(ctx, f)
}

// order tells the agent to try f. What an update that was interrupted has ordered
// may come to it only now, and first: then that is waited for, and counts if it was f.
func (u *Updater) order(ctx context.Context, f *Found) error {
	for again := true; ; again = false {
		err := u.Agent.Try(ctx, handover.Order{Manifest: f.sealed, Staged: !f.choice.Current})
		if !again || !away(err) && mft.CodeOf(err) != mft.CodeBadState {
			return err
		}
		state, e := u.settled(ctx, f)
		switch {
		case e != nil:
			return errors.Join(err, e)
		case underWay(state) == f.Version:
			return nil
		}
	}
}

// accept puts the binary of f, which is on trial and has come up, in its place.
func (u *Updater) accept(ctx context.Context, f *Found) error {
	u.did("up")
	if !f.choice.Current {
		u.Note("version %s came up; it takes the place of %s", f.Version, u.Version)
		if err := u.Place.Swap(f.choice.Binary); err != nil {
			return u.giveUp(ctx, errors.Join(err, u.Agent.End(ctx, false)))
		}
	}
	u.did("swapped")
	if err := u.Agent.End(ctx, true); err != nil {
		return fmt.Errorf("the binary is of version %s now, and the agent may still be of the one before; run `mft update` again: %w", f.Version, err)
	}
	u.did("accepted")
	if err := u.await(ctx, f, false); err != nil {
		return err
	}
	return u.Place.Discard() // of an update before this one
}

// pause is how long to wait between two questions; a test that is told of each step
// has its own pace.
func (u *Updater) pause() time.Duration {
	if u.step != nil {
		return time.Microsecond
	}
	return pause
}

func (u *Updater) did(step string) {
	if u.step != nil {
		u.step(step)
	}
}

// underWay is the version that an agent is about to try, or that is on trial.
func underWay(s handover.State) string {
	if s.Trial {
		return s.Version
	}
	return s.Pending
}

// settled returns what the agent says of itself once nothing is under way but
// perhaps f: nobody else has the lock, so any trial was left by an update that was
// interrupted. One of the version that is in its place already has come up before,
// and may stay.
func (u *Updater) settled(ctx context.Context, f *Found) (handover.State, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	told := false
	for {
		state, err := u.answer(ctx, true)
		other := underWay(state)
		switch {
		case err != nil && !(told && away(err)):
			return state, err
		case err != nil: // one process takes the place of another
		case other == "":
			return state, nil
		case state.Executable != u.Place.Binary && state.Executable != u.Place.Next:
			return state, u.another(state)
		case other == f.Version:
			return state, nil
		case !told:
			told = true
			u.Note("version %s is being tried; that comes to its end first", other)
		}
		stays := state.Version == u.Version
		if state.Trial && (state.Ready || !stays) {
			_ = u.Agent.End(ctx, stays) // else it ends when its time is over
		}
		if err := u.wait(ctx); err != nil {
			return state, err
		}
	}
}

// another refuses to update the binary of an agent that runs another.
func (u *Updater) another(s handover.State) error {
	return mft.Fail(mft.CodeBadState, "update", u.Place.Binary, fmt.Errorf("the agent runs %s: update that one, with its own `mft update`", s.Executable))
}

// answer asks the agent what it is. If it may be between two versions, nobody
// answers for a moment.
func (u *Updater) answer(ctx context.Context, patient bool) (handover.State, error) {
	for asked := 0; ; asked++ {
		state, err := u.Agent.State(ctx)
		if !away(err) || !patient || asked == lull {
			return state, err
		}
		if u.wait(ctx) != nil {
			return state, err
		}
	}
}

// away reports whether nobody answers, which may be for a moment only.
func away(err error) bool {
	code := mft.CodeOf(err)
	return code == mft.CodeNotRunning || code == mft.CodeDisconnected
}

func (u *Updater) wait(ctx context.Context) error {
	again := time.NewTimer(u.pause())
	defer again.Stop()
	select {
	case <-ctx.Done():
		return mft.Fail(mft.CodeTrial, "wait for", "the agent", ctx.Err())
	case <-again.C:
		return nil
	}
}

// staged reports whether there is a binary that an agent may be about to try.
func (u *Updater) staged() bool {
	_, err := os.Lstat(u.Place.Next)
	return err == nil
}

// giveUp removes what was staged, unless the agent may still run it: then the next
// update goes on with it, or removes it.
func (u *Updater) giveUp(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if state, e := u.Agent.State(ctx); e != nil || underWay(state) != "" {
		return err
	}
	return errors.Join(err, u.Place.Discard())
}

// await asks again and again until the version of f is up: on trial, or for
// good. While one process takes the place of another nobody answers; as long as
// the trial is pending, what the agent says was tried is an earlier one, perhaps
// of the same version.
func (u *Updater) await(ctx context.Context, f *Found, onTrial bool) error {
	const op = "wait for version"
	again := time.NewTicker(u.pause())
	defer again.Stop()
	var last error
	for {
		state, err := u.Agent.State(ctx)
		switch {
		case err != nil:
			last = err
		case state.Version == f.Version && state.Ready && state.Trial == onTrial:
			return nil
		case state.Version != f.Version && state.Tried == f.Version && state.Pending == "":
			return state.Problem.Err()
		case state.Version != f.Version && !state.Trial && state.Pending == "":
			return mft.Fail(mft.CodeTrial, "try", f.Version, fmt.Errorf("the agent was started anew meanwhile, as version %s", state.Version))
		default:
			last = fmt.Errorf("version %s answers", state.Version)
		}
		select {
		case <-ctx.Done():
			if onTrial {
				return mft.Fail(mft.CodeTrial, op, f.Version, errors.Join(ctx.Err(), last))
			}
			return mft.Fail(mft.CodeTrial, op, f.Version, fmt.Errorf(
				"it came up on trial and is in its place, and does not answer now (%w); version %s is %s", last, u.Version, u.Place.Previous))
		case <-again.C:
		}
	}
}
