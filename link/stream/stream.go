// Package stream makes TLS fast where much is sent: it sits below and above a
// crypto/tls connection and turns many small system calls into few large
// ones.
//
// Put [Under] the network connection before the handshake, and wrap the TLS
// connection with [New] after it. The package neither encrypts nor verifies
// anything, and never keeps back what a Write has brought.
package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/link/path"
)

// bulk is how much goes to or comes from the network in one system call. See
// BenchmarkStream: beyond this there is little left to gain.
const bulk = 256 << 10

// recordRoom is the most that one TLS record takes on the wire: 16 KiB of
// content, 256 bytes of expansion and a header of five (RFC 8446, 5.2).
const recordRoom = 16<<10 + 256 + 5

// A Raw is a network connection below TLS, made by Under. crypto/tls hands
// the network one record of 16 KiB with each write, and asks it for one
// record with each read; a Raw stands between the two.
//
// Nothing is ever kept back beyond the call of Stream.Write that brought it:
// what crypto/tls writes while no such call is under way, as alerts and key
// updates, passes straight through, behind whatever is held.
type Raw struct {
	net.Conn
	in      []byte      // nil until the connection is in use
	unread  []byte      // the part of in that has not been asked for
	cut     atomic.Bool // the network ended; TLS had not
	mu      sync.Mutex
	held    []byte
	holders int
	err     error // of a write; what follows a gap would be worthless
}

// Under returns a connection to do a TLS handshake over. It holds no memory of
// its own until New: many connections never get beyond the handshake.
func Under(conn net.Conn) *Raw { return &Raw{Conn: conn} }

// NetConn returns the connection below.
func (r *Raw) NetConn() net.Conn { return r.Conn }

// grow gives the connection its buffers.
func (r *Raw) grow() {
	r.in = make([]byte, bulk)
	r.held = make([]byte, 0, bulk+recordRoom)
}

// Read is called by crypto/tls, one call at a time.
func (r *Raw) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		into := r.in
		if len(p) >= len(into) {
			into = p
		}
		n, err := r.Conn.Read(into)
		if err == io.EOF {
			// After its goodbye TLS does not ask for more.
			r.cut.Store(true)
		}
		if n == 0 || len(p) >= len(r.in) {
			return n, err
		}
		r.unread = r.in[:n] // an error that came with content will come again
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// Write is called by crypto/tls with one or several whole records.
func (r *Raw) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && len(r.held)+len(p) > cap(r.held) {
		r.flush()
	}
	if r.err != nil {
		return 0, r.err
	}
	if r.holders == 0 || len(p) > cap(r.held) {
		n, err := r.Conn.Write(p) // nothing is held here
		r.err = err
		return n, err
	}
	r.held = append(r.held, p...)
	return len(p), nil
}

// flush writes what is held. The caller holds mu.
func (r *Raw) flush() {
	if len(r.held) == 0 || r.err != nil {
		return
	}
	_, r.err = r.Conn.Write(r.held)
	r.held = r.held[:0]
}

func (r *Raw) hold() {
	r.mu.Lock()
	r.holders++
	r.mu.Unlock()
}

// release ends a hold and writes what is held. With several holders each
// writes: what one wrote must have left when its call returns.
func (r *Raw) release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holders--
	r.flush()
	return r.err
}

// A Stream is a data connection: TLS in which each call of Write leaves in
// few large writes to the network, and reads from it are large. Large calls
// of Write, of 64 KiB to 1 MiB, make best use of it. One goroutine may read
// while others write.
type Stream struct {
	net.Conn // the *tls.Conn
	raw      *Raw
	peer     string
	writing  atomic.Int32
	tally    atomic.Pointer[path.Tally]
}

// New makes a stream of a TLS connection over raw whose handshake is done.
// Errors name the peer. Over a long path it asks the kernel for the congestion
// control that stands loss best.
func New(secure *tls.Conn, raw *Raw, peer string) *Stream {
	raw.grow()
	path.Suit(raw.Conn)
	return &Stream{Conn: secure, raw: raw, peer: peer}
}

// Account has what the stream has lost counted when it is closed.
func (s *Stream) Account(t *path.Tally) { s.tally.Store(t) }

// Write returns when all of p has been handed to the network. An error has
// code mft.CodeDisconnected or mft.CodeTimeout.
func (s *Stream) Write(p []byte) (int, error) {
	s.writing.Add(1)
	defer s.writing.Add(-1)
	s.raw.hold()
	n, err := s.Conn.Write(p)
	if e := s.raw.release(); err == nil && e != nil {
		n, err = 0, e // how much of p arrived is not known
	}
	if err != nil {
		return n, failure("write data to", s.peer, err)
	}
	return n, nil
}

// Read reads content. It returns io.EOF only when the other end has closed the
// stream in an orderly way: crypto/tls alone says the same when somebody cuts
// the connection between two records. Any other error has code
// mft.CodeDisconnected or mft.CodeTimeout.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err == io.EOF && s.raw.cut.Load() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		return n, failure("read data from", s.peer, err)
	}
	return n, err
}

// Flush returns when all that was written has been handed to the network.
// Write does so itself before it returns: Flush is for callers that know the
// stream by an interface with this method.
func (s *Stream) Flush() error {
	s.raw.hold()
	if err := s.raw.release(); err != nil {
		return failure("write data to", s.peer, err)
	}
	return nil
}

// Close closes the stream. A Write that is under way is broken off.
func (s *Stream) Close() error {
	if t := s.tally.Swap(nil); t != nil {
		t.Add(s.raw.Conn)
	}
	if s.writing.Load() > 0 {
		// The goodbye of TLS would wait behind what is being written.
		return s.raw.Conn.Close()
	}
	return s.Conn.Close()
}

func failure(op, peer string, err error) error {
	code := mft.CodeDisconnected
	if errors.Is(err, os.ErrDeadlineExceeded) {
		code = mft.CodeTimeout
	}
	return mft.Fail(code, op, peer, err)
}
