package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/klauspost/compress/zstd"

	"mft.dev/mft"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/internal/ring"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
)

// A rig is what a run works with. One goroutine listens and owns it; the one
// that keeps the connection alive shares only write.
type rig struct {
	ledger   *ledger
	parcel   *parcel.Writer
	spool    *os.File
	pack     *zstd.Encoder
	manifest *protocol.FrameWriter

	writing sync.Mutex
	frames  *protocol.FrameWriter

	window  *ring.Ring[announced]
	big     *bigFile
	patches patches

	content    []byte // a piece of it
	marked     int64  // position up to which the ledger knows that all is staged
	contentEnd int64
	complete   bool
}

// announced is an item that was announced and whose content has not come.
type announced struct {
	key     protocol.Key
	size    int64
	pending bool // content is due
}

func newWindow() *ring.Ring[announced] { return ring.New[announced](transfer.Window) }

// bigFile is the file that content belongs to.
type bigFile struct {
	index  uint64
	key    protocol.Key
	size   int64
	offset int64 // of what comes next
	// noted is up to which offset the ledger has it, and frames what stands for
	// the content since.
	noted  int64
	frames bytes.Buffer
	fresh  *protocol.FrameWriter // to frames
	whole  []byte                // what stands for the content from its beginning to noted
	run    relay.Ref             // content that lies in one piece, not in frames yet
}

// write sends one frame to the sender.
func (r *rig) write(kind protocol.FrameKind, payload []byte) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if err := r.frames.WriteFrame(kind, payload); err != nil {
		return transfer.Disconnected("write to", err)
	}
	return nil
}

// listen takes the sender's frames, up to the end.
func (r *rig) listen(ctx context.Context, conn net.Conn) error {
	r.content = make([]byte, transfer.Chunk)
	frames := protocol.NewFrameReader(transfer.NewReader(conn))
	for {
		kind, size, err := frames.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the sender closed it")
			}
			return transfer.Disconnected("read from", err)
		}
		if kind == protocol.FrameData {
			if err := r.data(frames, size); err != nil {
				return err
			}
			// Also within a file: its last check point counts as soon as it is staged.
			if err := r.mark(); err != nil {
				return err
			}
			continue
		}
		payload, err := frames.Payload()
		if err != nil {
			return transfer.Disconnected("read from", err)
		}
		if kind == protocol.FrameEnd {
			return nil
		}
		if err := r.hear(ctx, kind, payload); err != nil {
			return err
		}
		if err := r.mark(); err != nil {
			return err
		}
	}
}

// mark notes in the ledger how much is staged, when that has grown.
func (r *rig) mark() error {
	staged := r.parcel.Staged()
	if staged <= r.marked {
		return nil
	}
	r.marked = staged
	return r.ledger.mark(entryStaged, staged)
}

func (r *rig) hear(ctx context.Context, kind protocol.FrameKind, payload []byte) error {
	switch kind {
	case protocol.FrameAlive:
		return nil
	case protocol.FrameItems:
		return r.items(payload)
	case protocol.FrameScanned, protocol.FrameListed, protocol.FrameLinked, protocol.FrameWalked:
		return r.manifest.WriteFrame(kind, payload)
	case protocol.FramePack:
		return r.small(payload)
	case protocol.FrameFile:
		start, err := protocol.ParseFileStart(payload)
		if err != nil {
			return err
		}
		return r.begin(start)
	case protocol.FrameHole, protocol.FrameCopy, protocol.FrameCheck, protocol.FrameFileEnd:
		return r.hearBig(kind, payload)
	case protocol.FrameAsk: // of the earlier version there is nothing to be looked at
		return r.write(protocol.FrameFine, nil)
	case protocol.FrameFileFail:
		return r.fail(payload)
	case protocol.FrameFail:
		f, err := protocol.ParseFailure(payload)
		if err != nil {
			return err
		}
		return mft.Fail(f.Code, "record", "", fmt.Errorf("the sender stopped: %s", f.Detail))
	}
	return transfer.Nonsense("a frame of kind %v cannot go into a parcel", kind)
}

