// Package record takes the receiver's part at the sender when the real receiver
// can only be reached through an exchange: it wants everything, and what a
// receiver would write to its disk it seals into the parts of a parcel.
//
//	r, err := record.Open(ctx, order)
//	err = r.Run(ctx, conn)             // the other end of the sender's data connection
//	published, err := r.Publish(ctx, seal)
//
// What lies in parts that are staged is noted in a ledger, so that after an
// interruption the next Run says Have, or offers a resume point, like a receiver
// that was interrupted. Nothing that was staged is staged again but what came
// after the last check point.
//
// The package believes what the sender on its own host says, decides nothing,
// and speaks to nobody: that the parcel is there is for its caller to tell.
package record

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
)

// An Order says what is recorded.
type Order struct {
	Transfer mft.TransferID
	// Prefix begins the name of the object, so that several agents may have one
	// container.
	Prefix    string
	Announced mft.Count // chooses the size of parts; what comes may be more
	Container exchange.Container
	Sizes     exchange.Sizes
	// Dir is a directory of this agent alone, where the ledger is kept until
	// Discard.
	Dir string
	// AtOnce is how many parts are staged at a time, 1 or more. As many are kept
	// in memory.
	AtOnce int
	// Memory of what the peer was sent before; nil for none.
	Memory Memory
}

// Published is a parcel that others can be told of.
type Published struct {
	Object   string
	Form     parcel.Form
	Extent   parcel.Extent
	Manifest int64 // position where its manifest begins: zstd of frames
	Seal     mft.Seal
}

// A Recorder records one transfer, in one Run at most. Its methods are for one
// goroutine. Close must be called.
type Recorder struct {
	order  Order
	ledger *ledger
	rig    // of the Run under way
}

// Open goes on with what an earlier attempt recorded, or begins anew. Errors
// have CodeJournal, or the code of the file system.
func Open(order Order) (*Recorder, error) {
	l, err := openLedger(pathOf(order))
	var generation uint32
	switch {
	case err == nil && l.fits(order):
		return &Recorder{order: order, ledger: l}, nil
	case err == nil:
		generation = l.head.generation + 1
		l.close()
	case mft.CodeOf(err) == mft.CodeCorrupt || mft.CodeOf(err) == mft.CodeVersion:
		// Nothing can be known of the parts; what they hold is sent again.
		generation = uint32(time.Now().Unix())
	case mft.CodeOf(err) != mft.CodeNotFound:
		return nil, err
	}
	return anew(order, generation)
}

// fits reports whether it is the ledger of this transfer, and the container can
// take its parts, or has them all.
func (l *ledger) fits(order Order) bool {
	return l.head.transfer == order.Transfer && (l.published || l.head.part <= order.Sizes.MaxBlock-parcel.Overhead)
}

// anew begins a ledger.
func anew(order Order, generation uint32) (*Recorder, error) {
	part := max(parcel.PartSize(order.Announced.Bytes, order.Sizes.MaxBlocks), order.Sizes.MinBlock)
	part = min(part, order.Sizes.MaxBlock-parcel.Overhead)
	l, err := newLedger(pathOf(order), head{transfer: order.Transfer, generation: generation, key: parcel.NewKey(), part: part})
	if err != nil {
		return nil, err
	}
	return &Recorder{order: order, ledger: l}, nil
}

func pathOf(order Order) string { return filepath.Join(order.Dir, order.Transfer.String()+".ledger") }

// Published returns the parcel if it is published.
func (r *Recorder) Published() (Published, bool) {
	if !r.ledger.published {
		return Published{}, false
	}
	p := *r.ledger.sealed
	p.Object = r.object()
	return p, true
}

// Generation counts the parcels that were begun, from 0.
func (r *Recorder) Generation() uint32 { return r.ledger.head.generation }

