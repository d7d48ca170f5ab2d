package sender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
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
}

func (a *announcer) add(it item) error {
	// What has been collected must not wait for room that only its own
	// answer can make.
	if len(a.items) > 0 && !a.s.list.hasRoom() {
		if err := a.flush(); err != nil {
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
	a.s.out.Meter.Found(1, it.entry.Item.Size)
	a.size += protocol.ItemSize(&it.entry.Item)
	if len(a.items) == itemsPerFrame || a.size > itemBytes || now.Sub(a.since) > announceEvery {
		return a.flush()
	}
	return nil
}

func (a *announcer) flush() error {
	if len(a.items) == 0 {
		return nil
	}
	a.frame = protocol.AppendItems(a.frame[:0], a.first, a.items)
	a.items, a.size = a.items[:0], 0
	return a.s.write(protocol.FrameItems, a.frame)
}

// announce streams the items of the sources to the peer, ahead of their
// content, and afterwards those that changed while they were read.
func (s *sender) announce(ctx context.Context) error {
	a := &announcer{s: s}
	for _, source := range s.out.Sources {
		for entry, err := range source.Items(ctx) {
			if err != nil {
				if ctx.Err() != nil {
					return transfer.Cause(ctx, ctx.Err())
				}
				s.unannounced(entry.Item.Path, err)
				continue
			}
			if err := a.add(item{entry: entry, source: source}); err != nil {
				return err
			}
		}
	}
	if err := a.flush(); err != nil {
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
		if err := a.flush(); err != nil {
			return err
		}
	}
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

// listen obeys what the receiver says on the data connection.
func (s *sender) listen(ctx context.Context) error {
	frames := protocol.NewFrameReader(transfer.NewReader(s.conn))
	for {
		kind, _, err := frames.Next()
		if err != nil {
			return s.ended(ctx, err)
		}
		payload, err := frames.Payload()
		if err != nil {
			return transfer.Cause(ctx, transfer.Disconnected("read from", err))
		}
		if err := s.hear(kind, payload); err != nil {
			return err
		}
	}
}

// receiptPatience is how long after the end of the data connection the receipt
// may take: both were sent at once, on two connections. If the receiver is
// still committing, the next offer is answered with the receipt.
const receiptPatience = 5 * time.Second

// ended judges the end of the data connection.
func (s *sender) ended(ctx context.Context, cause error) error {
	if errors.Is(cause, io.EOF) {
		cause = errors.New("the peer closed it")
	}
	lost := transfer.Disconnected("read from", cause)
	select {
	case <-s.sealed:
	default:
		return transfer.Cause(ctx, lost)
	}
	patience := time.NewTimer(receiptPatience)
	defer patience.Stop()
	select {
	case <-s.receipt:
		return nil
	case <-ctx.Done():
		return transfer.Cause(ctx, lost)
	case <-patience.C:
		return lost
	}
}

func (s *sender) hear(kind protocol.FrameKind, payload []byte) error {
	switch kind {
	case protocol.FrameAlive:
		return nil
	case protocol.FrameWant:
		wants, err := protocol.ParseWants(payload)
		if err != nil {
			return err
		}
		return s.hearWants(wants)
	case protocol.FrameCommitted:
		ranges, err := protocol.ParseRanges(payload)
		if err != nil {
			return err
		}
		return s.hearCommitted(ranges)
	case protocol.FrameItemFail:
		fail, err := protocol.ParseItemFail(payload)
		if err != nil {
			return err
		}
		it, err := s.list.settle(fail.Index)
		if err != nil {
			return err
		}
		s.refused(it.entry.Item.Path, fail.Code, fail.Detail)
		return nil
	case protocol.FrameFail:
		f, err := protocol.ParseFailure(payload)
		if err != nil {
			return err
		}
		return mft.Fail(f.Code, "transfer", "", fmt.Errorf("the receiver stopped: %s", f.Detail))
	}
	return transfer.Nonsense("a frame of kind %d does not come from a receiver", kind)
}

func (s *sender) hearWants(wants []protocol.Want) error {
	for _, w := range wants {
		if w.Verdict == protocol.Refuse || w.Verdict == protocol.Have {
			it, ok := s.list.item(w.First)
			if !ok {
				return transfer.Nonsense("a verdict on item %d, which was not announced", w.First)
			}
			if w.Verdict == protocol.Refuse {
				s.refused(it.entry.Item.Path, w.Code, w.Detail)
			} else {
				s.out.Meter.Moved(1, it.entry.Item.Size)
			}
		}
		if err := s.list.want(w); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) hearCommitted(ranges []protocol.Range) error {
	for _, r := range ranges {
		for i := r.First; i < r.First+r.Count; i++ {
			if _, err := s.list.settle(i); err != nil {
				return err
			}
			s.out.Meter.Moved(1, 0)
		}
	}
	return nil
}

func (s *sender) refused(path string, code mft.Code, detail string) {
	s.failures.Add(code, detail)
	s.out.Note(mft.EventItem, code, fmt.Sprintf("%q was not delivered: %s", path, detail))
}