// items answers a run of announced items: what the parcel has is had, what has no
// content is taken, and the rest is wanted.
func (r *rig) items(payload []byte) error {
	first, items, err := protocol.ParseItems(payload)
	if err != nil {
		return err
	}
	if first != r.window.Next() || uint64(len(items)) > r.window.Room() {
		return transfer.Nonsense("items %d to %d are out of turn", first, first+uint64(len(items)))
	}
	if err := r.manifest.WriteFrame(protocol.FrameItems, payload); err != nil {
		return err
	}
	var wants []protocol.Want
	var taken []byte
	for i := range items {
		w, held, err := r.item(first+uint64(i), &items[i])
		if err != nil {
			return err
		}
		if held {
			continue
		}
		wants = append(wants, w)
		if w.Verdict == protocol.Send && items[i].Type != mft.ItemFile {
			taken = protocol.AppendRange(taken, &protocol.Range{First: w.First, Count: 1})
		}
	}
	r.window.PopWhile(func(a *announced) bool { return !a.pending })
	if err := r.answer(wants); err != nil || len(taken) == 0 {
		return err
	}
	return r.write(protocol.FrameCommitted, taken)
}

// item admits one item to the window and returns its verdict, which may have to be
// held back.
func (r *rig) item(index uint64, it *mft.Item) (w protocol.Want, held bool, err error) {
	w = protocol.Want{First: index, Count: 1}
	a := announced{key: protocol.KeyOf(it), size: it.Size, pending: it.Type == mft.ItemFile}
	if !a.pending {
		r.window.Push(a)
		return w, false, nil
	}
	if n, ok := r.ledger.find(a.key); ok {
		a.pending = false
		r.window.Push(a)
		w.Verdict, w.Digest = protocol.Have, n.digest
		return w, false, r.again(index, a.size, n)
	}
	r.window.Push(a)
	if h := r.ledger.last(a.key); h != nil {
		w.Verdict, w.Offset, w.Digest = protocol.Resume, h.offset, h.digest
	}
	w, held = r.patched(it, w)
	return w, held, nil
}

// again puts into the manifest what stands for a file that the parcel has.
func (r *rig) again(index uint64, size int64, n noted) error {
	small, frames, err := r.ledger.content(n)
	if err != nil {
		return err
	}
	if len(small) > 0 {
		ref, err := relay.ParseRef(small)
		if err != nil {
			return err
		}
		return r.manifest.WriteFrame(protocol.FrameRefs, relay.AppendSmall(nil, &relay.Small{Index: index, Digest: n.digest, Ref: ref}))
	}
	return r.file(index, frames, protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: size, Digest: n.digest}))
}

// due takes an item whose content comes out of the window.
func (r *rig) due(index uint64) (announced, error) {
	a := r.window.At(index)
	if a == nil || !a.pending {
		return announced{}, transfer.Nonsense("content of item %d, which is not due", index)
	}
	a.pending = false
	due := *a
	r.window.PopWhile(func(a *announced) bool { return !a.pending })
	return due, nil
}

// small takes a pack of small files.
func (r *rig) small(payload []byte) error {
	var refs, taken []byte
	err := protocol.WalkPack(payload, func(index uint64, digest mft.Digest, content []byte) error {
		a, err := r.due(index)
		if err != nil {
			return err
		}
		if int64(len(content)) != a.size {
			return transfer.Nonsense("item %d has %d bytes, %d were announced", index, len(content), a.size)
		}
		s := relay.Small{Index: index, Digest: digest, Ref: relay.Ref{Position: r.parcel.Position(), Length: a.size}}
		if _, err := r.parcel.Write(content); err != nil {
			return err
		}
		if err := r.ledger.whole(a.key, digest, r.parcel.Position(), relay.AppendRef(nil, s.Ref), nil); err != nil {
			return err
		}
		r.parcel.Cut()
		if err := r.mark(); err != nil {
			return err
		}
		refs = relay.AppendSmall(refs, &s)
		taken = protocol.AppendRange(taken, &protocol.Range{First: index, Count: 1})
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.manifest.WriteFrame(protocol.FrameRefs, refs); err != nil {
		return err
	}
	return r.write(protocol.FrameCommitted, taken)
}

// fail takes note of an item that the sender cannot send.
func (r *rig) fail(payload []byte) error {
	f, err := protocol.ParseItemFail(payload)
	if err != nil {
		return err
	}
	if r.big != nil && r.big.index == f.Index {
		r.big = nil
	} else if _, err := r.due(f.Index); err != nil {
		return err
	}
	return errors.Join(r.manifest.WriteFrame(protocol.FrameFileFail, payload), r.ended(f.Index))
}
