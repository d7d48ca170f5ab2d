// Package removal is how the journal keeps what a mirror is about to remove.
//
// It decides nothing about files; package transfer/mirror does.
package removal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A Removal is something at the destination of a mirror that is to go: a
// directory with all that is in it, or a file. Path is relative to
// Landing.Root; the rest tells it from what may have taken its place since.
type Removal struct {
	Path        string
	Dir         bool
	Inode       uint64
	Size, MTime int64 // of a file; 0 for a directory
	// Entries is how many there are of it: 1, and for a directory all that is
	// in it besides.
	Entries int64
}

// Encode returns how a plan stands in the journal, for each removal: uvarint
// length and bytes of the path, u8 1 for a directory, uvarint inode, uvarint
// size, varint time, uvarint entries.
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
		b = binary.AppendUvarint(b, uint64(r.Entries))
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
		numbers := [3]uint64{}
		for i, field := range []*uint64{&r.Inode, &numbers[0], nil, &numbers[2]} {
			var k int
			if field == nil {
				r.MTime, k = binary.Varint(b)
			} else {
				*field, k = binary.Uvarint(b)
			}
			if k <= 0 {
				return nil, fmt.Errorf("%w: field %d of entry %d", errDamaged, i, len(plan))
			}
			b = b[k:]
		}
		r.Size, r.Entries = int64(numbers[0]), int64(numbers[2])
		plan = append(plan, r)
	}
	return plan, nil
}
