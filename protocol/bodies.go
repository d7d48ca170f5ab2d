package protocol

import (
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
)

// A Cancel says that the other end has given up a transfer.
type Cancel struct {
	Transfer mft.TransferID
	Code     mft.Code
	Detail   string
}

// AppendOffer appends the body of an offer. Transfer, Sender, Recipient and
// Channel stand in the envelope only.
func AppendOffer(b []byte, o *mft.Offer) []byte {
	b = wire.AppendBytes(b, o.Destination)
	b = wire.AppendFlag(b, o.Single)
	b = wire.AppendFlag(b, o.Requested)
	b = wire.AppendOverwrite(b, o.Overwrite)
	b = wire.AppendCompare(b, o.Compare)
	b = wire.AppendMirror(b, &o.Mirror, o.Rules)
	b = wire.AppendCounted(b, o.Announced)
	b = append(b, o.DataKey[:]...)
	return wire.AppendPreserve(wire.AppendSize(b, int64(o.Streams)), o.Preserve)
}

// ParseOffer reads what AppendOffer wrote. An offer that was requested has no
// destination: only the receiver knows it.
func ParseOffer(body []byte) (mft.Offer, error) {
	c := wire.Read("read offer", body)
	var o mft.Offer
	o.Destination = c.Path("destination")
	o.Single = c.Flag("single")
	o.Requested = c.Flag("requested")
	if o.Requested && o.Destination != "" {
		c.Fail("destination", "given, though the offer was requested")
	}
	o.Overwrite = c.Overwrite()
	o.Compare = c.Compare()
	o.Mirror, o.Rules = c.Mirror()
	o.Announced = c.Counted()
	c.Fixed("data key", o.DataKey[:])
	o.Streams = int(c.Uint("streams", MaxStreams))
	if o.Streams == 0 {
		c.Fail("streams", "0 is too few")
	}
	o.Preserve = c.Preserve()
	return wire.Done(&c, o)
}

// AppendDecision appends the body of a decision. RetryIn is held between zero
// and MaxRetryIn.
func AppendDecision(b []byte, d *mft.Decision) []byte {
	b = wire.AppendReason(b, d.Code, d.Detail)
	b = wire.AppendSize(b, int64(min(max(d.RetryIn, 0), MaxRetryIn)))
	b = append(b, d.DataKey[:]...)
	b = wire.AppendSize(b, int64(d.Streams))
	return wire.AppendFlag(wire.AppendBasis(b, &d.Basis), d.Zstd)
}

// ParseDecision reads what AppendDecision wrote. Streams may be zero: a
// refusal, and the answer to a request, opens no data connection.
func ParseDecision(body []byte) (mft.Decision, error) {
	c := wire.Read("read decision", body)
	d := mft.Decision{Code: c.Code(), Detail: c.Detail()}
	d.RetryIn = time.Duration(c.Uint("retry in", uint64(MaxRetryIn)))
	c.Fixed("data key", d.DataKey[:])
	d.Streams = int(c.Uint("streams", MaxStreams))
	d.Basis, d.Zstd = c.Basis(), c.Flag("zstd")
	return wire.Done(&c, d)
}

// AppendRequest appends the body of a request.
func AppendRequest(b []byte, r *mft.Request) []byte {
	b = wire.AppendOverwrite(wire.AppendBytes(b, r.Path), r.Overwrite)
	b = wire.AppendCompress(wire.AppendCompare(b, r.Compare), r.Compress)
	return wire.AppendPreserve(b, r.Preserve)
}

// ParseRequest reads what AppendRequest wrote. Path is not empty; whether it
// may be used is for the allow list to say.
func ParseRequest(body []byte) (mft.Request, error) {
	c := wire.Read("read request", body)
	r := mft.Request{Path: c.Path("path"), Overwrite: c.Overwrite(), Compare: c.Compare(), Compress: c.Compress(), Preserve: c.Preserve()}
	if r.Path == "" {
		c.FailWith(mft.CodeBadPath, fmt.Errorf("path: empty"))
	}
	return wire.Done(&c, r)
}

