package foreman

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/trigger/marker"
)

// An attendant keeps an errand to the worker of a place open, over which orders about
// markers go. Somebody who waits for a marker looks each second: what a worker has seen counts
// until the kernel tells of something, and no worker is needed meanwhile.
type attendant struct {
	f *Foreman
	r seat.Request

	mu      sync.Mutex // guards what follows; held while a worker is started
	port    *errand.Port
	hearing sync.WaitGroup
	rest    *time.Timer
	closed  bool
	// dirs are the directories of the markers that were looked at. The vigil, if there is one,
	// has kept watch of them since before anything of known was told.
	dirs  []string
	vigil *os.File
	until time.Time
	known map[errand.Mark]bool
}

const (
	// restAfter is how long an errand stays open that nobody uses: the worker ends some
	// time after that.
	restAfter = time.Minute
	// knownFor is how long at most what was seen of a marker counts while nothing has happened where it
	// is: a directory above that one may have gone, which nobody notices.
	knownFor = 10 * time.Minute
	// maxDirs and maxKnown bound what is watched and known: a channel has a few markers.
	maxDirs  = 32
	maxKnown = 100
	// markWithin is how long an order about a marker may take.
	markWithin = 30 * time.Second
)

// attendant returns the one of a place.
func (f *Foreman) attendant(r seat.Request) *attendant {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.attendants[r]
	if a == nil {
		a = &attendant{f: f, r: r}
		f.attendants[r] = a
	}
	return a
}

// Close ends what is kept open, and returns nil. Nothing else may be under way.
func (f *Foreman) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.attendants {
		a.mu.Lock()
		a.closed = true
		port := a.port
		a.port = nil
		if a.rest != nil {
			a.rest.Stop()
		}
		a.forget()
		a.mu.Unlock()
		if port != nil {
			port.Close()
		}
		a.hearing.Wait()
	}
	return nil
}

// do has the worker carry out one order. Every order may be given again, so one that a worker
// took along when it ended is given to the next.
func (a *attendant) do(ctx context.Context, m errand.Mark) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, markWithin, errLate)
	defer cancel()
	if is, ok := a.recall(m); ok {
		return is, nil
	}
	for n := 1; ; n++ {
		port, vigil, err := a.open(ctx)
		if err != nil {
			return false, err
		}
		var out errand.Marked
		_, err = port.Ask(ctx, errand.KindMark, m, &out)
		if err == nil {
			a.learn(vigil, m, out.Is)
			return out.Is, nil
		}
		if gone := mft.CodeOf(err) == mft.CodeWorker; gone || ctx.Err() != nil {
			a.drop(port) // also one that does not answer
			if gone && ctx.Err() == nil && n < tries {
				continue
			}
		}
		return false, err
	}
}

var errLate = mft.Fail(mft.CodeTimeout, "wait for a worker", "", errors.New("it does not answer"))

// open returns the port to the worker, which is started when there is none, and the vigil.
func (a *attendant) open(ctx context.Context) (*errand.Port, *os.File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, nil, errand.Ended(errors.New("the agent ends"))
	}
	if a.port == nil {
		conn, err := a.f.worker(ctx, a.r)
		if err != nil {
			return nil, nil, err
		}
		port := errand.New(conn)
		a.hearing.Go(func() {
			_ = port.Run(func(s errand.Said) error { return a.heard(port, s) })
			a.drop(port)
		})
		a.forget()
		if err := port.Tell(errand.KindOrder, errand.Order{Task: errand.TaskAttend, Dirs: a.dirs}); err != nil {
			port.Close()
			return nil, nil, err
		}
		a.port = port
	}
	port := a.port
	if a.rest != nil {
		a.rest.Stop()
	}
	a.rest = time.AfterFunc(restAfter, func() { a.drop(port) })
	return port, a.vigil, nil
}

// drop closes a port, unless another has taken its place.
func (a *attendant) drop(port *errand.Port) {
	a.mu.Lock()
	defer a.mu.Unlock()
	port.Close()
	if a.port == port {
		a.port = nil
	}
}

// heard takes a vigil from the worker, which has nothing else to say unasked.
func (a *attendant) heard(port *errand.Port, s errand.Said) error {
	if s.Kind != errand.KindWatched {
		return errNotHere
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := watch.Check(s.File); err != nil || a.port != port || a.vigil != nil {
		s.File.Close()
		return errors.Join(err, errNotHere)
	}
	// Those of many channels, which began together, shall not end together.
	a.vigil, a.until, a.known = s.File, time.Now().Add(knownFor-rand.N(knownFor/2)), map[errand.Mark]bool{}
	return port.Answer(s.ID, nil, nil, nil)
}

// recall returns what is known of a marker that somebody looks at.
func (a *attendant) recall(m errand.Mark) (is, ok bool) {
	if m.Order.Deed != marker.Look {
		return false, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	dir := filepath.Dir(m.Order.Path)
	switch watched := slices.Contains(a.dirs, dir); {
	case !watched && len(a.dirs) < maxDirs:
		a.dirs = append(a.dirs, dir)
		a.anew()
		return false, false
	case !watched, a.vigil == nil:
		return false, false
	case time.Now().After(a.until), watch.Happened(a.vigil):
		a.anew()
		return false, false
	}
	is, ok = a.known[m]
	return is, ok
}

// learn notes what a worker has seen of a marker while a vigil was kept already.
func (a *attendant) learn(vigil *os.File, m errand.Mark, is bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if vigil != nil && a.vigil == vigil && m.Order.Deed == marker.Look && len(a.known) < maxKnown {
		a.known[m] = is
	}
}

// anew has a worker be asked for another vigil the next time. The caller holds mu.
func (a *attendant) anew() {
	if a.port != nil {
		a.port.Close()
		a.port = nil
	}
	a.forget()
}

// forget ends the vigil. The caller holds mu.
func (a *attendant) forget() {
	if a.vigil != nil {
		a.vigil.Close()
	}
	a.vigil, a.known = nil, nil
}
