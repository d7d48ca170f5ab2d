package beneath

import (
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// maxPath is the longest path that is resolved, in bytes. It is more than a
// manifest carries, and keeps a stranger from buying many system calls with
// one path.
const maxPath = 16 << 10

// CheckPath returns rel in the one form used here, where the root is "". It
// refuses whatever is not a clean path below a directory.
func CheckPath(rel string) (string, error) {
	if rel == "" || rel == "." {
		return "", nil
	}
	if len(rel) > maxPath {
		return rel[:maxPath], filesys.Refuse(mft.CodeNameTooLong, "the path is too long")
	}
	for rest, name := rel, ""; ; {
		more := strings.IndexByte(rest, '/') >= 0
		name, rest = Cut(rest)
		if err := CheckName(name); err != nil {
			return rel, err
		}
		if !more {
			return rel, nil
		}
	}
}

// CheckName refuses what is not the name of one thing in a directory.
func CheckName(name string) error {
	switch {
	case name == "":
		return filesys.Refuse(mft.CodeBadPath, "a component is empty")
	case name == "." || name == "..":
		return filesys.Refuse(mft.CodeBadPath, "a component is %q", name)
	case strings.IndexByte(name, '/') >= 0:
		return filesys.Refuse(mft.CodeBadPath, "a name contains a slash")
	case strings.IndexByte(name, 0) >= 0:
		return filesys.Refuse(mft.CodeBadPath, "a name contains a zero byte")
	case filepath.Separator == '\\' && (strings.ContainsAny(name, `\:`) || !filepath.IsLocal(name)):
		// Separators, drives, streams, and device names such as NUL.
		return filesys.Refuse(mft.CodeBadPath, "a name is not possible on this system")
	}
	return nil
}

// Cut splits off the first component.
func Cut(rel string) (name, rest string) {
	name, rest, _ = strings.Cut(rel, "/")
	return name, rest
}

// Split splits off the last component.
func Split(rel string) (dir, name string) {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i], rel[i+1:]
	}
	return "", rel
}

// Join puts name in dir.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
