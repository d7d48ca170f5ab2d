package journal

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/journal/removal"
)

// A Removal is one entry of a plan; see package removal.
type Removal = removal.Removal

// PlanRemovals records what a transfer is about to remove, in place of what
// was planned before.
func (tx *Tx) PlanRemovals(id mft.TransferID, plan []Removal) error {
	const doing = "plan removals"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO removals (transfer, plan, removed) VALUES (?1, ?2, 0)
		ON CONFLICT (transfer) DO UPDATE SET plan = ?2`, n, removal.Encode(plan))
	return err
}

// EndRemovals records that what was planned has been done, and adds to how
// much was removed.
func (tx *Tx) EndRemovals(id mft.TransferID, removed int64) error {
	const doing = "end removals"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, "UPDATE removals SET plan = ?2, removed = removed + ?3 WHERE transfer = ?1", n, []byte{}, removed)
	return err
}

// Removals returns what a transfer has planned to remove and not said to be
// done, and how much it has removed before.
func (j *Journal) Removals(ctx context.Context, id mft.TransferID) (plan []Removal, removed int64, err error) {
	var b []byte
	ok, err := j.db.Row(ctx, "reading removals", `SELECT plan, removed FROM removals
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?)`, []any{id[:]}, &b, &removed)
	if err != nil || !ok {
		return nil, 0, err
	}
	if plan, err = removal.Decode(b); err != nil {
		return nil, 0, mft.Fail(mft.CodeJournal, "read removals", id.String(), err)
	}
	return plan, removed, nil
}
