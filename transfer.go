package mft

import (
	"encoding/hex"
	"fmt"
	"time"
)

// A TransferID identifies a transfer on every host, queue and log that it
// touches. It is a UUID of version 7, made by whoever asks for the transfer.
type TransferID [16]byte

// String returns the usual form of a UUID, for example
// 0192f0c1-2d5b-7c3a-8e4f-0123456789ab.
func (id TransferID) String() string {
	var b [36]byte
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// IsZero reports whether id is the zero value, which names no transfer.
func (id TransferID) IsZero() bool { return id == TransferID{} }

// MarshalText implements encoding.TextMarshaler.
func (id TransferID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *TransferID) UnmarshalText(b []byte) error {
	v, err := ParseTransferID(string(b))
	if err == nil {
		*id = v
	}
	return err
}

// ParseTransferID reads the form that String writes. The error is an *Error
// with code CodeBadName.
func ParseTransferID(s string) (TransferID, error) {
	var id TransferID
	bad := &Error{
		Code: CodeBadName, Op: "read transfer id", Subject: s,
		Err: fmt.Errorf("not of the form 0192f0c1-2d5b-7c3a-8e4f-0123456789ab"),
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, bad
	}
	if _, err := hex.Decode(id[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return TransferID{}, bad
	}
	return id, nil
}

// Role is which end of a transfer this host is.
type Role string

// The two ends of a transfer.
const (
	RoleSend    Role = "send"
	RoleReceive Role = "receive"
)

// A Transfer is what one host knows of one transfer: the row that
// `mft transfer list` prints.
type Transfer struct {
	ID      TransferID
	Role    Role
	Peer    AgentName
	Channel string // empty for a command
	// Run is that of the channel which made the transfer on this host, empty when
	// none did.
	Run   string
	State State
	// Reason says why a transfer waits, was rejected or failed; zero
	// otherwise.
	Reason Reason
	// Sources are absolute paths on the sending host, as its operator gave
	// them. A trailing slash on a directory means its contents.
	Sources []string
	// Destination is the path on the receiving host. See Offer.Destination.
	Destination string
	Overwrite   Overwrite
	// Requested is set when the receiving host asked for the files
	// (mft req); on that host Destination is the path its operator gave.
	Requested bool
	// Compare and Mirror are as in an Offer.
	Compare Compare
	Mirror  Mirror
	// Compress is when the sending host compresses; not known at the receiver
	// of an offer that it did not ask for.
	Compress Compress
	// Preserve is what travels of files besides content, mode, times and owner; not known at
	// the receiver of an offer that it did not ask for.
	Preserve Preserve
	// Totals grows while the source is scanned; Moved counts what has been
	// committed at the receiver, Unchanged what was there already. Removed is
	// how many entries of the destination the mirror removed.
	Totals, Moved, Unchanged Count
	Removed                  int64
	Created                  time.Time
	Updated                  time.Time
	// Attempts counts how often the transfer was offered to the peer.
	Attempts int
}

// Count measures a set of items.
type Count struct {
	Items int64
	Bytes int64 // content of regular files
}

// A Reason is a stable code with a sentence for people.
type Reason struct {
	Code   Code
	Detail string
}

// Overwrite is the policy for a path that already exists at the destination.
type Overwrite string

// The overwrite policies.
const (
	OverwriteReplace Overwrite = "replace" // the new file takes its place atomically
	OverwriteNever   Overwrite = "never"   // the item fails with CodeExists, nothing is touched
	OverwriteVersion Overwrite = "version" // the old file is first renamed to NAME.~N~
	// OverwriteBounded is OverwriteVersion where a grant has a VersionBound: the old file
	// is renamed to NAME.~N.TAG~. It is never in an offer.
	OverwriteBounded Overwrite = "bounded"
	// OverwriteCanary is that of a file which shows that a delivery is possible: nothing
	// is touched, and the receiver removes the file before it gives its receipt.
	OverwriteCanary Overwrite = "canary"
)

// Compare is how a receiver tells that it has an item already, so that nothing
// of it need travel.
type Compare string

// The ways to compare.
const (
	CompareQuick   Compare = "quick"   // by type, size, modification time, permission bits and owner
	CompareContent Compare = "content" // both ends read what they have
	CompareNone    Compare = "none"    // everything is sent
)

// Compress is when content travels compressed. The peer has to understand it;
// one that does not gets everything plain.
type Compress string

// When to compress.
const (
	CompressAuto   Compress = "auto"   // when that is faster, as far as samples and the connection tell
	CompressAlways Compress = "always" // whatever becomes smaller
	CompressNever  Compress = "never"
)

// A Mirror is the order to remove from the destination what is not in the
// source, and how much of it at most. The zero value orders nothing.
type Mirror struct {
	On bool
	// MaxFiles is how many entries that are not directories may go, and
	// MaxPercent how much of what is at the destination, directories
	// included. When more would go, nothing does. A negative value sets no
	// limit, and 0 lets nothing go.
	MaxFiles   int64
	MaxPercent int
}

// DefaultMirror returns the mirror of an order that sets no limit of its own.
func DefaultMirror() Mirror { return Mirror{On: true, MaxFiles: 1000, MaxPercent: 50} }

// ItemType is what kind of thing an item is.
type ItemType uint8

// The item types that travel. Sockets, devices and named pipes never do.
const (
	ItemFile ItemType = iota + 1
	ItemDir
	ItemSymlink
)

// An Item is one entry of a transfer's manifest.
type Item struct {
	// Path is relative to the destination, slash-separated, made of opaque
	// bytes. It never is empty, absolute, or has a component "", "." or
	// "..", or a NUL.
	Path string
	Type ItemType
	// Size is the length of a file in bytes.
	Size int64
	// Mode holds the permission bits and setuid, setgid, sticky, in Unix
	// encoding (07777).
	Mode uint32
	// MTime is in nanoseconds since the Unix epoch.
	MTime int64
	// UID and GID are the owner on the sending host; Owner and Group their
	// names where known. Names win over numbers at the receiver.
	UID, GID     uint32
	Owner, Group string
	// Target is where a symlink points.
	Target string
	// Extended is what is preserved besides, of a file or directory: a set in the form of
	// package protocol/xattr. It is empty for nothing.
	Extended string
}

// Digest is the BLAKE3-256 hash of a file's whole content.
type Digest [32]byte

// String returns the digest as lower-case hexadecimal, as b3sum prints it.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// An Offer is what a sender asks a receiver to accept. It is signed.
type Offer struct {
	Transfer  TransferID
	Sender    AgentName
	Recipient AgentName
	Channel   string
	// Destination is where the items go. A path that ends in a slash is a
	// directory. With Single set, a path that neither ends in a slash nor is
	// a directory at the receiver is the final name of the only item.
	Destination string
	Single      bool
	// Requested says that the receiver asked for this transfer; Destination
	// is then empty, the receiver knows it.
	Requested bool
	Overwrite Overwrite
	Compare   Compare
	Mirror    Mirror
	// Preserve is what the sender keeps of each file and directory. What is not in it is
	// left as it is at the receiver; what is in it, and an item does not have, is removed.
	Preserve Preserve
	// Rules are, for a mirror, those of the sender's selection, see package
	// trigger/selection: what they leave out the mirror does not remove.
	Rules []string
	// Announced is what the sender knows of the size before scanning. Both
	// numbers may be zero: the manifest is streamed.
	Announced Count
	// DataKey is the SHA-256 fingerprint of the certificate that the
	// sender's data connections of this attempt will show.
	DataKey [32]byte
	// Streams is how many data connections the sender would like, 1 to 16.
	Streams int
}

// A Decision is a receiver's answer to an offer or a request, made before any
// file is touched. It is signed.
type Decision struct {
	Transfer TransferID
	// Code is CodeOK when the transfer may proceed, CodeDelivered when it
	// already has been delivered (the receipt follows), and else the reason
	// of the refusal.
	Code   Code
	Detail string
	// RetryIn is how long to wait before asking again; zero leaves it to the
	// sender. Refusals that no waiting can mend are permanent, see
	// Code.Retryable.
	RetryIn time.Duration
	// DataKey and Streams answer those of the offer.
	DataKey [32]byte
	Streams int
	// Basis is what the receiver compares with.
	Basis Basis
	// Zstd says that the receiver understands compressed frames.
	Zstd bool
}

// A Basis says what there is at a destination to compare with, and which
// attributes count there.
type Basis struct {
	// Present is set when there is something at all. Without it the other
	// fields mean nothing.
	Present bool
	// Listings is set when listings are answered. Without it each item is
	// asked for.
	Listings bool
	// Owners count when the receiver may give files away, SetID when it keeps
	// setuid, setgid and sticky bits. Dirs counts the attributes of
	// directories, and not only that there is one.
	Owners, SetID, Dirs bool
	// Salt enters the digests of listings. It is random, so that nobody who
	// may make files at the source can make one that is taken for another.
	Salt [16]byte
}

// A Request asks a peer to send files to this host. It is signed. The peer
// answers with a Decision and, when that is CodeOK, with an Offer of the same
// transfer id.
type Request struct {
	Transfer  TransferID
	Requester AgentName
	Source    AgentName
	Path      string // absolute path on the source's host; a glob is allowed in the last component
	Overwrite Overwrite
	Compare   Compare
	Compress  Compress
	Preserve  Preserve
}

// A Seal closes the sender's side: it sums up what was sent. It is signed.
type Seal struct {
	Transfer TransferID
	Sent     Count
	// Manifest is the hash over every item and digest in the order of
	// sending; the receiver has computed the same. See docs/protocol.md.
	Manifest Digest
	// Failed counts items that the sender could not read.
	Failed int64
	// Whole is set when the source was listed to its end without an error and
	// is not empty. Without it a mirror removes nothing.
	Whole bool
}

// A Receipt is the receiver's proof of delivery. It is signed, and sent only
// after everything that it vouches for is durable under its final name.
type Receipt struct {
	Transfer TransferID
	// Code is CodeOK when every item arrived; CodePartial when some could
	// not be delivered and will not be.
	Code     Code
	Detail   string
	Received Count
	// Unchanged counts what was at the destination before.
	Unchanged Count
	Failed    int64
	// Removed counts the entries of the destination that the mirror removed.
	Removed  int64
	Manifest Digest
}
