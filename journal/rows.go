package journal

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
)

// This file holds how values stand in the database.

var (
	errStrings = errors.New("a list of strings is damaged")
	errID      = errors.New("an id does not have 16 bytes")
)

// blob returns the bytes of s, and not nil, which would be NULL.
func blob(s string) []byte { return append([]byte{}, s...) }

// nanos and moment store a time; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// encodeStrings stores a list of byte strings: for each the uvarint length
// and the bytes.
func encodeStrings(list []string) []byte {
	out := []byte{}
	for _, s := range list {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

// decodeStrings takes any bytes.
func decodeStrings(b []byte) ([]string, error) {
	var list []string
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errStrings
		}
		b = b[size:]
		list = append(list, string(b[:n]))
		b = b[n:]
	}
	return list, nil
}

// decodeID reads a transfer id; none is the zero id.
func decodeID(b []byte) (id mft.TransferID, err error) {
	if len(b) != len(id) && len(b) != 0 {
		return id, errID
	}
	copy(id[:], b)
	return id, nil
}

// transferColumns are those of a transferRow, in its order.
const transferColumns = `id, role, peer, channel, state, code, detail, sources, destination, overwrite, requested,
	total_items, total_bytes, moved_items, moved_bytes, created, updated, attempts,
	compare, mirror, most_files, most_percent, same_items, same_bytes, removed, compress, run, preserve`

// A transferRow receives a row of transfers.
type transferRow struct {
	t                            mft.Transfer
	id                           []byte
	detail, sources, destination []byte
	created, updated             int64
}

func (r *transferRow) dest() []any {
	t := &r.t
	return []any{
		&r.id, &t.Role, &t.Peer, &t.Channel, &t.State, &t.Reason.Code, &r.detail, &r.sources, &r.destination,
		&t.Overwrite, &t.Requested, &t.Totals.Items, &t.Totals.Bytes, &t.Moved.Items, &t.Moved.Bytes,
		&r.created, &r.updated, &t.Attempts,
		&t.Compare, &t.Mirror.On, &t.Mirror.MaxFiles, &t.Mirror.MaxPercent, &t.Unchanged.Items, &t.Unchanged.Bytes, &t.Removed, &t.Compress, &t.Run, &t.Preserve,
	}
}

func (r *transferRow) transfer() (_ mft.Transfer, err error) {
	t := r.t
	if t.ID, err = decodeID(r.id); err != nil {
		return mft.Transfer{}, err
	}
	if t.Sources, err = decodeStrings(r.sources); err != nil {
		return mft.Transfer{}, fmt.Errorf("sources of transfer %s: %w", t.ID, err)
	}
	t.Reason.Detail, t.Destination = string(r.detail), string(r.destination)
	t.Created, t.Updated = moment(r.created), moment(r.updated)
	return t, nil
}

const eventColumns = "seq, at, kind, transfer, channel, peer, code, detail"

// scanEvent reads a row of eventColumns.
func scanEvent(rows *sql.Rows) (e mft.Event, err error) {
	var at int64
	var id, detail []byte
	if err := rows.Scan(&e.Seq, &at, &e.Kind, &id, &e.Channel, &e.Peer, &e.Code, &detail); err != nil {
		return mft.Event{}, err
	}
	if e.Transfer, err = decodeID(id); err != nil {
		return mft.Event{}, fmt.Errorf("event %d: %w", e.Seq, err)
	}
	e.Time, e.Detail = moment(at), string(detail)
	return e, nil
}
