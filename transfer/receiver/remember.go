package receiver

import (
	"os"
	"path/filepath"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/receiver/landing"
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

// rememberFrom is the size in bytes from which the marks of a file are
// remembered. To read a smaller one takes no longer than to look for them.
const rememberFrom = 8 << 20

// A keepsake is the marks of a file that is staged. Its final name gives it
// another identity, but for what is compared here.
type keepsake struct {
	final  string
	staged confine.Identity
	record *delta.Record
}

// recall returns what is remembered of the open file at a final name, or nil.
func (r *receiver) recall(final string, f *os.File) *delta.Record {
	fi, err := f.Stat()
	if r.in.Memory == nil || err != nil || fi.Size() < rememberFrom {
		return nil
	}
	return r.in.Memory.Find(r.absolute(final), confine.Stamp(fi))
}

// remembering completes the order for a file.
func (r *receiver) remembering(o *landing.Order) {
	if r.in.Memory == nil {
		return
	}
	o.Remember = o.Item.Size >= rememberFrom
	o.Forget = func() error { return r.in.Memory.Forget(r.absolute(o.Final)) }
}

// note puts the marks of a file that is staged aside until it is committed.
func (r *receiver) note(index uint64, l *landing.Landing, f *os.File) {
	record := l.Record()
	fi, err := f.Stat()
	if record == nil || err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.staged[index] = keepsake{l.Final, confine.Stamp(fi), record}
}

// committed notes that an item has its final name. The caller holds mu.
func (r *receiver) committed(index uint64) {
	if k, ok := r.staged[index]; ok {
		delete(r.staged, index)
		r.fresh = append(r.fresh, k)
	}
}

// tidy does what can wait until the sender has heard of a commit.
func (r *receiver) tidy() {
	r.remember()
	r.partWithAll()
}

// remember remembers the marks of what was committed: those of the file that
// stands there now if it is the one that was staged.
func (r *receiver) remember() {
	r.mu.Lock()
	fresh := r.fresh
	r.fresh = nil
	r.mu.Unlock()
	for _, k := range fresh {
		fi, err := r.area.Root().Lstat(k.final)
		if err != nil {
			continue
		}
		id := confine.Stamp(fi)
		if id.Inode == k.staged.Inode && id.Dev == k.staged.Dev && id.Size == k.staged.Size && id.MTime == k.staged.MTime {
			r.in.Memory.Keep(r.absolute(k.final), id, k.record)
		}
	}
}

func (r *receiver) absolute(final string) string {
	return filepath.Join(r.area.Root().Path(), filepath.FromSlash(final))
}
