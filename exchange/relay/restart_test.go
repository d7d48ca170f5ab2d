package relay_test

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/exchangetest"
)

var long = flag.Bool("long", false, "restart the relay between any two calls")

// kill has the relay go on from what is on its disk at this moment, as it would after
// SIGKILL: the directory is copied while the relay runs, and another one opens the
// copy. The old one is then told to stop, and nothing that it still writes counts.
func (h *hub) kill() {
	h.t.Helper()
	image := filepath.Join(h.t.TempDir(), "relay")
	if err := copyDir(h.conf.Store.Dir, image); err != nil {
		h.t.Fatal(err)
	}
	h.stop()
	h.conf.Store.Dir = image
	h.start(h.address)
}

// copyDir copies a directory. Files of blocks are never written again, so that
// another name for them will do.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(at, 0o700)
		case strings.HasSuffix(rel, ".lock"), strings.HasSuffix(rel, "-shm"): // of the process
			return nil
		case strings.HasPrefix(rel, "objects"):
			if err := os.Link(path, at); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, content, 0o600)
	})
}

// A mortal is a relay that is killed before calls.
type mortal struct {
	h     *hub
	every int

	mu    sync.RWMutex // held for reading by calls, for writing by who kills
	count sync.Mutex   // guards calls
	calls int
}

// call counts a call, kills the relay if it is time, and holds the next death off
// until end is called.
func (m *mortal) call() (end func()) {
	m.count.Lock()
	m.calls++
	dies := m.calls%m.every == 0
	m.count.Unlock()
	if dies {
		m.mu.Lock()
		m.h.kill()
		m.mu.Unlock()
	}
	m.mu.RLock()
	return m.mu.RUnlock
}

// of returns an exchange whose relay is killed before calls. Connections that the
// relay has closed are no error of the call: it is made again.
func (m *mortal) of(x exchange.Exchange) exchange.Exchange {
	return exchange.Exchange{Queue: queue{m, x.Queue}, Container: container{m, x.Container}, Reader: reader{m, x.Reader}, Keys: keys{m, x.Keys}, Sizes: x.Sizes}
}

// again makes a call, once more when the connection was that of a relay that is no
// more, which says nothing of the call.
func (m *mortal) again(ctx context.Context, f func() error) error {
	defer m.call()()
	for {
		err := f()
		if code := mft.CodeOf(err); code != mft.CodeDisconnected && code != mft.CodeUnreachable || ctx.Err() != nil {
			return err
		}
	}
}

type (
	queue struct {
		m *mortal
		exchange.Queue
	}
	container struct {
		m *mortal
		exchange.Container
	}
	reader struct {
		m *mortal
		exchange.Reader
	}
	keys struct {
		m *mortal
		exchange.Keys
	}
)

func (x queue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	return x.m.again(ctx, func() error { return x.Queue.Put(ctx, to, body) })
}

func (x queue) Take(ctx context.Context, most int, lease time.Duration) (out []exchange.Letter, err error) {
	err = x.m.again(ctx, func() error { out, err = x.Queue.Take(ctx, most, lease); return err })
	return out, err
}

func (x queue) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	return x.m.again(ctx, func() error { return x.Queue.Renew(ctx, l, lease) })
}

func (x queue) Remove(ctx context.Context, l *exchange.Letter) error {
	return x.m.again(ctx, func() error { return x.Queue.Remove(ctx, l) })
}

func (x container) Stage(ctx context.Context, name string, block int, content []byte) error {
	return x.m.again(ctx, func() error { return x.Container.Stage(ctx, name, block, content) })
}

func (x container) Publish(ctx context.Context, name string, blocks int) error {
	return x.m.again(ctx, func() error { return x.Container.Publish(ctx, name, blocks) })
}

func (x container) Grant(ctx context.Context, name string, life time.Duration) (g exchange.Grant, err error) {
	err = x.m.again(ctx, func() error { g, err = x.Container.Grant(ctx, name, life); return err })
	return g, err
}

func (x container) Remove(ctx context.Context, name string) error {
	return x.m.again(ctx, func() error { return x.Container.Remove(ctx, name) })
}

// List is not counted: what it yields may lead to other calls.
func (x container) List(ctx context.Context, yield func(exchange.Object) bool) error {
	var all []exchange.Object
	err := x.m.again(ctx, func() error {
		all = nil
		return x.Container.List(ctx, func(o exchange.Object) bool { all = append(all, o); return true })
	})
	for _, o := range all {
		if err == nil && !yield(o) {
			break
		}
	}
	return err
}

func (x reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	return x.m.again(ctx, func() error { return x.Reader.Read(ctx, ref, offset, p) })
}

func (x keys) Publish(ctx context.Context, id string, statement []byte) error {
	return x.m.again(ctx, func() error { return x.Keys.Publish(ctx, id, statement) })
}

func (x keys) Statements(ctx context.Context, of mft.AgentName) (out [][]byte, err error) {
	err = x.m.again(ctx, func() error { out, err = x.Keys.Statements(ctx, of); return err })
	return out, err
}

// TestKilled holds the relay to the whole contract while it is killed again and again
// between calls: what it has confirmed is there afterwards.
func TestKilled(t *testing.T) {
	every := 37
	if *long {
		every = 1
	}
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		a, b := newParty(t, "alpha"), newParty(t, "beta")
		m := &mortal{h: newHub(t, nil, a, b), every: every}
		return exchangetest.Bench{
			NameA: "alpha", NameB: "beta", Absent: "nobody",
			A: m.of(m.h.of(a).Exchange()), B: m.of(m.h.of(b).Exchange()), Twin: m.of(m.h.of(b).Exchange()),
			Lease: time.Minute, Life: time.Minute, Elapse: m.elapse,
		}
	})
}

// elapse lets time pass, which the relay has saved when it is killed next.
func (m *mortal) elapse(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.h.elapse(d)
	m.h.stop()
	m.h.start(m.h.address)
}
