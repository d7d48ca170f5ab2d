// Package listing is what two agents say about whole directories: the listing
// of one, the answer to that, and what was announced instead.
//
// It is part of the protocol, see docs/protocol.md, and refuses what package
// protocol refuses. What the digest of a listing is made of is for package
// transfer/scan.
package listing

import (
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// A Listing sums up what is directly in one directory of the source.
type Listing struct {
	// Path is that of the directory below the destination, as in an item;
	// empty is the destination itself.
	Path string
	// Entries counts what is in it, Bytes the content of its files.
	Entries, Bytes int64
	// Digest is that of package transfer/scan, over what the Basis of the
	// decision says counts.
	Digest [16]byte
}

// Append appends one entry of the payload of a protocol.FrameListings.
func Append(b []byte, l *Listing) []byte {
	b = wire.AppendBytes(b, l.Path)
	b = wire.AppendSize(b, l.Entries)
	b = wire.AppendSize(b, l.Bytes)
	return append(b, l.Digest[:]...)
}

// Parse reads any number, up to protocol.ListingWindow, of what Append
// wrote.
func Parse(p []byte) ([]Listing, error) {
	c := wire.Read("read listings", p)
	var out []Listing
	for c.More() {
		if len(out) == protocol.ListingWindow {
			c.Fail("listings", "more than %d", protocol.ListingWindow)
			break
		}
		c.Entry(len(out))
		l := Listing{Path: readPlace(&c), Entries: c.Size("entries"), Bytes: c.Size("bytes")}
		c.Fixed("digest", l.Digest[:])
		out = append(out, l)
	}
	return wire.Done(&c, out)
}

// readPlace reads the path of a directory below the destination, or of that.
func readPlace(c *wire.Reader) string {
	path := c.Path("path")
	if path == "" || c.Err() != nil {
		return path
	}
	if err := protocol.CheckPath(path); err != nil {
		c.FailWith("", err)
		return ""
	}
	return path
}

// Answer is what a receiver says to a listing.
type Answer uint8

// The answers.
const (
	Same   Answer = iota // it has the same: nothing in it is announced
	List                 // announce what is in it
	New                  // it has no such directory: announce all that is below
	Differ               // it has what Prints says: announce what is not among that
)

// String returns the answer's name in lower case.
func (a Answer) String() string {
	switch a {
	case Same:
		return "same"
	case List:
		return "list"
	case New:
		return "new"
	case Differ:
		return "differ"
	}
	return fmt.Sprintf("answer %d", uint8(a))
}

// Answers is one answer to Count listings from number First on; listings are
// numbered from 0 in the order in which they are sent.
type Answers struct {
	First, Count uint64
	Answer       Answer
	// Prints are there for Differ, which is about one listing. What was parsed
	// shares memory with what it was parsed from.
	Prints Prints
}

// AppendAnswers appends one entry of the payload of a protocol.FrameAnswers.
func AppendAnswers(b []byte, a *Answers) []byte {
	b = wire.AppendUint(wire.AppendUint(b, a.First), a.Count)
	b = append(b, uint8(a.Answer))
	if a.Answer != Differ {
		return b
	}
	return append(wire.AppendUint(b, uint64(a.Prints.Len())), a.Prints...)
}

// ParseAnswers reads any number, up to protocol.ListingWindow, of what AppendAnswers
// wrote. First+Count never is beyond protocol.MaxIndex+1, but may well be beyond what
// was listed.
func ParseAnswers(p []byte) ([]Answers, error) {
	c := wire.Read("read answers", p)
	var out []Answers
	for c.More() {
		if len(out) == protocol.ListingWindow {
			c.Fail("answers", "more than %d", protocol.ListingWindow)
			break
		}
		c.Entry(len(out))
		var a Answers
		a.First, a.Count = c.Span(protocol.MaxIndex)
		switch a.Answer = Answer(c.U8("answer")); {
		case a.Answer > Differ:
			c.Fail("answer", "%d is none", uint8(a.Answer))
		case a.Answer == Differ && a.Count > 1:
			c.Fail("count", "%d listings cannot have the same prints", a.Count)
		case a.Answer == Differ:
			n := c.Count("prints", MaxPrints, printSize)
			a.Prints = c.Take("prints", n*printSize)
		}
		out = append(out, a)
	}
	return wire.Done(&c, out)
}

// A Listed closes the announcement of what is directly in one directory: it
// has the Count items from First on and the names Kept, and nothing else.
type Listed struct {
	Path         string
	First, Count uint64
	// Whole is false when the directory could not be listed to its end, or
	// changed meanwhile: then nothing follows from a name that is missing.
	Whole bool
	// Kept are names of things that do not travel, such as sockets. What a
	// destination has under these names is not for the mirror to remove.
	Kept []string
}

// AppendListed appends the payload of a protocol.FrameListed.
func AppendListed(b []byte, l *Listed) []byte {
	b = wire.AppendBytes(b, l.Path)
	b = wire.AppendUint(wire.AppendUint(b, l.First), l.Count)
	b = wire.AppendFlag(b, l.Whole)
	b = wire.AppendUint(b, uint64(len(l.Kept)))
	for _, name := range l.Kept {
		b = wire.AppendBytes(b, name)
	}
	return b
}

// ParseListed reads what AppendListed wrote. Each kept name is one component
// of a path.
func ParseListed(p []byte) (Listed, error) {
	c := wire.Read("read listed frame", p)
	l := Listed{Path: readPlace(&c), First: c.Uint("first", protocol.MaxIndex)}
	l.Count = c.Uint("count", protocol.MaxIndex+1-l.First)
	l.Whole = c.Flag("whole")
	n := c.Count("kept", protocol.MaxKept, 2)
	for i := range n {
		c.Entry(i)
		name := c.Path("name")
		if err := protocol.CheckPath(name); c.Err() == nil && (err != nil || strings.IndexByte(name, '/') >= 0) {
			c.FailWith(mft.CodeBadPath, fmt.Errorf("name: %q is no component", name))
		}
		if c.Err() != nil {
			break
		}
		l.Kept = append(l.Kept, name)
	}
	return wire.Done(&c, l)
}

// Alike reports whether a and b are the same by the attributes that count;
// their paths do not. It says of two items of one name what the digest of a
// listing says of the directories that they are in.
func Alike(a, b *mft.Item, basis mft.Basis) bool {
	if a.Type != b.Type {
		return false
	}
	owned := basis.Owners
	if a.Extended != b.Extended && (a.Type != mft.ItemDir || basis.Dirs) {
		return false
	}
	switch mask := ModeMask(a.Type, basis); a.Type {
	case mft.ItemFile:
		if a.Size != b.Size || a.MTime != b.MTime || a.Mode&mask != b.Mode&mask {
			return false
		}
	case mft.ItemSymlink:
		if a.Target != b.Target {
			return false
		}
	default:
		if owned = owned && basis.Dirs; basis.Dirs && (a.MTime != b.MTime || a.Mode&mask != b.Mode&mask) {
			return false
		}
	}
	return !owned || ownedAlike(a.Owner, a.UID, b.Owner, b.UID) && ownedAlike(a.Group, a.GID, b.Group, b.GID)
}

func ownedAlike(a string, ai uint32, b string, bi uint32) bool {
	return a == b && (a != "" || ai == bi)
}

// ModeMask returns the bits of a mode that count. A directory may have
// inherited its setgid bit from the one above.
func ModeMask(t mft.ItemType, basis mft.Basis) uint32 {
	switch {
	case !basis.SetID:
		return 0o777
	case t == mft.ItemDir:
		return protocol.MaxMode &^ 0o2000
	}
	return protocol.MaxMode
}
