// Package supervised has the workers of a foreman that a supervisor starts.
package supervised

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/supervisor"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
)

// Workers are those that a supervisor starts, for package foreman. They are safe for
// concurrent use; nothing is answered before Run runs.
type Workers struct {
	conn    *post.Conn
	over    chan struct{} // closed when Run ends
	answers chan post.Message

	mu   sync.Mutex // one request at a time
	last uint32

	walls atomic.Pointer[restrict.Report]
}

// Walls are those around the supervisor; false while it has not told of any.
func (s *Workers) Walls() (restrict.Report, bool) {
	if r := s.walls.Load(); r != nil {
		return *r, true
	}
	return restrict.Report{}, false
}

// New returns the workers of the supervisor at the other end of a connection.
func New(conn *post.Conn) *Workers {
	return &Workers{conn: conn, over: make(chan struct{}), answers: make(chan post.Message)}
}

// Run hears the supervisor until that ends, which is its error, or ctx does.
func (s *Workers) Run(ctx context.Context) error {
	defer close(s.over)
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	for {
		m, err := s.conn.Receive()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return mft.Fail(mft.CodeWorker, "hear the supervisor", "", err)
		}
		if m.Kind == supervisor.KindWalls {
			var r restrict.Report
			if err := plain.Parse(m.Payload, &r); err != nil {
				return mft.Fail(mft.CodeInternal, "hear the supervisor", "", err)
			}
			s.walls.Store(&r)
			continue
		}
		m.Payload = append([]byte(nil), m.Payload...)
		select {
		case s.answers <- m:
		case <-ctx.Done():
		}
	}
}

// Worker returns a connection to the worker of a place.
func (s *Workers) Worker(ctx context.Context, r seat.Request) (*post.Conn, error) {
	return s.ask(ctx, supervisor.KindWorker, plain.Append(nil, r))
}

// Launch returns a connection to a process that runs a command, for package launch.
func (s *Workers) Launch(ctx context.Context, r seat.Request) (*post.Conn, error) {
	return s.ask(ctx, supervisor.KindLaunch, plain.Append(nil, r))
}

// Network returns a connection to the network process, which is started anew.
func (s *Workers) Network(ctx context.Context) (*post.Conn, error) {
	return s.ask(ctx, supervisor.KindNetwork, nil)
}

// ask asks for a process. When the supervisor has ended the agent is about to: what is under
// way is interrupted then and has not failed, so the answer is not given before ctx is done.
func (s *Workers) ask(ctx context.Context, kind uint8, payload []byte) (*post.Conn, error) {
	conn, err := s.request(kind, payload)
	if errors.Is(err, errOver) {
		ctx, cancel := context.WithTimeout(ctx, endsWithin) // it may be one that does not end with the agent
		defer cancel()
		<-ctx.Done()
	}
	return conn, err
}

// errOver says that the supervisor has ended, and endsWithin is how long the agent may take to.
var errOver = errors.New("it has ended")

const endsWithin = 10 * time.Second

// request is ask, at once. The supervisor answers one request after the other, and always.
func (s *Workers) request(kind uint8, payload []byte) (*post.Conn, error) {
	const op = "ask the supervisor for a process"
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	if err := s.conn.Send(post.Message{Kind: kind, ID: s.last, Payload: payload}); err != nil {
		return nil, mft.Fail(mft.CodeWorker, op, "", fmt.Errorf("%w: %w", errOver, err))
	}
	var m post.Message
	select {
	case m = <-s.answers:
	case <-s.over:
		return nil, mft.Fail(mft.CodeWorker, op, "", errOver)
	}
	switch {
	case m.ID == s.last && m.Kind == supervisor.KindHere && m.File != nil:
		conn, err := post.Open(m.File)
		if err != nil {
			return nil, mft.Fail(mft.CodeInternal, op, "", err)
		}
		return conn, nil
	case m.ID == s.last && m.Kind == supervisor.KindRefused:
		var refusal supervisor.Refusal
		if err := plain.Parse(m.Payload, &refusal); err == nil {
			return nil, mft.Fail(refusal.Code, op, "", errors.New(refusal.Detail))
		}
	}
	return nil, mft.Fail(mft.CodeInternal, op, "", errors.New("the answer makes no sense"))
}
