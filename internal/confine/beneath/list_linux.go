//go:build !portable

package beneath

import (
	"fmt"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/confine/entries"
	"mft.dev/mft/internal/confine/filesys"
)

// list opens a directory for listing.
func (t *Tree) list(n Node) (*entries.Listing, error) {
	l, ok := t.listings.Get().(*entries.Listing)
	if !ok {
		l = new(entries.Listing)
	}
	err := t.Use(n, func(h Handle) error { return l.Open(h.fd) })
	if err != nil {
		t.listings.Put(l)
		return nil, err
	}
	return l, nil
}

// endList ends a listing.
func (t *Tree) endList(l *entries.Listing) {
	l.Close()
	t.listings.Put(l)
}

// List calls f for everything in the directory n until it returns false: with
// the name, what it is, and the target of a link, which are lent.
func (t *Tree) List(n Node, f func(name []byte, id filesys.Identity, target []byte) bool) error {
	l, err := t.list(n)
	if err != nil {
		return err
	}
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
	list *entries.Listing // nil after the end
	all  []byte           // the names of a portion
	ends []int            // where in all each of them ends
}

// Names opens the directory n for Portion.
func (t *Tree) Names(n Node) (*Names, error) {
	l, err := t.list(n)
	if err != nil {
		return nil, err
	}
	return &Names{tree: t, list: l}, nil
}

// Portion returns the next names, at most Portion, and no names after the
// last. It closes the directory as soon as no more will come, since descriptors are
// few.
func (n *Names) Portion() ([]string, error) {
	n.all, n.ends = n.all[:0], n.ends[:0]
	var err error
	for n.list != nil && len(n.ends) < Portion {
		var name []byte
		if name, err = n.list.Next(); err != nil || name == nil {
			n.Close()
			break
		}
		n.all = append(n.all, name...)
		n.ends = append(n.ends, len(n.all))
	}
	all, from := string(n.all), 0
	names := make([]string, len(n.ends))
	for i, end := range n.ends {
		names[i], from = all[from:end], end
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
