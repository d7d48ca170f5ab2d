package marks

import (
	"encoding/binary"
	"errors"
	"fmt"

	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/delta"
)

// The form of a file: the magic, whose number is that of the form and of the
// marks; then, little endian, the nine fields of the identity, the seed, the
// length of the path in 4 bytes and the path, the marks, and the digest of
// everything before.
const (
	magic  = "mft marks 1\n"
	fields = 9
	seedAt = len(magic) + 8*fields
	pathAt = seedAt + len(delta.Seed{}) + 4
)

func encode(path string, id confine.Identity, r *delta.Record) []byte {
	b := make([]byte, 0, pathAt+len(path)+len(r.Marks)+32)
	b = append(b, magic...)
	b = appendIdentity(b, id)
	b = append(b, r.Seed[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(path)))
	b = append(b, path...)
	return sealed(append(b, r.Marks...))
}

// sealed appends the digest of b.
func sealed(b []byte) []byte {
	sum := blake3.Sum(b)
	return append(b, sum[:]...)
}

func appendIdentity(b []byte, id confine.Identity) []byte {
	for _, x := range [fields]uint64{
		id.Dev, id.Inode, uint64(id.Size), uint64(id.MTime), uint64(id.CTime), uint64(id.Mode), uint64(id.UID), uint64(id.GID), id.Nlink,
	} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

// parse returns the marks in b if they are those of the file at path that has
// this identity.
func parse(b []byte, path string, id confine.Identity) (*delta.Record, error) {
	end := len(b) - 32
	if end < pathAt || string(b[:len(magic)]) != magic {
		return nil, errors.New("it is of another form")
	}
	if blake3.Sum(b[:end]) != [32]byte(b[end:]) {
		return nil, errors.New("it was not written whole, or was damaged")
	}
	if string(b[len(magic):seedAt]) != string(appendIdentity(nil, id)) {
		return nil, errors.New("the file is another one by now, or another version")
	}
	r := &delta.Record{Size: id.Size}
	copy(r.Seed[:], b[seedAt:])
	n := int64(binary.LittleEndian.Uint32(b[pathAt-4:]))
	if n > int64(end-pathAt) || string(b[pathAt:pathAt+int(n)]) != path {
		return nil, errors.New("it is of another path")
	}
	if r.Marks = b[pathAt+int(n) : end : end]; !r.Whole() {
		return nil, fmt.Errorf("%d bytes of marks do not belong to a file of %d", len(r.Marks), id.Size)
	}
	return r, nil
}
