package journal

import (
	"slices"
	"testing"

	"mft.dev/mft"
)

func TestChannelState(t *testing.T) {
	j := newJournal(t)
	if state, err := j.Channel(t.Context(), "nightly"); err != nil || len(state) != 0 {
		t.Errorf("a channel that is new: %q, %v", state, err)
	}
	for _, want := range []string{`{"Phase":"running"}`, "{}"} {
		update(t, j, func(tx *Tx) error { return tx.SetChannel("nightly", []byte(want)) })
		if state, err := j.Channel(t.Context(), "nightly"); err != nil || string(state) != want {
			t.Errorf("Channel = %q, %v; want %q", state, err, want)
		}
	}
	if state, err := j.Channel(t.Context(), "hourly"); err != nil || len(state) != 0 {
		t.Errorf("another channel: %q, %v", state, err)
	}
}

func TestForgetSent(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	for _, path := range []string{hostile, "other"} {
		update(t, j, func(tx *Tx) error { return tx.MarkSent("nightly", Sent{Path: path, Size: 1, Transfer: id(0)}) })
	}
	for range 2 {
		update(t, j, func(tx *Tx) error { _, err := tx.ForgetSent("nightly", hostile); return err })
	}
	if _, ok, err := j.Sent(t.Context(), "nightly", hostile); ok || err != nil {
		t.Errorf("what was forgotten: %v, %v", ok, err)
	}
	if _, ok, err := j.Sent(t.Context(), "nightly", "other"); !ok || err != nil {
		t.Errorf("what was not: %v, %v", ok, err)
	}
}

func TestRunCounts(t *testing.T) {
	j := newJournal(t)
	for i, tr := range []mft.Transfer{
		{Run: "one", State: mft.StateDone, Moved: mft.Count{Items: 2, Bytes: 20}},
		{Run: "one", State: mft.StateDone, Moved: mft.Count{Items: 1, Bytes: 5}},
		{Run: "one", State: mft.StateFailed},
		{Run: "two", State: mft.StateQueued, Moved: mft.Count{Items: 7}},
		{State: mft.StateQueued},
	} {
		tr.ID, tr.Role, tr.Peer = id(i), mft.RoleSend, "beta"
		update(t, j, func(tx *Tx) error { return tx.Create(tr) })
	}
	states, moved, err := j.RunCounts(t.Context(), "one")
	if err != nil || len(states) != 2 || states[mft.StateDone] != 2 || states[mft.StateFailed] != 1 || moved != (mft.Count{Items: 3, Bytes: 25}) {
		t.Errorf("RunCounts = %v, %v, %v", states, moved, err)
	}
	list, err := j.Transfers(t.Context(), Filter{Run: "one", States: []mft.State{mft.StateFailed}})
	if err != nil || len(list) != 1 || list[0].ID != id(2) || list[0].Run != "one" {
		t.Errorf("Transfers of a run: %v, %v", list, err)
	}
	if states, _, err := j.RunCounts(t.Context(), ""); err != nil || len(states) != 0 {
		t.Errorf("RunCounts of no run: %v, %v", states, err)
	}
}

// TestFilesAreFound: transfers are found by what they send, and by where they land.
func TestFilesAreFound(t *testing.T) {
	j := newJournal(t)
	for i, sources := range [][]string{{"/srv/out/a.csv", "/srv/out/" + hostile}, {"/srv/out/b"}, nil, nil} {
		update(t, j, func(tx *Tx) error {
			return tx.Create(mft.Transfer{ID: id(i), Role: mft.RoleSend, Peer: "beta", State: mft.StateQueued, Sources: sources})
		})
	}
	for i, l := range []Landing{{Root: "/srv/in", Dir: "x"}, {Root: "/srv/in/x", Name: hostile}} {
		update(t, j, func(tx *Tx) error { return tx.SetLanding(id(2+i), l) })
	}
	for _, tt := range []struct {
		name string
		f    Filter
		want []mft.TransferID
	}{
		{"a source", Filter{Source: "/srv/out/b"}, []mft.TransferID{id(1)}},
		{"a part of one", Filter{Source: "/srv/out/"}, nil},
		{"bytes of some", Filter{Naming: "/srv/out/"}, []mft.TransferID{id(0), id(1)}},
		{"hostile bytes", Filter{Naming: hostile}, []mft.TransferID{id(0)}},
		{"no source", Filter{Source: "/srv/out/c"}, nil},
		{"below both roots", Filter{Into: "/srv/in/x/y"}, []mft.TransferID{id(2), id(3)}},
		{"below one", Filter{Into: "/srv/in/y"}, []mft.TransferID{id(2)}},
		{"below none", Filter{Into: "/srv/out"}, nil},
		{"a name", Filter{Named: hostile}, []mft.TransferID{id(3)}},
	} {
		var got []mft.TransferID
		list, err := j.Transfers(t.Context(), tt.f)
		for _, one := range list {
			got = append(got, one.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: Transfers = %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}
