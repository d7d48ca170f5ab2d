// Package walk announces a tree directory by directory: it sends the listing of
// each, and announces what is in it only if the receiver does not have the
// same.
//
// [Run] is one goroutine, which waits for two things only: for room among the
// items, which content and the receiver's commits make, and for answers to
// listings, which the receiver gives as it reads. Neither waits for the other,
// and whoever hears both, and calls [Asks.Answered], never waits: so the
// windows of items and of listings cannot lock each other up. Before Run waits
// for an answer it sends what it has collected, and it never waits for one
// while it adds items.
//
// A directory is an item of the directory above it, and is announced before
// anything in it: the receiver answers a listing after that of the directory
// above, answers are obeyed in the order in which they come, and nothing is
// announced unasked below a directory that has no answer yet.
//
// The package reads no content. Of what it asks about while answers are mostly
// that the receiver has something else, it keeps what it has seen, within
// bounds, so that it need not be listed again to be announced.
package walk

import (
	"context"
	"errors"
	"path"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/look"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger/selection"
)

// An Announcer is told what there is.
type Announcer interface {
	// Add announces an item, waiting for room.
	Add(source *scan.Source, e scan.Entry) error
	// Next is the index that the next item gets.
	Next() uint64
	// Flush sends what was added and told so far.
	Flush() error
	// Tell sends a frame behind what was added so far, at the latest when Flush is
	// called.
	Tell(kind protocol.FrameKind, payload []byte) error
	// Skip notes something that is not announced.
	Skip(path string, err error)
}

// Order says what to announce and how.
type Order struct {
	Source *scan.Source
	Asks   *Asks
	// Basis is that of the receiver's decision.
	Basis mft.Basis
	// Mirror has the receiver told when all of a directory was announced.
	Mirror bool
	// Same counts what the receiver has of a directory that differs.
	Same func(mft.Count)
}

type walker struct {
	Order
	a      Announcer
	lister *scan.Lister
	todo   []pending // the next one last
	pace   pace
	looks  looks
	match  match
	walked bool // no listing may follow
	empty  bool

	frame []byte // listings that have not been sent
	since time.Time
}

// Run announces the source, whose top this is. empty tells that there is
// nothing in it.
func Run(ctx context.Context, o Order, a Announcer, top scan.Folder) (empty bool, err error) {
	w := &walker{Order: o, a: a, lister: scan.ListerFor(o.Basis)}
	err = w.run(ctx, top)
	return w.empty, err
}

// pending is a directory to be looked at.
type pending struct {
	folder scan.Folder
	above  *ask // that it was found by; nil when nothing was asked
}

// Bounds of listings on their way.
const (
	listingsAsked = 1024    // and not answered
	listingBytes  = 4 << 10 // collected before they are sent
	listingsEvery = 5 * time.Millisecond
	askedBelow    = 4096 // of the directories to be looked at next are searched by askBelow
)

// run announces the source, whose top this is.
func (w *walker) run(ctx context.Context, top scan.Folder) error {
	if top.Path() != "" {
		e, err := w.Source.Stat(top)
		if err != nil {
			w.a.Skip(top.Path(), err)
			return nil
		}
		if err := w.a.Add(w.Source, e); err != nil {
			return err
		}
	}
	if err := w.step(ctx, pending{folder: top}, true); err != nil {
		return err
	}
	for {
		if err := w.serve(ctx, false); err != nil {
			return err
		}
		if n := len(w.todo); n > 0 {
			next := w.todo[n-1]
			w.todo = w.todo[:n-1]
			if err := w.step(ctx, next, false); err != nil {
				return err
			}
			continue
		}
		if err := w.tellWalked(); err != nil {
			return err
		}
		if w.Asks.unanswered() == 0 {
			if err := w.serve(ctx, false); err != nil || len(w.todo) == 0 {
				return err
			}
		} else if err := w.serve(ctx, true); err != nil {
			return err
		}
	}
}

