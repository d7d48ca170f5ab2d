//go:build !linux || portable

package beneath

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"mft.dev/mft/internal/confine/filesys"
)

// A Visit is called for everything in a directory until it returns false: with
// the name, what it is, and the target of a link. All of it is lent.
type Visit func(name []byte, id *filesys.Identity, target []byte) bool

// ListPath is List for what is the directory rel now.
func (t *Tree) ListPath(rel string, f Visit) error {
	n, err := t.Find(rel)
	if err != nil {
		return err
	}
	return t.List(n, f)
}

// List calls f for everything in the directory n.
func (t *Tree) List(n Node, f Visit) error {
	names, err := t.Names(n)
	if err != nil {
		return err
	}
	defer names.Close()
	for {
		portion, err := names.Portion()
		for _, name := range portion {
			id, target, err := t.look(n, name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				// Perhaps because the directory has vanished.
				if err := t.Use(n, func(Handle) error { return nil }); err != nil {
					return err
				}
			case err != nil:
				return fmt.Errorf("%q: %w", name, err)
			case !f([]byte(name), &id, []byte(target)):
				return nil
			}
		}
		if err != nil || len(portion) == 0 {
			return err
		}
	}
}

// look describes name in the directory n.
func (t *Tree) look(n Node, name string) (id filesys.Identity, target string, err error) {
	err = t.Use(n, func(h Handle) error {
		if id, err = h.Identity(name); err == nil && id.IsSymlink() {
			target, err = h.Readlink(name)
		}
		return err
	})
	return id, target, err
}

// A Names goes through the names in a directory in portions.
type Names struct {
	list *os.File
	done bool
}

// Names opens the directory n for Portion.
func (t *Tree) Names(n Node) (names Names, err error) {
	err = t.Use(n, func(h Handle) (err error) {
		names.list, err = h.list()
		return err
	})
	return names, err
}

// Portion returns the next names, at most Portion, and no names after the
// last. It closes the directory as soon as no more will come, since
// descriptors are few.
func (n *Names) Portion() ([]string, error) {
	if n.done {
		return nil, nil
	}
	names, err := n.list.Readdirnames(Portion)
	if n.done = err != nil || len(names) < Portion; n.done {
		n.Close()
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// Close closes the directory; a second time does no harm.
func (n *Names) Close() { n.list.Close() }
