// Package relay is what two agents say to each other through an exchange beyond
// what they say directly: that a parcel is available, and, inside the parcel,
// where the content of each item lies.
//
// A parcel holds the content of files, one behind the other, and then its
// manifest: the frames of package protocol that a sender writes on a data
// connection, in which the content is replaced by references. [protocol.FrameRefs]
// stands where a PACK frame stood, [protocol.FrameRef] for DATA frames.
//
// The package is part of the protocol, see docs/protocol.md, and refuses what
// package protocol refuses. Whether a reference fits the parcel is for whoever
// reads it.
package relay

import (
	"errors"
	"math"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// Limits in bytes.
const (
	MaxObject = 80      // the name of an object
	MaxRef    = 2 << 10 // the reference by which it is granted
)

// A Ref is Length bytes of the content of a parcel from Position on.
type Ref struct{ Position, Length int64 }

// AppendRef appends the payload of a protocol.FrameRef: content of the current
// file at its current position.
func AppendRef(b []byte, r Ref) []byte {
	return wire.AppendSize(wire.AppendSize(b, r.Position), r.Length)
}

// ParseRef reads what AppendRef wrote. The end is no more than an int64 holds.
func ParseRef(p []byte) (Ref, error) {
	c := wire.Read("read reference", p)
	r := readRef(&c)
	return wire.Done(&c, r)
}

func readRef(c *wire.Reader) Ref {
	r := Ref{Position: c.Size("position"), Length: c.Size("length")}
	if r.Position > math.MaxInt64-r.Length {
		c.Fail("length", "it ends beyond what can be counted")
	}
	return r
}

// A Small is a whole small file in a parcel.
type Small struct {
	Index  uint64
	Digest mft.Digest
	Ref    Ref // of length zero for an empty file
}

// AppendSmall appends one entry of the payload of a protocol.FrameRefs.
func AppendSmall(b []byte, s *Small) []byte {
	b = wire.AppendUint(b, s.Index)
	b = append(b, s.Digest[:]...)
	return AppendRef(b, s.Ref)
}

// WalkSmall calls f for every entry of the payload of a protocol.FrameRefs, in
// order, until f returns an error, which WalkSmall returns as it is.
func WalkSmall(p []byte, f func(Small) error) error {
	c := wire.Read("read references", p)
	for n := 0; c.More(); n++ {
		c.Entry(n)
		s := Small{Index: c.Uint("index", protocol.MaxIndex), Digest: c.Digest("digest"), Ref: readRef(&c)}
		if s.Ref.Length > protocol.MaxSmall {
			c.Fail("length", "%d is more than %d", s.Ref.Length, protocol.MaxSmall)
		}
		if c.Err() != nil {
			return c.Err()
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// An Available says that a parcel lies in the sender's container, and all that
// its recipient needs to take it, whatever it remembers of what was said before:
// it is an offer that brings its content along.
type Available struct {
	Offer mft.Offer
	Seal  mft.Seal
	// Object is its name, Ref where it can be read and by what right. Ref is a
	// secret.
	Object, Ref string
	// Key opens it; Part, Parts and Size are its form and extent, see package
	// exchange/parcel; Manifest is the position where its manifest begins.
	Key            [32]byte
	Part, Parts    int
	Size, Manifest int64
}

// AppendAvailable appends the body of a protocol.KindAvailable.
func AppendAvailable(b []byte, a *Available) []byte {
	b = wire.AppendBytes(b, protocol.AppendOffer(nil, &a.Offer))
	b = wire.AppendBytes(b, protocol.AppendSeal(nil, &a.Seal))
	b = wire.AppendBytes(b, a.Object)
	b = wire.AppendBytes(b, a.Ref)
	b = append(b, a.Key[:]...)
	b = wire.AppendUint(b, uint64(a.Part))
	b = wire.AppendUint(b, uint64(a.Parts))
	b = wire.AppendSize(b, a.Size)
	return wire.AppendSize(b, a.Manifest)
}

// ParseAvailable reads what AppendAvailable wrote. What stands in the envelope
// only is not filled in: see Of.
func ParseAvailable(body []byte) (Available, error) {
	c := wire.Read("read available", body)
	var a Available
	nested(&c, "offer", protocol.ParseOffer, &a.Offer)
	nested(&c, "seal", protocol.ParseSeal, &a.Seal)
	a.Object, a.Ref = c.Line("object", MaxObject), c.Line("reference", MaxRef)
	c.Fixed("key", a.Key[:])
	a.Part = int(c.Uint("part", math.MaxInt32))
	a.Parts = int(c.Uint("parts", math.MaxInt32))
	a.Size, a.Manifest = c.Size("size"), c.Size("manifest")
	if a.Manifest > a.Size {
		c.Fail("manifest", "it begins behind the end")
	}
	return wire.Done(&c, a)
}

func nested[T any](c *wire.Reader, field string, parse func([]byte) (T, error), to *T) {
	p := c.Bytes(field, protocol.MaxBody)
	if c.Err() != nil {
		return
	}
	v, err := parse(p)
	if err != nil {
		c.FailWith("", err)
		return
	}
	*to = v
}

// Of returns what an envelope says is available. The error has CodeProtocol when
// it is of another kind or malformed.
func Of(e *protocol.Envelope) (Available, error) {
	if e.Kind != protocol.KindAvailable {
		return Available{}, mft.Fail(mft.CodeProtocol, "open envelope", "", errors.New("it does not say that a parcel is available"))
	}
	a, err := ParseAvailable(e.Body)
	if err != nil {
		return Available{}, err
	}
	a.Offer.Transfer, a.Offer.Sender, a.Offer.Recipient, a.Offer.Channel = e.Transfer, e.Sender, e.Recipient, e.Channel
	a.Seal.Transfer = e.Transfer
	return a, nil
}