// step asks about one directory, or announces what is in it: if nothing can be
// the same there, or asking has been of no use lately. The directories above
// must have been announced then.
func (w *walker) step(ctx context.Context, p pending, top bool) error {
	asks := w.Basis.Listings && !w.walked
	announced := p.above == nil || p.above.served
	if asks && (!announced || !p.above.isFresh() && w.pace.asks()) {
		return w.ask(ctx, p.folder, top)
	}
	n, err := w.announce(ctx, p.folder, &ask{fresh: p.above.isFresh(), served: true})
	if top && err == nil && n == 0 {
		w.empty = true
	}
	return err
}

// ask sends the listing of a directory.
func (w *walker) ask(ctx context.Context, f scan.Folder, top bool) error {
	for w.Asks.unanswered() >= listingsAsked {
		if err := w.serve(ctx, true); err != nil {
			return err
		}
	}
	var seen *look.Look
	if w.pace.differs() {
		seen = w.looks.take()
	}
	l, err := w.Source.ListInto(ctx, w.lister, f.Path(), seen, true)
	k := &ask{folder: f, dirs: l.Dirs, unfit: l.Unfit > 0}
	if seen != nil && err == nil {
		k.seen = w.looks.keep(seen)
	}
	k.listing = listing.Listing{Path: f.Path(), Entries: l.Items, Bytes: l.Bytes, Digest: l.Digest}
	switch {
	case ctx.Err() != nil:
		return transfer.Cause(ctx, ctx.Err())
	case mft.CodeOf(err) == mft.CodeNotFound && !top:
		return nil // it has vanished
	case err != nil:
		// What is in the way is told of when it is announced: nothing is
		// taken to be the same as this.
		k.listing.Entries, k.listing.Bytes, k.listing.Digest = 0, 0, [16]byte{0xff}
	case top && l.Items == 0 && l.Unfit == 0:
		w.empty = true
	}
	for _, name := range slices.Backward(l.Dirs) {
		w.todo = append(w.todo, pending{f.Below(name), k})
	}
	w.Asks.add(k)
	if len(w.frame) == 0 {
		w.since = time.Now()
	}
	w.frame = listing.Append(w.frame, &k.listing)
	if len(w.frame) >= listingBytes || time.Since(w.since) > listingsEvery {
		return w.flush()
	}
	return nil
}

// askBelow sends the listings of the directories in one that is about to be announced, as far as
// there is room for them. Of a directory whose listing comes before its item, the receiver of a mirror can
// tell that it has it under another name: without this it would depend on which was faster, the answer or
// the walk.
func (w *walker) askBelow(ctx context.Context, k *ask) error {
	if len(k.dirs) == 0 || w.walked {
		return nil
	}
	start, room := max(0, len(w.todo)-askedBelow), listingsAsked/2-w.Asks.unanswered()
	var below, rest []pending
	for _, p := range slices.Backward(w.todo[start:]) {
		if p.above == k && len(below) < room {
			below = append(below, p)
		} else {
			rest = append(rest, p)
		}
	}
	slices.Reverse(rest)
	w.todo = append(w.todo[:start], rest...)
	for _, p := range below {
		if err := w.ask(ctx, p.folder, false); err != nil {
			return err
		}
	}
	return w.flush() // also those that were asked about and not sent
}

// flush sends the listings that were collected, behind the items that were.
func (w *walker) flush() error {
	if len(w.frame) == 0 {
		return nil
	}
	frame := w.frame
	w.frame = w.frame[:0]
	if err := w.a.Tell(protocol.FrameListings, frame); err != nil {
		return err
	}
	return w.a.Flush()
}

// tellWalked says that no listing follows.
func (w *walker) tellWalked() error {
	if err := w.flush(); err != nil || w.walked {
		return err
	}
	w.walked = true
	if !w.Mirror {
		return w.a.Flush()
	}
	if err := w.a.Tell(protocol.FrameWalked, nil); err != nil {
		return err
	}
	return w.a.Flush()
}

