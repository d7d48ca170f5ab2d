package wire

import (
	"fmt"
	"strings"

	"mft.dev/mft"
)

// CheckPath is that of package protocol.
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
