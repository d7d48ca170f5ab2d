// Package zframe is the compressed form of a frame of a data connection: a
// frame of kind zstd, which has another frame in it.
//
// An [Encoder] makes the payload of such a frame, and a [Reader] reads a data
// connection as if there were none. The payload is
//
//	kind u8 · length uint · one Zstandard frame (RFC 8878) of so many bytes
//
// Kind and length are those of the frame that is in there, and have to fit each
// other as they would outside. Nothing is set aside for more than that length,
// whatever the content unfolds into. Each frame stands for itself: nothing is
// remembered from one to the next. Whether compressing pays is for others to
// say.
package zframe

import (
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// window is how far back a match may lie that an Encoder makes, and maxWindow
// what a Decoder takes from others: it holds the largest payload in one piece.
const (
	window    = 1 << 20
	maxWindow = 2 << 20
)

// An Encoder compresses frames, fast rather than well. It is not safe for
// concurrent use. It holds about a mebibyte, and nothing that needs closing.
type Encoder struct {
	enc *zstd.Encoder
	buf []byte
}

// NewEncoder returns an encoder that has done all that only the first frame
// would have to wait for. Errors: mft.CodeInternal.
func NewEncoder() (*Encoder, error) {
	// TLS and digests look after damage already.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(window), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "prepare compression", "", err)
	}
	e := &Encoder{enc: enc}
	e.Encode(protocol.FrameData, make([]byte, 1<<10))
	return e, nil
}

// Encode returns the payload of a FrameZstd that has a frame of this kind and
// payload in it. It may be longer than the payload. It is valid until the next
// call.
func (e *Encoder) Encode(kind protocol.FrameKind, payload []byte) []byte {
	e.buf = wire.AppendUint(append(e.buf[:0], uint8(kind)), uint64(len(payload)))
	e.buf = e.enc.EncodeAll(payload, e.buf)
	return e.buf
}

// A Decoder undoes what an Encoder did. It is not safe for concurrent use, and
// holds nothing that needs closing.
type Decoder struct {
	dec *zstd.Decoder
	buf []byte
}

// NewDecoder returns a decoder. Errors: mft.CodeInternal.
func NewDecoder() (*Decoder, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(protocol.MaxFrame), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "prepare decompression", "", err)
	}
	return &Decoder{dec: dec}, nil
}

// Decode returns the frame that is in the payload of a FrameZstd. What does not
// fit has mft.CodeProtocol: a payload that is longer or shorter than it says,
// or that its kind does not allow; another compressed frame. The payload that
// is returned is valid until the next call.
func (d *Decoder) Decode(p []byte) (protocol.FrameKind, []byte, error) {
	const op = "read zstd frame"
	c := wire.Read(op, p)
	kind, n := protocol.FrameKind(c.U8("kind")), int(c.Uint("length", protocol.MaxFrame))
	content := c.Rest()
	if err := c.Err(); err != nil {
		return 0, nil, err
	}
	if kind == protocol.FrameZstd {
		return 0, nil, mft.Fail(mft.CodeProtocol, op, "", errors.New("kind: there is another compressed frame in it"))
	}
	if err := kind.Fits(n); err != nil {
		return 0, nil, err
	}
	d.buf = slices.Grow(d.buf[:0], n)
	out, err := d.dec.DecodeAll(content, d.buf[:0:n])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		err = fmt.Errorf("content: it unfolds into more than the %d bytes of %v that were announced", n, kind)
	case err != nil:
		err = fmt.Errorf("content: %w", err)
	case len(out) != n:
		err = fmt.Errorf("content: it unfolds into %d bytes of %v, not the %d that were announced", len(out), kind, n)
	}
	if err != nil {
		return 0, nil, mft.Fail(mft.CodeProtocol, op, "", err)
	}
	return kind, out, nil
}
