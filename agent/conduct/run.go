package conduct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/expectation"
	"mft.dev/mft/trigger/firing"
)

// joining is for how long after it began files that become stable join a run. Those
// of a channel without markers, for which nobody waits, join for as long as it goes well.
const joining = 5 * time.Minute

// begin makes the transfers of the run and keeps the state in which it is under way.
// A source that cannot be read makes the run fail; what could be read is sent all the
// same.
func (x *Conductor) begin(ctx context.Context, s firing.State) error {
	gather := x.Source.Sweep
	if x.Arrives && !slices.Contains(s.Serves, firing.ByMarker) && !slices.Contains(s.Serves, firing.ByManual) {
		gather = x.Source.Gather // nobody has said that files are ready which are not stable
	}
	files, err := gather(ctx, s.Run)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	x.since, x.began, x.broken = x.Now(), x.Now(), false
	told := x.tellBegun(s, files)
	if err == nil {
		return x.save(ctx, s, x.hopes, told)
	}
	return x.end(ctx, s, firing.Failed, mft.Count{}, mft.ReasonOf(err), told)
}

// end keeps the state of a channel whose run is over.
func (x *Conductor) end(ctx context.Context, s firing.State, how firing.Outcome, moved mft.Count, why mft.Reason, with ...func(tx *journal.Tx) error) error {
	var found []expectation.Finding
	if s.Silent && moved.Items > 0 {
		found = append(found, expectation.Finding{Code: mft.CodeOK, Detail: "content moves again"})
	}
	s = s.Ended(x.rules, how, moved.Items > 0, x.Now())
	hopes := x.hopes
	if how == firing.Succeeded {
		var more []expectation.Finding
		hopes, more = hopes.Ended(x.expected, moved, x.Now())
		found = append(found, more...)
	}
	x.mu.Lock()
	if x.failed = nil; how == firing.Failed {
		x.failed = mft.Fail(why.Code, "run channel", x.Channel.Name, errors.New(why.Detail))
	}
	x.mu.Unlock()
	with = append(with, x.tellEnded(s.Run, how, moved, why))
	return x.save(ctx, s, hopes, append(with, x.tell(found)...)...)
}

// tell logs findings and returns what tells the journal of them.
func (x *Conductor) tell(found []expectation.Finding) (out []func(tx *journal.Tx) error) {
	for _, f := range found {
		level := slog.LevelWarn
		if f.Code.OK() {
			level = slog.LevelInfo
		}
		x.Log.Log(context.Background(), level, "an expectation of a channel", "channel", x.Channel.Name, "code", f.Code, "detail", f.Detail)
		out = append(out, x.event(mft.EventExpected, f.Code, f.Detail))
	}
	return out
}

// event returns what tells the journal.
func (x *Conductor) event(kind mft.EventKind, code mft.Code, detail string) func(tx *journal.Tx) error {
	e := mft.Event{Time: x.Now(), Kind: kind, Channel: x.Channel.Name, Code: code, Detail: detail}
	return func(tx *journal.Tx) error { return tx.Append(e) }
}

// progress ends the run under way when all its transfers have ended. It reports
// whether the state was saved.
func (x *Conductor) progress(ctx context.Context, s firing.State) (bool, error) {
	states, moved, err := x.Journal.RunCounts(ctx, s.Run)
	if err != nil {
		return false, err
	}
	var open, ended, done int64
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
	x.broken = ended > 0
	if x.joins() && x.Source.News() {
		if _, err := x.Source.Gather(ctx, s.Run); err != nil {
			return false, err
		}
		return false, nil // what it is to come to has changed
	}
	if s.Held { // it cannot come to anything
		x.since = x.Now()
	}
	if open > 0 {
		if come := [2]int64{done + ended, moved.Bytes}; come != x.come || x.since.IsZero() {
			x.come, x.since = come, x.Now()
		}
		if s.Failures > 0 || x.Now().Sub(x.since) < x.Patience {
			return false, nil
		}
		return true, x.save(ctx, s.Late(), x.hopes)
	}
	if ended == 0 {
		how := firing.Succeeded
		if moved.Items == 0 {
			how = firing.NoAction
		}
		return true, x.end(ctx, s, how, moved, mft.Reason{})
	}
	failed, err := x.Journal.Transfers(ctx, journal.Filter{Run: s.Run, States: []mft.State{mft.StateFailed, mft.StateRejected, mft.StateCancelled}})
	if err != nil {
		return false, err
	}
	why := mft.Reason{Code: failed[0].Reason.Code, Detail: fmt.Sprintf("%d of %d transfers came to nothing, the first because: %s", ended, ended+done, failed[0].Reason.Detail)}
	return true, x.end(ctx, s, firing.Failed, moved, why, func(tx *journal.Tx) error {
		for _, t := range failed {
			if t.State == mft.StateCancelled {
				continue // somebody does not want it
			}
			if err := x.Source.Again(tx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// joins reports whether files that become stable now belong to the run under way.
func (x *Conductor) joins() bool {
	s := x.state
	if s.Phase != firing.Running || s.Held {
		return false
	}
	return x.Now().Sub(x.began) < joining || len(x.Channel.Markers) == 0 && !x.broken
}

// each calls do for every transfer of the run that has not ended.
func (x *Conductor) each(ctx context.Context, do func(ctx context.Context, id mft.TransferID) error) error {
	open, err := x.Journal.Transfers(ctx, journal.Filter{Run: x.state.Run, States: []mft.State{
		mft.StatePlanned, mft.StateQueued, mft.StateWaiting, mft.StateRunning, mft.StateVerifying, mft.StatePaused,
	}})
	if err != nil {
		return err
	}
	for _, t := range open {
		if err := do(ctx, t.ID); err != nil && mft.CodeOf(err) != mft.CodeBadState { // it has ended meanwhile
			return err
		}
	}
	return nil
}
