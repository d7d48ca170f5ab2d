package confine

import (
	"mft.dev/mft/internal/confine/beneath"
)

// List calls f for everything in the directory, except "." and "..", in no
// order: its name, what it is now, and the target if it is a symbolic link.
// It stops at the first error of f, which it returns as it is. Name and
// target are only lent: f must not change them, nor keep them when it returns.
// f may use the directory meanwhile.
//
// What has vanished by the time that it is looked at is passed over. What is
// created or removed meanwhile may be seen or not. When the directory itself
// has been removed, or something in it cannot be looked at, the listing is not
// whole and List fails, with CodeNotFound or what the reason is.
func (d *Dir) List(f func(name []byte, id Identity, target []byte) error) error {
	var stopped error
	err := d.root.tree.List(d.node, func(name []byte, id Identity, target []byte) bool {
		stopped = f(name, id, target)
		return stopped == nil
	})
	switch {
	case stopped != nil:
		return stopped
	case err != nil:
		return fail("list", d.path(), err)
	}
	return nil
}

// ReadSmall reads the regular file name into buf, from its beginning until
// buf is full or the file ends, and returns what was read and what the file
// was after reading. If Size of that is not the length of what was read, then
// the file has more than buf takes, or is being changed. It fails with
// CodeSymlink or CodeNotRegular when it is something else.
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
// Create, writing, SetAttributes and Close would, with fewer system calls. It
// is durable after Root.SyncFS, or when it is opened again and flushed.
//
// It fails with CodeExists when anything is there. When it fails with another
// code, the name may be that of an unfinished file by then, which stays.
func (d *Dir) WriteSmall(name string, content []byte, a Attributes) error {
	return d.use("write", name, func(h beneath.Handle) error { return h.WriteSmall(name, content, a, d.private) })
}

// Private returns the same directory for a caller who knows that nobody else
// may reach what is in it, because it or one above it is closed to others.
// There WriteSmall need not hide a file until its attributes are complete.
func (d *Dir) Private() *Dir {
	out := *d
	out.private = true
	return &out
}
