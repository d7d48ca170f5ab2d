// Package recall remembers what a sender has brought to a peer through an
// exchange, so that the next parcel leaves out what has not changed since.
//
//	memory := recall.Open(config)
//	r := memory.For(ctx, &offer)
//	order.Memory = r           // of package record
//	outgoing.Watch = r.Watch   // of package sender
//
// For each file of a mebibyte or more there are the marks (package
// transfer/delta) of the version that a transfer has sent. They count once the
// peer has given its receipt for that transfer; until then those from before
// are kept beside them, so that a parcel that is interrupted goes on as it began.
//
// What is remembered may be wrong: at the peer somebody takes files away, or
// changes them. Then a parcel was made in vain, and is made anew. A place where
// that happens again and again is left alone, for longer each time.
package recall

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/marks"
	"mft.dev/mft/transfer/sender"
)

// Config is what a memory needs.
type Config struct {
	// Dir is a directory of this memory alone. It is made when it is needed.
	Dir string
	// Delivered reports whether the peer has given its receipt for a transfer, and
	// Open whether it may still.
	Delivered, Open func(ctx context.Context, id mft.TransferID) (bool, error)
	Log             *slog.Logger
}

// A Memory is safe for concurrent use. One process at a time uses a directory.
type Memory struct {
	c     Config
	store *marks.Store
}

// Open returns the memory in a directory. What fails is logged: then less is
// remembered.
func Open(c Config) *Memory { return &Memory{c, marks.Open(c.Dir, c.Log)} }

// mostFailed bounds how long a place is left alone: for 1, 3, 7 … transfers after
// it was of no use for the second, third, fourth time in a row, and 63 at most.
const mostFailed = 7

// For returns what is remembered for one attempt at sending what o offers.
func (m *Memory) For(ctx context.Context, o *mft.Offer) *Recall {
	place := strings.Join([]string{string(o.Recipient), o.Channel, o.Destination, ""}, "\x00")
	return &Recall{memory: m, ctx: ctx, transfer: o.Transfer, place: place, before: map[string]marks.Sent{}}
}

// A Recall is a record.Memory, and has the watchers that package sender asks for.
// It is safe for concurrent use.
type Recall struct {
	memory   *Memory
	ctx      context.Context
	transfer mft.TransferID
	place    string

	mu     sync.Mutex
	before map[string]marks.Sent // by path: what follows Find or Useless for what is kept next; without marks
}

func (r *Recall) last(path string) string { return r.place + path }
func (r *Recall) next(path string) string { return r.place + path + "\x00next" }

// Find returns what the peer should have of an item, nil if that is not known.
func (r *Recall) Find(it *mft.Item) (*delta.Record, mft.Digest) {
	s, sure := r.settled(it.Path)
	if s == nil {
		return nil, mft.Digest{}
	}
	if !sure || s.Rest > 0 || len(s.Record.Marks) == 0 {
		r.note(it.Path, s.Failed, max(s.Rest, 1)-1)
		return nil, mft.Digest{}
	}
	return &s.Record, s.Digest
}

// Useless says that what is remembered of an item may have been of no use.
func (r *Recall) Useless(it *mft.Item) {
	s, _ := r.settled(it.Path)
	if s == nil {
		return
	}
	if s.Rest == 0 && len(s.Record.Marks) > 0 {
		n := min(s.Failed+1, mostFailed)
		*s = marks.Sent{Transfer: s.Transfer, Failed: n, Rest: 1<<(n-1) - 1}
		r.memory.store.KeepSent(r.last(it.Path), s)
	}
	r.note(it.Path, s.Failed, s.Rest)
}

// settled returns what was sent to a place last. sure is false while something
// else is under way there.
func (r *Recall) settled(path string) (last *marks.Sent, sure bool) {
	store := r.memory.store
	last = store.FindSent(r.last(path))
	next := store.FindSent(r.next(path))
	if next == nil || next.Transfer == r.transfer {
		return last, true
	}
	if ok, err := r.memory.c.Delivered(r.ctx, next.Transfer); err != nil {
		return last, false
	} else if ok {
		store.KeepSent(r.last(path), next)
		r.forget(r.next(path))
		return next, true
	}
	if open, err := r.memory.c.Open(r.ctx, next.Transfer); err != nil || open {
		return last, false
	}
	r.forget(r.next(path)) // it has come to nothing
	return last, true
}

func (r *Recall) forget(place string) {
	if err := r.memory.store.Forget(place); err != nil {
		r.memory.c.Log.Warn("cannot forget what was sent", "err", err)
	}
}

func (r *Recall) note(path string, failed, rest uint8) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before[path] = marks.Sent{Failed: failed, Rest: rest}
}

// Watch returns who remembers the content of an item that is about to be sent,
// nil when that is not worth it.
func (r *Recall) Watch(it *mft.Item) sender.Watcher {
	if !delta.Worth(it.Size, it.Size) {
		return nil
	}
	w := &watcher{recall: r, path: it.Path, size: it.Size}
	_, _ = rand.Read(w.seed[:]) // it never fails
	w.key = delta.NewKey(w.seed)
	w.Reset()
	return w
}

// watcher makes the marks of one file.
type watcher struct {
	*delta.Marker
	recall *Recall
	path   string
	size   int64
	seed   delta.Seed
	key    *delta.Key
}

// Reset begins anew.
func (w *watcher) Reset() { w.Marker = delta.NewMarker(w.key, w.seed, w.size) }

// Passed keeps the marks, for when the peer has the file.
func (w *watcher) Passed(d mft.Digest) {
	made := w.Record()
	if made == nil {
		return
	}
	r := w.recall
	r.mu.Lock()
	s := r.before[w.path]
	delete(r.before, w.path)
	r.mu.Unlock()
	s.Transfer, s.Digest, s.Record = r.transfer, d, *made
	r.memory.store.KeepSent(r.next(w.path), &s)
}
