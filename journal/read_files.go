package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/journal/batch"
)

// chunk is how many batches Committed reads at a time. It keeps no read
// transaction open while its caller works: that would make the -wal grow.
const chunk = 8

// Landing returns where a receive puts its items, and whether that was
// stored.
func (j *Journal) Landing(ctx context.Context, id mft.TransferID) (Landing, bool, error) {
	var root, dir, name []byte
	var l Landing
	ok, err := j.db.Row(ctx, "reading where a transfer lands", `SELECT root, dir, name, set_id
		FROM landings JOIN transfers ON n = transfer WHERE id = ?`, []any{id[:]}, &root, &dir, &name, &l.AllowSetID)
	if err != nil || !ok {
		return Landing{}, false, err
	}
	l.Root, l.Dir, l.Name = string(root), string(dir), string(name)
	return l, true, nil
}

// Staging returns the staging directories of a transfer in the order in which
// they were recorded, relative to Landing.Root. One that is recorded may not
// exist.
func (j *Journal) Staging(ctx context.Context, id mft.TransferID) ([]string, error) {
	var out []string
	err := j.db.Rows(ctx, "reading staging directories", `SELECT dir FROM staging
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?) ORDER BY n`, []any{id[:]},
		func(rows *sql.Rows) error {
			var dir []byte
			err := rows.Scan(&dir)
			out = append(out, string(dir))
			return err
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Prepared returns the batches of a transfer that are in PREPARED, in the
// order of Prepare. They are held in memory all at once; a transfer that does
// not let them pile up has few.
func (j *Journal) Prepared(ctx context.Context, id mft.TransferID) ([]Batch, error) {
	var out []Batch
	err := j.db.Rows(ctx, "reading prepared batches", `SELECT batch, keys, names FROM batches JOIN prepared USING (batch)
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?) ORDER BY batch`, []any{id[:]},
		func(rows *sql.Rows) error {
			var b Batch
			var keys, names sql.RawBytes
			if err := rows.Scan(&b.N, &keys, &names); err != nil {
				return err
			}
			entries, err := j.blobs.Decode(keys, names)
			if err != nil {
				return fmt.Errorf("batch %d: %w", b.N, err)
			}
			b.Entries = entries
			out = append(out, b)
			return nil
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Committed calls f for every committed item of a transfer, in the order of
// their batches. An error of f ends that and is returned as it is. f may call
// other methods of the journal; what is committed meanwhile may be left out.
func (j *Journal) Committed(ctx context.Context, id mft.TransferID, f func(key [16]byte, d mft.Digest) error) error {
	after := int64(0)
	for {
		var some [][]byte
		err := j.db.Rows(ctx, "reading committed items", fmt.Sprintf(`SELECT batch, keys FROM batches
			WHERE transfer = (SELECT n FROM transfers WHERE id = ?) AND batch > ?
			AND NOT EXISTS (SELECT 1 FROM prepared WHERE prepared.batch = batches.batch)
			ORDER BY batch LIMIT %d`, chunk), []any{id[:], after},
			func(rows *sql.Rows) error {
				var keys []byte
				err := rows.Scan(&after, &keys)
				some = append(some, keys)
				return err
			})
		if err != nil {
			return err
		}
		for _, keys := range some {
			if err := eachKey(keys, f); err != nil {
				return err
			}
		}
		if len(some) < chunk {
			return nil
		}
	}
}

// eachKey takes the keys of one batch apart; the schema holds their length to
// whole entries.
func eachKey(keys []byte, f func(key [16]byte, d mft.Digest) error) error {
	for ; len(keys) >= batch.KeySize; keys = keys[batch.KeySize:] {
		var key [16]byte
		var d mft.Digest
		copy(d[:], keys[copy(key[:], keys):])
		if err := f(key, d); err != nil {
			return err
		}
	}
	return nil
}

// Partials returns the partial files of a transfer in the order of their
// keys.
func (j *Journal) Partials(ctx context.Context, id mft.TransferID) ([]Partial, error) {
	var out []Partial
	err := j.db.Rows(ctx, "reading partial files", `SELECT key, temp, position FROM partials
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?) ORDER BY key`, []any{id[:]},
		func(rows *sql.Rows) error {
			var p Partial
			var key, temp []byte
			err := rows.Scan(&key, &temp, &p.Offset)
			copy(p.Key[:], key)
			p.Temp = string(temp)
			out = append(out, p)
			return err
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Receipt returns the receipt of a transfer, the signed envelope that was stored
// with it, and whether there is one.
func (j *Journal) Receipt(ctx context.Context, id mft.TransferID) (r mft.Receipt, envelope []byte, ok bool, err error) {
	var named, detail, manifest []byte
	ok, err = j.db.Row(ctx, "reading a receipt", `SELECT named, receipts.code, receipts.detail, items, bytes, failed, manifest, envelope,
			receipts.same_items, receipts.same_bytes, receipts.removed
		FROM receipts JOIN transfers ON n = transfer WHERE id = ?`, []any{id[:]},
		&named, &r.Code, &detail, &r.Received.Items, &r.Received.Bytes, &r.Failed, &manifest, &envelope,
		&r.Unchanged.Items, &r.Unchanged.Bytes, &r.Removed)
	if err != nil || !ok {
		return mft.Receipt{}, nil, false, err
	}
	copy(r.Transfer[:], named)
	copy(r.Manifest[:], manifest)
	r.Detail = string(detail)
	return r, envelope, true, nil
}

// Sent returns what a channel sent last from path, and whether it sent
// anything from there.
func (j *Journal) Sent(ctx context.Context, channel, path string) (Sent, bool, error) {
	all, err := j.SentFrom(ctx, channel, []string{path})
	s, ok := all[path]
	return s, ok, err
}

// SentFrom returns what a channel sent last from each of some paths, at least one and no
// more than a thousand, by path; those from which it sent nothing are absent.
func (j *Journal) SentFrom(ctx context.Context, channel string, paths []string) (map[string]Sent, error) {
	args := []any{channel}
	for _, p := range paths {
		args = append(args, blob(p))
	}
	out := make(map[string]Sent, len(paths))
	query := "SELECT path, size, mtime, ctime, inode, transfer, at FROM sent WHERE channel = ? AND path IN (?" + strings.Repeat(",?", len(paths)-1) + ")"
	err := j.db.Rows(ctx, "reading what a channel sent", query, args, func(rows *sql.Rows) error {
		var s Sent
		var path, id sql.RawBytes
		var inode, at int64
		err := rows.Scan(&path, &s.Size, &s.MTime, &s.CTime, &inode, &id, &at)
		copy(s.Transfer[:], id)
		s.Path, s.Inode, s.At = string(path), uint64(inode), moment(at)
		out[s.Path] = s
		return err
	})
	return out, err
}
