package journal

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
)

var errUndo = errors.New("undo")

// ids returns which transfers there are.
func ids(t testing.TB, j *Journal) []int {
	t.Helper()
	list, err := j.Transfers(t.Context(), Filter{})
	if err != nil {
		t.Fatalf("Transfers: %v", err)
	}
	var out []int
	for _, tr := range list {
		out = append(out, int(tr.ID[14])<<8+int(tr.ID[15])-1)
	}
	return out
}

func forget(t testing.TB, j *Journal, before, keep int) (n int) {
	t.Helper()
	update(t, j, func(tx *Tx) (err error) {
		n, err = tx.Forget(at(before), keep)
		return err
	})
	return n
}

func seqs(t testing.TB, j *Journal) []int64 {
	t.Helper()
	list, err := j.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatalf("Events: %v", err)
	}
	var out []int64
	for _, e := range list {
		out = append(out, e.Seq)
	}
	return out
}

func TestForgetChooses(t *testing.T) {
	tests := []struct {
		name         string
		before, keep int
		want         []int // dropped of 0…5, where 2 is running and 3 has staging
	}{
		{"nothing is that old", 10, 0, nil},
		{"the oldest", 12, 0, []int{0, 1}},
		{"all that may go", 100, 0, []int{0, 1, 4, 5}},
		{"the newest are spared", 100, 2, []int{0, 1}},
		{"all are spared", 100, 5, nil},
		{"a negative keep is none", 100, -1, []int{0, 1, 4, 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := newJournal(t)
			update(t, j, func(tx *Tx) error {
				for i := range 6 {
					tr := planned(i)
					tr.State, tr.Updated = mft.StateDone, at(10+i)
					if i == 2 {
						tr.State = mft.StateRunning
					}
					if err := tx.Create(tr); err != nil {
						return err
					}
				}
				return tx.AddStaging(id(3), "s")
			})
			var want []int
			for i := range 6 {
				if !slices.Contains(test.want, i) {
					want = append(want, i)
				}
			}
			if n := forget(t, j, test.before, test.keep); n != len(test.want) {
				t.Errorf("Forget = %d, want %d", n, len(test.want))
			}
			if got := ids(t, j); !slices.Equal(got, want) {
				t.Errorf("left %v, want %v", got, want)
			}
		})
	}
}

func TestForgetTakesEverythingOfATransfer(t *testing.T) {
	j := newJournal(t)
	create(t, j, 2)
	for n := range 2 {
		b := batches(t, j, id(n), 2, 2)
		update(t, j, func(tx *Tx) error {
			return errors.Join(
				tx.SetLanding(id(n), Landing{Root: "/srv"}), tx.SavePartial(id(n), Partial{Key: key(1)}),
				tx.StoreReceipt(id(n), mft.Receipt{Transfer: id(n)}, nil), tx.Commit(id(n), b[0].N),
				tx.SetState(id(n), mft.StateCancelled, mft.Reason{}, at(5+n)))
		})
	}
	count := func() map[string]int {
		out := make(map[string]int)
		for _, table := range []string{"transfers", "landings", "partials", "batches", "prepared", "receipts"} {
			var n int
			if _, err := j.db.Row(t.Context(), "count", "SELECT count(*) FROM "+table, nil, &n); err != nil {
				t.Fatal(err)
			}
			out[table] = n
		}
		return out
	}
	before := count()
	if n := forget(t, j, 6, 0); n != 1 {
		t.Fatalf("Forget = %d, want 1", n)
	}
	want := make(map[string]int)
	for table, n := range before {
		want[table] = n / 2
	}
	if got := count(); !reflect.DeepEqual(got, want) {
		t.Errorf("rows left %v, want half of %v", got, before)
	}
	if _, _, ok, err := j.Receipt(t.Context(), id(1)); err != nil || !ok {
		t.Errorf("the receipt of the transfer that stays: %t, %v", ok, err)
	}
	if got := committed(t, j, id(1)); len(got) != 2 {
		t.Errorf("committed keys of the transfer that stays: %v", got)
	}
}

