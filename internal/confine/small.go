package confine

import (
	"mft.dev/mft/internal/confine/beneath"
	"mft.dev/mft/internal/confine/filesys"
)

// A Visit is told of one thing in a directory: its name, what it is now, and the
// target if it is a symbolic link. All of it is only lent: it must not be
// changed, nor kept when the call returns.
type Visit func(name []byte, id *Identity, target []byte) error

// List calls f for everything in the directory, except "." and "..", in no
// order. It stops at the first error of f, which it returns as it is. f may use
// the directory meanwhile.
//
// What has vanished by the time that it is looked at is passed over. What is
// created or removed meanwhile may be seen or not. When the directory itself
// has been removed, or something in it cannot be looked at, the listing is not
// whole and List fails, with CodeNotFound or what the reason is.
func (d *Dir) List(f Visit) error {
	return d.root.list(d.node.Rel, f, func(v beneath.Visit) error { return d.root.tree.List(d.node, v) })
}

// List is Dir.List for what is the directory rel by now, at less cost where
// nothing else is to be done with it.
func (r *Root) List(rel string, f Visit) error {
	rel, err := beneath.CheckPath(rel)
	if err != nil {
		return fail("list", r.join(rel), err)
	}
	return r.list(rel, f, func(v beneath.Visit) error { return r.tree.ListPath(rel, v) })
}

// list calls f for what through finds in the directory rel.
func (r *Root) list(rel string, f Visit, through func(beneath.Visit) error) error {
	var stopped error
	err := through(func(name []byte, id *Identity, target []byte) bool {
		stopped = f(name, id, target)
		return stopped == nil
	})
	switch {
	case stopped != nil:
		return stopped
	case err != nil:
		return fail("list", r.join(rel), err)
	}
	return nil
}

// ReadSmall reads the regular file name into buf, from its beginning until
// buf is full or the file ends, and returns what was read, in buf, and what
// the file was after reading. When Size of that is not the length of what was
// read, the file has more than buf takes, or is being changed. It fails with
// CodeSymlink or CodeNotRegular when it is something else; to find that out a
// device or a named pipe is opened for an instant, and nothing is read from
// one that has no offsets.
//
// The file is looked at once, after reading, and that is enough for whoever
// looked before it was opened: let that first look have said A, and let the
// clock that stamps files have moved on from A.CTime before this call (that is
// what Settle in transfer/scan waits for). If the identity returned equals A,
// then what was read is the one content that A had, whole if A.Size is its
// length. For the file that was open has the number of A, so it is the file of
// A, or was made later with a number that had become free; and every change
// of a file, its making included, sets CTime, which nobody can set back. So
// since A.CTime nothing changed, or only within the same tick of the clock,
// which was over before reading began. A look between opening and reading
// could not say more: whatever it would see, the one after reading sees too.
// Neither sees what is written through a memory mapping, as Settle says.
func (d *Dir) ReadSmall(name string, buf []byte) ([]byte, Identity, error) {
	var n int
	var id Identity
	err := d.use("read", name, func(h beneath.Handle) (err error) {
		n, id, err = h.ReadSmall(name, buf)
		return err
	})
	if err != nil {
		return nil, Identity{}, err
	}
	return buf[:n], id, nil
}

// WriteSmall makes the file name with this content and these attributes, as
// Create, Write, SetAttributes and Close would, but for the calls that would
// change nothing: the order is the same, and setuid and setgid come last. It
// is durable after Root.SyncFS, or when it is opened again and flushed.
//
// It fails with CodeExists when anything is there. When it fails with another
// code, the name may be that of an unfinished file by then, which it leaves to
// the caller.
func (d *Dir) WriteSmall(name string, content []byte, a Attributes) error {
	return d.use("write", name, func(h beneath.Handle) error { return h.WriteSmall(name, content, a, d.private) })
}

// Private returns the same directory for a caller who knows that nobody else
// may reach what is in it, because it or one above it is closed to others.
// WriteSmall then makes files with their final permissions at once, instead of
// 0600 until all is set, and believes that the next one turns out like the one
// before. What Dir returns for what is below is private too.
func (d *Dir) Private() *Dir {
	out := *d
	out.private = new(filesys.Made)
	return &out
}
