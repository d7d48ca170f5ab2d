package conduct

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/outcome"
	"mft.dev/mft/agent/failover"
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
	if err := x.guard(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		x.since, x.began, x.broken = x.Now(), x.Now(), false
		return x.end(ctx, s, firing.Failed, mft.Count{}, mft.ReasonOf(err), x.tellBegun(s, 0))
	}
	files, err := x.gather(ctx, s)
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

// gather makes transfers of the run: all, or those of the next batch.
func (x *Conductor) gather(ctx context.Context, s firing.State) (files int, err error) {
	// Unless somebody has said so, files are not ready which are not stable.
	stable := x.Arrives && !slices.Contains(s.Serves, firing.ByMarker) && !slices.Contains(s.Serves, firing.ByManual)
	switch {
	case x.Channel.Mirror.On:
		return x.Source.Mirror(ctx, s.Run)
	case x.Channel.Order.Batch > 0:
		return x.Source.Batch(ctx, s.Run, stable)
	case stable:
		return x.Source.Gather(ctx, s.Run)
	}
	return x.Source.Sweep(ctx, s.Run)
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
	if missing, err := x.Follower.Follow(ctx, s.Run); err != nil || missing {
		return false, err
	}
	states, moved, err := x.Journal.RunCounts(ctx, s.Run)
	if err != nil {
		return false, err
	}
	open, ended, done := outcome.Tally(states)
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
	return x.over(ctx, s, ended, done, moved)
}

// over ends the run under way, all of whose transfers have ended, unless there is another batch.
func (x *Conductor) over(ctx context.Context, s firing.State, ended, done int64, moved mft.Count) (bool, error) {
	if err := x.clear(ctx, true); err != nil {
		return false, err
	}
	failed, err := outcome.Lost(ctx, x.Journal, s.Run, ended)
	if err != nil {
		return false, err
	}
	followed := ended - int64(len(failed))
	if ended = int64(len(failed)); ended == 0 && x.Channel.Order.Batch > 0 {
		if s.Held { // between two batches
			return false, nil
		}
		switch files, err := x.gather(ctx, s); {
		case err != nil:
			return true, x.end(ctx, s, firing.Failed, moved, mft.ReasonOf(err))
		case files > 0:
			return false, nil
		}
	}
	if ended == 0 {
		how := firing.Succeeded
		if moved.Items == 0 {
			how = firing.NoAction
		}
		return true, x.end(ctx, s, how, moved, x.Departure.Note(failover.Note(followed)))
	}
	return true, x.end(ctx, s, firing.Failed, moved, outcome.Why(failed, done), func(tx *journal.Tx) error {
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

// clear has what was delivered leave the source.
func (x *Conductor) clear(ctx context.Context, running bool) error {
	err := x.Departure.Clear(ctx, running)
	x.mu.Lock()
	x.left = x.Departure.Problem()
	x.mu.Unlock()
	return err
}

// joins reports whether files that become stable now belong to the run under way.
func (x *Conductor) joins() bool {
	s := x.state
	if s.Phase != firing.Running || s.Held || x.Channel.Order.Batch > 0 {
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
