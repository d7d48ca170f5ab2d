package bundle

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A lane is one connection of a bundle. One goroutine reads it and one writes
// it. The fields from queue on are guarded by the bundle.
type lane struct {
	conn    net.Conn
	busy    atomic.Bool // a segment is being written
	severed atomic.Bool // none may be any more

	out  []byte        // header and content of one segment, owned by who took the lane from free
	full chan struct{} // out is to be written; room for one

	made  int         // blocks so far
	spare chan []byte // blocks that can be read into; room for all

	queue []piece // what came and nobody has read yet, the first in front
	done  bool    // the peer will send nothing more on it
}

// A piece is content that has come.
type piece struct {
	offset uint64 // in the stream
	data   []byte // what nobody has read yet
	block  []byte // that it is in
}

func newLane(conn net.Conn) *lane {
	return &lane{
		conn: conn, out: make([]byte, 0, headerSize+segmentMax), full: make(chan struct{}, 1),
		spare: make(chan []byte, blocks),
	}
}

// cut closes the connection if something is being written: the goroutine that
// does so would not get to it. Otherwise that goroutine closes it.
func (l *lane) cut() {
	l.severed.Store(true)
	if l.busy.Load() {
		l.conn.Close()
	}
}

// carry serves a lane until the bundle is over.
func (b *Bundle) carry(l *lane) {
	var reader sync.WaitGroup
	reader.Go(func() { b.readLane(l) })
	b.writeLane(l)
	l.conn.Close() // says goodbye, and ends the reader
	reader.Wait()
}

// writeLane writes segments as they come, and at last the end of the stream.
func (b *Bundle) writeLane(l *lane) {
	for {
		b.free <- l
		select {
		case <-l.full:
		case <-b.over:
			select {
			case <-l.full: // Write has returned: it must leave
				b.writeSegment(l)
			default:
			}
			b.goodbye(l)
			return
		}
		if !b.writeSegment(l) {
			return
		}
	}
}

func (b *Bundle) writeSegment(l *lane) bool {
	l.busy.Store(true)
	defer l.busy.Store(false)
	if l.severed.Load() {
		return false
	}
	_, err := l.conn.Write(l.out)
	if err != nil {
		b.fail(b.broken("write data to", err))
	}
	return err == nil
}

// goodbye says where the stream ends, if it ends in an orderly way.
func (b *Bundle) goodbye(l *lane) {
	if !b.endsWell() {
		return
	}
	l.out = appendHeader(l.out[:0], header{offset: b.total()})
	b.writeSegment(l)
}

// total is how much has been written. Nobody writes any more.
func (b *Bundle) total() uint64 {
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.sent
}

// readLane reads segments until the end.
func (b *Bundle) readLane(l *lane) {
	err := b.readSegments(l)
	if err == nil {
		return
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the end was not announced
	}
	b.fail(b.broken("read data from", err))
}

// readSegments returns nil when the stream has ended on this lane or the bundle
// is over.
func (b *Bundle) readSegments(l *lane) error {
	var buf [headerSize]byte
	for {
		if _, err := io.ReadFull(l.conn, buf[:]); err != nil {
			return err
		}
		h, err := parseHeader(buf[:])
		if err != nil {
			return err
		}
		if h.size == 0 {
			return b.endsAt(l, h.offset)
		}
		for h.size > 0 {
			block := b.block(l)
			if block == nil {
				return nil
			}
			n, err := l.conn.Read(block[:min(h.size, len(block))])
			if n > 0 {
				err = errors.Join(b.put(l, piece{h.offset, block[:n], block}), err)
			}
			if err != nil {
				return err
			}
			h.offset += uint64(n)
			h.size -= n
		}
	}
}

// block returns memory to read into, and waits until there is some. It returns
// nil when the bundle is over.
func (b *Bundle) block(l *lane) []byte {
	select {
	case block := <-l.spare:
		return block
	default:
	}
	if l.made < blocks {
		l.made++
		return make([]byte, blockSize)
	}
	select {
	case block := <-l.spare:
		return block
	case <-b.over:
		return nil
	}
}

// put shows content to the reader.
func (b *Bundle) put(l *lane, p piece) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch end := p.offset + uint64(len(p.data)); {
	case p.offset < b.next:
		return nonsense("a segment at %d comes again, %d is next", p.offset, b.next)
	case p.offset-b.next > aheadMax:
		return nonsense("a segment at %d, when %d is next", p.offset, b.next)
	case b.ended && end > b.end:
		return nonsense("a segment to %d after the end of the stream at %d", end, b.end)
	}
	l.queue = append(l.queue, p)
	if p.offset == b.next || len(l.queue) == 1 {
		b.wake()
	}
	return nil
}

// endsAt notes where the stream ends.
func (b *Bundle) endsAt(l *lane, offset uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended && b.end != offset || offset < b.next {
		return nonsense("the stream ends at %d, %d is next", offset, b.next)
	}
	b.ended, b.end, l.done = true, offset, true
	b.wake()
	return nil
}
