package errand

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// This file is the form of the entries of a batch: there is one for each small file,
// so it is written out. For each: key, digest, byte of type, byte of policy, uvarint
// size, and the temporary and the final path, each behind its uvarint length.

// fixedPart is the length of what has one.
const fixedPart = 16 + 32 + 1 + 1

// policies are the overwrite policies by their byte.
func policies() []mft.Overwrite {
	return []mft.Overwrite{"", mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion, mft.OverwriteBounded}
}

// PrepareOf returns the message for a batch.
func PrepareOf(entries []journal.Entry) Prepare {
	var b []byte
	known := policies()
	for i := range entries {
		e := &entries[i]
		b = append(append(b, e.Key[:]...), e.Digest[:]...)
		b = append(b, byte(e.Type), byte(slices.Index(known, e.Overwrite)))
		b = binary.AppendUvarint(b, uint64(e.Size))
		b = append(binary.AppendUvarint(b, uint64(len(e.Temp))), e.Temp...)
		b = append(binary.AppendUvarint(b, uint64(len(e.Final))), e.Final...)
	}
	return Prepare{Entries: b}
}

var errEntry = errors.New("an entry of the batch ends too early")

// List returns the entries, journal.MaxBatch at most.
func (p *Prepare) List() ([]journal.Entry, error) {
	var out []journal.Entry
	known := policies()
	for b := p.Entries; len(b) > 0; {
		if len(out) == journal.MaxBatch {
			return nil, fmt.Errorf("a batch has at most %d entries", journal.MaxBatch)
		}
		if len(b) < fixedPart {
			return nil, errEntry
		}
		var e journal.Entry
		b = b[copy(e.Key[:], b):]
		b = b[copy(e.Digest[:], b):]
		if int(b[1]) >= len(known) {
			return nil, fmt.Errorf("%d is no policy", b[1])
		}
		e.Type, e.Overwrite, b = mft.ItemType(b[0]), known[b[1]], b[2:]
		size, n := binary.Uvarint(b)
		if n <= 0 || int64(size) < 0 {
			return nil, errEntry
		}
		e.Size, b = int64(size), b[n:]
		for _, path := range []*string{&e.Temp, &e.Final} {
			length, n := binary.Uvarint(b)
			if n <= 0 || length > uint64(len(b)-n) {
				return nil, errEntry
			}
			*path, b = string(b[n:n+int(length)]), b[n+int(length):]
		}
		out = append(out, e)
	}
	return out, nil
}
