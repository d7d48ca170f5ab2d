package confine

import (
	"io"

	"mft.dev/mft"
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
	return d.Names(func(name string) error {
		id, err := d.Identity(name)
		var target string
		if err == nil && id.IsSymlink() {
			target, err = d.Readlink(name)
		}
		if mft.CodeOf(err) == mft.CodeNotFound {
			_, err := d.Stat()
			return err
		}
		if err != nil {
			return err
		}
		return f([]byte(name), id, []byte(target))
	})
}

// ReadSmall reads the regular file name into buf, from its beginning until
// buf is full or the file ends, and returns what was read and what the file
// was after reading. If Size of that is not the length of what was read, then
// the file has more than buf takes, or is being changed. It fails with
// CodeSymlink or CodeNotRegular when it is something else.
func (d *Dir) ReadSmall(name string, buf []byte) ([]byte, Identity, error) {
	f, fi, err := d.root.OpenFile(beneath.Join(d.node.Rel, name))
	if err != nil {
		return nil, Identity{}, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, Identity{}, fail("read", d.pathOf(name), err)
	}
	if fi, err = f.Stat(); err != nil {
		return nil, Identity{}, fail("read", d.pathOf(name), err)
	}
	return buf[:n], Stamp(fi), nil
}

// WriteSmall makes the file name with this content and these attributes, as
// Create, writing, SetAttributes and Close would, with fewer system calls. It
// is durable after Root.SyncFS, or when it is opened again and flushed.
//
// It fails with CodeExists when anything is there. When it fails with another
// code, the name may be that of an unfinished file by then, which stays.
func (d *Dir) WriteSmall(name string, content []byte, a Attributes) error {
	f, err := d.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err != nil {
		err = fail("write", d.pathOf(name), err)
	}
	if err == nil {
		err = SetAttributes(f, a)
	}
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = fail("write", d.pathOf(name), closeErr)
	}
	return err
}

// Private returns the same directory for a caller who knows that nobody else
// may reach what is in it, because it or one above it is closed to others.
// There WriteSmall need not hide a file until its attributes are complete.
func (d *Dir) Private() *Dir {
	out := *d
	out.private = true
	return &out
}
