package wire

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// serve runs one end of a pipe and returns it with the other end.
func serve(t *testing.T, receive func([]byte) error) (c *Conn, far net.Conn, wait func()) {
	t.Helper()
	near, far := net.Pipe()
	c = New(near, func(error) {})
	if receive == nil {
		receive = func([]byte) error { return nil }
	}
	var all sync.WaitGroup
	ctx := t.Context()
	all.Go(func() { c.Serve(ctx, receive, func() error { return nil }) })
	return c, far, all.Wait
}

func frameOf(t *testing.T, conn net.Conn) (protocol.ControlKind, []byte) {
	t.Helper()
	kind, payload, err := protocol.ReadControl(conn)
	if err != nil {
		t.Fatalf("ReadControl: %v", err)
	}
	return kind, payload
}

func TestTheFirstCauseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far, wait := serve(t, nil)
		first := mft.Fail(mft.CodeBusy, "test", "", nil)
		c.End(first)
		c.End(errors.New("second"))
		kind, payload := frameOf(t, far)
		bye, err := protocol.ParseFailure(payload)
		if kind != protocol.ControlBye || err != nil || bye.Code != mft.CodeBusy {
			t.Errorf("the last frame is %v %+v (%v), want a bye with %s", kind, bye, err, mft.CodeBusy)
		}
		wait()
		if got := c.Cause(); got != first {
			t.Errorf("Cause = %v, want %v", got, first)
		}
		if err := c.Send(t.Context(), protocol.ControlEnvelope, []byte("x")); !errors.Is(err, first) {
			t.Errorf("Send after the end: %v, want %v", err, first)
		}
		far.Close()
	})
}

func TestNobodyIsToldWhenThePeerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far, wait := serve(t, nil)
		if err := protocol.WriteControl(far, protocol.ControlBye,
			protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeMaintenance, Detail: "good night"})); err != nil {
			t.Fatal(err)
		}
		if _, _, err := protocol.ReadControl(far); err == nil {
			t.Error("a bye is answered")
		}
		wait()
		if got := c.Cause(); !errors.Is(got, ErrPeerLeft) || mft.CodeOf(got) != mft.CodeMaintenance {
			t.Errorf("Cause = %v, want that the peer left, and why", got)
		}
	})
}

func TestWhatReceiveRefusesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := mft.Fail(mft.CodeBadSigned, "test", "", nil)
		c, far, wait := serve(t, func(b []byte) error {
			if string(b) == "bad" {
				return refused
			}
			return nil
		})
		for _, body := range []string{"good", "good", "bad"} {
			if err := protocol.WriteControl(far, protocol.ControlEnvelope, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		if kind, _ := frameOf(t, far); kind != protocol.ControlBye {
			t.Errorf("the answer is %v, want a bye", kind)
		}
		wait()
		if got := c.Cause(); got != refused {
			t.Errorf("Cause = %v, want %v", got, refused)
		}
		far.Close()
	})
}

// A peer that floods with pings and does not read is heard all the same, and
// takes up no more than the outbox.
func TestPostNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := 0
		c, far, wait := serve(t, func([]byte) error { heard++; return nil })
		for range 10 * outboxSize {
			if err := protocol.WriteControl(far, protocol.ControlPing, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := protocol.WriteControl(far, protocol.ControlEnvelope, []byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if heard != 1 || len(c.out) > outboxSize {
			t.Errorf("%d envelopes were heard, %d frames wait", heard, len(c.out))
		}
		wait() // WriteWithin passes
		if got := c.Cause(); !errors.Is(got, ErrPeerLeft) {
			t.Errorf("Cause = %v", got)
		}
		far.Close()
	})
}

func TestSendObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far, wait := serve(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan error, 1)
		go func() { sent <- c.Send(ctx, protocol.ControlEnvelope, []byte("x")) }()
		synctest.Wait()
		cancel()
		if err := <-sent; !errors.Is(err, context.Canceled) {
			t.Errorf("Send: %v, want that of the context", err)
		}
		far.Close()
		wait()
	})
}

// TestEcho waits for the pong to its own ping, and not on a connection that is dead.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far, wait := serve(t, nil)
		echoed := make(chan error, 1)
		go func() { echoed <- c.Echo(t.Context()) }()
		kind, payload := frameOf(t, far)
		if kind != protocol.ControlPing {
			t.Fatalf("it sends %v, want a ping", kind)
		}
		for _, other := range [][]byte{nil, []byte("12345678"), []byte("x")} {
			if err := protocol.WriteControl(far, protocol.ControlPong, other); err != nil {
				t.Fatal(err)
			}
		}
		if synctest.Wait(); len(echoed) > 0 {
			t.Error("the pong to another ping is taken for that to its own")
		}
		for range 2 { // a second one does no harm
			if err := protocol.WriteControl(far, protocol.ControlPong, payload); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-echoed; err != nil {
			t.Errorf("Echo: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { echoed <- c.Echo(ctx) }()
		frameOf(t, far)
		if err := <-echoed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Echo without an answer: %v, want that of the context", err)
		}
		if len(c.echoes) != 0 {
			t.Errorf("%d pings are remembered that nobody waits for", len(c.echoes))
		}
		far.Close()
		wait()
	})
}