// AppendSeal appends the body of a seal.
func AppendSeal(b []byte, s *mft.Seal) []byte {
	b = wire.AppendCounted(b, s.Sent)
	b = wire.AppendSize(b, s.Failed)
	b = wire.AppendFlag(b, s.Whole)
	return append(b, s.Manifest[:]...)
}

// ParseSeal reads what AppendSeal wrote.
func ParseSeal(body []byte) (mft.Seal, error) {
	c := wire.Read("read seal", body)
	s := mft.Seal{Sent: c.Counted(), Failed: c.Size("failed"), Whole: c.Flag("whole"), Manifest: c.Digest("manifest")}
	return wire.Done(&c, s)
}

// AppendReceipt appends the body of a receipt.
func AppendReceipt(b []byte, r *mft.Receipt) []byte {
	b = wire.AppendReason(b, r.Code, r.Detail)
	b = wire.AppendCounted(b, r.Received)
	b = wire.AppendCounted(b, r.Unchanged)
	b = wire.AppendSize(b, r.Failed)
	b = wire.AppendSize(b, r.Removed)
	return append(b, r.Manifest[:]...)
}

// ParseReceipt reads what AppendReceipt wrote.
func ParseReceipt(body []byte) (mft.Receipt, error) {
	c := wire.Read("read receipt", body)
	r := mft.Receipt{Code: c.Code(), Detail: c.Detail(), Received: c.Counted(), Unchanged: c.Counted()}
	r.Failed = c.Size("failed")
	r.Removed = c.Size("removed")
	r.Manifest = c.Digest("manifest")
	return wire.Done(&c, r)
}

// AppendCancel appends the body of a cancel.
func AppendCancel(b []byte, x *Cancel) []byte { return wire.AppendReason(b, x.Code, x.Detail) }

// ParseCancel reads what AppendCancel wrote.
func ParseCancel(body []byte) (Cancel, error) {
	c := wire.Read("read cancel", body)
	x := Cancel{Code: c.Code(), Detail: c.Detail()}
	return wire.Done(&c, x)
}

// open checks the kind of e, parses its body, and fills in what only the
// envelope has.
func open[T any](e *Envelope, k Kind, parse func([]byte) (T, error), fill func(*T)) (T, error) {
	var zero T
	if e.Kind != k {
		return zero, mft.Fail(mft.CodeProtocol, "open envelope", "", fmt.Errorf("kind: %v instead of %v", e.Kind, k))
	}
	v, err := parse(e.Body)
	if err != nil {
		return zero, err
	}
	fill(&v)
	return v, nil
}

// Offer returns the offer that e carries, whole. The error has CodeProtocol
// when e is of another kind or its body is malformed; so it is with the
// methods below.
func (e *Envelope) Offer() (mft.Offer, error) {
	return open(e, KindOffer, ParseOffer, func(o *mft.Offer) {
		o.Transfer, o.Sender, o.Recipient, o.Channel = e.Transfer, e.Sender, e.Recipient, e.Channel
	})
}

// Decision returns the decision that e carries.
func (e *Envelope) Decision() (mft.Decision, error) {
	return open(e, KindDecision, ParseDecision, func(d *mft.Decision) { d.Transfer = e.Transfer })
}

// Request returns the request that e carries.
func (e *Envelope) Request() (mft.Request, error) {
	return open(e, KindRequest, ParseRequest, func(r *mft.Request) {
		r.Transfer, r.Requester, r.Source = e.Transfer, e.Sender, e.Recipient
	})
}

// Seal returns the seal that e carries.
func (e *Envelope) Seal() (mft.Seal, error) {
	return open(e, KindSeal, ParseSeal, func(s *mft.Seal) { s.Transfer = e.Transfer })
}

// Receipt returns the receipt that e carries.
func (e *Envelope) Receipt() (mft.Receipt, error) {
	return open(e, KindReceipt, ParseReceipt, func(r *mft.Receipt) { r.Transfer = e.Transfer })
}

// Cancel returns the cancel that e carries.
func (e *Envelope) Cancel() (Cancel, error) {
	return open(e, KindCancel, ParseCancel, func(x *Cancel) { x.Transfer = e.Transfer })
}
