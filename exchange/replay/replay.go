// Package replay takes the sender's part at the receiver when the real sender
// can only be reached through an exchange: it announces what a parcel holds, and
// sends what the receiver wants of it.
//
//	seal, err := replay.Run(ctx, conn, parcel)
//
// What the receiver has already is not fetched. What the parcel says is held
// against the seal that the sender signed before the receiver may commit the
// last of it; what the receiver is sent is verified there, like anything that
// comes over a link.
//
// The package knows nothing of letters and grants, and tries nothing again.
package replay

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
)

// A Parcel is what is replayed. Everything in it but Fetch was signed by the
// sender.
type Parcel struct {
	Form     parcel.Form
	Extent   parcel.Extent
	Manifest int64 // position where the manifest begins
	Seal     mft.Seal
	Fetch    parcel.Fetch
	// AtOnce is how many parts are fetched at a time, 1 or more. Twice as many
	// are kept in memory.
	AtOnce int
}

// manifestMemory is what reading a manifest may take.
const manifestMemory = 8 << 20

// Run takes the sender's part on conn, which it closes, until the receiver
// closes its end. When everything has been sent it calls seal, once, with the
// seal of what the receiver was told: it differs from the sender's where the
// receiver had things already.
//
// Errors: those of Fetch; CodeCorrupt when parts are not what was sealed;
// CodeProtocol when manifest, seal or receiver contradict each other.
func Run(ctx context.Context, conn net.Conn, p Parcel, seal func(mft.Seal) error) error {
	defer conn.Close()
	if err := p.Extent.Check(p.Form.Part); err != nil {
		return err
	}
	manifest := parcel.NewReader(ctx, p.Form, p.Extent, 1, p.Fetch)
	defer manifest.Close()
	if err := manifest.Range(p.Manifest, p.Extent.Size); err != nil {
		return err
	}
	unpack, err := zstd.NewReader(manifest, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(manifestMemory), zstd.WithDecoderLowmem(true))
	if err != nil {
		return mft.Fail(mft.CodeInternal, "read manifest", "", err)
	}
	defer unpack.Close()
	content := parcel.NewReader(ctx, p.Form, p.Extent, p.AtOnce, p.Fetch)
	defer content.Close()
	content.Beside(manifest) // which begins in the last part with content

	r := &replayer{
		list: newList(), content: content, contentEnd: p.Manifest, buf: make([]byte, transfer.Chunk),
		frames: protocol.NewFrameWriter(transfer.Writer{Conn: conn}), sealed: make(chan struct{}),
	}
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		r.list.stop(context.Cause(ctx))
	})
	defer stop()
	alive, quiet := context.WithCancel(ctx)
	defer quiet()
	g.Go(func() error {
		return transfer.KeepAlive(alive, func() error { return r.write(protocol.FrameAlive) })
	})
	g.Go(func() error {
		defer quiet()
		return r.listen(ctx, conn)
	})
	g.Go(func() error {
		if err := r.play(protocol.NewFrameReader(unpack)); err != nil {
			return transfer.Cause(ctx, err)
		}
		own, err := r.list.seal(p.Seal)
		if err != nil {
			return err
		}
		close(r.sealed)
		if err := r.write(protocol.FrameEnd); err != nil {
			return err
		}
		return seal(own)
	})
	return g.Wait()
}

// replayer is the state of one Run. One goroutine plays the manifest, another
// listens to the receiver; they share the list.
type replayer struct {
	list *list

	writing sync.Mutex
	frames  *protocol.FrameWriter
	sealed  chan struct{} // everything has been sent

	content    *parcel.Reader
	contentEnd int64
	behind     int64 // position behind the content that was read last
	buf        []byte
	pack       []byte
	basis      *patch.Basis // what the next big file copies from
}

// write sends one frame.
func (r *replayer) write(kind protocol.FrameKind, parts ...[]byte) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.frames.WriteFrame(kind, parts...); err != nil {
		return transfer.Disconnected("write to", err)
	}
	return nil
}

// listen takes what the receiver says.
func (r *replayer) listen(ctx context.Context, conn net.Conn) error {
	frames := protocol.NewFrameReader(transfer.NewReader(conn))
	for {
		kind, _, err := frames.Next()
		if err != nil {
			select {
			case <-r.sealed:
				return nil // the receiver is done, or says elsewhere why not
			default:
			}
			return transfer.Cause(ctx, transfer.Disconnected("read from", err))
		}
		payload, err := frames.Payload()
		if err != nil {
			return transfer.Cause(ctx, transfer.Disconnected("read from", err))
		}
		if err := r.hear(kind, payload); err != nil {
			return err
		}
	}
}

func (r *replayer) hear(kind protocol.FrameKind, payload []byte) error {
	switch kind {
	case protocol.FrameAlive:
		return nil
	case protocol.FrameWant:
		wants, err := protocol.ParseWants(payload)
		if err != nil {
			return err
		}
		for i := range wants {
			if err := r.list.want(&wants[i]); err != nil {
				return err
			}
		}
		return nil
	case protocol.FrameCommitted:
		ranges, err := protocol.ParseRanges(payload)
		if err != nil {
			return err
		}
		for _, x := range ranges {
			if err := r.list.settle(x.First, x.Count); err != nil {
				return err
			}
		}
		return nil
	case protocol.FrameItemFail:
		fail, err := protocol.ParseItemFail(payload)
		if err != nil {
			return err
		}
		return r.list.settle(fail.Index, 1)
	case protocol.FrameFail:
		f, err := protocol.ParseFailure(payload)
		if err != nil {
			return err
		}
		return mft.Fail(f.Code, "replay", "", fmt.Errorf("the receiver stopped: %s", f.Detail))
	}
	return transfer.Nonsense("a frame of kind %v cannot be answered from a parcel", kind)
}
