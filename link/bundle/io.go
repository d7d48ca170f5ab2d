package bundle

import (
	"io"
	"os"
	"slices"

	"mft.dev/mft"
)

// Write returns when a connection has taken each part of p: what has not left
// by then is being written, and waits for nothing but the network.
func (b *Bundle) Write(p []byte) (int, error) {
	if !b.enter() {
		return 0, b.cause()
	}
	defer b.leave()
	b.writing.Lock()
	defer b.writing.Unlock()
	late := b.writeBy.come()
	written := 0
	for written < len(p) {
		select { // whatever else is possible
		case <-b.over:
			return written, b.cause()
		case <-late:
			return written, b.late("write data to")
		default:
		}
		select {
		case l := <-b.free:
			size := segmentOf(len(p) - written)
			l.out = appendHeader(l.out[:0], header{b.sent, size})
			l.out = append(l.out, p[written:written+size]...)
			l.full <- struct{}{}
			b.sent += uint64(size)
			written += size
		case <-b.over:
			return written, b.cause()
		case <-late:
			return written, b.late("write data to")
		}
	}
	return written, nil
}

// segmentOf is how much of what is left goes into a segment: parts of one size
// keep the connections in step.
func segmentOf(left int) int {
	parts := (left + segmentMax - 1) / segmentMax
	return (left + parts - 1) / parts
}

// enter counts a Write, unless the bundle is over.
func (b *Bundle) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false
	}
	b.writers++
	return true
}

func (b *Bundle) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writers--
}

func (b *Bundle) late(op string) error {
	return mft.Fail(mft.CodeTimeout, op, b.terms.Peer, os.ErrDeadlineExceeded)
}

// Read returns what is next. It returns io.EOF only when the other end has
// closed the bundle in an orderly way and everything has been read. After a
// failure it still returns what is there.
func (b *Bundle) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	late := b.readBy.come()
	for {
		select { // even when there is something
		case <-late:
			return 0, b.late("read data from")
		default:
		}
		if n, err := b.take(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-b.ready:
		case <-b.over:
			return b.take(p)
		case <-late:
		}
	}
}

// take returns what is next as far as it is there, or why nothing more comes.
func (b *Bundle) take(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting, ahead := b.coming > 0, false
	for _, l := range b.lanes {
		switch {
		case l == nil:
		case len(l.queue) == 0:
			waiting = waiting || !l.done
		case l.queue[0].offset < b.next:
			return 0, nonsense("segments at %d overlap", l.queue[0].offset)
		case l.queue[0].offset == b.next:
			return b.takeFrom(l, p), nil
		default:
			ahead = true
		}
	}
	switch {
	case b.err != nil:
		return 0, b.err
	case b.ended && b.next > b.end:
		return 0, nonsense("the stream goes on to %d, its end was at %d", b.next, b.end)
	case b.ended && b.next == b.end && !ahead:
		return 0, io.EOF
	case waiting:
		return 0, nil
	case ahead:
		return 0, nonsense("nobody has what is next, at %d", b.next)
	}
	return 0, b.broken("read data from", io.ErrUnexpectedEOF)
}

// takeFrom reads what a lane has in front. Pieces that follow on each other are
// read at once.
func (b *Bundle) takeFrom(l *lane, p []byte) (n int) {
	for n < len(p) && len(l.queue) > 0 && l.queue[0].offset == b.next {
		head := &l.queue[0]
		took := copy(p[n:], head.data)
		n += took
		b.next += uint64(took)
		head.data, head.offset = head.data[took:], b.next
		if len(head.data) == 0 {
			l.spare <- head.block
			l.queue = slices.Delete(l.queue, 0, 1)
		}
	}
	return n
}
