package record

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/protocol"
)

// A ledger is the file in which a recorder notes what of a transfer lies in
// parts, so that another attempt goes on there. Entries are only appended:
//
//	kind (1 byte) ‖ length (4, big endian) ‖ payload ‖ CRC-32C of all that (4)
//
// What a crash tore is cut off when the ledger is opened. An entry counts once a
// later one says that the parts it lies in are staged, and until one says that
// recording went on before it. Only the first and the last ones are flushed: a
// ledger that lost its end sends some parts again, and no more.
type ledger struct {
	file *os.File

	mu   sync.Mutex
	size int64 // of what is whole in file

	head      head
	files     []noted                   // sorted by key when it was opened; what counts
	open      map[protocol.Key]*halfway // files that were interrupted
	ended     []noted                   // files in open that have come to their end
	prints    map[int]parcel.Print      // of parts that are staged
	staged    int64                     // position up to which everything is staged
	sealed    *Published                // everything is staged
	published bool                      // and published
}

// The kinds of entry.
const (
	entryHead      = 'H' // what the parcel is
	entryFile      = 'F' // a whole file is in the parcel
	entryHalf      = 'C' // a file is in the parcel up to a check point
	entryStaged    = 'S' // everything before a position is staged
	entryPrint     = 'T' // a part is staged, perhaps behind a gap
	entryChanged   = 'U' // a part is staged anew, with something else
	entryBack      = 'B' // recording goes on at a position
	entrySealed    = 'P' // everything is staged, and is to be published
	entryPublished = 'Q' // the object is published
)

// maxEntry bounds one entry: what a file of many terabytes in many pieces needs.
const maxEntry = 256 << 20

type head struct {
	transfer   mft.TransferID
	generation uint32
	key        parcel.Key
	part       int
}

// noted is where the entry of a whole file stands in the ledger.
type noted struct {
	key    protocol.Key
	digest mft.Digest
	end    int64 // position behind its content in the parcel
	at     int64 // position of the entry's payload in the ledger
	length int
}

// halfway is a file that is in the parcel up to check points.
type halfway struct {
	checks []checked
	frames []byte // that stand for the content
}

// checked is a check point of a file.
type checked struct {
	key    protocol.Key
	offset int64
	digest mft.Digest
	end    int64 // position behind it in the parcel
	from   int64 // offset from which on frames stand for the content
	frames []byte
	upTo   int // of the frames of the file, those before it
}

// last returns the last check point of a file that counts, nil when there is none.
func (l *ledger) last(key protocol.Key) *checked {
	h := l.open[key]
	if h == nil || len(h.checks) == 0 {
		return nil
	}
	c := h.checks[len(h.checks)-1]
	c.frames = h.frames[:c.upTo:c.upTo]
	return &c
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newLedger makes a ledger with a head, in place of the one that may be there.
func newLedger(path string, h head) (*ledger, error) {
	b := append([]byte{1}, h.transfer[:]...)
	b = binary.BigEndian.AppendUint32(b, h.generation)
	b = append(b, h.key[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.part))
	if err := durable.WriteFile(path, appendEntry(nil, entryHead, b), 0o600); err != nil {
		return nil, failed("make", path, err)
	}
	return openLedger(path)
}

// openLedger reads a ledger. The error has CodeNotFound when there is none, and
// CodeCorrupt when it has no head: then it is worth nothing.
func openLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, mft.Fail(mft.CodeNotFound, "open", path, err)
		}
		return nil, failed("open", path, err)
	}
	l := &ledger{file: f, open: map[protocol.Key]*halfway{}, prints: map[int]parcel.Print{}}
	if err := l.load(); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *ledger) close() { l.file.Close() }

