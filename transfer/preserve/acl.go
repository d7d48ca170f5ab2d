package preserve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	wire "mft.dev/mft/protocol/xattr"
)

// The form of an access list in an extended attribute: a version u32, and for each entry a
// tag u16, permissions u16 and an id u32, little-endian. It is that of
// include/uapi/linux/posix_acl_xattr.h.
const (
	version   = 2
	headSize  = 4
	entrySize = 8
)

func parse(b []byte) (wire.ACL, error) {
	if len(b) < headSize || (len(b)-headSize)%entrySize != 0 || binary.LittleEndian.Uint32(b) != version {
		return nil, fmt.Errorf("the access list is of a form that is not known, %d bytes", len(b))
	}
	var out wire.ACL
	for b = b[headSize:]; len(b) > 0; b = b[entrySize:] {
		tag, perm := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		if tag > uint16(wire.Other) || perm > 7 {
			return nil, fmt.Errorf("the access list has an entry that is not known: %d, %d", tag, perm)
		}
		e := wire.Entry{Tag: wire.Tag(tag), Perm: uint8(perm)}
		if e.Tag.Named() {
			e.ID = binary.LittleEndian.Uint32(b[4:])
		}
		out = append(out, e)
	}
	slices.SortFunc(out, before)
	return out, nil
}

// before is the order of entries.
func before(a, b wire.Entry) int {
	if a.Tag != b.Tag {
		return int(a.Tag) - int(b.Tag)
	}
	return int(int64(a.ID) - int64(b.ID))
}

func format(l wire.ACL) []byte {
	b := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range l {
		id := uint32(wire.Nobody)
		if e.Tag.Named() {
			id = e.ID
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Tag))
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Perm))
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// unfit is fail for what a file system does not take; that it has no room for more in one
// file does not mean that it is full.
func unfit(op string, f *os.File, err error) error {
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return refuse(op, f, errors.New("the file system has none"))
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.E2BIG), errors.Is(err, syscall.ERANGE), errors.Is(err, syscall.EINVAL):
		return refuse(op, f, fmt.Errorf("the file system does not take them: %w", err))
	}
	return fail(op, f, err)
}

func fail(op string, f *os.File, err error) error {
	return mft.Fail(confine.CodeFor(err), op, f.Name(), err)
}

func refuse(op string, f *os.File, err error) error {
	return mft.Fail(mft.CodeUnpreserved, op, f.Name(), err)
}
