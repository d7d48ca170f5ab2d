package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// maxVisits bounds the connections of one line.
const maxVisits = 4096

// A line is one end of the socket between the process and the agent: it brings messages to the
// connections that they are about. It is safe for concurrent use.
type line struct {
	conn *post.Conn
	over chan struct{} // closed when nothing more comes

	mu     sync.Mutex
	visits map[uint32]*visit // nil when the line is over
}

// A visit is one connection, on its way or there.
type visit struct {
	line  *line
	id    uint32
	inbox chan note
}

// A note is a message about a visit.
type note struct {
	kind    uint8
	payload []byte
	file    *os.File
}

var (
	errOver     = errors.New("the connection to the other process is over")
	errNonsense = errors.New("the other process says what makes no sense")
	errRefused  = errors.New("the agent does not want the connection")
)

func newLine(conn *post.Conn) *line {
	conn.Bound(maxMessage)
	return &line{conn: conn, over: make(chan struct{}), visits: map[uint32]*visit{}}
}

// enter makes a visit known.
func (l *line) enter(id uint32) (*visit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.visits == nil:
		return nil, errOver
	case l.visits[id] != nil:
		return nil, fmt.Errorf("%w: connection %d is there", errNonsense, id)
	case len(l.visits) >= maxVisits:
		return nil, fmt.Errorf("%w: there are too many connections", errNonsense)
	}
	v := &visit{line: l, id: id, inbox: make(chan note, 4)}
	l.visits[id] = v
	return v, nil
}

// leave forgets a visit; what still comes for it is dropped. It may be called more than once.
func (v *visit) leave() {
	v.line.mu.Lock()
	if v.line.visits[v.id] == v {
		delete(v.line.visits, v.id)
	}
	v.line.mu.Unlock()
	for {
		select {
		case n := <-v.inbox:
			n.drop()
		default:
			return
		}
	}
}

func (n note) drop() {
	if n.file != nil {
		n.file.Close()
	}
}

// run brings messages until the socket ends or what comes makes no sense. Opens is called for
// messages of the kinds that open a visit.
func (l *line) run(opens func(kind uint8, id uint32, payload []byte) error) error {
	err := l.receive(opens)
	l.conn.Close()
	l.mu.Lock()
	l.visits = nil
	l.mu.Unlock()
	close(l.over)
	return err
}

func (l *line) receive(opens func(kind uint8, id uint32, payload []byte) error) error {
	for {
		m, err := l.conn.Receive()
		if err != nil {
			return err
		}
		n := note{m.Kind, append([]byte(nil), m.Payload...), m.File}
		switch m.Kind {
		case kindCall, kindDial, kindConnect:
			n.drop()
			if err := opens(n.kind, m.ID, n.payload); err != nil {
				return err
			}
		default:
			if err := l.deliver(m.ID, n); err != nil {
				return err
			}
		}
	}
}

// deliver gives a note to its visit. Nobody sends more than are read.
func (l *line) deliver(id uint32, n note) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.visits[id]
	if v == nil {
		n.drop() // it is over here
		return nil
	}
	select {
	case v.inbox <- n:
		return nil
	default:
		n.drop()
		return fmt.Errorf("%w: more about a connection than there is to say", errNonsense)
	}
}

// heardWithin is how long the other process has to take a message.
const heardWithin = 10 * time.Second

// send says something. Where that fails nobody knows how much was said: the line is over.
func (l *line) send(m post.Message) error {
	_ = l.conn.Socket().SetWriteDeadline(time.Now().Add(heardWithin)) // one that is gone is found out now
	err := l.conn.Send(m)
	if err != nil {
		l.conn.Close()
	}
	return err
}

// send says something about the visit.
func (v *visit) send(kind uint8, payload []byte) error {
	return v.line.send(post.Message{Kind: kind, ID: v.id, Payload: payload})
}

// sendValue does so with a value in its plain form.
func (v *visit) sendValue(kind uint8, value any) error { return v.send(kind, plain.Append(nil, value)) }

// receive returns what comes next about the visit.
func (v *visit) receive(ctx context.Context) (note, error) {
	select {
	case n := <-v.inbox:
		return n, nil
	case <-v.line.over:
		return note{}, errOver
	case <-ctx.Done():
		return note{}, context.Cause(ctx)
	}
}