func appendEntry(b []byte, kind byte, payload []byte) []byte {
	start := len(b)
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// add appends an entry.
func (l *ledger) add(kind byte, payload []byte) error {
	e := appendEntry(nil, kind, payload)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.WriteAt(e, l.size); err != nil {
		return failed("write", l.file.Name(), err)
	}
	l.size += int64(len(e))
	return nil
}

// load reads the entries up to the first that is not whole, and cuts the rest
// off.
func (l *ledger) load() error {
	r := &entries{r: io.NewSectionReader(l.file, 0, 1<<62)}
	for {
		kind, payload, err := r.next()
		if err != nil {
			break // torn, or the end
		}
		if err := l.take(kind, payload, r.at-4-int64(len(payload))); err != nil {
			return err
		}
		l.size = r.at
	}
	if l.head.part == 0 {
		return mft.Fail(mft.CodeCorrupt, "read", l.file.Name(), errors.New("it has no head"))
	}
	l.rewind(l.staged)
	slices.SortFunc(l.files, func(a, b noted) int { return bytes.Compare(a.key[:], b.key[:]) })
	if err := l.file.Truncate(l.size); err != nil {
		return failed("cut", l.file.Name(), err)
	}
	return nil
}

// rewind forgets what lies behind a position of the parcel.
func (l *ledger) rewind(position int64) {
	l.files = slices.DeleteFunc(l.files, func(n noted) bool { return n.end > position })
	for _, h := range l.open {
		h.checks = slices.DeleteFunc(h.checks, func(c checked) bool { return c.end > position })
	}
	l.ended = slices.DeleteFunc(l.ended, func(n noted) bool { return n.end > position })
	l.staged = position
}

// kept is the last position up to which the parcel has something that counts.
func (l *ledger) kept() (position int64) {
	for _, n := range l.files {
		position = max(position, n.end)
	}
	for _, h := range l.open {
		for _, c := range h.checks {
			position = max(position, c.end)
		}
	}
	return position
}

// take notes one entry that was read.
func (l *ledger) take(kind byte, p []byte, at int64) error {
	d := decoder{p: p}
	switch kind {
	case entryHead:
		d.take(1)
		copy(l.head.transfer[:], d.take(16))
		l.head.generation = uint32(d.number(4))
		copy(l.head.key[:], d.take(32))
		l.head.part = int(d.position())
		d.short = d.short || l.head.part < 1 || l.head.part > parcel.MaxPart
	case entryFile:
		n := noted{at: at, length: len(p)}
		copy(n.key[:], d.take(16))
		copy(n.digest[:], d.take(32))
		n.end = d.position()
		l.files = append(l.files, n)
		if l.open[n.key] != nil {
			l.ended = append(l.ended, n)
		}
	case entryHalf:
		var c checked
		copy(c.key[:], d.take(16))
		copy(c.digest[:], d.take(32))
		c.offset, c.end, c.from = d.position(), d.position(), d.position()
		c.frames = d.p
		l.takeHalf(c)
	case entryStaged:
		l.staged = d.position()
		l.ended = slices.DeleteFunc(l.ended, func(n noted) bool {
			if n.end <= l.staged {
				delete(l.open, n.key)
			}
			return n.end <= l.staged
		})
	case entryPrint:
		p := parcel.Print{Number: int(d.position()), From: d.position(), Rest: uint32(d.number(4)), Whole: uint32(d.number(4))}
		l.prints[p.Number] = p
	case entryChanged:
		delete(l.prints, int(d.position()))
	case entryBack:
		l.rewind(min(d.position(), l.staged))
	case entrySealed:
		l.sealed = l.parseSealed(&d)
	case entryPublished:
		l.published = l.sealed != nil
	default:
		return mft.Fail(mft.CodeVersion, "read", l.file.Name(), fmt.Errorf("an entry of kind %q", kind))
	}
	if d.short {
		return mft.Fail(mft.CodeCorrupt, "read", l.file.Name(), fmt.Errorf("a short entry of kind %q", kind))
	}
	return nil
}

// takeHalf notes a check point that was read.
func (l *ledger) takeHalf(c checked) {
	h := l.open[c.key]
	switch last := l.last(c.key); {
	case c.from == 0:
		h = &halfway{}
	case last == nil || last.offset != c.from:
		return // of what does not count
	default:
		h.frames = h.frames[:last.upTo]
	}
	h.frames = append(h.frames, c.frames...)
	c.upTo, c.frames = len(h.frames), nil
	h.checks = append(h.checks, c)
	l.open[c.key] = h
}

// find returns the entry of a whole file.
func (l *ledger) find(key protocol.Key) (noted, bool) {
	i, ok := slices.BinarySearchFunc(l.files, key, func(n noted, key protocol.Key) int { return bytes.Compare(n.key[:], key[:]) })
	if !ok {
		return noted{}, false
	}
	return l.files[i], true
}

// content returns what stands in a manifest for the content of a noted file:
// the reference to a small one, or the frames of a big one.
func (l *ledger) content(n noted) (small []byte, frames []byte, err error) {
	p := make([]byte, n.length)
	if _, err := l.file.ReadAt(p, n.at); err != nil {
		return nil, nil, failed("read", l.file.Name(), err)
	}
	d := decoder{p: p[16+32+8:]}
	small = d.take(int(d.number(4)))
	return small, d.p, nil
}

// whole notes that a file is in the parcel.
func (l *ledger) whole(key protocol.Key, digest mft.Digest, end int64, small, frames []byte) error {
	b := slices.Concat(key[:], digest[:])
	b = binary.BigEndian.AppendUint64(b, uint64(end))
	b = binary.BigEndian.AppendUint32(b, uint32(len(small)))
	return l.add(entryFile, append(append(b, small...), frames...))
}

// half notes how far a file is in the parcel; frames are those since the last
// time.
func (l *ledger) half(h *checked) error {
	b := slices.Concat(h.key[:], h.digest[:])
	for _, n := range []int64{h.offset, h.end, h.from} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return l.add(entryHalf, append(b, h.frames...))
}

// mark notes a position.
func (l *ledger) mark(kind byte, position int64) error {
	return l.add(kind, binary.BigEndian.AppendUint64(nil, uint64(position)))
}

// entries reads entries one by one.
type entries struct {
	r  io.Reader
	at int64 // behind the last one
}

var errTorn = errors.New("a torn entry")

func (r *entries) next() (kind byte, payload []byte, err error) {
	var h [5]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n > maxEntry {
		return 0, nil, errTorn
	}
	var rest bytes.Buffer // grows with what is there, not with what is claimed
	if m, err := io.CopyN(&rest, r.r, int64(n)+4); err != nil {
		return 0, nil, cmp.Or(err, fmt.Errorf("%d bytes", m))
	}
	payload = rest.Bytes()[:n]
	sum := crc32.Update(crc32.Checksum(h[:], castagnoli), castagnoli, payload)
	if binary.BigEndian.Uint32(rest.Bytes()[n:]) != sum {
		return 0, nil, errTorn
	}
	r.at += int64(len(h)) + int64(n) + 4
	return h[0], payload, nil
}

// decoder reads the fields of an entry, whose checksum was right.
type decoder struct {
	p     []byte
	short bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.p) {
		d.short, d.p = true, nil
		return make([]byte, max(min(n, 64), 0))
	}
	p := d.p[:n]
	d.p = d.p[n:]
	return p
}

func (d *decoder) number(size int) (v uint64) {
	for _, b := range d.take(size) {
		v = v<<8 | uint64(b)
	}
	return v
}

// position reads a place in a parcel or a file.
func (d *decoder) position() int64 {
	n := d.number(8)
	if n > 1<<62 {
		d.short = true
		return 0
	}
	return int64(n)
}

func failed(op, path string, err error) error {
	return mft.Fail(mft.CodeJournal, op, filepath.Base(path), err)
}
