package protocol

import (
	"fmt"
	"math"
	"strings"

	"mft.dev/mft"
)

// CheckPath checks path against the rules of mft.Item.Path: relative, made of
// components that are none of "", "." and "..", without NUL, and of at most
// MaxPath bytes. The error has CodeBadPath.
func CheckPath(path string) error {
	bad := func(why string) error {
		return mft.Fail(mft.CodeBadPath, "check path", path[:min(len(path), 256)], fmt.Errorf("%s", why))
	}
	switch {
	case path == "":
		return mft.Fail(mft.CodeBadPath, "check path", "", fmt.Errorf("the path is empty"))
	case len(path) > MaxPath:
		return bad(fmt.Sprintf("%d bytes are more than %d", len(path), MaxPath))
	case path[0] == '/':
		return bad("the path is absolute")
	case strings.IndexByte(path, 0) >= 0:
		return bad("the path contains a NUL")
	}
	for rest, more := path, true; more; {
		var name string
		if name, rest, more = strings.Cut(rest, "/"); name == "" || name == "." || name == ".." {
			return bad(fmt.Sprintf("%q is no component", name))
		}
	}
	return nil
}

// CheckItem checks that it is an item that can travel: a path that CheckPath
// accepts, a known type, a size only on a file and a target only on a symlink,
// a mode within MaxMode, and names within their limits. The error has
// CodeBadPath or CodeProtocol.
func CheckItem(it *mft.Item) error {
	if err := CheckPath(it.Path); err != nil {
		return err
	}
	if why := flawOf(it); why != "" {
		return mft.Fail(mft.CodeProtocol, "check item", it.Path, fmt.Errorf("%s", why))
	}
	return nil
}

func flawOf(it *mft.Item) string {
	switch it.Type {
	case mft.ItemFile, mft.ItemDir, mft.ItemSymlink:
	default:
		return fmt.Sprintf("type: %d is none", it.Type)
	}
	isLink := it.Type == mft.ItemSymlink
	switch {
	case it.Size < 0:
		return "size: below zero"
	case it.Size > 0 && it.Type != mft.ItemFile:
		return "size: only a file has one"
	case it.Mode > MaxMode:
		return fmt.Sprintf("mode: %#o is more than %#o", it.Mode, MaxMode)
	case isLink && it.Target == "":
		return "target: empty"
	case !isLink && it.Target != "":
		return "target: only a symlink has one"
	case len(it.Target) > MaxTarget:
		return fmt.Sprintf("target: %d bytes are more than %d", len(it.Target), MaxTarget)
	case strings.IndexByte(it.Target, 0) >= 0:
		return "target: contains a NUL"
	case len(it.Owner) > MaxOwner || strings.IndexByte(it.Owner, 0) >= 0:
		return fmt.Sprintf("owner: more than %d bytes, or a NUL", MaxOwner)
	case len(it.Group) > MaxOwner || strings.IndexByte(it.Group, 0) >= 0:
		return fmt.Sprintf("group: more than %d bytes, or a NUL", MaxOwner)
	}
	return ""
}

// ItemsOverhead is how many bytes AppendItems writes at most besides items.
const ItemsOverhead = 10 + 2

// ItemSize returns how many bytes AppendItems takes for it at most. An ITEMS
// frame holds items of sizes that together with ItemsOverhead stay within
// MaxFrame, and at most MaxItems of them.
func ItemSize(it *mft.Item) int {
	const numbers = 1 + 2 + 2 + 2 + 10 + 10 + 5 + 5 + 2 + 2 + 2
	return numbers + len(it.Path) + len(it.Target) + len(it.Owner) + len(it.Group)
}

