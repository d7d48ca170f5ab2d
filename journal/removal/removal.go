// Package removal is how the journal keeps what a mirror is about to remove.
//
// It decides nothing about files; package transfer/mirror does.
package removal

import (
	"encoding/binary"
	"errors"
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

// Encode returns how a plan stands in the journal, for each removal: uvarint
// length and bytes of the path, u8 1 for a directory, uvarint inode, uvarint
// size, varint time.
func Encode(plan []Removal) []byte {
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

var errDamaged = errors.New("the plan is damaged")

// Decode takes any bytes.
func Decode(b []byte) ([]Removal, error) {
	var plan []Removal
	for len(b) > 0 {
		var r Removal
		n, k := binary.Uvarint(b)
		if k <= 0 || n >= uint64(len(b)-k) {
			return nil, errDamaged
		}
		r.Path, b = string(b[k:k+int(n)]), b[k+int(n):]
		r.Dir, b = b[0] == 1, b[1:]
		inode, i := binary.Uvarint(b)
		size, s := binary.Uvarint(b[max(i, 0):])
		mtime, t := binary.Varint(b[max(i, 0)+max(s, 0):])
		if i <= 0 || s <= 0 || t <= 0 {
			return nil, errDamaged
		}
		r.Inode, r.Size, r.MTime = inode, int64(size), mtime
		plan, b = append(plan, r), b[i+s+t:]
	}
	return plan, nil
}
