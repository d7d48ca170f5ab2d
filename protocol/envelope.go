package protocol

import (
	"fmt"
	"math"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
)

// Kind says what the body of an envelope is.
type Kind uint8

// The kinds of envelope.
const (
	KindOffer Kind = iota + 1
	KindDecision
	KindRequest
	KindSeal
	KindReceipt
	KindCancel
	KindAbort     // its body is that of a FrameFail
	KindAvailable // through an exchange: see package relay
	KindMarkers   // from VersionMarkers on, as its answer KindMarked: see package marking
	KindMarked
	KindRehearse // from VersionRehearsals on, as the next: see package rehearsal
	KindRehearsed
	KindTrace // from VersionTraces on, as the next: see package tracing
	KindTraced
)

var kindNames = [...]string{
	KindOffer: "offer", KindDecision: "decision", KindRequest: "request", KindSeal: "seal", KindReceipt: "receipt", KindCancel: "cancel",
	KindAbort: "abort", KindAvailable: "available", KindMarkers: "markers", KindMarked: "marked", KindRehearse: "rehearse", KindRehearsed: "rehearsed", KindTrace: "trace", KindTraced: "traced",
}

// String returns the kind's name in lower case.
func (k Kind) String() string { return nameOf(kindNames[:], uint8(k)) }

// Opens reports whether an envelope of this kind opens a conversation: it has
// a fresh nonce and the next sequence number, and goes through the receiver's
// replay window. The other kinds answer one that did and carry its nonce.
func (k Kind) Opens() bool {
	return k == KindOffer || k == KindRequest || k == KindCancel || k == KindAvailable || answers[k] != 0
}

// answers are the kinds of questions, and what answers each.
var answers = map[Kind]Kind{KindMarkers: KindMarked, KindRehearse: KindRehearsed, KindTrace: KindTraced}

// nameOf looks a number up in a table of names that leaves gaps empty.
func nameOf(names []string, n uint8) string {
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return fmt.Sprintf("kind %d", n)
}

// A Nonce ties the answers of one attempt to what opened it.
type Nonce [16]byte

// A KeyID says which key signed: the first 16 bytes of the SHA-256 over its
// SubjectPublicKeyInfo in DER.
type KeyID [16]byte

// An Envelope is one signed message of a control connection.
type Envelope struct {
	Version           uint8
	Kind              Kind
	Transfer          mft.TransferID
	Sender, Recipient mft.AgentName
	Channel           string // empty for a command
	// Sequence grows with every envelope that the sender opens a conversation
	// with, up to 2^63-1.
	Sequence uint64
	Nonce    Nonce
	// Issued and Expires travel with millisecond precision.
	Issued, Expires time.Time
	// Body is encoded by AppendOffer and its like.
	Body      []byte
	KeyID     KeyID
	Signature []byte
}

// SigningLabel keeps a signature over an envelope from fitting anything else
// that the same key signs.
const SigningLabel = "mft/1 envelope\x00"

// SigningBytes returns what the signature is made over: a label and the wire
// form of everything but the signature.
func (e *Envelope) SigningBytes() []byte {
	b := make([]byte, 0, len(SigningLabel)+256+len(e.Body))
	return appendSigned(append(b, SigningLabel...), e)
}

func appendSigned(b []byte, e *Envelope) []byte {
	b = append(b, e.Version, uint8(e.Kind))
	b = append(b, e.Transfer[:]...)
	b = append(b, e.Nonce[:]...)
	b = append(b, e.KeyID[:]...)
	b = wire.AppendUint(b, e.Sequence)
	b = wire.AppendSize(b, e.Issued.UnixMilli())
	b = wire.AppendSize(b, e.Expires.UnixMilli())
	b = wire.AppendBytes(b, e.Sender)
	b = wire.AppendBytes(b, e.Recipient)
	b = wire.AppendBytes(b, e.Channel)
	return wire.AppendBytes(b, e.Body)
}

// AppendEnvelope appends the wire form of e.
func AppendEnvelope(b []byte, e *Envelope) []byte {
	return wire.AppendBytes(appendSigned(b, e), e.Signature)
}

