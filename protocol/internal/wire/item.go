package wire

import (
	"fmt"
	"strings"

	"mft.dev/mft"
)

// Limits on items; see package protocol.
const (
	MaxTarget = 4095
	MaxOwner  = 255
	MaxMode   = 0o7777
)

// FlawOf returns what is wrong with an item besides its path and its extended attributes,
// empty if it can travel.
func FlawOf(it *mft.Item) string {
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
	case isLink && it.Extended != "":
		return "extended attributes: a symlink has none"
	}
	return ""
}
