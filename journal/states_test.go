package journal

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// TestStatesAgainstModel drives transfers through random states, with
// functions that change several at once and may be undone, and holds the
// journal to mft.State.
func TestStatesAgainstModel(t *testing.T) {
	j := newJournal(t)
	created := 0
	rapid.Check(t, func(rt *rapid.T) {
		base := created
		const n = 3
		model := make([]mft.State, n) // "" does not exist
		created += n
		for range rapid.IntRange(1, 8).Draw(rt, "updates") {
			next := append([]mft.State(nil), model...)
			abort := rapid.IntRange(0, 5).Draw(rt, "abort") == 0
			err := j.Update(t.Context(), func(tx *Tx) error {
				for range rapid.IntRange(1, 8).Draw(rt, "steps") {
					i := rapid.IntRange(0, n-1).Draw(rt, "which")
					to := rapid.SampledFrom(mft.States()).Draw(rt, "state")
					step(rt, tx, id(base+i), &next[i], to)
				}
				if abort {
					return errUndo
				}
				return nil
			})
			switch {
			case abort && !errors.Is(err, errUndo), !abort && err != nil:
				rt.Fatalf("Update = %v, abort %t", err, abort)
			case !abort:
				model = next
			}
			for i, want := range model {
				got, ok, err := j.Transfer(t.Context(), id(base+i))
				if err != nil || ok != (want != "") || got.State != want {
					rt.Fatalf("transfer %d is %q, %t, %v; want %q", i, got.State, ok, err, want)
				}
			}
		}
	})
}

// step creates a transfer or changes its state, and holds the answer to the
// model, which it brings up to date. A refusal must change nothing.
func step(rt *rapid.T, tx *Tx, id mft.TransferID, model *mft.State, to mft.State) {
	if rapid.IntRange(0, 3).Draw(rt, "create") == 0 || *model == "" {
		err := tx.Create(mft.Transfer{ID: id, State: to})
		want := mft.CodeOK
		if *model != "" {
			want = mft.CodeBadState
		} else {
			*model = to
		}
		if got := mft.CodeOf(err); got != want {
			rt.Fatalf("Create: %v, want code %s", err, want)
		}
		return
	}
	err := tx.SetState(id, to, mft.Reason{}, at(0))
	want := mft.CodeOK
	if model.CanBecome(to) {
		*model = to
	} else {
		want = mft.CodeBadState
	}
	if got := mft.CodeOf(err); got != want {
		rt.Fatalf("SetState to %s: %v, want code %s", to, err, want)
	}
}
