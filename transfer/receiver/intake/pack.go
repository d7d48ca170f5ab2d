package intake

import (
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// A File is one entry of a pack.
type File struct {
	Index uint64
	// Digest is the one that came with the content.
	Digest mft.Digest
	// Fits reports whether Content has it. Content that does not must never be
	// written.
	Fits    bool
	Content []byte
}

// A pack is the memory for verifying one pack after the other.
type pack struct {
	files    []File
	contents [][]byte
	digests  [][32]byte
}

// verify returns the files of the payload of a PACK frame, whose memory they
// share, until the next call.
func (k *pack) verify(payload []byte) ([]File, error) {
	k.files, k.contents = k.files[:0], k.contents[:0]
	err := protocol.WalkPack(payload, func(i uint64, d mft.Digest, content []byte) error {
		if len(k.files) == transfer.Window {
			return transfer.Nonsense("a pack has more files than can be due")
		}
		k.files = append(k.files, File{Index: i, Digest: d, Content: content})
		k.contents = append(k.contents, content)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// All at once: the short end of one file is hashed beside the beginning of
	// the next.
	k.digests = slices.Grow(k.digests[:0], len(k.files))[:len(k.files)]
	blake3.SumAll(k.digests, k.contents)
	for i := range k.files {
		k.files[i].Fits = mft.Digest(k.digests[i]) == k.files[i].Digest
	}
	return k.files, nil
}