func TestForgetEvents(t *testing.T) {
	j := newJournal(t)
	add := func(n int, of mft.TransferID) {
		update(t, j, func(tx *Tx) error {
			e := event(n)
			e.Transfer = of
			return tx.Append(e)
		})
	}
	finish := func(n int) {
		update(t, j, func(tx *Tx) error { return tx.SetState(id(n), mft.StateFailed, mft.Reason{}, at(5)) })
	}
	add(1, id(0)) // 1: before its transfer is known
	add(1, id(1)) // 2: the same, of one that stays
	create(t, j, 2)
	add(3, mft.TransferID{}) // 3: old, of none
	add(4, id(1))            // 4
	add(90, id(8))           // 5: young, of an unknown one
	add(5, id(8))            // 6: old, of an unknown one
	add(6, id(0))            // 7: the newest
	finish(0)
	if n := forget(t, j, 10, 0); n != 1 {
		t.Fatalf("Forget = %d, want 1", n)
	}
	if got, want := seqs(t, j), []int64{2, 4, 5, 7}; !slices.Equal(got, want) {
		t.Errorf("events left %v, want %v", got, want)
	}
	stats, err := j.Stats(t.Context())
	if err != nil || stats.Forgotten != 6 || stats.Newest != 7 {
		t.Errorf("Stats: forgotten %d, newest %d, %v; want 6 and 7", stats.Forgotten, stats.Newest, err)
	}
	add(95, mft.TransferID{}) // 8: goes on without a gap, and frees 7
	forget(t, j, 10, 0)
	if got, want := seqs(t, j), []int64{2, 4, 5, 8}; !slices.Equal(got, want) {
		t.Errorf("events left at the end %v, want %v", got, want)
	}
}

func TestForgetIsBounded(t *testing.T) {
	j := newJournal(t)
	const more = 5
	update(t, j, func(tx *Tx) error {
		first := planned(0)
		first.State = mft.StateDone
		if err := errors.Join(tx.Create(first), tx.Append(mft.Event{Time: at(0)})); err != nil {
			return err
		}
		// The others are copies of these.
		const copies = "WITH RECURSIVE c(v) AS (SELECT 2 UNION ALL SELECT v + 1 FROM c WHERE v < ?) INSERT INTO "
		_, err := tx.db.Exec("copy", copies+"transfers ("+transferColumns+") SELECT "+
			strings.Replace(transferColumns, "id", "randomblob(16)", 1)+" FROM c, transfers", ForgetAtMost+more)
		if err != nil {
			return err
		}
		_, err = tx.db.Exec("copy", copies+"events ("+eventColumns+", loose) SELECT "+
			strings.Replace(eventColumns, "seq", "v", 1)+", loose FROM c, events", ForgetAtMost+more)
		return err
	})
	for i, want := range []int{ForgetAtMost, more, 0} {
		if got := forget(t, j, 1<<30, 0); got != want {
			t.Errorf("Forget number %d = %d, want %d", i+1, got, want)
		}
	}
	if got := seqs(t, j); !slices.Equal(got, []int64{ForgetAtMost + more}) {
		t.Errorf("events left: %d, the first %v", len(got), got[0])
	}
}

// TestForgetKnowsTheTerminalStates holds the list of states in its query to
// mft.State.
func TestForgetKnowsTheTerminalStates(t *testing.T) {
	j := newJournal(t)
	var want []int
	update(t, j, func(tx *Tx) error {
		for i, s := range mft.States() {
			tr := planned(i)
			tr.State = s
			if err := tx.Create(tr); err != nil {
				return err
			}
			if !s.Terminal() {
				want = append(want, i)
			}
		}
		return nil
	})
	forget(t, j, 1<<20, 0)
	if got := ids(t, j); !slices.Equal(got, want) {
		t.Errorf("left %v, want those in states that are not terminal, %v", got, want)
	}
}
