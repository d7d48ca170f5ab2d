package journal

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/leaving"
)

func TestLeaving(t *testing.T) {
	one := leaving.File{Path: []byte(hostile), Size: 1, MTime: 2, CTime: 3, Inode: 1<<63 + 4}
	two, other := leaving.File{Path: []byte("two")}, one
	other.CTime++
	type end struct {
		state mft.State
		code  mft.Code
		files []leaving.File
	}
	done := func(files ...leaving.File) end { return end{state: mft.StateDone, files: files} }
	for _, tt := range []struct {
		name   string
		ends   []end // of which the last takes the place of the first, if there are three
		due    bool
		leaves []leaving.File // of what was delivered
		apart  []string
	}{
		{name: "nothing yet", ends: []end{{state: mft.StateRunning}, {state: mft.StateQueued}}},
		{name: "one receipt", ends: []end{done(one), {state: mft.StateWaiting, files: []leaving.File{one}}}},
		{name: "both", ends: []end{done(one, two), done(two, one)}, due: true, leaves: []leaving.File{one, two}},
		{name: "another version", ends: []end{done(one, two), done(other, two)}, due: true, leaves: []leaving.File{two}, apart: []string{hostile}},
		{name: "one without", ends: []end{done(one, two), done(two)}, due: true, leaves: []leaving.File{two}, apart: []string{hostile}},
		{name: "one failed", ends: []end{done(one), {state: mft.StateFailed}}, due: true},
		{name: "one rejected while the other runs", ends: []end{{state: mft.StateRunning}, {state: mft.StateRejected}}, due: true},
		{name: "one cancelled", ends: []end{done(one), {state: mft.StateCancelled, code: mft.CodeCancelled}}, due: true},
		{name: "one failed over", ends: []end{{state: mft.StateCancelled, code: mft.CodeFailedOver}, done(one)}},
		{name: "its successor runs", ends: []end{{state: mft.StateCancelled, code: mft.CodeFailedOver}, done(one), {state: mft.StateRunning}}},
		{name: "its successor is done", ends: []end{{state: mft.StateCancelled, code: mft.CodeFailedOver}, done(one), done(one)}, due: true, leaves: []leaving.File{one}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJournal(t)
			for i, e := range tt.ends {
				update(t, j, func(tx *Tx) error {
					err := tx.Create(mft.Transfer{ID: id(i), Role: mft.RoleSend, Peer: "beta", State: e.state, Reason: mft.Reason{Code: e.code}})
					if err == nil && i < 2 {
						err = leaving.Begin(tx.Leaving(), id(i), id(0), "box", 2)
					} else if err == nil {
						err = leaving.Succeed(tx.Leaving(), id(0), id(i))
					}
					if err == nil && e.files != nil {
						err = leaving.Read(tx.Leaving(), id(i), e.files)
					}
					return err
				})
			}
			none := func(mft.TransferID) bool { return false }
			due, err := j.Leaves(t.Context(), "box", none)
			if err != nil || len(due) > 0 != tt.due {
				t.Fatalf("Leaves = %+v, %v, want one: %t", due, err, tt.due)
			}
			// What is pending is not forgotten.
			update(t, j, func(tx *Tx) error {
				if n, err := tx.Forget(time.Now(), 0); n > 0 || err != nil {
					return fmt.Errorf("%d transfers were forgotten (%w)", n, err)
				}
				return nil
			})
			if !tt.due {
				return
			}
			if p := due[0]; p.ID != id(0) || p.Delivered != (tt.leaves != nil) || !slices.EqualFunc(p.Files, tt.leaves, leaving.File.Same) || !slices.Equal(p.Apart, tt.apart) {
				t.Errorf("Leaves = %+v, want %+v, and apart %q", p, tt.leaves, tt.apart)
			}
			if due, err := j.Leaves(t.Context(), "box", func(mft.TransferID) bool { return true }); len(due) > 0 || err != nil {
				t.Errorf("Leaves without it = %+v, %v", due, err)
			}
			if due, err := j.Leaves(t.Context(), "other", none); len(due) > 0 || err != nil {
				t.Errorf("Leaves of another channel = %+v, %v", due, err)
			}
			update(t, j, func(tx *Tx) error { return leaving.Rest(tx.Leaving(), id(0), tt.leaves[:min(1, len(tt.leaves))]) })
			if due, err := j.Leaves(t.Context(), "box", none); err != nil || len(due[0].Files) != min(1, len(tt.leaves)) {
				t.Errorf("Leaves of the rest = %+v, %v", due, err)
			}
			update(t, j, func(tx *Tx) error { return leaving.End(tx.Leaving(), id(0)) })
			if due, err := j.Leaves(t.Context(), "box", none); len(due) > 0 || err != nil {
				t.Errorf("Leaves after the end = %+v, %v", due, err)
			}
		})
	}
}
