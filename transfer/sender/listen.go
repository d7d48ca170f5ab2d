package sender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
)

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
	case protocol.FrameAnswers:
		answers, err := listing.ParseAnswers(payload)
		if err != nil {
			return err
		}
		return s.hearAnswers(answers)
	case protocol.FrameMarks:
		return s.book.Marks(payload)
	case protocol.FrameFine:
		return s.book.Fine(payload)
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
		if err := s.hearWant(&w); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) hearWant(w *protocol.Want) error {
	switch w.Verdict {
	case protocol.Delta:
		if err := s.book.Want(w); err != nil {
			return err
		}
	case protocol.Refuse, protocol.Have, protocol.Same:
		for i := w.First; i < w.First+w.Count; i++ {
			it, ok := s.list.item(i)
			if !ok {
				return transfer.Nonsense("a verdict on item %d, which was not announced", i)
			}
			switch w.Verdict {
			case protocol.Refuse:
				s.refused(it.entry.Item.Path, w.Code, w.Detail)
			case protocol.Have:
				s.out.Meter.Moved(1, it.entry.Item.Size)
			case protocol.Same:
				s.out.Meter.Same(1, it.entry.Item.Size)
			}
		}
	}
	return s.list.want(*w)
}

func (s *sender) hearAnswers(answers []listing.Answers) error {
	for _, a := range answers {
		for n := a.First; n < a.First+a.Count; n++ {
			same, err := s.asks.Answered(n, a.Answer, a.Prints)
			if err != nil {
				return err
			}
			s.same(same)
		}
	}
	return nil
}

// same counts what the receiver has, without its having been announced.
func (s *sender) same(n mft.Count) {
	s.out.Meter.Found(n.Items, n.Bytes)
	s.out.Meter.Same(n.Items, n.Bytes)
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