// Complete publishes what an earlier attempt has sealed and could not publish, or
// not note that it did. When what was staged is gone it begins anew.
func (r *Recorder) Complete(ctx context.Context) error {
	if r.ledger.sealed == nil || r.ledger.published {
		return nil
	}
	err := r.publish(ctx)
	if code := mft.CodeOf(err); code == mft.CodeNotFound || code == mft.CodeExists {
		return r.Again(ctx)
	}
	return err
}

// Again forgets everything that was recorded, and begins a new parcel: the
// receiver cannot use this one, or what the container kept of it is gone.
func (r *Recorder) Again(ctx context.Context) error {
	if err := r.order.Container.Remove(ctx, r.object()); err != nil {
		return err
	}
	next, err := anew(r.order, r.ledger.head.generation+1)
	if err != nil {
		return err
	}
	r.ledger.close()
	r.ledger = next.ledger
	return nil
}

// Discard removes the parcel and the ledger. The recorder is closed.
func (r *Recorder) Discard(ctx context.Context) error {
	if err := r.order.Container.Remove(ctx, r.object()); err != nil {
		return err
	}
	r.Close()
	if err := os.Remove(pathOf(r.order)); err != nil {
		return failed("remove", pathOf(r.order), err)
	}
	return nil
}

// Close leaves everything as it is.
func (r *Recorder) Close() {
	r.end()
	r.ledger.close()
}

// object is the name of the parcel.
func (r *Recorder) object() string {
	return fmt.Sprintf("%s%s-%d", r.order.Prefix, r.order.Transfer, r.ledger.head.generation)
}

func (r *Recorder) form() parcel.Form {
	return parcel.Form{Transfer: r.order.Transfer, Key: r.ledger.head.key, Part: r.ledger.head.part}
}

// Run takes the receiver's part on conn, which it closes, until the sender has
// sent everything. After an error what was staged stays for the next one.
func (r *Recorder) Run(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	if err := r.begin(ctx, conn); err != nil {
		return err
	}
	err := r.run(ctx, conn)
	if errors.Is(err, parcel.ErrChanged) {
		return mft.Fail(mft.CodeChanged, "go on with", r.object(), err) // the next attempt goes on behind it
	}
	if mft.CodeOf(err) != mft.CodeExists {
		return err
	}
	// The ledger has lost its end.
	return errors.Join(mft.Fail(mft.CodeCorrupt, "record", r.object(), err), r.Again(ctx))
}

func (r *Recorder) run(ctx context.Context, conn net.Conn) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	alive, quiet := context.WithCancel(ctx)
	defer quiet()
	g.Go(func() error {
		return transfer.KeepAlive(alive, func() error { return r.write(protocol.FrameAlive, nil) })
	})
	g.Go(func() error {
		defer quiet()
		if err := r.listen(ctx, conn); err != nil {
			return transfer.Cause(ctx, err)
		}
		return r.finish()
	})
	return g.Wait()
}

