package reply

import "mft.dev/mft/protocol"

// HeldBack is no verdict and is never written: it says that the verdict comes
// later.
const HeldBack = protocol.Verdict(0xff)

// Verdicts collects the payload of a FrameWant, with runs of items that have
// the same verdict told as one. The zero value is empty.
type Verdicts struct {
	frame []byte
	run   protocol.Want
}

// Add adds the verdict on an item.
func (v *Verdicts) Add(index uint64, w protocol.Want) {
	if w.Verdict == HeldBack {
		return
	}
	runs := w.Verdict == protocol.Send || w.Verdict == protocol.Same
	if runs && v.run.Count > 0 && v.run.Verdict == w.Verdict && v.run.First+v.run.Count == index {
		v.run.Count++
		return
	}
	v.end()
	if w.First, w.Count = index, 1; runs {
		v.run = w
		return
	}
	v.frame = protocol.AppendWant(v.frame, &w)
}

func (v *Verdicts) end() {
	if v.run.Count > 0 {
		v.frame = protocol.AppendWant(v.frame, &v.run)
		v.run.Count = 0
	}
}

// Take returns the payload, valid until the next Add, and begins anew.
func (v *Verdicts) Take() []byte {
	v.end()
	frame := v.frame
	v.frame = v.frame[:0]
	return frame
}

// Committed collects the payload of a FrameCommitted. The zero value is empty.
type Committed struct {
	frame []byte
	run   protocol.Range
}

// Add adds an item.
func (c *Committed) Add(index uint64) {
	if c.run.Count > 0 && index == c.run.First+c.run.Count {
		c.run.Count++
		return
	}
	c.end()
	c.run = protocol.Range{First: index, Count: 1}
}

func (c *Committed) end() {
	if c.run.Count > 0 {
		c.frame = protocol.AppendRange(c.frame, &c.run)
	}
}

// Payload returns the payload, empty when nothing was added. Nothing may be
// added after it.
func (c *Committed) Payload() []byte {
	c.end()
	return c.frame
}
