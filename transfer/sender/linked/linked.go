// Package linked knows which of the files that are sent have several names.
package linked

import (
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
)

// most is how many bytes of paths are remembered.
const most = 32 << 20

// A Book remembers names of files that have several. It is for one goroutine; nil
// remembers nothing.
type Book struct {
	names map[file][]string
	order []file // in which they were found
	size  int
	left  int64
}

// A file is what its names have in common.
type file struct{ dev, inode uint64 }

// New returns an empty book.
func New() *Book { return &Book{names: make(map[file][]string)} }

// Add adds an item and what it is. What has one name is left out, and what is beyond the
// limit is counted.
func (b *Book) Add(path string, id *confine.Identity) {
	switch {
	case b == nil || !id.IsRegular() || id.Nlink < 2 || id.Inode == 0:
		return
	case b.size+len(path) > most:
		b.left++
		return
	}
	f := file{id.Dev, id.Inode}
	if b.names[f] == nil {
		b.order = append(b.order, f)
	}
	b.names[f] = append(b.names[f], path)
	b.size += len(path)
}

// Left is how many names there was no room for.
func (b *Book) Left() int64 {
	if b == nil {
		return 0
	}
	return b.left
}

// Each calls f for all that are names of one file, for those of one file again and again if they
// are too many for one message. It ends at the first error, and returns that.
func (b *Book) Each(f func(*listing.Linked) error) error {
	if b == nil {
		return nil
	}
	const room = listing.MostLinked - 8 // for the length of each path, of which two may be the longest
	for _, file := range b.order {
		names := b.names[file]
		l, size := listing.Linked{First: names[0]}, 0
		for _, name := range names[1:] {
			if size += len(name) + 4; size+len(names[0]) > room {
				if err := f(&l); err != nil {
					return err
				}
				l.Others, size = nil, len(name)+4
			}
			l.Others = append(l.Others, name)
		}
		if len(l.Others) == 0 {
			continue // its other names are not sent
		}
		if err := f(&l); err != nil {
			return err
		}
	}
	return nil
}
