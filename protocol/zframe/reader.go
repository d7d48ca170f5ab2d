package zframe

import (
	"io"

	"mft.dev/mft/protocol"
)

// A Reader reads frames like a protocol.FrameReader, and those that are
// compressed as what they were before. It is not safe for concurrent use.
type Reader struct {
	frames  *protocol.FrameReader
	dec     *Decoder // nil until it is needed
	inside  bool     // the current frame was compressed
	payload []byte   // of it; what Payload returned
	rest    []byte   // what Read has not returned
	err     error    // ends everything
}

// NewReader returns a reader of frames, which is the caller's no longer.
func NewReader(frames *protocol.FrameReader) *Reader { return &Reader{frames: frames} }

// Next goes to the next frame, as protocol.FrameReader.Next does. What cannot
// be decompressed is an error of Next with mft.CodeProtocol.
func (r *Reader) Next() (protocol.FrameKind, int, error) {
	if r.err != nil {
		return 0, 0, r.err
	}
	r.inside, r.payload, r.rest = false, nil, nil
	kind, n, err := r.frames.Next()
	if err == nil && kind == protocol.FrameZstd {
		kind, err = r.open()
		n = len(r.rest)
	}
	if err != nil {
		r.err = err
		return 0, 0, err
	}
	return kind, n, nil
}

// open decompresses the current frame.
func (r *Reader) open() (protocol.FrameKind, error) {
	p, err := r.frames.Payload()
	if err != nil {
		return 0, err
	}
	if r.dec == nil {
		if r.dec, err = NewDecoder(); err != nil {
			return 0, err
		}
	}
	kind, payload, err := r.dec.Decode(p)
	r.inside, r.rest = err == nil, payload
	return kind, err
}

// Payload is that of protocol.FrameReader.
func (r *Reader) Payload() ([]byte, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case !r.inside:
		return r.frames.Payload()
	case len(r.rest) > 0:
		r.payload, r.rest = r.rest, nil
	}
	return r.payload, nil
}

// Read is that of protocol.FrameReader.
func (r *Reader) Read(p []byte) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case !r.inside:
		return r.frames.Read(p)
	case len(r.rest) == 0:
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
