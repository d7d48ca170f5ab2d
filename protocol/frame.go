package protocol

import (
	"bufio"
	"errors"
	"io"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
)

// FrameKind says what a frame of a data connection holds.
type FrameKind uint8

// The frames that a sender writes.
const (
	FrameItems    FrameKind = 1  // AppendItems
	FrameScanned  FrameKind = 2  // AppendScanned: the scan is finished
	FrameFile     FrameKind = 3  // AppendFileStart: the content of a big file follows
	FrameData     FrameKind = 4  // raw content at the current position
	FrameHole     FrameKind = 5  // AppendHole: zeros at the current position
	FrameCheck    FrameKind = 6  // AppendCheck: the digest of the file so far
	FrameFileEnd  FrameKind = 7  // AppendFileEnd
	FrameFileFail FrameKind = 8  // AppendItemFail: the item cannot be sent
	FramePack     FrameKind = 9  // AppendPackEntry, repeated
	FrameEnd      FrameKind = 10 // empty: everything that was wanted was sent
	FrameListings FrameKind = 11 // AppendListing, repeated
	FrameListed   FrameKind = 12 // AppendListed
	FrameWalked   FrameKind = 13 // empty: every listing has been sent
	FrameAsk      FrameKind = 14 // patch.AppendAsk: the fine marks of a range of an old version are asked for
	FrameCopy     FrameKind = 15 // patch.AppendCopy: content from the old version at the current position
	FrameZstd     FrameKind = 16 // zframe.Encoder: another frame, compressed
	FrameMatched  FrameKind = 17 // listing.AppendMatched
	FrameRefs     FrameKind = 18 // relay.AppendSmall, repeated: in a parcel only
	FrameRef      FrameKind = 19 // relay.AppendRef: in a parcel only
	FrameBasis    FrameKind = 20 // patch.AppendBasis: what COPY frames of the next FrameFile copy from; of a parcel only
	FrameLinked   FrameKind = 21 // listing.AppendLinked
)

// The frames that a receiver writes.
const (
	FrameWant      FrameKind = 32 // AppendWant, repeated
	FrameCommitted FrameKind = 33 // AppendRange, repeated: what is left to be done about them is the receiver's own
	FrameItemFail  FrameKind = 34 // AppendItemFail: it will not be delivered in this attempt
	FrameAnswers   FrameKind = 35 // AppendAnswers, repeated: what is to follow on listings
	FrameMarks     FrameKind = 36 // patch.AppendMarks: the next marks of an old version
	FrameFine      FrameKind = 37 // the marks that the oldest FrameAsk asked for, or none
)

// Kinds of frame that either end may write.
const (
	// FrameAlive says nothing but that its writer is still there. It is empty.
	FrameAlive FrameKind = 62
	// FrameFail ends the attempt: AppendFailure.
	FrameFail FrameKind = 63
)

var frameShapes = [...]wire.Shape{
	FrameItems:     wire.Sized("items", 1, MaxFrame),
	FrameScanned:   wire.Sized("scanned", 1, 64),
	FrameFile:      wire.Sized("file", 1, 64),
	FrameData:      wire.Sized("data", 0, MaxData),
	FrameHole:      wire.Sized("hole", 1, 64),
	FrameCheck:     wire.Sized("check", 32, 32),
	FrameFileEnd:   wire.Sized("file-end", 33, 64),
	FrameFileFail:  wire.Sized("file-fail", 1, 4<<10),
	FramePack:      wire.Sized("pack", 0, MaxFrame),
	FrameEnd:       wire.Sized("end", 0, 0),
	FrameListings:  wire.Sized("listings", 0, MaxFrame),
	FrameListed:    wire.Sized("listed", 1, MaxFrame),
	FrameWalked:    wire.Sized("walked", 0, 0),
	FrameAsk:       wire.Sized("ask", 3, 64),
	FrameCopy:      wire.Sized("copy", 2, 64),
	FrameZstd:      wire.Sized("zstd", 3, MaxFrame),
	FrameMatched:   wire.Sized("matched", 18, 16<<10),
	FrameRefs:      wire.Sized("refs", 0, MaxFrame),
	FrameRef:       wire.Sized("ref", 2, 64),
	FrameBasis:     wire.Sized("basis", 34, 64),
	FrameLinked:    wire.Sized("linked", 4, 128<<10),
	FrameWant:      wire.Sized("want", 0, MaxFrame),
	FrameCommitted: wire.Sized("committed", 0, MaxFrame),
	FrameItemFail:  wire.Sized("item-fail", 1, 4<<10),
	FrameAnswers:   wire.Sized("answers", 0, MaxFrame),
	FrameMarks:     wire.Sized("marks", 1, MaxMarks+64),
	FrameFine:      wire.Sized("fine", 0, MaxMarks),
	FrameAlive:     wire.Sized("alive", 0, 0),
	FrameFail:      wire.Sized("fail", 1, 4<<10),
}

// Fits checks, with CodeProtocol, that a frame may have a payload of n bytes.
func (k FrameKind) Fits(n int) error { return wire.Fits(frameShapes[:], "read frame", uint8(k), n) }

// String returns the kind's name in lower case.
func (k FrameKind) String() string { return wire.ShapeName(frameShapes[:], uint8(k)) }

