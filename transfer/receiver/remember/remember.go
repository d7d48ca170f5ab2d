// Package remember has a receiver remember the marks of what it has made, and
// puts off until the sender has heard of a commit what nobody need wait for.
//
//	k := remember.New(memory, root)
//	record := k.Recall(final, file)     // of an old version that is to be used
//	k.Staged(index, final, record, file)
//	k.PartWith(old)                     // its old version is not needed any more
//	k.Committed(index)                  // or Refused
//	k.Tidy()                            // the sender has heard of that
//	k.Close()
package remember

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/delta"
)

// A Memory remembers the marks of files between transfers, by their absolute
// paths. It may be wrong: what was made with its help is verified like
// everything, and it is told. Its methods may be called by several goroutines.
type Memory interface {
	// Find returns the marks of the file that was there, if that is the one
	// with this identity, else nil.
	Find(path string, id confine.Identity) *delta.Record
	// Keep has them remembered, instead of those of an earlier file there.
	Keep(path string, id confine.Identity, r *delta.Record)
	// Forget fails when they may still be found.
	Forget(path string) error
}

// from is the size in bytes from which the marks of a file are remembered. To
// read a smaller one takes no longer than to look for them.
const from = 8 << 20

// A Keeper does this for one attempt. Its methods may be called by several
// goroutines.
type Keeper struct {
	memory Memory
	root   *confine.Root

	mu       sync.Mutex
	staged   map[uint64]keepsake // marks of what is to be committed
	fresh    []keepsake          // marks of what was committed
	replaced []io.Closer         // old versions to be closed
}

// A keepsake is the marks of a file. To get its final name gives it another
// identity, but for what is compared here.
type keepsake struct {
	final  string
	staged confine.Identity
	record *delta.Record
}

// New returns the keeper for what is made below root. memory may be nil: then
// nothing is remembered.
func New(memory Memory, root *confine.Root) *Keeper {
	return &Keeper{memory: memory, root: root, staged: make(map[uint64]keepsake)}
}

// Wants reports whether the marks of a file of size bytes are remembered.
func (k *Keeper) Wants(size int64) bool { return k.memory != nil && size >= from }

// Recall returns what is remembered of the open file at a final name, or nil.
func (k *Keeper) Recall(final string, f *os.File) *delta.Record {
	fi, err := f.Stat()
	if err != nil || !k.Wants(fi.Size()) {
		return nil
	}
	return k.memory.Find(k.path(final), confine.Stamp(fi))
}

// Forget has the memory forget what it knows of a final name. It fails when that
// may still be found.
func (k *Keeper) Forget(final string) error { return k.memory.Forget(k.path(final)) }

// Staged keeps the marks of an item, unless they are nil, until it is committed.
// f is its temporary file, which has all of its attributes.
func (k *Keeper) Staged(index uint64, final string, record *delta.Record, f *os.File) {
	if record == nil {
		return
	}
	fi, err := f.Stat()
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.staged[index] = keepsake{final, confine.Stamp(fi), record}
}

// Refused says that an item does not get its final name.
func (k *Keeper) Refused(index uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.staged, index)
}

// Committed says that an item has its final name.
func (k *Keeper) Committed(index uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.staged[index]; ok {
		delete(k.staged, index)
		k.fresh = append(k.fresh, s)
	}
}

// PartWith closes an old version. If that is replaced, the file system frees all
// that it has, which takes a while for a big one. So it is put off until Tidy,
// where a file can be replaced that is open.
func (k *Keeper) PartWith(old io.Closer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if runtime.GOOS == "windows" || len(k.replaced) == protocol.DeltaWindow {
		old.Close() // nothing was written
		return
	}
	k.replaced = append(k.replaced, old)
}

// Tidy remembers the marks of what was committed, of each file that still is
// what was staged, and closes what it replaced.
func (k *Keeper) Tidy() {
	k.mu.Lock()
	fresh := k.fresh
	k.fresh = nil
	k.mu.Unlock()
	for _, s := range fresh {
		fi, err := k.root.Lstat(s.final)
		if err != nil {
			continue
		}
		id := confine.Stamp(fi)
		if id.Inode == s.staged.Inode && id.Dev == s.staged.Dev && id.Size == s.staged.Size && id.MTime == s.staged.MTime {
			k.memory.Keep(k.path(s.final), id, s.record)
		}
	}
	k.Close()
}

// Close closes what PartWith has put off.
func (k *Keeper) Close() {
	k.mu.Lock()
	replaced := k.replaced
	k.replaced = nil
	k.mu.Unlock()
	for _, old := range replaced {
		old.Close()
	}
}

func (k *Keeper) path(final string) string {
	return filepath.Join(k.root.Path(), filepath.FromSlash(final))
}
