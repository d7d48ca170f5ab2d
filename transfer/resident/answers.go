package resident

import (
	"context"

	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
)

// asked is a listing that was told of by the sender.
type asked struct {
	l        listing.Listing
	answer   listing.Answer
	answered bool
}

// A Told is called for each listing with its answer, in the order of the
// listings.
type Told func(l *listing.Listing, a listing.Answer)

// A Hold reports whether the answer to listing n, which would be a, is held
// back until Settle.
type Hold func(n uint64, l *listing.Listing, a listing.Answer) bool

// AnswerAll answers the listings in a payload of a FrameListings, but for those
// that are held back, and returns the payload of a FrameAnswers. Errors are
// those of Answer.
func (p *Place) AnswerAll(ctx context.Context, payload []byte, hold Hold, told Told) (answers []byte, err error) {
	all, err := listing.Parse(payload)
	if err != nil {
		return nil, err
	}
	for i := range all {
		n := p.first + uint64(len(p.asked))
		a, err := p.Answer(ctx, n, &all[i])
		if err != nil {
			return nil, err
		}
		held := hold(n, &all[i], a.Answer)
		p.asked = append(p.asked, asked{all[i], a.Answer, !held})
		if !held {
			answers = listing.AppendAnswers(answers, &a)
		}
	}
	p.tell(told)
	return answers, nil
}

// Settle gives the answers that were held back and returns the payload of a
// FrameAnswers.
func (p *Place) Settle(held []listing.Answers, told Told) (answers []byte, err error) {
	p.looks.drop() // what is given now may have been renamed
	for i := range held {
		n := held[i].First - p.first
		if n >= uint64(len(p.asked)) || p.asked[n].answered {
			return nil, transfer.Nonsense("listing %d has no answer to get", held[i].First)
		}
		p.asked[n].answer, p.asked[n].answered = held[i].Answer, true
		answers = listing.AppendAnswers(answers, &held[i])
	}
	p.tell(told)
	return answers, nil
}

// tell tells of what is answered without a gap.
func (p *Place) tell(told Told) {
	n := 0
	for n < len(p.asked) && p.asked[n].answered {
		told(&p.asked[n].l, p.asked[n].answer)
		n++
	}
	p.first += uint64(n)
	p.asked = append(p.asked[:0], p.asked[n:]...)
}

// List lists the directory of that path as the sender lists its own.
func (p *Place) List(ctx context.Context, dir string) (listing.Listing, error) {
	here, err := p.source.List(ctx, p.lister, dir)
	return listing.Listing{Path: dir, Entries: here.Items, Bytes: here.Bytes, Digest: here.Digest}, err
}
