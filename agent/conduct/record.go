package conduct

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/runs"
	"mft.dev/mft/trigger/expectation"
	"mft.dev/mft/trigger/firing"
)

// recall reads the state, unless it is known.
func (x *Conductor) recall(ctx context.Context) error {
	if !x.state.Looked.IsZero() {
		return nil
	}
	b, err := x.Journal.Channel(ctx, x.Channel.Name)
	if err != nil || len(b) == 0 {
		return err
	}
	k := kept{}
	if err := json.Unmarshal(b, &k); err != nil {
		return mft.Fail(mft.CodeJournal, "read the state of channel", x.Channel.Name, err)
	}
	x.state, x.hopes, x.taken, x.taking = k.State, k.Expected, k.Taken, k.Taken
	if !slices.Equal(k.Markers, x.Channel.Markers) {
		x.state = forgetMarkers(x.state)
	}
	return nil
}

// What is kept of a channel: its state, what is expected of it, how many orders to
// run are in the state, and of which markers it speaks.
type kept struct {
	firing.State
	Expected expectation.State
	Taken    int64
	Markers  []mft.Marker
}

// save keeps a state and what is hoped, with what belongs to it, and goes on with it. One
// that differs from what is kept in nothing but how late it is need not be kept.
func (x *Conductor) save(ctx context.Context, s firing.State, hopes expectation.State, with ...func(tx *journal.Tx) error) error {
	lasting := kept{s, hopes, x.taking, x.Channel.Markers}
	lasting.Looked, lasting.Data = time.Time{}, time.Time{}
	if len(with) == 0 && x.kept != "" && reflect.DeepEqual(lasting, x.last) { // cheaper than writing it down, and each look at a channel comes here
		x.state, x.hopes = s, hopes
		return nil
	}
	key, err := json.Marshal(lasting)
	if err != nil {
		return fmt.Errorf("the state of channel %s: %w", x.Channel.Name, err)
	}
	if len(with) == 0 && string(key) == x.kept {
		x.state, x.hopes = s, hopes
		return nil
	}
	b, err := json.Marshal(kept{s, hopes, x.taking, x.Channel.Markers})
	if err != nil {
		return fmt.Errorf("the state of channel %s: %w", x.Channel.Name, err)
	}
	err = x.Journal.Update(ctx, func(tx *journal.Tx) error {
		for _, f := range with {
			if err := f(tx); err != nil {
				return err
			}
		}
		return tx.SetChannel(x.Channel.Name, b)
	})
	if err != nil {
		return err
	}
	x.state, x.hopes, x.kept, x.taken = s, hopes, string(key), x.taking
	x.last = kept{}
	return json.Unmarshal(key, &x.last) // a copy: steps share maps with the state
}

// tellBegun returns what writes that a run has begun.
func (x *Conductor) tellBegun(s firing.State, files int) func(tx *journal.Tx) error {
	told := x.event(mft.EventRunBegun, "", fmt.Sprintf("%s, because of %v; files to send: %d", s.Run, s.Serves, files))
	r := runs.Run{ID: s.Run, Channel: x.Channel.Name, Orders: x.taken, Began: x.Now()}
	for _, c := range s.Serves {
		r.Causes = append(r.Causes, string(c))
	}
	return func(tx *journal.Tx) error {
		if err := tx.BeginRun(r); err != nil {
			return err
		}
		return told(tx)
	}
}

// tellEnded returns what writes how a run ended.
func (x *Conductor) tellEnded(run string, how firing.Outcome, moved mft.Count, why mft.Reason) func(tx *journal.Tx) error {
	detail := fmt.Sprintf("%s: %s", run, how)
	if why.Detail != "" {
		detail += ": " + why.Detail
	}
	told := x.event(mft.EventRunEnded, why.Code, detail)
	r := runs.Run{ID: run, Ended: x.Now(), Outcome: string(how), Moved: moved, Code: why.Code, Detail: why.Detail}
	return func(tx *journal.Tx) error {
		if err := tx.EndRun(r); err != nil {
			return err
		}
		return told(tx)
	}
}
