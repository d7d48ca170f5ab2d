package foreman

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/trigger"
	"mft.dev/mft/trigger/marker"
)

// acted are workers that a function of the test plays, one for each that is asked for.
type acted struct {
	t    *testing.T
	play func(n int, p *post.Conn)

	mu  sync.Mutex
	n   int
	all sync.WaitGroup
}

func (a *acted) Worker(context.Context, seat.Request) (*post.Conn, error) {
	here, there, err := post.Pair()
	if err != nil {
		return nil, err
	}
	worker, err := post.Open(there)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.n++
	n := a.n
	a.mu.Unlock()
	a.all.Go(func() {
		defer worker.Close()
		if worker.Send(post.Message{Kind: uint8(errand.KindReady)}) == nil {
			a.play(n, worker)
		}
	})
	return here, nil
}

// newActed returns a foreman of such workers, with the lookout of a channel.
func newActed(t *testing.T, play func(n int, p *post.Conn)) (*Foreman, *acted, *remote) {
	t.Helper()
	here, there, err := post.Pair()
	if err != nil {
		t.Skip(err)
	}
	here.Close()
	there.Close()
	cfg := config.Default(func(string) string { return "" })
	cfg.Agent.Name = "erp"
	cfg.Channels = []mft.Channel{{Name: "c", From: mft.Endpoint{Agent: "erp", Path: "/srv/out"}}}
	a := &acted{t: t, play: play}
	f := New(Config{Workers: a, Table: seat.Of(cfg)})
	t.Cleanup(func() {
		f.Close()
		a.all.Wait()
	})
	if f.Lookout("none", "/srv/none") != nil {
		t.Fatal("there is a lookout for no channel")
	}
	return f, a, f.Lookout("c", "/srv/out").(*remote)
}

// answering answers orders about markers until the other end is gone, or so many were
// answered.
func answering(p *post.Conn, most int, is bool) {
	for n := 0; n < most; {
		m, err := p.Receive()
		if err != nil {
			return
		}
		if errand.Kind(m.Kind) != errand.KindMark {
			continue
		}
		n++
		if p.Send(post.Message{Kind: uint8(errand.KindReply), ID: m.ID, Payload: plain.Append(nil, errand.Marked{Is: is})}) != nil {
			return
		}
	}
}

// TestAttendant keeps one errand for orders that follow each other, and begins another
// when the worker has ended.
func TestAttendant(t *testing.T) {
	_, workers, at := newActed(t, func(_ int, p *post.Conn) { answering(p, 2, true) })
	for range 5 {
		if is, err := at.Do(t.Context(), marker.Order{Deed: marker.Look, Path: "/srv/marks/go"}); err != nil || !is {
			t.Fatalf("Do = %v, %v", is, err)
		}
	}
	workers.mu.Lock()
	defer workers.mu.Unlock()
	if workers.n != 3 {
		t.Errorf("%d workers for five orders, each of which takes two; want 3", workers.n)
	}
}

// TestHostileAttendant: what a worker that somebody has taken over says in place of an answer
// is an error of its own channel, and no more.
func TestHostileAttendant(t *testing.T) {
	for name, say := range map[string]post.Message{
		"a message that is for another errand": {Kind: uint8(errand.KindPrepare), ID: 1},
		"what nobody knows":                    {Kind: 250},
		"an order":                             {Kind: uint8(errand.KindOrder)},
		"an answer without a form":             {Kind: uint8(errand.KindReply), ID: 1, Payload: []byte{1, 2, 3}},
		"its end":                              {Kind: uint8(errand.KindDone), Payload: plain.Append(nil, errand.Done{})},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, at := newActed(t, func(_ int, p *post.Conn) {
				for {
					m, err := p.Receive()
					if err != nil {
						return
					}
					if errand.Kind(m.Kind) == errand.KindMark && p.Send(say) != nil {
						return
					}
				}
			})
			if is, err := at.Do(t.Context(), marker.Order{Deed: marker.Take, Path: "/srv/marks/go"}); err == nil || is {
				t.Errorf("Do = %v, %v, want an error", is, err)
			}
		})
	}
}

