package scan

import (
	"os"
	"strings"
)

// maxTarget is the longest target of a symbolic link that Linux stores.
const maxTarget = 4095

// SafeLink reports whether a symbolic link at itemPath that points to target
// stays inside the tree that itemPath is relative to, whatever other safe
// links there are in that tree.
//
// The target must be relative, and ".." may stand only at its beginning, not
// more often than the link lies deep. A ".." after a name is refused even if
// it would cancel out on paper: the name may itself be a link, and what is
// above that is elsewhere.
func SafeLink(itemPath, target string) bool {
	if itemPath == "" || target == "" || len(target) > maxTarget || strings.IndexByte(target, 0) >= 0 {
		return false
	}
	if target[0] == '/' || (os.PathSeparator == '\\' && strings.ContainsAny(target, `\:`)) {
		return false
	}
	up, named := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if named {
				return false
			}
			up++
		default:
			named = true
		}
	}
	return up <= strings.Count(itemPath, "/")
}