// ParseEnvelope reads the wire form of one envelope. It looks neither at the
// signature nor into the body. A version other than Version gives
// CodeVersion. The result shares no memory with b.
func ParseEnvelope(b []byte) (*Envelope, error) {
	c := wire.Read("read envelope", b)
	e := &Envelope{Version: c.U8("version")}
	if c.Err() == nil && e.Version != Version {
		c.FailWith(mft.CodeVersion, fmt.Errorf("version: %d, and this end speaks %d", e.Version, Version))
	}
	e.Kind = Kind(c.U8("kind"))
	if e.Kind < KindOffer || e.Kind > KindTraced {
		c.Fail("kind", "%d is none", uint8(e.Kind))
	}
	c.Fixed("transfer", e.Transfer[:])
	if e.Transfer.IsZero() {
		c.Fail("transfer", "zero names none")
	}
	c.Fixed("nonce", e.Nonce[:])
	c.Fixed("key id", e.KeyID[:])
	e.Sequence = c.Uint("sequence", math.MaxInt64)
	e.Issued = c.Time("issued")
	e.Expires = c.Time("expires")
	e.Sender = c.Agent("sender")
	e.Recipient = c.Agent("recipient")
	e.Channel = c.Line("channel", MaxChannel)
	e.Body = c.Copy("body", MaxBody)
	e.Signature = c.Copy("signature", MaxSignature)
	return wire.Done(&c, e)
}

// CheckTimes checks that e is valid at now, give or take MaxClockSkew, and
// was not made to live longer than MaxLifetime. The error has CodeExpired.
func (e *Envelope) CheckTimes(now time.Time) error {
	late := func(why string, args ...any) error {
		return mft.Fail(mft.CodeExpired, "check times of "+e.Kind.String(), "", fmt.Errorf(why, args...))
	}
	text := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case e.Issued.After(e.Expires):
		return late("it expires at %s, before it was issued at %s", text(e.Expires), text(e.Issued))
	case e.Expires.Sub(e.Issued) > MaxLifetime:
		return late("it would live for %v, and %v is allowed", e.Expires.Sub(e.Issued), MaxLifetime)
	case now.After(e.Expires.Add(MaxClockSkew)):
		return late("it expired at %s, and here it is %s", text(e.Expires), text(now))
	case e.Issued.After(now.Add(MaxClockSkew)):
		return late("it was issued at %s, and here it is only %s", text(e.Issued), text(now))
	}
	return nil
}

// CheckAnswer checks that e answers opening, as the table in docs/protocol.md says; transfer
// and nonce are the same, the agents are the same two. The error has CodeProtocol.
// Signatures are not looked at.
func (e *Envelope) CheckAnswer(opening *Envelope) error {
	misfit := func(why string, args ...any) error {
		return mft.Fail(mft.CodeProtocol, fmt.Sprintf("match %v to %v", e.Kind, opening.Kind), "", fmt.Errorf(why, args...))
	}
	switch {
	case opening.Kind == KindOffer && !e.Kind.Opens() && e.Kind < KindMarkers:
	case opening.Kind == KindAvailable && (e.Kind == KindDecision || e.Kind == KindReceipt || e.Kind == KindAbort):
	case (opening.Kind == KindRequest || answers[opening.Kind] != 0) && (e.Kind == KindDecision || e.Kind == KindAbort):
	case answers[opening.Kind] != 0 && e.Kind == answers[opening.Kind]:
	default:
		return misfit("the one does not answer the other")
	}
	from, to := opening.Recipient, opening.Sender
	if e.Kind == KindSeal || (e.Kind == KindAbort && e.Sender == opening.Sender && (opening.Kind == KindOffer || opening.Kind == KindMarkers)) {
		from, to = to, from
	}
	switch {
	case e.Transfer != opening.Transfer:
		return misfit("transfer: %v instead of %v", e.Transfer, opening.Transfer)
	case e.Nonce != opening.Nonce:
		return misfit("nonce: it belongs to another attempt")
	case e.Sender != from:
		return misfit("sender: %q instead of %q", e.Sender, from)
	case e.Recipient != to:
		return misfit("recipient: %q instead of %q", e.Recipient, to)
	}
	return nil
}
