package foreman

import (
	"context"
	"errors"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/supervisor"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// Supervised has the workers that a supervisor starts. It implements Workers, and is
// safe for concurrent use.
type Supervised struct {
	mu   sync.Mutex // one request at a time
	conn *post.Conn
	last uint32
}

// NewSupervised returns the workers of the supervisor at the other end of a
// connection.
func NewSupervised(conn *post.Conn) *Supervised { return &Supervised{conn: conn} }

// Worker returns a connection to the worker of a place. The supervisor answers at
// once; if it is gone, so is this process soon.
func (s *Supervised) Worker(_ context.Context, r seat.Request) (*post.Conn, error) {
	const op = "ask the supervisor for a worker"
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	if err := s.conn.Send(post.Message{Kind: supervisor.KindWorker, ID: s.last, Payload: plain.Append(nil, r)}); err != nil {
		return nil, mft.Fail(mft.CodeWorker, op, "", err)
	}
	m, err := s.conn.Receive()
	if err != nil {
		return nil, mft.Fail(mft.CodeWorker, op, "", err)
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
