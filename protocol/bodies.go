package protocol

import (
	"fmt"
	"time"

	"mft.dev/mft"
)

// A Cancel says that the other end has given up a transfer.
type Cancel struct {
	Transfer mft.TransferID
	Code     mft.Code
	Detail   string
}

// overwrites are the policies by their number on the wire; 0 is none.
var overwrites = [...]mft.Overwrite{"", mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion}

func appendOverwrite(b []byte, o mft.Overwrite) []byte {
	for i, v := range overwrites {
		if v == o {
			return append(b, uint8(i))
		}
	}
	return append(b, 0)
}

func (c *cursor) overwrite() mft.Overwrite {
	v := c.u8("overwrite")
	if v == 0 || int(v) >= len(overwrites) {
		c.fail("overwrite", "%d is no policy", v)
		return ""
	}
	return overwrites[v]
}

// AppendOffer appends the body of an offer. Transfer, Sender, Recipient and
// Channel stand in the envelope only.
func AppendOffer(b []byte, o *mft.Offer) []byte {
	b = appendBytes(b, o.Destination)
	b = appendFlag(b, o.Single)
	b = appendFlag(b, o.Requested)
	b = appendOverwrite(b, o.Overwrite)
	b = appendCount(b, o.Announced)
	b = append(b, o.DataKey[:]...)
	return appendSize(b, int64(o.Streams))
}

// ParseOffer reads what AppendOffer wrote. An offer that was requested has no
// destination: only the receiver knows it.
func ParseOffer(body []byte) (mft.Offer, error) {
	c := cursor{op: "read offer", rest: body}
	var o mft.Offer
	o.Destination = c.path("destination")
	o.Single = c.flag("single")
	o.Requested = c.flag("requested")
	if o.Requested && o.Destination != "" {
		c.fail("destination", "given, though the offer was requested")
	}
	o.Overwrite = c.overwrite()
	o.Announced = c.counted()
	c.fixed("data key", o.DataKey[:])
	o.Streams = int(c.uvarint("streams", MaxStreams))
	if o.Streams == 0 {
		c.fail("streams", "0 is too few")
	}
	if err := c.done(); err != nil {
		return mft.Offer{}, err
	}
	return o, nil
}

// AppendDecision appends the body of a decision. RetryIn is held between zero
// and MaxRetryIn.
func AppendDecision(b []byte, d *mft.Decision) []byte {
	b = appendReason(b, d.Code, d.Detail)
	b = appendSize(b, int64(min(max(d.RetryIn, 0), MaxRetryIn)))
	b = append(b, d.DataKey[:]...)
	return appendSize(b, int64(d.Streams))
}

// ParseDecision reads what AppendDecision wrote. Streams may be zero: a
// refusal, and the answer to a request, opens no data connection.
func ParseDecision(body []byte) (mft.Decision, error) {
	c := cursor{op: "read decision", rest: body}
	d := mft.Decision{Code: c.code(), Detail: c.detail()}
	d.RetryIn = time.Duration(c.uvarint("retry in", uint64(MaxRetryIn)))
	c.fixed("data key", d.DataKey[:])
	d.Streams = int(c.uvarint("streams", MaxStreams))
	if err := c.done(); err != nil {
		return mft.Decision{}, err
	}
	return d, nil
}

// AppendRequest appends the body of a request.
func AppendRequest(b []byte, r *mft.Request) []byte {
	return appendOverwrite(appendBytes(b, r.Path), r.Overwrite)
}

// ParseRequest reads what AppendRequest wrote. Path is not empty; whether it
// may be used is for the allow list to say.
func ParseRequest(body []byte) (mft.Request, error) {
	c := cursor{op: "read request", rest: body}
	r := mft.Request{Path: c.path("path"), Overwrite: c.overwrite()}
	if r.Path == "" {
		c.wrap(mft.CodeBadPath, fmt.Errorf("path: empty"))
	}
	if err := c.done(); err != nil {
		return mft.Request{}, err
	}
	return r, nil
}