// TestLook hears of what a worker finds, until who asked has heard enough.
func TestLook(t *testing.T) {
	finds := func(_ int, p *post.Conn) {
		for id := uint32(1); id <= 3; id++ {
			page := errand.PageOf([]errand.Found{{Path: "a"}, {Path: "b", Failure: errand.FailureOf(io.ErrUnexpectedEOF)}})
			if p.Send(post.Message{Kind: uint8(errand.KindFound), ID: id, Payload: plain.Append(nil, page)}) != nil {
				return
			}
		}
		for answers := 0; answers < 3; {
			m, err := p.Receive()
			if err != nil {
				return
			}
			if kind := errand.Kind(m.Kind); kind == errand.KindReply || kind == errand.KindFailed {
				answers++
			}
		}
		if p.Send(post.Message{Kind: uint8(errand.KindDone), Payload: plain.Append(nil, errand.Done{})}) == nil {
			_, _ = p.Receive() // the end
		}
	}
	_, _, at := newActed(t, finds)
	heard, failed, stop := 0, 0, errors.New("enough")
	see := func(most int) func(string, confine.Identity, error) error {
		return func(_ string, _ confine.Identity, err error) error {
			heard++
			if err != nil {
				failed++
			}
			if heard == most {
				return stop
			}
			return nil
		}
	}
	if err := at.Look(t.Context(), lookout.Search{Paths: []string{""}, Deep: true}, see(0)); err != nil || heard != 6 || failed != 3 {
		t.Errorf("Look: %v, %d paths, %d failed; want 6 and 3", err, heard, failed)
	}
	heard = 0
	if err := at.Look(t.Context(), lookout.Search{Paths: []string{""}, Deep: true}, see(3)); !errors.Is(err, stop) || heard != 3 {
		t.Errorf("Look: %v after %d paths, want that of see after 3", err, heard)
	}
}

// TestLookAtParts hears only of what it does not know, and in its order.
func TestLookAtParts(t *testing.T) {
	parts := []trigger.Part{{Dir: 1, Look: 1, Files: 2}, {Dir: 2, Look: 2, Files: 1}}
	finds := func(_ int, p *post.Conn) {
		if p.Send(post.Message{Kind: uint8(errand.KindParts), ID: 1, Payload: plain.Append(nil, errand.Parts{Parts: parts})}) != nil {
			return
		}
		var is errand.Known
		for is.Known == nil {
			m, err := p.Receive()
			if err != nil {
				return
			}
			if errand.Kind(m.Kind) == errand.KindReply && plain.Parse(m.Payload, &is) != nil {
				return
			}
		}
		if slices.Equal(is.Known, []bool{true, false}) {
			page := errand.PageOf([]errand.Found{{Path: "b/x"}})
			if p.Send(post.Message{Kind: uint8(errand.KindFound), ID: 2, Payload: plain.Append(nil, page)}) != nil {
				return
			}
			if _, err := p.Receive(); err != nil {
				return
			}
		}
		if p.Send(post.Message{Kind: uint8(errand.KindDone), Payload: plain.Append(nil, errand.Done{})}) == nil {
			_, _ = p.Receive() // the end
		}
	}
	_, _, at := newActed(t, finds)
	var heard []string
	search := lookout.Search{Paths: []string{""}, Deep: true, Known: func(list []trigger.Part) ([]bool, error) {
		if !slices.Equal(list, parts) {
			t.Errorf("asked about %v, want %v", list, parts)
		}
		return []bool{true, false}, nil
	}}
	err := at.Look(t.Context(), search, func(p string, _ confine.Identity, err error) error {
		heard = append(heard, p)
		return err
	})
	if err != nil || !slices.Equal(heard, []string{"b/x"}) {
		t.Errorf("Look: %v, heard of %q", err, heard)
	}
}

// vigil gives the agent what keeps watch of a directory, with a message of this number.
func vigil(t *testing.T, p *post.Conn, id uint32, dir string) {
	f, err := watch.Directories([]string{dir})
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if err := p.Send(post.Message{Kind: uint8(errand.KindWatched), ID: id, File: f}); err != nil {
		t.Error(err)
	}
}

