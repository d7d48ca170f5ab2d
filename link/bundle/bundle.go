// Package bundle makes several connections to one peer look like one: bytes
// go in at one end and come out at the other, whole and in order, over
// whichever connection has room.
//
// Far away one TCP connection may not fill the path: it begins slowly, and
// where packets are lost a congestion control that counts losses keeps it
// slow. Several begin with several windows and halve one of them at a time.
//
// [Open] makes a [Bundle], a net.Conn, as soon as one of its connections is
// there; the others join when they are. What is written is cut into segments
// that say where in the stream they belong, and each goes to a connection that
// is free. The reader takes the segment that is next from the connection that
// has it, and lets the others wait: what is ahead stays in the buffers of the
// network, which hold the writer back. The next segment is always the first that
// its connection has, so nobody waits for ever. The first connection that
// fails ends all, with its error.
//
// The package authenticates nobody: whoever makes a connection has made sure
// that it leads to the right peer, for this attempt.
package bundle

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"mft.dev/mft"
)

// Max is the most connections of a bundle.
const Max = 8

const (
	// joinWithin is how long after the first a connection may still join, at
	// the end that dials. The other end listens for longer, so that what one
	// end takes for joined the other does, too.
	joinWithin = 6 * time.Second
	// lingerFor is how long Close gives what has been written to leave.
	lingerFor = time.Second
)

// A Dialer makes one connection of a bundle. It is called in several goroutines
// at once.
type Dialer func(ctx context.Context) (net.Conn, error)

// Terms are what both ends agree on.
type Terms struct {
	// Streams is how many connections, 2 to Max.
	Streams int
	// Dials is set at the end that dials: it says on each connection which
	// one it is.
	Dials bool
	// Peer is named in errors.
	Peer string
}

// A Bundle is a net.Conn over several connections. One goroutine at a time
// reads, one at a time writes; others wait for them. Errors have code
// mft.CodeDisconnected, mft.CodeTimeout, or mft.CodeProtocol when the peer
// breaks the rules.
type Bundle struct {
	terms Terms
	first net.Conn // that joined

	free  chan *lane    // lanes that can take a segment; room for all
	over  chan struct{} // closed when the bundle was closed or failed
	ready chan struct{} // the reader should look; room for one
	stop  context.CancelFunc
	all   sync.WaitGroup

	readBy, writeBy deadline
	reading         sync.Mutex
	writing         sync.Mutex // guards sent
	sent            uint64

	mu      sync.Mutex // guards what follows
	err     error      // why it is over
	orderly bool       // it was closed, and everything written can leave
	writers int
	lanes   [Max]*lane // by index; nil has not joined
	joined  int
	coming  int    // may still join
	next    uint64 // what is read next
	end     uint64 // of the stream, where ended
	ended   bool   // the peer has said where it ends
}

// Open opens the connections and returns when the first is there. The others
// join until ctx ends or they have failed; that one or another cannot be made is
// no error, unless none can. The caller closes the bundle.
func Open(ctx context.Context, terms Terms, dial Dialer) (*Bundle, error) {
	if terms.Streams < 2 || terms.Streams > Max {
		return nil, mft.Fail(mft.CodeInternal, "open data connections to", terms.Peer, errors.New("so many connections make no bundle"))
	}
	ctx, stop := context.WithCancel(ctx)
	b := &Bundle{
		terms: terms, stop: stop, coming: terms.Streams,
		free: make(chan *lane, Max), over: make(chan struct{}), ready: make(chan struct{}, 1),
	}
	first := make(chan error, terms.Streams)
	b.all.Add(terms.Streams)
	for i := range terms.Streams {
		go func() {
			defer b.all.Done()
			l, err := b.open(ctx, i, dial)
			first <- err
			if err == nil {
				b.carry(l)
			}
		}()
	}
	var err error
	for range terms.Streams {
		e := <-first
		if e == nil {
			b.limit(ctx)
			return b, nil
		}
		if err == nil || mft.CodeOf(err) == mft.CodeTimeout {
			err = e
		}
	}
	b.Close()
	return nil, err
}

// limit ends the time for joining.
func (b *Bundle) limit(ctx context.Context) {
	if !b.terms.Dials {
		return // the Dialer sees to it
	}
	b.all.Go(func() {
		t := time.NewTimer(joinWithin)
		defer t.Stop()
		select {
		case <-t.C:
			b.stop()
		case <-ctx.Done():
		}
	})
}

