package network

import (
	"io"
	"net"
	"sync"
	"time"

	"mft.dev/mft/internal/plain"
)

// A conn is a connection whose handshake the process has done: what is said over it is plain.
type conn struct {
	*net.UnixConn
	visit *visit
	from  net.Addr
	away  time.Duration

	closing sync.Once
	closed  chan struct{}

	mu  sync.Mutex
	why error // of the end of what comes; nil while it is not known
}

// watched has the connection end with the line: a process that is heard no further may still
// have its other end.
func (c *conn) watched() *conn {
	c.closed = make(chan struct{})
	go func() { // it ends with the line or the connection, whoever has that
		select {
		case <-c.visit.line.over:
			c.UnixConn.Close()
		case <-c.closed:
		}
	}()
	return c
}

// RemoteAddr is the address of the peer.
func (c *conn) RemoteAddr() net.Addr { return c.from }

// RoundTrip is how far away the peer was at the handshake.
func (c *conn) RoundTrip() time.Duration { return c.away }

// Close ends the connection.
func (c *conn) Close() error {
	err := c.UnixConn.Close()
	c.closing.Do(func() {
		close(c.closed)
		c.visit.leave()
	})
	return err
}

// Read returns what the peer says. At its end it returns why: the process tells of that before
// it closes its end.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.UnixConn.Read(p)
	if err == io.EOF {
		err = c.end()
	}
	return n, err
}

func (c *conn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	c.why = io.EOF
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case n := <-c.visit.inbox:
		var f failure
		if n.drop(); n.kind == kindEnded && plain.Parse(n.payload, &f) == nil && f.err() != nil {
			c.why = f.err()
		}
	case <-c.visit.line.over:
	case <-timer.C:
	}
	return c.why
}
