package journal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func drawRemovals(t *rapid.T) []Removal {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Removal {
		return Removal{
			Path: rapid.String().Draw(t, "path"), Dir: rapid.Bool().Draw(t, "dir"), Inode: rapid.Uint64().Draw(t, "inode"),
			Size: rapid.Int64Min(0).Draw(t, "size"), MTime: rapid.Int64().Draw(t, "time"),
		}
	}), 0, 20).Draw(t, "plan")
}

func TestRemovalsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRemovals(t)
		got, err := decodeRemovals(encodeRemovals(want))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("decodeRemovals = %+v, %v, want %+v", got, err, want)
		}
	})
}

func FuzzDecodeRemovals(f *testing.F) {
	f.Add(encodeRemovals([]Removal{{Path: "a/b", Inode: 7, Size: 8, MTime: -9}, {Path: "c", Dir: true}}))
	f.Add([]byte{1})
	f.Add([]byte{0, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		plan, err := decodeRemovals(b)
		if err != nil {
			return
		}
		again, err := decodeRemovals(encodeRemovals(plan))
		if err != nil || !slices.Equal(again, plan) {
			t.Fatalf("decoded again: %+v, %v, want %+v", again, err, plan)
		}
	})
}

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
