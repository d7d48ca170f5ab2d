//go:build !portable

package confine

import (
	"container/list"
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

// maxOpen is how many directory descriptors of one root stay open while
// nobody uses them, the root's own aside.
const maxOpen = 64

// A tree keeps the descriptor of a root, and those of the directories below
// it that were used last.
type tree struct {
	// plain is set where openat2 does not work. It is not changed after open.
	plain bool

	mu     sync.Mutex // guards what follows, and the fields of every pinned
	base   *pinned    // nil once closed
	kept   map[string]*pinned
	recent list.List // of *pinned, the one used last in front
}

// A pinned is an open directory with the number of its users. Out of the tree
// (elem is nil) it is closed when the last one is done.
type pinned struct {
	handle
	rel  string
	id   nodeID
	uses int
	elem *list.Element
}

func (t *tree) open(path string) error {
	h, id, err := openDir(func(flags int) (int, error) { return openat(unix.AT_FDCWD, path, flags, 0) })
	if err != nil {
		return err
	}
	t.base = &pinned{handle: h, id: id}
	t.kept = map[string]*pinned{}
	t.plain = !haveOpenat2(h.fd)
	return nil
}

// sub makes of into a tree that begins at the directory rel.
func (t *tree) sub(into *tree, rel string) error {
	base, err := t.root()
	if err != nil {
		return err
	}
	defer t.release(base)
	if rel == "" {
		rel = "."
	}
	h, id, err := openDir(func(flags int) (int, error) { return t.openat(base.fd, rel, flags) })
	if err != nil {
		return err
	}
	into.base = &pinned{handle: h, id: id}
	into.kept = map[string]*pinned{}
	into.plain = t.plain
	return nil
}

func (t *tree) close() error {
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

// flush closes what nobody uses and forgets the rest.
func (t *tree) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.kept {
		t.drop(p)
	}
}

// forget is flush for the directory rel and those below it.
func (t *tree) forget(rel string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.kept {
		if p.rel == rel || strings.HasPrefix(p.rel, rel+"/") {
			t.drop(p)
		}
	}
}

// drop takes p out of the tree. The caller holds the mutex.
func (t *tree) drop(p *pinned) {
	delete(t.kept, p.rel)
	t.recent.Remove(p.elem)
	p.elem = nil
	if p.uses == 0 {
		p.close()
	}
}

// root returns the root's own directory, in use.
func (t *tree) root() (*pinned, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base == nil {
		return nil, os.ErrClosed
	}
	t.base.uses++
	return t.base, nil
}

// release ends one use of p.
func (t *tree) release(p *pinned) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.uses--
	if p.uses == 0 && p.elem == nil && p != t.base {
		p.close()
	}
}

// keep takes an open directory into the tree, in use, or closes it when the
// tree has it already.
func (t *tree) keep(rel string, h handle, id nodeID) (*pinned, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base == nil {
		h.close()
		return nil, os.ErrClosed
	}
	if p := t.kept[rel]; p != nil {
		if p.id == id {
			h.close()
			p.uses++
			t.recent.MoveToFront(p.elem)
			return p, nil
		}
		t.drop(p) // another directory has its name now
	}
	p := &pinned{handle: h, rel: rel, id: id, uses: 1}
	p.elem = t.recent.PushFront(p)
	t.kept[rel] = p
	if len(t.kept) > maxOpen {
		t.drop(t.recent.Back().Value.(*pinned))
	}
	return p, nil
}

// pin returns the directory of d, in use.
func (t *tree) pin(d *Dir) (*pinned, error) {
	if d.rel == "" {
		return t.root()
	}
	t.mu.Lock()
	if p := t.kept[d.rel]; p != nil && p.id == d.id {
		p.uses++
		t.recent.MoveToFront(p.elem)
		t.mu.Unlock()
		return p, nil
	}
	t.mu.Unlock()
	p, err := t.resolve(d.rel)
	if err == nil && p.id != d.id {
		t.release(p)
		return nil, refuse(mft.CodeNotFound, "another directory has taken its place")
	}
	return p, err
}

// use calls f with the directory of d.
func (t *tree) use(d *Dir, f func(handle) error) error {
	p, err := t.pin(d)
	if err != nil {
		return err
	}
	defer t.release(p)
	return f(p.handle)
}

// find resolves rel and returns which directory is there.
func (t *tree) find(rel string) (nodeID, error) {
	p, err := t.resolve(rel)
	if err != nil {
		return nodeID{}, err
	}
	defer t.release(p)
	return p.id, nil
}

// findIn is find for the directory name in h, whose path below the root is
// rel.
func (t *tree) findIn(h handle, name, rel string) (nodeID, error) {
	child, id, err := openDir(func(flags int) (int, error) { return openName(h.fd, name, flags) })
	if err != nil {
		return nodeID{}, err
	}
	p, err := t.keep(rel, child, id)
	if err != nil {
		return nodeID{}, err
	}
	t.release(p)
	return id, nil
}

// resolve opens the directory rel anew and returns it, in use. What the tree
// keeps under rel is not believed: the path may lead elsewhere by now.
func (t *tree) resolve(rel string) (*pinned, error) {
	base, err := t.root()
	if err != nil || rel == "" {
		return base, err
	}
	defer t.release(base)
	h, id, err := openDir(func(flags int) (int, error) { return t.openat(base.fd, rel, flags) })
	if err != nil {
		return nil, err
	}
	return t.keep(rel, h, id)
}

func (t *tree) openFile(rel, path string) (*os.File, os.FileInfo, error) {
	base, err := t.root()
	if err != nil {
		return nil, nil, err
	}
	defer t.release(base)
	fd, err := t.openat(base.fd, rel, unix.O_RDONLY|inert)
	return regular(fd, err, path)
}

func (t *tree) syncFS() error {
	base, err := t.root()
	if err != nil {
		return err
	}
	defer t.release(base)
	if base.blind {
		return errors.ErrUnsupported
	}
	return again(func() error { return unix.Syncfs(base.fd) })
}
