package journal

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/runs"
)

func TestRuns(t *testing.T) {
	j := newJournal(t)
	run := func(n int, channel string, orders int64) runs.Run {
		return runs.Run{
			ID: fmt.Sprintf("%s-%d", channel, n), Channel: channel, Causes: []string{"poll", "manual"}, Orders: orders, Began: time.Unix(int64(n), 7),
		}
	}
	first, second, other := run(1, "nightly", 0), run(2, "nightly", 3), run(1, "hourly", 9)
	for _, r := range []runs.Run{first, other, second} {
		update(t, j, func(tx *Tx) error { return tx.BeginRun(r) })
	}
	first.Ended, first.Outcome, first.Moved = time.Unix(5, 0), "failure", mft.Count{Items: 4, Bytes: 40}
	first.Code, first.Detail = mft.CodePermission, hostile
	update(t, j, func(tx *Tx) error { return tx.EndRun(first) })
	for _, tt := range []struct {
		name string
		f    runs.Filter
		want []runs.Run
	}{
		{"all", runs.Filter{}, []runs.Run{second, other, first}},
		{"of a channel", runs.Filter{Channel: "nightly"}, []runs.Run{second, first}},
		{"the last", runs.Filter{Channel: "nightly", Limit: 1}, []runs.Run{second}},
		{"the first after an order", runs.Filter{Channel: "nightly", Orders: 2, Oldest: true, Limit: 1}, []runs.Run{second}},
		{"by its id", runs.Filter{ID: first.ID}, []runs.Run{first}},
		{"none", runs.Filter{Channel: "none"}, nil},
	} {
		if got, err := j.Runs(t.Context(), tt.f); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Runs = %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestOldRunsGo(t *testing.T) {
	j := newJournal(t)
	update(t, j, func(tx *Tx) error {
		for n := range runs.Kept + 3 {
			if err := tx.BeginRun(runs.Run{ID: fmt.Sprint(n), Channel: "nightly", Began: time.Unix(int64(n), 0)}); err != nil {
				return err
			}
		}
		return tx.BeginRun(runs.Run{ID: "other", Channel: "hourly"})
	})
	list, err := j.Runs(t.Context(), runs.Filter{Channel: "nightly", Oldest: true})
	if err != nil || len(list) != runs.Kept || list[0].ID != "3" {
		t.Errorf("Runs = %d from %+v, %v; want the newest %d", len(list), list[0], err, runs.Kept)
	}
}

func TestOrders(t *testing.T) {
	j := newJournal(t)
	for _, want := range []string{`{"Asked":1}`, "{}"} {
		update(t, j, func(tx *Tx) error { return tx.SetOrders("nightly", []byte(want)) })
		if got, err := j.Orders(t.Context(), "nightly"); err != nil || string(got) != want {
			t.Errorf("Orders = %q, %v; want %q", got, err, want)
		}
		if state, err := j.Channel(t.Context(), "nightly"); err != nil || len(state) > 0 {
			t.Errorf("the state beside them: %q, %v", state, err)
		}
	}
	update(t, j, func(tx *Tx) error { return tx.SetChannel("nightly", []byte("state")) })
	if got, err := j.Orders(t.Context(), "nightly"); err != nil || string(got) != "{}" {
		t.Errorf("Orders beside a state = %q, %v", got, err)
	}
}
