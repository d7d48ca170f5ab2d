// Package batch is how the journal keeps what a receive is about to give its
// final names, and what it has: the keys and digests of a batch in one blob,
// the names in another.
//
// It knows nothing of states or tables, and bounds what it takes apart: any
// bytes may be given to [Codec.Decode].
package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"

	"mft.dev/mft"
)

// This file is the form of what a batch stores.
//
// keys: for each entry 16 bytes of key and 32 of digest, nothing else. It is
// kept after the commit and does not compress.
//
// names: one byte, 0 for plain or 1 for a zstd frame, then the list: uvarint
// count, and for each entry a byte of type, a byte of overwrite policy,
// uvarint size, and the temporary and the final path. A path is the uvarint
// length of the prefix that it shares with the same path of the entry before,
// the uvarint length of the rest, and the rest.

// The bounds of a batch.
const (
	Max      = 16384    // entries
	KeySize  = 16 + 32  // bytes of key and digest of an entry
	MaxPath  = 16 << 10 // bytes of one path
	MaxNames = 64 << 20 // bytes of all paths of a batch, and of its list
)

// An Entry is one item of a batch: verified, flushed under its temporary
// name, about to be renamed.
type Entry struct {
	// Key names the item within its transfer across attempts.
	Key [16]byte
	// Temp and Final are paths relative to the transfer's Landing.Root.
	Temp, Final string
	Digest      mft.Digest
	Size        int64
	Type        mft.ItemType
	Overwrite   mft.Overwrite
}

const (
	maxKept    = 1 << 20 // bytes of a buffer that is kept for the next batch
	compressAt = 1 << 10 // a shorter list is not worth it

	formPlain = 0
	formZstd  = 1
)

var errNames = errors.New("the names of a batch are damaged")

// overwrites returns the policies in the order of their bytes in a list.
func overwrites() [5]mft.Overwrite {
	return [...]mft.Overwrite{"", mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion, mft.OverwriteBounded}
}

// A Codec encodes and decodes batches. Decode may be called concurrently.
type Codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
	// What Encode returned last, to be used again. Only one update runs at a
	// time, and the database has copied the blobs before the next.
	keys, list, names []byte
}

// New returns a codec, to be closed.
func New() (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("preparing compression: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxNames))
	if err != nil {
		return nil, fmt.Errorf("preparing decompression: %w", err)
	}
	return &Codec{enc: enc, dec: dec}, nil
}

// Close gives up what the codec holds.
func (b *Codec) Close() error {
	b.dec.Close()
	return b.enc.Close()
}

// Encode returns the two blobs of a batch, valid until the next call, or an
// error that says which bound the entries exceed.
func (b *Codec) Encode(entries []Entry) (keys, names []byte, err error) {
	if len(entries) == 0 || len(entries) > Max {
		return nil, nil, fmt.Errorf("a batch has 1 to %d entries, not %d", Max, len(entries))
	}
	b.keys, b.list, b.names = reuse(b.keys), reuse(b.list), reuse(b.names)
	b.list = binary.AppendUvarint(append(b.list, formPlain), uint64(len(entries)))
	total := 0
	var temp, final string
	for _, e := range entries {
		b.keys = append(append(b.keys, e.Key[:]...), e.Digest[:]...)
		if b.list, err = appendEntry(b.list, e, temp, final); err != nil {
			return nil, nil, err
		}
		if total += len(e.Temp) + len(e.Final); total > MaxNames || len(b.list) > MaxNames {
			return nil, nil, fmt.Errorf("the names of a batch have at most %d bytes", MaxNames)
		}
		temp, final = e.Temp, e.Final
	}
	if len(b.list) < compressAt {
		return b.keys, b.list, nil
	}
	b.names = b.enc.EncodeAll(b.list[1:], append(b.names, formZstd))
	return b.keys, b.names, nil
}

// reuse returns b without content, or nothing if it is too large to keep.
func reuse(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}

func appendEntry(list []byte, e Entry, temp, final string) ([]byte, error) {
	policy := -1
	for i, o := range overwrites() {
		if o == e.Overwrite {
			policy = i
		}
	}
	switch {
	case policy < 0:
		return nil, fmt.Errorf("unknown overwrite policy %q", e.Overwrite)
	case e.Size < 0:
		return nil, fmt.Errorf("the size of an entry is negative")
	case len(e.Temp) > MaxPath || len(e.Final) > MaxPath:
		return nil, fmt.Errorf("a path has at most %d bytes", MaxPath)
	}
	list = append(list, byte(e.Type), byte(policy))
	list = binary.AppendUvarint(list, uint64(e.Size))
	return appendPath(appendPath(list, temp, e.Temp), final, e.Final), nil
}

func appendPath(list []byte, previous, path string) []byte {
	shared := 0
	for shared < min(len(previous), len(path)) && previous[shared] == path[shared] {
		shared++
	}
	list = binary.AppendUvarint(list, uint64(shared))
	list = binary.AppendUvarint(list, uint64(len(path)-shared))
	return append(list, path[shared:]...)
}

// Decode returns the entries of a batch. It takes any bytes, and uses memory
// in proportion to MaxNames at most.
func (b *Codec) Decode(keys, names []byte) ([]Entry, error) {
	if len(names) == 0 {
		return nil, errNames
	}
	list := names[1:]
	switch names[0] {
	case formPlain:
	case formZstd:
		var err error
		if list, err = b.dec.DecodeAll(list, nil); err != nil {
			return nil, fmt.Errorf("decompressing the names of a batch: %w", err)
		}
	default:
		return nil, errNames
	}
	if len(list) > MaxNames {
		return nil, errNames
	}
	r := listReader{rest: list}
	n := int(r.number(Max))
	if r.bad || len(keys) != n*KeySize {
		return nil, errNames
	}
	entries := make([]Entry, n)
	for i := range entries {
		r.entry(&entries[i])
		if r.bad {
			return nil, errNames
		}
		k := keys[i*KeySize:]
		copy(entries[i].Key[:], k)
		copy(entries[i].Digest[:], k[len(entries[i].Key):])
	}
	if len(r.rest) != 0 {
		return nil, errNames
	}
	return entries, nil
}

// A listReader takes a list of names apart. Once something is bad everything
// that follows is zero.
type listReader struct {
	rest        []byte
	bad         bool
	total       int // bytes of the paths so far
	temp, final string
}

// take returns the next n bytes.
func (r *listReader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

// number returns the next uvarint, at most limit.
func (r *listReader) number(limit int64) int64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 || v > uint64(limit) {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v)
}

func (r *listReader) path(previous string) string {
	shared := int(r.number(int64(len(previous))))
	rest := r.take(int(r.number(MaxPath)))
	if r.total += shared + len(rest); r.total > MaxNames || shared+len(rest) > MaxPath {
		r.bad = true
	}
	if r.bad {
		return ""
	}
	return previous[:shared] + string(rest)
}

func (r *listReader) entry(e *Entry) {
	head := r.take(2)
	size := r.number(math.MaxInt64)
	r.temp = r.path(r.temp)
	r.final = r.path(r.final)
	policies := overwrites()
	if r.bad || int(head[1]) >= len(policies) {
		r.bad = true
		return
	}
	e.Type, e.Overwrite = mft.ItemType(head[0]), policies[head[1]]
	e.Size, e.Temp, e.Final = size, r.temp, r.final
}
