// Package beneath opens directories beneath a directory, and does one thing
// with one name in them.
//
// It is the part of package confine that each operating system does its own
// way: a [Tree] resolves paths and keeps descriptors, a [Handle] is an open
// directory for the length of one call of [Tree.Use]. Paths must have passed
// [CheckPath] and names [CheckName]. Errors are those of the operating system,
// without a path, or have a code by filesys.Refuse.
//
// On Linux there is a Tree of descriptors. Elsewhere, and with the build tag
// "portable" so that it can be tested on Linux, it is an os.Root.
package beneath

// A Node is one directory: not only its path, but which one it was that had
// the path.
type Node struct {
	// Rel is the path below the tree, "" for its top.
	Rel        string
	dev, inode uint64
}

// How says by what means paths are resolved.
type How uint8

// The means. Where there is only one, all are the same.
const (
	Best How = iota // openat2 if it works, else Walk
	Walk            // component by component
)

// Portion is how many names of a directory are held at a time.
const Portion = 1024