// TestVigil: while nothing happens where a marker lies, what was seen of it counts, without
// a worker; then one is asked again. Deeds are always for a worker.
func TestVigil(t *testing.T) {
	dir := t.TempDir()
	var asked atomic.Int32
	var there atomic.Bool
	_, workers, at := newActed(t, func(n int, p *post.Conn) {
		m, err := p.Receive()
		var o errand.Order
		if err != nil || plain.Parse(m.Payload, &o) != nil || !slices.Equal(o.Dirs, []string{dir}) {
			t.Errorf("errand %d: order %+v, %v", n, o, err)
			return
		}
		vigil(t, p, 1, dir)
		for {
			m, err := p.Receive()
			if err != nil {
				return
			}
			if errand.Kind(m.Kind) != errand.KindMark {
				continue // it has what keeps watch
			}
			asked.Add(1)
			if p.Send(post.Message{Kind: uint8(errand.KindReply), ID: m.ID, Payload: plain.Append(nil, errand.Marked{Is: there.Load()})}) != nil {
				return
			}
		}
	})
	look := marker.Order{Deed: marker.Look, Path: filepath.Join(dir, "go")}
	do := func(o marker.Order, want bool, questions int32) {
		t.Helper()
		before := asked.Load()
		if is, err := at.Do(t.Context(), o); err != nil || is != want {
			t.Fatalf("Do = %v, %v, want %v", is, err, want)
		}
		if n := asked.Load() - before; n != questions {
			t.Errorf("%d questions to a worker, want %d", n, questions)
		}
	}
	// The first answer may have been given before the watch was kept, as far as the agent knows.
	do(look, false, 1)
	if is, err := at.Do(t.Context(), look); is || err != nil {
		t.Fatalf("Do = %v, %v", is, err)
	}
	for range 10 {
		do(look, false, 0)
	}
	there.Store(true)
	if err := os.WriteFile(look.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	do(look, true, 1)
	do(marker.Order{Deed: marker.Take, Path: look.Path}, true, 1)
	workers.mu.Lock()
	defer workers.mu.Unlock()
	if workers.n != 2 {
		t.Errorf("%d errands, want one and another after something had happened", workers.n)
	}
}

// TestNoVigil: what keeps no watch ends the errand that brings it, and no more.
func TestNoVigil(t *testing.T) {
	_, _, at := newActed(t, func(_ int, p *post.Conn) {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Error(err)
			return
		}
		defer null.Close()
		_ = p.Send(post.Message{Kind: uint8(errand.KindWatched), ID: 1, File: null})
		answering(p, 10, true)
	})
	if is, err := at.Do(t.Context(), marker.Order{Deed: marker.Look, Path: "/srv/marks/go"}); err == nil || is {
		t.Errorf("Do = %v, %v, want an error", is, err)
	}
}

// TestWatchRests: while nothing changes at a source there is no worker, and when something
// does there is one again.
func TestWatchRests(t *testing.T) {
	dir := t.TempDir()
	second, ended := make(chan struct{}), make(chan error)
	_, _, at := newActed(t, func(n int, p *post.Conn) {
		if _, err := p.Receive(); err != nil {
			t.Error(err)
			return
		}
		if p.Send(post.Message{Kind: uint8(errand.KindHint), Payload: plain.Append(nil, errand.Hint{Reliable: true})}) != nil {
			return
		}
		if n == 2 {
			close(second)
			for { // it is told to end
				if _, err := p.Receive(); err != nil {
					return
				}
				_ = p.Send(post.Message{Kind: uint8(errand.KindDone), Payload: plain.Append(nil, errand.Done{})})
			}
		}
		vigil(t, p, 1, dir)
		if m, err := p.Receive(); err != nil || errand.Kind(m.Kind) != errand.KindReply {
			t.Errorf("the answer to what keeps watch is %d, %v", m.Kind, err)
		}
		_ = p.Send(post.Message{Kind: uint8(errand.KindDone), Payload: plain.Append(nil, errand.Done{})})
		if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var hints atomic.Int32
	go func() { ended <- at.Watch(ctx, func(string, bool) { hints.Add(1) }) }()
	<-second
	cancel()
	if err := <-ended; err != nil || hints.Load() != 2 {
		t.Errorf("Watch: %v, %d hints, want one of each worker", err, hints.Load())
	}
}
