// Package process runs the process that has an agent's private keys: this program,
// started once more, confined, and at the other end of a pair of sockets.
//
//	p, err := process.Start(process.Config{Dir: dir, Name: name, Log: log})
//	keys, err := identity.Held(name, p, p.Public())
//	…
//	err = p.Close()
//
// A program can start one only if its main function calls [Become] first. A
// process that ends, however it does, is told in the log and started anew; what
// was asked for is asked for once more then, but not a rotation, of which nobody
// knows whether it was done. The package starts none where there are no walls:
// [Possible] says so.
package process

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/holder"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/internal/restrict"
)

// Config is what a process needs.
type Config struct {
	Dir  string // of the keys, absolute; it must be there
	File string // the keys, in Dir; they are made if they are not there
	Name mft.AgentName
	Log  *slog.Logger
}

// A Process has the keys of an agent. It implements identity.Holder; its methods
// may be called concurrently.
type Process struct {
	c      Config
	public keyring.Public // at the start

	mu     sync.Mutex // guards what follows
	client *holder.Client
	closed bool
	over   chan struct{} // closed by Close
	watch  sync.WaitGroup
}

// again is how long is waited before a process that has ended is started anew
// without being asked for.
const again = time.Second

// Start starts the process, and returns when it is confined and has the keys.
func Start(c Config) (*Process, error) {
	p := &Process{c: c, over: make(chan struct{})}
	client, err := p.current()
	if err != nil {
		return nil, err
	}
	p.public = client.Public()
	return p, nil
}

// Public is what is known of the keys since Start.
func (p *Process) Public() keyring.Public { return p.public }

// Walls are those around the process; ok is false while there is none.
func (p *Process) Walls() (r restrict.Report, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		return r, false
	}
	return p.client.Walls(), true
}

// Close ends the process and waits for that.
func (p *Process) Close() (err error) {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.over)
	}
	if p.client != nil {
		err = p.client.Close()
	}
	p.mu.Unlock()
	p.watch.Wait()
	return err
}

// current returns the end of a connection to a process that runs, and starts one
// if need be.
func (p *Process) current() (*holder.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		return p.client, nil
	}
	if p.closed {
		return nil, mft.Fail(mft.CodeKeysAway, "start the key process", "", errClosed)
	}
	client, wait, err := begin(p.c)
	if errors.As(err, new(*mft.Error)) {
		return nil, err
	} else if err != nil {
		return nil, mft.Fail(mft.CodeKeysAway, "start the key process", "", err)
	}
	p.client = client
	p.watch.Go(func() { p.follow(client, wait) })
	return client, nil
}

// follow waits for the end of a process, tells of it, and has another started.
func (p *Process) follow(client *holder.Client, wait func() error) {
	err := wait()
	_ = client.Close()
	p.mu.Lock()
	if p.client == client {
		p.client = nil
	}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return
	}
	p.c.Log.Error("the key process has ended; it is started anew", "err", err)
	timer := time.NewTimer(again)
	defer timer.Stop()
	for {
		select {
		case <-p.over:
			return
		case <-timer.C:
		}
		if _, err := p.current(); err == nil {
			return // it has a follower of its own
		}
		timer.Reset(again)
	}
}

// gone says that the connection is of no use, whatever became of the process.
func (p *Process) gone(client *holder.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == client {
		p.client = nil
		_ = client.Close() // which ends the process too
	}
}

// with asks, and once more when there was no answer.
func (p *Process) with(ask func(*holder.Client) ([]byte, error)) ([]byte, error) {
	for first := true; ; first = false {
		client, err := p.current()
		if err != nil {
			return nil, err
		}
		answer, err := ask(client)
		if mft.CodeOf(err) != mft.CodeKeysAway {
			return answer, err
		}
		p.gone(client)
		if !first {
			return nil, err
		}
	}
}

// SignEnvelope implements identity.Holder.
func (p *Process) SignEnvelope(key [16]byte, message []byte) ([]byte, error) {
	return p.with(func(c *holder.Client) ([]byte, error) { return c.SignEnvelope(key, message) })
}

// SignHandshake implements identity.Holder.
func (p *Process) SignHandshake(key [16]byte, message []byte) ([]byte, error) {
	return p.with(func(c *holder.Client) ([]byte, error) { return c.SignHandshake(key, message) })
}

// Unseal implements identity.Holder.
func (p *Process) Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error) {
	return p.with(func(c *holder.Client) ([]byte, error) { return c.Unseal(id, label, sealed) })
}

// Rotate implements identity.Holder.
func (p *Process) Rotate(now, end time.Time) (keyring.Public, error) {
	client, err := p.current()
	if err != nil {
		return keyring.Public{}, err
	}
	public, err := client.Rotate(now, end)
	if mft.CodeOf(err) == mft.CodeKeysAway {
		p.gone(client)
	}
	return public, err
}