// AppendItems appends the payload of a FrameItems: items with the indexes
// first, first+1 and so on. CheckItem must accept each of them.
func AppendItems(b []byte, first uint64, items []mft.Item) []byte {
	b = appendUint(b, first)
	b = appendUint(b, uint64(len(items)))
	prev := ""
	for i := range items {
		it := &items[i]
		shared := sharedPrefix(prev, it.Path)
		b = append(b, uint8(it.Type))
		b = appendUint(b, uint64(shared))
		b = appendBytes(b, it.Path[shared:])
		b = appendAttributes(b, it)
		prev = it.Path
	}
	return b
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
	b = appendUint(b, uint64(it.Mode))
	b = appendZigzag(b, it.MTime)
	switch it.Type {
	case mft.ItemFile:
		b = appendSize(b, it.Size)
	case mft.ItemSymlink:
		b = appendBytes(b, it.Target)
	}
	b = appendUint(b, uint64(it.UID))
	b = appendUint(b, uint64(it.GID))
	b = appendBytes(b, it.Owner)
	return appendBytes(b, it.Group)
}

// minItem is the length of the shortest item on the wire: a directory whose
// path is the beginning of the one before.
const minItem = 9

// ParseItems reads what AppendItems wrote. Every item passes CheckItem. The
// strings of the items share memory with each other, not with p: keeping one
// of them may keep some KiB of them.
func ParseItems(p []byte) (first uint64, items []mft.Item, err error) {
	c := cursor{op: "read items", rest: p}
	first = c.uvarint("first index", MaxIndex)
	n := c.count("count", MaxItems, minItem)
	if first > MaxIndex-uint64(n) {
		c.fail("count", "indexes beyond %d", uint64(MaxIndex))
	}
	if c.err != nil {
		return 0, nil, c.err
	}
	if n > 0 {
		items = make([]mft.Item, n)
	}
	a := arena{next: min(2*len(p), arenaChunk)}
	prev := &mft.Item{}
	for i := range items {
		it := &items[i]
		c.item(it, prev, &a)
		if c.err == nil {
			if err := CheckItem(it); err != nil {
				c.wrap("", err)
			}
		}
		if c.err != nil {
			return 0, nil, mft.Fail("", fmt.Sprintf("item %d of %d", i, n), "", c.err)
		}
		prev = it
	}
	if err := c.done(); err != nil {
		return 0, nil, err
	}
	return first, items, nil
}

// item reads one item into it; prev is the one before.
func (c *cursor) item(it, prev *mft.Item, a *arena) {
	it.Type = mft.ItemType(c.u8("type"))
	shared := int(c.uvarint("shared prefix", uint64(len(prev.Path))))
	suffix := c.bytes("path", MaxPath-shared)
	if len(suffix) > 0 && shared < len(prev.Path) && prev.Path[shared] == suffix[0] {
		c.fail("shared prefix", "shorter than what is shared")
		return
	}
	it.Path = a.join(prev.Path[:shared], suffix)
	it.Mode = uint32(c.uvarint("mode", MaxMode))
	it.MTime = c.zigzag("mtime")
	switch it.Type {
	case mft.ItemFile:
		it.Size = c.size("size")
	case mft.ItemSymlink:
		it.Target = a.join("", c.bytes("target", MaxTarget))
	}
	it.UID = uint32(c.uvarint("uid", math.MaxUint32))
	it.GID = uint32(c.uvarint("gid", math.MaxUint32))
	it.Owner = a.again(prev.Owner, c.bytes("owner", MaxOwner))
	it.Group = a.again(prev.Group, c.bytes("group", MaxOwner))
}

const arenaChunk = 16 << 10

// An arena makes many small strings with few allocations. A string is cut
// from a builder that still has room, so that the bytes under it never move
// or change.
type arena struct {
	b    strings.Builder
	next int // size of the next chunk
}

func (a *arena) join(head string, tail []byte) string {
	n := len(head) + len(tail)
	if n > a.b.Cap()-a.b.Len() {
		a.b = strings.Builder{}
		a.b.Grow(max(n, a.next))
		a.next = arenaChunk
	}
	start := a.b.Len()
	a.b.WriteString(head)
	a.b.Write(tail)
	return a.b.String()[start:]
}

// again returns last if p says the same.
func (a *arena) again(last string, p []byte) string {
	if last == string(p) {
		return last
	}
	return a.join("", p)
}
