package dataconn

import (
	"context"
	"net"
	"time"
)

// freshFor is how long a connection that was made early is good for: the other
// end does not wait long for somebody who says nothing.
const freshFor = 3 * time.Second

// An Early is a connection that is made before the other end's certificate is
// known, so that its round trip passes along with that of the question. Nothing
// is said on it until then.
type Early struct {
	side  *Side
	since time.Time
	made  chan struct{} // closed when conn is known
	conn  net.Conn      // nil for none
}

// Early promises a connection, which the caller makes and gives to Set. It is
// nil when the side has been closed.
func (s *Side) Early() *Early {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	e := &Early{side: s, since: time.Now(), made: make(chan struct{})}
	s.early = append(s.early, e)
	return e
}

// Set keeps the promise. With nil it is taken back: whoever waits for it
// connects by itself, and finds out what was in the way.
func (e *Early) Set(conn net.Conn) {
	e.side.mu.Lock()
	defer e.side.mu.Unlock()
	if conn != nil && e.side.closed {
		conn.Close() // nobody will take it
		conn = nil
	}
	e.conn = conn
	close(e.made)
}

// takeEarly returns a connection that was made early and is still good, nil for
// none.
func (s *Side) takeEarly(ctx context.Context) net.Conn {
	for {
		s.mu.Lock()
		if len(s.early) == 0 {
			s.mu.Unlock()
			return nil
		}
		e := s.early[0]
		s.early = s.early[1:]
		s.mu.Unlock()
		select {
		case <-e.made:
		case <-ctx.Done():
			return nil
		}
		if e.conn != nil && time.Since(e.since) < freshFor {
			return e.conn
		}
		e.drop()
	}
}

// drop closes what was made in vain.
func (e *Early) drop() {
	if e.conn != nil {
		e.conn.Close()
	}
}

// Close closes what was made early and not used. Connections that were opened
// stay open.
func (s *Side) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, e := range s.early {
		e.drop()
	}
	s.early = nil
}
