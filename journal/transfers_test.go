package journal

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal/form"
)

func TestCreateKeepsEveryField(t *testing.T) {
	j := newJournal(t)
	bare := mft.Transfer{ID: id(1), State: mft.StateRejected}
	for _, want := range []mft.Transfer{planned(0), bare} {
		update(t, j, func(tx *Tx) error {
			if err := tx.Create(want); err != nil {
				return err
			}
			got, ok, err := tx.Transfer(want.ID)
			if err != nil || !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("Tx.Transfer = %+v, %t, %v; want %+v", got, ok, err, want)
			}
			return nil
		})
		got, ok, err := j.Transfer(t.Context(), want.ID)
		if err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("Transfer = %+v, %t, %v; want %+v", got, ok, err, want)
		}
	}
	if got, ok, err := j.Transfer(t.Context(), id(9)); err != nil || ok || !got.ID.IsZero() {
		t.Errorf("Transfer of an unknown id = %+v, %t, %v", got, ok, err)
	}
}

func TestCreateRefuses(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	bad := planned(1)
	bad.State = "flying"
	tests := []struct {
		name string
		t    mft.Transfer
		want mft.Code
	}{
		{"an id twice", planned(0), mft.CodeBadState},
		{"no id", mft.Transfer{State: mft.StatePlanned}, mft.CodeInternal},
		{"an unknown state", bad, mft.CodeInternal},
	}
	for _, test := range tests {
		refused(t, j, test.name, test.want, func(tx *Tx) error { return tx.Create(test.t) })
	}
}

func TestUnknownTransferIsNotFound(t *testing.T) {
	none := id(7)
	tests := []struct {
		name string
		f    func(*Tx) error
	}{
		{"SetState", func(tx *Tx) error { return tx.SetState(none, mft.StateQueued, mft.Reason{}, at(0)) }},
		{"SetProgress", func(tx *Tx) error { return tx.SetProgress(none, mft.Count{}, mft.Count{}) }},
		{"AddAttempt", func(tx *Tx) error { return tx.AddAttempt(none) }},
		{"SetLanding", func(tx *Tx) error { return tx.SetLanding(none, Landing{}) }},
		{"AddStaging", func(tx *Tx) error { return tx.AddStaging(none, "s") }},
		{"ClearStaging", func(tx *Tx) error { return tx.ClearStaging(none) }},
		{"Prepare", func(tx *Tx) error { _, err := tx.Prepare(none, []Entry{{}}); return err }},
		{"Commit", func(tx *Tx) error { return tx.Commit(none, 1) }},
		{"Drop", func(tx *Tx) error { return tx.Drop(none, 1) }},
		{"SavePartial", func(tx *Tx) error { return tx.SavePartial(none, Partial{}) }},
		{"DropPartial", func(tx *Tx) error { return tx.DropPartial(none, key(0)) }},
		{"StoreReceipt", func(tx *Tx) error { return tx.StoreReceipt(none, mft.Receipt{}, nil) }},
	}
	j := newJournal(t)
	for _, test := range tests {
		refused(t, j, test.name, mft.CodeNotFound, test.f)
	}
}

func TestSetState(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	want := planned(0)
	want.State, want.Updated = mft.StateQueued, at(50)
	want.Reason = mft.Reason{Code: mft.CodeUnreachable, Detail: "host \xff is away"}
	update(t, j, func(tx *Tx) error { return tx.SetState(id(0), want.State, want.Reason, want.Updated) })
	refused(t, j, "queued to done", mft.CodeBadState, func(tx *Tx) error {
		return tx.SetState(id(0), mft.StateDone, mft.Reason{}, at(51))
	})
	if got, _, err := j.Transfer(t.Context(), id(0)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after SetState: %+v, %v; want %+v", got, err, want)
	}
}

