package journal

import (
	"context"
	"encoding/binary"
	"errors"

	"mft.dev/mft"
)

// A Removal is something at the destination of a mirror that is to go: a
// directory with all that is in it, or a file. Path is relative to
// Landing.Root; the rest tells it from what may have taken its place since.
type Removal struct {
	Path        string
	Dir         bool
	Inode       uint64
	Size, MTime int64 // of a file; 0 for a directory
}

// PlanRemovals records what a transfer is about to remove, in place of what
// was planned before.
func (tx *Tx) PlanRemovals(id mft.TransferID, plan []Removal) error {
	const doing = "plan removals"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO removals (transfer, plan, removed) VALUES (?1, ?2, 0)
		ON CONFLICT (transfer) DO UPDATE SET plan = ?2`, n, encodeRemovals(plan))
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
	if plan, err = decodeRemovals(b); err != nil {
		return nil, 0, mft.Fail(mft.CodeJournal, "read removals", id.String(), err)
	}
	return plan, removed, nil
}

// encodeRemovals stores for each: uvarint length and bytes of the path, u8 1
// for a directory, uvarint inode, uvarint size, varint time.
func encodeRemovals(plan []Removal) []byte {
	b := []byte{}
	for i := range plan {
		r := &plan[i]
		b = binary.AppendUvarint(b, uint64(len(r.Path)))
		b = append(b, r.Path...)
		kind := byte(0)
		if r.Dir {
			kind = 1
		}
		b = append(b, kind)
		b = binary.AppendUvarint(b, r.Inode)
		b = binary.AppendUvarint(b, uint64(r.Size))
		b = binary.AppendVarint(b, r.MTime)
	}
	return b
}

var errRemovals = errors.New("the plan is damaged")

// decodeRemovals takes any bytes.
func decodeRemovals(b []byte) ([]Removal, error) {
	var plan []Removal
	for len(b) > 0 {
		var r Removal
		n, k := binary.Uvarint(b)
		if k <= 0 || n >= uint64(len(b)-k) {
			return nil, errRemovals
		}
		r.Path, b = string(b[k:k+int(n)]), b[k+int(n):]
		r.Dir, b = b[0] == 1, b[1:]
		inode, i := binary.Uvarint(b)
		size, s := binary.Uvarint(b[max(i, 0):])
		mtime, t := binary.Varint(b[max(i, 0)+max(s, 0):])
		if i <= 0 || s <= 0 || t <= 0 {
			return nil, errRemovals
		}
		r.Inode, r.Size, r.MTime = inode, int64(size), mtime
		plan, b = append(plan, r), b[i+s+t:]
	}
	return plan, nil
}
