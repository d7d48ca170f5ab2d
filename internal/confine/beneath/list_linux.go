//go:build !portable

package beneath

import (
	"fmt"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/confine/entries"
	"mft.dev/mft/internal/confine/filesys"
)

// A listing is one directory being listed. Those not in use wait in the tree.
type listing struct {
	entries.Listing
	all  []byte // the names of a portion
	ends []int  // where in all each of them ends
}

// list opens the directory n for listing.
func (t *Tree) list(n Node) (*listing, error) {
	return t.listBy(func(l *listing) error {
		return t.Use(n, func(h Handle) error { return l.Open(h.fd) })
	})
}

// listBy opens a directory for listing by open.
func (t *Tree) listBy(open func(*listing) error) (*listing, error) {
	l, ok := t.listings.Get().(*listing)
	if !ok {
		l = new(listing)
	}
	if err := open(l); err != nil {
		t.listings.Put(l)
		return nil, err
	}
	return l, nil
}

// endList ends a listing.
func (t *Tree) endList(l *listing) {
	l.Close()
	t.listings.Put(l)
}

// A Visit is called for everything in a directory until it returns false: with
// the name, what it is, and the target of a link. All of it is lent.
type Visit func(name []byte, id *filesys.Identity, target []byte) bool

// List calls f for everything in the directory n.
func (t *Tree) List(n Node, f Visit) error {
	l, err := t.list(n)
	if err != nil {
		return err
	}
	return t.visit(l, f)
}

// ListPath is List for what is the directory rel now. It is opened for that
// only: going through a large tree, what is kept open for others stays.
func (t *Tree) ListPath(rel string, f Visit) error {
	l, err := t.listBy(func(l *listing) error {
		base, err := t.root()
		if err != nil {
			return err
		}
		defer t.release(base)
		if rel == "" {
			return l.Open(base.fd)
		}
		fd, err := t.openat(base.fd, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
		l.Take(fd)
		return err
	})
	if err != nil {
		return err
	}
	return t.visit(l, f)
}

// visit is List for an open listing, which it ends.
func (t *Tree) visit(l *listing, f Visit) error {
	defer t.endList(l)
	for {
		name, err := l.Next()
		if err != nil || name == nil {
			return err
		}
		switch id, target, err := l.Look(); {
		case err == unix.ENOENT:
			// If that is because the directory has been removed, Next says so.
		case err != nil:
			return fmt.Errorf("%q: %w", name, err)
		case !f(name, id, target):
			return nil
		}
	}
}

// A Names goes through the names in a directory in portions.
type Names struct {
	tree *Tree
	list *listing // nil after the end
}

// Names opens the directory n for Portion.
func (t *Tree) Names(n Node) (Names, error) {
	l, err := t.list(n)
	return Names{t, l}, err
}

// Portion returns the next names, at most Portion, and no names after the
// last. It closes the directory as soon as no more will come, since
// descriptors are few. The names share one string.
func (n *Names) Portion() ([]string, error) {
	l := n.list
	if l == nil {
		return nil, nil
	}
	l.all, l.ends = l.all[:0], l.ends[:0]
	var name []byte
	var err error
	for len(l.ends) < Portion {
		if name, err = l.Next(); err != nil || name == nil {
			break
		}
		l.all = append(l.all, name...)
		l.ends = append(l.ends, len(l.all))
	}
	all, from := string(l.all), 0
	names := make([]string, len(l.ends))
	for i, end := range l.ends {
		names[i], from = all[from:end], end
	}
	if name == nil {
		n.Close()
	}
	return names, err
}

// Close closes the directory if it is not closed yet.
func (n *Names) Close() {
	if n.list != nil {
		n.tree.endList(n.list)
		n.list = nil
	}
}
