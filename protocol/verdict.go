package protocol

import (
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
)

// Verdict is what a receiver says to an announced item.
type Verdict uint8

// The verdicts.
const (
	Send   Verdict = iota // send it, from its beginning
	Have                  // it was committed earlier in this transfer, with Want.Digest
	Resume                // send it from Want.Offset; Want.Digest is that of what comes before
	Refuse                // do not send it: Want.Code, Want.Detail
	Same                  // it is there, unchanged since long before this transfer
	Delta                 // like Resume, also from 0, using an old version of Want.Old bytes; its marks, keyed by Want.Seed, follow
)

var verdictNames = [...]string{Send: "send", Have: "have", Resume: "resume", Refuse: "refuse", Same: "same", Delta: "delta"}

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// A Want is one verdict on Count items from index First on. Count is 1 unless
// the verdict is Send or Same.
type Want struct {
	First, Count uint64
	Verdict      Verdict
	Offset       int64
	Digest       mft.Digest
	Old          int64
	Seed         [16]byte
	Code         mft.Code
	Detail       string
}

// AppendWant appends one entry of the payload of a FrameWant. Only the fields
// that belong to the verdict are written.
func AppendWant(b []byte, w *Want) []byte {
	b = wire.AppendUint(b, w.First)
	b = wire.AppendUint(b, w.Count)
	b = append(b, uint8(w.Verdict))
	switch w.Verdict {
	case Have:
		b = append(b, w.Digest[:]...)
	case Resume:
		b = wire.AppendSize(b, w.Offset)
		b = append(b, w.Digest[:]...)
	case Delta:
		b = append(wire.AppendSize(b, w.Offset), w.Digest[:]...)
		b = append(wire.AppendSize(b, w.Old), w.Seed[:]...)
	case Refuse:
		b = wire.AppendReason(b, w.Code, w.Detail)
	}
	return b
}

// ParseWants reads any number, up to Window, of what AppendWant wrote. First+
// Count never is beyond MaxIndex+1, but may well be beyond what was announced.
func ParseWants(p []byte) ([]Want, error) {
	c := wire.Read("read wants", p)
	var out []Want
	for c.More() {
		if len(out) == Window {
			c.Fail("wants", "more than %d", Window)
			break
		}
		c.Entry(len(out))
		out = append(out, Want{})
		readWant(&c, &out[len(out)-1])
	}
	return wire.Done(&c, out)
}

func readWant(c *wire.Reader, w *Want) {
	w.First, w.Count = c.Span(MaxIndex)
	w.Verdict = Verdict(c.U8("verdict"))
	if w.Verdict != Send && w.Verdict != Same && w.Count != 1 {
		c.Fail("count", "%d of %v", w.Count, w.Verdict)
	}
	switch w.Verdict {
	case Send, Same:
	case Have:
		w.Digest = c.Digest("digest")
	case Resume:
		w.Offset = c.Size("offset")
		w.Digest = c.Digest("digest")
	case Delta:
		w.Offset, w.Digest, w.Old = c.Size("offset"), c.Digest("digest"), c.Size("old size")
		c.Fixed("seed", w.Seed[:])
	case Refuse:
		w.Code = c.Code()
		w.Detail = c.Detail()
	default:
		c.Fail("verdict", "%d is none", uint8(w.Verdict))
	}
}

// A Range is Count items from index First on.
type Range struct{ First, Count uint64 }

// AppendRange appends one entry of the payload of a FrameCommitted.
func AppendRange(b []byte, r *Range) []byte {
	return wire.AppendUint(wire.AppendUint(b, r.First), r.Count)
}

// ParseRanges reads any number, up to Window, of what AppendRange wrote. What
// it says of First and Count is what ParseWants says.
func ParseRanges(p []byte) ([]Range, error) {
	c := wire.Read("read ranges", p)
	var out []Range
	for c.More() {
		if len(out) == Window {
			c.Fail("ranges", "more than %d", Window)
			break
		}
		c.Entry(len(out))
		first, count := c.Span(MaxIndex)
		out = append(out, Range{first, count})
	}
	return wire.Done(&c, out)
}

// An ItemFail says that an item will not be sent (FrameFileFail) or not be
// delivered in this attempt (FrameItemFail).
type ItemFail struct {
	Index uint64
	// Again says that the sender announces the item anew under another
	// index. A receiver leaves it false.
	Again  bool
	Code   mft.Code
	Detail string
}

// AppendItemFail appends the payload of a FrameFileFail or a FrameItemFail.
func AppendItemFail(b []byte, f *ItemFail) []byte {
	b = wire.AppendFlag(wire.AppendUint(b, f.Index), f.Again)
	return wire.AppendReason(b, f.Code, f.Detail)
}

// ParseItemFail reads what AppendItemFail wrote.
func ParseItemFail(p []byte) (ItemFail, error) {
	c := wire.Read("read item failure", p)
	f := ItemFail{Index: c.Uint("index", MaxIndex), Again: c.Flag("again")}
	f.Code = c.Code()
	f.Detail = c.Detail()
	return wire.Done(&c, f)
}
