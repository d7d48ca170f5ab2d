package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender/walk"
	"mft.dev/mft/trigger/selection"
)

// announceEvery bounds how long a found item waits for others to share its
// frame.
const announceEvery = 20 * time.Millisecond

// announcer collects items into ITEMS frames.
type announcer struct {
	s     *sender
	first uint64 // index of items[0]
	items []mft.Item
	size  int       // of their encoding, at most
	since time.Time // of items[0]
	frame []byte
	kept  time.Time // since when frames may be kept back, zero for not at all
}

func (a *announcer) add(it item) error {
	// What has been collected must not wait for room that only its own
	// answer can make.
	if len(a.items) > 0 && !a.s.list.hasRoom() {
		if err := a.Flush(); err != nil {
			return err
		}
	}
	i, err := a.s.list.add(it)
	if err != nil {
		return err
	}
	now := time.Now()
	if len(a.items) == 0 {
		a.first, a.since = i, now
	}
	a.items = append(a.items, it.entry.Item)
	if it.tries == 0 {
		a.s.linked.Add(it.entry.Item.Path, &it.entry.Identity)
	}
	a.s.out.Meter.Found(1, it.entry.Item.Size)
	a.size += protocol.ItemSize(&it.entry.Item)
	if now.Sub(a.since) > announceEvery || !a.kept.IsZero() && now.Sub(a.kept) > announceEvery {
		return a.Flush()
	}
	if len(a.items) == itemsPerFrame || a.size > itemBytes {
		return a.close()
	}
	return nil
}

// close ends the frame of items that is being made.
func (a *announcer) close() error {
	if len(a.items) == 0 {
		return nil
	}
	a.frame = protocol.AppendItems(a.frame[:0], a.first, a.items)
	a.items, a.size = a.items[:0], 0
	return a.gather(protocol.FrameItems, a.frame)
}

// gather sends a frame, together with those before and behind it: a receiver that
// is woken for each small frame has time for little else.
func (a *announcer) gather(kind protocol.FrameKind, payload []byte) error {
	if a.kept.IsZero() {
		a.kept = time.Now()
	}
	return a.s.line(func() error {
		return a.s.small.Gather(func() error { return a.s.frames.WriteFrame(kind, payload) })
	})
}

// announce streams the items of the sources to the peer, ahead of their
// content, and afterwards those that changed while they were read.
func (s *sender) announce(ctx context.Context) error {
	a := &announcer{s: s}
	for _, source := range s.out.Sources {
		top, ok := source.Top()
		var err error
		if ok && s.compares() {
			err = s.walk(ctx, a, source, top)
		} else {
			err = s.announceAll(ctx, a, source)
		}
		if err != nil {
			return err
		}
	}
	if err := a.close(); err != nil {
		return err
	}
	if err := s.tellLinked(a); err != nil {
		return err
	}
	totals, _ := s.out.Meter.Snapshot()
	if err := s.write(protocol.FrameScanned, protocol.AppendScanned(nil, &totals)); err != nil {
		return err
	}
	s.list.scanDone()
	for {
		it, ok, err := s.list.nextAgain()
		if err != nil || !ok {
			return err
		}
		s.out.Meter.Found(-1, -it.entry.Item.Size) // it is counted anew
		if err := a.add(it); err != nil {
			return err
		}
		if err := a.Flush(); err != nil {
			return err
		}
	}
}

// tellLinked tells which items are names of one file.
func (s *sender) tellLinked(a *announcer) error {
	if n := s.linked.Left(); n > 0 {
		s.out.Note(mft.EventItem, mft.CodeUnpreserved, fmt.Sprintf("%d names of files with several are sent as files of their own: there are too many", n))
	}
	var payload []byte
	return s.linked.Each(func(l *listing.Linked) error {
		payload = listing.AppendLinked(payload[:0], l)
		return a.Tell(protocol.FrameLinked, payload)
	})
}

// compares reports whether there is something to compare with, or to tell from
// what the source has.
func (s *sender) compares() bool {
	return s.basis.Listings || s.basis.Present && s.out.Offer.Mirror.On
}

// walk announces a tree, asking what of it the receiver has.
func (s *sender) walk(ctx context.Context, a *announcer, source *scan.Source, top scan.Folder) error {
	order := walk.Order{Source: source, Asks: s.asks, Basis: s.basis, Mirror: s.out.Offer.Mirror.On, Same: s.same}
	empty, err := walk.Run(ctx, order, a, top)
	s.empty = s.empty || empty
	return err
}

// The methods of walk.Announcer.

func (a *announcer) Add(source *scan.Source, e scan.Entry) error {
	return a.add(item{entry: e, source: source})
}

func (a *announcer) Next() uint64 { return a.s.list.next() }

func (a *announcer) Flush() error {
	if err := a.close(); err != nil {
		return err
	}
	a.kept = time.Time{}
	return a.s.line(a.s.small.Flush)
}

func (a *announcer) Skip(path string, err error) { a.s.unannounced(path, err) }

func (a *announcer) Tell(kind protocol.FrameKind, payload []byte) error {
	if err := a.close(); err != nil {
		return err
	}
	if kind == protocol.FrameListed || kind == protocol.FrameMatched || kind == protocol.FrameLinked {
		a.s.list.listed(payload)
	}
	return a.gather(kind, payload)
}

// announceAll announces all of a source, asking nothing.
func (s *sender) announceAll(ctx context.Context, a *announcer, source *scan.Source) error {
	for entry, err := range source.Items(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return transfer.Cause(ctx, ctx.Err())
			}
			if !errors.Is(err, selection.ErrKept) {
				s.unannounced(entry.Item.Path, err)
			}
			continue
		}
		if err := a.add(item{entry: entry, source: source}); err != nil {
			return err
		}
	}
	return nil
}

// unannounced notes something in a source that does not travel: by policy
// (sockets, devices, links that leave the tree), or because it cannot be read.
func (s *sender) unannounced(path string, err error) {
	code := mft.CodeOf(err)
	s.out.Note(mft.EventItem, code, err.Error())
	if code == mft.CodeNotRegular || code == mft.CodeSymlink {
		return
	}
	s.unread++
	s.failures.Add(code, fmt.Sprintf("%q: %v", path, err))
}
