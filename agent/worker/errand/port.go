package errand

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"mft.dev/mft"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// MaxAsked is how many questions a worker may have that are not answered.
const MaxAsked = 256

// A Port is one end of an errand. Run hears the other end; the other methods may
// be called by several goroutines at once.
type Port struct {
	conn *post.Conn

	mu    sync.Mutex
	last  uint32
	asked map[uint32]chan answer
	over  error // why nothing more is heard
}

type answer struct {
	payload []byte
	file    *os.File
	err     error
}

// New returns a port over a connection, which Close closes.
func New(conn *post.Conn) *Port { return &Port{conn: conn, asked: make(map[uint32]chan answer)} }

// Close ends the errand, whatever is under way.
func (p *Port) Close() error { return p.conn.Close() }

// Ended says that the other end is gone or breaks the form.
func Ended(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		err = errors.New("the process at the other end has ended")
	}
	return mft.Fail(mft.CodeWorker, "talk to another process of this agent", "", err)
}

// Tell says something that is not answered.
func (p *Port) Tell(kind Kind, v any) error { return p.send(kind, 0, v, nil) }

func (p *Port) send(kind Kind, id uint32, v any, conn syscall.Conn) error {
	m := post.Message{Kind: uint8(kind), ID: id, Conn: conn}
	if v != nil {
		m.Payload = plain.Append(nil, v)
	}
	if err := p.conn.Send(m); err != nil {
		return Ended(err)
	}
	return nil
}

// Ask asks, and puts the answer into out, which is nil for none. The file is one that
// came with it. It fails when ctx ends first; what was asked for may be done all
// the same.
func (p *Port) Ask(ctx context.Context, kind Kind, in, out any) (*os.File, error) {
	return p.ask(ctx, kind, in, nil, out)
}

// Give asks the other end to take a file, which stays the caller's as well.
func (p *Port) Give(ctx context.Context, kind Kind, file *os.File) error {
	_, err := p.ask(ctx, kind, nil, file, nil)
	return err
}

func (p *Port) ask(ctx context.Context, kind Kind, in any, file syscall.Conn, out any) (*os.File, error) {
	p.mu.Lock()
	if p.over != nil {
		p.mu.Unlock()
		return nil, p.over
	}
	p.last++
	id, ch := p.last, make(chan answer, 1)
	p.asked[id] = ch
	p.mu.Unlock()
	if err := p.send(kind, id, in, file); err != nil {
		p.forget(id)
		return nil, err
	}
	var a answer
	select {
	case a = <-ch:
	case <-ctx.Done():
		p.forget(id)
		return nil, mft.Fail(mft.CodeCancelled, "ask another process of this agent", "", context.Cause(ctx))
	}
	if a.err == nil && out != nil {
		a.err = plain.Parse(a.payload, out)
	}
	if a.err != nil && a.file != nil {
		a.file.Close()
		a.file = nil
	}
	return a.file, a.err
}

func (p *Port) forget(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asked, id)
}

// Answer answers a question: with v and conn, which may be nil, or that it failed.
func (p *Port) Answer(id uint32, v any, conn syscall.Conn, err error) error {
	if err != nil {
		return p.send(KindFailed, id, FailureOf(err), nil)
	}
	return p.send(KindReply, id, v, conn)
}

// Said is a message that is no answer. Its payload is that of its kind.
type Said struct {
	Kind    Kind
	ID      uint32
	Payload []byte
	// File is what came with KindWatched, for the hearer to close; nil with all others.
	File *os.File
}

// Parse reads what was said.
func (s Said) Parse(into any) error {
	if err := plain.Parse(s.Payload, into); err != nil {
		return fmt.Errorf("message %d: %w", s.Kind, err)
	}
	return nil
}

// Run hears the other end until that ends, or heard fails, and returns why: nil never.
// heard is called for one message at a time, whose payload it may keep.
func (p *Port) Run(heard func(Said) error) error {
	err := p.hear(heard)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = Ended(err)
	for id, ch := range p.asked {
		ch <- answer{err: p.over}
		delete(p.asked, id)
	}
	return err
}

func (p *Port) hear(heard func(Said) error) error {
	for {
		m, err := p.conn.Receive()
		if err != nil {
			return err
		}
		payload := append([]byte(nil), m.Payload...)
		switch kind := Kind(m.Kind); kind {
		case KindReply, KindFailed:
			p.answered(kind, m.ID, payload, m.File)
		default:
			if (m.File != nil) != (kind == KindWatched) {
				if m.File != nil {
					m.File.Close()
				}
				return errors.New("a file came that nobody asked for, or did not come")
			}
			if err := heard(Said{kind, m.ID, payload, m.File}); err != nil {
				return err
			}
		}
	}
}

func (p *Port) answered(kind Kind, id uint32, payload []byte, file *os.File) {
	a := answer{payload: payload, file: file}
	if kind == KindFailed {
		var f Failure
		if a.err = plain.Parse(payload, &f); a.err == nil {
			a.err = f.Err()
		}
	}
	p.mu.Lock()
	ch := p.asked[id]
	delete(p.asked, id)
	p.mu.Unlock()
	if ch == nil {
		if file != nil {
			file.Close() // nobody waits for it any more
		}
		return
	}
	ch <- a
}
