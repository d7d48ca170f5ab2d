//go:build !portable

package beneath

import (
	"container/list"
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/entries"
	"mft.dev/mft/internal/confine/filesys"
)

// maxOpen is how many directory descriptors of one root stay open while
// nobody uses them, the root's own aside.
const maxOpen = 64

// A tree keeps the descriptor of a root, and those of the directories below
// it that were used last.
type Tree struct {
	// plain is set where openat2 does not work. It is not changed after open.
	plain bool
	// listings are the *listing not in use.
	listings sync.Pool

	mu     sync.Mutex // guards what follows, and the fields of every pinned
	base   *pinned    // nil once closed
	kept   map[string]*pinned
	recent list.List // of *pinned, the one used last in front
}

// A pinned is an open directory with the number of its users. Out of the tree
// (elem is nil) it is closed when the last one is done.
type pinned struct {
	Handle
	node Node
	uses int
	elem *list.Element
}

// Open opens the tree below the directory path, in which links are followed.
func Open(path string, how How) (*Tree, error) {
	h, node, err := openDir("", func(flags int) (int, error) { return openPath(path, flags) })
	if err != nil {
		return nil, err
	}
	return newTree(h, node, how == Walk || !haveOpenat2(h.fd)), nil
}

// openPath opens what an operator named.
func openPath(path string, flags int) (fd int, err error) {
	err = filesys.Retry(func() (err error) {
		fd, err = unix.Openat(unix.AT_FDCWD, path, flags, 0) // it looks for zero bytes
		return err
	})
	return fd, err
}

func newTree(h Handle, node Node, plain bool) *Tree {
	return &Tree{plain: plain, base: &pinned{Handle: h, node: node}, kept: make(map[string]*pinned)}
}

// Sub opens the directory rel as a tree of its own.
func (t *Tree) Sub(rel string) (*Tree, error) {
	base, err := t.root()
	if err != nil {
		return nil, err
	}
	defer t.release(base)
	if rel == "" {
		rel = "."
	}
	h, node, err := openDir("", func(flags int) (int, error) { return t.openat(base.fd, rel, flags) })
	if err != nil {
		return nil, err
	}
	return newTree(h, node, t.plain), nil
}

// Close closes every descriptor; those in use, when they no longer are.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base == nil {
		return os.ErrClosed
	}
	for _, p := range t.kept {
		t.drop(p)
	}
	if t.base.uses == 0 {
		t.base.close()
	}
	t.base = nil
	return nil
}

// Flush closes what nobody uses and forgets the rest.
func (t *Tree) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.kept {
		t.drop(p)
	}
}

// Forget is Flush for the directory rel and those below it.
func (t *Tree) Forget(rel string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.kept {
		if p.node.Rel == rel || strings.HasPrefix(p.node.Rel, rel+"/") {
			t.drop(p)
		}
	}
}

// drop takes p out of the tree. The caller holds the mutex.
func (t *Tree) drop(p *pinned) {
	delete(t.kept, p.node.Rel)
	t.recent.Remove(p.elem)
	p.elem = nil
	if p.uses == 0 {
		p.close()
	}
}

// root returns the root's own directory, in use.
func (t *Tree) root() (*pinned, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base == nil {
		return nil, os.ErrClosed
	}
	t.base.uses++
	return t.base, nil
}

// release ends one use of p.
func (t *Tree) release(p *pinned) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.uses--
	if p.uses == 0 && p.elem == nil && p != t.base {
		p.close()
	}
}

// keep takes an open directory into the tree, in use, or closes it when the
// tree has it already.
func (t *Tree) keep(h Handle, node Node) (*pinned, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base == nil {
		h.close()
		return nil, os.ErrClosed
	}
	if p := t.kept[node.Rel]; p != nil {
		if p.node == node {
			h.close()
			p.uses++
			t.recent.MoveToFront(p.elem)
			return p, nil
		}
		t.drop(p) // another directory has its name now
	}
	p := &pinned{Handle: h, node: node, uses: 1}
	p.elem = t.recent.PushFront(p)
	t.kept[node.Rel] = p
	if len(t.kept) > maxOpen {
		t.drop(t.recent.Back().Value.(*pinned))
	}
	return p, nil
}

// pin returns the directory n, in use.
func (t *Tree) pin(n Node) (*pinned, error) {
	if n.Rel == "" {
		return t.root()
	}
	t.mu.Lock()
	if e := t.recent.Front(); e != nil {
		// Most often it is the same as before.
		if p := e.Value.(*pinned); p.node == n {
			p.uses++
			t.mu.Unlock()
			return p, nil
		}
	}
	if p := t.kept[n.Rel]; p != nil && p.node == n {
		p.uses++
		t.recent.MoveToFront(p.elem)
		t.mu.Unlock()
		return p, nil
	}
	t.mu.Unlock()
	p, err := t.resolve(n.Rel)
	if err == nil && p.node != n {
		t.release(p)
		return nil, filesys.Refuse(mft.CodeNotFound, "another directory has taken its place")
	}
	return p, err
}

// Use calls f with the directory n, if that is still what has its path or is
// open.
func (t *Tree) Use(n Node, f func(Handle) error) error {
	p, err := t.pin(n)
	if err != nil {
		return err
	}
	defer t.release(p)
	return f(p.Handle)
}

// Find resolves rel anew and returns which directory is there.
func (t *Tree) Find(rel string) (Node, error) {
	p, err := t.resolve(rel)
	if err != nil {
		return Node{}, err
	}
	defer t.release(p)
	return p.node, nil
}

// FindIn is Find for the directory name in h, the directory with the path
// above.
func (t *Tree) FindIn(h Handle, above, name string) (Node, error) {
	child, node, err := openDir(Join(above, name), func(flags int) (int, error) { return openName(h.fd, name, flags) })
	if err != nil {
		return Node{}, err
	}
	p, err := t.keep(child, node)
	if err != nil {
		return Node{}, err
	}
	t.release(p)
	return node, nil
}

// resolve opens the directory rel anew and returns it, in use. What the tree
// keeps under rel is not believed: the path may lead elsewhere by now.
func (t *Tree) resolve(rel string) (*pinned, error) {
	base, err := t.root()
	if err != nil || rel == "" {
		return base, err
	}
	defer t.release(base)
	h, node, err := openDir(rel, func(flags int) (int, error) { return t.openat(base.fd, rel, flags) })
	if err != nil {
		return nil, err
	}
	return t.keep(h, node)
}

// OpenFile opens the regular file rel for reading, under the name path.
func (t *Tree) OpenFile(rel, path string) (*os.File, os.FileInfo, error) {
	base, err := t.root()
	if err != nil {
		return nil, nil, err
	}
	defer t.release(base)
	fd, err := t.openat(base.fd, rel, unix.O_RDONLY|entries.Inert)
	return regular(fd, err, path)
}

// SyncFS flushes the file system of the top.
func (t *Tree) SyncFS() error {
	base, err := t.root()
	if err != nil {
		return err
	}
	defer t.release(base)
	if base.blind {
		return errors.ErrUnsupported
	}
	return filesys.Retry(func() error { return unix.Syncfs(base.fd) })
}

// FlushesWhole reports whether SyncFS is possible.
func (t *Tree) FlushesWhole() bool {
	base, err := t.root()
	if err != nil {
		return false
	}
	defer t.release(base)
	return !base.blind
}
