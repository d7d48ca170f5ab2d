package entries

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// A Listing goes through a directory. It is large: use one again. The zero
// value is closed.
type Listing struct {
	fd      int
	name    []byte // the last one, with the zero byte that ends it
	entries []byte // what of buf comes after it
	st      unix.Stat_t
	id      filesys.Identity
	target  [unix.PathMax]byte
	// buf has room for a thousand names and more, so that few calls are
	// needed.
	buf [64 << 10]byte
}

// Open opens a directory for listing. It is opened a second time, since a
// descriptor has one position and may be used by several at once, and since
// some file systems show through an old one what was there when it was opened.
func (l *Listing) Open(dirfd int) error {
	fd, err := Open(dirfd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	l.Take(fd)
	return err
}

// Take is Open for the descriptor of a directory that was opened for this
// listing only.
func (l *Listing) Take(fd int) { l.fd, l.entries = fd, nil }

// Close closes what Open opened, or Take took.
func (l *Listing) Close() { _ = unix.Close(l.fd) }

// Next returns the next name but "." and "..", nil after the last. It is valid
// until the next call. A directory that was removed is ENOENT.
func (l *Listing) Next() ([]byte, error) {
	const fixed = 19 // inode u64, offset u64, length u16, type u8; the name follows
	for {
		if len(l.entries) == 0 {
			n := 0
			err := filesys.Retry(func() (err error) {
				n, err = unix.Getdents(l.fd, l.buf[:])
				return err
			})
			if err != nil || n == 0 {
				return nil, err
			}
			l.entries = l.buf[:n]
		}
		if len(l.entries) < fixed {
			return nil, errListing()
		}
		size := int(binary.NativeEndian.Uint16(l.entries[16:]))
		if size <= fixed || size > len(l.entries) {
			return nil, errListing()
		}
		name := l.entries[fixed:size]
		l.entries = l.entries[size:]
		end := bytes.IndexByte(name, 0)
		if end <= 0 || bytes.IndexByte(name[:end], '/') >= 0 {
			return nil, errListing()
		}
		if name[0] == '.' && (end == 1 || end == 2 && name[1] == '.') {
			continue
		}
		l.name = name[:end+1]
		return name[:end], nil
	}
}

// errListing is about a file system in user space, or a damaged one: not every
// kernel looks at what it passes on.
func errListing() error {
	return filesys.Refuse(mft.CodeIO, "the file system returned what is no name")
}

// Look looks at what Next returned: what it is, and the target of a link. Both
// are valid until the next call. What has vanished is ENOENT.
func (l *Listing) Look() (id *filesys.Identity, target []byte, err error) {
	if err := stat(l.fd, &l.name[0], &l.st); err != nil {
		return nil, nil, err
	}
	if l.st.Mode&unix.S_IFMT == unix.S_IFLNK {
		n, err := readlink(l.fd, &l.name[0], l.target[:])
		if err == unix.EINVAL {
			err = unix.ENOENT // in this instant it was replaced
		}
		if err != nil {
			return nil, nil, err
		}
		target = l.target[:n]
	}
	l.id = filesys.StampOf(&l.st)
	return &l.id, target, nil
}
