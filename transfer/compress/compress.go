// Package compress decides which frames travel compressed, and writes them so.
//
//	w := compress.NewWriter(conn, mode, time.Now)
//	err := w.WriteFrame(kind, parts...)
//
// Frames that describe items are always worth it when they are large; content
// only when the connection is slower than what a compressor makes of it, which
// a [Judge] finds out while it is used. The other end reads frames with
// protocol/zframe and has to have said that it does.
//
// The package does not compress what does not become smaller, and does not
// know what is in a frame.
package compress

import (
	"io"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/zframe"
)

const (
	// least is the smallest payload that is worth compressing.
	least = 1 << 10
	// sample is how much of a piece of content tells what the rest is like.
	sample = 16 << 10
)

// A Writer writes frames like a protocol.FrameWriter, some of them compressed.
// It is not safe for concurrent use.
type Writer struct {
	frames *protocol.FrameWriter
	mode   mft.Compress
	now    func() time.Time
	judge  Judge
	enc    *zframe.Encoder // nil until it is needed
	joined []byte
}

// NewWriter returns a writer of frames to w. With CompressNever everything goes
// as it is; so it has to be when the peer does not understand anything else.
func NewWriter(w io.Writer, mode mft.Compress, now func() time.Time) *Writer {
	return &Writer{frames: protocol.NewFrameWriter(w), mode: mode, now: now}
}

// WriteFrame is that of protocol.FrameWriter. The frame is on its way when it
// returns, whether compressed or not.
func (w *Writer) WriteFrame(kind protocol.FrameKind, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if w.mode == mft.CompressNever || n < least {
		return w.frames.WriteFrame(kind, parts...)
	}
	switch kind {
	case protocol.FrameItems, protocol.FrameListings, protocol.FrameListed, protocol.FrameMatched:
		packed, err := w.pack(kind, w.join(parts, n))
		if err != nil {
			return err
		}
		return w.send(kind, packed, parts)
	case protocol.FrameData, protocol.FramePack:
		return w.content(kind, parts, n)
	}
	return w.frames.WriteFrame(kind, parts...)
}

// content writes a frame of n bytes of content.
func (w *Writer) content(kind protocol.FrameKind, parts [][]byte, n int) error {
	begin := w.now()
	plan, err := w.plan(kind, parts, n)
	if err != nil {
		return err
	}
	var packed []byte
	if plan == Compress {
		if packed, err = w.pack(kind, w.join(parts, n)); err != nil {
			return err
		}
	}
	made := w.now()
	err = w.send(kind, packed, parts)
	var work time.Duration
	if plan == Compress {
		work = made.Sub(begin)
	}
	w.judge.Wrote(n, len(packed), work, w.now().Sub(made))
	return err
}

// plan asks the judge, and gives it its sample.
func (w *Writer) plan(kind protocol.FrameKind, parts [][]byte, n int) (Plan, error) {
	if w.mode == mft.CompressAlways {
		return Compress, nil
	}
	plan := w.judge.Next()
	if plan != Sample {
		return plan, nil
	}
	if err := w.ready(); err != nil {
		return Plain, err
	}
	piece := w.join(parts, n)[:min(n, sample)]
	begin := w.now()
	w.enc.Encode(kind, piece) // what the processor had forgotten comes back
	again := w.now()
	packed := len(w.enc.Encode(kind, piece))
	end := w.now()
	w.judge.Sampled(len(piece), packed, min(again.Sub(begin), end.Sub(again)), end.Sub(begin))
	if w.judge.Next() == Compress {
		return Compress, nil
	}
	return Plain, nil
}

// send writes a frame as packed, or plain if that is nil.
func (w *Writer) send(kind protocol.FrameKind, packed []byte, parts [][]byte) error {
	if packed == nil {
		return w.frames.WriteFrame(kind, parts...)
	}
	return w.frames.WriteFrame(protocol.FrameZstd, packed)
}

// pack compresses a payload. It returns nil when nothing is gained.
func (w *Writer) pack(kind protocol.FrameKind, payload []byte) ([]byte, error) {
	if err := kind.Fits(len(payload)); err != nil {
		return nil, err
	}
	if err := w.ready(); err != nil {
		return nil, err
	}
	packed := w.enc.Encode(kind, payload)
	if float64(len(packed)) > gain*float64(len(payload)) {
		return nil, nil
	}
	return packed, nil
}

func (w *Writer) ready() (err error) {
	if w.enc == nil {
		w.enc, err = zframe.NewEncoder()
	}
	return err
}

// join returns the parts in one piece, valid until the next call.
func (w *Writer) join(parts [][]byte, n int) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	w.joined = slices.Grow(w.joined[:0], n)
	for _, p := range parts {
		w.joined = append(w.joined, p...)
	}
	return w.joined
}
