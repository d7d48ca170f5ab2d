// Package xattr is the form in which extended attributes and access lists travel: one
// string for each item, mft.Item.Extended.
//
// There is one string for each [Set], and the empty string is the empty set, so that
// two items have the same set when their strings are equal. docs/protocol.md describes
// the form.
package xattr

import (
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
)

// Limits on a set.
const (
	// Max is how long the string of a set may be, in bytes.
	Max = 16 << 10
	// maxName is the longest name of an attribute on Linux, in bytes.
	maxName = 255
	// maxOwner is the longest name of a user or group, in bytes, as it is for items.
	maxOwner = 255
	// Nobody is the number that no user and no group has.
	Nobody = 1<<32 - 1
)

// Prefix begins the names of the attributes that travel.
const Prefix = "user."

// A Set is what a file has besides mode, times and owner.
type Set struct {
	// Attributes are sorted by name, each of which is there once.
	Attributes []Attribute
	// Access is who may use the file, nil when its mode says all about that. Default is
	// what is made in a directory begins with.
	Access, Default ACL
}

// An Attribute is an extended attribute. Its name begins with Prefix.
type Attribute struct{ Name, Value string }

// An ACL is an access list as POSIX.1e draft 17 has it. It is valid when it
// has one entry each for Owner, Owning and Other, one Mask if there are any of User or
// Group and at most one otherwise, is sorted by Tag and then by ID, and has nobody twice.
type ACL []Entry

// An Entry says what somebody may do.
type Entry struct {
	Tag Tag
	// Perm is what is permitted: read 4, write 2, execute 1.
	Perm uint8
	// ID is the number of a User or Group on the sending host, and Name the name, empty
	// where unknown. Other entries have neither.
	ID   uint32
	Name string
}

// A Tag says whom an entry is about. Its values are those of Linux.
type Tag uint8

// The tags, in the order in which they stand in a list.
const (
	Owner  Tag = 0x01 // who owns the file
	User   Tag = 0x02 // one user
	Owning Tag = 0x04 // the group of the file
	Group  Tag = 0x08 // one group
	Mask   Tag = 0x10 // the most that User, Owning and Group may do
	Other  Tag = 0x20 // everybody else
)

// Named reports whether entries with this tag are about one user or group.
func (t Tag) Named() bool { return t == User || t == Group }

// Append returns the string of s. Whether it is one that Parse takes is for the caller to
// see to: with [Check], or by what s is made of.
func (s *Set) Append() string {
	if len(s.Attributes) == 0 && s.Access == nil && s.Default == nil {
		return ""
	}
	b := wire.AppendUint(nil, uint64(len(s.Attributes)))
	for _, a := range s.Attributes {
		b = wire.AppendBytes(wire.AppendBytes(b, a.Name), a.Value)
	}
	return string(appendACL(appendACL(b, s.Access), s.Default))
}

func appendACL(b []byte, l ACL) []byte {
	b = wire.AppendUint(b, uint64(len(l)))
	for _, e := range l {
		b = append(b, uint8(e.Tag), e.Perm)
		if e.Tag.Named() {
			b = wire.AppendBytes(wire.AppendUint(b, uint64(e.ID)), e.Name)
		}
	}
	return b
}

// Check returns why a string is not that of a set, nil if it is. The error has
// CodeProtocol.
func Check(s string) error {
	_, err := Parse(s)
	return err
}

// minAttribute is the length of the shortest attribute in a string, minEntry of the
// shortest entry.
const minAttribute, minEntry = 1 + len(Prefix) + 1 + 1, 2

// Parse reads what Append wrote. The error has CodeProtocol.
func Parse(s string) (Set, error) {
	var out Set
	if s == "" {
		return out, nil
	}
	c := wire.Read("read extended attributes", []byte(s))
	if len(s) > Max {
		c.Fail("set", "%d bytes are more than %d", len(s), Max)
	}
	last := ""
	for i := range c.Count("attributes", Max/minAttribute, minAttribute) {
		c.Entry(i)
		a := Attribute{Name: string(c.Bytes("name", maxName)), Value: string(c.Bytes("value", Max))}
		if c.Err() != nil {
			break
		}
		if !strings.HasPrefix(a.Name, Prefix) || len(a.Name) == len(Prefix) || strings.IndexByte(a.Name, 0) >= 0 || a.Name <= last {
			c.Fail("name", "%q is none that travels, or not in its place", a.Name)
			break
		}
		out.Attributes, last = append(out.Attributes, a), a.Name
	}
	out.Access, out.Default = readACL(&c), readACL(&c)
	if c.Err() == nil {
		if why := out.flaw(); why != "" {
			c.Fail("access list", "%s", why)
		}
	}
	return wire.Done(&c, out)
}

func readACL(c *wire.Reader) ACL {
	var out ACL
	for range c.Count("entries", Max/minEntry, minEntry) {
		e := Entry{Tag: Tag(c.U8("tag")), Perm: c.U8("permissions")}
		if e.Tag.Named() {
			e.ID, e.Name = uint32(c.Uint("id", Nobody-1)), string(c.Bytes("name", maxOwner))
		}
		if c.Err() != nil {
			return nil
		}
		out = append(out, e)
	}
	return out
}

// flaw returns what is wrong with the access lists of s.
func (s *Set) flaw() string {
	if len(s.Attributes) == 0 && s.Access == nil && s.Default == nil {
		return "there is nothing"
	}
	for _, l := range []ACL{s.Access, s.Default} {
		if why := l.Flaw(); l != nil && why != "" {
			return why
		}
	}
	if s.Access.Plain() {
		return "the mode says the same"
	}
	return ""
}

// Plain reports whether a mode says all that the list says.
func (l ACL) Plain() bool { return len(l) == 3 }

// Flaw returns what is wrong with the list, empty if it is valid.
func (l ACL) Flaw() string {
	var last Entry
	var has Tag
	for _, e := range l {
		switch {
		case e.Tag == 0 || e.Tag > Other || e.Tag&(e.Tag-1) != 0:
			return fmt.Sprintf("there is no tag %d", e.Tag)
		case e.Perm > 7:
			return fmt.Sprintf("there are no permissions %d", e.Perm)
		case e.Tag < last.Tag || e.Tag == last.Tag && (!e.Tag.Named() || e.ID <= last.ID):
			return "the entries are not in their order, or one is there twice"
		case strings.IndexByte(e.Name, 0) >= 0:
			return "a name has a zero byte"
		}
		has, last = has|e.Tag, e
	}
	const always = Owner | Owning | Other
	switch {
	case has&always != always:
		return "an entry is missing"
	case has&(User|Group) != 0 && has&Mask == 0:
		return "the mask is missing"
	}
	return ""
}

// Within reports whether a set has nothing but what is preserved.
func (s *Set) Within(keeps mft.Preserve) bool {
	return (keeps.Has(mft.PreserveXAttrs) || s.Attributes == nil) && (keeps.Has(mft.PreserveACLs) || s.Access == nil && s.Default == nil)
}