func TestProgressAndAttempts(t *testing.T) {
	j := newJournal(t)
	create(t, j, 2)
	want := planned(0)
	want.Totals, want.Moved = mft.Count{Items: 10, Bytes: 1 << 50}, mft.Count{Items: 9, Bytes: 8}
	want.Attempts++
	update(t, j, func(tx *Tx) error {
		return errors.Join(tx.SetProgress(id(0), want.Totals, want.Moved), tx.AddAttempt(id(0)))
	})
	for _, want := range []mft.Transfer{want, planned(1)} {
		if got, _, err := j.Transfer(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Transfer = %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestTransfersFilter(t *testing.T) {
	j := newJournal(t)
	update(t, j, func(tx *Tx) error {
		for i := range 6 {
			tr := planned(i)
			if i%2 == 1 {
				tr.Role, tr.Peer, tr.Channel = mft.RoleReceive, "erp", "daily'; DROP TABLE transfers"
			}
			tr.State = []mft.State{mft.StatePlanned, mft.StateWaiting, mft.StateDone}[i%3]
			if err := tx.Create(tr); err != nil {
				return err
			}
		}
		return nil
	})
	tests := []struct {
		name string
		f    Filter
		want []int
	}{
		{"all", Filter{}, []int{0, 1, 2, 3, 4, 5}},
		{"newest", Filter{Newest: true, Limit: 2}, []int{5, 4}},
		{"oldest", Filter{Limit: 1}, []int{0}},
		{"states", Filter{States: []mft.State{mft.StatePlanned, mft.StateDone}}, []int{0, 2, 3, 5}},
		{"role", Filter{Role: mft.RoleReceive}, []int{1, 3, 5}},
		{"peer", Filter{Peer: "ledger", Newest: true}, []int{4, 2, 0}},
		{"channel", Filter{Channel: "daily'; DROP TABLE transfers", Limit: 9}, []int{1, 3, 5}},
		{"all of it", Filter{States: []mft.State{mft.StateWaiting}, Role: mft.RoleReceive, Peer: "erp"}, []int{1}},
		{"none", Filter{Channel: "daily"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			list, err := j.Transfers(t.Context(), test.f)
			var got []int
			for _, tr := range list {
				got = append(got, int(tr.ID[15])-1)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("Transfers(%+v) = %v, %v; want %v", test.f, got, err, test.want)
			}
		})
	}
}

func event(n int) mft.Event {
	return mft.Event{
		Time: at(n), Kind: mft.EventItem, Transfer: id(0), Channel: "nightly", Peer: "ledger",
		Code: mft.CodeCorrupt, Detail: fmt.Sprint(hostile, n),
	}
}

func TestEventsAreNumberedWithoutGaps(t *testing.T) {
	j := newJournal(t)
	undo := errors.New("undo")
	var want []mft.Event
	for n := range 12 {
		fail := n%4 == 3
		err := j.Update(t.Context(), func(tx *Tx) error {
			e := event(n)
			e.Seq = 999 // not the caller's to choose
			if n == 5 {
				e.Transfer = mft.TransferID{}
			}
			if err := tx.Append(e); err != nil {
				return err
			}
			if fail {
				return undo
			}
			e.Seq = int64(len(want) + 1)
			want = append(want, e)
			return nil
		})
		if fail != errors.Is(err, undo) {
			t.Fatalf("Update %d: %v", n, err)
		}
	}
	got, err := j.Events(t.Context(), 0, 0)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Events = %+v, %v; want %+v", got, err, want)
	}
	got, err = j.Events(t.Context(), 3, 2)
	if err != nil || !reflect.DeepEqual(got, want[3:5]) {
		t.Errorf("Events(3, 2) = %+v, %v; want %+v", got, err, want[3:5])
	}
	got, err = j.TransferEvents(t.Context(), id(0))
	if own := slices.Delete(slices.Clone(want), 4, 5); err != nil || !reflect.DeepEqual(got, own) {
		t.Errorf("TransferEvents = %+v, %v; want %+v", got, err, own)
	}
}

// TestMilestones has a transfer with more events than are read for its spans.
func TestMilestones(t *testing.T) {
	j := newJournal(t)
	const n, most = 6000, 2000
	var want []int64 // of the milestones
	update(t, j, func(tx *Tx) error {
		for i := range int64(n) {
			e := mft.Event{Kind: mft.EventOffered, Transfer: id(7)}
			if i%3 == 0 {
				e.Kind = mft.EventItem
			} else if i%5 == 0 {
				e.Transfer = id(8)
			} else {
				want = append(want, i+1)
			}
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	var got []int64
	list, err := j.Milestones(t.Context(), id(7))
	for _, e := range list {
		got = append(got, e.Seq)
	}
	if want = want[max(len(want)-most, 0):]; err != nil || !slices.Equal(got, want) {
		t.Errorf("Milestones returns %d events, %v; want %d", len(got), err, len(want))
	}
}

func TestWait(t *testing.T) {
	j := newJournal(t)
	add := func(n int) { update(t, j, func(tx *Tx) error { return tx.Append(event(n)) }) }
	add(0)
	if err := j.Wait(t.Context(), 0); err != nil {
		t.Errorf("Wait for what is there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Wait(ctx, 1); !errors.Is(err, context.Canceled) || mft.CodeOf(err) != mft.CodeCancelled {
		t.Errorf("Wait with a cancelled context: %v", err)
	}
	const followers = 3
	woken := make(chan error, followers)
	for range followers {
		go func() { woken <- j.Wait(t.Context(), 2) }()
	}
	add(1) // not what they wait for
	add(2)
	for range followers {
		if err := <-woken; err != nil {
			t.Errorf("Wait: %v", err)
		}
	}
	go func() { woken <- j.Wait(t.Context(), 3) }()
	if err := j.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-woken; mft.CodeOf(err) != mft.CodeJournal || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Wait while Close: %v", err)
	}
}

func TestStats(t *testing.T) {
	j := newJournal(t)
	create(t, j, 3)
	update(t, j, func(tx *Tx) error {
		return errors.Join(tx.Append(event(1)), tx.SetState(id(1), mft.StateFailed, mft.Reason{}, at(9)))
	})
	got, err := j.Stats(t.Context())
	if err != nil {
		t.Fatalf("Stats: %v", err)
	}
	if got.Size <= 0 || got.Size%4096 != 0 || got.Free < 0 || got.Free >= got.Size {
		t.Errorf("Stats: size %d, free %d", got.Size, got.Free)
	}
	got.Size, got.Free = 0, 0
	want := Stats{
		Version: len(form.Steps().Steps), Events: 1, Newest: 1,
		Transfers: map[mft.State]int64{mft.StatePlanned: 2, mft.StateFailed: 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}
