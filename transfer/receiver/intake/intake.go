// Package intake takes in what a sender writes on a data connection, ahead of
// whoever lands it: one goroutine reads, decrypts, and verifies packs of small
// files while another writes files.
//
//	in := intake.New(frames)
//	go in.Run(ctx)
//	for {
//		f, err := in.Next(ctx, whole)
//		...
//	}
//
// Frames come out in the order in which they came in, at most [Ahead] of them
// ahead. Content of big files is not taken in: from a FILE frame on, whoever
// lands reads the connection itself, for as long as it says so; that costs no
// copy of what may be a terabyte.
//
// The package knows no items: whether a file was due, and is what was
// announced, is for its caller to judge. It refuses to pass on a pack that
// cannot be parsed.
package intake

import (
	"context"
	"errors"
	"io"
	"slices"

	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/zframe"
	"mft.dev/mft/transfer"
)

// Ahead is how many frames wait at most while one is being landed. Each may
// take protocol.MaxFrame bytes.
const Ahead = 2

// A Frame is one frame, and valid until the next is asked for.
type Frame struct {
	Kind protocol.FrameKind
	// Size is that of the payload in bytes.
	Size int
	// Payload means nothing for DATA, which is to be read from Intake.Content.
	Payload []byte
	// Files are those of a PACK.
	Files []File

	pack pack
	err  error // in place of a frame: there are no more
}

// An Intake is between the goroutine in Run and the one that calls Next.
type Intake struct {
	frames *zframe.Reader
	taken  chan *Frame // in order
	free   chan *Frame // with their memory
	resume chan struct{}

	// Owned by the goroutine that calls Next.
	last *Frame // that it was given
	ours bool   // it reads the connection
}

// New returns an intake of frames, which nothing else may read from then on.
func New(frames *zframe.Reader) *Intake {
	in := &Intake{
		frames: frames, resume: make(chan struct{}, 1),
		taken: make(chan *Frame, Ahead), free: make(chan *Frame, Ahead+1),
	}
	for range cap(in.free) {
		in.free <- new(Frame)
	}
	return in
}

// Run takes frames in until END, or the first error, which Next tells of in its
// turn; or until ctx ends. It waits for Next to make room. Stopping the
// connection is for the caller.
func (in *Intake) Run(ctx context.Context) {
	for {
		var f *Frame
		select {
		case f = <-in.free:
		case <-ctx.Done():
			return
		}
		in.read(f)
		// What f is must be known before it is given away.
		last := f.err != nil || f.Kind == protocol.FrameEnd
		hold := handsOver(f)
		select {
		case in.taken <- f:
		case <-ctx.Done():
			return
		}
		switch {
		case last:
			return
		case hold:
			select {
			case <-in.resume:
			case <-ctx.Done():
				return
			}
		}
	}
}

// handsOver reports whether whoever lands f reads on by itself.
func handsOver(f *Frame) bool {
	return f.err == nil && (f.Kind == protocol.FrameFile || f.Kind == protocol.FrameData)
}

// Next returns the next frame, waiting for it. whole says that a file is under
// way of which the caller takes all content itself; it counts after a FILE or
// DATA frame only. The error is that of the connection, with a code of package
// transfer's, of a pack that cannot be parsed, or of ctx.
func (in *Intake) Next(ctx context.Context, whole bool) (*Frame, error) {
	if in.ours && whole {
		in.read(in.last)
		return in.last, in.last.err
	}
	if in.last != nil {
		in.free <- in.last // it has room for all there are
		in.last = nil
	}
	if in.ours {
		in.ours = false
		in.resume <- struct{}{}
	}
	select {
	case f := <-in.taken:
		in.last, in.ours = f, handsOver(f)
		return f, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Ready reports whether Next has something already, without the connection.
func (in *Intake) Ready() bool { return !in.ours && len(in.taken) > 0 }

// Content is the payload of the DATA frame that Next returned last.
func (in *Intake) Content() io.Reader { return in.frames }

// read reads the next frame into f.
func (in *Intake) read(f *Frame) {
	f.Files, f.err = nil, nil
	if f.Kind, f.Size, f.err = in.frames.Next(); f.err != nil {
		if errors.Is(f.err, io.EOF) {
			f.err = errors.New("the peer closed it")
		}
		f.err = transfer.Disconnected("read from", f.err)
		return
	}
	if f.Kind == protocol.FrameData {
		return
	}
	if f.Payload, f.err = fill(f.Payload, in.frames, f.Size); f.err != nil {
		f.err = transfer.Disconnected("read from", f.err)
		return
	}
	if f.Kind == protocol.FramePack {
		f.Files, f.err = f.pack.verify(f.Payload)
	}
}

// firstRead is how much room is made for a payload on the word of its header
// alone.
const firstRead = 64 << 10

// fill reads n bytes into buf, which grows no faster than bytes come.
func fill(buf []byte, r io.Reader, n int) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < n {
		have := len(buf)
		step := min(n, max(cap(buf), firstRead, 2*have)) - have
		buf = slices.Grow(buf, step)[:have+step]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return buf[:0], err
		}
	}
	return buf, nil
}