// begin prepares a run.
func (r *Recorder) begin(ctx context.Context, conn net.Conn) error {
	at := r.ledger.resumeAt()
	if err := r.ledger.mark(entryBack, at); err != nil {
		return err
	}
	spool, err := os.OpenFile(filepath.Join(r.order.Dir, r.order.Transfer.String()+".manifest"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return failed("make", "manifest", err)
	}
	// The name is not needed: a crash leaves nothing behind.
	_ = os.Remove(spool.Name())
	pack, err := zstd.NewWriter(spool, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(manifestWindow))
	if err != nil {
		spool.Close()
		return mft.Fail(mft.CodeInternal, "compress manifest", "", err)
	}
	object := r.object()
	r.rig = rig{
		ledger: r.ledger, spool: spool, pack: pack, manifest: protocol.NewFrameWriter(pack),
		frames: protocol.NewFrameWriter(transfer.Writer{Conn: conn}), window: newWindow(),
		patches: patches{memory: r.order.Memory, basis: map[uint64]patch.Basis{}, unsent: map[uint64]*delta.Record{}},
		parcel: parcel.NewWriter(ctx, r.form(), 0, r.order.AtOnce, func(ctx context.Context, number int, part []byte) error {
			return r.order.Container.Stage(ctx, object, number, part)
		}),
		marked: min(at, r.ledger.staged),
	}
	r.parcel.Resume(parcel.Known{At: at, Prints: r.ledger.prints, Changed: r.ledger.changed, Note: r.ledger.print})
	return nil
}

// manifestWindow is how far back the compression of a manifest may look, and so
// the memory that reading it takes.
const manifestWindow = 1 << 20

// end ends a run.
func (r *Recorder) end() {
	if r.parcel == nil {
		return
	}
	r.parcel.Close()
	_ = r.mark() // else more is sent again
	if !r.complete {
		_ = r.pack.Close() // what it writes is thrown away
	}
	r.spool.Close()
}

// finish appends the manifest to the content.
func (r *Recorder) finish() error {
	if err := r.manifest.WriteFrame(protocol.FrameEnd); err != nil {
		return err
	}
	if err := r.pack.Close(); err != nil {
		return failed("write", "manifest", err)
	}
	if _, err := r.spool.Seek(0, io.SeekStart); err != nil {
		return failed("read", "manifest", err)
	}
	r.contentEnd = r.parcel.Position()
	if _, err := io.Copy(r.parcel, r.spool); err != nil {
		return err
	}
	r.complete = true
	return nil
}

// Publish publishes what a Run has recorded to its end, sealed with seal. It is
// safe to call again after an error. CodeNotFound says that the container has
// lost staged parts: call Again, and Run.
func (r *Recorder) Publish(ctx context.Context, seal mft.Seal) (Published, error) {
	if p, ok := r.Published(); ok {
		return p, nil
	}
	if !r.complete {
		return Published{}, mft.Fail(mft.CodeInternal, "publish", r.object(), errors.New("nothing has been recorded to its end"))
	}
	extent, err := r.parcel.Finish()
	if err != nil {
		return Published{}, err
	}
	p := Published{Object: r.object(), Form: r.form(), Extent: extent, Manifest: r.contentEnd, Seal: seal}
	// First: whoever finds this knows that nothing more is to be staged.
	if err := r.ledger.seal(&p); err != nil {
		return Published{}, err
	}
	return p, r.publish(ctx)
}

// publish publishes what is sealed, and notes it.
func (r *Recorder) publish(ctx context.Context) error {
	if err := r.order.Container.Publish(ctx, r.object(), r.ledger.sealed.Extent.Parts); err != nil {
		return err
	}
	if err := r.ledger.add(entryPublished, nil); err != nil {
		return err
	}
	r.ledger.published = true
	return r.ledger.flush()
}

// seal notes that everything is staged, and what it is.
func (l *ledger) seal(p *Published) error {
	var b []byte
	for _, n := range []uint64{uint64(p.Extent.Parts), uint64(p.Extent.Size), uint64(p.Manifest)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	if err := l.add(entrySealed, protocol.AppendSeal(b, &p.Seal)); err != nil {
		return err
	}
	l.sealed = p
	return l.flush()
}

func (l *ledger) flush() error {
	if err := l.file.Sync(); err != nil {
		return failed("flush", l.file.Name(), err)
	}
	return nil
}

func (l *ledger) parseSealed(d *decoder) *Published {
	p := &Published{Form: parcel.Form{Transfer: l.head.transfer, Key: l.head.key, Part: l.head.part}}
	p.Extent.Parts, p.Extent.Size, p.Manifest = int(d.position()), d.position(), d.position()
	d.short = d.short || p.Extent.Check(p.Form.Part) != nil || p.Manifest > p.Extent.Size
	var err error
	if p.Seal, err = protocol.ParseSeal(d.p); err != nil {
		d.short = true
	}
	p.Seal.Transfer = l.head.transfer
	return p
}