// coalesce is how much a FrameWriter gathers before it writes: the size of a
// TLS record, so that a header never costs a record of its own.
const coalesce = 16 << 10

// A FrameWriter writes frames to a data connection. It keeps nothing back
// between frames. It is not safe for concurrent use.
type FrameWriter struct {
	w   io.Writer
	buf []byte
	err error
}

// NewFrameWriter returns a writer of frames to w.
func NewFrameWriter(w io.Writer) *FrameWriter {
	return &FrameWriter{w: w, buf: make([]byte, 0, coalesce)}
}

// WriteFrame writes one frame whose payload is the parts one after the other.
// A part that is larger than a few KiB goes to the underlying writer as it
// is, small ones are gathered. The parts are not kept. A payload that the kind
// does not allow gives CodeProtocol and writes nothing. Once a write has
// failed, every later frame fails with the same error: the other end could
// not tell where it begins.
func (w *FrameWriter) WriteFrame(k FrameKind, parts ...[]byte) error {
	if w.err != nil {
		return w.err
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if err := wire.Fits(frameShapes[:], "write frame", uint8(k), n); err != nil {
		return err
	}
	b := appendHeader(w.buf[:0], uint8(k), n)
	for _, p := range parts {
		if room := cap(b) - len(b); len(p) > room {
			w.write(append(b, p[:room]...))
			b, p = b[:0], p[room:]
			if len(p) >= cap(b) {
				w.write(p)
				continue
			}
		}
		b = append(b, p...)
	}
	w.write(b)
	return w.err
}

func (w *FrameWriter) write(p []byte) {
	if len(p) == 0 || w.err != nil {
		return
	}
	if _, err := w.w.Write(p); err != nil {
		w.err = broken("write frame", err)
	}
}

// A FrameReader reads the frames of a data connection. It reads ahead, so
// nothing else may read from the connection afterwards. It is not safe for
// concurrent use.
type FrameReader struct {
	r       *bufio.Reader
	left    int    // what is unread of the payload
	payload []byte // what Payload returned for this frame
	buf     []byte // for payloads larger than r's own buffer
	err     error  // ends everything
}

// readAhead is the size of a FrameReader's buffer. Payloads up to it are
// never copied; larger reads of the caller pass it by.
const readAhead = 32 << 10

// NewFrameReader returns a reader of the frames in r.
func NewFrameReader(r io.Reader) *FrameReader {
	return &FrameReader{r: bufio.NewReaderSize(r, readAhead)}
}

// Next reads the header of the next frame and returns its kind and the length
// of its payload. What is unread of the previous one is skipped. The error is
// io.EOF when the connection ends between two frames, has CodeProtocol when
// the header does not fit, and CodeDisconnected when the connection breaks
// off; it stays.
func (r *FrameReader) Next() (FrameKind, int, error) {
	if r.err != nil {
		return 0, 0, r.err
	}
	r.payload = nil
	if r.left > 0 {
		if _, err := r.r.Discard(r.left); err != nil {
			return 0, 0, r.fail(err)
		}
		r.left = 0
	}
	h, err := r.r.Peek(headerSize)
	if err != nil {
		if len(h) == 0 && errors.Is(err, io.EOF) {
			r.err = io.EOF
			return 0, 0, r.err
		}
		return 0, 0, r.fail(err)
	}
	kind, n := parseHeader(h)
	if r.err = FrameKind(kind).Fits(n); r.err != nil {
		return 0, 0, r.err
	}
	if _, err := r.r.Discard(headerSize); err != nil {
		return 0, 0, r.fail(err)
	}
	r.left = n
	return FrameKind(kind), n, nil
}

// fail keeps err: after it there are no more frames to be found.
func (r *FrameReader) fail(err error) error {
	r.left = 0
	r.err = broken("read frame", err)
	return r.err
}

// Payload returns what Read has not yet returned of the payload, which is all
// of it when Read was not called. The bytes are valid until Next.
func (r *FrameReader) Payload() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.left == 0 {
		return r.payload, nil
	}
	var p []byte
	var err error
	if r.left <= r.r.Size() {
		// What is peeked at stays in place until the next read.
		if p, err = r.r.Peek(r.left); err == nil {
			_, err = r.r.Discard(r.left)
		}
	} else if p, err = readGrowing(r.r, r.buf, r.left); err == nil {
		r.buf = p
	}
	if err != nil {
		return nil, r.fail(err)
	}
	r.left, r.payload = 0, p
	return p, nil
}

// Read reads from the payload of the current frame; io.EOF is its end. It
// implements io.Reader.
func (r *FrameReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(p) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.left -= n
	if n > 0 || err == nil {
		return n, nil // an error comes again with the next read
	}
	return 0, r.fail(err)
}

// A Failure ends an attempt or a connection: the payload of a FrameFail or a
// ControlBye, the body of an Abort.
type Failure struct {
	Code   mft.Code
	Detail string
}

// AppendFailure appends the payload of a FrameFail.
func AppendFailure(b []byte, f *Failure) []byte { return wire.AppendReason(b, f.Code, f.Detail) }

// ParseFailure reads what AppendFailure wrote.
func ParseFailure(p []byte) (Failure, error) {
	c := wire.Read("read failure", p)
	f := Failure{Code: c.Code(), Detail: c.Detail()}
	return wire.Done(&c, f)
}
