package protocol

import (
	"fmt"
	"math"

	"mft.dev/mft"
	"mft.dev/mft/protocol/internal/wire"
	"mft.dev/mft/protocol/xattr"
)

// CheckPath checks path against the rules of mft.Item.Path: relative, made of
// components that are none of "", "." and "..", without NUL, and of at most
// MaxPath bytes. The error has CodeBadPath.
func CheckPath(path string) error { return wire.CheckPath(path) }

// CheckItem checks that it is an item that can travel: a path that CheckPath
// accepts, a known type, a size only on a file and a target only on a symlink,
// a mode within MaxMode, names within their limits, and extended attributes that
// package protocol/xattr accepts on anything but a symlink. The error has CodeBadPath or
// CodeProtocol.
func CheckItem(it *mft.Item) error {
	if err := CheckPath(it.Path); err != nil {
		return err
	}
	if why := wire.FlawOf(it); why != "" {
		return mft.Fail(mft.CodeProtocol, "check item", it.Path, fmt.Errorf("%s", why))
	}
	return xattr.Check(it.Extended)
}

// ItemsOverhead is how many bytes AppendItems writes at most besides items.
const ItemsOverhead = 10 + 2

// ItemSize returns how many bytes AppendItems takes for it at most. An ITEMS
// frame holds items of sizes that together with ItemsOverhead stay within
// MaxFrame, and at most MaxItems of them.
func ItemSize(it *mft.Item) int {
	const numbers = 1 + 2 + 2 + 2 + 10 + 10 + 5 + 5 + 2 + 2 + 2 + 3
	return numbers + len(it.Path) + len(it.Target) + len(it.Owner) + len(it.Group) + len(it.Extended)
}

// AppendItems appends the payload of a FrameItems: items with the indexes
// first, first+1 and so on. CheckItem must accept each of them.
func AppendItems(b []byte, first uint64, items []mft.Item) []byte {
	b = wire.AppendUint(b, first)
	b = wire.AppendUint(b, uint64(len(items)))
	prev := ""
	for i := range items {
		it := &items[i]
		shared := sharedPrefix(prev, it.Path)
		b = append(b, typeOf(it))
		b = wire.AppendUint(b, uint64(shared))
		b = wire.AppendBytes(b, it.Path[shared:])
		b = appendAttributes(b, it)
		prev = it.Path
	}
	return b
}

// extended is added to the type of an item that has extended attributes.
const extended = 0x80

// typeOf returns the type of an item as it is written and hashed.
func typeOf(it *mft.Item) uint8 {
	if it.Extended != "" {
		return uint8(it.Type) | extended
	}
	return uint8(it.Type)
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// appendAttributes appends everything of an item but its type and path.
func appendAttributes(b []byte, it *mft.Item) []byte {
	b = wire.AppendUint(b, uint64(it.Mode))
	b = wire.AppendZigzag(b, it.MTime)
	switch it.Type {
	case mft.ItemFile:
		b = wire.AppendSize(b, it.Size)
	case mft.ItemSymlink:
		b = wire.AppendBytes(b, it.Target)
	}
	b = wire.AppendUint(b, uint64(it.UID))
	b = wire.AppendUint(b, uint64(it.GID))
	b = wire.AppendBytes(b, it.Owner)
	b = wire.AppendBytes(b, it.Group)
	if it.Extended != "" {
		b = wire.AppendBytes(b, it.Extended)
	}
	return b
}

// minItem is the length of the shortest item on the wire: a directory whose
// path is the beginning of the one before.
const minItem = 9

// ParseItems reads what AppendItems wrote. Every item passes CheckItem. The
// strings of the items share memory with each other, not with p: keeping one
// of them may keep some KiB of them.
func ParseItems(p []byte) (first uint64, items []mft.Item, err error) {
	c := wire.Read("read items", p)
	first = c.Uint("first index", MaxIndex)
	n := c.Count("count", MaxItems, minItem)
	if first > MaxIndex+1-uint64(n) {
		c.Fail("count", "indexes beyond %d", uint64(MaxIndex))
	}
	if c.Err() != nil {
		return 0, nil, c.Err()
	}
	if n > 0 {
		items = make([]mft.Item, n)
	}
	a := wire.NewArena(len(p))
	prev := &mft.Item{}
	for i := range items {
		c.Entry(i)
		it := &items[i]
		readItem(&c, it, prev, &a)
		if c.Err() != nil {
			return 0, nil, c.Err()
		}
		if err := CheckItem(it); err != nil {
			c.FailWith("", err)
			return 0, nil, c.Err()
		}
		prev = it
	}
	if items, err = wire.Done(&c, items); err != nil {
		return 0, nil, err
	}
	return first, items, nil
}

// readItem reads one item into it; prev is the one before.
func readItem(c *wire.Reader, it, prev *mft.Item, a *wire.Arena) {
	kind := c.U8("type")
	it.Type = mft.ItemType(kind &^ extended)
	shared := int(c.Uint("shared prefix", uint64(len(prev.Path))))
	suffix := c.Bytes("path", MaxPath-shared)
	if len(suffix) > 0 && shared < len(prev.Path) && prev.Path[shared] == suffix[0] {
		c.Fail("shared prefix", "shorter than what is shared")
		return
	}
	it.Path = a.Join(prev.Path[:shared], suffix)
	it.Mode = uint32(c.Uint("mode", MaxMode))
	it.MTime = c.Zigzag("mtime")
	switch it.Type {
	case mft.ItemFile:
		it.Size = c.Size("size")
	case mft.ItemSymlink:
		it.Target = a.Join("", c.Bytes("target", MaxTarget))
	}
	it.UID = uint32(c.Uint("uid", math.MaxUint32))
	it.GID = uint32(c.Uint("gid", math.MaxUint32))
	it.Owner = a.Again(prev.Owner, c.Bytes("owner", MaxOwner))
	it.Group = a.Again(prev.Group, c.Bytes("group", MaxOwner))
	if kind&extended != 0 {
		if it.Extended = a.Again(prev.Extended, c.Bytes("extended attributes", xattr.Max)); it.Extended == "" {
			c.Fail("extended attributes", "there are none")
		}
	}
}
