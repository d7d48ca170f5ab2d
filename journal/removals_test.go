package journal

import (
	"slices"
	"testing"

	"mft.dev/mft"
)

func TestRemovalsAreKept(t *testing.T) {
	j := newJournal(t)
	tr := planned(1)
	plan := []Removal{{Path: "a", Inode: 1, Size: 2, MTime: 3}, {Path: "d", Dir: true, Inode: 4}}
	check := func(want []Removal, removed int64) {
		t.Helper()
		got, n, err := j.Removals(t.Context(), tr.ID)
		if err != nil || !slices.Equal(got, want) || n != removed {
			t.Errorf("Removals = %+v, %d, %v, want %+v, %d", got, n, err, want, removed)
		}
	}
	update(t, j, func(tx *Tx) error { return tx.Create(tr) })
	check(nil, 0)
	update(t, j, func(tx *Tx) error { return tx.PlanRemovals(tr.ID, plan) })
	check(plan, 0)
	update(t, j, func(tx *Tx) error { return tx.EndRemovals(tr.ID, 2) })
	check(nil, 2)
	update(t, j, func(tx *Tx) error { return tx.PlanRemovals(tr.ID, plan[1:]) })
	update(t, j, func(tx *Tx) error { return tx.EndRemovals(tr.ID, 5) })
	check(nil, 7)
	err := j.Update(t.Context(), func(tx *Tx) error { return tx.PlanRemovals(mft.TransferID{9}, plan) })
	if mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("PlanRemovals of an unknown transfer: %v", err)
	}
}
