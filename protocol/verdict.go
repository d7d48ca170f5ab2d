package protocol

import (
	"fmt"

	"mft.dev/mft"
)

// Verdict is what a receiver says to an announced item.
type Verdict uint8

// The verdicts.
const (
	Send   Verdict = iota // send it, from its beginning
	Have                  // it was committed earlier in this transfer, with Want.Digest
	Resume                // send it from Want.Offset; Want.Digest is that of what comes before
	Refuse                // do not send it: Want.Code, Want.Detail
)

var verdictNames = [...]string{Send: "send", Have: "have", Resume: "resume", Refuse: "refuse"}

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// A Want is one verdict on Count items from index First on. Count is 1 unless
// the verdict is Send.
type Want struct {
	First, Count uint64
	Verdict      Verdict
	Offset       int64
	Digest       mft.Digest
	Code         mft.Code
	Detail       string
}

// AppendWant appends one entry of the payload of a FrameWant. Only the fields
// that belong to the verdict are written.
func AppendWant(b []byte, w *Want) []byte {
	b = appendUint(b, w.First)
	b = appendUint(b, w.Count)
	b = append(b, uint8(w.Verdict))
	switch w.Verdict {
	case Have:
		b = append(b, w.Digest[:]...)
	case Resume:
		b = appendSize(b, w.Offset)
		b = append(b, w.Digest[:]...)
	case Refuse:
		b = appendReason(b, w.Code, w.Detail)
	}
	return b
}

// ParseWants reads any number, up to Window, of what AppendWant wrote. First+
// Count never is beyond MaxIndex+1, but may well be beyond what was announced.
func ParseWants(p []byte) ([]Want, error) {
	c := cursor{op: "read wants", rest: p}
	var out []Want
	for c.more() {
		if len(out) == Window {
			c.fail("wants", "more than %d", Window)
			break
		}
		out = append(out, Want{})
		c.want(&out[len(out)-1])
	}
	if err := c.done(); err != nil {
		return nil, err
	}
	return out, nil
}

func (c *cursor) want(w *Want) {
	w.First, w.Count = c.span()
	w.Verdict = Verdict(c.u8("verdict"))
	if w.Verdict != Send && w.Count != 1 {
		c.fail("count", "%d of %v", w.Count, w.Verdict)
	}
	switch w.Verdict {
	case Send:
	case Have:
		w.Digest = c.digest("digest")
	case Resume:
		w.Offset = c.size("offset")
		w.Digest = c.digest("digest")
	case Refuse:
		w.Code = c.code()
		w.Detail = c.detail()
	default:
		c.fail("verdict", "%d is none", uint8(w.Verdict))
	}
}

// span reads the beginning and the length of a run of indexes.
func (c *cursor) span() (first, count uint64) {
	first = c.uvarint("first", MaxIndex)
	count = c.uvarint("count", MaxIndex+1-first)
	if count == 0 {
		c.fail("count", "zero")
	}
	return first, count
}

// A Range is Count items from index First on.
type Range struct{ First, Count uint64 }

// AppendRange appends one entry of the payload of a FrameCommitted.
func AppendRange(b []byte, r *Range) []byte {
	return appendUint(appendUint(b, r.First), r.Count)
}

// ParseRanges reads any number, up to Window, of what AppendRange wrote. What
// it says of First and Count is what ParseWants says.
func ParseRanges(p []byte) ([]Range, error) {
	c := cursor{op: "read ranges", rest: p}
	var out []Range
	for c.more() {
		if len(out) == Window {
			c.fail("ranges", "more than %d", Window)
			break
		}
		first, count := c.span()
		out = append(out, Range{first, count})
	}
	if err := c.done(); err != nil {
		return nil, err
	}
	return out, nil
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
	b = appendFlag(appendUint(b, f.Index), f.Again)
	return appendReason(b, f.Code, f.Detail)
}

// ParseItemFail reads what AppendItemFail wrote.
func ParseItemFail(p []byte) (ItemFail, error) {
	c := cursor{op: "read item failure", rest: p}
	f := ItemFail{Index: c.uvarint("index", MaxIndex), Again: c.flag("again")}
	f.Code = c.code()
	f.Detail = c.detail()
	if err := c.done(); err != nil {
		return ItemFail{}, err
	}
	return f, nil
}
