package scan

import (
	"os"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// Travels returns why the symbolic link rel does not travel when the root is sent, nil if
// it does. Its code is mft.CodeSymlink, or one of confine.Root.Readlink.
func Travels(root *confine.Root, rel string) error {
	target, err := root.Readlink(rel)
	if err == nil {
		err = travels(place{full: rel}, mft.ItemSymlink, target)
	}
	return err
}

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
	return itemPath != "" && staysBelow(target, strings.Count(itemPath, "/"))
}

// staysBelow is SafeLink for a link that lies so many directories deep.
func staysBelow[T string | []byte](target T, depth int) bool {
	if len(target) == 0 || len(target) > maxTarget || target[0] == '/' {
		return false
	}
	up, named, length, dots := 0, false, 0, 0
	for i := 0; i <= len(target); i++ {
		switch {
		case i == len(target) || target[i] == '/':
			switch {
			case length > dots || dots > 2:
				named = true
			case dots == 2 && named:
				return false
			case dots == 2:
				up++
			}
			length, dots = 0, 0
			continue
		case target[i] == 0, os.PathSeparator == '\\' && (target[i] == '\\' || target[i] == ':'):
			return false
		case target[i] == '.':
			dots++
		}
		length++
	}
	return up <= depth
}