// serve does what the answers that have come ask for. It waits for one if told
// to.
func (w *walker) serve(ctx context.Context, wait bool) error {
	if wait {
		if err := w.flush(); err != nil {
			return err
		}
		if err := w.a.Flush(); err != nil {
			return err
		}
	}
	for {
		k, err := w.Asks.next(wait)
		if err != nil || k == nil {
			return err
		}
		wait = false
		w.pace.heard(k.answer)
		k.served = true
		w.looks.drop(k.seen)
		if k.answer != listing.Same {
			if k.fresh = k.answer == listing.New; w.Mirror && !k.fresh {
				if err := w.askBelow(ctx, k); err != nil {
					return err
				}
			}
			_, err = w.announce(ctx, k.folder, k)
			w.Asks.obeyed(k)
		} else if k.unfit {
			err = w.tellUnfit(ctx, k.folder)
		}
		k.seen = nil
		if err != nil {
			return err
		}
	}
}

// announce announces what is directly in a directory, and has the directories
// in it looked at that k does not know of.
func (w *walker) announce(ctx context.Context, f scan.Folder, k *ask) (int64, error) {
	l := listing.Listed{Path: f.Path(), First: w.a.Next(), Whole: true}
	var dirs []pending
	var stopped error
	seen := k.seen
	if seen == nil {
		seen = &w.looks.spare
		seen.Reset()
	}
	settled, err := w.Source.In(ctx, f, seen, w.match.begin(w.lister, k), func(e scan.Entry, err error) error {
		name := path.Base(e.Item.Path)
		if err != nil {
			if !errors.Is(err, selection.ErrKept) {
				w.a.Skip(e.Item.Path, err)
			}
			if l.Whole = l.Whole && len(l.Kept) < protocol.MaxKept; l.Whole {
				l.Kept = append(l.Kept, name)
			}
			return nil
		}
		if e.Item.Type == mft.ItemDir {
			if _, known := slices.BinarySearch(k.dirs, name); !known {
				dirs = append(dirs, pending{f.Below(name), k})
			}
		}
		l.Count++
		stopped = w.a.Add(w.Source, e)
		return stopped
	})
	switch {
	case ctx.Err() != nil:
		return 0, transfer.Cause(ctx, ctx.Err())
	case stopped != nil:
		return 0, stopped
	case err != nil:
		w.a.Skip(f.Path(), err)
	}
	l.Whole = l.Whole && settled && err == nil
	slices.Reverse(dirs)
	w.todo = append(w.todo, dirs...)
	if k.answer == listing.Differ {
		if err := w.tellMatched(k); err != nil {
			return 0, err
		}
	}
	if !w.Mirror || k.fresh {
		return int64(l.Count), nil
	}
	return int64(l.Count), w.a.Tell(protocol.FrameListed, listing.AppendListed(nil, &l))
}

// tellMatched tells which of the prints of an answer stand for something else.
func (w *walker) tellMatched(k *ask) error {
	m, same := w.match.end(k.number)
	w.Same(same)
	return w.a.Tell(protocol.FrameMatched, listing.AppendMatched(nil, &m))
}

// tellUnfit tells of what does not travel in a directory of which nothing is
// announced.
func (w *walker) tellUnfit(ctx context.Context, f scan.Folder) error {
	w.looks.spare.Reset()
	_, err := w.Source.In(ctx, f, &w.looks.spare, nil, func(e scan.Entry, err error) error {
		if err != nil && !errors.Is(err, selection.ErrKept) {
			w.a.Skip(e.Item.Path, err)
		}
		return nil
	})
	if ctx.Err() != nil {
		return transfer.Cause(ctx, ctx.Err())
	}
	if err != nil && mft.CodeOf(err) != mft.CodeNotFound {
		w.a.Skip(f.Path(), err)
	}
	return nil
}
