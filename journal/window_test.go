package journal

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestNextSequence(t *testing.T) {
	j := newJournal(t)
	tests := []struct {
		name      string
		recipient mft.AgentName
		now       time.Time
		want      uint64
	}{
		{"starts at the clock", "erp", time.UnixMicro(1000), 1000},
		{"grows when the clock stands", "erp", time.UnixMicro(1000), 1001},
		{"grows when the clock goes back", "erp", time.UnixMicro(5), 1002},
		{"follows the clock", "erp", time.UnixMicro(5000), 5000},
		{"is another for another", "ledger", time.UnixMicro(70), 70},
		{"is never 0", "archive", time.UnixMicro(-9), 1},
		{"and then grows", "archive", time.UnixMicro(0), 2},
	}
	for _, test := range tests {
		update(t, j, func(tx *Tx) error {
			got, err := tx.NextSequence(test.recipient, test.now)
			if err != nil || got != test.want {
				t.Errorf("%s: NextSequence = %d, %v; want %d", test.name, got, err, test.want)
			}
			return nil
		})
	}
}

func TestWitness(t *testing.T) {
	j := newJournal(t)
	j.window = 3
	tests := []struct {
		sender   mft.AgentName
		sequence uint64
		key      byte
		want     mft.Code
	}{
		{"erp", 0, 0, mft.CodeReplayed}, // the floor
		{"erp", 10, 0, ""},
		{"erp", 10, 0, mft.CodeReplayed},
		{"ledger", 10, 0, ""},
		{"erp", 5, 0, ""}, // out of order
		{"erp", 20, 0, ""},
		{"erp", 5, 0, mft.CodeReplayed},
		{"erp", 7, 0, ""},               // pushes 5 out
		{"erp", 5, 0, mft.CodeReplayed}, // the floor is 5 now
		{"erp", 6, 0, ""},               // above the floor, and below all others: becomes the floor
		{"erp", 6, 0, mft.CodeReplayed},
		{"erp", math.MaxUint64, 0, ""}, // pushes 7 out
		{"erp", 8, 0, ""},
		{"erp", math.MaxInt64, 0, ""},
		{"erp", math.MaxInt64 + 1, 0, ""},
		{"erp", 20, 0, mft.CodeReplayed},
		{"erp", math.MaxUint64, 0, mft.CodeReplayed},
		{"ledger", 1, 0, ""},
		{"erp", 8, 1, ""}, // another agent of this name
		{"erp", 8, 1, mft.CodeReplayed},
		{"erp", 7, 0, mft.CodeReplayed},
	}
	for i, test := range tests {
		what := fmt.Sprintf("step %d: Witness(%s, %d, %d)", i, test.sender, test.key, test.sequence)
		if test.want == "" {
			test.want = mft.CodeOK
		}
		refused(t, j, what, test.want, func(tx *Tx) error { return tx.Witness(test.sender, [16]byte{test.key}, test.sequence) })
	}
	var wrong int
	_, err := j.db.Row(t.Context(), "count", `SELECT count(*) FROM senders
		WHERE kept <> (SELECT count(*) FROM witnessed WHERE witnessed.sender = senders.sender)`, nil, &wrong)
	if err != nil || wrong != 0 {
		t.Errorf("%d windows have more or less than they count, %v", wrong, err)
	}
}

// A windowModel is the replay window said in the plainest way.
type windowModel struct {
	kept  []uint64
	floor uint64
}

func (m *windowModel) witness(s uint64, size int) bool {
	if s <= m.floor || slices.Contains(m.kept, s) {
		return false
	}
	m.kept = append(m.kept, s)
	slices.Sort(m.kept)
	if len(m.kept) > size {
		m.floor, m.kept = m.kept[0], m.kept[1:]
	}
	return true
}

func TestWitnessAgainstModel(t *testing.T) {
	j := newJournal(t)
	j.window = 4
	senders := 0
	rapid.Check(t, func(rt *rapid.T) {
		senders++
		sender := mft.AgentName(fmt.Sprint("s", senders))
		base := rapid.SampledFrom([]uint64{0, 1 << 50, math.MaxInt64 - 10, math.MaxUint64 - 30}).Draw(rt, "base")
		var model windowModel
		for range rapid.IntRange(1, 8).Draw(rt, "updates") {
			next := windowModel{slices.Clone(model.kept), model.floor}
			abort := rapid.IntRange(0, 4).Draw(rt, "abort") == 0
			err := j.Update(t.Context(), func(tx *Tx) error {
				for range rapid.IntRange(1, 8).Draw(rt, "steps") {
					s := base + rapid.Uint64Range(0, 30).Draw(rt, "sequence")
					err := tx.Witness(sender, [16]byte{1}, s)
					if code := mft.CodeOf(err); code != mft.CodeOK && code != mft.CodeReplayed {
						rt.Fatalf("Witness(%d): %v", s, err)
					}
					if got, want := err == nil, next.witness(s, j.window); got != want {
						rt.Fatalf("Witness(%d) accepted = %t, want %t; model %+v", s, got, want, next)
					}
				}
				if abort {
					return errUndo
				}
				return nil
			})
			switch {
			case abort && err != errUndo, !abort && err != nil:
				rt.Fatalf("Update = %v, abort %t", err, abort)
			case !abort:
				model = next
			}
		}
	})
}

// TestReplayWindowIsFull looks at both ends of the real window. Only the
// lowest sequences are really there: the count is what tells it to prune.
func TestReplayWindowIsFull(t *testing.T) {
	j := newJournal(t)
	whose := fmt.Sprintf("erp %x", [16]byte{})
	update(t, j, func(tx *Tx) error {
		_, err := tx.db.Exec("fill", "INSERT INTO witnessed VALUES (?2, ?1 + 1), (?2, ?1 + 2), (?2, ?1 + 3)", ordered(0), whose)
		if err != nil {
			return err
		}
		_, err = tx.db.Exec("fill", "INSERT INTO senders VALUES (?, ?, ?)", whose, ordered(0), 65535)
		return err
	})
	for _, test := range []struct {
		sequence uint64
		want     mft.Code
	}{
		{1, mft.CodeReplayed},
		{65536, mft.CodeOK},   // fits still
		{1, mft.CodeReplayed}, // seen
		{65537, mft.CodeOK},   // pushes 1 out
		{1, mft.CodeReplayed}, // below the floor
		{2, mft.CodeReplayed}, // seen
	} {
		refused(t, j, fmt.Sprint("Witness ", test.sequence), test.want, func(tx *Tx) error {
			return tx.Witness("erp", [16]byte{}, test.sequence)
		})
	}
	var n int
	if _, err := j.db.Row(t.Context(), "count", "SELECT count(*) FROM witnessed", nil, &n); err != nil || n != 4 {
		t.Errorf("%d sequences are remembered, %v; want 4", n, err)
	}
}
