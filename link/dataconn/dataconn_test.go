package dataconn

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExpect(t *testing.T) {
	s := New()
	for i, tt := range []struct {
		key  [32]byte
		fine bool
	}{{[32]byte{1}, true}, {[32]byte{1}, true}, {[32]byte{2}, false}, {[32]byte{}, false}} {
		if err := s.Expect(tt.key); (err == nil) != tt.fine {
			t.Errorf("%d: Expect(%x) = %v", i, tt.key[:2], err)
		}
	}
}

// closes tells whether it was closed.
type closes struct {
	net.Conn
	closed bool
}

func (c *closes) Close() error {
	c.closed = true
	return c.Conn.Close()
}

func conn(t *testing.T) *closes {
	one, other := net.Pipe()
	t.Cleanup(func() {
		one.Close()
		other.Close()
	})
	return &closes{Conn: one}
}

func TestEarly(t *testing.T) {
	s := New()
	if got := s.takeEarly(t.Context()); got != nil {
		t.Errorf("takeEarly of nothing = %v", got)
	}
	first, second, third := s.Early(), s.Early(), s.Early()
	used, stale := conn(t), conn(t)
	first.Set(nil) // it did not work out
	second.Set(stale)
	second.since = second.since.Add(-2 * freshFor)
	var making sync.WaitGroup
	making.Go(func() { third.Set(used) })
	if got := s.takeEarly(t.Context()); got != net.Conn(used) {
		t.Errorf("takeEarly = %v, want the one that is good", got)
	}
	making.Wait()
	if !stale.closed || used.closed {
		t.Errorf("closed: the stale one %v, the good one %v", stale.closed, used.closed)
	}
}

func TestEarlyIsNotWaitedForLonger(t *testing.T) {
	s := New()
	s.Early() // nobody keeps the promise
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := s.takeEarly(ctx); got != nil {
		t.Errorf("takeEarly = %v", got)
	}
}

// What nobody has taken is closed with the side, whenever it is there.
func TestCloseDropsEarly(t *testing.T) {
	s := New()
	before, after := s.Early(), s.Early()
	there, late := conn(t), conn(t)
	before.Set(there)
	s.Close()
	after.Set(late)
	if !there.closed || !late.closed {
		t.Errorf("closed: %v and %v, want both", there.closed, late.closed)
	}
	if e := s.Early(); e != nil {
		t.Errorf("Early of a closed side = %v", e)
	}
}

func TestDialFails(t *testing.T) {
	s := New()
	if _, err := s.Dial(t.Context(), func(context.Context, string) (net.Conn, error) {
		return nil, errors.New("no route")
	}, "host:1", "name", "peer"); mft.CodeOf(err) != mft.CodeUnreachable {
		t.Errorf("Dial: %v, want %s", err, mft.CodeUnreachable)
	}
}