// open makes connection i and has it join.
func (b *Bundle) open(ctx context.Context, i int, dial Dialer) (*lane, error) {
	conn, err := dial(ctx)
	if err == nil {
		i, err = b.greet(ctx, conn, i)
	}
	var l *lane
	if err == nil {
		l, err = b.join(i, conn)
	}
	b.mu.Lock()
	b.coming--
	b.mu.Unlock()
	b.wake()
	if err == nil {
		return l, nil
	}
	if conn != nil {
		if b.endsWell() && conn.SetDeadline(time.Now().Add(lingerFor)) == nil {
			// The other end may count on it already.
			_, _ = conn.Write(appendHeader(nil, header{offset: b.total()}))
		}
		conn.Close() // of no use to anybody
	}
	if mft.CodeOf(err) == mft.CodeProtocol {
		b.fail(err) // a peer that does this is not to be talked to
	}
	return nil, err
}

// greet settles which connection this is.
func (b *Bundle) greet(ctx context.Context, conn net.Conn, i int) (int, error) {
	var err error
	if b.terms.Dials {
		if err = conn.SetWriteDeadline(time.Now().Add(joinWithin)); err == nil {
			_, err = conn.Write(greeting(i, b.terms.Streams))
		}
	} else {
		i, err = b.hearGreeting(ctx, conn)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return 0, b.broken("greet on a data connection of", err)
	}
	return i, nil
}

// hearGreeting waits for the greeting until ctx ends.
func (b *Bundle) hearGreeting(ctx context.Context, conn net.Conn) (int, error) {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_ = conn.SetDeadline(time.Unix(1, 0)) // an error means that nothing waits
	})
	var said [greetingSize]byte
	_, err := io.ReadFull(conn, said[:])
	if !stop() {
		<-woken
	}
	if err != nil {
		return 0, err
	}
	return parseGreeting(said[:], b.terms.Streams)
}

func (b *Bundle) join(i int, conn net.Conn) (*lane, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil && !b.orderly: // else it says goodbye like the others
		return nil, b.err
	case b.lanes[i] != nil:
		return nil, nonsense("connection %d comes twice", i)
	}
	l := newLane(conn)
	b.lanes[i] = l
	if b.joined++; b.joined == 1 {
		b.first = conn
	}
	return l, nil
}

// broken gives an error of a connection its code, unless it has one.
func (b *Bundle) broken(op string, err error) error {
	var coded *mft.Error
	code := mft.CodeDisconnected
	switch {
	case errors.As(err, &coded):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		code = mft.CodeTimeout
	}
	return mft.Fail(code, op, b.terms.Peer, err)
}

// wake has the reader look again.
func (b *Bundle) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// fail ends the bundle with an error, unless it has ended.
func (b *Bundle) fail(err error) {
	if b.finish(err, false) {
		b.cut()
	}
}

// finish makes the bundle be over, once.
func (b *Bundle) finish(err error, closed bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false
	}
	b.err = err
	b.orderly = closed && b.writers == 0
	close(b.over)
	b.stop()
	return true
}

// endsWell says whether the peer shall be told where the stream ends.
func (b *Bundle) endsWell() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orderly
}

// cut closes the connections whatever they are doing.
func (b *Bundle) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lanes {
		if l != nil {
			l.cut()
		}
	}
}

// Close closes the bundle, and returns when nothing of it is left. What Write
// has taken gets a second to leave; a Write that is under way is broken off.
func (b *Bundle) Close() error {
	b.finish(mft.Fail(mft.CodeDisconnected, "use the data connections to", b.terms.Peer, net.ErrClosed), true)
	if !b.endsWell() {
		b.cut()
	}
	linger := time.AfterFunc(lingerFor, b.cut)
	defer linger.Stop()
	b.all.Wait()
	return nil
}

// LocalAddr returns the address of the connection that was there first.
func (b *Bundle) LocalAddr() net.Addr { return b.first.LocalAddr() }

// RemoteAddr returns that of its other end.
func (b *Bundle) RemoteAddr() net.Addr { return b.first.RemoteAddr() }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (b *Bundle) SetDeadline(t time.Time) error {
	b.readBy.set(t)
	b.writeBy.set(t)
	return b.cause()
}

// SetReadDeadline ends calls of Read that are under way or come later.
func (b *Bundle) SetReadDeadline(t time.Time) error {
	b.readBy.set(t)
	return b.cause()
}

// SetWriteDeadline ends calls of Write that are under way or come later. Unlike
// that of TLS, a Write that it has ended leaves the bundle usable.
func (b *Bundle) SetWriteDeadline(t time.Time) error {
	b.writeBy.set(t)
	return b.cause()
}

// cause returns why the bundle is over, nil when it is not.
func (b *Bundle) cause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
