// Package protocol is the bytes of mft: how every message, frame and hash is
// written and read. docs/protocol.md describes the same for people who write
// another end.
//
// There are three layers, and for each value a pair of functions AppendX and
// ParseX:
//
//   - Control connections carry small frames ([WriteControl], [ReadControl]).
//     Most hold a signed [Envelope], whose body is an Offer, a Decision, a
//     Request, a Seal, a Receipt, a [Cancel] or an Abort.
//   - Data connections carry larger frames ([FrameWriter], [FrameReader]):
//     items and content one way, verdicts and commits the other way.
//   - A [Manifest] sums up what was sent; a [Key] names an item.
//
// Everything that is read is taken for hostile. A parser accepts exactly the
// bytes that the matching AppendX writes: numbers are minimal, nothing may
// trail, and every length and count is checked against its limit and against
// what is left of the input before anything is allocated. What does not fit
// is an *mft.Error with CodeProtocol that names the field; a path that must
// not be used has CodeBadPath. An AppendX function writes what it is given and
// leaves refusing to the other end; only sentences for people are cut to
// [MaxDetail], and codes that are none become CodeOther.
//
// The package verifies no signature, keeps no state between messages, looks
// at no clock and starts no goroutine. Whether a message may come at this
// point, and whether an index was ever announced, is for its callers to say.
package protocol

// Version is the protocol version of every message. Who speaks one of the others, which
// package link finds out, knows all of them up to that; each adds what it is called by.
const Version, VersionMarkers, VersionRehearsals, VersionCanary, VersionXAttrs, VersionTraces = 1, 2, 3, 4, 5, 6
