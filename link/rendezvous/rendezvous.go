// Package rendezvous brings two together who know the same name, whoever comes
// first: one announces that it is there, the other asks for it and waits.
package rendezvous

import (
	"context"
	"errors"
	"sync"
)

// A Place holds what has been announced, by name. It is safe for concurrent
// use.
type Place[T comparable] struct {
	mu      sync.Mutex
	present map[string]T
	// asked holds a question for each name that was asked for and is not
	// announced.
	asked map[string]*question
}

type question struct {
	answered chan struct{} // closed when the name is announced
	askers   int
}

// New returns a place where nobody is.
func New[T comparable]() *Place[T] {
	return &Place[T]{present: map[string]T{}, asked: map[string]*question{}}
}

// Announce makes v known under name, instead of any other.
func (p *Place[T]) Announce(name string, v T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.present[name] = v
	if q := p.asked[name]; q != nil {
		close(q.answered)
		delete(p.asked, name)
	}
}

// Withdraw ends Announce, unless another took the name.
func (p *Place[T]) Withdraw(name string, v T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, ok := p.present[name]; ok && now == v {
		delete(p.present, name)
	}
}

// Present reports whether v is known under name.
func (p *Place[T]) Present(name string, v T) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, ok := p.present[name]
	return ok && now == v
}

// Asked reports whether somebody waits for name.
func (p *Place[T]) Asked(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[name] != nil
}

// Find returns what is announced under name, and waits for it until ctx ends.
func (p *Place[T]) Find(ctx context.Context, name string) (T, error) {
	p.mu.Lock()
	if v, ok := p.present[name]; ok {
		p.mu.Unlock()
		return v, nil
	}
	q := p.asked[name]
	if q == nil {
		q = &question{answered: make(chan struct{})}
		p.asked[name] = q
	}
	q.askers++
	p.mu.Unlock()
	select {
	case <-q.answered:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.askers--; q.askers == 0 && p.asked[name] == q {
		delete(p.asked, name)
	}
	v, ok := p.present[name]
	if !ok {
		return v, errors.New("nobody of that name is there")
	}
	return v, nil
}
