package journal

import (
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
)

// NextSequence returns the next sequence for messages to recipient: one more
// than the last, and at least now in microseconds since the Unix epoch, so
// that a host that lost its journal goes on above what it has used.
func (tx *Tx) NextSequence(recipient mft.AgentName, now time.Time) (uint64, error) {
	var next int64
	_, err := tx.db.Row("take a sequence", `INSERT INTO sequences (recipient, last) VALUES (?1, max(1, ?2))
		ON CONFLICT (recipient) DO UPDATE SET last = max(last + 1, ?2) RETURNING last`,
		[]any{string(recipient), now.UnixMicro()}, &next)
	return uint64(next), err
}

// Witness records that a message of sender with this sequence, signed with this
// key, was seen. Each key has its own window, because agents that share a name
// count on their own. The error has code CodeReplayed when it was seen before, or is so far behind
// that it may have been: the journal remembers the ReplayWindow highest
// sequences of each key, and a floor below them. A key starts with floor 0. No clock is involved.
func (tx *Tx) Witness(sender mft.AgentName, key [16]byte, sequence uint64) error {
	const doing = "check a message for replay"
	replayed := func(why string) error {
		return mft.Fail(mft.CodeReplayed, doing, string(sender), fmt.Errorf("sequence %d %s", sequence, why))
	}
	value, whose := ordered(sequence), fmt.Sprintf("%s %x", sender, key)
	floor, kept := ordered(0), 0
	_, err := tx.db.Row(doing, "SELECT floor, kept FROM senders WHERE sender = ?", []any{whose}, &floor, &kept)
	if err != nil {
		return err
	}
	// Before windows were those of keys they were those of names: what was seen
	// then stays seen.
	earlier, err := tx.db.Row(doing, `SELECT 1 FROM senders WHERE sender = ?1 AND floor >= ?2
		UNION ALL SELECT 1 FROM witnessed WHERE sender = ?1 AND sequence = ?2`, []any{string(sender), value}, new(int))
	if err != nil {
		return err
	}
	if earlier || value <= floor {
		return replayed("is not above the floor of what is remembered")
	}
	added, err := tx.db.Exec(doing, "INSERT INTO witnessed (sender, sequence) VALUES (?, ?) ON CONFLICT DO NOTHING",
		whose, value)
	if err != nil {
		return err
	}
	if added == 0 {
		return replayed("was seen before")
	}
	if kept++; kept > tx.window {
		ok, err := tx.db.Row(doing, `DELETE FROM witnessed WHERE sender = ?1
			AND sequence = (SELECT min(sequence) FROM witnessed WHERE sender = ?1) RETURNING sequence`,
			[]any{whose}, &floor)
		if err != nil {
			return err
		}
		if !ok {
			return tx.db.Break(doing, errors.New("the replay window counts more than it holds"))
		}
		kept--
	}
	_, err = tx.db.Exec(doing, `INSERT INTO senders (sender, floor, kept) VALUES (?, ?, ?)
		ON CONFLICT (sender) DO UPDATE SET floor = excluded.floor, kept = excluded.kept`,
		whose, floor, kept)
	return err
}

// ordered maps a sequence to an INTEGER of the same order.
func ordered(sequence uint64) int64 { return int64(sequence ^ 1<<63) }