// AppendSeal appends the body of a seal.
func AppendSeal(b []byte, s *mft.Seal) []byte {
	b = appendCount(b, s.Sent)
	b = appendSize(b, s.Failed)
	return append(b, s.Manifest[:]...)
}

// ParseSeal reads what AppendSeal wrote.
func ParseSeal(body []byte) (mft.Seal, error) {
	c := cursor{op: "read seal", rest: body}
	s := mft.Seal{Sent: c.counted(), Failed: c.size("failed"), Manifest: c.digest("manifest")}
	if err := c.done(); err != nil {
		return mft.Seal{}, err
	}
	return s, nil
}

// AppendReceipt appends the body of a receipt.
func AppendReceipt(b []byte, r *mft.Receipt) []byte {
	b = appendReason(b, r.Code, r.Detail)
	b = appendCount(b, r.Received)
	b = appendSize(b, r.Failed)
	return append(b, r.Manifest[:]...)
}

// ParseReceipt reads what AppendReceipt wrote.
func ParseReceipt(body []byte) (mft.Receipt, error) {
	c := cursor{op: "read receipt", rest: body}
	r := mft.Receipt{Code: c.code(), Detail: c.detail(), Received: c.counted()}
	r.Failed = c.size("failed")
	r.Manifest = c.digest("manifest")
	if err := c.done(); err != nil {
		return mft.Receipt{}, err
	}
	return r, nil
}

// AppendCancel appends the body of a cancel.
func AppendCancel(b []byte, x *Cancel) []byte { return appendReason(b, x.Code, x.Detail) }

// ParseCancel reads what AppendCancel wrote.
func ParseCancel(body []byte) (Cancel, error) {
	c := cursor{op: "read cancel", rest: body}
	x := Cancel{Code: c.code(), Detail: c.detail()}
	if err := c.done(); err != nil {
		return Cancel{}, err
	}
	return x, nil
}

// open checks the kind of e and parses its body.
func open[T any](e *Envelope, k Kind, parse func([]byte) (T, error)) (T, error) {
	if e.Kind != k {
		var zero T
		return zero, mft.Fail(mft.CodeProtocol, "open envelope", "", fmt.Errorf("kind: %v instead of %v", e.Kind, k))
	}
	return parse(e.Body)
}

// Offer returns the offer that e carries, whole. The error has CodeProtocol
// when e is of another kind or its body is malformed; so it is with the
// methods below.
func (e *Envelope) Offer() (mft.Offer, error) {
	o, err := open(e, KindOffer, ParseOffer)
	if err != nil {
		return o, err
	}
	o.Transfer, o.Sender, o.Recipient, o.Channel = e.Transfer, e.Sender, e.Recipient, e.Channel
	return o, nil
}

// Decision returns the decision that e carries.
func (e *Envelope) Decision() (mft.Decision, error) {
	d, err := open(e, KindDecision, ParseDecision)
	if err != nil {
		return d, err
	}
	d.Transfer = e.Transfer
	return d, nil
}

// Request returns the request that e carries.
func (e *Envelope) Request() (mft.Request, error) {
	r, err := open(e, KindRequest, ParseRequest)
	if err != nil {
		return r, err
	}
	r.Transfer, r.Requester, r.Source = e.Transfer, e.Sender, e.Recipient
	return r, nil
}

// Seal returns the seal that e carries.
func (e *Envelope) Seal() (mft.Seal, error) {
	s, err := open(e, KindSeal, ParseSeal)
	if err != nil {
		return s, err
	}
	s.Transfer = e.Transfer
	return s, nil
}

// Receipt returns the receipt that e carries.
func (e *Envelope) Receipt() (mft.Receipt, error) {
	r, err := open(e, KindReceipt, ParseReceipt)
	if err != nil {
		return r, err
	}
	r.Transfer = e.Transfer
	return r, nil
}

// Cancel returns the cancel that e carries.
func (e *Envelope) Cancel() (Cancel, error) {
	x, err := open(e, KindCancel, ParseCancel)
	if err != nil {
		return x, err
	}
	x.Transfer = e.Transfer
	return x, nil
}
